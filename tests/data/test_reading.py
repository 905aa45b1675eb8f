"""A stranger's CSV file is read, or refused with one sentence that names the fault."""

import bz2
import json
import os
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from places import SHARED

from lib import data
from lib.data.reading import group_names, read_csv
from lib.data.table import MAX_BYTES
from lib.errors import DataError
from lib.stream.row_parser import RowReader

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
    "wrong separator": ("a;b\n1;2\n2;3\n", {}, "a header with ';'; pass separator=';'."),
    "wrong separator, decimal comma": ("a;b\n1,5;2,5\n2,5;3,5\n", {}, "pass separator=';'."),
    "tabs": ("a\tb\n1\t2\n2\t3\n", {}, "a header with '\\t'; pass separator='\\t'."),
    "missing column": (daily(), {"column": "Close"}, "'date', 'close'. Did you mean 'close'?"),
    "missing time column": (daily(), {"time": "dat"}, "have a column 'dat'. Received: 'date',"),
    "no numbers": (lines(["a,b", "b,c"]), {}, "must have a column of numbers"),
    "text": (daily({4: "2020-01-03,n/k"}), {},
             "column 'close' must hold numbers, with a decimal point. Received: 'n/k' in line 4."),
    "text twice": (daily({4: "2020-01-03,x", 9: "2020-01-08,y"}), {}, "'x' in line 4 and in 1"),
    "decimal comma": ("a;b\n1,5;2\n2,5;3\n", {"separator": ";", "column": "a"},
                      "'1,5' in line 2 and"),
    "empty cell": (daily({5: "2020-01-04,"}), {}, "have a number in each line. Received: nan in"),
    "NaN": (daily({5: "2020-01-04,NaN", 7: "2020-01-06,NA"}), {}, "nan in line 5 and in 1 more."),
    "short line": (daily({5: "2020-01-04"}), {}, "nan in line 5."),
    "blank line": (daily({5: ""}), {}, "nan in line 5."),
    "long line": (daily({5: "2020-01-04,1,2"}), {}, "Expected 2 fields in line 5, saw 3."),
    "more cells than names": (lines([f"{day},1,2" for day in DAYS]), {}, "one cell under each"),
    "infinity": (daily({6: "2020-01-05,-inf"}), {}, "at most 1e+100. Received: -inf in line 6."),
    "constant": (lines([f"{day},7" for day in DAYS]), {},
                 "column 'close' must vary, or there is nothing to learn. Received: 7 in every"),
    "too few rows": (daily(), {"min_rows": 30}, "at least 30 rows of data. Received: 28."),
    "unsorted": (daily({9: "2019-01-08,1"}), {"time": "date"},
                 "first (see also `day_first` and `sort`). Received: '2019-01-08' in line 9."),
    "newest first, but for one": (lines(["2020-01-03,1", "2020-01-02,2", "2020-01-04,3"]),
                                  {"time": "date"}, "'2020-01-02' in line 3."),
    "duplicate time": (daily({9: "2020-01-07,1"}), {"time": "date"},
                       "must hold each time only once. Received: '2020-01-07' in line 9."),
    "gap": (daily({29: "2020-02-07,1"}), {"time": "date"},
            "must have no gap, that is no step over 10 times its median of 1 days 00:00:00. "
            "Received: a step of 11 days 00:00:00 up to 2020-02-07 00:00:00. Pass max_gap=0"),
    "no date": (daily({3: "yesterday,1"}), {"time": "date"}, "'yesterday' in line 3."),
    "no time": (daily({3: ",1"}), {"time": "date"}, "nan in line 3."),
    "numbers as time": (daily(), {"time": "close", "column": "close"}, "'close' must hold dates"),
    "a counter beyond all numbers": (lines(["0,1", "1,2", "9" * 400 + ",3"]),
                                     {"time": "date"}, "must hold dates in one format"),
    "half Latin-1": (daily().encode() + b"2020-01-29,5 \xc2\xb0C \xb0C\n", {},
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
    with pytest.raises(DataError, match=f"at most 500,000,000 bytes. Received: {size:,} bytes"):
        read_csv(path)
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
    monkeypatch.setattr("lib.data.table.MAX_BYTES", 50_000)
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
    index = read_csv(path, time="date", day_first=day_first, max_gap=0).index
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
    reading = frame.attrs.pop("reading")
    assert reading["names"] == ["Unnamed: 0", "date", "speed", "power", "site"]
    assert json.loads(json.dumps(reading)) == reading
    assert frame.attrs == {"name": "series", "title": "series.csv", "rows": 28} | {
        "unit": "", "dropped": 0, "notes": [],
    }  # fmt: skip


def test_missing_values_and_gaps_pass_on_request(tmp_path):
    path = write(tmp_path, daily({5: "2020-01-04,", 29: "2020-03-07,1"}))
    frame = read_csv(path, time="date", allow_missing=True, max_gap=0)
    assert np.flatnonzero(frame["close"].isna()).tolist() == [3]


def test_windows_line_ends_byte_order_mark_and_trailing_blank_lines(tmp_path):
    plain = read_csv(write(tmp_path, daily()), time="date")
    windows = b"\xef\xbb\xbf" + daily().replace("\n", "\r\n").encode() + b"\r\n\r\n"
    pd.testing.assert_frame_equal(read_csv(write(tmp_path, windows), time="date"), plain)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_what_a_spreadsheet_writes_is_read(tmp_path, encoding):
    text = lines([f'{day}\t"1,{i % 4}5"' for i, day in enumerate(DAYS)], "date\tTemp °C")
    text = "\ufeff" + text if encoding == "utf-16-le" else text
    path = write(tmp_path, text.replace("\n", "\r\n").encode(encoding))
    frame = read_csv(path, time="date", separator="auto", decimal="auto")
    assert list(frame) == ["Temp °C"]
    assert frame.iloc[1, 0] == 1.15


def test_rows_that_hold_no_data_are_left_out_and_said(tmp_path):
    rows = [f"{day},{i % 5}" for i, day in enumerate(DAYS)]
    text = lines([*rows[:9], "date,close", *rows[9:], "Total,56", "made by a logger,"])
    frame = read_csv(write(tmp_path, text), time="date")
    assert len(frame) == 28
    assert noted(frame, "Header lines left out among the rows: 1.")
    assert noted(frame, "no time but 'Total', 'made by a logger': 2.")
    with pytest.raises(DataError, match="'Total' in line 11"):
        read_csv(write(tmp_path, lines([*rows[:9], "Total,56", *rows[9:]])), time="date")


@pytest.mark.parametrize(
    ("cell", "value"),
    [("True", 1), ("false", 0), ("N/A", None), ("None", None), ("-NaN", None), ("1E+0", 1)],
)
def test_a_cell_means_the_same_to_reader_and_watcher(tmp_path, cell, value):
    path = write(tmp_path, f"date,close\n2020-01-01,7\n2020-01-02,{cell}\n2020-01-03,6\n")
    read = read_csv(path, time="date", allow_missing=True)["close"].iloc[1]
    reader = RowReader(["close"])
    reader.begin(b"date,close")
    ((seen,),) = (reader.row(f"2020-01-02,{cell}".encode())[1],)
    np.testing.assert_equal([read, seen], [np.nan if value is None else value] * 2)


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
    with pytest.raises(ValueError, match="`repeated` must be 'refuse' or one of 'first', 'last'"):
        read_csv(path, time="date", repeated="middle")


@pytest.mark.parametrize("separator", ["", ", ", None, 3, "é"])
def test_separator_must_be_one_character(tmp_path, separator):
    message = r"`separator` must be one character, 'tab', 'space' or 'auto'\. Received: separator="
    with pytest.raises(ValueError, match=message):
        read_csv(write(tmp_path, daily()), separator=separator)


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("KLSE.csv", {"column": "Close", "time": "Date"}, (248, 1)),
        ("spx.csv", {"column": "close", "time": "date"}, (8_192, 1)),
        ("nab/nyc_taxi.csv", {"time": "timestamp"}, (10_320, 1)),
        ("nab/ambient_temperature_system_failure.csv",
         {"time": "timestamp", "max_gap": 0}, (7_267, 1)),
        ("nab/machine_temperature_system_failure.csv", {}, (22_695, 1)),
        ("nab/machine_temperature_system_failure.csv",
         {"time": "timestamp", "repeated": "first"}, (22_683, 1)),
        ("skab/data/valve1/0.csv", {"time": "datetime", "separator": ";"}, (1_147, 10)),
        ("skab/data/anomaly-free/anomaly-free.csv",
         {"time": "datetime", "separator": ";"}, (9_405, 8)),
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
        ("skab/data/valve1/0.csv", {"time": "datetime"}, "pass separator=';'."),
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


def case(name):
    path = SHARED.parent / "cases" / name
    if not path.exists():
        pytest.skip(f"needs {name}, which is not part of the project")
    return path


def table(cells, header="t;x"):
    """Rows of a time and a reading, with a separator that no time has."""
    return lines([f"{cell};{i * i % 7}.5" for i, cell in enumerate(cells)], header)


def noted(frame, words):
    return any(words in note for note in frame.attrs["notes"])


@pytest.mark.parametrize(
    ("cells", "arguments", "second"),
    [
        (["01/01/2024 12:00:00 AM", "01/01/2024 12:10:00 AM"], {}, "2024-01-01 00:10"),
        (["01/31/2024 12:50 PM", "01/31/2024 1:00 PM"], {}, "2024-01-31 13:00"),
        (["1/31/2024 11:50 p.m.", "2/1/2024 12:00 a.m."], {}, "2024-02-01"),
        (["2024-01-01 12:00:00 AM", "2024-01-01 01:00:00 AM"], {}, "2024-01-01 01:00"),
        (["01/02/24", "01/03/24"], {}, "2024-01-03"),
        (["01/02/24", "02/02/24"], {"day_first": True}, "2024-02-02"),
        (["31/12/24 23:00", "01/01/25 00:00"], {}, "2025-01-01"),
        (["31.12.24", "01.01.25"], {}, "2025-01-01"),
        (["01.02.2024", "02.02.2024", "13.02.2024"], {}, "2024-02-02"),
        (["2024-01-01 00:00:00,500", "2024-01-01 00:00:01,000"], {}, "2024-01-01 00:00:01"),
        (["31.12.2024 23:00", "31.12.2024 24:00"], {}, "2025-01-01"),
        (["2024-01-31T23:00", "2024-01-31T24:00"], {}, "2024-02-01"),
        (["Jan-24", "Feb-24"], {}, "2024-02-01"),
        (["April 2024", "May 2024"], {}, "2024-05-01"),
        (["May 1, 2024", "June 1, 2024"], {}, "2024-06-01"),
        (["12/2023", "01/2024"], {}, "2024-01-01"),
        (["202401", "202402", "202403"], {}, "2024-02-01"),
        (["20240101000000", "20240101001000"], {}, "2024-01-01 00:10"),
        (["20240101 0000", "20240101 0010"], {"time_format": "%Y%m%d %H%M"}, "2024-01-01 00:10"),
        (["2024-01-01 00:00 UTC", "2024-01-01 01:00 UTC"], {}, "2024-01-01 01:00"),
        (["2024-10-27 02:30 CEST", "2024-10-27 02:00 CET"], {}, "2024-10-27 01:00"),
        (["01/01/2024 11:00 PM EST", "01/02/2024 12:00 AM EST"], {}, "2024-01-02 05:00"),
        (["2024-01-01T01:00+01:00[Europe/Paris]", "2024-01-01T02:00+01:00[Europe/Paris]"], {},
         "2024-01-01 01:00"),
        (["Mon, 01 Jan 2024 00:00:00 GMT", "Mon, 01 Jan 2024 01:00:00 GMT"], {},
         "2024-01-01 01:00"),
        (["01/01/2024", "01/01/2024 00:10"], {}, "2024-01-01 00:10"),  # midnight without a clock
        (["1700000000", "1700000300"], {}, "2023-11-14 22:18:20"),
        (["1700000000.25", "1700000300.5"], {}, "2023-11-14 22:18:20.5"),
        (["1700000000000", "1700000300000"], {}, "2023-11-14 22:18:20"),
        (["1700000000000000", "1700000300000000"], {}, "2023-11-14 22:18:20"),
        (["1700000000000000001", "1700000300000000001"], {}, "2023-11-14 22:18:20"),
        (["0", "60"], {"time_format": "s"}, "1970-01-01 00:01"),
        (["2019", "2020"], {"time_format": "%Y"}, "2020-01-01"),
        (["16:08:00 2024-08-15", "16:08:00 2024-11-15"], {"day_first": True}, "2024-11-15 16:08"),
        (["05:30 06.02.2024", "05:30 07.02.2024"], {}, "2024-02-07 05:30"),
        (["10:31 PM 09/27/2024", "10:31 PM 09/28/2024"], {}, "2024-09-28 22:31"),
        (["10/26/2024 11 PM", "10/27/2024 12 AM"], {}, "2024-10-27"),
    ],
)  # fmt: skip
def test_common_forms_of_times_are_read(tmp_path, cells, arguments, second):
    frame = read_csv(write(tmp_path, table(cells)), time="t", separator=";", **arguments)
    assert frame.index[1] == pd.Timestamp(second)
    assert str(frame.index.dtype) == "datetime64[us]"


@pytest.mark.parametrize("cells", [range(1000, 1900), range(0, 40, 4), [0.5, 1.5, 4], [2019, 2020]])
def test_a_counter_stays_a_counter(tmp_path, cells):
    frame = read_csv(write(tmp_path, table(cells)), time="t", separator=";")
    assert frame.index.tolist() == list(cells)
    assert frame.index.name == "t"
    assert noted(frame, "are a counter, no dates (see `time_format`)")


def test_what_is_taken_for_granted_of_times_is_said(tmp_path):
    def notes(*cells):
        frame = read_csv(write(tmp_path, table(cells)), time="t", separator=";")
        return " ".join(frame.attrs["notes"])

    assert "month first (see `day_first`)" in notes("01/02/2024", "02/02/2024")
    assert "day first (see `day_first`)" in notes("01/02/2024", "12/02/2024", "13/02/2024")
    assert notes("01/02/2024", "01/13/2024").startswith("Dates such as 01/02/2024 were read month")
    assert notes("2024-01-02", "2024-01-03") == ""
    assert "Unix time in ms" in notes("1700000000000", "1700000300000")
    assert "EST = UTC-5; times are in UTC" in notes("2024-01-01 01:00 EST", "2024-01-01 02:00 EST")
    assert "24:00 is 00:00 of the next day. Rows: 1." in notes(
        "2024-01-01 23:00", "2024-01-01 24:00"
    )


def test_an_error_of_a_time_names_the_option_and_shows_the_cell(tmp_path):
    path = write(tmp_path, table(["2024-01-01", "01 of May"]))
    message = r"see also `time_format` and `day_first`\)\. Received: '01 of May' in line 3\."
    with pytest.raises(DataError, match=message):
        read_csv(path, time="t", separator=";")
    with pytest.raises(DataError, match=r"as time_format='%Y' reads them\. Received: '2024-01-01'"):
        read_csv(path, time="t", separator=";", time_format="%Y")
    for unsure in ("Jan 24", "01/24", "24-Jan"):  # a day, or a year?
        with pytest.raises(DataError, match="`time_format`"):
            read_csv(write(tmp_path, table([unsure, "Feb 24"])), time="t", separator=";")
    for wrong in ("year", 3, "%Q"):
        with pytest.raises(ValueError, match="`time_format` must be a format"):
            read_csv(path, time="t", separator=";", time_format=wrong)


def test_date_and_time_in_two_columns(tmp_path):
    rows = ["31/12/2024;23:50:00;1;5", "01/01/2025;00:00:00;2;4"]
    path = write(tmp_path, lines(rows, "Date;Time;a;b"))
    for time_ in ("Date,Time", ["Date", "Time"]):
        frame = read_csv(path, time=time_, separator=";")
        assert frame.index[1] == pd.Timestamp("2025-01-01")
        assert (frame.index.name, list(frame)) == ("Date Time", ["a", "b"])
    with pytest.raises(DataError, match="have a column 'Date,Tim'"):
        read_csv(path, time="Date,Tim", separator=";")


def test_rows_above_and_below_the_header(tmp_path):
    rows = ["2020-01-02,1.5,7", "2020-01-03,2.5,8.5", "2020-01-06,1,9"]
    tickers = ["Ticker,A,B", "Date,,", *rows]
    frame = read_csv(write(tmp_path, lines(tickers, "Price,Close,Close")), time="Date")
    assert list(frame) == ["Close A", "Close B"]
    assert len(frame) == 3
    assert noted(frame, "below the header, as they hold no data: Ticker,A,B; Date,,.")
    units = read_csv(write(tmp_path, lines(["s,degC,Pa", *rows], "time,a,b")), time="time")
    assert list(units) == ["a", "b"]
    for header in ("# made by a logger\n#datatype,double,double\ntime,a,b", "# made\n# time,a,b"):
        frame = read_csv(write(tmp_path, lines(rows, header)), time="time")
        assert (list(frame), len(frame)) == (["a", "b"], 3)
    marked = lines([f"{i},{row}" for i, row in enumerate(rows)], "#,time,a,b")
    assert list(read_csv(write(tmp_path, marked), time="time")) == ["a", "b"]


def test_lines_are_counted_from_the_top_of_the_file_under_any_header(tmp_path):
    rows = ["Ticker,A", "Date,", "2020-01-02,1", "2020-01-03,x", "2020-01-06,1"]
    path = write(tmp_path, lines(rows, "# note\nPrice,Close"))
    with pytest.raises(DataError, match=r"'x' in line 6\."):
        read_csv(path, time="Date")


def test_titles_above_the_header(tmp_path):
    path = write(tmp_path, "Station 5\n\n" + daily())
    with pytest.raises(DataError, match=r"'Station 5' in line 1\. Pass skip_rows=2 if titles"):
        read_csv(path)
    found = read_csv(path, time="date")  # its name says which line is the header
    assert len(found) == 28
    assert found.attrs["reading"]["skip_rows"] == 2
    assert len(read_csv(path, time="date", skip_rows=2)) == 28
    with pytest.raises(DataError, match="of `skip_rows`"):
        read_csv(path, skip_rows=80)
    with pytest.raises(ValueError, match="`skip_rows` must be"):
        read_csv(path, skip_rows=-1)


def test_a_cell_of_the_header_stands_for_the_columns_under_it(tmp_path):
    """As a price downloader writes it, whichever name one has in mind."""
    rows = [f"2024-01-{day:02},{day % 3},{day % 4},{day % 5}" for day in range(1, 25)]
    path = write(tmp_path, "\n".join(["Price,Close,Close,Open", "Ticker,A,B,A", "Date,,,", *rows]))
    for column, names in {
        "Close": ["Close A", "Close B"],
        "A": ["Close A", "Open A"],
        "Open,B": ["Open A", "Close B"],
        "Close A": ["Close A"],
    }.items():
        for time in ("Date", "Price", "Ticker"):
            frame = read_csv(path, time=time, column=column)
            assert list(frame) == names
            assert frame.attrs["reading"]["time"] == ["Date"]
    assert list(read_csv(path, time="Date", exclude="B")) == ["Close A", "Open A"]
    with pytest.raises(DataError, match="must have a column 'C'"):
        read_csv(path, time="Date", column="C")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([f"2024-01-02 0{i}:00-0{i + 1}:00" for i in range(1, 9)], "and not intervals"),
        ([f"2024-01-{d:02} 10:00{'-05:00' if d > 9 else ''}" for d in range(1, 20)],
         "an offset from UTC at each time or at none"),
        ([f"{h % 24:02}:00:00" for h in range(50)], "A time of day needs its date"),
    ],
)  # fmt: skip
def test_times_that_could_be_misread_are_refused(tmp_path, rows, message):
    path = write(tmp_path, "\n".join(["t,x", *(f"{t},{i % 3}" for i, t in enumerate(rows))]))
    with pytest.raises(DataError, match=message):
        read_csv(path, time="t")


