"""What a detector has learned, as one chain: preprocessing, scaler, method, scorer, threshold.

A *block* is a window and the `horizon` rows after it, if the kind forecasts. The method gives
errors of blocks, the scorer makes scores of rows of them.
"""

import copy
import dataclasses
import functools

import numpy as np
import pandas as pd

from lib import scoring, thresholds, windowing
from lib.detectors import storage
from lib.detectors.kinds import KINDS
from lib.detectors.recipe import checked_rows, try_rule
from lib.detectors.scorer import FEW, LARGEST, Scorer
from lib.preprocessing import Preprocessing

LIMIT = 1e6  # standard deviations; what a method sees stops here, what is scored does not
NUMBERS = 4_000_000  # of blocks that are scored at once
VALIDATION = 0.2  # share of the training rows that is held out if no others are given
FLOOR = 0.1  # training standard deviations; a calmer window is not blown up further


@dataclasses.dataclass
class Pipeline:
    """Made by `learn`, or by `lib.detectors.storage` from a folder; see `Detector`'s attributes."""

    recipe: dict
    features: list
    preprocessing: Preprocessing
    scaler: pd.DataFrame
    method: object = None
    scorer: Scorer = None
    history: pd.DataFrame = None
    n_windows: int = 0
    threshold: float = np.nan
    validation_scores: pd.Series = None
    is_stored_before: bool = False  # the preprocessing was

    def __post_init__(self):
        """Make method and scorer, untrained."""
        recipe, kind = self.recipe, KINDS[self.recipe["kind"]]
        horizon = 0 if kind.output == "window" else recipe["horizon"]
        self.kind, self.window, self.span = kind, recipe["window"], recipe["window"] + horizon
        self.first = self.window if kind.output == "ahead" else 0
        sizes = (self.window, len(self.features), horizon, recipe["seed"])
        self.method = self.method or kind.make(*sizes, **recipe["options"])
        ways = (recipe["score"], recipe["aggregation"], recipe["smooth"])
        self.scorer = Scorer(*ways, self.first, self.span)
        numbers = (self.span - self.first) * len(self.features)
        if recipe["score"] == "distance" and numbers > LARGEST:
            raise ValueError(
                f"`score` 'distance' is for at most {LARGEST} numbers in a window. "
                f"Received: {numbers}, window={self.window} with {len(self.features)} columns"
            )

    @classmethod
    def learn(cls, recipe, train, validation):
        """Learn what is normal from rows, and set the threshold on others."""
        train = checked_rows(train, name="train")
        preprocessing = Preprocessing(**(recipe["preprocessing"] or {})).fit(train)
        learned, held_out = _parts(preprocessing, train, validation)
        rows = pd.concat(learned)
        scaler = windowing.fit_scaler(rows, allow_missing=True)
        columns = {"mean": scaler.mean_, "scale": scaler.scale_, "balance": 1.0}
        scaler = pd.DataFrame(columns, index=list(rows.columns))
        new = cls(recipe, list(rows.columns), preprocessing, scaler)
        inputs, targets = new._pairs(learned, "train")
        validating = new._pairs(held_out, "validation")
        new._try_rule(sum(max(len(piece) - new.span + 1, 0) for piece in held_out))
        if KINDS[recipe["kind"]].family == "network":
            names = ("epochs", "batch_size", "patience", "steps")
            options = {name: recipe[name] for name in names}
            new.history = new.method.fit(inputs, targets, validating, **options)
        else:
            new.method.fit(inputs, targets)
            new.history = pd.DataFrame(index=pd.RangeIndex(0, name="epoch"))
        new.n_windows = len(inputs)
        new._calibrate(learned, held_out)
        return new

    def rescored(self, recipe, train, validation):
        """Return a pipeline with the same method, and another way from its errors to flags."""
        train = checked_rows(train, self.features, "train")
        learned, held_out = _parts(self.preprocessing, train, validation)
        scaler = self.scaler.assign(balance=1.0)
        new = Pipeline(recipe, self.features, self.preprocessing, scaler, self.method)
        new.history, new.n_windows = self.history, self.n_windows
        new._try_rule(sum(max(len(piece) - new.span + 1, 0) for piece in held_out))
        new._calibrate(learned, held_out)
        return new

    def scaled(self, values):
        """Rows as the method sees them: in standard deviations from the training mean."""
        mean, scale = self.scaler["mean"].to_numpy(), self.scaler["scale"].to_numpy()
        return (np.asarray(values) - mean) / scale

    def row_parts(self, scaled):
        """Score of each row of a piece without gaps, divided among the sensors.

        Parameters
        ----------
        scaled : ndarray of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows, n_features), or (n_rows, 1) where a kind gives one score
            The mean over the last axis is the score; NaN where there is none.
        """
        width = 1 if self.kind.one_score else len(self.features)
        if len(scaled) < self.span:
            return np.full((len(scaled), width), np.nan)
        starts = np.arange(0, len(scaled) - self.span + 1, self.scorer.stride)
        rows = self.scorer.rows(starts, self.block_parts(scaled, starts), len(scaled))
        return self.scorer.smoothed(self.scorer.balanced(rows))

    def block_parts(self, scaled, starts, one_by_one=None):
        """Score of each block, divided among the sensors; starts are evenly spaced."""
        return self._by_block(scaled, starts, one_by_one or self._parts_of)

    def expected(self, scaled):
        """What the method gives for the last row of the block that ends in a row, scaled back."""
        if self.kind.one_score:
            raise ValueError(f"A {self.kind.title} expects no value: it scores windows as a whole.")
        found = np.full(scaled.shape, np.nan)
        starts = np.arange(0, len(scaled) - self.span + 1)
        if len(starts):
            found[self.span - 1 :] = self._by_block(scaled, starts, self._last_outputs)
        return found * self.scaler["scale"].to_numpy() + self.scaler["mean"].to_numpy()

    def shares(self, scaled):
        """Share of each sensor in each row's score; the rows sum to 1."""
        parts = self.row_parts(scaled)
        if self.kind.one_score:
            starts = np.arange(0, max(len(scaled) - self.span + 1, 0), self.scorer.stride)
            if not len(starts):
                return np.full(scaled.shape, np.nan)
            blocks = self.block_parts(scaled, starts, self._without_each)
            parts = self.scorer.smoothed(self.scorer.rows(starts, blocks, len(scaled)))
        return shares_of(parts)

    def scores(self, parts):
        """One score for each row."""
        return scoring.feature_mean(parts)

    def _by_block(self, scaled, starts, function):
        """Apply a function of inputs, targets and their scale, many blocks at a time."""
        if not len(starts):
            return np.empty((0, 1 if self.kind.one_score else len(self.features)))
        step = int(starts[1] - starts[0]) if len(starts) > 1 else 1
        blocks = windowing.sliding_windows(scaled[starts[0] :], self.span, stride=step)
        blocks = blocks[: len(starts)]
        at_once = max(1, NUMBERS // (self.span * scaled.shape[1]))
        has_missing = bool(np.isnan(scaled).any())
        return np.concatenate(
            [
                function(*self._prepared(blocks[begin : begin + at_once], has_missing))
                for begin in range(0, len(starts), at_once)
            ]
        )

    def _prepared(self, blocks, has_missing):
        """Inputs without missing values, targets, and what both were normalised by."""
        inputs, targets = blocks[:, : self.window], blocks[:, self.first :]
        inputs = inputs.clip(-LIMIT, LIMIT) if np.abs(inputs).max() > LIMIT else inputs
        if has_missing:
            share = scoring.missing_share(inputs)
            inputs = windowing.fill_windows(inputs)
            too_much = share > self.recipe["max_missing"]
            if too_much.any():
                targets = np.where(too_much[:, np.newaxis, np.newaxis], np.nan, targets)
        if self.recipe["normalisation"] == "train":
            return inputs, targets, (0.0, 1.0)
        centre = inputs.mean(axis=1, keepdims=True)
        scale = np.maximum(inputs.std(axis=1, keepdims=True), FLOOR)
        return (inputs - centre) / scale, (targets - centre) / scale, (centre, scale)

    def _parts_of(self, inputs, targets, _):
        if self.kind.one_score:
            known = ~np.isnan(targets).all(axis=(1, 2))
            found = np.full((len(inputs), 1), np.nan)
            if known.any():
                found[known, 0] = self.method.scores(inputs[known])
            return found
        return self.scorer.parts(self.method.errors(inputs, targets))

    def _last_outputs(self, inputs, targets, normalised_by):
        centre, scale = normalised_by
        if hasattr(self.method, "outputs"):  # its errors have a scale of their own
            output = self.method.outputs(inputs)
        else:
            output = self.method.errors(inputs, np.zeros(targets.shape))
        output = (output * scale + centre)[:, -1].copy()
        output[np.isnan(targets).all(axis=(1, 2))] = np.nan
        return output

    def _without_each(self, inputs, targets, normalised_by):
        """How far the score of a block falls where a sensor is set to its training mean."""
        whole = self._parts_of(inputs, targets, normalised_by)
        found = np.empty((len(inputs), inputs.shape[2]))
        for sensor in range(inputs.shape[2]):
            without = np.array(inputs)
            without[:, :, sensor] = 0.0
            found[:, sensor] = (whole - self._parts_of(without, targets, normalised_by))[:, 0]
        return np.where(np.isnan(found), np.nan, np.maximum(found, 0.0))

    def _pairs(self, pieces, name):
        """Windows to learn from or to stop by, those with too much missing left out."""
        longest = max(map(len, pieces), default=0)
        if longest < self.span:
            between = " between two gaps" if len(pieces) > 1 else ""
            raise ValueError(
                f"`{name}` must have at least {self.span} rows{between} for a window of "
                f"{self.window} (a fifth of `train` becomes `validation` if there is "
                f"none). Received: {longest} rows"
            )
        inputs, targets = [], []
        for piece in pieces:
            if len(piece) < self.span:
                continue
            values = self.scaled(piece)
            blocks = windowing.sliding_windows(values, self.span, stride=self.recipe["stride"])
            has_missing = bool(np.isnan(values).any())
            some, wanted, _ = self._prepared(blocks, has_missing)
            if has_missing:
                known = ~np.isnan(wanted).all(axis=(1, 2))
                some, wanted = some[known], wanted[known]
            inputs.append(some)
            targets.append(wanted)
        if not sum(map(len, inputs)):
            raise ValueError(
                f"`{name}` must have a window of which at most a share of "
                f"{self.recipe['max_missing']} is missing. Received: all with more missing"
            )
        if len(inputs) == 1:  # views of the series: nothing is copied
            return inputs[0], targets[0]
        return np.concatenate(inputs), np.concatenate(targets)

    def _try_rule(self, count):
        rule = self.recipe["threshold"]
        try:
            try_rule(rule, self.recipe["threshold_options"], count)
        except ValueError as error:
            raise ValueError(
                f"`validation` must have enough rows for the rule {rule!r}: {error} "
                f"(a fifth of `train` becomes `validation` if there is none)"
            ) from error

    def _calibrate(self, learned, held_out):
        """Learn the scorer from training errors; balance and threshold from the rows held out."""
        if self.recipe["score"] == "distance":
            self.scorer.fit(self._training_errors(learned))
        rows = [self.row_parts(self.scaled(piece)) for piece in held_out]
        if self.recipe["balance"]:
            mean = np.nanmean(np.concatenate(rows), axis=0)
            self.balance = np.where(mean > 0, mean, 1.0)
            rows = [self.row_parts(self.scaled(piece)) for piece in held_out]
        scores = np.concatenate([self.scores(one) for one in rows])
        self.validation_scores = pd.Series(scores, pd.concat(held_out).index, name="score")
        rule = getattr(thresholds, self.recipe["threshold"])
        self.threshold = float(rule(scores, **self.recipe["threshold_options"]))

    @property
    def balance(self):
        """Usual error of each sensor that its errors are divided by."""
        return self.scaler["balance"].to_numpy()

    @balance.setter
    def balance(self, usual):
        self.scaler = self.scaler.assign(balance=usual)
        self.scorer.balance = None if (self.balance == 1.0).all() else self.balance

    def _training_errors(self, pieces):
        """Signed errors of training blocks, evenly spread."""
        step = max(self.scorer.stride, sum(map(len, pieces)) // FEW)
        found = []
        for piece in pieces:
            starts = np.arange(0, len(piece) - self.span + 1, step)
            if len(starts):
                found.append(self._by_block(self.scaled(piece), starts, self._errors_of))
        return np.concatenate(found)

    def _errors_of(self, inputs, targets, _):
        return self.method.errors(inputs, targets)

    @property
    def n_parameters(self):
        """Numbers that were learned, or are to be; None where the method keeps training data."""
        return self.method.n_parameters

    def files(self):
        """What is stored beside the JSON: name of a file -> function that writes it."""
        files, arrays = {}, self._arrays()
        if self.kind.family == "network":
            files[storage.MODEL] = self.method.save
        if arrays:
            files[storage.STATE] = functools.partial(np.savez, **arrays)
        return files

    def restore(self, files):
        """Take over the content of stored files, sure to be complete and of use."""
        if self.kind.family == "network":
            self.method.load(files[storage.MODEL])
        if self.recipe["score"] == "distance":
            self.scorer.distance = scoring.ErrorDistance()
        wanted, arrays = self._arrays(names_alone=True), files.get(storage.STATE, {})
        if set(arrays) != set(wanted):
            raise ValueError(f"arrays {sorted(arrays)} in place of {sorted(wanted)}")
        for name, (owner, attribute) in wanted.items():
            if not np.isfinite(arrays[name]).all():
                raise ValueError(f"{name!r} must hold finite numbers")
            setattr(owner, attribute, arrays[name])
        zeros = np.zeros((self.span, len(self.features)))
        parts = self.block_parts(zeros, np.array([0]))
        if parts.shape != (1, 1 if self.kind.one_score else len(self.features)):
            raise ValueError(f"arrays that do not suit {len(self.features)} columns")

    def _arrays(self, *, names_alone=False):
        """The arrays of method and scorer by name, or where each belongs."""
        owners = {f"method_{name}": (self.method, name) for name in self.method.stored}
        if self.scorer.distance is not None:
            names = ("location_", "factor_")
            owners |= {f"score_{name}": (self.scorer.distance, name) for name in names}
        if names_alone:
            return owners
        return {name: getattr(*owner) for name, owner in owners.items()}

    def twin(self):
        """Return a copy for a stream, quick with single rows: later training is not seen."""
        twin = copy.copy(self)
        twin.method = copy.copy(self.method)
        if hasattr(twin.method, "fast"):
            twin.method.fast()
        return twin


def shares_of(parts):
    """Divide each row by its sum: NaN where there is no score, or none to divide.

    Examples
    --------
    >>> shares_of(np.array([[1.0, 3.0], [0.0, 0.0]])).tolist()
    [[0.25, 0.75], [nan, nan]]
    """
    total = np.nansum(parts, axis=1, keepdims=True)
    unknown = np.full(parts.shape, np.nan)
    return np.divide(np.nan_to_num(parts), total, out=unknown, where=total > 0)


def _parts(preprocessing, train, validation):
    """Pieces to train on and pieces held out, checked and preprocessed."""
    learned = _frames(preprocessing, train)
    if validation is None:
        return _cut(learned, sum(map(len, learned)), VALIDATION)
    validation = checked_rows(validation, list(train.columns), "validation")
    absent = [name for name in validation if validation[name].isna().all()]
    if absent:
        raise ValueError(
            f"`validation` must have a value of each sensor. Received: none of {absent[0]!r}"
        )
    return learned, _frames(preprocessing, validation)


def _frames(preprocessing, frame):
    """The rows of a series, preprocessed: one frame for each piece between gaps."""
    rows = preprocessing.rows(frame)
    return [
        pd.DataFrame(values, rows.index[start : start + len(values)], rows.columns)
        for start, values, _ in preprocessing.pieces(rows)
    ]


def _cut(pieces, rows, share):
    """Hold out the last rows of some pieces; returns those before and those held out."""
    left, first, second = rows - int(rows * share), [], []
    for piece in pieces:
        first += [piece.iloc[: max(left, 0)]] if left > 0 or not first else []
        second += [piece.iloc[max(left, 0) :]] if left < len(piece) else []
        left -= len(piece)
    return first, second
