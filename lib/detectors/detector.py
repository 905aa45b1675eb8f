"""One object that keeps recipe, scaler, model and threshold together: fit, score, flag, store.

It follows PyOD's conventions (`fit`, `decision_function`, `predict`, `threshold_`), takes pandas
and returns pandas. All scores are causal: a row's score uses that row and rows before it.
"""

import importlib.metadata
import platform
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError

from lib import scoring
from lib.backend import keras
from lib.detectors import storage
from lib.detectors.learning import Learning
from lib.detectors.recipe import checked_recipe, checked_rows, count_parameters
from lib.errors import DetectorError
from lib.numpy_lstm import forward
from lib.preprocessing import seconds, until

__all__ = ["Detector", "DetectorError"]

FEWEST_STEPS = 3  # from which a usual one is taken
STEP_RATIO = 2.0  # to the step of training, beyond which another one is meant
FAR = 10  # standard deviations


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
    preprocessing : dict, optional
        Arguments of `preprocessing.Preprocessing`, such as `{"form": "returns"}`: what is done to
        the rows first, in `fit` and everywhere later. By default nothing.

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
    preprocessing_ : preprocessing.Preprocessing
        Fitted on the training rows.
    validation_scores_ : Series
        Scores of the rows held out, which set the threshold; not stored.
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
        preprocessing=None,
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
            preprocessing=preprocessing,
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
            `train`, which is then not trained on. It is preprocessed by itself: its first return
            is missing.

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
            NaN in the first rows, which have no full window before them, after a gap, and where
            too much is missing; `attrs["uncovered"]` says how many those are. A detector that
            resamples has one score for each step, the last of which is taken as complete.
        """
        frame = self._rows(series, "series")
        for doubt in self.doubts(frame):
            warnings.warn(doubt, stacklevel=2)
        scores = self._by_row(frame, lambda values: self._scores(self._row_errors(values))[:, None])
        scores = scores.iloc[:, 0].rename("score")
        scores.attrs["uncovered"] = int(scores.isna().sum())
        return scores

    def predict(self, series):
        """Flag each row: 1 where the score is above `threshold_`, else 0, also without a score.

        Parameters
        ----------
        series : DataFrame or Series of n_times rows

        Returns
        -------
        Series of int, with the index of `decision_function`

        Warns
        -----
        UserWarning
            If there are rows and not one has a score: 0 says nothing then.
        """
        scores = self.decision_function(series)
        if len(scores) and scores.isna().all():
            warnings.warn(
                f"No row has a score, so that a flag of 0 says nothing. A score needs "
                f"{self._needed} rows in a row, without a gap and at most a share of "
                f"{self.recipe['max_missing']} missing. Received: {len(scores)} rows. Give the "
                f"rows before, too, or give new rows as they come to `update`, which remembers.",
                stacklevel=2,
            )
        return (scores > self.threshold_).astype(int).rename("flag")

    def contributions(self, series):
        """Share of each sensor in a row's score.

        Parameters
        ----------
        series : DataFrame or Series of n_times rows

        Returns
        -------
        DataFrame of n_features columns, with the index of `decision_function`
            Rows sum to 1. A sensor that is missing has no share, 0; a row without a score, or
            with a score of 0, has none to divide, NaN.
        """
        frame = self._rows(series, "series")
        return self._by_row(
            frame, lambda values: self._shares(self._row_errors(values)), self.features_
        )

    def doubts(self, series):
        """Say what speaks against it that rows are such as were trained on.

        Parameters
        ----------
        series : DataFrame or Series of n_times rows

        Returns
        -------
        list of str
            Of their step, where `preprocessing` was given, and of their size, where the detector
            was stored before its preprocessing was. Empty if there is nothing to say.
        """
        frame, found = self._rows(series, "series"), []
        steps, usual = seconds(frame.index), self.preprocessing_.step_
        says_step = self.recipe["preprocessing"] and not self.preprocessing_.settings["resample"]
        if says_step and usual and steps is not None and len(steps) >= FEWEST_STEPS:
            step = float(np.median(steps))
            if not usual / STEP_RATIO <= step <= usual * STEP_RATIO:
                found.append(
                    f"The usual step between rows is {step:g} seconds, in training it was {usual:g}"
                )
        if self._is_stored_before and len(frame):
            sizes = np.abs(self._scaled(frame))
            if np.nanmedian(np.append(sizes, 0.0)) > FAR:
                found.append(
                    f"Half of the readings are over {FAR} standard deviations from the training "
                    f"mean. Were they preprocessed as in training, such as to returns? The "
                    f"detector was stored without its preprocessing; what it was is unknown"
                )
        return found

    def expected(self, series):
        """What the network makes of each row, in the units of the series.

        An autoencoder has seen the row itself, a forecaster only rows before it. A reading less
        what was expected is size and direction of its deviation.

        Parameters
        ----------
        series : DataFrame or Series of n_times rows

        Returns
        -------
        DataFrame of n_features columns, with the index of `decision_function`
            NaN where no window ends, or too much of it is missing. For returns, the level that
            the expected return leads to from the row before.
        """
        frame = self._rows(series, "series")
        found = self._by_row(
            frame, lambda values: self._last_steps(values, expected=True), self.features_
        )
        found = found * self.scaler_["scale"] + self.scaler_["mean"]
        if self.preprocessing_.settings["form"] == "levels":
            return found
        return self.preprocessing_.rows(frame).shift() * np.exp(found)

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
            A detector that resamples gives a score for each step that has become complete, none
            or several: a step is, as soon as a row of a later one has come.

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
        steps, rest = self._completed(frame)
        pieces = self.preprocessing_.pieces(steps, self._before)
        scores = np.full(len(steps), np.nan)
        for start, values, fresh in pieces:
            if fresh:
                self._stream, self._newest = None, None
            if len(values):
                scores[start : start + len(values)] = self._advance(self._scaled(values))
        self._last, self._open = frame.index[-1], rest
        self._before = steps.iloc[-1:] if len(steps) else self._before
        return pd.Series(scores, steps.index, name="score")

    def _advance(self, scaled):
        """Scores of rows that go on where the stream stands."""
        values, errors = self._stream or 2 * (np.empty((0, len(self.features_))),)
        seen, judged = len(values), len(errors)
        if self._network is None:
            self._network = forward.compiled(self.model_)
        values = np.concatenate([values, scaled])
        errors = np.concatenate([errors, self._row_errors(values, self._network)[seen:]])
        scores = self._scores(errors)[judged:]
        self._newest = errors[-self.recipe["smooth"] :]
        keep = max(len(errors) - (self.recipe["smooth"] - 1), 0)
        self._stream = values[-self._context :], errors[keep:]
        return scores

    def _completed(self, frame):
        """The steps that are complete with these rows, and the rows of the one that is not."""
        if not self.preprocessing_.settings["resample"]:
            return frame, None
        known = frame if self._open is None else pd.concat([self._open, frame])
        steps = self.preprocessing_.rows(known)
        if len(steps) == 1:
            return steps.iloc[:0], known
        rule = self.preprocessing_.settings["resample"]
        return steps.iloc[:-1], known.iloc[len(until(known, steps.index[-2], rule)) :]

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
        self._before, self._open = None, None  # the row before, and the rows of an open step

    def save(self, folder):
        """Store the detector: readable `detector.json`, and `model.keras` in Keras's own format.

        The rows that `update` remembers are not stored. Plain Keras opens
        `model.keras` without this package; it takes scaled rows.

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
            "preprocessing": {"step": self.preprocessing_.step_},
            "threshold": self.threshold_ if np.isfinite(self.threshold_) else str(self.threshold_),
            "n_windows": self.n_windows_,
            "history": history,
            "made_with": {
                "backend": keras.backend.backend(),
                "python": platform.python_version(),
                **packages,
            },
        }
        # Without loss and optimiser, which plain Keras could not read, and nobody needs.
        plain = keras.Model(self.model_.inputs, self.model_.outputs, name=self.model_.name)
        storage.save(folder, header, plain.save)

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
        header, content = storage.read(folder, cls._parameters_of)
        try:
            detector = cls(**header["recipe"])
            detector._restore(header)
            detector.model_ = detector._build()
            with tempfile.TemporaryDirectory() as private, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what ends in an error all the same
                weights = Path(private) / storage.MODEL
                weights.write_bytes(content)
                detector.model_.load_weights(weights)
            if not all(np.isfinite(it).all() for it in detector.model_.get_weights()):
                raise ValueError("weights that are no finite numbers")
        except Exception as error:
            storage.refuse(folder, storage.damage(error))
        return detector

    _is_stored_before = False  # the preprocessing was

    @property
    def _is_fitted(self):
        return "threshold_" in self.__dict__

    def _check_fitted(self):
        if not self._is_fitted:
            raise NotFittedError("This detector is not fitted: call `fit` or `Detector.load` first")

    def _rows(self, series, name):
        self._check_fitted()
        return checked_rows(series, self.features_, name)

    @classmethod
    def _parameters_of(cls, header):
        """Numbers that the network of a header learns; nothing is built."""
        return count_parameters(cls(**header["recipe"]).recipe, len(header["features"]))

    @property
    def _needed(self):
        """Rows of which the last one has a score."""
        return self._context + 1 + (self.preprocessing_.settings["form"] == "returns")

    def _by_row(self, frame, of_scaled, columns=(0,)):
        """Apply a function of scaled rows to each piece; NaN in the rows that are in none."""
        rows = self.preprocessing_.rows(frame)
        found = np.full((len(rows), len(columns)), np.nan)
        for start, values, _ in self.preprocessing_.pieces(rows):
            found[start : start + len(values)] = of_scaled(self._scaled(values))
        return pd.DataFrame(found, rows.index, columns)

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
