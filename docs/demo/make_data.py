"""Write `data.js`, all that the page needs: a detector, a week of a turbine, two labelled series.

Run it whenever the shipped detector or the data change; a test compares.

    python docs/demo/make_data.py
"""

import base64
import json
from pathlib import Path

import numpy as np
import pandas as pd

from lib import baselines, data, faults, thresholds, windowing
from lib.detectors import Detector

FILE = Path(__file__).with_name("data.js")
BEFORE = "const DATA = "
WEEK = slice("2015-10-05", "2015-10-11")
TRAIN = slice("2014-07-01", "2015-01-20")
VALIDATION = slice("2015-01-21", "2015-05-31")
TEST = slice("2015-06-01", "2015-07-26")
# Name, unit, and what a sensor can show; `turns` if it is an angle that goes round.
SENSORS = {
    "P_avg": {"name": "power", "unit": "kW", "limits": (-20, 2060)},
    "Ws_avg": {"name": "wind speed", "unit": "m/s", "limits": (0, 25)},
    "Ba_avg": {"name": "blade pitch", "unit": "°", "limits": (-7, 115)},
    "Va_avg": {"name": "vane", "unit": "°", "turns": (-180, 180)},
    "Ot_avg": {"name": "air temperature", "unit": "°C", "limits": (-40, 50)},
    "Wa_avg": {"name": "wind direction", "unit": "°", "turns": (0, 360)},
}
ANGLES = [sensor for sensor, known in SENSORS.items() if "turns" in known]
FAULT_ROWS, FAULT_SIZE = 36, 3.0
SHARES = np.geomspace(0.5, 1e-4, 150)  # of validation scores above a threshold


def contents():
    """Return everything in `data.js`, as JSON has it."""
    detector = Detector.load(data.DATA_DIR / "detectors" / "six_sensors")
    plant = data.load("la_haute_borne")[list(SENSORS)]
    return {
        "detector": network(detector),
        "week": week(detector, plant),
        "labelled": [turbine(detector, plant), pressure()],
    }


def network(detector):
    """Recipe, scaler, threshold and weights; the weights as 32-bit numbers in base 64."""
    layers = []
    for layer in detector.model_.layers:
        kind, options = type(layer).__name__, layer.get_config()
        weights = [_base64(weight) for weight in layer.get_weights()]
        if kind == "LSTM":
            names = dict(zip(("kernel", "recurrent", "bias"), weights, strict=True))
            layers.append({"kind": "lstm", "units": options["units"], **names})
        elif kind == "RepeatVector":
            layers.append({"kind": "repeat"})
        elif kind == "Dense":
            layers.append({"kind": "dense", **dict(zip(("kernel", "bias"), weights, strict=True))})
        elif kind not in ("InputLayer", "Identity", "Dropout"):
            raise ValueError(f"network.js must know each layer. Received: {kind}")
    if detector.recipe["kind"] != "lstm_autoencoder" or detector.recipe["smooth"] != 1:
        raise ValueError("network.js knows LSTM autoencoders without smoothing only")
    return {
        "window": detector.recipe["window"],
        "features": detector.features_,
        "scaler": detector.scaler_.to_dict("list"),
        "threshold": detector.threshold_,
        "layers": layers,
    }


def _base64(values):
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()


def features_of(detector, frame):
    """Rows of sensors as the detector's features: angles become sine and cosine."""
    return faults.unroll_angles(frame, ANGLES)[detector.features_]


def week(detector, plant):
    """A week of readings in hundredths, with as many rows before it as the first score needs."""
    rows = plant.loc[: WEEK.stop].iloc[-(len(plant.loc[WEEK]) + detector.recipe["window"] - 1) :]
    if rows.isna().any(axis=None):
        raise ValueError(f"the week must be without a gap. Received: {WEEK}")
    deviation = plant.loc[TRAIN].std()
    sensors = [
        {
            "id": sensor,
            **known,
            "deviation": round(float(deviation[sensor]), 4),
            "hundredths": (rows[sensor] * 100).round().astype(int).tolist(),
        }
        for sensor, known in SENSORS.items()
    ]
    return {"start": f"{rows.index[0]:%Y-%m-%dT%H:%M}Z", "minutes": 10, "sensors": sensors}