def test_what_leaves_no_rows_is_refused(tmp_path):
    path = write(tmp_path, "t,x\nNA,NA\nNA,NA\n")
    with pytest.raises(DataError, match="blank rows only"):
        read_csv(path, time="t", allow_missing=True)
    path = write(tmp_path, "t,tag,x\n2024-01-01,a,1\n2024-01-02,a,2\n2024-01-03,a,3\n")
    with pytest.raises(DataError, match="a series that is not excluded"):
        read_csv(path, time="t", tag="tag", exclude="a")
    with pytest.raises(DataError, match="have a column 'b'"):
        read_csv(path, time="t", tag="tag", exclude="b")


@pytest.mark.parametrize("sep", [",", ";"])
def test_titles_are_left_out_where_the_columns_of_times_are_named(tmp_path, sep):
    rows = [
        f"x{i}{sep}2024-01-{i:02}{sep}10:00{sep}{i % 3}{sep}{'AB'[i > 9]}" for i in range(1, 20)
    ]
    head = [f"Station{sep}5{sep}a{sep}b{sep}c", "", sep.join(["id", "Date", "Time", "x", "m"])]
    path = write(tmp_path, "\n".join([*head, *rows]))
    assert read_csv(path, time="Date,Time", separator="auto").shape == (19, 1)
    assert group_names(path, "m", separator="auto") == ["A", "B"]


