"""From the table of the study to what can be compared: rows, values, means, differences.

A *data set* is a series of its own, or a family of short ones that are judged together: the 34
files of SKAB, and the three of NAB, count as one data set each.
"""

from dataclasses import asdict

import pandas as pd

from lib.errors import did_you_mean
from lib.study import datasets
from lib.study.detectors import Budget

FAMILIES = ("nab", "skab")  # each of which is one data set
LINE = {"rule": "percentile", "q": 99.0, "smooth": 1, "factor": 1.0}  # the usual threshold
CAN_CHANGE = ("units", "latent", "loss", "activation", "normalise", "aggregate")  # of the budget
# Of the budget too; the usual ones are the series' own.
LENGTH = ("epochs", "patience", "max_windows")


def data_set(name):
    """Return the data set that a series of the study belongs to.

    Examples
    --------
    >>> data_set("skab_valve1_0"), data_set("ucr_135")
    ('skab', 'ucr_135')
    """
    family = name.partition("_")[0]
    return family if family in FAMILIES else name


def rows(table, **changed):
    """Return the rows of the study's usual settings, or of settings that differ in a few.

    Parameters
    ----------
    table : DataFrame
        As `lib.study.results.read` returns it.
    **changed
        Columns and their values; `window` among them, and those of `LINE`, the threshold.

    Returns
    -------
    DataFrame
        With a column `data_set`, and without the runs that failed.

    Raises
    ------
    ValueError
        If there is no such column, or no such row.

    Examples
    --------
    >>> table = pd.DataFrame([{"data": "ucr_135", "window": 184, "error": None, **LINE,
    ...                        **asdict(Budget())}])
    >>> rows(table)["data_set"].tolist()
    ['ucr_135']
    """
    fits = _fits(table, changed)
    if not fits.any():
        raise ValueError(
            f"`table` must have rows with {changed or 'the usual settings'}. "
            f"Received: none among {len(table)}"
        )
    chosen = table[fits]
    return chosen.assign(data_set=chosen["data"].map(data_set))


def has(table, **changed):
    """Return whether there are rows of the usual settings, or of settings that differ in a few.

    Parameters
    ----------
    table : DataFrame
    **changed
        As `rows` accepts it.

    Returns
    -------
    bool
    """
    return bool(_fits(table, changed).any())


def _fits(table, changed):
    return table["error"].isna() & _matches(table, {**_usual(table), **LINE, **changed})


def _usual(table):
    """The usual settings of each row's series; how long it learns is what its other runs say."""
    budget = asdict(Budget())
    usual = {name: budget[name] for name in CAN_CHANGE}
    names = table["data"].unique()
    windows = {name: datasets.WINDOWS[datasets.kind(name)] for name in names}
    usual["window"] = table["data"].map(windows)
    main = table[_matches(table, usual)].groupby("data")[list(LENGTH)].first()
    return usual | {name: table["data"].map(main[name]) for name in LENGTH}


def _matches(table, wanted):
    fits = pd.Series(data=True, index=table.index)
    for name, value in wanted.items():
        if name not in table:
            hint = did_you_mean(name, list(table))
            raise ValueError(f"`{name}` must be a column of the table. Received: none.{hint}")
        if name != "q" or wanted["rule"] == "percentile":
            fits &= table[name] == value
    return fits


def values(chosen, metric):
    """Arrange one metric by series and seed.

    Parameters
    ----------
    chosen : DataFrame
        As `rows` returns it.
    metric : str

    Returns
    -------
    DataFrame
        Index `detector`, `data_set`, `data`; one column for each seed, NaN where there is no run.
        A series without a single value is left out.

    Raises
    ------
    ValueError
        If a run is there twice: then the settings do not say which is meant.
    """
    keys = ["detector", "data_set", "data", "seed"]
    twice = chosen[chosen.duplicated(keys)]
    if len(twice):
        run = ", ".join(str(twice.iloc[0][key]) for key in keys)
        raise ValueError(f"`chosen` must have each run once. Received: {run} more than once")
    floats = chosen.astype({metric: float})
    return floats.pivot_table(metric, keys[:3], "seed")


def means(found):
    """Mean over seeds, then over the series of a data set.

    Parameters
    ----------
    found : DataFrame
        As `values` returns it.

    Returns
    -------
    DataFrame of n_sets by n_detectors
        NaN where no run has a value.

    Examples
    --------
    >>> keys = ["detector", "data_set", "data"]
    >>> index = pd.MultiIndex.from_tuples([("pca", "nab", "a"), ("pca", "nab", "b")], names=keys)
    >>> means(pd.DataFrame([[1.0, 3.0], [4.0, None]], index)).loc["nab", "pca"]
    np.float64(3.0)
    """
    by_series = found.mean(axis=1).rename("value").reset_index()
    return by_series.pivot_table("value", "data_set", "detector")


def pooled_f1(chosen):
    """F1 of points pooled over series, as SKAB's own board counts: hits over flags and anomalies.

    Parameters
    ----------
    chosen : DataFrame
        As `rows` returns it, of one detector.

    Returns
    -------
    numerator, denominator : DataFrame
        For `lib.study.resampling.interval`: twice the hits; flags and anomalous points.
    """
    hits = (chosen["recall"] * chosen["anomalous"]).round()
    counts = chosen.assign(above=2 * hits, below=chosen["flags"] + chosen["anomalous"])
    return values(counts, "above"), values(counts, "below")


def effect_of(table, metric, line=None, **changed):
    """Difference that a change of settings makes, run by run.

    Parameters
    ----------
    table : DataFrame
    metric : str
    line : dict, optional
        Columns in which both differ from the usual settings, such as another threshold.
    **changed
        As `rows` accepts it.

    Returns
    -------
    DataFrame
        As `values`: changed minus usual, where both are there.
    """
    line = line or {}
    after = values(rows(table, **{**line, **changed}), metric)
    before = values(rows(table, **line), metric)
    index, columns = (
        getattr(after, of).intersection(getattr(before, of)) for of in ("index", "columns")
    )
    return (after.loc[index, columns] - before.loc[index, columns]).dropna(how="all")
