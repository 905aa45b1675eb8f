"""VUS-ROC and VUS-PR: areas under curves, averaged over tolerances in time."""

import numpy as np

from lib.errors import whole
from lib.metrics.points import label_events, scored_points

WINDOW = 100
THRESHOLDS = 250


def volume_metrics(labels, scores, *, window=WINDOW):
    r"""Compute VUS-ROC and VUS-PR: the areas under two curves, averaged over buffers.

    For each buffer :math:`w = 0, 1, \dots,` `window`, every event gets a slope of
    :math:`\lfloor w/2 \rfloor` points on each side, where a point at distance :math:`d` counts
    :math:`\sqrt{1 - d/w}` of an anomalous one; where slopes of two events meet, their sum, at
    most 1. A curve is drawn through 250 thresholds, which are scores at even ranks; recall is
    multiplied by the share of events, slopes included, with at least one flag. The volume is the
    mean area over the buffers. Paparrizos et al. (2022), *Volume under the surface*, PVLDB 15.

    Public implementations fall into two families. This one equals the default
    (`RangeAUC_volume_opt`, by way of `generate_curve`) of the packages TSB-AD and VUS, that of
    the TSB-AD benchmark: slopes start beside the event, only flagged points of a slope count as
    positives, precision is summed in steps, and events whose slopes overlap count as one. The
    other family (`RangeAUC_volume` in VUS, and aeon) starts the slope behind an event on its
    last point, counts the whole slope as positives, joins precisions by straight lines, and
    counts events as one when slopes touch. The two differ by hundredths, and by tenths where
    events are short beside the buffers; never mix them. Ours departs from its family only in
    what it does with bad input, and in its speed: :math:`O(n \log n + w (n + m))` at worst,
    with :math:`m` the points within :math:`w/2` of an event, and all of it in NumPy.

    Parameters
    ----------
    labels : array-like of bool, in the order of time
    scores : array-like of float
        Points without a score (NaN) are left out, and so are their labels.
    window : int
        Largest buffer, in points. The 100 is the default of TSB-AD; its benchmark takes the
        period of each series. It must be the same for all detectors that are compared.

    Returns
    -------
    dict of float
        `vus_roc` and `vus_pr`. Random scores reach more than one half and more than the share
        of anomalous points, because slopes count as positives only where they are flagged: with
        four events of 50 points in 5,000, they reach 0.67 and 0.07 (0.85 and 0.21 with
        `window=500`). So compare a value with that of random scores on the same labels.
        Both are NaN if all scored points are normal or all are anomalous: no curve exists.

    Raises
    ------
    ValueError
        If `labels` are not boolean, lengths differ, there is no score, or `window` is not a count.

    Examples
    --------
    >>> labels = np.arange(1000) // 10 == 50
    >>> late = np.roll(labels, 10).astype(float)  # a score that comes just behind the event
    >>> {name: round(value, 2) for name, value in volume_metrics(labels, late).items()}
    {'vus_roc': 0.79, 'vus_pr': 0.53}
    >>> from sklearn.metrics import roc_auc_score
    >>> round(roc_auc_score(labels, late), 2)
    0.49
    """
    labels, scores = scored_points(labels, scores)
    window = whole("window", window, 0)
    if labels.all() or not labels.any():
        return {"vus_roc": np.nan, "vus_pr": np.nan}
    surface = _Surface(labels, scores, window)
    areas = [surface.areas(buffer) for buffer in range(window + 1)]
    roc, pr = np.mean(areas, axis=0)
    return {"vus_roc": float(roc), "vus_pr": float(pr)}


class _Surface:
    """What all buffers have in common.

    `level` is the number of the first threshold, of 250 falling ones, that flags a point. A
    count of flagged points for all thresholds is the running total of points per level.
    """

    def __init__(self, labels, scores, window):
        ranks = np.linspace(0, len(scores) - 1, THRESHOLDS).astype(int)
        self.level = np.searchsorted(np.sort(-scores)[ranks], -scores, side="left")
        events = label_events(labels)
        self.start, self.end = events["start"].to_numpy(), events["end"].to_numpy()
        self.points, self.anomalous = len(labels), int(labels.sum())
        self.flagged, self.hits = _running(self.level), _running(self.level[labels])
        outside = np.flatnonzero(~labels)
        nearest, second = self._distances(outside)
        order = np.argsort(nearest, kind="stable")
        order = order[: np.searchsorted(nearest[order], window // 2, side="right")]
        self.nearest, self.second = nearest[order], second[order]
        self.slope_level = self.level[outside[order]]
        self.found = {half: self._found(half) for half in range(window // 2 + 1)}

    def areas(self, buffer):
        """Areas under the two curves with one buffer: ROC, PR."""
        half = buffer // 2
        near = np.searchsorted(self.nearest, half, side="right")
        distance, second = self.nearest[:near], self.second[:near]
        # A weight is at least 0.7, so two slopes that meet always make a full 1.
        weight = np.where(second <= half, 1.0, np.sqrt(1 - distance / max(buffer, 1)))
        slope = _running(self.slope_level[:near], weight)
        true, positive = self.hits + slope, self.anomalous + slope / 2
        recall = np.minimum(true / positive, 1) * self.found[half]
        false = (self.flagged - true) / (self.points - positive)
        roc = np.trapezoid(np.concatenate([[0], recall, [1]]), np.concatenate([[0], false, [1]]))
        return roc, np.sum(np.diff(recall, prepend=0) * true / self.flagged)

    def _distances(self, outside):
        """Distances of each normal point to the nearest and the second nearest event, in points."""
        ends = np.concatenate([[-np.inf, -np.inf], self.end])
        starts = np.concatenate([self.start, [np.inf, np.inf]])
        after = np.searchsorted(self.start, outside)
        before = [outside - ends[after + 1], outside - ends[after]]
        return np.sort([*before, starts[after] - outside, starts[after + 1] - outside], axis=0)[:2]

    def _found(self, half):
        """Share of the events, widened by half a buffer, that have a flag: one per threshold."""
        apart = self.end[:-1] + half < self.start[1:] - half
        first = np.maximum(self.start[np.concatenate([[True], apart])] - half, 0)
        last = np.minimum(self.end[np.concatenate([apart, [True]])] + half, self.points - 1)
        bounds = np.column_stack([first, last + 1]).ravel()
        earliest = np.minimum.reduceat(np.append(self.level, THRESHOLDS), bounds)[::2]
        return _running(earliest) / len(first)


def _running(levels, weights=None):
    return np.cumsum(np.bincount(levels, weights, minlength=THRESHOLDS))
