"""A table that arrives piece by piece: bytes, then lines, then rows; or why a line is not one.

Nothing here knows how a file ends or begins anew; `source` does. A line is held as a whole only
up to `MAX_BYTES`, whatever is sent.
"""

import codecs
import contextlib
import csv
import math
import operator
import re

from lib.data import cells as meaning
from lib.data.cells import LARGEST, listed
from lib.data.times import YEARS, check_time_format, read_time
from lib.errors import ParameterError, choice, did_you_mean

MAX_BYTES = 1 << 16  # of a line: a thousand sensors fit
SHOWN = 60  # characters of a bad cell that a report repeats
EXCEL = re.compile(rb'"?sep=."?\s*')  # a line for Excel above the header

# Why a line is malformed: the word that records hold, and its explanation.
REASONS = {
    "empty": "nothing stands in it",
    "too_long": f"longer than {MAX_BYTES:,} bytes",
    "zero_byte": "a zero byte, as in binary files",
    "not_utf8": "no UTF-8 text",
    "columns": "not one cell under each name of the header, or a quote that is never closed",
    "header": "the header once more",
    "comment": "a line that begins with #, or above the header with sep=",
    "time": "no time that can be read",
    "number": "a sensor's cell that is neither a finite number nor empty",
    "future": "a time that has not come yet",
    "late": "a time before that of the row before",
    "repeated": "the time of the row before",
    "truncated": "the input ends, or begins anew, within the line",
}


class BadLine(ValueError):
    """A malformed line: `reason` is one of `REASONS`, the message what was seen."""

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

        A line over `MAX_BYTES` is None: its bytes were dropped while they were read.
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


