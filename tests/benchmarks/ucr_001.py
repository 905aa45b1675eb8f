"""Measure what notebook 10 tells about UCR 001; writes `data/results/ucr_001.csv`.

It also writes `ucr_135_known.csv`: the known study's protocol on the series that ships.

    python -m lib fetch ucr_001
    python tests/benchmarks/ucr_001.py

About an hour on one core, most of it for the known study's own protocol. Each training is kept in
`build/ucr_001`, so that a run which was cut short goes on where it was; remove that folder to
measure anew. Seeded throughout: the same machine gives the same table.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

sys.path.insert(0, str(Path(__file__).parent))

import faults_in_a_beat as faults

from lib import baselines, data, metrics, thresholds, windowing
from lib.course import fingerprints

ROOT = Path(__file__).resolve().parents[2]
CACHE, RESULTS = ROOT / "build" / "ucr_001", ROOT / "data" / "results"
PERIOD, PATCH, STRIDE = 208, 8, 4
LEARN_END, TEST_START = 28_000, 35_000  # the rows between are for validation
STUDY = "window distance 0.003"  # what the tuning part of the study chose
KNOWN = {"units": 64, "epochs": 25, "batch": 32}


def kept(name, compute):
    """Arrays of a training: from the file that an earlier run left, or computed and kept."""
    path = CACHE / f"{name}.npz"
    if not path.exists():
        print("training:", name, flush=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        arrays = compute()
        scratch = path.with_suffix(".part.npz")
        np.savez(scratch, **arrays)
        scratch.replace(path)
    with np.load(path) as stored:
        return dict(stored)


def normalised(windows):
    """Each window to mean 0 and standard deviation 1."""
    centred = windows - windows.mean(axis=1, keepdims=True)
    return centred / np.maximum(windows.std(axis=1, keepdims=True), 1e-8)


def nearest(train, codes, k):
    """Rows of the `k` training codes that are nearest to each code."""
    return NearestNeighbors(n_neighbors=k).fit(train).kneighbors(codes, return_distance=False)


def windows_of(rows, window, *, normalise, stride=STRIDE):
    """Windows as lines of numbers, (n_windows, window)."""
    cut = windowing.sliding_windows(rows, window, stride=stride)
    return (normalised(cut) if normalise else cut)[:, :, 0]


def known_network(steps, n_features, activation):
    """The network of the known study, as far as it tells, compiled with XLA."""
    from lib.backend import keras

    keras.utils.set_random_seed(0)
    layers, units = keras.layers, KNOWN["units"]
    inputs = keras.Input((steps, n_features))
    code = layers.LSTM(units, activation=activation, name="latent")(inputs)
    hidden = layers.RepeatVector(steps)(code)
    hidden = layers.LSTM(units, activation=activation, return_sequences=True)(hidden)
    model = keras.Model(inputs, layers.Dense(n_features)(hidden))
    model.compile(optimizer="adam", loss="mse", jit_compile=True)
    return model


def shaped(windows, patch):
    """Windows (n_windows, window) written in lines of `patch` rows, as the networks see them."""
    return windows.reshape(len(windows), -1, patch).astype("float32")


def rebuilt(model, parts, patch):
    """Codes and reconstruction errors of all windows of all parts."""
    from lib.backend import keras

    both = keras.Model(model.input, [model.get_layer("latent").output, model.output])
    arrays = {}
    for name, windows in parts.items():
        inputs = shaped(windows, patch)
        code, output = both.predict(inputs, batch_size=1024, verbose=0)
        arrays[f"{name}_code"] = code
        arrays[f"{name}_error"] = (output - inputs).reshape(len(inputs), -1)
    return arrays


def trained_as_known(parts, patch, activation):
    """Train with the sizes of the known study; return codes and errors of all parts."""
    inputs = shaped(parts["train"], patch)
    model = known_network(*inputs.shape[1:], activation)
    model.fit(inputs, inputs, epochs=KNOWN["epochs"], batch_size=KNOWN["batch"], verbose=0)
    return rebuilt(model, parts, patch)


def trained_as_ours(parts, latent, seed):
    """Train as notebook 10 does, last with small steps; return codes and errors of all parts."""
    from lib import models, training

    inputs = shaped(parts["train"], PATCH)
    model = models.build_lstm_autoencoder(
        *inputs.shape[1:], units=64, latent=latent, learning_rate=3e-3, loss="mse", seed=seed
    )
    model.jit_compile = True
    for rate, epochs in ((3e-3, 30), (3e-4, 10)):
        model.optimizer.learning_rate = rate
        training.fit(model, inputs, inputs, epochs=epochs, batch_size=64, seed=seed)
    return rebuilt(model, parts, PATCH)


def spread(scores, n_times, window, stride):
    """Each row gets the mean score of all windows that cover it."""
    rows = windowing.overlap_mean(scores, window, n_times, stride=stride)
    return pd.Series(rows).ffill().to_numpy()  # the last rows, which no stride reaches


def judged(labels, scores, threshold):
    """All figures of one detector on the test rows."""
    known = ~np.isnan(scores)
    flags = scores > threshold
    events = metrics.event_metrics(labels, flags)
    row = metrics.point_metrics(labels, scores, threshold)
    counts = metrics.confusion(labels[known], scores[known], threshold).to_numpy().ravel()
    row |= dict(zip(("tn", "fp", "fn", "tp"), counts, strict=True))
    row |= {"event_hit": events["hits"], "delay": events["delay"]}
    return row | {"false_events": events["false_events"]}


def known_errors(values, labels, name):
    """The known study's own way, as far as it tells: errors of the windows that it evaluates.

    Returns a frame with the first row of each window as its index: `error` and `touched`, whether
    the window touches the anomaly.
    """
    window = 60
    scaled = (values - values.mean()) / values.std()
    cut = windows_of(scaled, window, normalise=False, stride=1)
    marked = windowing.sliding_windows(labels, window).any(axis=(1, 2))
    normal = np.flatnonzero(~marked)
    learn = normal[: int(0.8 * len(normal))]
    rest = np.sort(np.concatenate([normal[len(learn) :], np.flatnonzero(marked)]))

    def compute():
        parts = {"train": cut[learn], "test": cut[rest]}
        return {"scores": np.square(trained_as_known(parts, 1, "relu")["test_error"]).mean(axis=1)}

    found = {"error": kept(name, compute)["scores"], "touched": marked[rest]}
    return pd.DataFrame(found, index=pd.Index(rest, name="window"))


def known_protocol(values, labels):
    """One line of the table: what the known study reports; what it flags are windows."""
    found = known_errors(values, labels, "known_protocol")
    scores, truth = found["error"].to_numpy(), found["touched"].to_numpy()
    row = judged(truth, scores, thresholds.mean_plus_sigma(scores, k=2))
    top = found.index[scores.argmax()]
    marked = windowing.sliding_windows(labels, 60).any(axis=(1, 2))
    return row | {"ucr_hit": bool(marked[max(top - 100, 0) : top + 160].any())}


LADDER = {
    "official split, judged by rows": {},
    "+ window of one period": {"window": PERIOD},
    "+ z-normalised windows": {"normalise": True},
    "+ overlapping scores": {"overlap": True},
    "+ threshold from validation": {"line": "validation"},
    "+ tanh": {"activation": "tanh"},
}
START = {"window": 60, "normalise": False, "overlap": False, "line": "test", "activation": "relu"}


def rung(values, labels, now, power):
    """One step of the ladder: the known network on the official split, changed as `now` says.

    A window's score is the mean of its errors to the `power`: 2 for squared, 1 for absolute ones.
    """
    window = now["window"]
    scale = values[:LEARN_END].mean(), values[:LEARN_END].std()
    rows = {"train": values[:LEARN_END], **judged_parts(values)}
    parts = {
        name: windows_of((part - scale[0]) / scale[1], window, normalise=now["normalise"])
        for name, part in rows.items()
    }
    name = f"ladder_{window}_{'z' if now['normalise'] else 'raw'}_{now['activation']}"
    arrays = kept(name, lambda: trained_as_known(parts, 4, now["activation"]))
    every, scores = STRIDE if now["overlap"] else window, {}
    for part in ("validation", "test"):
        error = np.abs(arrays[f"{part}_error"]) ** power
        error = error.mean(axis=1)[:: every // STRIDE]
        scores[part] = spread(error, len(rows[part]), window, every)[PERIOD:]
    if not all(np.isfinite(found).all() for found in scores.values()):
        return {}  # the training ran away, as relu lets an LSTM do; the line of the table is empty
    if now["line"] == "test":
        threshold = thresholds.mean_plus_sigma(scores["test"], k=2)
    else:
        threshold = thresholds.maximum(scores["validation"])
    return judged_by_rows(labels, scores["test"], threshold)


def judged_parts(values):
    """Rows of validation and test, each with the period before it; none looks into the next."""
    return {
        "validation": values[LEARN_END - PERIOD : TEST_START],
        "test": values[TEST_START - PERIOD :],
    }


def judged_by_rows(labels, test, threshold):
    """All figures of one detector, its UCR score among them; `labels` are those of all rows."""
    truth = labels[TEST_START:]
    return judged(truth, test, threshold) | {"ucr_hit": metrics.ucr_hit(truth, test)}


def our_network(values, latent, seed):
    """Errors and codes of the course's network, also on validation rows with faults injected."""
    planned = enumerate(faults.injected(values[:, 0]))
    rows = {
        "train": values[:LEARN_END],
        **judged_parts(values),
        **{f"fault{i}": stretch for i, (_, _, stretch, _) in planned},
    }
    parts = {name: windows_of(part, PERIOD, normalise=True) for name, part in rows.items()}
    return kept(f"ours_{latent}_{seed}", lambda: trained_as_ours(parts, latent, seed))


