"""A detector on a live stream: row in, judgement out, with all that the next row needs kept.

The rows that the next score rests on are remembered as they came. Given them back after a restart,
the detector judges on as if nothing had happened, to the last bit.
"""

import datetime
import itertools
import math
import statistics
import warnings
from collections import Counter

import pandas as pd

from lib.errors import ParameterError
from lib.stream.row_parser import BadLine

GAP = 10.0  # usual steps
CHECKED = 20  # first rows, whether they are such as were trained on
STEPS = 50  # steps in time from which the usual one is taken
TURNS = {"sin": math.sin, "cos": math.cos}
FEWEST_STEPS = 3  # before that, no step is a gap
AHEAD = 86_400.0  # seconds; a clock without a time zone is up to 14 hours ahead of UTC
LONGEST = 1e10  # seconds, some 300 years


def sensors_of(features, angles=()):
    """Return the sensors behind the features of a detector, and whose each feature is.

    Parameters
    ----------
    features : list of str
    angles : sequence of str
        Sensors in degrees that the detector sees as "name sin" and "name cos", or one of them.

    Returns
    -------
    dict of feature to sensor

    Raises
    ------
    ParameterError
        If a sensor in `angles` has no such feature.

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
    """Judge the rows of a stream, one by one.

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
        trained with a gap rule has its own.
    ahead : float
        Seconds by which the time of a row may be ahead of the clock (UTC); by default a day.

    Attributes
    ----------
    sensors : list of str
        The readings of a row, in this order.
    recent : list of (datetime, list of float)
        The rows that the next score rests on.
    counts : Counter
        Of "rows", "flags", "unscored" rows and "resets".
    shares : dict of sensor to float
        In the score of the last row; NaN where it has none.

    Raises
    ------
    ParameterError
        If an argument is of no use, or the detector resamples.

    Warns
    -----
    UserWarning
        If the first rows are not such as were trained on: once.
    """

    def __init__(self, detector, angles=(), gap=GAP, ahead=AHEAD):
        if not gap > 0:
            raise ParameterError(f"`gap` must be above 0. Received: gap={gap}")
        preprocessing = detector.preprocessing_
        if preprocessing.settings["resample"]:
            raise ParameterError(
                f"The detector must judge each row of a stream. Received: one that resamples to "
                f"{preprocessing.settings['resample']!r}. Score whole files with "
                f"`Detector.predict`, or a stream with `Detector.update`"
            )
        if preprocessing.has_gaps and gap != GAP:
            raise ParameterError(
                f"`gap` must be left out: the detector was trained with the gap rule "
                f"max_gap={preprocessing.settings['max_gap']:g}. Received: gap={gap}"
            )
        if not 0 <= ahead <= LONGEST:
            raise ParameterError(
                f"`ahead` must be from 0 to {LONGEST:.0e}. Received: ahead={ahead}"
            )
        self.detector, self.gap, self.ahead = detector, gap, datetime.timedelta(seconds=ahead)
        self._owners = sensors_of(detector.features_, angles)
        self.sensors = list(dict.fromkeys(self._owners.values()))
        # As `faults.unroll_angles` does it for many rows, which for one takes ten times as long.
        self._parts = [
            (self.sensors.index(name), None if name == feature else TURNS[feature[-3:]])
            for feature, name in self._owners.items()
        ]
        recipe = detector.recipe
        self._depth = recipe["window"] + recipe["horizon"] + recipe["smooth"]
        self._depth += preprocessing.settings["form"] == "returns"
        self.recent, self.counts, self._first = [], Counter(), []
        self.shares = dict.fromkeys(self.sensors, math.nan)
        detector.reset()

    @property
    def last(self):
        """Time of the last row, or None."""
        return self.recent[-1][0] if self.recent else None

    def restore(self, recent, counts):
        """Go on where another stream stopped: with its `recent` and its `counts`.

        Row by row, as they came the first time: a network gives other last digits to many rows
        at once.
        """
        self.detector.reset()
        for time, values in recent:
            self.detector.update(self._frame(time, values))
        self.recent, self.counts = list(recent), Counter(counts)

    def judge(self, time, values):
        """Score a row and flag it.

        Parameters
        ----------
        time : datetime
        values : list of float, in the order of `sensors`
            NaN is a missing reading.

        Returns
        -------
        dict
            `time`; `score`, None where there is none yet or too much is missing; `flag`, 0 or 1;
            for a flagged row `sensors`, the share of each in the score, the first is to blame;
            after a gap `gap`, its length.

        Raises
        ------
        BadLine
            If the row is ahead of the clock, or not later than the last one; then it leaves no
            trace.
        """
        self._check_time(time)
        gap = self._gap_before(time)
        if gap:
            self.detector.reset()
            self.recent.clear()
        score = float(self.detector.update(self._frame(time, values)).iloc[0])
        self.recent.append((time, values))
        del self.recent[: -self._depth]
        self._share_out()
        self._check_first(time, values)
        return self._record(time, score, gap)

    def _record(self, time, score, gap):
        scored, flag = not math.isnan(score), int(score > self.detector.threshold_)
        self.counts.update(
            rows=1, flags=flag, unscored=int(not scored), resets=int(gap is not None)
        )
        record = {"time": time.isoformat(" ")}
        # Six digits: the next one differs from processor to processor.
        record["score"] = float(f"{score:.6g}") if scored else None
        record["flag"] = flag
        if flag:
            shares = sorted(self.shares.items(), key=lambda item: -item[1])
            record["sensors"] = {name: round(share, 3) for name, share in shares}
        return record | ({"gap": str(gap)} if gap else {})

    def _frame(self, time, values):
        features = [
            values[place] if turn is None else turn(math.radians(values[place]))
            for place, turn in self._parts
        ]
        columns = self.detector.features_
        return pd.DataFrame([features], pd.DatetimeIndex([time]), columns, dtype="float64")

    def _check_first(self, time, values):
        """Warn once if the first rows since the start are not such as were trained on."""
        if len(self._first) < CHECKED:
            self._first.append(self._frame(time, values))
            if len(self._first) == CHECKED:
                for doubt in self.detector.doubts(pd.concat(self._first)):
                    warnings.warn(doubt, stacklevel=2)

    def _share_out(self):
        shares = dict.fromkeys(self.sensors, 0.0)
        for feature, share in self.detector.stream_contributions().items():
            shares[self._owners[feature]] += share
        self.shares = shares

    def _check_time(self, time):
        if time > datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + self.ahead:
            raise BadLine("future", time.isoformat(" "))  # it would make all that follow late
        if self.recent and time <= self.last:
            reason = "repeated" if time == self.last else "late"
            raise BadLine(reason, f"{time.isoformat(' ')} after {self.last.isoformat(' ')}")

    def _gap_before(self, time):
        """The step before a row if it is a gap, else None."""
        preprocessing = self.detector.preprocessing_
        if preprocessing.has_gaps:
            step = time - self.last if self.recent else datetime.timedelta()
            return step if preprocessing.is_gap(step.total_seconds()) else None
        times = [row[0] for row in self.recent[-STEPS - 1 :]]
        if len(times) <= FEWEST_STEPS:
            return None
        usual = statistics.median(b - a for a, b in itertools.pairwise(times))
        step = time - times[-1]
        return step if step / usual > self.gap else None
