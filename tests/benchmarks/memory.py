"""Measure the memory that a detector takes for a year of minutes with ten sensors.

    python tests/benchmarks/memory.py

Each kind trains and scores in a process of its own, whose peak is printed. Few steps of training
are enough: what a batch takes does not grow.
"""

import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd

ROWS, SENSORS, WINDOW = 525_600, 10, 30
OPTIONS = {
    "lstm_autoencoder": {"options": {"units": 8, "latent": 4}, "steps": 20},
    "dense_forecaster": {"options": {"units": (8,)}, "steps": 20},
    "pca": {},
    "ridge": {},
    "isolation_forest": {"options": {"trees": 20}},
}


def year():
    """A year of minutes, one reading in a thousand missing."""
    minute, noise = np.arange(ROWS)[:, np.newaxis], np.random.default_rng(0)
    values = np.sin(minute / (200 + 30 * np.arange(SENSORS))) + noise.normal(
        0, 0.1, (ROWS, SENSORS)
    )
    values[noise.random(values.shape) < 0.001] = np.nan
    times = pd.date_range("2024-01-01", periods=ROWS, freq="min")
    return pd.DataFrame(values, times, [f"sensor {number}" for number in range(SENSORS)])


def measure(kind):
    """Train and score in this process; print its peak so far after each."""
    from lib.detectors import Detector

    rows, started = year(), time.perf_counter()
    said = [kind, f"data {peak():.2f} GB"]
    detector = Detector(kind, WINDOW, normalisation="window", **OPTIONS[kind]).fit(rows)
    said += [f"trained on {detector.n_windows_:,} windows {peak():.2f} GB"]
    scores = detector.decision_function(rows)
    said += [f"scored {int(scores.notna().sum()):,} rows {peak():.2f} GB"]
    print(*said, f"{time.perf_counter() - started:.0f} s", sep=", ", flush=True)


def peak():
    """Largest resident memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1])
    else:
        for name in OPTIONS:
            subprocess.run([sys.executable, __file__, name], check=True)
