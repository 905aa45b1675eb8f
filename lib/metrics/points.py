"""Metrics against labels: of points (precision, recall and others), of events, and UCR score."""

import numpy as np
import pandas as pd
from sklearn import metrics as sk_metrics

UCR_MARGIN = 100


def find_events(flags):
    """Find the runs of consecutive flagged points.

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


def point_metrics(labels, scores, threshold):
    """Compute the metrics of single points, from precision to average precision.

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
        `precision`, `recall` (the share of anomalous points that is flagged), `f1`, `accuracy`,
        `specificity` (the share of normal points that is not flagged), `roc_auc`,
        `average_precision`. A share of no points counts as 0. The last two do not depend on the
        threshold; they are NaN when only one class is present.

    Examples
    --------
    >>> result = point_metrics([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], threshold=0.5)
    >>> {name: round(result[name], 2) for name in ("precision", "recall", "f1", "roc_auc")}
    {'precision': 1.0, 'recall': 0.5, 'f1': 0.67, 'roc_auc': 0.75}
    """
    labels, scores = scored_points(labels, scores)
    return {**flag_metrics(labels, scores > threshold), **score_metrics(labels, scores)}


def flag_metrics(labels, flags):
    """Compute the metrics of `point_metrics` that need flags: `precision` to `specificity`.

    Parameters
    ----------
    labels, flags : array of bool, of the same length

    Returns
    -------
    dict of float

    Examples
    --------
    >>> flag_metrics(np.array([False, True]), np.array([True, True]))["precision"]
    0.5
    """
    return {
        "precision": float(sk_metrics.precision_score(labels, flags, zero_division=0)),
        "recall": float(sk_metrics.recall_score(labels, flags, zero_division=0)),
        "f1": float(sk_metrics.f1_score(labels, flags, zero_division=0)),
        "accuracy": float((flags == labels).mean()),
        "specificity": float(sk_metrics.recall_score(~labels, ~flags, zero_division=0)),
    }


def score_metrics(labels, scores):
    """Compute the metrics of `point_metrics` that need no threshold.

    Parameters
    ----------
    labels : array of bool
    scores : array of float, of the same length, without NaN

    Returns
    -------
    dict of float

    Examples
    --------
    >>> score_metrics(np.array([False, True]), np.array([0.1, 0.2]))
    {'roc_auc': 1.0, 'average_precision': 1.0}
    """
    if labels.all() or not labels.any():
        return {"roc_auc": np.nan, "average_precision": np.nan}
    return {
        "roc_auc": float(sk_metrics.roc_auc_score(labels, scores)),
        "average_precision": float(sk_metrics.average_precision_score(labels, scores)),
    }


def confusion(labels, scores, threshold):
    """Count normal and anomalous points, flagged and not flagged: the confusion matrix.

    Parameters
    ----------
    labels, scores, threshold
        As in `point_metrics`.

    Returns
    -------
    DataFrame of int: rows `normal` and `anomaly`, columns `not flagged` and `flagged`

    Examples
    --------
    >>> confusion([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], threshold=0.5)
             not flagged  flagged
    normal             2        0
    anomaly            1        1
    """
    labels, scores = scored_points(labels, scores)
    counts = sk_metrics.confusion_matrix(labels, scores > threshold, labels=[False, True])
    return pd.DataFrame(counts, index=["normal", "anomaly"], columns=["not flagged", "flagged"])


def label_events(labels):
    """Find the runs of consecutive labelled points, by position.

    Parameters
    ----------
    labels : array-like of bool

    Returns
    -------
    DataFrame with one row per run: `start`, `end` (positions, both included), `points`

    Examples
    --------
    >>> label_events([0, 1, 1, 0, 1])
       start  end  points
    0      1    2       2
    1      4    4       1
    """
    return find_events(pd.Series(np.asarray(labels, dtype=bool)))


def event_metrics(labels, flags):
    """Compute the metrics of events, where an event is a run of consecutive labelled points.

    Parameters
    ----------
    labels, flags : array-like of bool, of the same length, in the order of time

    Returns
    -------
    dict
        `events`, the number of events; `hits`, the events with at least one flag inside;
        `recall`, hits divided by events; `false_events`, runs of flags that touch no event;
        `precision`, the share of runs of flags that touch an event; `delay`, rows from the start
        of an event to its first flag, median over the hits (NaN without a hit). A share of
        nothing counts as 0.

    Raises
    ------
    ValueError
        If the lengths differ.

    Examples
    --------
    >>> event_metrics([0, 1, 1, 0, 0, 1], [0, 0, 1, 0, 1, 0])  # doctest: +NORMALIZE_WHITESPACE
    {'events': 2, 'hits': 1, 'recall': 0.5, 'precision': 0.5, 'delay': 1.0, 'false_events': 1}
    """
    labels, flags = both(labels, flags)
    events, runs = label_events(labels), label_events(flags)
    first = [np.flatnonzero(flags[e.start : e.end + 1])[:1] for e in events.itertuples()]
    delays = np.concatenate([np.empty(0), *first])
    touching = sum(labels[run.start : run.end + 1].any() for run in runs.itertuples())
    return {
        "events": len(events),
        "hits": len(delays),
        "recall": len(delays) / len(events) if len(events) else 0.0,
        "precision": float(touching / len(runs)) if len(runs) else 0.0,
        "delay": float(np.median(delays)) if len(delays) else float("nan"),
        "false_events": int(len(runs) - touching),
    }


def ucr_hit(labels, scores):
    """Compute the UCR score: whether the highest score lies at the one anomaly.

    "At the anomaly" means inside it, widened on both sides by its own length, and by at least
    100 points: Wu and Keogh (2021), *Current time series anomaly detection benchmarks are
    flawed and are creating the illusion of progress*, IEEE TKDE. No threshold is needed.

    Parameters
    ----------
    labels : array-like of bool, with one run of True
    scores : array-like of float
        NaN where a point has no score.

    Returns
    -------
    bool

    Raises
    ------
    ValueError
        If there is not exactly one anomaly, no score, or the lengths differ.

    Examples
    --------
    >>> labels = np.arange(1000) == 500
    >>> ucr_hit(labels, np.arange(1000) == 600), ucr_hit(labels, np.arange(1000) == 601)
    (True, False)
    """
    scored_points(labels, scores)  # refuses what cannot be evaluated
    events = label_events(labels)
    if len(events) != 1:
        raise ValueError(f"`labels` must mark one anomaly. Received: {len(events)} anomalies")
    start, end, points = events.loc[0]
    margin = max(UCR_MARGIN, points)
    return bool(start - margin <= np.nanargmax(np.asarray(scores, dtype=float)) <= end + margin)


def false_alarms_per_1000(labels, flags):
    """Compute the false alarms per 1,000 normal points.

    Parameters
    ----------
    labels, flags : array-like of bool, of the same length

    Returns
    -------
    float
        NaN if there is no normal point.

    Examples
    --------
    >>> false_alarms_per_1000([0, 0, 0, 0, 1], [1, 0, 0, 0, 1])
    250.0
    """
    labels, flags = both(labels, flags)
    return float(1000 * flags[~labels].mean()) if not labels.all() else float("nan")


def marks(name, values, length=None):
    """Check labels or flags and return them as a one-dimensional array of bool.

    Parameters
    ----------
    name : str
        Name of the argument, for the error message.
    values : array-like of bool, or of 0 and 1
    length : int, optional
        Required number of points.

    Returns
    -------
    array of bool, shape (points,)

    Raises
    ------
    ValueError
        If a value is neither true nor false, there is no point, or the number of points differs.

    Examples
    --------
    >>> marks("labels", [0, 1, 1])
    array([False,  True,  True])
    >>> marks("labels", [0.2, 0.9])
    Traceback (most recent call last):
    ValueError: `labels` must be boolean, or 0 and 1. Received: [0.2 0.9]
    """
    array = np.asarray(values)
    if array.ndim != 1 or not len(array) or length not in (None, len(array)):
        wanted = "(points,)" if length is None else f"({length},)"
        raise ValueError(f"`{name}` must have shape {wanted}. Received: {array.shape}")
    if array.dtype != bool:
        others = array[[value not in (0, 1) for value in array.tolist()]]
        if len(others):
            raise ValueError(f"`{name}` must be boolean, or 0 and 1. Received: {others[:5]}")
    return array.astype(bool)


def both(labels, flags):
    """Check labels and flags as `marks` does, and that they are equally long."""
    labels = marks("labels", labels)
    return labels, marks("flags", flags, len(labels))


def scored_points(labels, scores):
    """Return labels and scores, checked, of the points that have a score.

    Examples
    --------
    >>> scored_points([0, 1, 1], [np.nan, 0.5, 2])
    (array([ True,  True]), array([0.5, 2. ]))
    """
    labels, scores = marks("labels", labels), np.asarray(scores, dtype=float)
    if scores.shape != labels.shape:
        raise ValueError(f"`scores` must have shape {labels.shape}. Received: {scores.shape}")
    known = ~np.isnan(scores)
    if not known.any():
        raise ValueError(f"`scores` must hold a number. Received: {len(scores)} times NaN")
    return labels[known], scores[known]
