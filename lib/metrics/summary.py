"""All metrics of the comparison study in one dictionary."""

import numpy as np

from lib.metrics.affiliation import affiliation_metrics
from lib.metrics.points import (
    event_metrics,
    false_alarms_per_1000,
    flag_metrics,
    label_events,
    score_metrics,
    scored_points,
    ucr_hit,
)
from lib.metrics.ranges import point_adjusted_f1, range_metrics
from lib.metrics.volume import volume_metrics

# What still means something where nothing is anomalous.
WITHOUT_AN_ANOMALY = {
    *("points", "flags", "events", "event_hits", "false_events"),
    *("accuracy", "specificity", "false_alarms_per_1000"),
}


def study_metrics(labels, scores, threshold, *, free=None):
    """Evaluate one series of scores by every metric of the study.

    Points without a score (NaN) and their labels are left out, so that the points before and
    after such a gap become neighbours. Only `ucr_hit` keeps them, because it needs positions.

    Parameters
    ----------
    labels : array-like of bool, in the order of time
        True where a point is anomalous.
    scores : array-like of float
        NaN where a point has no score.
    threshold : float
        A score above it is a flag. With an infinite threshold there is no flag.
    free : dict, optional
        What `threshold_free` returns for these labels and scores, if it is known.

    Returns
    -------
    dict of float
        `points`, `flags`, `events`: how many there are, among the points with a score. Then
        `precision`, `recall`, `f1`, `accuracy`, `specificity`, `roc_auc`, `average_precision`
        (`lib.metrics.points.point_metrics`); `event_hits`, `event_recall`, `event_precision`,
        `event_f1`, `event_delay`, `false_events` (`event_metrics`); `range_precision`,
        `range_recall`, `range_f1` (`lib.metrics.ranges.range_metrics`); `vus_roc`, `vus_pr`
        (`lib.metrics.volume`); `affiliation_precision`, `affiliation_recall`, `affiliation_f1`,
        `affiliation_random_precision`, `affiliation_random_recall`
        (`lib.metrics.affiliation`); `ucr_hit` (1 or 0); `false_alarms_per_1000` normal points;
        `point_adjusted_f1`, which misleads. A metric that is undefined for these labels or
        flags is NaN.

    Raises
    ------
    ValueError
        If `labels` are not boolean, lengths differ, there is no score, or `threshold` is NaN.

    Examples
    --------
    >>> labels = np.arange(1000) // 10 == 50
    >>> result = study_metrics(labels, labels + 0.0, threshold=0.5)
    >>> result["f1"], result["range_f1"], result["vus_pr"] > 0.9, result["ucr_hit"]
    (1.0, 1.0, True, 1.0)
    """
    if not isinstance(threshold, (int, float, np.number)) or np.isnan(threshold):
        raise ValueError(f"`threshold` must be a number. Received: threshold={threshold!r}")
    known, values = scored_points(labels, scores)
    flags = values > threshold
    free = threshold_free(labels, scores) if free is None else free
    result = {
        "points": len(known),
        "flags": flags.sum(),
        **flag_metrics(known, flags),
        **{name: free[name] for name in ("roc_auc", "average_precision")},
        **_events(known, flags),
        **_prefixed("range", range_metrics(known, flags)),
        **{name: free[name] for name in ("vus_roc", "vus_pr")},
        **_prefixed("affiliation", affiliation_metrics(known, flags)),
        "ucr_hit": free["ucr_hit"],
        "false_alarms_per_1000": false_alarms_per_1000(known, flags),
        "point_adjusted_f1": point_adjusted_f1(known, flags),
    }
    empty = set() if known.any() else result.keys() - WITHOUT_AN_ANOMALY
    return {name: np.nan if name in empty else float(value) for name, value in result.items()}


def threshold_free(labels, scores):
    """Compute the metrics that need no threshold, once for all thresholds of the same scores.

    Parameters
    ----------
    labels, scores
        As in `study_metrics`.

    Returns
    -------
    dict of float
        `roc_auc`, `average_precision`, `vus_roc`, `vus_pr`, `ucr_hit`.

    Raises
    ------
    ValueError
        If `labels` are not boolean, lengths differ, or there is no score.

    Examples
    --------
    >>> labels = np.arange(1000) // 10 == 50
    >>> free = threshold_free(labels, labels + 0.0)
    >>> free["ucr_hit"], study_metrics(labels, labels + 0.0, 0.5, free=free)["roc_auc"]
    (True, 1.0)
    """
    known, values = scored_points(labels, scores)
    return {
        **score_metrics(known, values),
        **volume_metrics(known, values),
        "ucr_hit": ucr_hit(labels, scores) if len(label_events(labels)) == 1 else np.nan,
    }


def _events(labels, flags):
    """Event metrics with prefixed names, and event F1."""
    found = event_metrics(labels, flags)
    total = found["precision"] + found["recall"]
    f1 = 2 * found["precision"] * found["recall"] / total if total else 0.0
    renamed = {
        name if "events" in name else f"event_{name}": value for name, value in found.items()
    }
    return {**renamed, "event_f1": f1}


def _prefixed(prefix, values):
    return {f"{prefix}_{name}": value for name, value in values.items()}
