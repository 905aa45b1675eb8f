"""Many detectors on many data sets: their mean ranks, and which of them can be told apart.

Tables have one row for each data set and one column for each detector; higher is better.
"""

import itertools

import numpy as np
import pandas as pd
from scipy import stats

from lib.errors import whole
from lib.study.comparison import DECIMALS, holm, paired_test


def mean_ranks(table):
    """Mean rank of each detector: 1 is best, equal values share the mean of their ranks.

    Parameters
    ----------
    table : DataFrame of n_sets by n_detectors
        A data set with a missing value is left out: a rank among fewer is another rank.

    Returns
    -------
    Series of float, best first

    Raises
    ------
    ValueError
        If no data set is complete.

    Examples
    --------
    >>> mean_ranks(pd.DataFrame({"a": [3, 3, None], "b": [2, 3, 1], "c": [1, 1, 5]})).to_dict()
    {'a': 1.25, 'b': 1.75, 'c': 3.0}
    """
    ranks = _complete(table).round(DECIMALS).rank(axis=1, ascending=False)
    return ranks.mean().sort_values(kind="stable")


def friedman(table):
    """Ask whether any detector ranks differently from the others at all (Friedman 1937).

    Parameters
    ----------
    table : DataFrame of n_sets by n_detectors, three of them at least

    Returns
    -------
    dict
        `sets`, `detectors`, `chi2` (with the correction for ties) and its `p`; `f` and `p_f`,
        the less timid form of Iman and Davenport (1980) that Demsar (2006) recommends.

    Raises
    ------
    ValueError
        If fewer than two data sets are complete, or there are fewer than three detectors.

    Examples
    --------
    >>> table = pd.DataFrame({"a": [3, 4, 5, 3], "b": [2, 3, 2, 2], "c": [1, 1, 3, 1]})
    >>> result = friedman(table)
    >>> round(result["chi2"], 2), round(result["p"], 3)
    (6.5, 0.039)
    """
    complete = _complete(table).round(DECIMALS)
    sets, detectors = whole("sets", len(complete), 2), whole("detectors", complete.shape[1], 3)
    if complete.nunique(axis=1).max() == 1:  # nobody differs from anybody
        return {"sets": sets, "detectors": detectors, "chi2": 0.0, "p": 1.0, "f": 0.0, "p_f": 1.0}
    chi2, p = stats.friedmanchisquare(*complete.to_numpy().T)
    rest = sets * (detectors - 1) - chi2
    f = (sets - 1) * chi2 / rest if rest > 1e-9 else np.inf  # infinite: all sets agree
    p_f = stats.f.sf(f, detectors - 1, max((detectors - 1) * (sets - 1), 1))
    found = {"chi2": chi2, "p": p, "f": f, "p_f": p_f}
    return {"sets": sets, "detectors": detectors} | {key: float(x) for key, x in found.items()}


def nemenyi_distance(n_detectors, n_sets, alpha=0.05):
    """Least distance of two mean ranks that Nemenyi's test calls a difference (Demsar 2006).

    Parameters
    ----------
    n_detectors, n_sets : int
    alpha : float
        Chance of one false difference among all pairs, between 0 and 1.

    Returns
    -------
    float

    Examples
    --------
    Demsar's own case, four classifiers on fourteen data sets:

    >>> round(nemenyi_distance(4, 14), 2)
    1.25
    """
    k, n = whole("n_detectors", n_detectors, 2), whole("n_sets", n_sets)
    if not 0 < alpha < 1:
        raise ValueError(f"`alpha` must be between 0 and 1. Received: alpha={alpha!r}")
    quantile = stats.studentized_range.ppf(1 - alpha, k, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(k * (k + 1) / (6 * n)))


def all_pairs(table):
    """Test each detector against each other one, with Holm's correction over all pairs.

    Benavoli and others (2016) prefer this to Nemenyi's test, where a third detector can decide
    whether two differ.

    Parameters
    ----------
    table : DataFrame of n_sets by n_detectors
        Of a data set with a missing value, the pairs without it are tested all the same.

    Returns
    -------
    DataFrame
        One row for each pair: index `first`, `second`; columns as `paired_test`, and `p_holm`.

    Raises
    ------
    ValueError
        If two detectors have no data set in common.

    Examples
    --------
    >>> table = pd.DataFrame({"a": [3, 4, 5.5], "b": [2, 2, 2], "c": [1, 1, 3]})
    >>> all_pairs(table)["wins"].to_dict()
    {('a', 'b'): 3, ('a', 'c'): 3, ('b', 'c'): 2}
    """
    pairs = list(itertools.combinations(table.columns, 2))
    index = pd.MultiIndex.from_tuples(pairs, names=["first", "second"])
    tests = pd.DataFrame([paired_test(table[a], table[b]) for a, b in pairs], index)
    return tests.assign(p_holm=holm(tests["p"]))