def test_a_percent_in_the_name_of_a_series_stays(tmp_path):
    rows = [f"2024-01-{d:02},{k},{d % 3}%" for d in range(1, 20) for k in ("5%", "10%")]
    path = write(tmp_path, "\n".join(["t,tag,x", *rows]))
    assert list(read_csv(path, time="t", tag="tag", value="x")) == ["10%", "5%"]


@pytest.mark.parametrize("cell", ["-1.5", "-999", "0123"])
def test_years_that_no_clock_shows_are_no_times(tmp_path, cell):
    rows = [f"2024-01-{day:02} 10:00+02:00,{day % 3}" for day in range(1, 20)]
    path = write(tmp_path, "\n".join(["t,x", f"{cell},1", *rows]))
    with pytest.raises(DataError, match=rf"Received: '{cell}' in line 2"):
        read_csv(path, time="t")


def test_rows_are_sorted_where_asked_for(tmp_path):
    rows = [f"2024-01-{day:02},{day % 3}" for day in (*range(11, 20), *range(1, 11))]
    path = write(tmp_path, "\n".join(["t,x", *rows]))
    with pytest.raises(DataError, match="`sort`"):
        read_csv(path, time="t")
    frame = read_csv(path, time="t", sort=True)
    assert frame.index.is_monotonic_increasing
    assert frame["x"].tolist() == [day % 3 for day in range(1, 20)]
    assert "Rows that stood after a later one and were sorted: 10." in frame.attrs["notes"]


