"""What a detector has learned, as one chain: preprocessing, scaler, method, scorer, threshold.

A *block* is a window and the `horizon` rows after it, if the kind forecasts. The method gives
errors of blocks, the scorer makes scores of rows of them.
"""

import copy
import dataclasses
import functools
from itertools import chain

import numpy as np
import pandas as pd

from lib import scoring, thresholds, windowing
from lib.detectors import storage
from lib.detectors.kinds import KINDS
from lib.detectors.recipe import check_later, checked_recordings, try_rule
from lib.detectors.scorer import FEW, LARGEST, Scorer
from lib.errors import choice
from lib.preprocessing import Preprocessing

LIMIT = 1e6  # standard deviations; what a method sees stops here, what is scored does not
NUMBERS = 4_000_000  # of blocks that are scored at once
LEARNED_AT_ONCE = 50_000_000  # numbers of blocks that kinds without batches learn from
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
        self.targets = recipe["targets"] or self.features
        for name in self.targets:
            choice("targets", name, self.features)
        self.wanted = [self.features.index(name) for name in self.targets]
        self.is_input = [name not in self.targets for name in self.features]
        self.width = 1 if kind.one_score else len(self.targets)
        self._use_balance()
        numbers = (self.span - self.first) * len(self.targets)
        if recipe["score"] == "distance" and numbers > LARGEST:
            raise ValueError(
                f"`score` 'distance' is for at most {LARGEST} numbers in a window. "
                f"Received: {numbers}, window={self.window} with {len(self.targets)} columns"
            )

    @classmethod
    def learn(cls, recipe, train, validation):
        """Learn what is normal from rows, and set the threshold on others."""
        train = checked_recordings(train, name="train")
        preprocessing = Preprocessing(**(recipe["preprocessing"] or {})).fit(*train.values())
        learned, held_out = _parts(preprocessing, train, validation)
        rows = pd.concat(learned)
        scaler = windowing.fit_scaler(rows, allow_missing=True)
        columns = {"mean": scaler.mean_, "scale": scaler.scale_, "balance": 1.0}
        scaler = pd.DataFrame(columns, index=list(rows.columns))
        new = cls(recipe, list(rows.columns), preprocessing, scaler)
        blocks, validating = new._blocks(learned, "train"), new._blocks(held_out, "validation")
        new._try_rule(held_out)
        new.history, new.n_windows = pd.DataFrame(index=pd.RangeIndex(0, name="epoch")), len(blocks)
        if new.kind.family == "network":
            names = ("epochs", "batch_size", "patience", "steps")
            options = {name: recipe[name] for name in names}
            new.history = new.method.fit(blocks, validating, **options)
        else:
            few = blocks.evenly(LEARNED_AT_ONCE // (new.span * len(new.features)))
            new.method.fit(*few)
            new.n_windows = len(few[0])
        new._calibrate(learned, held_out)
        return new

    def rescored(self, recipe, train, validation):
        """Return a pipeline with the same method, and another way from its errors to flags."""
        train = checked_recordings(train, self.features, "train")
        learned, held_out = _parts(self.preprocessing, train, validation)
        scaler = self.scaler.assign(balance=1.0)
        new = Pipeline(recipe, self.features, self.preprocessing, scaler, self.method)
        new.history, new.n_windows = self.history, self.n_windows
        new._try_rule(held_out)
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
        ndarray of shape (n_rows, n_targets), or (n_rows, 1) where a kind gives one score
            The mean over the last axis is the score; NaN where there is none.
        """
        return self.scorer.smoothed(self._unbalanced(scaled) / self.scorer.balance)

    def _unbalanced(self, scaled):
        starts = self.starts(scaled, self.scorer.stride)
        return self.scorer.rows(starts, self.by_block(scaled, starts), len(scaled))

    def expected(self, scaled):
        """What the method gives for the last row of the block that ends in a row, scaled back."""
        if self.kind.one_score:
            raise ValueError(f"A {self.kind.title} expects no value: it scores windows as a whole.")
        found = np.full((len(scaled), self.width), np.nan)
        starts = self.starts(scaled)
        found[starts + self.span - 1] = self.by_block(scaled, starts, self._last_outputs)
        scaler = self.scaler.loc[self.targets]
        return found * scaler["scale"].to_numpy() + scaler["mean"].to_numpy()

    def shares(self, scaled):
        """Share of each sensor in each row's score; the rows sum to 1."""
        parts = self.row_parts(scaled)
        if self.kind.one_score:
            starts = self.starts(scaled, self.scorer.stride)
            if not len(starts):
                return np.full(scaled.shape, np.nan)
            blocks = self.by_block(scaled, starts, self._without_each)
            parts = self.scorer.smoothed(self.scorer.rows(starts, blocks, len(scaled)))
        return shares_of(parts)

    def starts(self, piece, step=1):
        """First rows of the blocks in a piece."""
        return np.arange(0, max(len(piece) - self.span + 1, 0), step)

    def by_block(self, scaled, starts, function=None):
        """Apply a function of inputs, targets and their scale, many blocks at a time.

        By default it gives the score of each block, divided among the sensors; `starts` are evenly
        spaced.
        """
        function = function or self._parts_of
        if not len(starts):
            return np.empty((0, self.width))
        step = int(starts[1] - starts[0]) if len(starts) > 1 else 1
        blocks = windowing.sliding_windows(scaled[starts[0] :], self.span, stride=step)
        blocks = blocks[: len(starts)]
        at_once = max(1, NUMBERS // (self.span * scaled.shape[1]))
        groups = (blocks[begin : begin + at_once] for begin in range(0, len(blocks), at_once))
        return np.concatenate([function(*self.prepared(group)) for group in groups])

    def prepared(self, blocks):
        """Inputs without missing values, targets, and what both were normalised by."""
        inputs, targets = blocks[:, : self.window].clip(-LIMIT, LIMIT), blocks[:, self.first :]
        if np.isnan(inputs).any():
            too_much = np.isnan(inputs).mean(axis=(1, 2)) > self.recipe["max_missing"]
            inputs = windowing.fill_windows(inputs)
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
        return self.scorer.parts(self._errors_of(inputs, targets, None))

    def _last_outputs(self, inputs, targets, normalised_by):
        centre, scale = normalised_by
        if hasattr(self.method, "outputs"):  # its errors have a scale of their own
            output = self.method.outputs(inputs)
        else:
            output = self.method.errors(inputs, np.zeros(targets.shape))
        output = (output * scale + centre)[:, -1, self.wanted]
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

    def _blocks(self, pieces, name):
        """Blocks to learn from or to stop by, those with too much missing left out."""
        longest = max(map(len, pieces), default=0)
        if longest < self.span:
            between = " between two gaps" if len(pieces) > 1 else ""
            raise ValueError(
                f"`{name}` must have at least {self.span} rows{between} for a window of "
                f"{self.window} (a fifth of `train` becomes `validation` if there is "
                f"none). Received: {longest} rows"
            )
        blocks = Blocks(self, pieces)
        if not len(blocks):
            raise ValueError(
                f"`{name}` must have a window of which at most a share of "
                f"{self.recipe['max_missing']} is missing. Received: all with more missing"
            )
        return blocks

    def _try_rule(self, held_out):
        rule, count = self.recipe["threshold"], sum(len(self.starts(one)) for one in held_out)
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
        rows = [self._unbalanced(self.scaled(piece)) for piece in held_out]
        if self.recipe["balance"]:
            mean = np.nanmean(np.concatenate([self.scorer.smoothed(one) for one in rows]), axis=0)
            usual = np.broadcast_to(np.where(mean > 0, mean, 1.0), len(self.targets))
            self.scaler.loc[self.targets, "balance"] = usual
            self._use_balance()
        rows = [self.scorer.smoothed(one / self.scorer.balance) for one in rows]
        scores = np.concatenate([scoring.known_mean(one) for one in rows])
        self.validation_scores = pd.Series(scores, pd.concat(held_out).index, name="score")
        rule = getattr(thresholds, self.recipe["threshold"])
        self.threshold = float(rule(scores, **self.recipe["threshold_options"]))

    def _use_balance(self):
        """Divide scores by what is usual of each sensor: 1 where nothing was learned."""
        self.scorer.balance = self.scaler.loc[self.targets, "balance"].to_numpy()[: self.width]

    def _training_errors(self, pieces):
        """Signed errors of training blocks, evenly spread."""
        step = max(self.scorer.stride, sum(map(len, pieces)) // FEW)
        found = []
        for piece in pieces:
            starts = self.starts(piece, step)
            if len(starts):
                found.append(self.by_block(self.scaled(piece), starts, self._errors_of))
        return np.concatenate(found)

    def _errors_of(self, inputs, targets, _):
        errors = self.method.errors(inputs, targets)
        return errors[:, :, self.wanted] if self.recipe["targets"] else errors

    @property
    def depth(self):
        """Rows that a score rests on, its own included."""
        is_return = self.preprocessing.settings["form"] == "returns"
        return self.span + self.scorer.delay + self.scorer.smooth - 1 + is_return

    @property
    def model(self):
        """The network, or None."""
        return getattr(self.method, "model", None)

    def files(self):
        """What is stored beside the JSON: name of a file -> function that writes it."""
        files = {}
        arrays = {name: getattr(*owner) for name, owner in self._owners().items()}
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
        wanted, arrays = self._owners(), files.get(storage.STATE, {})
        if set(arrays) != set(wanted):
            raise ValueError(f"arrays {sorted(arrays)} in place of {sorted(wanted)}")
        for name, (owner, attribute) in wanted.items():
            if not np.isfinite(arrays[name]).all():
                raise ValueError(f"{name!r} must hold finite numbers")
            setattr(owner, attribute, arrays[name])
        zeros = np.zeros((self.span, len(self.features)))
        parts = self.by_block(zeros, np.array([0]))
        if parts.shape != (1, self.width):
            raise ValueError(f"arrays that do not suit {len(self.features)} columns")

    def _owners(self):
        """Of each stored array, by name, the object and the attribute that it belongs to."""
        owners = {f"method_{name}": (self.method, name) for name in self.method.stored}
        if self.scorer.distance is not None:
            names = ("location_", "factor_")
            owners |= {f"score_{name}": (self.scorer.distance, name) for name in names}
        return owners

    def twin(self):
        """Return a copy for a stream, quick with single rows: later training is not seen."""
        twin = copy.copy(self)
        twin.method = copy.copy(self.method)
        if hasattr(twin.method, "fast"):
            twin.method.fast()
        return twin


class Blocks:
    """Blocks of some pieces, cut as they are needed: what they take grows with the rows alone.

    Parameters
    ----------
    pipeline : Pipeline
    pieces : list of DataFrame of n_rows rows and n_features columns
        No block has rows of two.
    """

    def __init__(self, pipeline, pieces):
        self.pipeline, stride = pipeline, pipeline.recipe["stride"]
        self.rows = pipeline.scaled(np.concatenate([piece.to_numpy() for piece in pieces]))
        begins = np.cumsum([0, *map(len, pieces[:-1])])
        pairs = zip(begins, pieces, strict=True)
        starts = [begin + pipeline.starts(piece, stride) for begin, piece in pairs]
        self.starts = self._with_enough(np.concatenate(starts))
        self._all = windowing.sliding_windows(self.rows, pipeline.span)

    def __len__(self):
        """How many there are."""
        return len(self.starts)

    def __getitem__(self, places):
        """Inputs and targets for a network: float32, and no target is beyond all measure."""
        inputs, targets, _ = self.pipeline.prepared(self._all[self.starts[places]])
        if any(self.pipeline.is_input):  # the loss leaves out what is missing
            targets = np.where(self.pipeline.is_input, np.nan, targets)
        return inputs.astype("float32"), targets.clip(-LIMIT, LIMIT).astype("float32")

    def evenly(self, most):
        """At most so many inputs and targets, evenly spread, as arrays of float64."""
        few = windowing.evenly(len(self), max(most, 1))
        span, width = self._all.shape[1:]
        window, steps = self.pipeline.window, span - self.pipeline.first
        inputs, targets = np.empty((len(few), window, width)), np.empty((len(few), steps, width))
        at_once = max(1, NUMBERS // (span * width))
        for begin in range(0, len(few), at_once):
            place = slice(begin, begin + at_once)
            blocks = self._all[self.starts[few[place]]]
            inputs[place], targets[place], _ = self.pipeline.prepared(blocks)
        return inputs, targets

    def _with_enough(self, starts):
        """The starts of blocks that the method can learn from."""
        pipeline, missing = self.pipeline, np.isnan(self.rows)
        if not missing.any():
            return starts
        cells = np.append(0, np.cumsum(missing.sum(axis=1)))
        known = np.append(0, np.cumsum(~missing[:, pipeline.wanted].all(axis=1)))
        seen = cells[starts + pipeline.window] - cells[starts]
        share = seen / (pipeline.window * missing.shape[1])
        wanted = known[starts + pipeline.span] - known[starts + pipeline.first]
        return starts[(share <= pipeline.recipe["max_missing"]) & (wanted > 0)]


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
    """Pieces to train on and pieces held out, checked and preprocessed; of each recording some."""
    learned = [preprocessing.frames(one) for one in train.values()]
    if validation is None:
        learned, held_out = zip(*map(_cut, learned), strict=True)
    else:
        validation = _checked_validation(train, validation)
        held_out = [preprocessing.frames(one) for one in validation.values()]
    return list(chain.from_iterable(learned)), list(chain.from_iterable(held_out))


def _checked_validation(train, validation):
    """The recordings to validate on, sure to be later than those to train on, and others."""
    features = list(next(iter(train.values())).columns)
    is_list = isinstance(validation, list | tuple)  # of recordings that others do not go on from
    validation = checked_recordings(validation, features, "validation")
    for name in [] if is_list else train.keys() & validation.keys():
        if len(train[name]) and len(validation[name]):
            check_later(validation[name].index, train[name].index[-1], "validation")
    if any(one.equals(other) for one in train.values() for other in validation.values()):
        raise ValueError("`validation` must be others than `train`. Received: the same rows")
    absent = [
        name for name in features if all(one[name].isna().all() for one in validation.values())
    ]
    if absent:
        raise ValueError(
            f"`validation` must have a value of each sensor. Received: none of {absent[0]!r}"
        )
    return validation


def _cut(pieces):
    """Hold out the last rows of some pieces; returns those before and those held out."""
    rows = sum(map(len, pieces))
    left, first, second = rows - int(rows * VALIDATION), [], []
    for piece in pieces:
        first += [piece.iloc[: max(left, 0)]] if left > 0 or not first else []
        second += [piece.iloc[max(left, 0) :]] if left < len(piece) else []
        left -= len(piece)
    return first, second