def cliques(ranks, pairs, alpha=0.05):
    """Return the groups of neighbours in the ranking that the tests cannot tell apart.

    Parameters
    ----------
    ranks : Series of float
        Mean rank of each detector.
    pairs : DataFrame
        As `all_pairs` returns it.
    alpha : float

    Returns
    -------
    list of list of str
        Each as long as it can be, of two detectors at least, best first. No pair in it differs.

    Examples
    --------
    >>> index = pd.MultiIndex.from_tuples([("a", "b"), ("a", "c"), ("b", "c")])
    >>> pairs = pd.DataFrame({"p_holm": [0.5, 0.01, 0.2]}, index)
    >>> cliques(pd.Series({"a": 1.2, "b": 2.0, "c": 2.8}), pairs)
    [['a', 'b'], ['b', 'c']]
    """
    different = {frozenset(pair) for pair in pairs.index[pairs["p_holm"] < alpha]}
    names, found = list(ranks.sort_values(kind="stable").index), []
    end_before = 0
    for start in range(len(names)):
        end = start + 1
        while end < len(names) and not any(
            frozenset((one, names[end])) in different for one in names[start:end]
        ):
            end += 1
        if end - start > 1 and end > end_before:
            found.append(names[start:end])
        end_before = max(end, end_before)
    return found


def diagram(axis, ranks, groups, *, titles, colours, markers, ruler=None):
    """Draw mean ranks on a line, names beside it, bars over those that cannot be told apart.

    Demsar (2006). The names stand in two columns, the better half on the left; each has a line
    of its own height, so that none covers another.

    Parameters
    ----------
    axis : matplotlib Axes
    ranks : Series of float
        As `mean_ranks` returns it.
    groups : list of list of str
        As `cliques` returns it.
    titles, colours, markers : mapping
        Of each detector.
    ruler : float, optional
        A distance of ranks to draw above the line, such as Nemenyi's.
    """
    ranks = ranks.sort_values(kind="stable")
    low, high = np.floor(ranks.min()), np.ceil(ranks.max())
    half, top = (len(ranks) + 1) // 2, 1.6 + 0.5 * len(groups)
    for place, (name, rank) in enumerate(ranks.items()):
        left = place < half
        height = -top - (place if left else len(ranks) - 1 - place)
        side = low - 0.5 if left else high + 0.5
        axis.plot([rank, rank, side], [0, height, height], color=colours[name], linewidth=1)
        axis.plot(rank, 0, marker=markers[name], color=colours[name], linestyle="")
        where = {"ha": "right" if left else "left", "va": "center"}
        axis.text(side, height, f" {titles[name]} {rank:.1f} ", **where)
    for place, group in enumerate(groups):
        ends = [ranks[group[0]] - 0.05, ranks[group[-1]] + 0.05]
        axis.plot(ends, [-0.7 - 0.5 * place] * 2, color="black", linewidth=4)
    _scale(axis, low, high, ruler)


def _scale(axis, low, high, ruler):
    axis.plot([low, high], [0, 0], color="black", zorder=1)
    for tick in np.arange(low, high + 1):
        axis.plot([tick, tick], [0, 0.25], color="black", linewidth=1)
        axis.text(tick, 0.4, f"{tick:.0f}", ha="center", va="bottom")
    if ruler is not None:
        axis.plot([low, low + ruler], [1.9, 1.9], color="0.4", marker="|")
        axis.text(low, 2.1, f"Nemenyi distance {ruler:.1f}", color="0.3", va="bottom")
    axis.set_ylim(top=4)  # room for a title
    axis.set_xlim(low - 0.55 * (high - low), high + 0.55 * (high - low))
    axis.axis("off")


def _complete(table):
    complete = table.dropna()
    if complete.empty:
        missing = ", ".join(map(str, table.columns[table.isna().any()])) or "no data set"
        raise ValueError(f"`table` must have a row without a gap. Received: gaps in {missing}")
    return complete
