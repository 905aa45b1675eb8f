"""A detector on a live stream: rows in, scores and flags out, all that the next row needs kept.

Rows that wait are scored in one batch, a live row alone; the records are the same. The rows that
the next score rests on are remembered. Given them back after a restart, the detector goes on as if
nothing had happened, to the last bit.
"""

import datetime
import itertools
import math
import statistics
import warnings
from collections import Counter, deque

import numpy as np
import pandas as pd

from lib.data.times import EPOCH
from lib.errors import ParameterError
from lib.preprocessing import until
from lib.stream.row_parser import BadLine

GAP = 10.0  # usual steps
CHECKED = 20  # first rows, whether they are such as were trained on
STEPS = 50  # steps in time from which the usual one is taken
TURNS = {"sin": math.sin, "cos": math.cos}
FEWEST_STEPS = 3  # before that, no step is a gap, and a jump in time may be a glitch
AHEAD = 86_400.0  # seconds; a clock without a time zone is up to 14 hours ahead of UTC
LONGEST = 1e10  # seconds, some 300 years


def sensors_of(features, angles=()):
    """Return the sensor of each feature of a detector.

    `angles` are sensors in degrees that it sees as "name sin" and "name cos", or one of them; a
    ParameterError names those that it does not see so.

    Examples
    --------
    >>> sensors_of(["power", "wind sin", "wind cos"], ["wind"])
    {'power': 'power', 'wind sin': 'wind', 'wind cos': 'wind'}
    """
    owners = {f"{name} {part}": name for name in angles for part in TURNS}
    unknown = set(angles) - {owners.get(feature) for feature in features}
    if unknown:
        raise ParameterError(
            f"`angles` must name sensors whose sine or cosine the detector was trained on: "
            f"{', '.join(map(repr, features))}. Received: {', '.join(sorted(unknown))}"
        )
    return {feature: owners.get(feature, feature) for feature in features}


