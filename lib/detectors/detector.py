"""One object for all that detects: fit, score, flag, explain, store, and serve a stream.

It follows PyOD's conventions (`fit`, `decision_function`, `predict`, `threshold_`), takes pandas
and returns pandas.
"""

import dataclasses
import importlib.metadata
import operator
import platform
import warnings

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError

from lib import scoring
from lib.detectors import storage
from lib.detectors.pipeline import Pipeline
from lib.detectors.recipe import (
    check_later,
    checked_recipe,
    checked_recordings,
    checked_rows,
)
from lib.detectors.stream import Piece
from lib.errors import DetectorError, choice, whole
from lib.preprocessing import Preprocessing, seconds, until

__all__ = ["Detector", "DetectorError"]

FEWEST_STEPS = 3  # from which a usual one is taken
STEP_RATIO = 2.0  # to the step of training, beyond which another one is meant
FAR = 10  # standard deviations
RESCORING = ("score", "aggregation", "smooth", "balance", "threshold", "threshold_options")


def _of_pipeline(name, doc):
    """Make a property that gives what the fitted pipeline has under another name."""
    return property(lambda detector: operator.attrgetter(name)(detector._fitted), doc=doc)


@dataclasses.dataclass(repr=False, eq=False)
class Detector:
    """Scores the rows of a time series, and flags those above a threshold.

    Parameters
    ----------
    kind : str
        A key of `lib.detectors.kinds.KINDS`: a network such as "lstm_autoencoder" or
        "lstm_forecaster", a method that learns such as "pca" or "nearest_neighbour", a rule such
        as "last_value", or "random".
    window : int
        Rows that the detector sees at once.
    horizon : int
        Rows after the window that a forecaster predicts. Autoencoders ignore it.
    stride : int
        Rows from one training window to the next.
    options : dict, optional
        Of the kind itself: for a network the arguments of its builder in `models`, such as `units`,
        `latent` or `learning_rate`; for others see `lib.baselines`.
    normalisation : {"train", "window"}
        Rows are brought to mean 0 and standard deviation 1 of the training rows; with "window"
        each window then once more to its own, so that its shape alone is left.
    score : {"mae", "mse", "distance"}
        What is made of the errors of a window: their mean absolute value, their mean square, or
        `scoring.ErrorDistance`, how unusual they are together.
    aggregation : {"last", "window", "overlap"}
        Which windows a row's score comes from: from the last row of the window that ends with it,
        from that whole window, or from all windows that cover it. The last needs later rows, so
        `update` gives such scores late.
    threshold : str
        Name of a rule in `thresholds`.
    threshold_options : dict, optional
        Its options; by default `{"q": 99.0}` for "percentile" and the rule's own for others.
    max_missing : float
        Share of a window that may be missing. Up to there, what is missing is filled for the
        method and left out of the score; beyond it a window has no score (NaN).
    balance : bool
        Divide each sensor's error by its mean error on the validation rows, so that a sensor
        which is hard to predict does not drown the others.
    smooth : int
        A score is the mean error of the last `smooth` rows.
    epochs, batch_size, patience : int
        Of networks, as in `training.fit`.
    steps : int, optional
        Of networks, in place of `epochs`: so many steps of the optimiser, at a learning rate that
        falls to 0; training does not stop before half of them.
    seed : int
        Of the weights and of all that is drawn.
    preprocessing : dict, optional
        Arguments of `preprocessing.Preprocessing`, such as `{"form": "returns"}`: what is done to
        the rows first, in `fit` and everywhere later. By default nothing.
    targets : list of str, optional
        Columns whose errors make the scores, in this order. By default all. The others are inputs
        only, such as the weather or a setpoint: they help to predict, and raise no alarm.

    Attributes
    ----------
    recipe : dict
        The arguments, checked; each is an attribute, too.
    threshold_ : float
        A score above it is flagged.
    history_ : DataFrame
        Losses of a network by epoch or step; empty for other kinds.
    features_ : list of str
        Names of the sensors.
    n_windows_ : int
        Windows trained on.
    n_parameters_ : int or None
        Numbers that were learned; None where they are as many as the training data has.
    reading_ : dict
        How the file of the training rows was read, as `attrs["reading"]` of `lib.data.read_csv`
        says it; empty for rows of another origin. It is stored, so that `watch` reads in this way.
    preprocessing_ : preprocessing.Preprocessing
        Fitted on the training rows.
    validation_scores_ : Series or None
        Scores of the rows held out, which set the threshold; not stored.
    scaler_ : DataFrame
        `mean`, `scale` and `balance` of each sensor.
    model_ : keras.Model or None
        Of a network.
    depth_ : int
        Rows that a score rests on, its own included: those of a window, those predicted after it,
        those that it is smoothed over, and the one before a first return.

    Raises
    ------
    ValueError
        If an argument is of no use; nothing is trained then.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=120, freq="h")
    >>> load = pd.Series(np.sin(np.arange(120) / 4), times, name="load")
    >>> load.iloc[110] = 4.0
    >>> detector = Detector("pca", window=12, options={"n_components": 2}, threshold="maximum")
    >>> flags = detector.fit(load.iloc[:90]).predict(load)
    >>> int(flags.loc["2024-01-05 14:00"])
    1
    """

    kind: str = "lstm_autoencoder"
    window: int = 30
    _: dataclasses.KW_ONLY
    horizon: int = 1
    stride: int = 1
    options: dict | None = None
    normalisation: str = "train"
    score: str = "mae"
    aggregation: str = "last"
    threshold: str = "percentile"
    threshold_options: dict | None = None
    max_missing: float = 0.2
    balance: bool = False
    smooth: int = 1
    epochs: int = 20
    steps: int | None = None
    batch_size: int = 128
    patience: int = 3
    seed: int = 0
    preprocessing: dict | None = None
    targets: list | None = None

    def __post_init__(self):
        """Check the parameters, and keep them in plain types."""
        vars(self).update(checked_recipe(**self.recipe))
        self._pipeline, self.reading_ = None, {}
        self.reset()

    @property
    def recipe(self):
        """The arguments by name, checked, as plain numbers and words."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def __repr__(self):
        """Kind, window and threshold."""
        state = f"threshold_={self.threshold_:.4g}" if self._pipeline else "not fitted"
        return f"Detector({self.kind!r}, window={self.window}, {state})"

    @property
    def threshold_(self):
        """A score above it is flagged."""
        return self._fitted.threshold

    @threshold_.setter
    def threshold_(self, threshold):
        self._fitted.threshold = threshold

    features_ = _of_pipeline("features", "Names of the sensors.")
    preprocessing_ = _of_pipeline("preprocessing", "Fitted on the training rows.")
    scaler_ = _of_pipeline("scaler", "`mean`, `scale` and `balance` of each sensor.")
    history_ = _of_pipeline("history", "Losses of a network by epoch or step.")
    n_windows_ = _of_pipeline("n_windows", "Windows trained on.")
    n_parameters_ = _of_pipeline("method.n_parameters", "Numbers that were learned.")
    model_ = _of_pipeline("model", "The network, or None.")
    depth_ = _of_pipeline("depth", "Rows that a score rests on, its own included.")
    validation_scores_ = _of_pipeline("validation_scores", "Scores of the rows held out.")

    def fit(self, train, validation=None):
        """Learn what is normal, then set the threshold on rows that were not trained on.

        Parameters
        ----------
        train : DataFrame or Series of n_times rows, or list of such
            Its index increases; NaN is a missing value. A list holds separate recordings, such as
            runs of a machine or several machines of one type: no window has rows of two. A frame
            whose index has levels is taken as such, too: all levels but the last name the
            recording.
        validation : DataFrame or Series, or list of such, optional
            Later rows, for early stopping and for the threshold. Default: the last fifth of each
            recording in `train`, which is then not trained on. It is preprocessed by itself: its
            first return is missing.

        Returns
        -------
        Detector
            Itself. If anything goes wrong, it stays as it was.

        Raises
        ------
        ValueError
            If the rows are of no use, such as too few for one window, or `validation` is not
            later than `train`; nothing is trained then.

        Examples
        --------
        >>> runs = [pd.Series(np.sin(np.arange(rows) / 4), name="load") for rows in (90, 70)]
        >>> detector = Detector("pca", window=12, options={"n_components": 2}).fit(runs)
        >>> detector.n_windows_, (90 - 18 - 11) + (70 - 14 - 11)
        (106, 106)
        >>> [len(scores) for scores in detector.decision_function(runs)]
        [90, 70]
        """
        self._pipeline = Pipeline.learn(self.recipe, train, validation)
        first = train[0] if isinstance(train, list | tuple) else train
        self.reading_ = dict(getattr(first, "attrs", {}).get("reading", {}))
        self.reset()
        return self

    def rescored(self, train, validation=None, **changes):
        """Make a detector with the same method, and other scores or another threshold.

        Nothing is trained: a network is asked for its errors anew.

        Parameters
        ----------
        train, validation : DataFrame or Series
            As in `fit`, and the same rows.
        **changes
            Of `score`, `aggregation`, `smooth`, `balance`, `threshold`, `threshold_options`.

        Returns
        -------
        Detector

        Raises
        ------
        ValueError
            If another setting is to change, or the rows are of no use.
        """
        for name in changes:
            choice("changes", name, RESCORING)
        if "threshold" in changes:
            changes = {"threshold_options": None, **changes}
        new = Detector(**{**self._fitted.recipe, **changes})
        new._pipeline = self._fitted.rescored(new.recipe, train, validation)
        new.reading_ = self.reading_
        return new

    def decision_function(self, series):
        """Score each row: higher means more anomalous.

        Parameters
        ----------
        series : DataFrame or Series of n_times rows, or separate recordings as in `fit`
            With the columns that were trained on.

        Returns
        -------
        Series of n_times float64, with the index of `series`; a list of such for a list
            NaN in rows that no full window gives a score, as the first ones, those after a gap,
            and where too much is missing; `attrs["uncovered"]` says how many those are. A detector
            that resamples has one score for each step, the last of which is taken as complete.
        """
        return self._each(series, self._scores)

    def predict(self, series):
        """Flag each row: 1 where the score is above `threshold_`, else 0, also without a score.

        Parameters
        ----------
        series : DataFrame or Series of n_times rows, or separate recordings

        Returns
        -------
        Series of int, with the index of `decision_function`; a list of such for a list

        Warns
        -----
        UserWarning
            If there are rows and not one has a score: 0 says nothing then.
        """
        return self._each(series, self._flags)

    def shuffled_scores(self, series, seed=0):
        """Score a series whose values stand in random order, each column by itself.

        The values are the same, what they have to do with each other is gone. A detector that
        scores these rows no higher than the series has learned nothing but the size of values.

        Parameters
        ----------
        series : DataFrame or Series of n_times rows
        seed : int

        Returns
        -------
        ndarray of n_rows float64
            NaN as in `decision_function`.

        Examples
        --------
        >>> wave = pd.Series(np.sin(np.arange(200) / 4), name="load")
        >>> detector = Detector("pca", window=12, options={"n_components": 2}).fit(wave)
        >>> usual = detector.validation_scores_.mean()
        >>> bool(detector.shuffled_scores(wave)[12:].mean() > 100 * usual)
        True
        """
        pieces = self.preprocessing_.frames(self._rows(series, "series"))
        values = np.concatenate([piece.to_numpy() for piece in pieces])
        values = self._fitted.scaled(np.random.default_rng(seed).permuted(values, axis=0))
        ends = np.cumsum([len(piece) for piece in pieces])[:-1]
        found = [scoring.known_mean(self._fitted.row_parts(one)) for one in np.split(values, ends)]
        return np.concatenate(found)

    def contributions(self, series):
        """Share of each sensor in a row's score.

        Parameters
        ----------
        series : DataFrame or Series of n_times rows, or separate recordings

        Returns
        -------
        DataFrame of n_targets columns, with the index of `decision_function`; or a list of such
            Rows sum to 1. A sensor that is missing has no share, 0; a row without a score, or
            with a score of 0, has none to divide, NaN. Where a kind gives one score for a whole
            window, a share says how far the score falls if the sensor is set to its mean.
        """
        shares, columns = self._fitted.shares, self._fitted.targets
        return self._each(series, lambda rows: self._by_row(rows, shares, columns))

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
        says_step = self.preprocessing and not self.preprocessing_.settings["resample"]
        if says_step and usual and steps is not None and len(steps) >= FEWEST_STEPS:
            step = float(np.median(steps))
            if not usual / STEP_RATIO <= step <= usual * STEP_RATIO:
                found.append(
                    f"The usual step between rows is {step:g} seconds, in training it was {usual:g}"
                )
        if self._fitted.is_stored_before and len(frame):
            sizes = np.abs(self._fitted.scaled(frame))
            if np.nanmedian(np.append(sizes, 0.0)) > FAR:
                found.append(
                    f"Half of the readings are over {FAR} standard deviations from the training "
                    f"mean. Were they preprocessed as in training, such as to returns? The "
                    f"detector was stored without its preprocessing; what it was is unknown"
                )
        return found

    def expected(self, series):
        """What each row was expected to be, in the units of the series.

        An autoencoder has seen the row itself, a forecaster only rows before it. A reading less
        what was expected is size and direction of its deviation.

        Parameters
        ----------
        series : DataFrame or Series of n_times rows, or separate recordings

        Returns
        -------
        DataFrame of n_targets columns, with the index of `decision_function`; or a list of such
            NaN where no window ends, or too much of it is missing. For returns, the level that
            the expected return leads to from the row before.

        Raises
        ------
        ValueError
            If the kind scores windows as a whole, and expects no value.
        """
        return self._each(series, self._expected)

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
        if self._last is not None:
            check_later(frame.index, self._last, "rows")
        steps, rest = self._completed(frame)
        pieces = self.preprocessing_.pieces(steps, self._before)
        found, known = [], 0
        for start, values, fresh in pieces:
            if fresh:
                found += [self._piece.finish()] if self._piece else []
                self._piece = Piece(self._fitted.twin())
            # A first row of returns is in no piece.
            found += [_unscored(steps.index[known:start])] if start > known else []
            known = start + len(values)
            if len(values):
                index = steps.index[start:known]
                found.append(self._piece.add(self._fitted.scaled(values), index))
        found += [_unscored(steps.index[known:])] if known < len(steps) else []
        self._last, self._open = frame.index[-1], rest
        self._before = steps.iloc[-1:] if len(steps) else self._before
        if not found:
            return _unscored(steps.index[:0])
        return pd.concat(found) if len(found) > 1 else found[0]

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
        Series of n_targets float64
            As a row of `contributions`; all NaN before the first row.
        """
        piece = self._piece or Piece(self._fitted)
        return pd.Series(piece.shares()[-1], self._fitted.targets)

    def reset(self):
        """Forget the rows of the stream: `update` starts anew."""
        self._piece, self._last = None, None
        self._before, self._open = None, None  # the row before, and the rows of an open step

    def save(self, folder):
        """Store the detector: readable `detector.json`, and files of numbers beside it.

        A network becomes `model.keras`, which plain Keras opens without this package; it takes
        scaled rows. What other kinds have learned becomes `state.npz`, plain arrays. The rows that
        `update` remembers are not stored.

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
        fitted, threshold = self._fitted, self.threshold_
        made_with = {}
        if fitted.kind.family == "network":
            from lib.backend import keras

            made_with["backend"] = keras.backend.backend()
        made_with["python"] = platform.python_version()
        for name in ("keras", "numpy", "pandas"):
            made_with[name] = importlib.metadata.version(name)
        header = {
            "recipe": fitted.recipe,
            "features": fitted.features,
            "scaler": fitted.scaler.to_dict("list"),
            "preprocessing": {"step": fitted.preprocessing.step_},
            "reading": self.reading_,
            # JSON has no infinity, which "conformal" gives for too few scores.
            "threshold": threshold if np.isfinite(threshold) else str(threshold),
            "n_windows": fitted.n_windows,
            "history": {
                # Nor has it NaN, the ratio to a loss of 0.
                "attrs": {k: None if v != v else v for k, v in fitted.history.attrs.items()},
                "name": fitted.history.index.name,
                "index": fitted.history.index.tolist(),
                "losses": fitted.history.to_dict("list"),
            },
            "made_with": made_with,
        }
        storage.save(folder, header, fitted.files())

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
        header, files = storage.read(folder, cls._parameters_of)
        with storage.damage_refused(folder), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what ends in an error all the same
            detector = cls._of_stored(header["recipe"])
            detector._pipeline = _restored(detector.recipe, header, files)
            detector.reading_ = dict(header.get("reading", {}))
        return detector

    @property
    def _fitted(self):
        if self._pipeline is None:
            raise NotFittedError("This detector is not fitted: call `fit` or `Detector.load` first")
        return self._pipeline

    def _rows(self, series, name):
        return checked_rows(series, self.features_, name)

    @classmethod
    def _of_stored(cls, recipe):
        """An unfitted one; what older recipes lack has had the value that is the default."""
        names = {"network": "options"}  # as it was called
        return cls(**{names.get(name, name): value for name, value in recipe.items()})

    @classmethod
    def _parameters_of(cls, header):
        """Numbers that the network of a header learns; nothing is built. None for other kinds."""
        pipeline = _empty(cls._of_stored(header["recipe"]).recipe, header)
        return pipeline.method.n_parameters if pipeline.kind.family == "network" else None

    def _each(self, series, function):
        """Apply a function to the rows of a series, or of each recording; put it together again."""
        found = checked_recordings(series, self._fitted.features)
        for name, rows in found.items():
            found[name] = function(rows)
        if isinstance(series, list | tuple):
            return list(found.values())
        if None in found:
            return found[None]
        joined = pd.concat(found, names=series.index.names)
        attrs = [one.attrs for one in found.values()]
        joined = joined if self.preprocessing_.settings["resample"] else joined.loc[series.index]
        joined.attrs = {name: sum(one[name] for one in attrs) for name in attrs[0]}
        return joined

    def _scores(self, frame):
        for doubt in self.doubts(frame):
            warnings.warn(doubt, stacklevel=4)
        fitted = self._fitted
        scores = self._by_row(
            frame, lambda rows: scoring.known_mean(fitted.row_parts(rows))[:, None]
        )
        scores = scores.iloc[:, 0].rename("score")
        scores.attrs["uncovered"] = int(scores.isna().sum())
        return scores

    def _flags(self, frame):
        scores = self._scores(frame)
        if len(scores) and scores.isna().all():
            warnings.warn(
                f"No row has a score, so that a flag of 0 says nothing. A score needs up "
                f"to {self.depth_} rows in a row, without a gap and at most a share of "
                f"{self.max_missing} missing. Received: {len(scores)} rows. Give the "
                f"rows before, too, or give new rows as they come to `update`, which remembers.",
                stacklevel=4,
            )
        return (scores > self.threshold_).astype(int).rename("flag")

    def _expected(self, frame):
        targets = self._fitted.targets
        found = self._by_row(frame, self._fitted.expected, targets)
        if self.preprocessing_.settings["form"] == "levels":
            return found
        return self.preprocessing_.rows(frame)[targets].shift() * np.exp(found)

    def _by_row(self, frame, of_scaled, columns=(0,)):
        """Apply a function of scaled rows to each piece; NaN in the rows that are in none."""
        rows = self.preprocessing_.rows(frame)
        found = np.full((len(rows), len(columns)), np.nan)
        for start, values, _ in self.preprocessing_.pieces(rows):
            found[start : start + len(values)] = of_scaled(self._fitted.scaled(values))
        return pd.DataFrame(found, rows.index, columns)


def _unscored(index):
    return pd.Series(np.full(len(index), np.nan), index, name="score")


def _empty(recipe, header):
    """A pipeline of a stored detector's shape, with nothing in it."""
    features = header["features"]
    if not isinstance(features, list):
        raise ValueError("`features` must be a list")
    checked_rows(pd.DataFrame(columns=features, dtype=float), name="features")
    columns = {name: header["scaler"][name] for name in ("mean", "scale", "balance")}
    # Checked first: pandas would repeat a list of one for every sensor.
    if any(len(values) != len(features) for values in columns.values()):
        raise ValueError("`scaler` must hold a number for each of `features`")
    scaler = pd.DataFrame(columns, index=features, dtype=float)
    scales = scaler.to_numpy()
    if not (np.isfinite(scales).all() and (scales[:, 1:] > 0).all()):
        raise ValueError("`scaler` must hold finite means and positive scales")
    preprocessing = Preprocessing(**(recipe["preprocessing"] or {}))
    step = (header.get("preprocessing") or {}).get("step")
    if step is not None and not (np.isfinite(step) and step > 0):
        raise ValueError("`step` must be above 0")
    preprocessing.step_ = step
    return Pipeline(recipe, features, preprocessing, scaler)


def _restored(recipe, header, files):
    """A pipeline from what a folder holds, sure to be complete and of use."""
    pipeline = _empty(recipe, header)
    pipeline.is_stored_before = "preprocessing" not in header
    history = header["history"]
    losses = pd.DataFrame(history["losses"], dtype=float)
    index = history.get("index", range(1, len(losses) + 1))
    losses.index = pd.Index(index, dtype=int, name=history.get("name", "epoch"))
    losses.attrs = dict(history["attrs"])
    numbers = [value for value in losses.attrs.values() if isinstance(value, float)]
    if not (np.isfinite(losses.to_numpy()).all() and np.isfinite(numbers).all()):
        raise ValueError("`history` must hold finite numbers")
    pipeline.history = losses
    pipeline.n_windows = whole("n_windows", header["n_windows"], 1, 10**15)
    pipeline.threshold = float(header["threshold"])
    if np.isnan(pipeline.threshold):
        raise ValueError("`threshold` must be a number")
    pipeline.restore(files)
    return pipeline
