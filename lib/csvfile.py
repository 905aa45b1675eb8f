"""From a CSV file to its cells; what is no such file is refused early and in one sentence."""

import bz2
import difflib
import io
import warnings

import pandas as pd

MAX_BYTES = 500_000_000  # about 20 million rows of one sensor
HEAD_BYTES = 1 << 20  # enough to tell lines of text from nonsense before reading the rest


class DataError(ValueError):
    """A file that cannot serve as a time series; the message says why in one sentence."""


def refuse(what, rule, received, hint=""):
    """Raise a DataError in the form that all of them share.

    Examples
    --------
    >>> refuse("a.csv", "have at least 2 rows", 1)
    Traceback (most recent call last):
    lib.csvfile.DataError: a.csv must have at least 2 rows. Received: 1.
    """
    raise DataError(f"{what} must {rule}. Received: {received}.{hint}")


def did_you_mean(word, options):
    """Return " Did you mean 'x'?" for the option nearest to `word`, or an empty string.

    Examples
    --------
    >>> did_you_mean("sp50", ["sp500", "nasdaq"])
    " Did you mean 'sp500'?"
    """
    near = difflib.get_close_matches(str(word), [str(option) for option in options], n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


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
