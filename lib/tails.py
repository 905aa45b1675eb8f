"""Two threshold rules that look at the largest scores alone: a fitted tail, and a search.

`lib.thresholds` offers both beside the plain rules.
"""

import numpy as np
import pandas as pd
from scipy import stats

FEWEST_PEAKS = 10
Z_GRID = np.arange(2, 10.5, 0.5)  # the range that Hundman et al. recommend, in half steps


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

    Returns
    -------
    float

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

    Among the lines mean + z·σ, z from 2 to 10, the one that gains most: taking away the scores
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
        set a line within a span, not for a span to come. NaN is left out.
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
    lines = scores.mean() + Z_GRID * scores.std()
    lines = [line for line in lines if (scores > line).any()]
    if not lines:
        return float(scores.max())
    return _pruned(scores, max(lines, key=lambda line: _gain(scores, line)), prune)


def _gain(scores, line):
    """What taking away the scores above a line gains, equation 2 of the paper's section 3.3."""
    rest = scores[scores <= line]
    flags = scores > line
    mean, spread = (1 - rest.mean() / scores.mean()), (1 - rest.std() / scores.std())
    return (mean + spread) / (flags.sum() + _runs(flags).nunique() ** 2)


def _pruned(scores, line, prune):
    """Raise a line over the runs that hardly stand out from the next lower one."""
    flags = scores > line
    highest = pd.Series(scores[flags]).groupby(_runs(flags).to_numpy()).max()
    peaks = np.append(np.sort(highest)[::-1], scores[~flags].max())
    steps = 1 - peaks[1:] / peaks[:-1]
    kept = np.flatnonzero(steps >= prune)
    n_kept = kept[-1] + 1 if len(kept) else 0
    return float(line if n_kept == len(highest) else peaks[n_kept])


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