def turbine(detector, plant):
    """Eight weeks with injected faults, scored by the shipped detector."""
    rows = plant.loc[TEST]
    fault_free = rows.notna().all(axis=1) & ~faults.stopped(rows["P_avg"], rows["Ws_avg"])
    planned = faults.plan(
        fault_free, list(SENSORS), repeats=1, rows=FAULT_ROWS, gap=FAULT_ROWS, seed=0
    )
    spoiled = faults.inject(
        rows,
        planned,
        plant.loc[TRAIN].std(),
        size=FAULT_SIZE,
        limits={sensor: known["limits"] for sensor, known in SENSORS.items() if "limits" in known},
        turns={sensor: known["turns"] for sensor, known in SENSORS.items() if "turns" in known},
        seed=0,
    )
    labels = ~faults.undisturbed(planned, rows.index, 0)
    validation = plant.loc[VALIDATION]
    validation = validation.where(~faults.stopped(validation["P_avg"], validation["Ws_avg"]))
    return labelled(
        "Wind turbine, six sensors: 36 injected faults; LSTM autoencoder",
        detector.decision_function(features_of(detector, spoiled)),
        labels,
        detector.decision_function(features_of(detector, validation)),
        "10 minutes",
    )


def pressure():
    """Series 135 of the UCR archive, scored by PCA of windows; a row by all windows around it.

    Window and components are chosen for the lesson, with the labels in sight; the page says so.
    """
    window, components = 48, 8
    frame = data.load("ucr_135")
    values, cut = frame.iloc[:, 0], frame.attrs["train_rows"]
    learned = cut * 2 // 3
    windows = windowing.sliding_windows(values, window)
    pca = baselines.Pca(window, 1, n_components=components)
    pca.fit(windows[: learned - window + 1], None)
    errors = np.sqrt(np.square(pca.errors(windows, windows)).mean(axis=(1, 2)))
    rows = windowing.overlap_mean(errors, window, len(values))
    scores = pd.Series(rows, values.index, name="score")
    return labelled(
        "Arterial pressure (UCR 135): one anomaly; PCA",
        scores.iloc[cut:],
        frame["anomaly"].iloc[cut:].astype(bool),
        scores.iloc[learned + window : cut - window],
        "row",
    )


def labelled(title, scores, labels, validation, step):
    """Scores as whole numbers of a small `unit`, labelled spans, and validation scores."""
    scored = scores.notna()
    scores, labels, validation = scores[scored], labels[scored], validation.dropna()
    unit = float(f"{thresholds.percentile(validation, 99) / 200:.1g}")
    edges = np.flatnonzero(np.diff(np.r_[False, labels, False].astype(int)))
    return {
        "title": title,
        "step": step,
        "unit": unit,
        "scores": (scores / unit).round().astype(int).tolist(),
        "events": edges.reshape(-1, 2).tolist(),
        "validation": {
            "rows": len(validation),
            "shares": [float(f"{share:.4g}") for share in SHARES],
            "scores": [
                float(f"{thresholds.percentile(validation, 100 * (1 - share)):.4g}")
                for share in SHARES
            ],
        },
    }


def text(found):
    """Return the file: JSON with a name before it, for a page opened as a file may read no JSON."""
    return (
        "// Made by make_data.py. Do not edit.\n"
        f"{BEFORE}{json.dumps(found, ensure_ascii=False, separators=(',', ':'))};\n"
    )


def stored():
    """Return what `data.js` holds now."""
    return json.loads(FILE.read_text(encoding="utf-8").split(BEFORE, 1)[1].rstrip().rstrip(";"))


if __name__ == "__main__":
    FILE.write_text(text(contents()), encoding="utf-8", newline="\n")
    print(f"{FILE.name}: {FILE.stat().st_size / 1000:.0f} kB")
