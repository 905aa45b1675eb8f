"""Range-based metrics, for anomalies that last; and point-adjusted F1, which misleads.

An event is a run of consecutive labels, an alarm a run of consecutive flags.
"""

import numpy as np

from lib.metrics.points import both, label_events

ALPHA = 0.2  # weight of the existence of a flag


def range_metrics(labels, flags):
    """Compute range-based precision (an average over alarms) and recall (over events).

    The recall of one event is 0.2 if it has any flag, plus 0.8 times the share of its points that
    is flagged. If `x` alarms overlap the event, the share is divided by `x`. The precision of one
    alarm is that share alone. The position of the flags in the event does not matter (flat bias).
    After Tatbul et al. (2018), *Precision and recall for time series*, NeurIPS; the weight of the
    existence of a flag, their alpha, is that of the TSB-AD benchmark.

    Parameters
    ----------
    labels, flags : array-like of bool, of the same length, in the order of time

    Returns
    -------
    dict of float
        `precision` (0 without a flag), `recall`, and `f1`, their harmonic mean. All are NaN
        without an anomaly.

    Raises
    ------
    ValueError
        If one is not boolean, or the two have different lengths.

    Examples
    --------
    >>> labels, flags = [0, 1, 1, 1, 1, 0, 0, 1], [0, 1, 0, 1, 0, 0, 0, 0]
    >>> range_metrics(labels, flags)["precision"]
    1.0
    >>> round(range_metrics(labels, flags)["recall"], 2)  # (0.2 + 0.8 * 0.5 / 2 + 0) / 2
    0.2
    """
    labels, flags = both(labels, flags)
    if not labels.any():
        return dict.fromkeys(("precision", "recall", "f1"), np.nan)
    precision = _reward(flags, labels, 0.0)
    recall = _reward(labels, flags, ALPHA)
    total = precision + recall
    f1 = 2 * precision * recall / total if total else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


def point_adjusted_f1(labels, flags):
    """Compute F1 after point adjustment. Do not evaluate with it: random flags score high.

    One flag inside an event counts as if all points of the event were flagged, but false alarms
    count point by point. So a few random flags find most long events. Kim et al. (2022),
    *Towards a rigorous evaluation of time-series anomaly detection*, AAAI. Compute it only to
    compare with papers that report it, and compare with random scores.

    Parameters
    ----------
    labels, flags : array-like of bool, of the same length, in the order of time

    Returns
    -------
    float
        NaN without an anomaly.

    Examples
    --------
    >>> point_adjusted_f1([1, 1, 1, 1, 0, 0], [0, 0, 0, 1, 0, 1])  # 1 of 4, counted as 4 of 4
    0.8888888888888888
    """
    labels, flags = both(labels, flags)
    if not labels.any():
        return np.nan
    events = label_events(labels)
    start, end = events["start"].to_numpy(), events["end"].to_numpy()
    hits = int(events["points"][_counts(flags, start, end) > 0].sum())
    wrong = int((flags & ~labels).sum()) + int(labels.sum()) - hits
    return 2 * hits / (2 * hits + wrong)


def _reward(ranges, others, alpha):
    """Mean reward over the runs of `ranges`, for their overlap with the runs of `others`."""
    own, other = label_events(ranges), label_events(others)
    if own.empty:
        return 0.0
    start, end = own["start"].to_numpy(), own["end"].to_numpy()
    share = _counts(others, start, end) / own["points"].to_numpy()
    behind = np.searchsorted(other["start"].to_numpy(), end, side="right")
    pieces = behind - np.searchsorted(other["end"].to_numpy(), start, side="left")
    weight = 1 / np.maximum(pieces, 1)
    return float((alpha * (pieces > 0) + (1 - alpha) * weight * share).mean())


def _counts(chosen, start, end):
    """Count the chosen points from each start to each end, both included."""
    total = np.concatenate([[0], np.cumsum(chosen)])
    return total[end + 1] - total[start]
