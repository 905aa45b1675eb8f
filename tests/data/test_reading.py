"""A stranger's CSV file is read, or refused with one sentence that names the fault."""

import bz2
import os
import time
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from places import SHARED

from lib.data.reading import MAX_BYTES, read_csv
from lib.errors import DataError

DAYS = [f"2020-01-{day:02}" for day in range(1, 29)]


@pytest.fixture(autouse=True)
def _every_warning_is_an_error():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def write(folder, content):
    path = folder / "series.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(rows, header="date,close"):
    return "\n".join([header, *rows]) + "\n"


def daily(replace=()):
    """28 clean days of January 2020, with some lines (2 = first row) replaced."""
    rows = [f"{day},{100 + i % 5}.5" for i, day in enumerate(DAYS)]
    for line, text in dict(replace).items():
        rows[line - 2] = text
    return lines(rows)


def shared(name):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs a copy of {name}, which is not part of the project")
    return path


# Content of the file, arguments of read_csv, and what the one sentence must say.
# fmt: off
BAD_FILES = {
    "empty": (b"", {}, "must have a header line and rows. Received: an empty file."),
    "blank": (b"\n \n\n", {}, "an empty file"),
    "header only": ("date,close\n", {}, "must have rows of data. Received: a header line only."),
    "wrong separator": ("a;b\n1;2\n2;3\n", {}, "a header with ';'; pass sep=';'."),
    "wrong separator, decimal comma": ("a;b\n1,5;2,5\n2,5;3,5\n", {}, "pass sep=';'."),
    "tabs": ("a\tb\n1\t2\n2\t3\n", {}, "a header with '\\t'; pass sep='\\t'."),
    "missing column": (daily(), {"column": "Close"}, "'date', 'close'. Did you mean 'close'?"),
    "missing time column": (daily(), {"time": "dat"}, "have a column 'dat'. Received: 'date',"),
    "no numbers": (lines(["a,b", "b,c"]), {}, "must have a column of numbers"),
    "text": (daily({4: "2020-01-03,n/k"}), {},
             "column 'close' must hold numbers, with a decimal point. Received: 'n/k' in line 4."),
    "text twice": (daily({4: "2020-01-03,x", 9: "2020-01-08,y"}), {}, "'x' in line 4 and in 1"),
    "decimal comma": ("a;b\n1,5;2\n2,5;3\n", {"sep": ";", "column": "a"}, "'1,5' in line 2 and"),
    "empty cell": (daily({5: "2020-01-04,"}), {}, "have a number in each line. Received: nan in"),
    "NaN": (daily({5: "2020-01-04,NaN", 7: "2020-01-06,NA"}), {}, "nan in line 5 and in 1 more."),
    "short line": (daily({5: "2020-01-04"}), {}, "nan in line 5."),
    "blank line": (daily({5: ""}), {}, "nan in line 5."),
    "long line": (daily({5: "2020-01-04,1,2"}), {}, "Expected 2 fields in line 5, saw 3."),
    "more cells than names": (lines([f"{day},1,2" for day in DAYS]), {}, "one cell under each"),
    "infinity": (daily({6: "2020-01-05,-inf"}), {}, "finite numbers. Received: -inf in line 6."),
    "constant": (lines([f"{day},7" for day in DAYS]), {},
                 "column 'close' must vary, or there is nothing to learn. Received: 7 in every"),
    "too few rows": (daily(), {"min_rows": 30}, "at least 30 rows of data. Received: 28."),
    "unsorted": (daily({9: "2019-01-08,1"}), {"time": "date"},
                 "oldest first (see also `day_first`). Received: '2019-01-08' in line 9."),
    "newest first, but for one": (lines(["2020-01-03,1", "2020-01-02,2", "2020-01-04,3"]),
                                  {"time": "date"}, "'2020-01-02' in line 3."),
    "duplicate time": (daily({9: "2020-01-07,1"}), {"time": "date"},
                       "must hold each time only once. Received: '2020-01-07' in line 9."),
    "gap": (daily({29: "2020-02-07,1"}), {"time": "date"},
            "must have no gap, that is no step over 10 times its median of 1 days 00:00:00. "
            "Received: a step of 11 days 00:00:00 up to 2020-02-07 00:00:00. Pass max_gap=None"),
    "no date": (daily({3: "yesterday,1"}), {"time": "date"}, "'yesterday' in line 3."),
    "no time": (daily({3: ",1"}), {"time": "date"}, "nan in line 3."),
    "numbers as time": (daily(), {"time": "close", "column": "close"}, "'close' must hold dates"),
    "day first read month first": (lines(["01/02/2020,1", "12/02/2020,2", "13/02/2020,3"]),
                                   {"time": "date"}, "`day_first`). Received: '13/02/2020'"),
    "Latin-1": (daily().encode() + b"2020-01-29,5 \xb0C\n", {},
                "must be UTF-8 text. Received: byte 0xb0 in line 30. Save it as CSV in UTF-8, or"),
    "UTF-16": (daily().encode("utf-16-le"), {}, "a zero byte at position 1, as in binary files"),
    "zero byte far behind": (daily().encode() * 5000 + b"\0", {}, "a zero byte at position 2,435,"),
    "one endless line": (b"1," * (1 << 20), {}, "no line end in the first 1,048,576 bytes."),
}
# fmt: on


