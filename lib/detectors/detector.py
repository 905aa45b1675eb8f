"""One object that keeps recipe, scaler, model and threshold together: fit, score, flag, store.

It follows PyOD's conventions (`fit`, `decision_function`, `predict`, `threshold_`), takes pandas
and returns pandas. All scores are causal: a row's score uses that row and rows before it.
"""

import importlib.metadata
import platform
import warnings

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError

from lib import scoring
from lib.backend import keras
from lib.detectors import storage
from lib.detectors.learning import Learning
from lib.detectors.recipe import checked_recipe, checked_rows
from lib.errors import DetectorError
from lib.numpy_lstm import forward

__all__ = ["Detector", "DetectorError"]


class Detector(Learning):
    """A network that scores the rows of a time series, and a threshold that flags them.

    Parameters
    ----------
    kind : {"lstm_autoencoder", "lstm_forecaster", "dense_autoencoder", "conv_autoencoder"}
    window : int
        Rows that the network sees at once.
    horizon : int
        Rows that a forecaster predicts; a row is scored by the forecast made `horizon` rows
        earlier. Autoencoders ignore it.
    stride : int
        Rows from one training window to the next.
    network : dict, optional
        Arguments of the builder in `models`, such as `units`, `latent` or `learning_rate`.
    threshold : str
        Name of a rule in `thresholds`.
    threshold_options : dict, optional
        Its options; by default `{"q": 99.0}` for "percentile" and the rule's own for others.
    max_missing : float
        Share of a window that may be missing. Up to there, what is missing is left out of loss
        and score; beyond it a row has no score (NaN).
    balance : bool
        Divide each sensor's error by its mean error on the validation rows, so that a sensor
        which is hard to predict does not drown the others.
    smooth : int
        A score is the mean error of the last `smooth` rows.
    epochs, batch_size, patience, seed : int
        As in `training.fit`; the seed is that of the weights, too.

    Attributes
    ----------
    recipe : dict
        The arguments, checked.
    threshold_ : float
        A score above it is flagged.
    history_ : DataFrame
        Losses by epoch.
    features_ : list of str
        Names of the sensors.
    n_windows_ : int
        Windows trained on.
    scaler_ : DataFrame
        `mean`, `scale` and `balance` of each sensor.
    model_ : keras.Model

    Raises
    ------
    ValueError
        If an argument is of no use; nothing is trained then.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=120, freq="h")
    >>> load = pd.Series(np.sin(np.arange(120) / 4), times, name="load")
    >>> load.iloc[110] = 4.0
    >>> detector = Detector("dense_autoencoder", window=12, threshold="maximum", epochs=5)
    >>> flags = detector.fit(load.iloc[:90]).predict(load)
    >>> int(flags.loc["2024-01-05 14:00"])
    1
    """

    def __init__(
        self,
        kind="lstm_autoencoder",
        window=30,
        *,
        horizon=1,
        stride=1,
        network=None,
        threshold="percentile",
        threshold_options=None,
        max_missing=0.2,
        balance=False,
        smooth=1,
        epochs=20,
        batch_size=128,
        patience=3,
        seed=0,
    ):
        if threshold_options is None:
            threshold_options = {"q": 99.0} if threshold == "percentile" else {}
        self.recipe = checked_recipe(
            kind=kind,
            window=window,
            horizon=horizon,
            stride=stride,
            network={} if network is None else network,
            threshold=threshold,
            threshold_options=threshold_options,
            max_missing=max_missing,
            balance=balance,
            smooth=smooth,
            epochs=epochs,
            batch_size=batch_size,
            patience=patience,
            seed=seed,
        )
        self.reset()

    def __repr__(self):
        """Kind, window and threshold."""
        state = f"threshold_={self.threshold_:.4g}" if self._is_fitted else "not fitted"
        return f"Detector({self.recipe['kind']!r}, window={self.recipe['window']}, {state})"

    def fit(self, train, validation=None):
        """Learn what is normal, then set the threshold on rows that were not trained on.

        Parameters
        ----------
        train : DataFrame or Series of n_times rows
            Its index increases; NaN is a missing value.
        validation : DataFrame or Series, optional
            Later rows, for early stopping and for the threshold. Default: the last fifth of
            `train`, which is then not trained on.

        Returns
        -------
        Detector
            Itself. If anything goes wrong, it stays as it was.

        Raises
        ------
        ValueError
            If the rows are of no use, such as too few for one window; nothing is trained then.
        """
        fresh = Detector(**self.recipe)
        fresh._learn(train, validation)
        self.__dict__ = fresh.__dict__
        return self

    def decision_function(self, series):
        """Score each row: higher means more anomalous.

        Parameters
        ----------
        series : DataFrame or Series of n_times rows
            With the columns that were trained on.

        Returns
        -------
        Series of n_times float64, with the index of `series`
            NaN in the first rows, which have no full window before them, and where too much is
            missing; `attrs["uncovered"]` says how many those are.
        """
        frame = self._rows(series, "series")
        scores = pd.Series(self._scores(self._row_errors(self._scaled(frame))), frame.index)
        scores.attrs["uncovered"] = int(scores.isna().sum())
        return scores.rename("score")

    def predict(self, series):
        """Flag each row: 1 where the score is above `threshold_`, else 0, also without a score.

        Parameters
        ----------
        series : DataFrame or Series of n_times rows

        Returns
        -------
        Series of n_times int, with the index of `series`
        """
        return (self.decision_function(series) > self.threshold_).astype(int).rename("flag")

    def contributions(self, series):
        """Share of each sensor in a row's score.

        Parameters
        ----------
        series : DataFrame or Series of n_times rows

        Returns
        -------
        DataFrame of n_times rows and n_features columns
            Rows sum to 1. A sensor that is missing has no share, 0; a row without a score, or
            with a score of 0, has none to divide, NaN.
        """
        frame = self._rows(series, "series")
        shares = self._shares(self._row_errors(self._scaled(frame)))
        return pd.DataFrame(shares, frame.index, self.features_)

    def update(self, rows):
        """Score new rows of a stream as they come, one by one or in chunks.

        The rows are remembered as far as the next ones need them: the scores are those that
        `decision_function` gives for the whole stream since the last `reset` or `fit`, with the
        weights that `model_` had at the first row.

        Parameters
        ----------
        rows : DataFrame or Series
            Later than all rows before.

        Returns
        -------
        Series of float64, with the index of `rows`

        Raises
        ------
        ValueError
            If the rows are of no use, or not later than the last one; then they are not
            remembered, and the stream can go on.
        """
        frame = self._rows(rows, "rows")
        if not len(frame):
            return pd.Series(np.empty(0), frame.index, name="score")
        self._check_later(frame.index)
        values, errors = self._stream or 2 * (np.empty((0, len(self.features_))),)
        seen, judged = len(values), len(errors)
        if self._network is None:
            self._network = forward.compiled(self.model_)
        values = np.concatenate([values, self._scaled(frame)])
        errors = np.concatenate([errors, self._row_errors(values, self._network)[seen:]])
        scores = self._scores(errors)[judged:]
        self._newest = errors[-self.recipe["smooth"] :]
        keep = max(len(errors) - (self.recipe["smooth"] - 1), 0)
        self._stream = values[-self._context :], errors[keep:]
        self._last = frame.index[-1]
        return pd.Series(scores, frame.index, name="score")

    def stream_contributions(self):
        """Share of each sensor in the score that `update` gave the last row of the stream.

        Returns
        -------
        Series of n_features float64
            As a row of `contributions`; all NaN before the first row.
        """
        self._check_fitted()
        newest = np.full((1, len(self.features_)), np.nan) if self._newest is None else self._newest
        return pd.Series(self._shares(newest)[-1], self.features_)

    def reset(self):
        """Forget the rows of the stream: `update` starts anew."""
        self._stream, self._last, self._newest, self._network = None, None, None, None

    def save(self, folder):
        """Store the detector: readable `detector.json`, and `model.keras` in Keras's own format.

        The rows that `update` remembers are not stored.

        Parameters
        ----------
        folder : str or pathlib.Path
            New, or a detector's folder: that is replaced in one step, or stays whole.

        Raises
        ------
        DetectorError
            If the folder holds anything else.
        OSError
            If it cannot be written.
        """
        self._check_fitted()
        packages = {name: importlib.metadata.version(name) for name in ("keras", "numpy", "pandas")}
        history = {"attrs": self.history_.attrs, "losses": self.history_.to_dict("list")}
        header = {
            "recipe": self.recipe,
            "features": self.features_,
            "scaler": self.scaler_.to_dict("list"),
            # JSON has no infinity, which "conformal" gives for too few scores.
            "threshold": self.threshold_ if np.isfinite(self.threshold_) else str(self.threshold_),
            "n_windows": self.n_windows_,
            "history": history,
            "made_with": {
                "backend": keras.backend.backend(),
                "python": platform.python_version(),
                **packages,
            },
        }
        storage.save(folder, header, self.model_.save)

    @classmethod
    def load(cls, folder):
        """Read a detector that `save` wrote, on whichever backend of Keras.

        Nothing in the folder is executed: the network is built from the recipe by this
        package's own builders, and only its weights are read.

        Parameters
        ----------
        folder : str or pathlib.Path

        Returns
        -------
        Detector

        Raises
        ------
        DetectorError
            If the folder is damaged, foreign, or written by a newer version.
        """
        header, weights = storage.read(folder)
        try:
            detector = cls(**header["recipe"])
            detector._restore(header)
            detector.model_ = detector._build()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what ends in an error all the same
                detector.model_.load_weights(weights)
        except Exception as error:
            first_line = str(error).strip().split("\n")[0]
            storage.refuse(folder, f"a damaged one ({type(error).__name__}: {first_line})")
        return detector

    @property
    def _is_fitted(self):
        return "threshold_" in self.__dict__

    def _check_fitted(self):
        if not self._is_fitted:
            raise NotFittedError("This detector is not fitted: call `fit` or `Detector.load` first")

    def _rows(self, series, name):
        self._check_fitted()
        return checked_rows(series, self.features_, name)

    def _shares(self, errors):
        errors = scoring.trailing_mean(errors, self.recipe["smooth"])
        total = np.nansum(errors, axis=1, keepdims=True)
        unknown = np.full(errors.shape, np.nan)
        return np.divide(np.nan_to_num(errors), total, out=unknown, where=total > 0)

    def _check_later(self, index):
        try:
            later = self._last is None or index[0] > self._last
        except TypeError:
            later = False
        if not later:
            raise ValueError(
                f"`rows` must be later than the last one, {self._last}. Received: {index[0]}"
            )
