"""The networks in Keras: as this course trains them, and as the tutorials do."""

import functools
import time

import numpy as np
import plain_keras
from common import first_weights, peak_memory, windows  # noqa: F401

from lib import models, training
from lib.backend import keras
from lib.detectors.detector import Detector
from lib.numpy_lstm import forward

TRAINERS = {"course": "keras", "numpy": "numpy"}


def tasks(kind, window, count, held_out):
    """Pairs of inputs and targets: to train on, and held out."""
    if kind == "autoencoder":
        return [(part, part) for part in windows(window, count, held_out)]
    return [(part[:, :-1], part[:, -1:]) for part in windows(window + 1, count, held_out)]


@functools.cache
def built(way, kind, window, units, latent, rate):
    """A network, once compiled for training and never trained, and the same again to restart it."""
    if way not in TRAINERS:
        build = functools.partial(getattr(plain_keras, kind), window, units, latent, 0.0)
    elif kind == "forecaster":
        build = functools.partial(models.build_lstm_forecaster, window, units=(latent, units))
    else:
        build = functools.partial(models.build_lstm_autoencoder, window, units=units, latent=latent)
    pair = build(), build()
    for model in pair:
        model.optimizer.learning_rate = rate
        if kind == "autoencoder":
            model.set_weights(first_weights(units, latent))
    return pair


def train(way, window, units, latent, count, held_out, batch, rate, epochs, **options):
    """Seconds since the start, and validation loss, after each epoch."""
    kind = options.get("kind", "autoencoder")
    model, fresh = built(way, kind, window, units, latent, rate)
    training.restart(model, fresh)
    task, later = tasks(kind, window, count, held_out)
    if way not in TRAINERS:
        later = (later[0], later[1][:, 0]) if kind == "forecaster" else later
        task = (task[0], task[1][:, 0]) if kind == "forecaster" else task
        return by_fit(model, task, later if held_out else None, batch, epochs)
    later = later if held_out else None
    budget = {"epochs": epochs, "batch_size": batch, "patience": epochs}
    budget |= {"decay": options.get("decay", False), "trainer": TRAINERS[way]}
    history = training.fit(model, *task, validation=later, **budget)
    values = history["val_loss"] if held_out else history["loss"]
    each = history.attrs["seconds"] / len(history)
    return [[each * epoch, value] for epoch, value in values.items()]


def by_fit(model, task, later, batch, epochs):
    """Keras's own loop."""
    reached, started = [], time.perf_counter()

    def note(epoch, logs):
        value = logs["loss" if later is None else "val_loss"]
        reached.append([time.perf_counter() - started, value])

    noted = keras.callbacks.LambdaCallback(on_epoch_end=note)
    options = {"batch_size": batch, "epochs": epochs, "validation_data": later, "verbose": 0}
    model.fit(*task, callbacks=[noted], **options)
    return reached


@functools.cache
def detector(window, n_features, units, latent, rows):
    """A detector that has hardly learned, and a series; what it costs to apply is the same."""
    import pandas as pd

    rows = max(rows, 10 * window)
    rng, step = np.random.default_rng(0), np.arange(rows)[:, None]
    values = np.sin(step / 7 + np.arange(n_features)) + rng.normal(0, 0.1, (rows, n_features))
    times = pd.date_range("2024-01-01", periods=rows, freq="10min")
    series = pd.DataFrame(values, times, [f"sensor {i}" for i in range(n_features)])
    network = {"units": units, "latent": latent}
    one = Detector("lstm_autoencoder", window, options=network, epochs=1, batch_size=256)
    return one.fit(series[: max(rows // 10, 10 * window)]), series


def score(window, n_features, units, latent, rows, batch):
    """Scores of all rows: by Keras in batches of so many, or (`batch=0`) by the course."""
    one, series = detector(window, n_features, units, latent, rows)
    if batch == 0:
        return one.decision_function(series).to_numpy()[window - 1 :]
    values = ((series - one.scaler_["mean"]) / one.scaler_["scale"]).to_numpy("float32")
    cut = np.lib.stride_tricks.sliding_window_view(values, window, axis=0).transpose(0, 2, 1)
    outputs = one.model_.predict(cut, batch_size=batch, verbose=0)
    return np.abs(outputs - cut)[:, -1].mean(axis=1)


def scoring_speed(rounds, batches, **sizes):
    """Windows a second of the course and, by batch size, of Keras; the largest difference."""
    windows_scored = sizes["rows"] - sizes["window"] + 1
    speed, farthest = {batch: [] for batch in (0, *batches)}, 0.0
    for number in range(rounds + 1):
        scores = {}
        for batch in speed:
            started = time.perf_counter()
            scores[batch] = score(batch=batch, **sizes)
            if number:  # the first round compiles
                speed[batch].append(windows_scored / (time.perf_counter() - started))
        farthest = max(farthest, *(np.abs(scores[b] - scores[0]).max() for b in batches))
    return {"course": speed.pop(0), "keras": list(speed.values()), "difference": float(farthest)}


def latency(window, n_features, units, latent, rows, count):
    """Milliseconds of each `update` by one row: of the course, and with Keras's outputs."""
    one, series = detector(window, n_features, units, latent, rows)
    taken = {}
    for way in ("course", "keras"):
        one.reset()
        one._network = forward.compiled(one.model_) if way == "course" else one.model_
        one.update(series[: 2 * window])
        taken[way] = [_milliseconds(one, series, 2 * window + row) for row in range(count)]
    return {way: values[count // 10 :] for way, values in taken.items()}


def _milliseconds(one, series, row):
    piece = series.iloc[row : row + 1]
    started = time.perf_counter()
    one.update(piece)
    return 1000 * (time.perf_counter() - started)