@pytest.mark.parametrize(("content", "arguments", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_bad_file_is_refused_in_one_sentence(tmp_path, content, arguments, message):
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_csv(path, **arguments)
    text = str(caught.value)
    assert message in text
    assert str(path) in text
    assert " must " in text
    assert "\n" not in text


def test_missing_file_and_folder(tmp_path):
    write(tmp_path, daily())
    with pytest.raises(FileNotFoundError, match=r"does not exist\. Did you mean 'series\.csv'\?"):
        read_csv(tmp_path / "serie.csv")
    with pytest.raises(FileNotFoundError, match=r"does not exist\.$"):
        read_csv(tmp_path / "nowhere" / "serie.csv")
    with pytest.raises(IsADirectoryError, match="Received: a folder"):
        read_csv(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="a device or a pipe"):
        read_csv(tmp_path / "pipe.csv")


@pytest.mark.parametrize("size", [MAX_BYTES + 1, 1 << 30])
def test_a_gigabyte_of_nonsense_is_refused_unread(tmp_path, size):
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(size)
    tracemalloc.start()
    begin = time.perf_counter()
    with pytest.raises(DataError, match=f"at most 500,000,000 bytes. Received: {size:,} bytes"):
        read_csv(path)
    assert time.perf_counter() - begin < 0.5
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_half_a_gigabyte_of_zeros_is_refused_after_the_first_megabyte(tmp_path):
    path = tmp_path / "zeros.csv"
    with path.open("wb") as file:
        file.write(b"a,b\n")
        file.truncate(MAX_BYTES - 1)
    tracemalloc.start()
    with pytest.raises(DataError, match="a zero byte at position 4,"):
        read_csv(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_small_archive_of_much_nonsense_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("lib.data.reading.MAX_BYTES", 50_000)
    path = tmp_path / "bomb.csv.bz2"
    path.write_bytes(bz2.compress(daily().encode() * 1000))
    with pytest.raises(DataError, match="more when unpacked"):
        read_csv(path)


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["02-Jan-86", "03-Jan-86", "06-Jan-86"], "1986-01-02"),
        (["31-Dec-68", "01-Jan-69", "02-Jan-69"], None),  # 68 is 2068: POSIX, the same for ever
        (["2023-03-07", "2023-03-08", "2023-03-09"], "2023-03-07"),
        (["2014-01-01 00:00:00", "2014-01-01 00:10:00"], "2014-01-01"),
        (["2014-01-01", "2014-01-01 00:10"], "2014-01-01"),
        (["2014-01-01T01:00:00+01:00", "2014-01-01T02:00:00+02:00"], None),
        (["2014-03-30T01:50:00+01:00", "2014-03-30T03:00:00+02:00"], "2014-03-30 00:50"),
        (["2014-01-01T00:00:00.25Z", "2014-01-01T00:00:01Z"], "2014-01-01 00:00:00.25"),
        (["20200102", "20200103", "20200106"], "2020-01-02"),
        (["12/31/2019", "01/02/2020", "01/03/2020"], "2019-12-31"),
        (["31/12/2019", "01/01/2020", "02/01/2020"], "2019-12-31"),
        (["31.12.2019 23:00", "01.01.2020 00:00"], "2019-12-31 23:00"),
        (["Jan 5, 2020", "Jan 6, 2020"], "2020-01-05"),
    ],
)
def test_dates_of_many_formats(tmp_path, cells, first):
    path = write(tmp_path, lines([f'"{cell}",{i}.5' for i, cell in enumerate(cells)]))
    if first is None:
        with pytest.raises(DataError, match=r"times? (in order|only once)"):
            read_csv(path, time="date")
        return
    index = read_csv(path, time="date").index
    assert index[0] == pd.Timestamp(first)
    assert (str(index.dtype), index.name) == ("datetime64[us]", "date")


@pytest.mark.parametrize(("day_first", "third"), [(False, "2020-03-02"), (True, "2020-02-03")])
def test_day_first_decides_what_a_file_cannot_tell(tmp_path, day_first, third):
    path = write(tmp_path, lines(["01/02/2020,1", "02/02/2020,2", "03/02/2020,3"]))
    index = read_csv(path, time="date", day_first=day_first, max_gap=None).index
    assert index[2] == pd.Timestamp(third)


