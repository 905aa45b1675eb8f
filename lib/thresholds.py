"""From scores to a threshold: a score above it is flagged.

Every rule takes the scores of train or validation, never of test, and returns one number.
Scores of points that no window covers (NaN) are left out; if none is left, or one is infinite,
that is a `ValueError`, as is an option out of its range. Only `oracle` sees labels: it is
not a rule but an upper bound.
"""

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import precision_recall_curve

from lib.errors import whole

FEWEST_PEAKS = 10
Z_GRID = np.arange(2, 10.5, 0.5)  # the range that Hundman et al. recommend, in half steps


def fixed(scores, value):
    """The given number, whatever the scores are.

    Examples
    --------
    >>> fixed([0.1, 0.2], value=0.65)
    0.65
    """
    finite_scores(scores)
    return float(value)


def mean_plus_sigma(scores, k=3.0):
    """Mean plus `k` standard deviations of the scores.

    Examples
    --------
    >>> mean_plus_sigma([1.0, 3.0], k=2)
    4.0
    """
    scores = finite_scores(scores)
    return float(scores.mean() + k * scores.std())


def percentile(scores, q=99.0):
    """The score that `q` percent of the scores do not exceed (0 to 100).

    Examples
    --------
    >>> percentile([0.0, 1.0, 2.0, 3.0, 4.0], q=75)
    3.0
    """
    if not 0 <= q <= 100:
        raise ValueError(f"`q` must be from 0 to 100 (percent). Received: q={q}")
    return float(np.percentile(finite_scores(scores), q))


def maximum(scores):
    """The highest score: nothing seen so far would have been flagged.

    Examples
    --------
    >>> maximum([0.1, float("nan"), 0.4])
    0.4
    """
    return float(finite_scores(scores).max())


def mad(scores, k=3.5):
    """Median plus `k` times the median absolute deviation, made comparable to σ.

    The deviation is multiplied by 1.4826, so that it equals σ for a bell curve; `k=3.5` is the
    advice of Iglewicz and Hoaglin (1993), *How to detect and handle outliers*. Unlike mean and σ,
    neither part moves when a few scores are huge.

    Examples
    --------
    >>> round(mad([1.0, 2.0, 3.0, 1000.0], k=1), 2)
    3.98
    """
    scores = finite_scores(scores)
    deviation = stats.median_abs_deviation(scores, scale="normal")
    return float(np.median(scores) + k * deviation)


def conformal(scores, alpha=0.01):
    """Smallest threshold above which the conformal p-value is at most `alpha`.

    If normal points to come are exchangeable with these `scores` (as independent ones are, and
    neighbours in a time series are not), at most a share `alpha` of them is flagged, whatever
    their distribution and however few the scores: Vovk, Gammerman and Shafer (2005),
    *Algorithmic learning in a random world*; for anomalies Laxhammar and Falkman (2010).

    Parameters
    ----------
    scores : array-like of float
        Scores that had no part in training, or they are too low. NaN is left out.
    alpha : float
        Target share of flags among normal points, between 0 and 1.

    Returns
    -------
    float
        Infinite if there are fewer than `1 / alpha - 1` scores: they cannot support a flag.

    Examples
    --------
    >>> conformal(range(1, 100), alpha=0.02)
    98.0
    >>> conformal(range(1, 98), alpha=0.01)
    inf
    """
    if not 0 < alpha < 1:
        raise ValueError(f"`alpha` must be between 0 and 1, both excluded. Received: alpha={alpha}")
    scores = np.sort(finite_scores(scores))[::-1]
    # The p-value of a new score is (1 + number of these at or above it) / (n + 1).
    at_or_above = int(np.floor(alpha * (len(scores) + 1) + 1e-9)) - 1
    return float(scores[at_or_above]) if at_or_above >= 0 else float("inf")


def vote(scores, rules, at_least):
    """Threshold above which at least so many of the rules flag.

    Rules on the same scores differ only in their threshold, so "at least m of them flag" is a
    threshold too: the m-th lowest, from 1 to the number of rules. Each of the `rules` takes the
    scores and returns a threshold; `functools.partial` sets options.

    Examples
    --------
    >>> vote([1.0, 2.0, 6.0], [mean_plus_sigma, maximum, np.median], at_least=2)
    6.0
    """
    at_least, scores = whole("at_least", at_least, 1, len(rules)), finite_scores(scores)
    return float(sorted(rule(scores) for rule in rules)[at_least - 1])


