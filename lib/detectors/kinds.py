"""The table of all kinds of detectors: one entry each. A new kind is one more line here."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from lib import baselines

RESERVED = ("window", "n_features", "horizon", "seed", "cell")


@dataclass(frozen=True)
class Kind:
    """What the package knows of a kind of detector.

    Parameters
    ----------
    title : str
        Its name for a reader.
    family : {"network", "learned", "rule", "control"}
    output : {"window", "ahead", "both"}
        Which rows it gives: those of the window, the `horizon` rows after it, or both.
    make : callable
        Called with `window, n_features, horizon, seed` and options of its own, by keyword; returns
        an object as `lib.baselines` describes it.
    seeded : bool
        Whether other seeds give other scores.
    one_score : bool
        Whether it gives one score for each window, instead of an error for each row and sensor.
    of_returns : bool
        Whether it makes sense for returns alone.
    """

    title: str
    family: str
    output: str
    make: Callable
    seeded: bool = False
    one_score: bool = False
    of_returns: bool = False

    @property
    def options(self):
        """Names of the options of its own."""
        of = _builder(**self.make.keywords) if isinstance(self.make, partial) else self.make
        found = inspect.signature(of).parameters.values()
        own = (one.name for one in found if one.kind == one.KEYWORD_ONLY)
        return [name for name in own if name not in RESERVED]


def _builder(name):
    from lib import models  # and with it Keras: only where a network is asked for

    return models.BUILDERS[name]


def _made(*sizes, name, **options):
    from lib.detectors.network import Network

    return Network(*sizes, name=name, **options)


KINDS = {
    name: Kind(title, "network", output, partial(_made, name=name), seeded=True)
    for name, title, output in (
        ("lstm_autoencoder", "LSTM autoencoder", "window"),
        ("lstm_forecaster", "LSTM forecaster", "ahead"),
        ("lstm_combined", "LSTM autoencoder that forecasts", "both"),
        ("gru_autoencoder", "GRU autoencoder", "window"),
        ("gru_forecaster", "GRU forecaster", "ahead"),
        ("dense_autoencoder", "dense autoencoder", "window"),
        ("dense_forecaster", "dense forecaster", "ahead"),
        ("conv_autoencoder", "convolutional autoencoder", "window"),
        ("conv_forecaster", "convolutional forecaster", "ahead"),
    )
} | {
    "pca": Kind("PCA reconstruction", "learned", "window", baselines.Pca),
    "ridge": Kind("ridge forecast", "learned", "ahead", baselines.Ridge),
    "nearest_neighbour": Kind("nearest neighbour", "learned", "window", baselines.Neighbours),
    "isolation_forest": Kind(
        *("isolation forest", "learned", "window", baselines.IsolationForest),
        seeded=True,
        one_score=True,
    ),
    "one_class_svm": Kind(
        "one-class SVM", "learned", "window", baselines.OneClassSvm, one_score=True
    ),
    "z_score": Kind("z-score", "rule", "window", baselines.Mean),
    "last_value": Kind("last value", "rule", "ahead", baselines.LastValue),
    "seasonal_naive": Kind("seasonal naive", "rule", "ahead", baselines.SeasonalNaive),
    "moving_z": Kind("moving z-score", "rule", "ahead", baselines.MovingZ),
    "ewma": Kind("EWMA volatility z", "rule", "ahead", baselines.Ewma, of_returns=True),
    "random": Kind("random", "control", "window", baselines.Random, seeded=True, one_score=True),
}
