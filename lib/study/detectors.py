"""The detectors of the comparison study, all behind one call and under one protocol.

Every detector sees the same rows, scaled by mean and standard deviation of the training rows,
and the same windows. Every score is causal: it uses the row itself and rows before it.

One rule turns errors into scores, for all that predict or reconstruct: the absolute error of a
row, from the one window that ends with it (or, for a forecast, just before it), averaged over
the features. A network or a plane that judges windows as a whole gives its judgement to the
window's last row.
"""

import time
from dataclasses import dataclass, fields
from types import MappingProxyType

import numpy as np
import pandas as pd

from lib import baselines, scoring, windowing
from lib.errors import choice, whole

FLAT = 0.01  # training spreads; a column that moves less stands still
RIDGE = 1.0  # scikit-learn's default


@dataclass(frozen=True)
class Kind:
    """What the study knows of a detector: its name for a reader, its family, how it varies."""

    title: str
    family: str  # network, learned, rule or control
    seeded: bool = False


KINDS = MappingProxyType(
    {
        "lstm_forecaster": Kind("LSTM forecaster", "network", True),
        "lstm_autoencoder": Kind("LSTM autoencoder", "network", True),
        "combined_autoencoder": Kind("LSTM autoencoder that also predicts", "network", True),
        "dense_autoencoder": Kind("dense autoencoder", "network", True),
        "conv_autoencoder": Kind("convolutional autoencoder", "network", True),
        "gru_autoencoder": Kind("GRU autoencoder", "network", True),
        "last_value": Kind("last value", "rule"),
        "seasonal_naive": Kind("seasonal naive", "rule"),
        "moving_z": Kind("moving z-score", "rule"),
        "ewma_volatility": Kind("EWMA volatility z", "rule"),
        "ridge": Kind("ridge autoregression", "learned"),
        "pca": Kind("PCA reconstruction", "learned"),
        "isolation_forest": Kind("isolation forest", "learned", True),
        "one_class_svm": Kind("one-class SVM", "learned", True),
        "discord": Kind("1-NN discord", "learned"),
        "random": Kind("random", "control", True),
        "always_normal": Kind("always normal", "control"),
    }
)


