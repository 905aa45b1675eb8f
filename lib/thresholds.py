"""From scores to a threshold: a score above it is flagged.

Every rule takes the scores of train or validation, never of test, and returns one number.
Scores of points that no window covers (NaN) are left out.
"""

import numpy as np


def fixed(scores, value):
    """The given number, whatever the scores are.

    Examples
    --------
    >>> fixed([0.1, 0.2], value=0.65)
    0.65
    """
    _finite(scores)
    return float(value)


def mean_plus_sigma(scores, k=3.0):
    """Mean plus `k` standard deviations of the scores.

    Examples
    --------
    >>> mean_plus_sigma([1.0, 3.0], k=2)
    4.0
    """
    scores = _finite(scores)
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
    return float(np.percentile(_finite(scores), q))


def maximum(scores):
    """The highest score: nothing seen so far would have been flagged.

    Examples
    --------
    >>> maximum([0.1, float("nan"), 0.4])
    0.4
    """
    return float(_finite(scores).max())


def _finite(scores):
    scores = np.asarray(scores, dtype=float)
    scores = scores[~np.isnan(scores)]
    if scores.size == 0 or not np.isfinite(scores).all():
        raise ValueError(
            f"`scores` must hold finite numbers to set a threshold from. "
            f"Received: {scores.size} scores that are not NaN, "
            f"{np.isinf(scores).sum()} of them infinite"
        )
    return scores
