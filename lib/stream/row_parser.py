"""A table that arrives piece by piece: bytes -> lines -> rows, and one word for what is no row.

Nothing here knows how a file ends or begins anew; `following` does. A line is held as a whole only
up to `MAX_BYTES`, whatever is sent.
"""

import csv
import datetime
import math

from lib.errors import ParameterError, did_you_mean

MAX_BYTES = 1 << 16  # of a line: a thousand sensors fit
LARGEST = 1e100  # no reading of any sensor; scaled and squared it would still be a number
EARLIEST = datetime.datetime(1700, 1, 1)  # what every version of pandas can hold as a time
MISSING = {"", "na", "nan", "null"}
SHOWN = 60  # characters of a bad cell that a report repeats

# Why a line is no row, and for whom it may be looked up.
REASONS = {
    "empty": "nothing stands in it",
    "too_long": f"longer than {MAX_BYTES:,} bytes",
    "zero_byte": "a zero byte, as in binary files",
    "not_utf8": "no UTF-8 text",
    "columns": "not one cell under each name of the header, or a quote that is never closed",
    "header": "the header once more",
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

    def cut(self, chunk):
        """Yield each line that ends in these bytes, and its size in bytes, line end included.

        A line over `MAX_BYTES` is None: it has been dropped as it came.
        """
        *ended, begun = chunk.split(b"\n")
        for piece in ended:
            self._hold(piece)
            line, size = None if self._dropped else self._held, self.rest + 1
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
        The column of times; by default the first.
    time_format : str, optional
        As in `datetime.strptime`; by default any form of ISO 8601, "2015-07-01 00:10:00". Times
        with an offset such as +01:00 become UTC.
    sep : str, default=","

    Examples
    --------
    >>> reader = RowReader(["wind"])
    >>> reader.begin(b"time,power,wind")
    True
    >>> reader.row(b"2015-07-01 00:10:00,310,")
    (datetime.datetime(2015, 7, 1, 0, 10), [nan])
    """

    def __init__(self, sensors, time=None, time_format=None, sep=","):
        if not isinstance(sep, str) or len(sep) != 1 or sep in '"\r\n':
            raise ParameterError(
                f"`sep` must be one character, no quote or line end. Received: sep={sep!r}"
            )
        self.sensors, self.time, self.time_format, self.sep = list(sensors), time, time_format, sep
        self.header = None

    def begin(self, line):
        """Take the first line of a file as its header; False if it is a row under the known one.

        Raises
        ------
        BadLine
            If the line is empty: the header may follow.
        ParameterError
            If no header is known, and this is none.
        """
        known = self.header is not None
        try:
            names = cells(line, self.sep)
        except BadLine as error:
            if known or error.reason == "empty":
                raise
            reason = f"{error.reason} {error}".strip()
            raise ParameterError(
                f"The input must begin with a header. Received: {reason}"
            ) from error
        if known and self._missing(names):
            return False
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
        self._time_at = self.header.index(self.time) if self.time else 0
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
        time = self._read_time(row[self._time_at])
        places = zip(self.sensors, self._sensors_at, strict=True)
        return time, [_number(name, row[at]) for name, at in places]

    def _missing(self, names):
        wanted = [*([self.time] if self.time else []), *self.sensors]
        return [name for name in wanted if names.count(name) != 1]

    def _read_time(self, cell):
        try:
            if self.time_format:
                time = datetime.datetime.strptime(cell, self.time_format)
            else:
                time = datetime.datetime.fromisoformat(cell)
            if time.tzinfo:
                time = time.astimezone(datetime.UTC).replace(tzinfo=None)
        except (ValueError, OverflowError) as error:
            raise BadLine("time", repr(cell[:SHOWN])) from error
        if time < EARLIEST:
            raise BadLine("time", repr(cell[:SHOWN]))
        return time


def _number(name, cell):
    """Return a reading; Python's own extras, such as 1_000, are no numbers to anybody else."""
    if cell.lower() in MISSING:
        return math.nan
    try:
        number = math.inf if "_" in cell else float(cell)
    except ValueError:
        number = math.inf
    if not abs(number) <= LARGEST:
        raise BadLine("number", f"{cell[:SHOWN]!r} in column {name!r}")
    return number
