"""From a CSV file to a clean time series, or to one sentence that says what is wrong with it."""

import bz2
import io
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from lib.errors import DataError, did_you_mean

MAX_BYTES = 500_000_000  # about 20 million rows of one sensor
HEAD_BYTES = 1 << 20  # enough to tell lines of text from nonsense before reading the rest


def refuse(what, rule, received, hint=""):
    """Raise a DataError in the form that all of them share.

    Examples
    --------
    >>> refuse("a.csv", "have at least 2 rows", 1)
    Traceback (most recent call last):
    lib.errors.DataError: a.csv must have at least 2 rows. Received: 1.
    """
    raise DataError(f"{what} must {rule}. Received: {received}.{hint}")


def read_table(path, sep=","):
    """Read the cells of a CSV file, plain or compressed as .bz2.

    Parameters
    ----------
    path : pathlib.Path
        A UTF-8 text file with a header line.
    sep : str, default=","
        The one character between columns.

    Returns
    -------
    pandas.DataFrame
        The cells of shape (n_rows, n_columns), numbers where a column holds nothing else.
        Row i stands in line i + 2 of the file.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        If `path` cannot be opened as a file.
    DataError
        If it is too large, no UTF-8 text, empty, or no table with this separator.
    """
    if not isinstance(sep, str) or len(sep) != 1:
        raise ValueError(f"`sep` must be one character. Received: sep={sep!r}.")
    _check_path(path)
    data = _read_bytes(path)
    _check_text(data, path)
    data = data.rstrip()
    header = data.split(b"\n", 1)[0].decode("utf-8-sig")
    other = max(";\t|,", key=header.count)
    if sep not in header and other in header:
        refuse(path, f"be separated by {sep!r}", f"a header with {other!r}; pass sep={other!r}")
    table = _parse(data, path, sep)
    if table.empty:
        refuse(path, "have rows of data", "a header line only")
    return table


def _check_path(path):
    """Check all that can be known without opening the file."""
    if not path.exists():
        near = did_you_mean(path.name, [other.name for other in path.parent.glob("*.csv")])
        raise FileNotFoundError(f"{path} does not exist.{near}")
    if path.is_dir():
        raise IsADirectoryError(f"{path} must be a CSV file. Received: a folder.")
    if not path.is_file():
        refuse(path, "be a plain file", "a device or a pipe")
    if path.stat().st_size > MAX_BYTES:
        refuse(path, f"have at most {MAX_BYTES:,} bytes", f"{path.stat().st_size:,} bytes")


def _read_bytes(path):
    """Return the content, or only its head where that already shows that it is not text."""
    opener = bz2.open if path.suffix == ".bz2" else open
    with opener(path, "rb") as file:
        head = file.read(HEAD_BYTES)
        if len(head) == HEAD_BYTES and b"\n" not in head:
            refuse(path, "consist of lines", f"no line end in the first {HEAD_BYTES:,} bytes")
        data = head if b"\0" in head else head + file.read(MAX_BYTES)
    if len(data) > MAX_BYTES:
        refuse(path, f"have at most {MAX_BYTES:,} bytes", "more when unpacked")
    return data


def _check_text(data, path):
    """Check that the content is UTF-8 text, and not nothing."""
    rule = "be UTF-8 text"
    if b"\0" in data:
        what = f"a zero byte at position {data.index(0):,}, as in binary files and in UTF-16"
        refuse(path, rule, what, " Save it as CSV in UTF-8.")
    if not data.strip():
        refuse(path, "have a header line and rows", "an empty file")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        hint = " Save it as CSV in UTF-8, or use `iconv -f WINDOWS-1252 -t UTF-8`."
        refuse(path, rule, f"byte {data[error.start]:#04x} in line {line}", hint)


def _parse(data, path, sep):
    """Let pandas read the cells, and take its warnings for what they are."""
    bad_shape = pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError
    try:
        with warnings.catch_warnings():
            # Too many cells in every line are only a warning to pandas, which then drops them.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                io.BytesIO(data),
                sep=sep,
                encoding="utf-8-sig",
                index_col=False,
                low_memory=False,
                skip_blank_lines=False,
                skipinitialspace=True,
            )
    except bad_shape as error:
        reason = str(error).strip().rpartition("error: ")[2].rstrip(".")
        refuse(path, "have one cell under each name of the header line", reason)


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
    >>> from lib.data.catalogue import DATA_DIR
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
