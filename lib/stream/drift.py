"""Drift: whether the scores of a stream still look like those that the detector was made with.

A single score says whether a row is odd. The population of the scores of a week says whether the
world is still the one that was learned, long before a threshold fails.
"""

import numpy as np
import pandas as pd
from scipy import stats

from lib.errors import whole
from lib.thresholds import finite_scores


def population_stability_index(reference, scores, bins=10):
    """How far the population of `scores` has moved away from `reference`: 0 is not at all.

    The reference is cut at its quantiles into `bins` parts of equal share. With the shares `p`
    of the reference and `q` of the scores in each part, the index is the sum of
    `(q - p) ln(q / p)`, the symmetric divergence of Jeffreys, under the name that credit scoring
    gave it (N. Siddiqi, Credit Risk Scorecards, 2006, where 0.1 is small and 0.25 large; for
    its sampling distribution see B. Yurdakul, Statistical Properties of Population Stability
    Index, 2018). An empty part counts as half a score, so that one does not make it infinite.

    Parameters
    ----------
    reference, scores : array-like of float
        NaN is left out.
    bins : int
        At least 2. Fewer come of it where many values of the reference are equal.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If `bins` is not such a number, there is no score, one is infinite, or the reference has
        one value only.

    Examples
    --------
    >>> population_stability_index(range(100), range(100))
    0.0
    >>> round(population_stability_index(range(100), range(40, 140), bins=2), 2)
    0.88
    """
    whole("bins", bins, 2)
    reference, scores = finite_scores(reference, "reference"), finite_scores(scores)
    above = reference[reference > reference.min()]
    if not len(above):
        raise ValueError(
            f"`reference` must have values that differ. Received: {len(reference)} of them, "
            f"all {reference.min()}"
        )
    # An edge at the lowest value would leave nothing below it: it moves to the next one.
    inner = np.unique(np.maximum(np.quantile(reference, np.arange(1, bins) / bins), above.min()))
    p, q = (_shares(values, inner) for values in (reference, scores))
    return float(((q - p) * np.log(q / p)).sum())


def by_span(reference, scores, *, every="7D", fewest=500):
    """Hold each span of time against the reference.

    Parameters
    ----------
    reference : array-like of float
        Scores of the training rows.
    scores : Series of n_times float, with a DatetimeIndex
    every : str
        Length of a span, as pandas writes it; the first one begins with the first day.
    fewest : int
        Scores that a span must have; with fewer its row is left out.

    Returns
    -------
    DataFrame with one row per span, indexed by its start
        `psi`, the population stability index; `ks`, the largest distance between the two
        cumulative distributions (Kolmogorov and Smirnov's statistic; its usual p-value
        is of no use here, for scores of neighbouring rows are not independent); `median`, that of
        the span, which says the direction; `scores`, how many there are.

    Raises
    ------
    ValueError
        As `population_stability_index`, or if `fewest` is not a whole number of at least 1.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=28, freq="12h")
    >>> by_span(range(14), pd.Series(range(28), times), fewest=10).round(2)
                 psi   ks  median  scores
    2024-01-01  0.00  0.0     6.5      14
    2024-01-08  1.86  1.0    20.5      14
    """
    whole("fewest", fewest)
    reference = finite_scores(reference, "reference")
    starts, rows = [], []
    for start, span in scores.dropna().groupby(pd.Grouper(freq=every, origin="start_day")):
        if len(span) >= fewest:
            psi = population_stability_index(reference, span)
            ks = float(stats.ks_2samp(reference, span).statistic)
            starts.append(start)
            rows.append([psi, ks, float(span.median()), len(span)])
    columns = ["psi", "ks", "median", "scores"]
    return pd.DataFrame(rows, pd.DatetimeIndex(starts, dtype=scores.index.dtype), columns)


def _shares(values, inner):
    """Share of the values in each part between the inner edges, never quite 0."""
    counts = np.bincount(np.searchsorted(inner, values, side="right"), minlength=len(inner) + 1)
    counts = np.maximum(counts, 0.5)
    return counts / counts.sum()
