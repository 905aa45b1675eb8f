"""From rows of results to answers: means over sources, differences with intervals, verdicts.

The evidence is the source: a recording that one or several series were made from. Seeds are
averaged within series, series within sources; intervals and tests are over sources.
"""

import numpy as np
import pandas as pd
from scipy import stats

MARGIN = 0.02  # of VUS-PR: differences within it are of no practical use
DRAWS = 10_000
DECIMALS = 10  # of differences; what is closer is a tie, not the noise of floating point
METRICS = {  # as figures and tables call them
    "vus_pr": "VUS-PR",
    "average_precision": "average precision",
    "ucr_hit": "UCR score",
    "event_f1": "event F1",
}


def by_source(rows, metric):
    """Return the mean of a metric for each source and detector.

    Parameters
    ----------
    rows : DataFrame
        Of one configuration and threshold rule for each detector, with `detector`, `source`, `data`
        and the metric.
    metric : str

    Returns
    -------
    DataFrame
        Index `source`, one column for each detector; NaN where a detector has no result.

    Examples
    --------
    >>> rows = pd.DataFrame({"detector": "pca", "source": ["a", "a", "b"], "data": ["x", "y", "z"],
    ...                      "vus_pr": [0.2, 0.4, 0.6]})
    >>> by_source(rows, "vus_pr")["pca"].round(1).tolist()
    [0.3, 0.6]
    """
    by_series = rows.groupby(["detector", "source", "data"])[metric].mean().reset_index()
    return by_series.pivot_table(metric, "source", "detector")


