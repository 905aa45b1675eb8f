"""Whatever a file holds, it is read or refused, and reader and watcher read the same.

FUZZ_EXAMPLES says how many inputs each test tries, FUZZ_LINES how many lines the row parser gets,
FUZZ_FILES how many files the reader gets.
"""

import math
import os
import random
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.data import read_csv, reading, table
from lib.errors import DataError, ParameterError
from lib.stream.row_parser import REASONS, BadLine, RowReader
from lib.stream.watch import STORED

LINES = int(os.environ.get("FUZZ_LINES", 5000))
FILES = int(os.environ.get("FUZZ_FILES", 200))
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", 40))
fuzzed = settings(
    max_examples=EXAMPLES, deadline=None, database=None, derandomize=EXAMPLES < 1000,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip

ODD = (
    "", " ", "0", "1", "-1.5", "+.5", "5.", "1e5", "1e400", "1e200", "-inf", "NaN", "nan", "N/A",
    "None", "NULL", "-999", "-999.0", "?", "True", "false", "1_0", "1,5", "1.234,5", "1,234.5",
    "0x1F", "٣", "１", "²", "1 000", "−5", "24:00", "2020-01-02",
    "2020-01-02T03:04:05.123456789+01:00",
    "01/02/20 12:30 am", "Jan-24", "31.12.24 24:00", "202401", "1700000000", "1700000000000",
    "1e9", "2020-01-02 03:04 CET", "Mon, 5 Jan 2020", "9" * 25, "9" * 400, '"', '"a', "#", "a\rb",
    "\0", "é", "\ufeff", "x" * 70, "1d", "nan(5)", "1e", "--1", "1,000", "infinity", "1\t2",
)  # fmt: skip
CELLS = st.one_of(
    st.sampled_from(ODD), st.floats(allow_nan=True).map(str), st.integers().map(str),
    st.text(max_size=8), st.from_regex(r"[-+]?[0-9.,_eE ]{0,9}", fullmatch=True),
    st.datetimes().map(str),
)  # fmt: skip
TIME_FORMATS = st.sampled_from(
    [None, None, "unix", "s", "ms", "us", "ns", "counter", "step", "ISO8601", "%d.%m.%Y %H:%M",
     ["%m/%d/%y %I:%M %p"], ["%Y%m"], ["%d-%b-%Y"]]
)  # fmt: skip
SIGNS = st.sampled_from([(".", None), (",", None), (",", "."), (".", ","), (".", " "), (".", "'")])


@fuzzed
@given(
    sep=st.sampled_from([",", ";", "tab", " "]), form=TIME_FORMATS, signs=SIGNS,
    rows=st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=6),
    raw=st.binary(max_size=30),
)  # fmt: skip
def test_a_line_is_a_row_or_has_its_reason(sep, form, signs, rows, raw):
    reader = RowReader(["x", "y"], time_format=form, separator=sep, decimal=signs[0],
                       thousands=signs[1], missing="?,-999")  # fmt: skip
    sign = "\t" if sep == "tab" else sep
    reader.begin(sign.join(["time", "x", "y"]).encode())
    lines = [sign.join(cells).encode("utf-8", "replace") for cells in rows]
    for line in (*lines, raw, lines[0] + raw):
        try:
            time, values = reader.row(line)
        except BadLine as error:
            check_refusal(error)
            continue
        assert (time is None) == (form == "step")
        assert time is None or (time.tzinfo is None and 1700 <= time.year <= 9999)
        assert len(values) == 2
        assert all(math.isnan(x) or abs(x) <= 1e100 for x in values)


def check_refusal(error):
    """One sentence of a known kind, that no cell makes too long to read."""
    known = isinstance(error, BadLine | DataError | ParameterError)
    known |= re.match(r"`(time_format|time)` must", str(error)) is not None
    assert known, repr(error)
    assert not isinstance(error, BadLine) or error.reason in REASONS
    assert "\n" not in str(error)
    assert len(str(error)) < 1500