def cells(line, sep=",", encoding="utf-8"):
    r"""Return the cells of a line as texts, or raise a BadLine.

    The line is bytes without a line end, or None if it was too long to be held; `encoding` is
    tried if the line is not UTF-8.

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
        text = _decoded(line, encoding).removeprefix("\ufeff").rstrip("\r")
    except UnicodeDecodeError as error:
        raise BadLine("not_utf8", f"byte {line[error.start]:#04x}") from error
    if not text.strip():
        raise BadLine("empty")
    if '"' not in text and "\r" not in text:  # much quicker, and the same
        return [cell.strip() for cell in (text.split() if sep == " " else text.split(sep))]
    try:
        (row,) = csv.reader([text], delimiter=sep, strict=True, skipinitialspace=True)
    except csv.Error as error:
        raise BadLine("columns", str(error)) from error
    return [cell.strip() for cell in row]


def _decoded(line, encoding):
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        if encoding == "utf-8":
            raise
        return line.decode(encoding)


class RowReader:
    """Read rows under a header: the time of each, and the readings of the sensors.

    `time`, `separator`, `decimal`, `thousands`, `missing`, `names`, `skip_rows`, `tag` and `value`
    are those of `lib.data.read_csv`, `header`, `short` and `encoding` what it found in a file.

    Parameters
    ----------
    sensors : list of str
        The columns of readings. Other columns may stand beside them.
    time : str or list of str, optional
        By default the first column.
    time_format : str or list of str, optional
        As `lib.data.times.read_time` takes it; by default any form of ISO 8601, digits such as
        201507010010, or Unix time, whose size tells the unit. "step" counts rows instead.
    columns : str or list of str, optional
        The columns that hold the sensors, in this order, if the file has other names for them.
    header : list of list of str, optional
        The cells of the header rows that stand for `names`.
    where : list of (str, str), optional
        Columns and their cells: rows with others there are left out.
    short : bool
        Cells may be missing at the end of a row.
    encoding : {"utf-8", "cp1252"}
        Of text that is not UTF-8, if that is not an error.

    Raises
    ------
    ParameterError
        If one is of no use.

    Examples
    --------
    >>> reader = RowReader(["wind"])
    >>> reader.begin(b"time,power,wind")
    True
    >>> reader.row(b"2015-07-01 00:10:00,310,")
    (datetime.datetime(2015, 7, 1, 0, 10), [nan])
    """

    def __init__(
        self,
        sensors,
        time=None,
        time_format=None,
        separator=",",
        *,
        decimal=".",
        thousands=None,
        missing=None,
        columns=None,
        names=None,
        header=(),
        skip_rows=0,
        where=(),
        short=False,
        encoding="utf-8",
        tag=None,
        value=None,
    ):
        try:
            self.sep = meaning.checked_separator(separator)
            choice("encoding", encoding, ("utf-8", "cp1252"))
            decimal, thousands = meaning.checked_signs(decimal, thousands)
            if isinstance(time_format, str) and time_format not in ("step", "ISO8601"):
                check_time_format(time_format)
        except ValueError as error:
            raise ParameterError(str(error)) from error
        self.time, self.time_format = listed(time), time_format
        self.short, self.encoding = bool(short), encoding
        self.tag, self.value = tag or None, value
        if self.tag and not value:
            raise ParameterError(f"`value` must name a column where `tag` does. Received: {tag=}")
        self.skip_rows, self._where = operator.index(skip_rows), [(a, b) for a, b in where]
        self.sensors = listed(columns) or list(sensors)
        if len(self.sensors) != len(sensors):
            raise ParameterError(
                f"`columns` must name one column for each of {', '.join(sensors)}. "
                f"Received: {columns!r}"
            )
        self.missing = {*meaning.MISSING, *listed(missing)}
        self._absent = meaning.numbers_of(self.missing)
        self.decimal, self.thousands = decimal, thousands
        self._number = re.compile(meaning.number_pattern(decimal, thousands))
        # Most cells are what `float` reads.
        self._is_plain = decimal == "." and not thousands and not self._absent
        self.header_rows, self._names, self.header = [list(row) for row in header], names, None
        if names and not header:
            self.use(listed(names))

    def begin(self, line):
        """Take the first line of a file as its header; False if it is a row under the known one.

        Where the header has several rows, each of them is taken so.

        Raises
        ------
        BadLine
            If the line is empty, or a comment: the header may follow.
        ParameterError
            If no header is known, and this is none.
        """
        line = line and line.removeprefix(codecs.BOM_UTF8)
        known, is_comment = self.header is not None, bool(line) and line.startswith(b"#")
        try:
            if line and EXCEL.fullmatch(line):
                raise BadLine("comment")
            names = cells(line, self.sep, self.encoding)
            bare = cells(line.lstrip(b'#" '), self.sep, self.encoding) if is_comment else names
        except BadLine as error:
            if known or error.reason in ("empty", "comment"):
                raise
            if is_comment:
                raise BadLine("comment") from error
            more = " Save it as CSV in UTF-8." if error.reason in ("zero_byte", "not_utf8") else ""
            raise ParameterError(
                "The input must begin with a header. "
                f"Received: {f'{error.reason} {error}'.strip()}.{more}"
            ) from error
        if bare in self.header_rows:
            self.use(self._names)
            return True
        if known and self._missing(names):
            return False
        if is_comment and self._missing(names):
            raise BadLine("comment")
        self.use(names)
        return True

    def use(self, header):
        """Read by this header, a list of names; a ParameterError if a column is not there once."""
        missing = self._missing(header)
        if missing:
            other = max(";\t|,", key=header[0].count) if len(header) == 1 else ""
            more = f" Pass --separator {other!r}." if other and other in header[0] else ""
            raise ParameterError(
                f"The header must have, once each, the columns {', '.join(map(repr, missing))}. "
                f"Received: {', '.join(map(repr, header))[:500]}."
                f"{more or did_you_mean(missing[0], header)}"
            )
        self.header = list(header)
        self._time_at = [self.header.index(name) for name in self.time] or [0]
        if self.tag:
            self._tag_at, self._value_at = map(self.header.index, (self.tag, self.value))
        else:
            self._sensors_at = [self.header.index(name) for name in self.sensors]
        self._where_at = [(self.header.index(name), cell) for name, cell in self._where]

    def row(self, line):
        """Return the time of a line and the readings of its sensors, NaN where one is missing.

        Returns
        -------
        (datetime.datetime, list of float) or None
            None for a row that `where` leaves out, or of a sensor that is not asked for; no time
            where rows are counted. In long format None stands for the other sensors.

        Raises
        ------
        BadLine
            If it is malformed.
        """
        row = cells(line, self.sep, self.encoding)
        if row == self.header or row in self.header_rows:
            raise BadLine("header")
        while len(row) > len(self.header) and not row[-1]:  # separators at the end
            row.pop()
        if self.short and len(row) > 1:
            row += [""] * (len(self.header) - len(row))
        if len(row) != len(self.header):
            raise BadLine("columns", f"{len(row)} cells under {len(self.header)} names")
        if self._where_at and any(row[at] != cell for at, cell in self._where_at):
            return None
        try:
            time = self._read_time([row[at] for at in self._time_at])
        except BadLine as error:
            raise (BadLine("comment") if line.startswith(b"#") else error) from None
        if self.tag:
            name = row[self._tag_at]
            if name not in self.sensors:
                return None
            reading = self._read_number(row[self._value_at], self._value_at)
            return time, [reading if one == name else None for one in self.sensors]
        if self._is_plain and b"_" not in line and line.isascii():
            with contextlib.suppress(ValueError):
                values = [float(row[at]) for at in self._sensors_at]
                if min(values) >= -LARGEST and max(values) <= LARGEST:
                    return time, values
        return time, [self._read_number(row[at], at) for at in self._sensors_at]

    def _missing(self, names):
        sensors = [self.tag, self.value] if self.tag else self.sensors
        needed = [*self.time, *sensors, *(name for name, _ in self._where)]
        return [name for name in needed if names.count(name) != 1]

    def _read_time(self, parts):
        if self.time_format == "step":
            return None
        cell = " ".join(parts)
        if (self.decimal != "." or self.thousands) and self._number.fullmatch(cell):
            cell = meaning.plain(cell, self.decimal, self.thousands)  # a counter such as 0,1
        with contextlib.suppress(ValueError, OverflowError):
            time = read_time(cell, self.time_format) if all(parts) else None
            if time and time.year >= YEARS[0]:
                return time
        raise BadLine("time", repr(cell[:SHOWN]))

    def _read_number(self, cell, at):
        """Return a reading; Python's own extras, such as 1_000, are not numbers."""
        if cell in self.missing:
            return math.nan
        number, bare = math.inf, meaning.bare(cell)
        if cell.lower() in meaning.TRUTH:
            number = meaning.TRUTH[cell.lower()]
        elif self._number.fullmatch(bare):
            number = float(meaning.plain(bare, self.decimal, self.thousands))
        if not abs(number) <= LARGEST:
            raise BadLine("number", f"{cell[:SHOWN]!r} in column {self.header[at]!r}")
        return math.nan if number in self._absent else number
