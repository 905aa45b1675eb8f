"""Event matching: flags against events with a date, with a tolerance in days."""

import numpy as np
import pandas as pd

DAYS_PER_YEAR = 365.25


def match_events(flags, events, tolerance=3):
    """Match each known event with the closest flag.

    Parameters
    ----------
    flags : Series of bool with a DatetimeIndex
    events : DataFrame with a DatetimeIndex, one row per known event
        Only events inside the time span of `flags` count.
    tolerance : int
        Calendar days: a flag from `tolerance` days before to `tolerance` days after counts.

    Returns
    -------
    DataFrame: the events inside the span, with columns `hit` (bool), `flag` (date of the
    closest flag in reach) and `delay` (days from the event to that flag, negative if before)

    Examples
    --------
    >>> days = pd.date_range("2018-02-01", periods=5)
    >>> flags = pd.Series([False, False, False, True, False], index=days)
    >>> known = pd.DataFrame({"name": ["spike"]}, index=pd.to_datetime(["2018-02-05"]))
    >>> match_events(flags, known, tolerance=1)[["hit", "delay"]]
                 hit  delay
    2018-02-05  True   -1.0
    """
    inside = events.loc[(events.index >= flags.index[0]) & (events.index <= flags.index[-1])]
    days = flags.index[flags.to_numpy(dtype=bool)]
    matched = inside.copy()
    closest = [_closest(days, event, tolerance) for event in inside.index]
    matched["flag"] = pd.array(closest, dtype=days.dtype)  # a time zone survives, hit or not
    matched["hit"] = matched["flag"].notna()
    matched["delay"] = (matched["flag"] - matched.index) / pd.Timedelta(days=1)
    return matched


def false_alarms_per_year(flags, events, tolerance=3):
    """Count the flagged days per year that have no known event within `tolerance` days.

    Parameters
    ----------
    flags, events, tolerance
        As in `match_events`.

    Returns
    -------
    float

    Examples
    --------
    >>> days = pd.date_range("2017-01-01", "2018-12-31")
    >>> flags = pd.Series(days.day_of_year == 100, index=days)
    >>> known = pd.DataFrame(index=pd.to_datetime(["2018-04-10"]))
    >>> round(false_alarms_per_year(flags, known), 2)
    0.5
    """
    days = flags.index[flags.to_numpy(dtype=bool)]
    alarms = [day for day in days if _closest(events.index, day, tolerance) is pd.NaT]
    return len(alarms) / years(flags)


def years(series):
    """Return the length of a series in years, from its first to its last day.

    Examples
    --------
    >>> days = pd.date_range("2015-01-01", "2016-12-31")
    >>> round(years(pd.Series(0, index=days)), 3)
    2.001
    """
    return ((series.index[-1] - series.index[0]).days + 1) / DAYS_PER_YEAR


def _closest(days, day, tolerance):
    """Return the member of `days` closest to `day` within the tolerance, or NaT."""
    distance = np.abs((days - day) / pd.Timedelta(days=1))
    if len(days) == 0 or distance.min() > tolerance:
        return pd.NaT
    return days[distance.argmin()]