def test_columns_by_name_by_list_and_by_default(tmp_path):
    rows = [f"{i},{day},{i % 3},{i}.5,north" for i, day in enumerate(DAYS)]
    path = write(tmp_path, lines(rows, ",date,speed,power,site"))
    assert list(read_csv(path)) == ["speed", "power"]
    assert list(read_csv(path, time="date")) == ["speed", "power"]
    assert list(read_csv(path, column="power")) == ["power"]
    frame = read_csv(path, column=["power", "speed"])
    assert list(frame) == ["power", "speed"]
    assert set(frame.dtypes) == {np.dtype("float64")}
    assert (frame.index.name, frame.index[-1]) == ("step", 27)
    assert frame.attrs == {"name": "series", "title": "series.csv", "rows": 28} | {
        "unit": "", "dropped": 0, "notes": [],
    }  # fmt: skip


def test_missing_values_and_gaps_pass_on_request(tmp_path):
    path = write(tmp_path, daily({5: "2020-01-04,", 29: "2020-03-07,1"}))
    frame = read_csv(path, time="date", allow_missing=True, max_gap=None)
    assert np.flatnonzero(frame["close"].isna()).tolist() == [3]


def test_windows_line_ends_byte_order_mark_and_trailing_blank_lines(tmp_path):
    plain = read_csv(write(tmp_path, daily()), time="date")
    windows = b"\xef\xbb\xbf" + daily().replace("\n", "\r\n").encode() + b"\r\n\r\n"
    pd.testing.assert_frame_equal(read_csv(write(tmp_path, windows), time="date"), plain)


def test_of_repeated_times_the_first_is_kept(tmp_path):
    rows = ["01:00,1", "02:00,2", "02:30,3", "02:00,4", "02:30,5", "03:00,6"]
    path = write(tmp_path, lines([f"2020-10-25 {row}" for row in rows]))
    with pytest.raises(DataError, match=r"'2020-10-25 02:00' in line 5\."):
        read_csv(path, time="date")
    frame = read_csv(path, time="date", repeated="first")
    assert frame["close"].tolist() == [1, 2, 3, 6]
    assert frame.index.is_monotonic_increasing
    assert frame.attrs["rows"] == 4


def test_lines_are_counted_right_after_repeated_times(tmp_path):
    rows = ["01,1", "02,2", "02,3", "05,4", "04,5"]
    path = write(tmp_path, lines([f"2020-01-{row}" for row in rows]))
    with pytest.raises(DataError, match=r"oldest first.*'2020-01-04' in line 6\."):
        read_csv(path, time="date", repeated="first")
    with pytest.raises(ValueError, match="`repeated` must be 'refuse' or 'first'"):
        read_csv(path, time="date", repeated="last")


@pytest.mark.parametrize("sep", ["", ", ", None, 3])
def test_separator_must_be_one_character(tmp_path, sep):
    with pytest.raises(ValueError, match=r"`sep` must be one character\. Received: sep="):
        read_csv(write(tmp_path, daily()), sep=sep)


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("KLSE.csv", {"column": "Close", "time": "Date"}, (248, 1)),
        ("spx.csv", {"column": "close", "time": "date"}, (8_192, 1)),
        ("nab/nyc_taxi.csv", {"time": "timestamp"}, (10_320, 1)),
        ("nab/ambient_temperature_system_failure.csv",
         {"time": "timestamp", "max_gap": None}, (7_267, 1)),
        ("nab/machine_temperature_system_failure.csv", {}, (22_695, 1)),
        ("nab/machine_temperature_system_failure.csv",
         {"time": "timestamp", "repeated": "first"}, (22_683, 1)),
        ("skab/data/valve1/0.csv", {"time": "datetime", "sep": ";"}, (1_147, 10)),
        ("skab/data/anomaly-free/anomaly-free.csv", {"time": "datetime", "sep": ";"}, (9_405, 8)),
    ],
)  # fmt: skip
def test_real_files_are_read_as_they_are(name, arguments, shape):
    assert read_csv(shared(name), **arguments).shape == shape


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("spx.csv", {"time": "Date"}, "Did you mean 'date'?"),
        ("nab/ambient_temperature_system_failure.csv", {"time": "timestamp"}, "7 days 06:00:00"),
        ("nab/machine_temperature_system_failure.csv", {"time": "timestamp"}, "in line 10151."),
        ("skab/data/valve1/0.csv", {"time": "datetime"}, "pass sep=';'."),
        (
            "ucr/135_UCR_Anomaly_InternalBleeding16_1200_4187_4199.txt",
            {"column": "x"},
            "must have a header line. Received: a first line of numbers",
        ),
    ],
)
def test_real_files_with_real_faults_are_refused(name, arguments, message):
    with pytest.raises(DataError) as caught:
        read_csv(shared(name), **arguments)
    assert message in str(caught.value)