@pytest.mark.parametrize(
    ("cell", "number"),
    [("$1.5", 1.5), ("-$1.5", -1.5), ("1.5 €", 1.5), ("1.5%", 1.5), ("\u22121.5", -1.5),
     ("£ 1.5", 1.5)],
)  # fmt: skip
def test_signs_around_numbers_do_not_matter(tmp_path, cell, number):
    path = write(tmp_path, "\n".join(["x,y", *(f"{cell},{i}" for i in range(9)), "2,3"]))
    assert read_csv(path, column="x")["x"].tolist() == [number] * 9 + [2.0]


def test_series_of_text_are_left_out_of_a_long_format(tmp_path):
    rows = [f"2024-01-{d:02},{k},{v}" for d in range(1, 20)
            for k, v in (("a", d % 3), ("mode", "AUTO"), ("b", d % 4))]  # fmt: skip
    path = write(tmp_path, "\n".join(["t,tag,value", *rows]))
    frame = read_csv(path, time="t", tag="tag", value="value")
    assert list(frame) == ["a", "b"]
    assert "Series left out, as they hold text: 'mode'." in frame.attrs["notes"]


def test_a_file_without_header_is_refused_with_the_remedy(tmp_path):
    rows = ["19.8,49.9", "21.2,51.4", "22.1,51.3"]
    path = write(tmp_path, lines(rows[1:], rows[0]))
    with pytest.raises(DataError, match=r"a first line of numbers, '19.8', '49.9'\. Name its col"):
        read_csv(path)
    frame = read_csv(path, names="a,b")
    assert frame["a"].tolist() == [19.8, 21.2, 22.1]
    with pytest.raises(DataError, match="one column for each of `names`, 3"):
        read_csv(path, names="a,b,c")
    # pandas calls columns 0, 1, 2 … if nobody names them.
    assert list(read_csv(write(tmp_path, lines(rows, "0,1")))) == ["0", "1"]


