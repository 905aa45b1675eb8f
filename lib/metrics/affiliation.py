"""Affiliation metrics: precision and recall by the distance between flags and anomalies."""

import numpy as np

from lib.metrics.points import both, label_events

QUARTERS = 4
REPEATS = 10  # of random flags


def affiliation_metrics(labels, flags):
    r"""Compute affiliation precision and recall: how close flags and events are.

    Time is divided into one zone per event. The border between two zones lies half way between
    the two events. In each zone, a distance is compared with that of a random time in the zone:

    * precision is the probability that a random time lies farther from the event than the flag
      does, averaged over the flagged time;
    * recall is the probability that a random time lies farther from a point of the event than
      the nearest flag does, averaged over the event. Without a flag it is 0.

    Both are averaged over zones; precision only over zones with a flag.

    After Huet, Navarro and Rossi (2022), *Local evaluation of time series anomaly detection
    algorithms*, KDD. A point `i` is the time from `i` to `i + 1`, as in their code. The integrals
    are exact: each integrand is linear on a quarter of a point, so its middle value suffices.

    Parameters
    ----------
    labels, flags : array-like of bool, of the same length, in the order of time

    Returns
    -------
    dict of float
        `precision` (NaN without a flag), `recall`, `f1` (0 without a flag), and what to compare
        them with. `random_precision` is the expected precision of flags at random times: if an
        event takes the share :math:`p` of its zone, :math:`(1 + p^2) / 2`, so at least one half.
        Flagging everything has the same precision, and a recall of 1. `random_recall` is the mean
        recall of ten random permutations of the flags: of many flags, one is always close to an
        event. All are NaN without an anomaly.

    Raises
    ------
    ValueError
        As `both` does.

    Examples
    --------
    >>> labels, flags = np.zeros(1000), np.zeros(1000)
    >>> labels[500:510], flags[520:525] = 1, 1  # close, but no hit
    >>> {name: round(value, 2) for name, value in affiliation_metrics(labels, flags).items()}
    {'precision': 0.96, 'recall': 0.97, 'f1': 0.97, 'random_precision': 0.5, 'random_recall': 0.8}
    """
    labels, flags = both(labels, flags)
    if not labels.any():
        names = ("precision", "recall", "f1", "random_precision", "random_recall")
        return dict.fromkeys(names, np.nan)
    zones = _Zones(labels)
    precision, recall = zones.precision(flags), zones.recall(flags)
    rng = np.random.default_rng(0)
    shuffled = [zones.recall(rng.permutation(flags)) for _ in range(REPEATS)]
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if flags.any() else 0.0,
        "random_precision": zones.random_precision(),
        "random_recall": float(np.mean(shuffled)),
    }


class _Zones:
    """The zone of each event, and the middle of each quarter of a point."""

    def __init__(self, labels):
        events = label_events(labels)
        self.start, self.stop = events["start"].to_numpy(), events["end"].to_numpy() + 1
        between = (self.stop[:-1] + self.start[1:]) / 2
        self.edges = np.concatenate([[0], between, [len(labels)]])
        self.width = np.diff(self.edges)
        self.middle = (np.arange(QUARTERS * len(labels)) + 0.5) / QUARTERS
        self.zone = np.searchsorted(between, self.middle, side="right")
        self.inside = np.flatnonzero(np.repeat(labels, QUARTERS))

    def precision(self, flags):
        chosen = np.flatnonzero(np.repeat(flags, QUARTERS))
        zone, middle = self.zone[chosen], self.middle[chosen]
        distance = np.maximum(self.start[zone] - middle, middle - self.stop[zone])
        shorter = np.minimum(self.start - self.edges[:-1], self.edges[1:] - self.stop)[zone]
        closer = distance + np.minimum(distance, shorter) + (self.stop - self.start)[zone]
        farther = np.where(distance < 0, 1.0, 1 - closer / self.width[zone])
        counts = np.bincount(zone, minlength=len(self.width))
        sums = np.bincount(zone, farther, minlength=len(self.width))
        return float((sums[counts > 0] / counts[counts > 0]).mean()) if len(chosen) else np.nan

    def recall(self, flags):
        chosen = np.flatnonzero(np.repeat(flags, QUARTERS))
        zone, middle = self.zone[self.inside], self.middle[self.inside]
        after = np.searchsorted(chosen, self.inside)  # the first chosen one at or behind each
        distance = np.minimum(
            self._distance(chosen, after - 1, zone, middle),
            self._distance(chosen, after, zone, middle),
        )
        shorter = np.minimum(middle - self.edges[zone], self.edges[zone + 1] - middle)
        closer = distance + np.minimum(distance, shorter)
        farther = np.where(np.isinf(distance), 0.0, 1 - closer / self.width[zone])
        return float((np.bincount(zone, farther) / np.bincount(zone)).mean())

    def random_precision(self):
        return float((1 + ((self.stop - self.start) / self.width) ** 2).mean() / 2)

    def _distance(self, chosen, position, zone, middle):
        """Distance from each middle to the edge of a chosen quarter; infinite in another zone."""
        if not len(chosen):
            return np.full(len(middle), np.inf)
        quarter = chosen[np.clip(position, 0, len(chosen) - 1)]
        distance = np.abs(middle - self.middle[quarter]) - 0.5 / QUARTERS
        return np.where(self.zone[quarter] == zone, np.maximum(distance, 0), np.inf)