def test_many_lines_put_together_by_chance():
    """A million take minutes, as hypothesis would take hours."""
    chance = random.Random(0 if LINES < 100_000 else None)
    forms = [None, "unix", "ms", "counter", "step", "ISO8601", ["%d.%m.%Y %H:%M", "%Y%m"]]
    signs = [(".", None), (",", None), (",", "."), (".", ",")]
    kinds = Counter()
    for _ in range(LINES // 50):
        sep, (decimal, thousands) = chance.choice(",;\t "), chance.choice(signs)
        reader = RowReader(["x"], time_format=chance.choice(forms), separator=sep, missing="?",
                           decimal=decimal, thousands=thousands)  # fmt: skip
        reader.begin(sep.join(("time", "x")).encode())
        for _ in range(50):
            line = sep.join(chance.choices(ODD, k=2)).encode()
            if chance.random() < 0.3:
                at = chance.randrange(len(line) + 1)
                line = line[:at] + chance.randbytes(2) + line[at + chance.randrange(3) :]
            try:
                _, (value,) = reader.row(line)
            except BadLine as error:
                check_refusal(error)
                kinds[error.reason] += 1
            else:
                assert math.isnan(value) or abs(value) <= 1e100
                kinds["row"] += 1
    print(dict(kinds))
    assert kinds["row"] > LINES / 50
    assert len(kinds) > 5


class Memory:
    """A file's name, and its content in place of what a disk would hold."""

    name, stem, suffix, data = "my.csv", "my", ".csv", b""

    def __str__(self):
        return self.name


def test_many_small_files_put_together_by_chance(monkeypatch):
    """Read from memory: a million take some two hours of one core."""
    memory = Memory()
    monkeypatch.setattr(reading, "Path", lambda path: path)
    monkeypatch.setattr(table, "_check_path", lambda path: None)
    monkeypatch.setattr(table, "_read_bytes", lambda path: path.data)
    kinds, started = Counter(), random.randrange(10**9) if FILES > 10_000 else 0
    for number in range(FILES):
        chance = random.Random(started + number)
        memory.data, options = by_chance(chance)
        try:
            frame = read_csv(memory, **options)
        except ValueError as error:
            check_refusal(error)
            kinds["refused"] += 1
            continue
        except Exception as error:
            raise AssertionError(f"{memory.data!r} with {options}") from error
        kinds["read"] += 1
        assert frame.index.is_monotonic_increasing, (memory.data, options)
        assert frame.index.is_unique, (memory.data, options)
        assert set(frame.dtypes) == {np.dtype("float64")}
        assert not np.isinf(frame.to_numpy()).any()
        if options.get("repeated") == "mean" or options.get("tag"):
            continue
        differing = misread(frame, memory.data)
        assert not differing, (memory.data, options, differing)
    print(dict(kinds))
    assert kinds["read"] > FILES / 20
    assert kinds["refused"] > FILES / 20


def by_chance(chance):
    """Content of a small file that is nearly right, and options to read it by."""
    sep, decimal = chance.choice([",", ";", "\t", "|", " "]), chance.choice("...,")
    form = chance.choice((*WRITTEN, "unix", "counter", "step"))
    count, step = chance.randrange(2, 12), chance.choice([1, 60, 1440, 60 * 24 * 31])
    start = pd.Timestamp("2020-01-01") + pd.Timedelta(minutes=chance.randrange(10**6))
    times = pd.date_range(start, periods=count, freq=f"{step}min")
    written = [str(1_600_000_000 + i if form == "unix" else i) for i in range(count)]
    written = written if "%" not in form else times.strftime(form).tolist()
    width = chance.randrange(1, 4)
    rows = [["time", *"xyz"[:width]]]
    for time in written:
        numbers = [f"{chance.uniform(-99, 99):.2f}".replace(".", decimal) for _ in range(width)]
        rows.append([time, *numbers])
    for _ in range(chance.choice([0, 0, 1, 2])):  # cells of another kind
        rows[chance.randrange(len(rows))][chance.randrange(1 + width)] = chance.choice(ODD)
    for _ in range(chance.choice([0, 0, 1])):  # and lines
        line = chance.choice([[""], ["#", "a"], ["Total"], ["---"], rows[0], rows[-1], ["a"] * 9])
        rows.insert(chance.randrange(len(rows) + 1), line)
    quote = chance.choice(["", "", "", '"'])
    lines = [sep.join(quote + cell + quote for cell in row) for row in rows]
    data = (chance.choice(["\n", "\n", "\r\n"]).join(lines) + "\n").encode(
        chance.choice(["utf-8", "utf-8", "utf-8-sig", "cp1252"]), "replace"
    )
    if chance.random() < 0.2:  # bytes that were lost, or put in
        at = chance.randrange(len(data))
        data = data[:at] + chance.randbytes(chance.randrange(2)) + data[at + chance.randrange(4) :]
    options = {"time": None if form == "step" else "time", "separator": "auto", "decimal": "auto",
               "max_gap": 0, "allow_missing": True}  # fmt: skip
    more = {"repeated": chance.choice(["first", "mean"]), "missing": "?,-999", "sort": True,
            "thousands": ",", "day_first": True, "skip_rows": 1, "names": "time,x", "tag": "x",
            "where": "x=1", "exclude": "y", "column": "x"}  # fmt: skip
    return data, options | {name: more[name] for name in more if chance.random() < 0.04}


def misread(frame, data):
    """Rows of one time that the reader and a watcher took for different numbers."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    try:
        rows = seen(frame, text.split("\n"))
    except ParameterError as error:  # no header for a watcher
        check_refusal(error)
        return []
    if not isinstance(frame.index, pd.DatetimeIndex):
        return []
    found, again = {}, set()
    for row in rows:
        if isinstance(row, BadLine) or row is None or row[0] is None:
            continue
        again |= {row[0]} & found.keys()
        found[row[0]] = row[1]
    known = {time: values for time, values in found.items() if time not in again}
    both = [time for time in frame.index if time.to_pydatetime() in known]
    return [
        (time, frame.loc[time].tolist(), known[time.to_pydatetime()])
        for time in both
        if not np.allclose(frame.loc[time], known[time.to_pydatetime()], 1e-9, 0, equal_nan=True)
    ] + ([] if both or not known else ["no time in common"])


@fuzzed
@given(data=st.binary(max_size=60), names=st.lists(CELLS, max_size=3))
def test_a_header_is_taken_or_refused(data, names):
    for line in (data, ",".join(names).encode("utf-8", "replace"), b"#" + data):
        reader = RowReader(["x"])
        try:
            reader.begin(line)
        except (BadLine, ParameterError) as error:
            check_refusal(error)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "rows.csv"


def written(path, lines):
    path.write_bytes("".join(line + "\n" for line in lines).encode("utf-8", "replace"))
    return path


def seen(frame, lines):
    """What a watcher sees in the lines, with the options that a detector of the frame stores."""
    options = {name: frame.attrs["reading"][name] for name in STORED}
    reader, found = RowReader(list(frame), **options), []
    at_start = True
    for line in lines:
        try:
            if at_start and reader.begin(line.encode("utf-8", "replace")):
                at_start = len(reader.header_rows) > 1
                continue
            at_start = False
            found.append(reader.row(line.encode("utf-8", "replace")))
        except BadLine as error:
            found.append(error)
    return found


BREAKS = re.compile('[;"\r\n\0\ufeff\x0b\x0c\x1c-\x1f\x85\u2028\u2029\ud800-\udfff]')
PLAIN = CELLS.filter(lambda cell: not BREAKS.search(cell))


@fuzzed
@given(cells=st.lists(PLAIN, min_size=2, max_size=5), signs=SIGNS)
def test_reader_and_watcher_see_the_same_numbers(path, cells, signs):
    days = pd.date_range("2020-01-01", periods=len(cells)).strftime("%Y-%m-%d")
    lines = ["time;x;y", *(f"{day};{cell};1" for day, cell in zip(days, cells, strict=True))]
    options = {"decimal": signs[0], "thousands": signs[1], "missing": "?,-999"}
    try:
        frame = read_csv(written(path, lines), time="time", separator=";", column="x",
                         allow_missing=True, **options)  # fmt: skip
    except DataError as error:
        check_refusal(error)
        return
    rows = seen(frame, lines)
    assert not [row for row in rows if isinstance(row, BadLine)], rows
    np.testing.assert_allclose([values[0] for _, values in rows], frame["x"], rtol=1e-12)


WRITTEN = (
    "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S.%f", "%d/%m/%Y %H:%M", "%m/%d/%y %I:%M %p", "%d.%m.%y",
    "%d-%b-%Y", "%b-%Y", "%Y%m", "%Y%m%d", "%Y%m%d%H%M", "%d.%m.%Y %H:%M:%S,%f", "%Y/%m/%d %H:%M",
    "%a, %d %b %Y %H:%M", "%Y-%m-%d %H:%M CET", "%d %B %Y %H:%M",
    "%Y-%m-%d %H:%M:%S+02:00", "%m/%Y",
)  # fmt: skip


@fuzzed
@given(
    form=st.sampled_from(WRITTEN), day_first=st.booleans(), step=st.integers(1, 60 * 24 * 40),
    start=st.datetimes(pd.Timestamp("1971-01-01"), pd.Timestamp("2060-01-01")),
    count=st.integers(3, 30), own=st.booleans(),
)  # fmt: skip
def test_reader_and_watcher_see_the_same_times(path, form, day_first, step, start, count, own):
    times = pd.date_range(start, periods=count, freq=f"{step}min").strftime(form)
    lines = ["time;x", *(f"{time};{i % 3}" for i, time in enumerate(times))]
    options = {"time_format": form} if own and "CET" not in form else {"day_first": day_first}
    try:
        frame = read_csv(written(path, lines), time="time", separator=";", max_gap=0,
                         repeated="first", **options)  # fmt: skip
    except DataError as error:
        check_refusal(error)
        return
    rows = seen(frame, lines)
    assert not [row for row in rows if isinstance(row, BadLine)], rows
    found = list(dict.fromkeys(time for time, _ in rows))
    expected = frame.index
    if not isinstance(expected, pd.DatetimeIndex):
        expected = pd.to_datetime(expected, unit="s")
    assert sorted(found) == list(expected)


STARTS = [
    ["time,x,y", *(f"2020-01-{day:02},{day % 4},{day % 3}.5" for day in range(1, 20))],
    [
        "# a logger",
        "time;x;y",
        "s;C;",
        *(f"{day}.01.2020 10:00;{day % 4},5;1" for day in range(1, 20)),
    ],
    ["t\tx", *(f"{1_700_000_000 + 60 * i}\t{i % 5}" for i in range(20))],
    ["Price,Close", "Ticker,X", "Date,", *(f"2020-01-{day:02},{day % 4}" for day in range(1, 20))],
    ["time,tag,x", *(f"2020-01-{1 + i // 2:02},{'ab'[i % 2]},{i % 5}" for i in range(20))],
]


@fuzzed
@given(
    start=st.sampled_from(STARTS), time=st.sampled_from([None, 0, 0]),
    changes=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 20), CELLS), max_size=4),
    encoding=st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    options=st.fixed_dictionaries({}, optional={
        "skip_rows": st.integers(0, 3), "names": st.sampled_from(["a,b", "a,b,c"]),
        "missing": st.sampled_from(["?", "-999,?", "1"]),
        "repeated": st.sampled_from(["first", "mean"]),
        "where": st.sampled_from(["x=1", "tag=a"]), "exclude": st.just("y"),
        "time_format": st.sampled_from(["counter", "s", "%d.%m.%Y", "%Q"]),
    }),
)  # fmt: skip
def test_a_damaged_file_is_read_or_refused_in_one_sentence(
    path, start, time, changes, encoding, options
):
    text = "\n".join(start) + "\n"
    for at, length, put in changes:
        text = text[: at % len(text)] + put + text[at % len(text) + length :] + "\n"
    path.write_bytes(text.encode(encoding, "replace"))
    name = None if time is None else start[-20 if start[0][0] == "#" else 0].split("\t")[0]
    name = name and re.split("[,;]", name)[0]
    try:
        frame = read_csv(path, time=name, separator="auto", decimal="auto", max_gap=0,
                         allow_missing=True, **options)  # fmt: skip
    except ValueError as error:
        check_refusal(error)
        return
    assert frame.index.is_monotonic_increasing
    assert frame.index.is_unique
    assert set(frame.dtypes) == {np.dtype("float64")}
    assert not np.isinf(frame.to_numpy()).any()
    try:
        seen(frame, text.split("\n"))
    except ParameterError as error:  # a header that is damaged for a watcher
        check_refusal(error)
