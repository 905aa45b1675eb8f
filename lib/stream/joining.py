"""Rows of one time become one row, as in training: of one sensor each, or of all of them."""

import datetime
import math
import operator

_STEPS = {  # of the reading so far and the next one; `take` makes the mean and the count
    "first": lambda old, new: old,
    "last": lambda old, new: new,
    "min": min,
    "max": max,
} | dict.fromkeys(("mean", "sum", "count"), operator.add)


class Join:
    """Collect the rows of one time until the next time comes.

    Parameters
    ----------
    width : int
        Sensors of a row.
    statistic : str
        What becomes of several readings of a sensor: "first", "last", "mean", "sum", "min", "max"
        or "count"; "" if a sensor has only one, so that a row of all sensors is complete at once.

    `time`, None if nothing is held, `line` and `rows` are those of the rows that are held: their
    time, the number of the first line, how many they are.

    Examples
    --------
    >>> join = Join(2, "mean")
    >>> for reading in ([1.0, None], [3.0, None], [None, 5.0]):
    ...     join.add("10:00", reading, line=1)
    >>> join.rows, join.take()
    (3, ('10:00', [2.0, 5.0]))
    """

    def __init__(self, width, statistic):
        self.width, self.statistic = width, statistic
        self._step = _STEPS.get(statistic)
        self._forget()

    def _forget(self):
        self.time, self.line, self.rows, self._seen = None, 0, 0, set()
        self._values, self._counts = [math.nan] * self.width, [0] * self.width

    def add(self, time, values, line):
        """Hold a row of this time; None stands for a sensor that it does not speak of.

        Raises
        ------
        ValueError
            If it is the second reading of a sensor, and no statistic says what that becomes.
        """
        spoken = {i for i, value in enumerate(values) if value is not None}
        if self._step is None and spoken & self._seen:
            raise ValueError("a second reading of a sensor")
        if self.time is None:
            self.time, self.line = time, line
        self.rows += 1
        self._seen |= spoken
        for i in spoken:
            if not math.isnan(values[i]):
                old = self._values[i]
                self._values[i] = self._step(old, values[i]) if self._counts[i] else values[i]
                self._counts[i] += 1

    @property
    def is_complete(self):
        """Whether all sensors have had their one reading."""
        return self._step is None and len(self._seen) == self.width

    def take(self):
        """Return the time that is held and what its rows make, and hold nothing."""
        values = self._values
        if self.statistic == "mean":
            pairs = zip(values, self._counts, strict=True)
            values = [value / count if count else value for value, count in pairs]
        if self.statistic == "count":
            values = [float(n) if i in self._seen else math.nan for i, n in enumerate(self._counts)]
        time = self.time
        self._forget()
        return time, values

    @property
    def said(self):
        """What a restart needs, in plain types; None if nothing is held."""
        if self.time is None:
            return None
        values = [None if math.isnan(value) else value for value in self._values]
        more = {"seen": sorted(self._seen), "values": values, "counts": self._counts}
        return {"time": self.time.isoformat(), "line": self.line, "rows": self.rows, **more}

    def restore(self, said):
        """Hold what another one held when it `said` so."""
        self.time, self._seen = datetime.datetime.fromisoformat(said["time"]), set(said["seen"])
        self._values = [math.nan if value is None else value for value in said["values"]]
        self._counts, self.line, self.rows = list(said["counts"]), said["line"], said["rows"]
