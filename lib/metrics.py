"""How good the flags are: against dated events, or against labels point by point."""

import numpy as np
import pandas as pd
from sklearn import metrics as sk_metrics

DAYS_PER_YEAR = 365.25


def find_events(flags):
    """The unbroken runs of flagged points.

    Parameters
    ----------
    flags : Series of bool, indexed by time

    Returns
    -------
    DataFrame with one row per run: `start`, `end` (index values, both included), `points`

    Examples
    --------
    >>> find_events(pd.Series([False, True, True, False, True]))
       start  end  points
    0      1    2       2
    1      4    4       1
    """
    flagged = flags.to_numpy(dtype=bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flagged, [False]]).astype(int)))
    first, last = edges[::2], edges[1::2] - 1
    return pd.DataFrame(
        {"start": flags.index[first], "end": flags.index[last], "points": last - first + 1}
    )


def match_events(flags, events, tolerance=3):
    """Which of the known events have a flag close by, and how soon.

    Parameters
    ----------
    flags : Series of bool with a DatetimeIndex
    events : DataFrame with a DatetimeIndex, one row per known event
        Only events inside the span of `flags` are judged.
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
    """Flagged days per year with no known event within `tolerance` calendar days.

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
    """Length of a series in years, from its first to its last day.

    Examples
    --------
    >>> days = pd.date_range("2015-01-01", "2016-12-31")
    >>> round(years(pd.Series(0, index=days)), 3)
    2.001
    """
    return ((series.index[-1] - series.index[0]).days + 1) / DAYS_PER_YEAR


def point_metrics(labels, scores, threshold):
    """Precision, recall, F1, ROC-AUC and average precision, point by point.

    Parameters
    ----------
    labels : array-like of bool
        True where a point is anomalous.
    scores : array-like of float
        Points without a score (NaN) are left out, and so are their labels.
    threshold : float
        A score above it is a flag.

    Returns
    -------
    dict of float
        ROC-AUC and average precision do not depend on the threshold; they are NaN when only
        one class is present.

    Examples
    --------
    >>> result = point_metrics([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], threshold=0.5)
    >>> {name: round(value, 2) for name, value in result.items()}
    {'precision': 1.0, 'recall': 0.5, 'f1': 0.67, 'roc_auc': 0.75, 'average_precision': 0.83}
    """
    scores = np.asarray(scores, dtype=float)
    scored = ~np.isnan(scores)
    labels, scores = np.asarray(labels, dtype=bool)[scored], scores[scored]
    flags = scores > threshold
    both = 0 < labels.sum() < len(labels)
    return {
        "precision": float(sk_metrics.precision_score(labels, flags, zero_division=0)),
        "recall": float(sk_metrics.recall_score(labels, flags, zero_division=0)),
        "f1": float(sk_metrics.f1_score(labels, flags, zero_division=0)),
        "roc_auc": float(sk_metrics.roc_auc_score(labels, scores)) if both else np.nan,
        "average_precision": (
            float(sk_metrics.average_precision_score(labels, scores)) if both else np.nan
        ),
    }


def _closest(days, day, tolerance):
    """The member of `days` closest to `day` within the tolerance, or NaT."""
    distance = np.abs((days - day) / pd.Timedelta(days=1))
    if len(days) == 0 or distance.min() > tolerance:
        return pd.NaT
    return days[distance.argmin()]
