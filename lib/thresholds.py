"""From scores to a threshold: a score above it is flagged.

Every rule takes the scores of train or validation, never of test, and returns one number.
Scores of points that no window covers (NaN) are left out. `oracle` alone sees labels, and is no
rule but an upper bound.
"""

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import precision_recall_curve

from lib.checks import whole
from lib.tails import dynamic, finite_scores, peaks_over_threshold

__all__ = [
    "adaptive",
    "conformal",
    "conformal_p_values",
    "dynamic",
    "fixed",
    "mad",
    "maximum",
    "mean_plus_sigma",
    "oracle",
    "peaks_over_threshold",
    "percentile",
    "vote",
]


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
    spread = stats.median_abs_deviation(scores, scale="normal")
    return float(np.median(scores) + k * spread)


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
        Promised share of flags among normal points, between 0 and 1.

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


def conformal_p_values(calibration, scores):
    """Conformal p-value of each score: how rare it is among calibration scores.

    `(1 + number of calibration scores at or above it) / (n + 1)`, see `conformal`.

    Parameters
    ----------
    calibration : array-like of n float
        Scores of normal points that had no part in training. NaN is left out.
    scores : Series or array-like of float

    Returns
    -------
    Series or ndarray of float, from `1 / (n + 1)` to 1
        NaN where a score is NaN.

    Examples
    --------
    >>> conformal_p_values([1, 2, 3], [0, 2, 4])
    array([1.  , 0.75, 0.25])
    """
    calibration = np.sort(finite_scores(calibration, "calibration"))
    values = np.asarray(scores, dtype=float)
    at_or_above = len(calibration) - np.searchsorted(calibration, values, side="left")
    p_values = np.where(np.isnan(values), np.nan, (1 + at_or_above) / (len(calibration) + 1))
    if isinstance(scores, pd.Series):
        return pd.Series(p_values, index=scores.index, name="p_value")
    return p_values


def vote(scores, rules, at_least):
    """Threshold above which at least so many of the rules flag.

    Rules on the same scores differ in nothing but their line, so "at least m of them flag" is a
    line too: the m-th lowest.

    Parameters
    ----------
    scores : array-like of float
    rules : sequence of callables
        Each takes the scores and returns a threshold; `functools.partial` sets options.
    at_least : int
        From 1 (any rule will do) to the number of rules (all must agree).

    Examples
    --------
    >>> vote([1.0, 2.0, 6.0], [mean_plus_sigma, maximum, np.median], at_least=2)
    6.0
    """
    if isinstance(at_least, bool) or at_least not in range(1, len(rules) + 1):
        raise ValueError(
            f"`at_least` must be an integer from 1 to the number of rules, {len(rules)}. "
            f"Received: at_least={at_least!r}"
        )
    scores = finite_scores(scores)
    return float(sorted(rule(scores) for rule in rules)[at_least - 1])


def oracle(scores, labels):
    """The threshold with the best F1 on the very points that are judged. Not a rule.

    Nobody has the labels when the line is set. What the oracle reaches is an upper bound for
    all thresholds on these scores, and is to be reported as that.

    Parameters
    ----------
    scores : array-like of float
        Points without a score (NaN) are left out, and so are their labels.
    labels : array-like of bool, one for each score

    Returns
    -------
    float
        The highest one if several are equally good.

    Raises
    ------
    ValueError
        If the lengths differ or no labelled point has a score.

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
    lines = np.full(len(values), np.nan)
    for row in range(history, len(values), every):
        before = values[row - history : row]
        if not np.isnan(before).all():
            lines[row : row + every] = rule(before, **options)
    return pd.Series(lines, index=scores.index, name="threshold")