def window_scores(arrays, part):
    """Every way to score a window that was looked at, by name."""
    error, code = arrays[f"{part}_error"], arrays[f"{part}_code"]
    learned, codes = arrays["train_error"], arrays["train_code"]
    near = nearest(codes, code, 1)[:, 0]
    usual = np.sqrt(np.square(learned).mean(axis=1))
    alike = usual[nearest(codes, code, 10)].mean(axis=1)
    squared = np.sqrt(np.square(error).mean(axis=1))
    scale = np.linalg.inv(np.cov(learned.T) + 1e-3 * learned.var() * np.eye(error.shape[1]))
    centred = error - learned.mean(axis=0)
    return {
        "mean absolute error": np.abs(error).mean(axis=1),
        "root mean squared error": squared,
        "Mahalanobis distance of the errors": np.sqrt(
            np.einsum("ij,jk,ik->i", centred, scale, centred)
        ),
        "distance to the nearest latent vector": np.sqrt(
            np.square((code - codes[near]) / codes.std(axis=0)).sum(axis=1)
        ),
        "error by that of windows alike": squared / (alike + 0.05),
        "error by that of windows alike, step by step": np.sqrt(
            [
                (one**2 / (np.square(learned[n]).mean(axis=0) + 0.05**2)).mean()
                for one, n in zip(error, nearest(codes, code, 10), strict=True)
            ]
        ),
    }


