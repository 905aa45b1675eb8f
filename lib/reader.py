"""From the cells of a CSV file to a clean time series, or to one sentence on what is wrong."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from lib.csvfile import did_you_mean, read_table, refuse


def read_csv(
    path,
    *,
    column=None,
    time=None,
    sep=",",
    day_first=False,
    max_gap=10,
    min_rows=2,
    allow_missing=False,
    repeated="refuse",
):
    """Read a time series from a CSV file, or say in one sentence what is wrong with it.

    Parameters
    ----------
    path : str or pathlib.Path
        A UTF-8 text file with a header line.
    column : str or list of str, optional
        The column or columns to read; by default all that hold numbers, but for `time`.
    time : str, optional
        The column of dates; by default rows are counted and the index is called "step".
        Any one format will do: "2014-01-31 00:10:00", "31-Jan-14", "01/31/2014". Times with an
        offset such as +01:00 become UTC; the index itself carries no time zone.
    sep : str, default=","
        The one character between columns.
    day_first : bool, default=False
        Read 01/02/2014 as 1 February instead of 2 January: the file alone cannot tell.
    max_gap : float or None, default=10
        The longest step in time that is no gap, in median steps. Ten lets pass all weekends and
        holidays of a daily market series (7 days in September 2001), None any step.
    min_rows : int, default=2
        The fewest rows that will do, such as those of one window.
    allow_missing : bool, default=False
        Let empty cells pass as NaN.
    repeated : {"refuse", "first"}, default="refuse"
        What becomes of rows with a time that stood in the file before, such as the hour that
        comes twice when summer ends: an error, or only the first of them is kept.

    Returns
    -------
    pandas.DataFrame
        Float64 columns, shape (n_rows, n_features), over a DatetimeIndex or a count of rows.
        Its `attrs` hold `name`, `title`, `rows` and an empty `unit`.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        If `path` cannot be opened as a file.
    DataError
        A ValueError, if the content is not a clean time series.

    Examples
    --------
    >>> from lib.data import DATA_DIR
    >>> frame = read_csv(DATA_DIR / "nasdaq.csv", column="Close", time="Date")
    >>> frame.shape, frame.index.name
    ((5031, 1), 'Date')
    """
    path = Path(path)
    if repeated not in ("refuse", "first"):
        raise ValueError(f"`repeated` must be 'refuse' or 'first'. Received: {repeated=}")
    table = read_table(path, sep)
    if len(table) < min_rows:
        refuse(path, f"have at least {min_rows} rows of data", f"{len(table)}")
    names = _choose(table, column, time, path)
    frame = pd.DataFrame({name: _numbers(table[name], path, allow_missing) for name in names})
    frame.index.name = "step"
    if time is not None:
        if repeated == "first":
            table = table[~table[time].duplicated()]
            frame = frame.loc[table.index]
        frame.index = time_index(table[time], path, day_first)
        _check_gaps(frame.index, path, max_gap)
    frame.attrs = {"name": path.stem, "title": path.name, "rows": len(frame), "unit": ""}
    return frame


def _choose(table, column, time, path):
    """Return the names of the columns to read, all of which exist."""
    names = [column] if isinstance(column, str) else list(column or [])
    for name in [*names, *([] if time is None else [time])]:
        if name not in table.columns:
            have = ", ".join(map(repr, table.columns))
            refuse(path, f"have a column {name!r}", have, did_you_mean(name, table.columns))
    if column is None:
        # pandas calls a column without a name "Unnamed: 0"; it is a count of rows, not a sensor.
        rest = [name for name in table if name != time and not name.startswith("Unnamed: ")]
        names = [name for name in rest if _is_numeric(table[name])]
    if not names:
        refuse(path, "have a column of numbers to read", f"{column=}")
    return names


def _is_numeric(values):
    """Tell whether most filled cells are numbers; a few texts among them are errors to report."""
    filled = values.dropna()
    return not filled.empty and pd.to_numeric(filled, errors="coerce").notna().mean() >= 0.5


def _refuse_rows(bad, values, path, rule):
    """Raise an error about the first of the rows marked in `bad`, if there are any."""
    bad = np.asarray(bad)
    if bad.any():
        first, more = int(bad.argmax()), int(bad.sum()) - 1
        also = f" and in {more} more" if more else ""
        # The index counts lines of the file, also where rows have been left out.
        what = f"{_show(values.iloc[first])} in line {values.index[first] + 2}{also}"
        refuse(f"{path}: column {values.name!r}", rule, what)


def _show(cell):
    """Return a cell as it stands in the file, in quotes if it is text."""
    return repr(cell) if isinstance(cell, str) else str(cell)


def _numbers(values, path, allow_missing):
    """Return a column as float64, sure to be finite and not constant."""
    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    text = numbers.isna() & values.notna()
    _refuse_rows(text, values, path, "hold numbers, with a decimal point")
    if not allow_missing:
        _refuse_rows(numbers.isna(), numbers, path, "have a number in each line")
    _refuse_rows(np.isinf(numbers), numbers, path, "hold finite numbers")
    if numbers.nunique() < 2:
        what = f"{_show(values.iloc[0])} in every line"
        refuse(f"{path}: column {values.name!r}", "vary, or there is nothing to learn", what)
    return numbers


def time_index(values, path, day_first=False):
    """Return a column of dates as a DatetimeIndex that strictly increases.

    Parameters
    ----------
    values : pandas.Series
        The dates as text, shape (n_rows,).
    path : pathlib.Path
        The file they come from, for the error message.
    day_first : bool, default=False
        Read 01/02/2014 as 1 February.

    Returns
    -------
    pandas.DatetimeIndex
        Without time zone, in microseconds, named after the column.

    Raises
    ------
    DataError
        If a cell is not a date, or the dates are unsorted or repeated.

    Examples
    --------
    >>> time_index(pd.Series(["02-Jan-86", "03-Jan-86"]), "a.csv").year.tolist()
    [1986, 1986]
    """
    times = _parse_times(values.astype("str"), day_first)
    _refuse_rows(times.isna(), values, path, "hold dates in one format (see also `day_first`)")
    step = times.diff()
    rule = "hold times in order, oldest first (see also `day_first`)"
    _refuse_rows(step < pd.Timedelta(0), values, path, rule)
    _refuse_rows(step == pd.Timedelta(0), values, path, "hold each time only once")
    # One resolution, whichever this version of pandas would have chosen.
    return pd.DatetimeIndex(times, name=values.name).as_unit("us")


def _parse_times(text, day_first):
    """Parse dates in the one format that leaves the fewest of them unread."""
    best = pd.Series(pd.NaT, index=text.index)
    # Left to itself, pandas would guess the century of "02-Jan-86" from today's date.
    for form in ("ISO8601", "%d-%b-%y", None):
        options = {"format": form, "dayfirst": day_first, "utc": True, "errors": "coerce"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", message="Could not infer format")
            try:
                times = pd.to_datetime(text, **options)
            except UserWarning:
                continue
        if times.count() > best.count():
            best = times.dt.tz_localize(None)
    return best


def _check_gaps(index, path, max_gap):
    """Check that no step in time is much longer than the usual one."""
    step = index.to_series().diff()
    longest, median = step.max(), step.median()
    if max_gap is not None and longest > max_gap * median:
        rule = f"have no gap, that is no step over {max_gap} times its median of {median}"
        what = f"a step of {longest} up to {step.idxmax()}"
        refuse(path, rule, what, " Pass max_gap=None if that is as it should be.")
