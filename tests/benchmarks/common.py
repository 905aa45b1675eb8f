"""What all ways to train share: the windows, the first weights, the clock."""

import functools
import math
import resource
import sys
import time

import numpy as np

from lib import data, windowing


@functools.cache
def windows(window, count, held_out):
    """Windows of a real pulse to train on, and later ones; float32, (count, window, 1)."""
    series = data.load("ucr_135")[["pressure"]].to_numpy()
    series = (series - series[:count].mean()) / series[:count].std()
    every = windowing.sliding_windows(series, window).astype("float32")
    return every[:count], every[count + window :][:held_out]


def first_weights(units, latent, n_features=1, seed=0):
    """Weights of encoder, decoder and dense layer, drawn as Keras does; its shapes and order."""
    rng = np.random.default_rng(seed)

    def glorot(rows, columns):
        return rng.uniform(-1, 1, (rows, columns)) * np.sqrt(6 / (rows + columns))

    weights = []
    for rows, width in ((n_features, latent), (latent, units)):
        orthogonal = np.linalg.qr(rng.normal(size=(4 * width, width)))[0].T
        bias = np.repeat([0.0, 1.0, 0.0, 0.0], width)
        weights += [glorot(rows, 4 * width), orthogonal, bias]
    weights += [glorot(units, n_features), np.zeros(n_features)]
    return [weight.astype("float32") for weight in weights]


def batches(rng, count, size):
    """Places of the windows of each batch, in an order of their own."""
    order = rng.permutation(count)
    return [order[start : start + size] for start in range(0, count, size)]


def epochs_by(step, loss, count, request):
    """Train by hand: seconds since the start, and validation loss, after each epoch.

    `step` takes the places of a batch's windows and a learning rate; with `decay` in the request
    that falls in a straight line, as in `training.fit`.
    """
    rng, reached, started = np.random.default_rng(0), [], time.perf_counter()
    rates = iter(_rates(count, request))
    for _ in range(request["epochs"]):
        for places in batches(rng, count, request["batch"]):
            step(places, next(rates))
        reached.append([time.perf_counter() - started, loss()])
    return reached


def _rates(count, request):
    steps = request["epochs"] * math.ceil(count / request["batch"])
    last = 0.0 if request.get("decay") else request["rate"]
    return np.linspace(request["rate"], last, steps, endpoint=False).tolist()


def peak_memory():
    """Peak memory of this process, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # the system's own units: bytes or kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