def test_blanks_around_names_do_not_matter(tmp_path):
    path = write(tmp_path, lines(["2020-01-02,1", "2020-01-03,2"], "time ,temp "))
    for column in ("temp", "temp ", ["temp "]):
        assert list(read_csv(path, time="time ", column=column)) == ["temp"]


def test_signs_of_numbers(tmp_path):
    rows = ["2020-01-02;1.234,5;1,5", "2020-01-03;12,25;2,5", "2020-01-06;7;0,5"]
    path = write(tmp_path, lines(rows, "time;a;b"))
    with pytest.raises(DataError, match=r"Pass decimal=','\."):
        read_csv(path, separator=";", column="b")
    with pytest.raises(DataError, match=r"'a'.* Pass decimal=',' and thousands='\.'\."):
        read_csv(path, separator=";", time="time")  # no text column to leave out
    for decimal in (",", "auto"):
        frame = read_csv(path, time="time", separator="auto", decimal=decimal, thousands=".")
        assert frame["a"].tolist() == [1234.5, 12.25, 7]
        assert frame["b"].tolist() == [1.5, 2.5, 0.5]
    with pytest.raises(DataError, match=r"with a decimal comma\. Received: '1\.234,5' in line 2"):
        read_csv(path, time="time", separator=";", decimal=",")
    path = write(tmp_path, lines(["2020-01-02;0;1,5", "2020-01-03;1.0;2"], "time;a;b"))
    with pytest.raises(DataError, match=r"with a decimal comma\. Received: '1\.0' in line 3"):
        read_csv(path, separator=";", time="time", column="a", decimal=",")
    path = write(tmp_path, lines(['"1,234.5",1', '"1,234,567",2'], "a,b"))
    with pytest.raises(DataError, match=r"Pass thousands=','\."):
        read_csv(path, column="a")
    assert read_csv(path, thousands=",")["a"].tolist() == [1234.5, 1234567]
    for cell, sign in (("1'234.5", '"\'"'), ("1\u202f234.5", "' '")):  # Swiss, French
        path = write(tmp_path, lines([f"{cell};1", "2;2"], "a;b"))
        with pytest.raises(DataError, match=rf"Pass thousands={sign}\."):
            read_csv(path, separator=";")
        assert read_csv(path, separator=";", thousands=sign[1])["a"].tolist() == [1234.5, 2]
    # A comma that parts no thousands is no sign of thousands: 1,5 is not 15.
    path = write(tmp_path, lines(['"1,500",1', '"1,5",2', '"2,000",4'], "a,b"))
    with pytest.raises(DataError, match="'1,5' in line 3"):
        read_csv(path, column="a", thousands=",")
    with pytest.raises(ValueError, match="`thousands` must be"):
        read_csv(path, thousands=".")
    with pytest.raises(ValueError, match="`decimal` must be"):
        read_csv(path, decimal="comma")