def at_equal_alarms(scores, other, threshold):
    """Threshold at which `other` flags as many rows as `scores` do above theirs.

    Two rules are compared fairly at an equal number of flags on the rows that set the thresholds.
    Both are scores of these rows; where either is missing, a row does not count. Ties may leave a
    few flags fewer.

    Examples
    --------
    >>> at_equal_alarms([1.0, 2.0, 3.0, 4.0], [10.0, 40.0, 30.0, 20.0], threshold=2.5)
    20.0
    """
    scores, other = np.asarray(scores, dtype=float), np.asarray(other, dtype=float)
    both = ~(np.isnan(scores) | np.isnan(other))
    if not both.any():
        raise ValueError("`scores` and `other` must have a row in common. Received: none")
    flags = int((scores[both] > threshold).sum())
    highest_first = np.sort(other[both])[::-1]
    return float(highest_first[flags]) if flags < both.sum() else -np.inf


def oracle(scores, labels):
    """The threshold with the best F1 on the very points that are evaluated. Not a rule.

    The labels are not known when a threshold is set. What the oracle reaches is an upper bound for
    all thresholds on these scores, and is to be reported as that. It is the highest one if several
    are equally good. Points without a score (NaN) are left out, and so are their labels. A
    `ValueError` if there is not one bool for each score, or if no labelled point has a score.

    Examples
    --------
    >>> oracle([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
    0.1
    """
    scores, labels = np.asarray(scores, dtype=float), np.asarray(labels, dtype=bool)
    if scores.shape != labels.shape:
        raise ValueError(f"`labels` must have shape {scores.shape}. Received: {labels.shape}")
    labels, scores = labels[~np.isnan(scores)], finite_scores(scores)
    if not labels.any():
        raise ValueError("`labels` must mark at least one point with a score. Received: none")
    precision, recall, at = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    lowest_flag = at[np.flatnonzero(np.isclose(f1[:-1], f1[:-1].max(), rtol=1e-12))[-1]]
    below = scores[scores < lowest_flag]
    return float(below.max() if len(below) else np.nextafter(lowest_flag, -np.inf))


def adaptive(scores, rule, history, every=1, **options):
    """A threshold for each point, from the `history` scores before it and nothing later.

    Parameters
    ----------
    scores : Series of n_times
    rule : callable
        One of the rules of this module.
    history : int
        Scores before a point that its threshold is set from; NaN among them is left out.
    every : int
        The rule is asked anew at every so many points; in between its answer stays.
    **options
        Of the rule.

    Returns
    -------
    Series of n_times float, with the index of `scores`
        NaN, which flags nothing, for the first `history` points and where all scores before
        are NaN.

    Examples
    --------
    >>> adaptive(pd.Series([1.0, 3.0, 2.0, 9.0]), maximum, history=2).tolist()
    [nan, nan, 3.0, 3.0]
    """
    history, every = whole("history", history), whole("every", every)
    values = scores.to_numpy(dtype=float)
    found = np.full(len(values), np.nan)
    for row in range(history, len(values), every):
        before = values[row - history : row]
        if not np.isnan(before).all():
            found[row : row + every] = rule(before, **options)
    return pd.Series(found, index=scores.index, name="threshold")


def peaks_over_threshold(scores, risk=1e-4, level=98.0):
    """The score that a new normal point exceeds with probability `risk`, by a fitted tail.

    What exceeds a high score `t` follows a generalised Pareto distribution, whatever the scores
    are (Pickands 1975). With shape `c` and scale `s` fitted to the `peaks` excesses over `t`
    among `n` scores, the threshold is `t + s / c * ((risk * n / peaks) ** -c - 1)`: equation 1
    of Siffer et al. (2017), *Anomaly detection in streams with extreme value theory*, KDD. So a
    risk below `1 / n` can be asked for, which no percentile can give.

    Parameters
    ----------
    scores : array-like of float
        NaN is left out.
    risk : float
        Share of normal points that may exceed the threshold.
    level : float
        Percentile of the scores where their tail begins.

    Raises
    ------
    ValueError
        If fewer than 10 scores, or not two different ones, lie above `level`, or `risk` is not
        below their share: then no tail is needed, and `percentile` does it.

    Examples
    --------
    >>> scores = -np.log((np.arange(10_000) + 0.5) / 10_000)  # exponential: true value 9.21
    >>> round(peaks_over_threshold(scores, risk=1e-4), 1)
    9.1
    """
    scores = finite_scores(scores)
    start = np.percentile(scores, level)
    peaks = np.sort(scores[scores > start]) - start
    if len(peaks) < FEWEST_PEAKS or np.ptp(peaks) == 0:
        raise ValueError(
            f"`scores` must have {FEWEST_PEAKS} or more above their percentile `level`, not all "
            f"equal. Received: {len(peaks)} of {len(scores)}, level={level}"
        )
    share = len(peaks) / len(scores)
    if not 0 < risk < share:
        raise ValueError(
            f"`risk` must be above 0 and below the share of scores above `level`, {share:.3g}. "
            f"Received: risk={risk}"
        )
    unit = peaks.mean()  # the search for shape and scale works best on numbers near 1
    shape, _, scale = stats.genpareto.fit(peaks / unit, floc=0)
    return float(start + unit * stats.genpareto.isf(risk / share, shape, scale=scale))