def scores_by_row(arrays, part, n_times):
    """Scores of each kind, one for each row; the last kind spreads errors, not windows."""
    found = {n: spread(s, n_times, PERIOD, STRIDE) for n, s in window_scores(arrays, part).items()}
    error = np.abs(arrays[f"{part}_error"])[:, :, np.newaxis]
    folded = windowing.fold_windows(error, n_times, stride=STRIDE, how="mean")[:, 0]
    return found | {"absolute error, row by row": pd.Series(folded).ffill().to_numpy()}


def our_scores(values, labels, latent, seeds):
    """One line of the table for each kind of score; of several seeds the mean score."""
    rows, planned = judged_parts(values), faults.injected(values[:, 0])
    lengths = {name: len(part) for name, part in rows.items()}
    lengths |= {f"fault{i}": len(stretch) for i, (_, _, stretch, _) in enumerate(planned)}
    networks = [our_network(values, latent, seed) for seed in seeds]
    found = {part: mean_scores(networks, part, length) for part, length in lengths.items()}
    for kind in found["test"]:
        clean, test = (found[part][kind][PERIOD:] for part in rows)
        spoiled = [found[f"fault{i}"][kind] for i in range(len(planned))]
        row = {"network": f"latent {latent}", "score": kind, "seed": "-".join(map(str, seeds))}
        row["criterion"] = faults.criterion(clean, spoiled, planned)
        yield row | judged_by_rows(labels, test, thresholds.maximum(clean))


def mean_scores(networks, part, n_times):
    """Each kind of score, one for each row, as the mean over networks."""
    found = [scores_by_row(arrays, part, n_times) for arrays in networks]
    return {kind: np.mean([scores[kind] for scores in found], axis=0) for kind in found[0]}