def test_a_decimal_comma_changes_neither_times_nor_names(tmp_path):
    rows = [f"2021{month:02}01;{month},5;7" for month in range(1, 10)]
    path = write(tmp_path, lines([*rows[:4], ";;", *rows[4:]], "time;x;unit"))
    frame = read_csv(path, time="time", separator=";", decimal=",", allow_missing=True)
    assert frame.index[8] == pd.Timestamp("2021-09-01")
    frame = read_csv(path, time="time", separator=";", decimal=",", tag="unit", value="x")
    assert list(frame) == ["7"]


def test_markers_of_missing_readings(tmp_path):
    rows = [f"{day},{-999 if i % 9 == 4 else i % 5}" for i, day in enumerate(DAYS)]
    path = write(tmp_path, lines([*rows[:-1], f"{DAYS[-1]},?"]))
    with pytest.raises(DataError, match=r"'\?' in line 29\. Pass missing='\?' if it marks"):
        read_csv(path, time="date")
    frame = read_csv(path, time="date", missing="?", allow_missing=True)
    assert noted(frame, "'close' holds -999 in 3 rows, far from all other values: pass missing=")
    frame = read_csv(path, time="date", missing="?,-999", allow_missing=True)
    assert frame["close"].isna().sum() == 4
    assert frame.attrs["notes"] == []


def test_empty_rows_of_separators_at_the_end(tmp_path):
    frame = read_csv(write(tmp_path, daily() + ",\n ,\n\n,\n"), time="date")
    assert len(frame) == 28
    assert noted(frame, "at the end, as they hold nothing but separators: 3.")


def test_newest_first_is_sorted_and_said(tmp_path):
    path = write(tmp_path, lines([f"{day},{day[-2:]}.5" for day in reversed(DAYS)]))
    frame = read_csv(path, time="date")
    assert frame["close"].iloc[[0, -1]].tolist() == [1.5, 28.5]
    assert frame.index.is_monotonic_increasing
    assert noted(frame, "newest first")


def test_columns_that_cannot_serve_are_left_out_and_named(tmp_path):
    rows = [f"{5 + i},{day},{i % 3},{i % 4},7,8,north,{i * i}," for i, day in enumerate(DAYS)]
    path = write(tmp_path, lines(rows, "row,date,a,b,valve,pump,site,c,void"))
    frame = read_csv(path, time="date")
    assert list(frame) == ["a", "b", "c"]
    assert noted(frame, "one value only: 'valve', 'pump'.")
    assert noted(frame, "text: 'site'.")
    assert noted(frame, "a counter: 'row'.")
    assert noted(frame, "nothing: 'void'.")
    assert list(read_csv(path, time="date", exclude="a, c")) == ["b"]
    assert list(read_csv(path, column=["row", "a"])) == ["row", "a"]
    with pytest.raises(DataError, match="columns 'valve', 'pump' must vary"):
        read_csv(path, column=["a", "valve", "pump"])
    with pytest.raises(DataError, match="have a column 'd'"):
        read_csv(path, exclude=["d"])


def test_rows_with_a_repeated_time_are_counted(tmp_path):
    rows = [f"2020-01-{day:02},{day % 4}" for day in (1, 2, 2, 3, 4, 4, 5)]
    frame = read_csv(write(tmp_path, lines(rows)), time="date", repeated="first")
    assert frame.attrs["dropped"] == 2
    assert noted(frame, "Rows left out, as their time stood in a row before: 2.")


@pytest.mark.parametrize(
    ("repeated", "expected"),
    [
        ("first", [1, 2, 4]), ("last", [1, 6, 4]), ("mean", [1, 4, 4]), ("sum", [1, 8, 4]),
        ("min", [1, 2, 4]), ("max", [1, 6, 4]), ("count", [1, 2, 1]),
    ],
)  # fmt: skip
def test_rows_with_the_same_time_become_one(tmp_path, repeated, expected):
    rows = ["2020-01-01,1", "2020-01-02,2", "2020-01-02,6", "2020-01-03,4"]
    path = write(tmp_path, lines(rows))
    frame = read_csv(path, time="date", repeated=repeated)
    assert frame["close"].tolist() == expected
    assert frame.attrs["dropped"] == 1
    assert noted(frame, "1.")


