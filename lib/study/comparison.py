"""Who is better, and is it luck? Paired tests over data sets, and sentences about them.

Data sets are what is counted here, not runs: seeds of one network on one series say how much it
varies, but are no new evidence on who is better, so average over them first
(`lib.study.leaderboard.means`). Higher is better throughout.
"""

import numpy as np
import pandas as pd
from scipy import stats

from lib.study import leaderboard, resampling

DECIMALS = 10  # of differences; what is closer is a tie, not the noise of floating point


def paired_test(first, second):
    """Compare two detectors by Wilcoxon's signed-rank test; ties of a pair are left out of it.

    Parameters
    ----------
    first, second : array-like of n_sets floats
        One value for each data set, in the same order; a pair with NaN is left out.

    Returns
    -------
    dict
        `pairs`, `wins` of the first, `ties`, `losses`; `median` of the differences; `effect`,
        the matched-pairs rank-biserial correlation (Kerby 2014), from -1, all ranks for the
        second, to 1, all for the first; `p`, two-sided (exact for few pairs without ties).

    Raises
    ------
    ValueError
        If lengths differ or no pair is complete.

    Examples
    --------
    >>> test = paired_test([0.9, 0.8, 0.7, 0.6, 0.5], [0.8, 0.6, 0.4, 0.2, 0.6])
    >>> test["wins"], test["losses"], round(test["effect"], 2), round(test["p"], 2)
    (4, 1, 0.8, 0.19)
    """
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(
            f"`second` must have the length of `first`. Received: {second.shape}, {first.shape}"
        )
    differences = np.round(first - second, DECIMALS)
    differences = differences[~np.isnan(differences)]
    if not len(differences):
        raise ValueError("`first` and `second` must have a complete pair. Received: none")
    moved = differences[differences != 0]
    ranks = stats.rankdata(np.abs(moved))
    return {
        "pairs": len(differences),
        "wins": int((moved > 0).sum()),
        "ties": len(differences) - len(moved),
        "losses": int((moved < 0).sum()),
        "median": float(np.median(differences)),
        "effect": float((np.sign(moved) * ranks).sum() / ranks.sum()) if len(moved) else 0.0,
        "p": float(stats.wilcoxon(moved).pvalue) if len(moved) else 1.0,
    }


def holm(p):
    """Correct p-values for being many (Holm 1979): the chance of one false alarm among them all.

    Parameters
    ----------
    p : Series of float
        NaN is no test, and stays.

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


def sentence(first, second, test, alpha=0.05, p="p"):
    """Say in words who won; a defeat is a defeat, and a tie a tie.

    Parameters
    ----------
    first, second : str
        Their names, as a subject.
    test : dict or Series
        As `paired_test` returns it.
    alpha : float
    p : str
        Which of the p-values decides: "p", or "p_holm".

    Returns
    -------
    str

    Examples
    --------
    >>> test = paired_test([0.1, 0.2, 0.3, 0.1, 0.2, 0.4], [0.3, 0.5, 0.7, 0.6, 0.8, 0.9])
    >>> print(sentence("the network", "PCA", test))
    the network loses to PCA (0 wins, 0 ties, 6 losses; median difference -0.450, p = 0.03)
    """
    better = test["effect"] > 0
    verb = "cannot be told apart from"
    if test[p] < alpha:
        verb = "beats" if better else "loses to"
    counts = ", ".join(_counted(test[key], key) for key in ("wins", "ties", "losses"))
    chance = "p < 0.001" if test[p] < 0.001 else f"p = {_short(test[p])}"
    return f"{first} {verb} {second} ({counts}; median difference {test['median']:+.3f}, {chance})"


def effects(table, metric, changes, detectors, *, draws=2000):
    """Measure what each change of a setting does to each detector, run by run, with intervals.

    Parameters
    ----------
    table : DataFrame
        As `lib.study.results.read` returns it.
    metric : str
    changes : dict of dict
        The changed settings of each change, by its name, as `lib.study.leaderboard.rows`
        accepts them. A change that the table has no runs of is left out, and so is a detector
        without them.
    detectors : list of str
    draws : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        Index `change`, `detector`. First one column for each data set, the mean difference there,
        NaN where there is none; then `data sets` and `seeds` (the most of any series), how many
        there are; `mean`, `low`, `high` over data sets, series and seeds. With fewer than five
        data sets the interval says little about others.
    """
    table = table[table["detector"].isin(detectors)]
    lines, by_set = {}, {}
    for title, changed in changes.items():
        if not leaderboard.has(table, **changed):
            continue
        effect = leaderboard.effect_of(table, metric, **changed)
        for name in [one for one in detectors if one in effect.index.unique("detector")]:
            own = effect.loc[[name]]
            by_set[title, name] = leaderboard.means(own)[name]
            counts = {"data sets": len(by_set[title, name]), "seeds": own.count(axis=1).max()}
            lines[title, name] = counts | resampling.interval(own, draws=draws)
    if not lines:
        return pd.DataFrame(columns=["data sets", "seeds", "mean", "low", "high"])
    index = pd.MultiIndex.from_tuples(lines, names=["change", "detector"])
    summary = pd.DataFrame(lines.values(), index)
    return pd.concat([pd.DataFrame(by_set.values(), index), summary], axis=1)


def front(seconds, quality):
    """Return who is on the Pareto front: nobody else is both faster and better, or equal in one.

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
    both = pd.DataFrame({"seconds": seconds, "quality": quality})
    known = both.dropna()
    on = {
        name: not (
            (known["seconds"] <= one.seconds)
            & (known["quality"] >= one.quality)
            & ((known["seconds"] < one.seconds) | (known["quality"] > one.quality))
        ).any()
        for name, one in known.iterrows()
    }
    return pd.Series(on, dtype=bool).reindex(both.index, fill_value=False)


def _counted(number, what):
    single = {"wins": "win", "ties": "tie", "losses": "loss"}
    return f"{number:g} {single[what] if number == 1 else what}"


def _short(p):
    return f"{p:.3f}" if p < 0.01 else f"{p:.2f}"
