"""Measure Orion's LSTM pipelines and this course's LSTM detectors side by side, series by series.

    python3.10 -m venv build/orion && build/orion/bin/python -m pip install orion-ml==0.7.1
    python -m lib fetch ucr
    python tests/benchmarks/orion_ucr.py build/orion/bin/python

Writes `build/orion_ucr.csv`. The ten shortest series of the archive, one for each source. On each,
the detectors take turns in processes with one thread; `seconds` are of the processor, so that other
work on the machine does not count. Each learns from the training part
and is asked for the rest; Orion with the settings that it ships with, the course's with those that
its study has chosen (`data/results/grid.toml`). Orion *finds* an anomaly if one of its spans comes
within 100 rows of it, with as many spans as it likes. The course's detectors have one guess, the
row with the highest score, in the same distance.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from lib import data
from lib.data import ucr
from lib.detectors import Detector
from lib.study import configurations, datasets, grid

ROOT = Path(__file__).resolve().parents[2]
ORION = ("lstm_autoencoder", "aer", "lstm_dynamic_threshold")
OURS = ("lstm_autoencoder", "lstm_combined", "lstm_forecaster")
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    "1",
)
SLACK = 100  # rows, as the archive's own score allows


def shortest(count):
    """Names of the shortest series, one for each source."""
    known = ucr.series()
    rows = {name: len(data.load(name)) for name in known.index}
    order = known.assign(rows=pd.Series(rows)).sort_values(["rows", "file"])
    return list(order.drop_duplicates("source").index[:count])


def by_orion(python, pipeline, one, folder):
    """Seconds of the processor, and the spans found, first and last row of the scored part."""
    file = folder / f"{one.name}.npz"
    train, test = pd.concat([one.train, one.validation]), one.series.loc[one.labels.index]
    np.savez(file, train=train.to_numpy()[:, 0], test=test.to_numpy()[:, 0])
    worker = [python, str(Path(__file__).with_name("orion_worker.py"))]
    request = json.dumps({"file": str(file), "pipeline": pipeline})
    pipes = {"input": request, "capture_output": True, "text": True, "check": True}
    done = subprocess.run(worker, env={**os.environ, **ONE_THREAD}, **pipes)
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer["seconds"], [[a - len(train), b - len(train)] for a, b in answer["spans"]]


def by_course(chosen, kind, one, folder):
    """Seconds of the processor, and the row with the highest score as a span."""
    started = time.process_time()
    with threadpool_limits(1):
        recipe = configurations.recipe(kind, chosen[kind], one)
        detector = Detector(**recipe).fit(one.train, one.validation)
        scores = detector.decision_function(one.series)[one.labels.index].to_numpy()
    best = int(np.nanargmax(scores))
    return time.process_time() - started, [[best, best]]


def main(python, count=10):
    """Measure; print a line for each try, and the means."""
    os.environ["LIB_TRAINER"] = "numpy"
    chosen = grid.read(ROOT / "data" / "results" / "grid.toml").chosen
    folder, rows = ROOT / "build", []
    folder.mkdir(exist_ok=True)
    tries = [(f"Orion {kind}", by_orion, python, kind) for kind in ORION]
    tries += [(f"course {kind}", by_course, chosen, kind) for kind in OURS]
    for name in shortest(count):
        one = datasets.load(name)
        anomaly = np.flatnonzero(one.labels)
        for title, run, how, kind in tries:
            seconds, spans = run(how, kind, one, folder)
            hits = [a <= anomaly[-1] + SLACK and b >= anomaly[0] - SLACK for a, b in spans]
            row = {"series": name, "detector": title, "seconds": seconds}
            rows.append(row | {"found": any(hits), "false": len(hits) - sum(hits)})
            print(rows[-1], flush=True)
            pd.DataFrame(rows).to_csv(folder / "orion_ucr.csv", index=False)
    columns = ["seconds", "found", "false"]
    print(pd.DataFrame(rows).groupby("detector")[columns].mean().round(2).to_string())


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
