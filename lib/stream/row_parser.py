"""A table that arrives piece by piece: bytes -> lines -> rows, and one word for what is no row.

Nothing here knows how a file ends or begins anew; `source` does. A line is held as a whole only
up to `MAX_BYTES`, whatever is sent.
"""

import contextlib
import csv
import datetime
import math
import re

from lib.data.reading import MISSING
from lib.errors import ParameterError, did_you_mean

MAX_BYTES = 1 << 16  # of a line: a thousand sensors fit
LARGEST = 1e100  # no reading of any sensor; scaled and squared it would still be a number
EARLIEST = datetime.datetime(1700, 1, 1)  # what every version of pandas can hold as a time
UNIX = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # parts of a second
DIGITS = {10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # times without a sign
SIGNS = (None, *",. '_\u00a0\u202f")  # between thousands
SHOWN = 60  # characters of a bad cell that a report repeats

# Why a line is no row, and for whom it may be looked up.
REASONS = {
    "empty": "nothing stands in it",
    "too_long": f"longer than {MAX_BYTES:,} bytes",
    "zero_byte": "a zero byte, as in binary files",
    "not_utf8": "no UTF-8 text",
    "columns": "not one cell under each name of the header, or a quote that is never closed",
    "header": "the header once more",
    "comment": "a line above the header that begins with #",
    "time": "no time that can be read",
    "number": "a sensor's cell that is neither a finite number nor empty",
    "future": "a time that has not come yet",
    "late": "a time before that of the row before",
    "repeated": "the time of the row before",
    "truncated": "the input ends, or begins anew, within the line",
}


class BadLine(ValueError):
    """A line that is no row: `reason` is one of `REASONS`, the message what was seen."""

    def __init__(self, reason, seen=""):
        super().__init__(seen)
        self.reason = reason


class Lines:
    r"""Cut bytes into lines, as they come.

    Examples
    --------
    >>> lines = Lines()
    >>> list(lines.cut(b"a,b\n1,")), list(lines.cut(b"2\n"))
    ([(b'a,b', 4)], [(b'1,2', 4)])
    """

    def __init__(self):
        self._held, self._dropped = b"", 0

    @property
    def rest(self):
        """Bytes of a line that has not ended yet."""
        return self._dropped + len(self._held)

    @property
    def last(self):
        """That line so far; None if it is too long."""
        return None if self._dropped else self._held

    def cut(self, chunk):
        """Yield each line that ends in these bytes, and its size in bytes, line end included.

        A line over `MAX_BYTES` is None: it has been dropped as it came.
        """
        *ended, begun = chunk.split(b"\n")
        for piece in ended:
            self._hold(piece)
            line, size = self.last, self.rest + 1
            self._held, self._dropped = b"", 0
            yield line, size
        self._hold(begun)

    def _hold(self, piece):
        if self._dropped or len(self._held) + len(piece) > MAX_BYTES:
            self._dropped += len(self._held) + len(piece)
            self._held = b""
        else:
            self._held += piece


def cells(line, sep=","):
    r"""Return the cells of a line as texts.

    Parameters
    ----------
    line : bytes or None
        Without its line end; None if it was too long to be held.
    sep : str, default=","

    Returns
    -------
    list of str

    Raises
    ------
    BadLine
        If there is none.

    Examples
    --------
    >>> cells(b'2015-07-01 00:10:00, 4.5,"x"\r')
    ['2015-07-01 00:10:00', '4.5', 'x']
    """
    if line is None:
        raise BadLine("too_long")
    if b"\0" in line:
        raise BadLine("zero_byte")
    try:
        text = line.decode("utf-8").removeprefix("\ufeff").rstrip("\r")
    except UnicodeDecodeError as error:
        raise BadLine("not_utf8", f"byte {line[error.start]:#04x}") from error
    if not text.strip():
        raise BadLine("empty")
    if '"' not in text and "\r" not in text:  # much quicker, and the same
        return [cell.strip() for cell in text.split(sep)]
    try:
        (row,) = csv.reader([text], delimiter=sep, strict=True, skipinitialspace=True)
    except csv.Error as error:
        raise BadLine("columns", str(error)) from error
    return [cell.strip() for cell in row]


class RowReader:
    """Read rows under a header: the time of each, and the readings of the sensors.

    Parameters
    ----------
    sensors : list of str
        The columns of readings. Other columns may stand beside them.
    time : str, optional
        The column of times; by default the first. Date and time of day may stand in two:
        "Date,Time".
    time_format : str, optional
        As in `datetime.strptime`, or "unix", "s", "ms", "us", "ns" for Unix time; by default any
        form of ISO 8601, "2015-07-01 00:10:00", digits such as 201507010010, or Unix time, whose
        size tells the unit. Times with an offset such as +01:00 become UTC.
    sep : str, default=","
        Between columns; "tab" for a tab.
    decimal : {".", ","}
    thousands : str, optional
        Between thousands, such as "," in "1,234.5".
    missing : str, optional
        Cells that mean "no reading", besides empty ones, such as "?,-999".
    columns : str, optional
        The columns that hold the sensors, in this order, if the file has other names for them.
    names : str, optional
        The names of all columns of a file without a header.
    skip_rows : int, default=0
        The lines above the header.

    Examples
    --------
    >>> reader = RowReader(["wind"])
    >>> reader.begin(b"time,power,wind")
    True
    >>> reader.row(b"2015-07-01 00:10:00,310,")
    (datetime.datetime(2015, 7, 1, 0, 10), [nan])
    """

    def __init__(
        self, sensors, time=None, time_format=None, sep=",", *,
        decimal=".", thousands=None, missing=None, columns=None, names=None, skip_rows=0,
    ):  # fmt: skip
        sep = "\t" if sep == "tab" else sep
        if not isinstance(sep, str) or len(sep) != 1 or not sep.isascii() or sep in '"\r\n':
            raise ParameterError(
                f"`sep` must be one character, no quote or line end. Received: sep={sep!r}"
            )
        if decimal not in (".", ",") or thousands not in SIGNS or thousands == decimal:
            raise ParameterError(
                f"`decimal` must be '.' or ',', and `thousands` another sign of , . ' _ or a "
                f"blank. Received: {decimal=}, {thousands=}"
            )
        self.time, self.sep, self.skip_rows = _listed(time), sep, skip_rows
        self.time_format = _checked_format(time_format)
        self.sensors = _listed(columns) or list(sensors)
        if len(self.sensors) != len(sensors):
            raise ParameterError(
                f"`columns` must name one column for each of {', '.join(sensors)}. "
                f"Received: {columns!r}"
            )
        self.missing = MISSING | {mark.lower() for mark in _listed(missing)}
        self._absent = {x for x in map(_float, self.missing) if math.isfinite(x)}
        self.decimal, self.thousands, self._number = decimal, thousands, None
        if decimal != "." or thousands:
            part = rf"\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|" if thousands else ""
            number = rf"[-+]?(?:(?:{part}\d+)(?:\{decimal}\d*)?|\{decimal}\d+)(?:[eE][-+]?\d+)?"
            self._number = re.compile(number)
        self._is_plain = not (self._number or self._absent)  # most cells are what `float` reads
        self.header = None
        if names:
            self.use(_listed(names))

    def begin(self, line):
        """Take the first line of a file as its header; False if it is a row under the known one.

        Raises
        ------
        BadLine
            If the line is empty, or a comment: the header may follow.
        ParameterError
            If no header is known, and this is none.
        """
        known = self.header is not None
        try:
            names = cells(line, self.sep)
        except BadLine as error:
            if known or error.reason == "empty":
                raise
            if line and line.startswith(b"#"):
                raise BadLine("comment") from error
            reason = f"{error.reason} {error}".strip()
            raise ParameterError(
                f"The input must begin with a header. Received: {reason}"
            ) from error
        if known and self._missing(names):
            return False
        if line.startswith(b"#") and self._missing(names):
            raise BadLine("comment")
        self.use(names)
        return True

    def use(self, header):
        """Read by this header, a list of names, from now on.

        Raises
        ------
        ParameterError
            If a column is not there, or twice.
        """
        missing = self._missing(header)
        if missing:
            raise ParameterError(
                f"The header must have, once each, the columns {', '.join(map(repr, missing))}. "
                f"Received: {', '.join(map(repr, header))[:500]}.{did_you_mean(missing[0], header)}"
            )
        self.header = list(header)
        self._time_at = [self.header.index(name) for name in self.time] or [0]
        self._sensors_at = [self.header.index(name) for name in self.sensors]

    def row(self, line):
        """Return the time of a line and the readings of its sensors, NaN where one is missing.

        Raises
        ------
        BadLine
            If it is no row.
        """
        row = cells(line, self.sep)
        if row == self.header:
            raise BadLine("header")
        if len(row) != len(self.header):
            raise BadLine("columns", f"{len(row)} cells under {len(self.header)} names")
        time = self._read_time(" ".join(row[at] for at in self._time_at))
        if self._is_plain and b"_" not in line:
            with contextlib.suppress(ValueError):
                values = [float(row[at]) for at in self._sensors_at]
                if min(values) >= -LARGEST and max(values) <= LARGEST:
                    return time, values
        return time, [self._read_number(row[at], at) for at in self._sensors_at]

    def _missing(self, names):
        return [name for name in (*self.time, *self.sensors) if names.count(name) != 1]

    def _read_time(self, cell):
        try:
            if self.time_format in ("unix", *UNIX):
                time = _unix(cell, self.time_format)
            elif self.time_format:
                time = datetime.datetime.strptime(cell, self.time_format)
            elif len(cell) > 8 and cell.replace(".", "", 1).isdigit():
                time = _of_digits(cell)
            else:
                time = datetime.datetime.fromisoformat(cell)
            if time.tzinfo:
                time = time.astimezone(datetime.UTC).replace(tzinfo=None)
        except (ValueError, OverflowError) as error:
            raise BadLine("time", repr(cell[:SHOWN])) from error
        if time < EARLIEST:
            raise BadLine("time", repr(cell[:SHOWN]))
        return time

    def _read_number(self, cell, at):
        """Return a reading; Python's own extras, such as 1_000, are no numbers to anybody else."""
        if cell.lower() in self.missing:
            return math.nan
        plain = cell
        if self._number:
            plain = cell if self._number.fullmatch(cell) else "_"
            plain = plain.replace(self.thousands or "_", "").replace(self.decimal, ".")
        number = _float(plain)
        if not abs(number) <= LARGEST:
            raise BadLine("number", f"{cell[:SHOWN]!r} in column {self.header[at]!r}")
        return math.nan if number in self._absent else number


def _listed(names):
    return [name.strip() for name in names.split(",") if name.strip()] if names else []


def _float(cell):
    try:
        return float(cell) if "_" not in cell and cell.isascii() else math.inf
    except ValueError:
        return math.inf


def _checked_format(form):
    if form and form not in ("unix", *UNIX) and "%" not in form:
        raise ParameterError(
            f"`time_format` must be a format such as '%d/%m/%Y %H:%M', or one of "
            f"{', '.join(('unix', *UNIX))}. Received: time_format={form!r}"
        )
    return form


def _of_digits(cell):
    """Read a date without signs, such as 201507010010, or else a Unix time."""
    if len(cell) in DIGITS and cell[:2] in ("19", "20"):
        with contextlib.suppress(ValueError):
            return datetime.datetime.strptime(cell, DIGITS[len(cell)])
    return _unix(cell, "unix")


def _unix(cell, unit):
    """Read a Unix time; its size tells the unit of times between 1973 and 2286."""
    number = int(cell[:30]) if cell.isdigit() else float(cell)  # exact beyond 2 ** 53
    if unit == "unix":
        unit = next((name for name, parts in UNIX.items() if 1e8 <= number / parts < 1e10), None)
    if unit is None or not abs(number / UNIX[unit]) < 1e10:
        raise ValueError("no Unix time")
    micro = (
        number * 10**6 / UNIX[unit] if isinstance(number, float) else number * 10**6 // UNIX[unit]
    )
    return datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=micro)