class Stream:
    """Score and flag the rows of a stream.

    Parameters
    ----------
    detector : detector.Detector
        Fitted. Its stream is reset.
    angles : sequence of str
        As in `sensors_of`: the rows hold degrees.
    gap : float, default=10
        A step in time longer than so many usual ones (the median of the last 50, or of those
        between the rows in `recent`, if they are fewer) is a gap: the rows before it say nothing
        about those after it, so the stream begins anew. `math.inf` for never. A detector that was
        trained with a gap rule has its own; for one that resamples, a gap is as long as all steps
        that a score rests on.
    ahead : float
        Seconds by which the time of a row may be ahead of the clock (UTC); by default a day.
    expected : bool
        Say for each flagged row what the detector expected.
    counter : bool
        Times are those of a counter, as seconds after 1970, or None to count on by one: no step
        is a gap, unless `gap` says so, and no time is ahead of the clock.

    Attributes
    ----------
    sensors : list of str
        The readings of a row, in this order.
    recent, before : list of (datetime, list of float)
        The rows of features that the next score rests on; and those before the last gap, as long
        as it may still prove to be a glitch of the clock.
    counts : Counter
        Of "rows", "flags", "unscored" rows, "resets" and "jumps" that were taken back.
    last : datetime or None
        Time of the last row.
    shares : dict of sensor to float
        In the score of the last row; NaN where it has none.

    A ParameterError says that an argument is of no use, a UserWarning that the first rows are not
    such as were trained on.
    """

    def __init__(self, detector, angles=(), gap=GAP, ahead=AHEAD, expected=False, counter=False):
        if not gap > 0:
            raise ParameterError(f"`gap` must be above 0. Received: gap={gap}")
        preprocessing = detector.preprocessing_
        if preprocessing.has_gaps and gap != GAP:
            raise ParameterError(
                f"`gap` must be left out: the detector was trained with the gap rule "
                f"max_gap={preprocessing.settings['max_gap']:g}. Received: gap={gap}"
            )
        if not 0 <= ahead <= LONGEST:
            raise ParameterError(
                f"`ahead` must be from 0 to {LONGEST:.0e}. Received: ahead={ahead}"
            )
        self.detector, self.expected, self.counter = detector, expected, counter
        self.gap = math.inf if counter and gap == GAP else gap
        self.ahead = datetime.timedelta(seconds=ahead)
        self.resample = preprocessing.settings["resample"]
        self._owners = sensors_of(detector.features_, angles)
        self.sensors = list(dict.fromkeys(self._owners.values()))
        # As `faults.unroll_angles` does it for many rows, which for one takes ten times as long.
        self._parts = [
            (self.sensors.index(name), None if name == feature else TURNS[feature[-3:]])
            for feature, name in self._owners.items()
        ]
        if detector.recipe.get("aggregation") == "overlap":
            raise ParameterError(
                "`detector` must give a row its score when it comes, by the aggregation 'last' or "
                "'window' (`Detector.rescored` changes it). Received: aggregation='overlap'"
            )
        self._depth = max(detector.depth_, FEWEST_STEPS + 1)
        self._steps = deque(maxlen=min(STEPS, self._depth - 1))
        self._waiting, self._records, self._first = [], [], []
        self._latest = datetime.datetime.min  # that a row may be, by the last look at the clock
        self.shares = dict.fromkeys(self.sensors, math.nan)
        self.restore([], [], {})

    @property
    def unsaid(self):
        """How many rows were taken since `score`."""
        return len(self._records) + len(self._waiting)

    def restore(self, recent, before, counts):
        """Go on where another stream stopped: with its `recent`, `before` and `counts`."""
        self.before, self.counts = list(before), Counter(counts)
        self._go_on_from(list(recent))

    def take(self, time, values):
        """Take a row, which `score` will score.

        A time of None is the step after the last one, of a stream that counts rows. The values are
        in the order of `sensors`; NaN is a missing reading. A BadLine says that the row is ahead
        of the clock, or not later than the last one; then it leaves no trace.
        """
        if time is None:
            time = EPOCH if self.last is None else self.last + datetime.timedelta(seconds=1)
        jump = self._checked_time(time)
        gap = self._gap_before(time)
        if gap:
            self._score_waiting()
            self.before = self.recent
            self._go_on_from([])
        elif self.last is not None:
            self._steps.append((time - self.last).total_seconds())
            if len(self._steps) >= FEWEST_STEPS:
                self.before = []
        self._said |= ({"gap": str(gap)} if gap else {}) | ({"jump": jump} if jump else {})
        features = [
            values[place] if turn is None else turn(math.radians(values[place]))
            for place, turn in self._parts
        ]
        self._waiting.append((time, features))
        self.last = time

    def score(self):
        """Score the rows that were taken since the last time.

        Returns
        -------
        list of dict
            For each row, or each step of a detector that resamples which they completed, `time`;
            `score`, None where there is none yet or too much is missing; `flag`, 0 or 1;
            for a flagged row `sensors`, the share of each in the score, the first is to blame,
            and `expected` if asked for; after a gap `gap`, its length; in the row that took a jump
            in time back `jump`, where that had led.
        """
        self._score_waiting()
        records, self._records = self._records, []
        return records

    def _score_waiting(self):
        """Score the rows that wait; only the first of them can come after a gap."""
        rows, self._waiting = self._waiting, []
        if not rows:
            return
        scores = self.detector.update(self._frame(rows))
        known = [*self.recent, *rows]
        values, flags = scores.to_numpy(), scores.to_numpy() > self.detector.threshold_
        times = [time for time, _ in rows] if not self.resample else scores.index
        records = [
            # Six digits: the next one differs from processor to processor.
            {
                "time": self._shown(time),
                "score": float(f"{score:.6g}") if score == score else None,
                "flag": int(flag),
            }
            for time, score, flag in zip(times, values.tolist(), flags, strict=True)
        ]
        self.shares = self._by_sensor(self.detector.stream_contributions())
        if flags.any():
            self._explain(records, scores.index, np.flatnonzero(flags), known)
        unscored = int(np.isnan(values).sum())
        self.counts.update(rows=len(rows), flags=int(flags.sum()), unscored=unscored)
        if records:
            records[0].update(self._said)
            self._said = {}
        self._records += records
        self.recent = self._needed(known) if records else known
        self._check_first(rows)

    def _explain(self, records, index, places, known):
        """Say of the flagged rows which sensor is to blame, and what was expected."""
        known, index = self._frame(known), index[places]
        if not self.resample:  # flags are rare, and rest on few rows
            ends = places + len(known) - len(records)
            rested = ends[:, None] - np.arange(self._depth + 1)
            known = known.iloc[np.unique(rested[rested >= 0])]
        if len(records) == 1:
            shares = [self.shares]
        else:
            found = self.detector.contributions(known).loc[index]
            shares = [self._by_sensor(row) for _, row in found.iterrows()]
        expected = self.detector.expected(known).loc[index] if self.expected else None
        for at, place in enumerate(places):
            row = sorted(shares[at].items(), key=lambda item: -item[1])
            records[place]["sensors"] = {name: round(share, 3) for name, share in row}
            if expected is not None:
                records[place]["expected"] = self._in_degrees(expected.iloc[at])

    def _by_sensor(self, of_features):
        shares = dict.fromkeys(self.sensors, 0.0)
        for feature, share in of_features.items():
            shares[self._owners[feature]] += share
        return shares

    def _in_degrees(self, row):
        """What was expected of each sensor; a single sine or cosine stays what it is."""
        said = dict(row.items())
        for name in set(self._owners.values()) - set(said):
            sine, cosine = f"{name} sin", f"{name} cos"
            if sine in said and cosine in said:
                said[name] = math.degrees(math.atan2(said.pop(sine), said.pop(cosine))) % 360
        return {name: float(f"{v:.6g}") if math.isfinite(v) else None for name, v in said.items()}

    def _needed(self, rows):
        """The rows that the next score rests on; steps that are complete become one row each."""
        if not self.resample:
            return rows[-self._depth :]
        frame = self._frame(rows)
        steps = self.detector.preprocessing_.rows(frame)
        complete = len(until(frame, steps.index[-2], self.resample))
        if self.detector.preprocessing_.settings["statistic"] == "count":  # not that of one row
            left = steps.index[-2 - self._depth] if len(steps) > self._depth + 1 else None
            return rows[len(until(frame, left, self.resample)) if left is not None else 0 :]
        steps = steps.iloc[-1 - self._depth : -1]
        times = steps.index.to_pydatetime()
        return [*zip(times, steps.to_numpy().tolist(), strict=True), *rows[complete:]]

    def _frame(self, rows):
        times = np.array([time for time, _ in rows], dtype="datetime64[us]")
        values = np.array([row for _, row in rows], dtype="float64")
        columns = self.detector.features_
        return pd.DataFrame(values.reshape(-1, len(columns)), pd.DatetimeIndex(times), columns)

    def _check_first(self, rows):
        """Warn once if the first rows since the start are not such as were trained on."""
        if len(self._first) < CHECKED:
            self._first += rows[: CHECKED - len(self._first)]
            if len(self._first) == CHECKED:
                for doubt in self.detector.doubts(self._frame(self._first)):
                    warnings.warn(doubt, stacklevel=2)

    def _checked_time(self, time):
        """Check that a row is later; where a jump in time led if this row takes it back."""
        if time > self._latest and not self.counter:
            self._latest = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + self.ahead
            if time > self._latest:
                raise BadLine("future", time.isoformat(" "))  # it would make all that follow late
        last = self.last
        if last is None or time > last:
            return None
        if not self.before or time <= self.before[-1][0]:
            reason = "repeated" if time == last else "late"
            raise BadLine(reason, f"{self._shown(time)} after {self._shown(last)}")
        self._score_waiting()
        self._go_on_from(self.before)
        self.before = []
        self.counts["jumps"] += 1
        return self._shown(last)

    def _shown(self, time):
        """A time as a record has it; of a counter, its number."""
        if not self.counter:
            return time.isoformat(" ")
        count = (time - EPOCH).total_seconds()
        return int(count) if count == int(count) else count

    def _go_on_from(self, rows):
        """Let the detector remember these rows and no others."""
        self.recent, self._said = rows, {}
        self.last = rows[-1][0] if rows else None
        self.detector.reset()
        if rows:
            self.detector.update(self._frame(rows))
        self._steps.clear()
        steps = (b[0] - a[0] for a, b in itertools.pairwise(rows))
        self._steps.extend(step.total_seconds() for step in steps)

    def _gap_before(self, time):
        """The step before a row if it is a gap, else None."""
        if self.last is None:
            return None
        preprocessing, step = self.detector.preprocessing_, time - self.last
        length, steps = step.total_seconds(), self._steps
        if self.resample:  # an empty step is missing, but a year of them is not worth the memory
            is_gap = length > self._depth * (preprocessing.step_ or math.inf)
        elif preprocessing.has_gaps:
            is_gap = preprocessing.is_gap(length)
        else:  # the smallest step is quick to find, and mostly decides
            is_gap = len(steps) >= FEWEST_STEPS and length > self.gap * min(steps)
            is_gap = is_gap and length > self.gap * statistics.median(steps)
        self.counts["resets"] += bool(is_gap)
        return step if is_gap else None