def whole_windows(method, train, prepare=np.asarray):
    """A method's way to score rows: the mean over the windows that cover a row."""
    known = prepare(windowing.sliding_windows(train, PERIOD))
    method.fit(known, known)

    def scores(rows):
        windows = prepare(windowing.sliding_windows(rows, PERIOD))
        errors = np.sqrt(np.square(method.errors(windows, windows)).mean(axis=(1, 2)))
        return pd.Series(windowing.overlap_mean(errors, PERIOD, len(rows)))

    return scores


def simple(values, labels):
    """The baselines; each learns from the first 28,000 rows where it learns."""
    train = pd.Series(values[:LEARN_END, 0])
    methods = {
        "last value": baselines.last_value,
        "seasonal naive": lambda rows: rows.diff(PERIOD).abs(),
        "moving z": lambda rows: baselines.moving_z(rows, PERIOD),
        "PCA, 8 components": whole_windows(baselines.Pca(PERIOD, 1), train),
        "1-NN discord": whole_windows(
            baselines.Neighbours(PERIOD, 1, max_windows=len(train)),
            train,
            normalised,
        ),
        "random": baselines.random_scores,
    }
    for name, method in methods.items():
        parts = judged_parts(values[:, 0]).values()
        validation, test = (method(pd.Series(part)).to_numpy()[PERIOD:] for part in parts)
        yield {"idea": name} | judged_by_rows(labels, test, thresholds.maximum(validation))
    nothing = np.zeros(len(values) - TEST_START)
    yield {"idea": "always normal"} | judged_by_rows(labels, nothing, 1.0)


def study_scores(labels):
    """The study's LSTM autoencoder and configuration; then the same network by simpler scores."""
    from lib.detectors import Detector
    from lib.study import configurations, datasets

    one = datasets.load("ucr_001")
    recipe = configurations.recipe("lstm_autoencoder", STUDY, one)
    detector = Detector(**recipe).fit(one.train, one.validation)
    for score in ("distance", "mae", "mse"):
        found = detector.rescored(one.train, one.validation, score=score)
        scores = found.decision_function(one.series)[one.labels.index]
        scores = scores.fillna(scores.min()).to_numpy()
        row = {"idea": f"{STUDY}: {score}", "network": STUDY, "score": score, "seed": 0}
        yield row | judged_by_rows(labels, scores, found.threshold_)


def measure(values, labels):
    """All lines of the table, in the order in which notebook 10 tells them."""
    for row in simple(values, labels):
        yield {"part": "baseline", **row}
    for latent, seeds in ((8, [0]), (16, [0]), (32, [0]), (32, [1]), (32, [2]), (32, [0, 1, 2])):
        for row in our_scores(values, labels, latent, seeds):
            idea = f"{row['network']}{', three seeds' if len(seeds) > 1 else ''}: {row['score']}"
            yield {"part": "ours", "idea": idea, **row}
    for score, power in (("squared errors", 2), ("absolute errors", 1)):
        now = START
        for idea, change in LADDER.items():
            now = {**now, **change}
            row = {"part": "ladder", "idea": idea, "score": score, "seed": 0}
            yield row | rung(values, labels, now, power)
    for row in study_scores(labels):
        yield {"part": "study", **row}
    yield {"part": "known", "idea": "its own protocol", "seed": 0, **known_protocol(values, labels)}


def main():
    """Measure, print and write."""
    series = data.load("ucr_001")
    values = series.drop(columns="anomaly").to_numpy()
    table = pd.DataFrame(measure(values, series["anomaly"].to_numpy())).round(4)
    RESULTS.mkdir(exist_ok=True)
    table.to_csv(RESULTS / "ucr_001.csv", index=False, lineterminator="\n")
    stamp = {"command": "python tests/benchmarks/ucr_001.py", "versions": fingerprints.versions()}
    (RESULTS / "ucr_001.json").write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
    print(table.to_string())
    write_known_135()


def write_known_135():
    """Write the errors of the same protocol on UCR 135, for notebook 10."""
    series = data.load("ucr_135")
    values = series.drop(columns="anomaly").to_numpy()
    found = known_errors(values, series["anomaly"].to_numpy(), "known_protocol_135")
    errors = found["error"].map("{:.6g}".format)
    errors.to_csv(RESULTS / "ucr_135_known.csv", lineterminator="\n")


if __name__ == "__main__":
    main()