MACHINES = lines(
    [
        f"2024-01-01 {hour:02}:00,{name},{place},{base + hour % 5}"
        for hour in range(24)
        for name, place, base in (("A", '"Paris, France"', 20), ("B", "Rome", 30))
    ],
    "time,machine,place,value",
)


def test_rows_are_chosen_by_their_cells_and_counted(tmp_path):
    path = write(tmp_path, MACHINES)
    for where in ("machine=B", "machine = B,place=Rome", ["machine=B"], "place=Rome"):
        frame = read_csv(path, time="time", where=where)
        assert frame["value"].iloc[:2].tolist() == [30, 31]
        assert frame.attrs["dropped"] == 24
        assert noted(frame, "not those of `where`: 24.")
    frame = read_csv(path, time="time", where="place=Paris, France,machine=A")
    assert frame["value"].iloc[0] == 20
    for decimal in ("auto", ","):
        assert len(read_csv(path, time="time", where="machine=A", decimal=decimal)) == 24
    with pytest.raises(DataError, match=r"'machine' must hold 'C', as `where` says. .* 'A', 'B'"):
        read_csv(path, time="time", where="machine=C")
    with pytest.raises(DataError, match="have a column 'machin'"):
        read_csv(path, time="time", where="machin=A")
    with pytest.raises(ValueError, match="`where` must be such as 'machine=A'"):
        read_csv(path, time="time", where="machine")


def test_groups_are_named_and_read_one_by_one(tmp_path):
    path = write(tmp_path, MACHINES)
    found = data.open_groups(str(path), "machine", where="", separator="auto", skip_rows=0)
    assert found == {"A": ["machine=A"], "B": ["machine=B"]}
    frames = [data.open_series(str(path), time="time", where=where) for where in found.values()]
    assert [frame["value"].iloc[0] for frame in frames] == [20, 30]
    assert data.open_groups(str(path), "", where="machine=A") == {"": ["machine=A"]}
    with pytest.raises(DataError, match=r"2 to 50 values, each the name of a series. Received: 1"):
        data.open_groups(str(path), "place", where="machine=A")
    with pytest.raises(DataError, match=r"name a series in each line. Received: nan in line 3"):
        data.open_groups(str(write(tmp_path, "time,m,x\n1,a,2\n2,,3\n3,b,3\n")), "m")


def test_texts_beside_repeated_times_are_pointed_out(tmp_path):
    rows = [f"2024-01-{day:02},{'hot' if day % 3 else 'cold'},{day % 4}" for day in range(1, 20)]
    path = write(tmp_path, lines([*rows, rows[-1].replace("hot", "cold")], "time,state,x"))
    words = r"Column 'state' holds 2 texts \('hot', 'cold'\); if they name series, see `tag`"
    with pytest.raises(DataError, match=f"only once. .* {words}, `group` and `where`"):
        read_csv(path, time="time", column="x")
    frame = read_csv(path, time="time", column="x", repeated="mean")
    assert noted(frame, "by 'mean': 1. Column 'state' holds 2 texts")


def test_what_is_guessed_is_said_only_where_it_is_not_usual(tmp_path):
    path = write(tmp_path, daily())
    frame = read_csv(path, time="date", separator="auto", decimal="auto")
    assert frame.attrs["notes"] == []
    path = write(tmp_path, lines(["2020-01-02;1,5", "2020-01-03;2,5", "2020-01-06;7"], "time;a"))
    frame = read_csv(path, time="time", separator="auto", decimal="auto")
    assert frame.attrs["notes"] == [
        "The separator is ';', as in the header.", "The decimal sign is ',', as in the cells.",
    ]  # fmt: skip
    path = write(tmp_path, lines(["1", "2", "4"], "a"))
    assert list(read_csv(path, separator="auto")) == ["a"]
    path = write(tmp_path, lines(["2020-01-02\t1", "2020-01-03\t2"], "time\ta"))
    assert list(read_csv(path, separator="tab", time="time")) == ["a"]


def test_names_with_commas_and_line_breaks(tmp_path):
    rows = ["2020-01-02,1,5,9", "2020-01-03,2,6,3"]
    header = '"time, GMT","Temp, °C","Press, hPa, low","wind\nspeed"'
    path = write(tmp_path, lines(rows, header))
    for column in ("Temp, °C,Press, hPa, low,wind speed", "Temp, °C, Press, hPa, low, wind speed"):
        frame = read_csv(path, time="time, GMT", column=column)
        assert list(frame) == ["Temp, °C", "Press, hPa, low", "wind speed"]
    assert list(read_csv(path, time="time, GMT", exclude="Temp, °C")) == [
        "Press, hPa, low", "wind speed",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "~nobody/x.csv", "loop"])
