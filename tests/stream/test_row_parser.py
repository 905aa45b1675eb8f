"""Bytes -> lines -> rows: whatever arrives is a row, or a bad line with a reason."""

import datetime
import math
import tracemalloc

import pytest

from lib.errors import ParameterError
from lib.stream.row_parser import MAX_BYTES, REASONS, BadLine, Lines, RowReader, cells

TEN_PAST = datetime.datetime(2015, 7, 1, 0, 10)


@pytest.fixture
def reader():
    reader = RowReader(["level", "wind"])
    assert reader.begin(b"time,wind,note,level")
    return reader


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_are_the_same_however_they_are_cut(size):
    text = b"time,a\n\n2015,1\r\n" + b"x" * 300 + b"\nlast"
    lines, found = Lines(), []
    for start in range(0, len(text), size):
        found += lines.cut(text[start : start + size])
    assert [line for line, _ in found] == text.split(b"\n")[:-1]
    assert sum(size for _, size in found) + lines.rest == len(text)
    assert lines.rest == len(b"last")


@pytest.mark.parametrize("size", [MAX_BYTES, MAX_BYTES + 1, 10_000_000])
def test_a_long_line_is_dropped_as_it_comes(size):
    lines, found, piece = Lines(), [], b"x" * 8000
    tracemalloc.start()
    found += lines.cut(b"before\n")
    for start in range(0, size, len(piece)):
        found += lines.cut(piece[: size - start])
    found += lines.cut(b"\nafter\n")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    middle = b"x" * size if size <= MAX_BYTES else None
    assert found == [(b"before", 7), (middle, size + 1), (b"after", 6)]
    assert peak < 10 * MAX_BYTES


def test_a_row_is_found_under_the_header_by_name(reader):
    assert reader.row(b"2015-07-01 00:10:00,4.5,ok,-1") == (TEN_PAST, [-1.0, 4.5])
    assert reader.row(b'"2015-07-01T00:10", 4.5 ,"a, b",-1e0\r') == (TEN_PAST, [-1.0, 4.5])


@pytest.mark.parametrize("text", [b"", b" ", b"nan", b"NaN", b"NA", b"null"])
def test_an_empty_cell_is_a_missing_reading(reader, text):
    _, (level, wind) = reader.row(b"2015-07-01 00:10:00,4.5,," + text)
    assert math.isnan(level)
    assert wind == 4.5


def test_times_with_an_offset_become_utc(reader):
    assert reader.row(b"2015-07-01T02:10:00+02:00,1,,1")[0] == TEN_PAST
    assert reader.row(b"2015-07-01T00:10:00Z,1,,1")[0] == TEN_PAST


GOOD = b"2015-07-01 00:10:00,1,,1"


@pytest.mark.parametrize(
    ("line", "reason", "seen"),
    [
        (b"", "empty", ""),
        (b"  \r", "empty", ""),
        (None, "too_long", ""),
        (GOOD[:9], "columns", "1 cells under 4 names"),
        (GOOD[:-4], "columns", "2 cells"),
        (GOOD + b",1", "columns", "5 cells"),
        (b'2015-07-01 00:10:00,1,"open,1', "columns", "unexpected end"),
        (GOOD + b"\r,", "columns", "new-line"),
        (b"time,wind,note,level", "header", ""),
        (GOOD + b"\0", "zero_byte", ""),
        (b"\xff\xfet\0", "zero_byte", ""),
        (GOOD + b"\xe9", "not_utf8", "0xe9"),
        (b"yesterday,1,,1", "time", "yesterday"),
        (b",1,,1", "time", "''"),
        (b"2015-02-30,1,,1", "time", "2015-02-30"),
        (b"0001-01-01 00:00:00+02:00,1,,1", "time", "0001"),
        (b"1066-10-14,1,,1", "time", "1066"),
        (b"2015-07-01 00:10:00,x,,1", "number", "'x' in column 'wind'"),
        (b"2015-07-01 00:10:00,1_0,,1", "number", "1_0"),
        (b"2015-07-01 00:10:00,inf,,1", "number", "inf"),
        (b"2015-07-01 00:10:00,1e999,,1", "number", "1e999"),
        (b"2015-07-01 00:10:00,1e200,,1", "number", "1e200"),
        (b'2015-07-01 00:10:00,"1,5",,1', "number", "1,5"),
        (b"2015-07-01 00:10:00," + b"9" * 5000 + b"x,,1", "number", "999"),
    ],
)
def test_a_bad_line_has_its_reason(reader, line, reason, seen):
    assert reason in REASONS
    with pytest.raises(BadLine) as caught:
        reader.row(line)
    assert caught.value.reason == reason
    assert seen in str(caught.value)
    assert len(str(caught.value)) < 200
    assert reader.row(GOOD) == (TEN_PAST, [1.0, 1.0])


def test_other_separators_columns_and_forms_of_time():
    reader = RowReader(["level"], time="when", time_format="%d.%m.%Y %H:%M", separator=";")
    assert reader.begin("\ufefflevel;when".encode())
    assert reader.row(b"1;01.07.2015 00:10") == (TEN_PAST, [1.0])
    with pytest.raises(BadLine, match="2015-07-01"):
        reader.row(b"1;2015-07-01 00:10")


def test_a_header_may_be_preceded_by_empty_lines():
    reader = RowReader(["level"])
    with pytest.raises(BadLine) as caught:
        reader.begin(b"")
    assert caught.value.reason == "empty"
    assert reader.begin(b"time,level")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"time,lvel", "must have, once each, the columns 'level'. Received: 'time', 'lvel'. Did"),
        (b"time,level,level", "once each, the columns 'level'"),
        (b"time;level", "Received: 'time;level'"),
        (b"PK\x03\x04\0", "must begin with a header. Received: zero_byte"),
        (None, "must begin with a header. Received: too_long"),
    ],
)
def test_without_a_header_there_is_nothing_to_read(line, message):
    with pytest.raises(ParameterError, match=message.replace(".", r"\.")):
        RowReader(["level"]).begin(line)


def test_a_file_that_begins_anew_may_have_another_header_or_none(reader):
    assert reader.begin(b"time,level,wind")
    assert reader.row(b"2015-07-01 00:10:00,1,2") == (TEN_PAST, [1.0, 2.0])
    assert not reader.begin(b"2015-07-01 00:10:00,1,2")
    assert reader.header == ["time", "level", "wind"]
    with pytest.raises(BadLine):
        reader.begin(b"\0")


@pytest.mark.parametrize("sep", ["", ",,", None, 1, '"', "\n"])
def test_a_separator_is_one_character(sep):
    with pytest.raises(ParameterError, match="`separator` must be one character"):
        RowReader(["level"], separator=sep)


def test_cells_are_stripped():
    assert cells(b" a , b") == ["a", "b"]
