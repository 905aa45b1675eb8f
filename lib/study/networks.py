"""The networks of the comparison study: equal in windows, size, budget and reading.

What a network is asked differs by its kind alone: a forecaster for the row after the window, an
autoencoder for the window, and the combined one for the window with the rows before and after it.
"""

import functools
import time

import numpy as np
import pandas as pd

from lib import models, scoring, training, windowing
from lib.study.parameter_matching import equal_widths

RECURRENT = ("lstm_forecaster", "lstm_autoencoder", "combined_autoencoder", "gru_autoencoder")
SPREAD = 0.1  # training spreads; a calmer window is not blown up further than that


def scores(name, train, validation, series, *, window, seed, budget):
    """Train a network and score two parts; as `detectors.scores`, for rows already scaled."""
    model = _fresh(name, window, train.shape[1], seed, budget)
    started = time.perf_counter()
    history = training.fit(
        model,
        *_pairs(name, train, window, budget, budget.max_windows),
        validation=_pairs(name, validation, window, budget, max(budget.max_windows // 4, 1)),
        epochs=budget.epochs,
        batch_size=budget.batch_size,
        patience=budget.patience,
        seed=seed,
    )
    fitted = time.perf_counter()
    errors = [_errors(model, name, part, window, budget) for part in (validation, series)]
    both = [
        pd.Series(_combined(part, errors[0]), rows.index, name="score")
        for part, rows in zip(errors, (validation, series), strict=True)
    ]
    facts = {"parameters": model.count_params(), "epochs_run": len(history)}
    seconds = {"fit_seconds": fitted - started, "score_seconds": time.perf_counter() - fitted}
    return *both, {**facts, **seconds}


def _combined(errors, of_validation):
    """One score from one error, or from several, each in units of its mean on the validation."""
    if len(errors) == 1:
        return errors[0]
    usual = [np.nanmean(error) for error in of_validation]
    return np.mean([error / mean for error, mean in zip(errors, usual, strict=True)], axis=0)


def _fresh(name, window, n_features, seed, budget):
    """A network at its start; compiled once in a process, and before the clock runs."""
    build = functools.partial(_build, name, window, n_features, budget)
    model = _compiled(name, window, n_features, budget)
    training.restart(model, build(seed))
    return model


def _build(name, window, n_features, budget, seed):
    widths = equal_widths(name, window, n_features, units=budget.units, latent=budget.latent)
    options = {"learning_rate": budget.learning_rate, "loss": budget.loss, "seed": seed}
    if name in RECURRENT:
        options["activation"] = budget.activation
    return models.BUILDERS[name](window, n_features, **widths, **options)


@functools.lru_cache(maxsize=8)
def _compiled(name, window, n_features, budget):
    """Let Keras compile each step that will be taken: it takes seconds, at the first call."""
    model = _build(name, window, n_features, budget, seed=0)
    for size in (budget.batch_size, 1):
        inputs, targets = (
            np.zeros((size, *shape[1:]), dtype="float32")
            for shape in (model.input_shape, model.output_shape)
        )
        model.train_on_batch(inputs, targets)
        model.test_on_batch(inputs, targets)
    model.predict(inputs, verbose=0)
    return model


def _cut(name, values, window):
    """Inputs, and targets as the network has to give them; views, nothing is copied."""
    if name == "combined_autoencoder":
        inputs = windowing.sliding_windows(values[1:-1], window)
        return inputs, windowing.sliding_windows(values, window + 2)
    horizon = 1 if name == "lstm_forecaster" else 0
    return windowing.window_pairs(values, window, horizon=horizon)


def _pairs(name, rows, window, budget, at_most):
    """Complete windows to learn from, evenly spread if there are more than so many."""
    inputs, targets = _cut(name, rows.to_numpy(dtype=float), window)
    complete = ~(np.isnan(inputs).any(axis=(1, 2)) | np.isnan(targets).any(axis=(1, 2)))
    chosen = np.flatnonzero(complete)
    if len(chosen) > at_most:
        chosen = chosen[np.linspace(0, len(chosen) - 1, at_most).round().astype(int)]
    return _normalised(inputs[chosen], targets[chosen], budget)


def _normalised(inputs, targets, budget):
    """Both in units of the input window's own spread, around its mean, if that is asked for."""
    if budget.normalise == "train":
        return inputs, targets
    centre = inputs.mean(axis=1, keepdims=True)
    spread = np.maximum(inputs.std(axis=1, keepdims=True), SPREAD)
    return (inputs - centre) / spread, (targets - centre) / spread


class _Part:
    """A network of whose output only some steps are looked at: the others need no memory."""

    def __init__(self, model, steps):
        self.model, self.steps = model, steps

    def predict(self, inputs, **options):
        return self.model.predict(inputs, **options)[:, self.steps]


def _errors(model, name, rows, window, budget):
    """Errors of rows, one array for each question that the network is asked.

    Each is known when the row is: it rests on the window that ends with the row, or for a
    forecast just before it.
    """
    values = rows.to_numpy(dtype=float)
    asked = _questions(name, window, budget.aggregate)
    inputs = windowing.sliding_windows(values, window)
    beyond = np.full((1, values.shape[1]), np.nan)  # what comes after the last row
    around = windowing.sliding_windows(np.concatenate([values, beyond]), window + 1)
    steps = [step for steps, _ in asked for step in steps]
    places = [place for _, places in asked for place in places]
    inputs, targets = _normalised(inputs, around[:, places], budget)
    errors = scoring.window_errors(_Part(model, steps), inputs, targets)
    found, first = [], 0
    for _, places in asked:
        of_rows = np.full(len(values), np.nan)
        mean = scoring.feature_mean(errors[:, first : first + len(places)].mean(axis=1))
        late = places[-1] - window + 1  # 1 for a forecast: the row after the window
        of_rows[window - 1 + late :] = mean[: len(mean) - late]
        found.append(of_rows)
        first += len(places)
    return found


def _questions(name, window, aggregate):
    """Pairs of output steps and of the rows they stand for, counted from the window's first."""
    if name == "lstm_forecaster":
        return [([0], [window])]
    rows = [window - 1] if aggregate == "last" else list(range(window))
    if name == "combined_autoencoder":  # its first output step is the row before the window
        return [([row + 1 for row in rows], rows), ([window + 1], [window])]
    return [(rows, rows)]
