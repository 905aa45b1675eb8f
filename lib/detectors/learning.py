"""The inner half of a detector: from rows to errors of rows, and to a threshold.

Everything here is private to `detector.Detector`, which checks what comes in and gives pandas
back. A row's errors come from the one window that ends with it, so they are known as soon as the
row is.
"""

import numpy as np
import pandas as pd

from lib import scoring, thresholds, training, windowing
from lib.detectors.recipe import KINDS, builder_options, checked_rows, try_rule
from lib.numpy_lstm import forward
from lib.preprocessing import Preprocessing

LIMIT = 1e6  # standard deviations; what the network sees stops here, what is scored does not
PIECE = 50_000  # rows scored at once
VALIDATION = 0.2  # share of the training rows that is held out if no others are given


class Learning:
    """What a detector learns, and how it is applied; `recipe` holds its settings.

    Sets `features_`, `preprocessing_`, `scaler_`, `model_`, `history_`, `n_windows_`,
    `validation_scores_` and `threshold_`, which `detector.Detector` explains.
    """

    @property
    def _horizon(self):
        return self.recipe["horizon"] if self.recipe["kind"] == "lstm_forecaster" else 0

    @property
    def _context(self):
        """Rows before a row that its score depends on, leaving aside `smooth`."""
        return self.recipe["window"] + self._horizon - 1

    def _build(self):
        options = {**builder_options(self.recipe), "seed": self.recipe["seed"]}
        build = KINDS[self.recipe["kind"]]
        return build(self.recipe["window"], len(self.features_), **options)

    def _learn(self, train, validation):
        train, validation = self._parts(train, validation)
        learned = pd.concat(train)
        self.features_ = list(learned.columns)
        scaler = windowing.fit_scaler(learned, allow_missing=True)
        columns = {"mean": scaler.mean_, "scale": scaler.scale_, "balance": 1.0}
        self.scaler_ = pd.DataFrame(columns, index=self.features_)
        inputs, targets = self._pairs(train, "train")
        held_out = self._pairs(validation, "validation")
        self._try_rule(sum(max(len(piece) - self._context, 0) for piece in validation))
        self.model_ = self._build()
        names = ("epochs", "batch_size", "patience", "seed")
        self.history_ = training.fit(
            self.model_,
            inputs,
            targets,
            validation=held_out,
            allow_missing=True,
            **{name: self.recipe[name] for name in names},
        )
        self.n_windows_ = len(inputs)
        self._calibrate(validation)

    def _try_rule(self, count):
        rule = self.recipe["threshold"]
        try:
            try_rule(rule, self.recipe["threshold_options"], count)
        except ValueError as error:
            raise ValueError(
                f"`validation` must have enough rows for the rule {rule!r}: {error} "
                f"(a fifth of `train` becomes `validation` if there is none)"
            ) from error

    def _parts(self, train, validation):
        """Pieces to train on and pieces held out, checked and preprocessed."""
        train = checked_rows(train, name="train")
        self.preprocessing_ = Preprocessing(**(self.recipe["preprocessing"] or {})).fit(train)
        learned = self._frames(train)
        if validation is None:
            return _cut(learned, sum(map(len, learned)), VALIDATION)
        validation = checked_rows(validation, list(train.columns), "validation")
        absent = [name for name in validation if validation[name].isna().all()]
        if absent:
            raise ValueError(
                f"`validation` must have a value of each sensor. Received: none of {absent[0]!r}"
            )
        return learned, self._frames(validation)

    def _frames(self, frame):
        """The rows of a series, preprocessed: one frame for each piece between gaps."""
        rows = self.preprocessing_.rows(frame)
        return [
            pd.DataFrame(values, rows.index[start : start + len(values)], rows.columns)
            for start, values, _ in self.preprocessing_.pieces(rows)
        ]

    def _scaled(self, values):
        mean, scale = self.scaler_["mean"].to_numpy(), self.scaler_["scale"].to_numpy()
        return (np.asarray(values) - mean) / scale

    def _windows(self, values, stride=1):
        """Inputs and targets; what is missing is NaN in both."""
        cut = {"horizon": self._horizon, "stride": stride}
        inputs, _ = windowing.window_pairs(values.clip(-LIMIT, LIMIT), self.recipe["window"], **cut)
        _, targets = windowing.window_pairs(values, self.recipe["window"], **cut)
        return inputs, targets

    def _pairs(self, pieces, name):
        """Windows to train on or to stop by, those with too much missing left out."""
        longest = max(map(len, pieces), default=0)
        if longest <= self._context:
            between = " between two gaps" if len(pieces) > 1 else ""
            raise ValueError(
                f"`{name}` must have at least {self._context + 1} rows{between} for a window of "
                f"{self.recipe['window']} (a fifth of `train` becomes `validation` if there is "
                f"none). Received: {longest} rows"
            )
        pairs = [
            self._windows(self._scaled(piece), self.recipe["stride"])
            for piece in pieces
            if len(piece) > self._context
        ]
        inputs, targets = pairs[0] if len(pairs) == 1 else map(np.concatenate, zip(*pairs))  # noqa: B905
        if not any(np.isnan(piece.to_numpy()).any() for piece in pieces):
            return inputs, targets
        keep = scoring.missing_share(inputs) <= self.recipe["max_missing"]
        keep &= scoring.missing_share(targets) < 1
        if not keep.any():
            raise ValueError(
                f"`{name}` must have a window of which at most a share of "
                f"{self.recipe['max_missing']} is missing. "
                f"Received: {len(keep)} windows, all with more missing"
            )
        return windowing.fill_windows(inputs[keep]), targets[keep]

    def _row_errors(self, values, network=None):
        """Error of each row and sensor, from the window that ends there; NaN where there is none.

        In pieces: a row's errors rest on `_context` rows before it and on nothing else.
        """
        return self._last_steps(values, network) / self.scaler_["balance"].to_numpy()

    def _last_steps(self, values, network=None, *, expected=False):
        """The error at the last step of the window that ends in a row, or what was expected."""
        network = forward.compiled(self.model_) if network is None else network
        found, context = np.full(values.shape, np.nan), self._context
        for start in range(context, len(values), PIECE):
            inputs, targets = self._windows(values[start - context : start + PIECE])
            of_windows = scoring.window_errors(
                network,
                inputs,
                np.zeros(targets.shape) if expected else targets,
                max_missing=self.recipe["max_missing"],
                signed=expected,
            )
            found[start : start + PIECE] = of_windows[:, -1]
        return found

    def _scores(self, errors):
        return scoring.feature_mean(scoring.trailing_mean(errors, self.recipe["smooth"]))

    def _calibrate(self, validation):
        """Balance the sensors, and set the threshold, on rows that were not trained on."""
        errors = [self._row_errors(self._scaled(piece)) for piece in validation]
        if self.recipe["balance"]:
            mean = np.nanmean(np.concatenate(errors), axis=0)
            self.scaler_["balance"] = np.where(mean > 0, mean, 1.0)
            errors = [piece / self.scaler_["balance"].to_numpy() for piece in errors]
        scores = np.concatenate([self._scores(piece) for piece in errors])
        index = pd.concat(validation).index
        self.validation_scores_ = pd.Series(scores, index, name="score")
        rule = getattr(thresholds, self.recipe["threshold"])
        self.threshold_ = float(rule(scores, **self.recipe["threshold_options"]))

    def _restore(self, header):
        """Take over what the JSON holds, sure to be complete and of use."""
        self.features_ = list(header["features"])
        empty = pd.DataFrame(columns=self.features_, dtype=float)
        checked_rows(empty, name="features")
        columns = {name: header["scaler"][name] for name in ("mean", "scale", "balance")}
        # Checked first: pandas would repeat a list of one for every sensor.
        if any(len(values) != len(self.features_) for values in columns.values()):
            raise ValueError("`scaler` must hold a number for each of `features`")
        self.scaler_ = pd.DataFrame(columns, index=self.features_, dtype=float)
        scales = self.scaler_.to_numpy()
        if not (np.isfinite(scales).all() and (scales[:, 1:] > 0).all()):
            raise ValueError("`scaler` must hold finite means and positive scales")
        history = header["history"]
        self.history_ = pd.DataFrame(history["losses"], dtype=float)
        self.history_.index = pd.RangeIndex(1, len(self.history_) + 1, name="epoch")
        self.history_.attrs = dict(history["attrs"])
        self.n_windows_ = int(header["n_windows"])
        self.preprocessing_ = Preprocessing(**(self.recipe["preprocessing"] or {}))
        self._is_stored_before = "preprocessing" not in header
        step = (header.get("preprocessing") or {}).get("step")
        if step is not None and not (np.isfinite(step) and step > 0):
            raise ValueError("`step` must be above 0")
        self.preprocessing_.step_ = step
        self.threshold_ = float(header["threshold"])
        if np.isnan(self.threshold_):
            raise ValueError("`threshold` must be a number")


def _cut(pieces, rows, share):
    """Hold out the last rows of some pieces; returns those before and those held out."""
    left, first, second = rows - int(rows * share), [], []
    for piece in pieces:
        first += [piece.iloc[: max(left, 0)]] if left > 0 or not first else []
        second += [piece.iloc[max(left, 0) :]] if left < len(piece) else []
        left -= len(piece)
    return first, second