def test_names_that_no_file_can_have_are_not_found(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.symlink("loop", "loop")
    with pytest.raises(FileNotFoundError, match=r"does not exist\."):
        read_csv(name)


@pytest.mark.parametrize("order", ["pairs", "blocks", "interleaved"])
def test_a_file_in_long_format_is_recognised_and_turned(tmp_path, order):
    late = 30 if order == "interleaved" else 0
    rows = [f"2024-01-01 {hour:02}:00,temp,{20 + hour % 5}" for hour in range(24)]
    other = [f"2024-01-01 {hour:02}:{late:02},press,{3000 + hour % 7}" for hour in range(24)]
    both = (
        rows + other
        if order == "blocks"
        else [row for pair in zip(rows, other, strict=True) for row in pair]
    )
    path = write(tmp_path, lines(both, "time,tag,value"))
    for repeated in ("refuse", "first"):
        with pytest.raises(DataError, match="Pass tag='tag', value='value' for one column of each"):
            read_csv(path, time="time", column="value", repeated=repeated)
    frame = read_csv(path, time="time", tag="tag", allow_missing=bool(late))
    assert sorted(frame) == ["press", "temp"]
    assert frame["temp"].dropna().tolist() == [20 + hour % 5 for hour in range(24)]
    assert frame["press"].dropna().tolist() == [3000 + hour % 7 for hour in range(24)]
    assert list(read_csv(path, time="time", tag="tag", column="temp", allow_missing=True)) == [
        "temp"
    ]
    twice = write(tmp_path, lines([*both, both[3]], "time,tag,value"))
    with pytest.raises(DataError, match=r"only once for each 'tag'.* in line 50\."):
        read_csv(twice, time="time", tag="tag")


def test_a_state_beside_the_readings_is_no_long_format(tmp_path):
    rows = [f"{day},{'on' if i % 2 else 'off'},{i % 5}" for i, day in enumerate(DAYS)]
    assert list(read_csv(write(tmp_path, lines(rows, "date,state,x")), time="date")) == ["x"]


def test_a_torn_archive_is_refused(tmp_path):
    path = tmp_path / "series.csv.bz2"
    whole = bz2.compress(daily().encode())
    for content in (whole[: len(whole) // 2], b"no archive"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="bz2 archive"):
            read_csv(path)


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("02_clock_formats/ampm.csv", {"time": "time", "day_first": True}, (299, 1)),
        ("02_clock_formats/comma_ms.csv", {"time": "time", "separator": ";"}, (299, 1)),
        ("02_clock_formats/hour24.csv", {"time": "time"}, (299, 1)),
        ("02_clock_formats/logger.csv", {"time": "Date Time, GMT-05:00"}, (299, 2)),
        ("03_epoch/epoch_s.csv", {"time": "timestamp"}, (900, 1)),
        ("03_epoch/epoch_ms.csv", {"time": "timestamp"}, (900, 1)),
        ("03_epoch/elapsed_1000.csv", {"time": "t"}, (900, 1)),
        ("05_long_format/long.csv", {"time": "time", "tag": "tag"}, (900, 2)),
        ("05_long_format/long_blocks.csv", {"time": "time", "tag": "machine"}, (900, 2)),
        ("07_three_header_rows/three_headers.csv", {"time": "Date"}, (297, 5)),
        ("09_names_of_columns/trailing_space.csv", {"time": "time ", "column": "temp "}, (399, 1)),
        ("09_names_of_columns/logger24.csv", {"time": "Date Time, GMT-05:00"}, (399, 2)),
        ("11_date_and_time_apart/blank_rows.csv", {"time": "time", "separator": ";"}, (900, 2)),
        ("11_date_and_time_apart/date_time.csv",
         {"time": "Date,Time", "separator": ";", "day_first": True, "missing": "?",
          "allow_missing": True}, (900, 2)),
        ("07_three_header_rows/three_headers.csv", {"time": "Price", "column": "Close"}, (297, 1)),
        ("07_three_header_rows/three_headers.csv", {"time": "Ticker", "column": "XYZ"}, (297, 5)),
        ("14_no_header_line/headerless.csv", {"names": "time,a,b,c,d", "time": "time"}, (900, 1)),
    ],
)  # fmt: skip
def test_cases_are_read(name, arguments, shape):
    assert read_csv(case(name), **arguments).shape == shape


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_are_read_or_refused_in_one_sentence(tmp_path, seed):
    """Bytes are put in, taken out and cut off; no other error, no index out of order."""
    chance = np.random.default_rng(seed)
    odd = [b",", b";", b"\n", b'"', b"#", b"-999", b"nan", b"1e400", b"24:00", b" ", b"Z", b"\xff"]
    odd += [b"+01:00", b"AM", b"9" * 25, b"-", b"0", b"Jan-24", b"True", b"1_0", b"CET", b"\0"]
    starts = [daily(), table(range(1000, 1040)), table([f"{day} 11:00 PM" for day in DAYS])]
    starts += [table([1_700_000_000 + 60 * i for i in range(30)]), "# a\n" + daily()]
    read, refusals = 0, []
    for _ in range(150):
        data = bytearray(starts[chance.integers(len(starts))].encode())
        for _ in range(chance.integers(4)):
            at = chance.integers(len(data))
            if chance.random() < 0.6:
                data[at:at] = odd[chance.integers(len(odd))]
            else:
                del data[at : at + chance.integers(1, 20)]
        time_ = "date" if b"date" in data else "t"
        path = write(tmp_path, bytes(data))
        try:
            frame = read_csv(path, time=time_, separator="auto", max_gap=0, allow_missing=True)
        except DataError as error:
            refusals.append(str(error))
            continue
        read += 1
        assert frame.index.is_monotonic_increasing
        assert frame.index.is_unique
        assert set(frame.dtypes) == {np.dtype("float64")}
    assert read > 20
    assert not [text for text in refusals if "\n" in text]