def dynamic(scores, prune=0.13):
    """Nonparametric dynamic threshold, with pruning (Hundman et al. 2018).

    Among the thresholds mean + z·σ, z from 2 to 10, the one that gains most: taking away the scores
    above it lowers mean and standard deviation of the rest by the largest shares, divided by
    the number of those scores plus the squared number of runs they form. Then the runs are
    sorted by their highest score; where the steps down from one to the next are smaller than
    `prune` until the end, the highest score without a flag, runs are taken back.
    Hundman et al. (2018), *Detecting spacecraft anomalies using LSTMs and nonparametric dynamic
    thresholding*, KDD, section 3.3. Their smoothing of the scores is left to the caller.

    Parameters
    ----------
    scores : array-like of float, in the order of time
        Unlike the other rules, this one may look at scores that hold anomalies: it was made to
        set a threshold within a span, not for a span to come. NaN is left out.
    prune : float from 0 to 1
        Smallest relative step from one run to the next lower; 0 takes nothing back.

    Returns
    -------
    float
        The highest score if nothing stands out.

    Raises
    ------
    ValueError
        If `prune` is outside 0 to 1, or a score is negative, so that shares mean nothing.

    Examples
    --------
    >>> round(dynamic([1, 2] * 50 + [9, 8] + [1, 2] * 50), 2)
    3.28
    >>> dynamic([1, 2] * 50)
    2.0
    """
    scores = finite_scores(scores)
    if not 0 <= prune <= 1:
        raise ValueError(f"`prune` must be from 0 to 1. Received: prune={prune}")
    if scores.min() < 0:
        raise ValueError(f"`scores` must not be negative. Received: lowest score {scores.min()}")
    candidates = scores.mean() + Z_GRID * scores.std()
    candidates = [threshold for threshold in candidates if (scores > threshold).any()]
    if not candidates:
        return float(scores.max())
    best = max(candidates, key=lambda threshold: _gain(scores, threshold))
    return _pruned(scores, best, prune)


def _gain(scores, threshold):
    """What is gained without the scores above a threshold: equation 2 of the paper, section 3.3."""
    flags = scores > threshold
    rest = scores[~flags]
    mean, deviation = 1 - rest.mean() / scores.mean(), 1 - rest.std() / scores.std()
    return (mean + deviation) / (flags.sum() + _runs(flags).nunique() ** 2)


def _pruned(scores, threshold, prune):
    """Raise a threshold over the runs that hardly stand out from the next lower one."""
    flags = scores > threshold
    highest = pd.Series(scores[flags]).groupby(_runs(flags).to_numpy()).max()
    peaks = np.append(np.sort(highest)[::-1], scores[~flags].max())
    steps = 1 - peaks[1:] / peaks[:-1]
    kept = np.flatnonzero(steps >= prune)
    n_kept = kept[-1] + 1 if len(kept) else 0
    return float(threshold if n_kept == len(highest) else peaks[n_kept])


def _runs(flags):
    """For each flag the number of the unbroken run that it belongs to."""
    return pd.Series(np.cumsum(~flags))[flags]


def finite_scores(scores, name="scores"):
    """Scores as an array without NaN; an error under that name if none is left or one is infinite.

    Examples
    --------
    >>> finite_scores([0.5, float("nan"), 2])
    array([0.5, 2. ])
    """
    scores = np.asarray(scores, dtype=float)
    scores = scores[~np.isnan(scores)]
    if scores.size == 0 or not np.isfinite(scores).all():
        raise ValueError(
            f"`{name}` must hold finite numbers. Received: {scores.size} scores that are not NaN, "
            f"{np.isinf(scores).sum()} of them infinite"
        )
    return scores