@dataclass(frozen=True)
class Budget:
    """What every network of a comparison may spend, and how its errors are read.

    Parameters
    ----------
    units, latent : int
        Of the LSTM autoencoder; the others get widths that make them equal in size, within
        5 % (`lib.study.parameter_matching`). PCA keeps `latent` components.
    epochs, batch_size, patience : int
        Of `training.fit`; training stops early by the validation loss.
    learning_rate : float
        Of Adam.
    max_windows : int
        Training windows at most, evenly spread over the training part, and a quarter of them for
        early stopping.
    loss : {"mae", "mse"}
    activation : {"tanh", "relu"}
        Of LSTM and GRU cells.
    normalise : {"train", "window"}
        "window" brings each window to mean 0 and standard deviation 1 as well, so that a network
        sees shapes; its errors are then in units of the window's own spread.
    aggregate : {"last", "window"}
        The error of the window's last row, or the mean over all its rows. Both are known when the
        row is. For the autoencoders alone: a forecast has one row.

    Raises
    ------
    ValueError
        If a setting is none of these.

    Examples
    --------
    >>> Budget(epochs=5).epochs
    5
    """

    units: int = 32
    latent: int = 8
    epochs: int = 20
    batch_size: int = 64
    patience: int = 3
    learning_rate: float = 0.003
    max_windows: int = 4000
    loss: str = "mae"
    activation: str = "tanh"
    normalise: str = "train"
    aggregate: str = "last"

    def __post_init__(self):
        """Refuse what is of no use before anything is trained."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is int:
                whole(field.name, value)
            elif field.type is str:
                choice(field.name, value, CHOICES[field.name])
        rate = self.learning_rate
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1:
            raise ValueError(
                f"`learning_rate` must be a number between 0 and 1. "
                f"Received: learning_rate={rate!r}"
            )


CHOICES = {"loss": ("mae", "mse"), "normalise": ("train", "window")}
CHOICES |= {"aggregate": ("last", "window"), "activation": ("tanh", "relu")}


def scores(name, train, validation, series, *, window, seed=0, budget=None, period=None):
    """Let one detector learn, and score two parts.

    Parameters
    ----------
    name : str
        Of `KINDS`.
    train, validation, series : DataFrame of n_times rows and n_features columns
        As they come; scaled here. Missing values (NaN) are allowed in the first two.
    window : int
        Rows per window.
    seed : int
        Of networks, forests and random numbers; the others do not vary.
    budget : Budget, optional
    period : int, optional
        Of the seasonal naive forecast. Default: `window`.

    Returns
    -------
    validation_scores, series_scores : Series of float
        NaN where there is too little history, or a value is missing.
    facts : dict
        `parameters`, the numbers that were learned (None where that is no question of size),
        `fit_seconds` and `score_seconds` (of both parts), and for a network `epochs_run`.

    Raises
    ------
    ValueError
        If there is no such detector, `series` is not complete, or a part is too short.

    Examples
    --------
    >>> frame = pd.DataFrame({"x": np.sin(np.arange(200.0))})
    >>> parts = frame[:100], frame[100:150], frame[150:]
    >>> of_validation, of_series, facts = scores("ridge", *parts, window=5)
    >>> of_series.isna().sum(), facts["parameters"]
    (np.int64(5), 6)
    """
    choice("name", name, KINDS)
    if not np.isfinite(series.to_numpy(dtype=float)).all():
        raise ValueError("`series` must be complete and finite. Received: NaN or infinity in it")
    scaler = windowing.fit_scaler(train, allow_missing=True)
    parts = [scaler.transform(part) for part in (train, validation, series)]
    budget = budget or Budget()
    options = {"window": whole("window", window, 2), "seed": whole("seed", seed, 0)}
    if KINDS[name].family == "network":
        from lib.study import networks  # Keras is slow to import, and most need no network

        *both, facts = networks.scores(name, *parts, budget=budget, **options)
    else:
        *both, facts = _simple(name, *parts, budget=budget, period=period or window, **options)
    return *both, facts


def _simple(name, train, validation, series, *, window, seed, budget, period):
    """Scores without a network, and the seconds it took."""
    function = globals()[f"_{name}"]
    options = {"window": window, "seed": seed, "latent": budget.latent, "period": period}
    started = time.perf_counter()
    learned, parameters = function(train, **options)
    fit = time.perf_counter() - started
    started = time.perf_counter()
    both = [
        pd.Series(np.asarray(learned(part), dtype=float), part.index, name="score")
        for part in (validation, series)
    ]
    score = time.perf_counter() - started
    return *both, {"parameters": parameters, "fit_seconds": fit, "score_seconds": score}


# Each learns from the training rows; it returns how to score rows, and what was learned.


def _by_column(function):
    """Score the columns one by one, and average over them."""
    return lambda rows: scoring.feature_mean(rows.apply(function).to_numpy(dtype=float))


def _last_value(train, **options):
    return _by_column(baselines.last_value), 0


def _seasonal_naive(train, *, period, **options):
    return _by_column(lambda column: baselines.seasonal_naive(column, period)), 0


def _moving_z(train, *, window, **options):
    return _by_column(lambda column: baselines.moving_z(column, window, FLAT)), 0


def _ewma_volatility(train, **options):
    return _by_column(baselines.ewma_z), 0


def _random(train, *, seed, **options):
    return lambda rows: baselines.random_scores(rows, seed=[seed, len(rows)]), 0


def _always_normal(train, **options):
    return lambda rows: np.zeros(len(rows)), 0


def _ridge(train, *, window, **options):
    from sklearn.linear_model import Ridge

    inputs, targets = windowing.window_pairs(train.to_numpy(), window, horizon=1)
    inputs, targets = inputs.reshape(len(inputs), -1), targets[:, 0]
    complete = ~(np.isnan(inputs).any(axis=1) | np.isnan(targets).any(axis=1))
    model = Ridge(alpha=RIDGE).fit(inputs[complete], targets[complete])

    def error(rows):
        inputs, targets = windowing.window_pairs(rows.to_numpy(), window, horizon=1)
        flat = inputs.reshape(len(inputs), -1)
        errors = np.full(rows.shape, np.nan)
        known = ~np.isnan(flat).any(axis=1)
        forecast = model.predict(flat[known]).reshape(known.sum(), -1)
        errors[window:][known] = np.abs(forecast - targets[known, 0])
        return scoring.feature_mean(errors)

    return error, inputs.shape[1] * targets.shape[1] + targets.shape[1]


def _pca(train, *, window, latent, **options):
    numbers = window * train.shape[1]
    kept = min(latent, numbers - 1)
    return baselines.pca_scorer(train, window, kept), kept * numbers + numbers


def _isolation_forest(train, *, window, seed, **options):
    return baselines.isolation_forest_scorer(train, window, seed), None


def _one_class_svm(train, *, window, seed, **options):
    return baselines.one_class_svm_scorer(train, window, seed), None


def _discord(train, *, window, **options):
    learned = {name: baselines.discord_scorer(train[name], window, floor=FLAT) for name in train}
    return _by_column(lambda column: learned[column.name](column)), None
