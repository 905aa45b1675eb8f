"""A mean over data sets, series and seeds, and how far another draw of them might have led."""

import numpy as np

from lib.errors import whole


def mean(found):
    """Mean over seeds, then series, then data sets: each data set weighs as much as another."""
    return float(found.mean(axis=1).groupby(level="data_set").mean().mean())


def interval(found, over=None, *, level=0.95, draws=2000, seed=0):
    """Mean of one detector, with an interval by a bootstrap of three levels.

    Each draw takes data sets with replacement, series of each, and seeds of each series. With
    one data set only series and seeds vary, with one series only seeds.

    Parameters
    ----------
    found : DataFrame of n_series by n_seeds, index `data_set` and `data` (and others)
        Of one detector, or differences of two. NaN is no run.
    over : DataFrame of the same shape, optional
        The mean of `found` is divided by the mean of this, in each draw: for pooled counts.
    level : float
        Between 0 and 1.
    draws, seed : int

    Returns
    -------
    dict
        `mean`, `low`, `high`.

    Raises
    ------
    ValueError
        If there is no value at all, or `level` is out of range.

    Examples
    --------
    >>> import pandas as pd
    >>> index = pd.MultiIndex.from_tuples([("a", "a"), ("b", "b")], names=["data_set", "data"])
    >>> interval(pd.DataFrame([[1.0, 1.0], [3.0, 3.0]], index))
    {'mean': 2.0, 'low': 1.0, 'high': 3.0}
    """
    center, drawn = _drawn(found, over, draws, seed)
    return _summary(center, drawn, level)


def interval_of_difference(first, second, *, level=0.95, draws=2000, seed=0):
    """Difference of two detectors that are each a ratio of pooled counts, with an interval.

    Each draw takes the same series for both, so what is hard for both cancels; seeds are drawn
    for each on its own. Where no ratio is needed, `interval` of `differences` does the same.

    Parameters
    ----------
    first, second : tuple of two DataFrame
        `found` and `over` of one detector, as `interval` accepts them.
    level : float
    draws, seed : int

    Returns
    -------
    dict
        `mean`, `low`, `high` of first minus second.

    Raises
    ------
    ValueError
        If the two do not have the same series, and as `interval`.

    Examples
    --------
    >>> import pandas as pd
    >>> index = pd.MultiIndex.from_tuples([("s", "a"), ("s", "b")], names=["data_set", "data"])
    >>> hits, flags = pd.DataFrame([[8.0], [2.0]], index), pd.DataFrame([[10.0], [10.0]], index)
    >>> found = interval_of_difference((hits + 1, flags), (hits, flags))
    >>> {name: round(value, 2) for name, value in found.items()}
    {'mean': 0.1, 'low': 0.1, 'high': 0.1}
    """
    if not first[0].index.equals(second[0].index):
        raise ValueError("`second` must have the series of `first`. Received: others")
    (center, drawn), (other, others) = (_drawn(*one, draws, seed) for one in (first, second))
    return _summary(center - other, drawn - others, level)


def _drawn(found, over, draws, seed):
    """The mean, and the mean in each draw; equal seeds draw equal series."""
    whole("draws", draws)
    found = found.dropna(how="all")
    if found.empty:
        raise ValueError("`found` must have a value. Received: none")
    weights = _weights(found, draws, np.random.default_rng(seed))
    drawn = _weighted(weights, found)
    if over is None:
        return mean(found), drawn
    over = over.loc[found.index]
    if not (over.min(axis=1) > 0).all():
        raise ValueError("`over` must be above 0 in every series. Received: a series without")
    return mean(found) / mean(over), drawn / _weighted(weights, over)


def _summary(center, drawn, level):
    if not 0 < level < 1:
        raise ValueError(f"`level` must be between 0 and 1. Received: level={level!r}")
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return {"mean": center, "low": float(low), "high": float(high)}


def _weighted(weights, found):
    return np.einsum("drs,rs->d", weights, found.fillna(0.0).to_numpy())


def _weights(found, draws, random):
    """How much each run counts in each draw: (draws, series, seeds), each draw sums to 1.

    A series that is drawn m times has its seeds drawn m times as often, each time anew; so
    counts of counts are all that is needed.
    """
    known = found.notna().to_numpy()
    sets = found.index.get_level_values("data_set")
    member = (sets.unique().to_numpy()[:, np.newaxis] == sets.to_numpy()).astype(float)
    size, seeds = member.sum(axis=1), known.sum(axis=1)
    of_sets = random.multinomial(len(size), np.full(len(size), 1 / len(size)), draws)
    of_series = random.multinomial((of_sets * size).astype(int), member / size[:, np.newaxis]).sum(
        axis=1
    )
    of_seeds = random.multinomial(of_series * seeds, known / seeds[:, np.newaxis])
    return of_seeds / (len(size) * (size @ member) * seeds)[:, np.newaxis]


def differences(found, reference):
    """Each detector minus one of them, series by series and seed by seed.

    Who has a single run on a series, because nothing varies, meets every run of the other.

    Parameters
    ----------
    found : DataFrame of n_runs by n_seeds, index `detector`, `data_set`, `data`
        As `lib.study.leaderboard.values` returns it.
    reference : str
        One of its detectors.

    Returns
    -------
    DataFrame
        As `found`; NaN where the reference has no run.

    Raises
    ------
    ValueError
        If `reference` is not among the detectors.

    Examples
    --------
    >>> import pandas as pd
    >>> keys = ["detector", "data_set", "data"]
    >>> index = pd.MultiIndex.from_tuples([("net", "a", "a"), ("rule", "a", "a")], names=keys)
    >>> found = pd.DataFrame([[0.5, 0.75], [0.25, None]], index)
    >>> differences(found, "rule").loc["net"].to_numpy().tolist()
    [[0.25, 0.5]]
    """
    detectors = found.index.get_level_values("detector")
    if reference not in detectors:
        known = ", ".join(detectors.unique())
        raise ValueError(f"`reference` must be one of {known}. Received: reference={reference!r}")
    first = found.bfill(axis=1).iloc[:, 0]
    filled = found.apply(lambda column: column.where(found.count(axis=1) != 1, first))
    others = filled.loc[reference].reindex(filled.index.droplevel("detector"))
    return filled - others.to_numpy()