def interval(values):
    """Mean over sources, with a 95 % bootstrap interval.

    Parameters
    ----------
    values : Series
        One number for each source; what is missing is left out.

    Returns
    -------
    Series
        `mean`, `low`, `high`, `n`.

    Examples
    --------
    >>> interval(pd.Series([0.0, 1.0] * 50))[["mean", "low", "high"]].round(1).tolist()
    [0.5, 0.4, 0.6]
    """
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    if not len(values):
        raise ValueError("`values` must hold a number. Received: none")
    random = np.random.default_rng(0)
    means = random.choice(values, (DRAWS, len(values))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return pd.Series({"mean": values.mean(), "low": low, "high": high, "n": len(values)})


def difference(first, second, margin=MARGIN):
    """Compare two detectors source by source.

    Parameters
    ----------
    first, second : Series
        One number for each source; sources that one of them lacks are left out.
    margin : float
        Differences within it are of no practical use.

    Returns
    -------
    Series
        `mean` of first less second, `low` and `high` of its 95 % bootstrap interval over sources,
        `n` sources, `wins` and `losses` of the first, `p` of Wilcoxon's signed-rank test (exact
        for few sources);
        `verdict`: "better" or "worse" where the interval excludes 0, "equal" where it lies within
        the margin, else "not decided"; `needed`, how many sources would show a difference as large
        as this one, or as the margin, in four of five studies.

    Examples
    --------
    >>> first = pd.Series(np.linspace(0.3, 0.6, 30))
    >>> difference(first, first - 0.1)["verdict"], difference(first, first - 0.001)["verdict"]
    ('better', 'better')
    >>> noise = pd.Series(np.tile([0.01, -0.01], 15))
    >>> difference(first + noise, first)["verdict"]
    'equal'
    """
    both = (first - second).dropna()
    found = interval(both)
    moved = both[both.round(DECIMALS) != 0]  # Wilcoxon's test leaves ties out
    found["wins"], found["losses"] = (moved > 0).sum(), (moved < 0).sum()
    found["p"] = stats.wilcoxon(moved.round(DECIMALS)).pvalue if len(moved) else 1.0
    if found["low"] > 0:
        verdict = "better"
    elif found["high"] < 0:
        verdict = "worse"
    else:
        within = -margin < found["low"] and found["high"] < margin
        verdict = "equal" if within else "not decided"
    of_one = smallest_difference(both.std(), 1)
    needed = (of_one / max(abs(found["mean"]), margin)) ** 2
    return pd.concat([found.astype(object), pd.Series({"verdict": verdict, "needed": needed})])


def differences(table, pairs, margin=MARGIN):
    """Compare several pairs of detectors source by source.

    Parameters
    ----------
    table : DataFrame
        As `by_source` returns it.
    pairs : dict of str to tuple (first, second)
        Columns of `table`, by the name of the question.
    margin : float
        As in `difference`.

    Returns
    -------
    DataFrame
        One row for each question, as `difference` returns it, and `p_holm`: its `p`, corrected for
        the number of questions.

    Examples
    --------
    >>> table = pd.DataFrame({"pca": np.linspace(0.3, 0.6, 30), "random": 0.1})
    >>> differences(table, {"pca against random": ("pca", "random")})["verdict"].tolist()
    ['better']
    """
    found = {
        name: difference(table[one], table[other], margin) for name, (one, other) in pairs.items()
    }
    found = pd.DataFrame(found).T
    return found.assign(p_holm=holm(found["p"]))


def by_kind(rows, first, second, metric, margin=MARGIN):
    """Compare two detectors on each kind of series.

    Parameters
    ----------
    rows : DataFrame
        As `results.runs` returns it. The files of SKAB, one test bench, count one by one.
    first, second : str
        Detectors; a kind of series on which one of them has no result is left out.
    metric : str
    margin : float
        As in `difference`.

    Returns
    -------
    DataFrame
        One row for each kind of series, as `difference` returns it.
    """
    rows = rows[rows["detector"].isin([first, second])]
    source = rows["source"].where(rows["collection"] != "skab", rows["data"])
    found = {}
    for kind, own in rows.assign(source=source).groupby("kind", observed=True):
        table = by_source(own, metric).dropna()
        if table.shape[1] == 2 and len(table):
            found[kind] = difference(table[first], table[second], margin)
    return pd.DataFrame(found).T


def pooled_f1(rows):
    """F1 of each detector over the rows of all series together; its mean over seeds.

    Parameters
    ----------
    rows : DataFrame
        With `detector`, `seed`, `recall`, and the numbers of `flags` and `anomalous` rows.

    Returns
    -------
    Series

    Examples
    --------
    >>> rows = pd.DataFrame({"detector": "pca", "seed": 0, "recall": [1.0, 0.0], "flags": [2, 0],
    ...                      "anomalous": [1, 1]})
    >>> pooled_f1(rows).to_dict()
    {'pca': 0.5}
    """
    rows = rows.assign(hits=rows["recall"] * rows["anomalous"])
    pooled = rows.groupby(["detector", "seed"])[["hits", "flags", "anomalous"]].sum()
    f1 = 2 * pooled["hits"] / (pooled["flags"] + pooled["anomalous"])
    return f1.groupby("detector").mean()


def smallest_difference(deviation, n):
    """Mean difference that so many sources would show in four of five studies.

    Parameters
    ----------
    deviation : float
        Standard deviation of the differences of two detectors over sources.
    n : int
        Sources.

    Returns
    -------
    float
        `(z(0.975) + z(0.8)) * deviation / sqrt(n)`, for a two-sided test of a mean at 5 %.

    Examples
    --------
    >>> round(smallest_difference(0.2, 54), 3)
    0.076
    """
    z = stats.norm.ppf([0.975, 0.8]).sum()
    return float(z * deviation / np.sqrt(n))


def tuned(rows, metric="vus_pr"):
    """Return the configuration of each detector with the highest mean over sources.

    Parameters
    ----------
    rows : DataFrame
        Of the tuning part, with `detector`, `configuration`, `source`, `data` and the metric.
    metric : str

    Returns
    -------
    DataFrame
        Index `detector`, sorted by `best`; `configuration`, of equal ones the first by name, and
        the means of the `best` and of the `worst`.

    Examples
    --------
    >>> rows = pd.DataFrame({"detector": "pca", "configuration": ["a", "b"], "source": "s",
    ...                      "data": "x", "vus_pr": [0.2, 0.4]})
    >>> tuned(rows)["configuration"].to_dict()
    {'pca': 'b'}
    """
    grouped = ["detector", "configuration", "source", "data"]
    by_series = rows.groupby(grouped)[metric].mean()
    mean = by_series.groupby(grouped[:3]).mean().groupby(grouped[:2]).mean()
    found = mean.groupby("detector").agg(["idxmax", "max", "min"])
    found["idxmax"] = found["idxmax"].str[1]
    found.columns = ["configuration", "best", "worst"]
    return found.sort_values("best", ascending=False)


def holm(p):
    """Correct p-values for being many (Holm 1979): the chance of one false alarm among them all.

    Parameters
    ----------
    p : Series of float
        NaN means that there was no test; it stays.

    Returns
    -------
    Series of float

    Raises
    ------
    ValueError
        If one is not from 0 to 1.

    Examples
    --------
    >>> holm(pd.Series([0.01, 0.04, 0.03, None])).round(3).tolist()
    [0.03, 0.06, 0.06, nan]
    """
    p = pd.Series(p, dtype=float)
    known = p.dropna().sort_values()
    if not known.between(0, 1).all():
        raise ValueError(f"`p` must be from 0 to 1. Received: {known.iloc[0]} to {known.iloc[-1]}")
    times = np.arange(len(known), 0, -1)
    return (known * times).cummax().clip(upper=1).reindex(p.index)


def front(seconds, quality):
    """Return who is on the Pareto front: no other is both faster and better, or equal in one.

    Parameters
    ----------
    seconds, quality : Series of float, with the same index

    Returns
    -------
    Series of bool
        False where a value is missing.

    Examples
    --------
    >>> names = ["rule", "network", "waste"]
    >>> front(pd.Series([0.1, 9.0, 9.0], names), pd.Series([0.3, 0.5, 0.2], names)).tolist()
    [True, True, False]
    """
    both = pd.DataFrame({"seconds": seconds, "quality": -quality})
    known = both.dropna()
    beaten = [
        ((known <= one).all(axis=1) & (known < one).any(axis=1)).any()
        for _, one in known.iterrows()
    ]
    return ~pd.Series(beaten, known.index, dtype=bool).reindex(both.index, fill_value=True)
