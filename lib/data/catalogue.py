"""The data of the course, and what can be fetched besides.

All take the same path through the checks of `lib.data.reading`. What comes out is a pandas frame
with a time index and float64 columns, or one sentence on what is wrong.
"""

import re
import tomllib
from pathlib import Path

import pandas as pd

from lib.data import downloads, ucr
from lib.data.reading import read_csv, read_table, time_index
from lib.errors import DataError, did_you_mean

__all__ = ["DATA_DIR", "DataError", "catalogue", "did_you_mean", "load", "read_csv"]

DATA_DIR = Path(__file__).resolve().parents[2] / "data"


def load(name):
    """Load one of the data sets that ship with the course, or one that has been fetched.

    Parameters
    ----------
    name : str
        One of the names that `catalogue`, `lib.data.downloads.listing` or `lib.data.ucr.series`
        list.

    Returns
    -------
    pandas.DataFrame
        Float64 columns (text for "sp500_events"), a boolean column `anomaly` where the source
        has labels, and a DatetimeIndex named "date" or "time"; "ucr_135" has no clock, so its
        index counts rows and is named "step". `attrs` holds `name`, `title`, `rows`, `unit`
        (one for each column), `licence`, `citation`, and `train_rows` where the source defines
        a training part. Only "la_haute_borne" has missing values.

    Raises
    ------
    ValueError
        If there is no data set of that name.
    FileNotFoundError
        If it has to be fetched first; the message has the command.

    Examples
    --------
    >>> sp500 = load("sp500")
    >>> sp500.shape, sp500.index.name, sp500.attrs["unit"]
    ((8192, 1), 'date', 'index points')
    """
    entries = _entries()
    if name not in entries:
        more = downloads.entries()
        if isinstance(name, str) and re.fullmatch(r"ucr_\d{3}", name):
            return ucr.read(name)
        if name in more:
            return downloads.read(name)
        raise ValueError(
            f"`name` must be one of {', '.join(map(repr, entries))}, or one that "
            f"`python -m lib fetch` lists. "
            f"Received: name={name!r}.{did_you_mean(name, [*entries, *more])}"
        )
    entry = entries[name]
    path, time = DATA_DIR / entry.pop("file"), entry.pop("time", None)
    if entry.pop("text", False):
        table = read_table(path)
        frame = table.drop(columns=time).set_index(time_index(table[time], path))
    else:
        frame = read_csv(path, time=time, allow_missing=True)
    if "anomaly" in frame:
        frame["anomaly"] = frame["anomaly"].astype(bool)
    frame.index.name = frame.index.name.lower()
    frame.attrs = {"name": name, **entry}
    return frame


def open_series(source, *, column, time, **options):
    """Open columns of a shipped data set or of a CSV file, whichever `source` names.

    Parameters
    ----------
    source : str
        A name that `catalogue` lists, or the path of a CSV file.
    column, time, **options
        As in `read_csv`.

    Returns
    -------
    pandas.DataFrame
        As `read_csv` returns it.

    Raises
    ------
    OSError, ValueError
        As `read_csv`.

    Examples
    --------
    >>> open_series("nasdaq", column="Close", time="Date").shape
    (5031, 1)
    """
    entries = _entries()
    path = DATA_DIR / entries[source]["file"] if source in entries else source
    return read_csv(path, column=column, time=time, **options)


def catalogue():
    """List the data sets that ship with the course.

    Returns
    -------
    pandas.DataFrame
        One row for each, with the columns `name`, `title`, `rows` and `licence`.

    Examples
    --------
    >>> catalogue()["name"].tolist()
    ['sp500', 'sp500_events', 'nasdaq', 'la_haute_borne', 'ucr_135']
    """
    rows = [{"name": name, **entry} for name, entry in _entries().items()]
    return pd.DataFrame(rows)[["name", "title", "rows", "licence"]]


def _entries():
    """Return what data/catalogue.toml says about each data set, by name."""
    return tomllib.loads((DATA_DIR / "catalogue.toml").read_text(encoding="utf-8"))
