"""The data of the course, and what can be fetched besides.

All take the same path through the checks of `lib.data.reading`. What comes out is a pandas frame
with a time index and float64 columns, or one sentence on what is wrong.
"""

import inspect
import re
import tomllib
from pathlib import Path

import pandas as pd

from lib.data import downloads, ucr
from lib.data.reading import group_names, read_csv
from lib.errors import did_you_mean

# The options of `read_csv` that the owner of a file chooses.
OPTIONS = tuple(
    name
    for name in inspect.signature(read_csv).parameters
    if name not in ("path", "min_rows", "allow_missing")
)
DATA_DIR = Path(__file__).resolve().parents[2] / "data"


def load(name):
    """Load one of the data sets that ship with the course, or one that has been fetched.

    Parameters
    ----------
    name : str
        One of the names that `catalogue`, `lib.data.downloads.entries` or `lib.data.ucr.series`
        have.

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
        frame = pd.read_csv(path, index_col=time, parse_dates=True)
        frame.index = frame.index.as_unit("us")
    else:
        frame = read_csv(path, time=time, allow_missing=True)
    if "anomaly" in frame:
        frame["anomaly"] = frame["anomaly"].astype(bool)
    frame.index.name = frame.index.name.lower()
    frame.attrs = {"name": name, **entry}
    return frame


def open_series(source, **options):
    """Open columns of a shipped data set or of a CSV file, whichever `source` names.

    Parameters
    ----------
    source : str
        A name that `catalogue` lists, or the path of a CSV file.
    **options
        As in `read_csv`. An empty text and a 0 stand for the default, as a notebook's parameters
        have them; only `max_gap=0` is what it says.

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
    >>> open_series("nasdaq", column="Close", time="Date", skip_rows=0, decimal="auto").shape
    (5031, 1)
    """
    return read_csv(_path(source), **_given(options))


def open_groups(source, group, **options):
    """Return the names of the series in one file, each with the `where` that reads it.

    `group` is the column that names the series of each row, "" for a file of one series; all else
    is as in `open_series`.

    Examples
    --------
    >>> open_groups("nasdaq", "")
    {'': []}
    """
    where = [options["where"]] if options.get("where") else []
    if not group:
        return {"": where}
    used = ("separator", "skip_rows", "names", "where")
    layout = {key: value for key, value in _given(options).items() if key in used}
    found = group_names(_path(source), group, **layout)
    return {name: [*where, f"{group}={name}"] for name in found}


def _path(source):
    entries = _entries()
    return DATA_DIR / entries[source]["file"] if source in entries else source


def _given(options):
    return {key: value for key, value in options.items() if value or key == "max_gap"}


def catalogue():
    """List the data sets that ship with the course: `name`, `title`, `rows` and `licence`.

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
