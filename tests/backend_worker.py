"""One process of one backend for `test_backends`: it trains and stores, or reads what others did.

    KERAS_BACKEND=jax python tests/backend_worker.py write FOLDER
    KERAS_BACKEND=jax python tests/backend_worker.py read FOLDER

Each backend writes into `FOLDER/<backend>`: detectors, weights, and its own scores of the same
rows. What a reader finds of others it scores on those rows, into `by_<reader>.npz` beside them.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from lib import models, scoring, training, windowing
from lib.backend import keras
from lib.detectors.detector import Detector

WINDOW = 6
ROWS = pd.DataFrame(
    np.random.default_rng(0).normal(size=(80, 2)).cumsum(axis=0), columns=["a", "b"]
)
HOLES = ROWS.mask(np.random.default_rng(1).random((80, 2)) < 0.1)
DETECTORS = {
    "lstm_forecaster": {"units": (3, 2), "dropout": 0.2},
    "lstm_autoencoder": {"units": 4, "latent": 3},
    "dense_autoencoder": {"units": (4,)},
    "conv_autoencoder": {"filters": (3,), "kernel": 3},
}
NETWORKS = {
    "lstm_autoencoder": models.build_lstm_autoencoder,
    "gru_autoencoder": partial(models.build_lstm_autoencoder, cell="gru"),
    "combined_autoencoder": partial(models.build_lstm_autoencoder, horizon=2),
}


def network(name):
    """A network, and the inputs and targets that it is trained and judged on."""
    values = ROWS.to_numpy() / 3
    inputs = windowing.sliding_windows(values[:-2], WINDOW)
    combined = name == "combined_autoencoder"
    targets = windowing.sliding_windows(values, WINDOW + 2) if combined else inputs
    return NETWORKS[name](WINDOW, 2, units=4, latent=3), inputs, targets


def write(folder):
    """Train, store, and score; all that is drawn at random has one seed on every backend."""
    scores = {}
    for kind, options in DETECTORS.items():
        detector = Detector(kind, WINDOW, options=options, epochs=1, balance=True).fit(ROWS)
        detector.save(folder / kind)
        scores[f"detector {kind}"] = detector.decision_function(HOLES)
    for name in NETWORKS:
        model, inputs, targets = network(name)
        scores[f"first weight of {name}"] = model.get_weights()[0]
        training.fit(model, inputs, targets, epochs=1)
        model.save_weights(folder / f"{name}.weights.h5")
        scores[f"network {name}"] = scoring.window_errors(model, inputs, targets)
    return scores


def read(folder):
    """Load what is stored there, and score."""
    scores = {}
    for kind in DETECTORS:
        detector = Detector.load(folder / kind)
        scores[f"detector {kind}"] = detector.decision_function(HOLES)
        stream = [detector.update(HOLES[:9]), detector.update(HOLES[9:])]
        scores[f"stream {kind}"] = pd.concat(stream)
    for name in NETWORKS:
        model, inputs, targets = network(name)
        model.load_weights(folder / f"{name}.weights.h5")
        scores[f"network {name}"] = scoring.window_errors(model, inputs, targets)
    return scores


def main(verb, folder):
    own = keras.backend.backend()
    if verb == "write":
        (folder / own).mkdir()
        np.savez(folder / own / "scores.npz", **write(folder / own))
        return
    for other in sorted(path for path in folder.iterdir() if path.name != own):
        np.savez(other / f"by_{own}.npz", **read(other))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
