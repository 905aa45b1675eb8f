"""Flags into alerts: an operator is called once for an episode, not once for every flagged row."""

from datetime import timedelta
from numbers import Real

import pandas as pd


class Alerts:
    """Join the flags of a stream into episodes, row by row.

    An episode opens with a flag and lasts until `cool_down` has passed without another one.
    Its opening calls the operator. The flags that follow inside it do not call again.

    Parameters
    ----------
    cool_down : pandas.Timedelta, or a number where times are numbers
        The longest time between two flags of one episode, at least 0.

    Attributes
    ----------
    table : DataFrame with one row per episode, in time order
        `start`, `end` (times of its first and last flag) and `flags`, their number. The last
        episode may still go on.

    Raises
    ------
    ValueError
        If `cool_down` is not a length of time, or is below 0.

    Examples
    --------
    >>> alerts = Alerts(cool_down=3)
    >>> [alerts.see(time, time in (1, 3, 8)) for time in range(10)]
    [None, 'opened', None, None, None, None, None, 'closed', 'opened', None]
    >>> alerts.table
       start  end  flags
    0      1    3      2
    1      8    8      1
    """

    def __init__(self, cool_down):
        known = isinstance(cool_down, Real | timedelta) and not isinstance(cool_down, bool)
        if not known or not cool_down >= 0 * cool_down:
            raise ValueError(
                "`cool_down` must be a Timedelta or a number of at least 0. "
                f"Received: cool_down={cool_down!r}"
            )
        self.cool_down = cool_down
        self.is_open = False
        self._episodes, self._last = [], None

    def see(self, time, flagged):
        """Take notice of the next row.

        Parameters
        ----------
        time : Timestamp or number
            Later than that of the row before.
        flagged : bool

        Returns
        -------
        {"opened", "closed", None}
            "opened": call the operator now. "closed": the cool-down has passed, the episode
            is over. Where one episode ends and the next one opens in the same row, "opened".

        Raises
        ------
        ValueError
            If the time is not later, or no time that `cool_down` can be compared with.
        """
        if self._last is not None and not time > self._last:
            raise ValueError(f"`time` must be later than {self._last}. Received: time={time}")
        over = self.is_open and self._is_past(time)
        self._last = time
        if not flagged:
            self.is_open = self.is_open and not over
            return "closed" if over else None
        if self.is_open and not over:
            self._episodes[-1].update(end=time, flags=self._episodes[-1]["flags"] + 1)
            return None
        self._episodes.append({"start": time, "end": time, "flags": 1})
        self.is_open = True
        return "opened"

    @property
    def table(self):
        """The episodes so far, as a frame."""
        return pd.DataFrame(self._episodes, columns=["start", "end", "flags"])

    def _is_past(self, time):
        try:
            return bool(time - self._episodes[-1]["end"] > self.cool_down)
        except TypeError:
            raise ValueError(
                "`cool_down` must be a difference of two times of the stream. "
                f"Received: cool_down={self.cool_down!r} for a stream at {time}"
            ) from None


def episodes(flags, cool_down):
    """Join the flags of a whole series into episodes, as `Alerts` does row by row.

    The index of `flags` increases. See `Alerts.table` for what comes back.

    Examples
    --------
    >>> episodes(pd.Series([True, False, True, False, False, True]), cool_down=2)
       start  end  flags
    0      0    2      2
    1      5    5      1
    """
    alerts = Alerts(cool_down)
    for time in flags.index[flags.to_numpy(dtype=bool)]:
        alerts.see(time, flagged=True)
    return alerts.table


def openings(flags, cool_down):
    """The rows in which an episode opens, when an operator is called: a bool for each flag.

    To evaluate alerts instead of flags, give these to `faults.evaluate`. A fault that begins
    within an earlier episode does not call the operator.

    Examples
    --------
    >>> openings(pd.Series([True, False, True, False, False, True]), cool_down=2).tolist()
    [True, False, False, False, False, True]
    """
    return pd.Series(flags.index.isin(episodes(flags, cool_down)["start"]), flags.index)
