"""A file is read, learned from, and then watched without an option: the rows are the same."""

import json
import threading
import time

import numpy as np
import pandas as pd
import pytest

from lib.data import read_csv
from lib.detectors import Detector
from lib.detectors.storage import JSON
from lib.errors import DetectorError, ParameterError
from lib.stream import watch
from lib.stream.prometheus import Metrics

STEPS = np.arange(120)
WAVE = 20 + np.sin(STEPS / 3).round(2)
HOURS = pd.date_range("2024-02-20 01:00", periods=120, freq="h")


def rows(times, *more):
    """Lines of a time and a reading, and whatever is to stand behind."""
    return [",".join(map(str, cells)) for cells in zip(times, WAVE, *more, strict=True)]


def table(form, header="time,x"):
    """Lines of hourly rows, their times in a form of strftime."""
    return [header, *rows(HOURS.strftime(form))]


def decimal_comma(lines):
    return [line.replace(",", ";").replace(".", ",") for line in lines]


def zoned(winter="CET", summer="CEST"):
    """Times as a clock on the wall shows them, summer time included."""
    wall = pd.date_range("2024-03-30 12:00", periods=120, freq="h", tz="UTC").tz_convert("CET")
    zones = {"CET": winter, "CEST": summer}
    return ["time,x", *rows(f"{t:%Y-%m-%d %H:%M}{zones[t.tzname()]}" for t in wall)]


def ends_of_days():
    said = (f"{t - pd.Timedelta('1h'):%d/%m/%Y} {t.hour or 24:02}:00" for t in HOURS)
    return ["time,x", *rows(said)]


def unix(parts):
    return ["time,x", *rows((1_700_000_000 + 60 * STEPS) * parts)]


def of_weeks(form):
    return ["time,x", *rows(form.format(year=2015 + i // 52, week=1 + i % 52) for i in STEPS)]


def intervals(form, sign):
    later = HOURS + pd.Timedelta("1h")
    return ["time,x", *rows(HOURS.strftime(form) + sign + later.strftime(form))]


def long(*readings):
    """Lines of hourly rows in long format: each reading is a tag and a function of the wave."""
    lines = zip(HOURS, WAVE, strict=True)
    return ["time,tag,value", *(f"{t},{tag},{f(x)}" for t, x in lines for tag, f in readings)]


ISO = table("%Y-%m-%d %H:%M")
MINUS = ("", "\u2212")  # as word processors write it
AUTO = {"separator": "auto", "decimal": "auto"}
OWN = "%H o'clock on %d of %m %Y"
FILES = {
    "plain": (ISO, {}),
    "semicolons and decimal commas": (decimal_comma(ISO), AUTO),
    "semicolons, a hint to Excel": (["sep=;", *decimal_comma(ISO)], AUTO),
    "quoted decimal commas": (
        ["time,x", *(f'{line[:16]},"{line[17:].replace(".", ",")}"' for line in ISO[1:])], AUTO,
    ),
    "thousands": (
        ["time;x", *(f"{t};1.{200 + i},5" for i, t in enumerate(HOURS))],
        {**AUTO, "thousands": "."},
    ),
    "markers of missing readings": (
        [*ISO[:50], *(f"2024-02-22 0{i}:00,{x}" for i, x in ((2, "?"), (3, -999), (4, "N/A"))),
         *ISO[53:]],
        {"missing": "?,-999"},
    ),
    "marks with a decimal comma": (
        decimal_comma([*ISO[:50], "2024-02-22 02:00,-999", "2024-02-22 03:00,-999.0", *ISO[52:]]),
        {**AUTO, "missing": "-999"},
    ),
    "switches": ([ISO[0], *(f"{t},{i % 3 == 0}" for i, t in enumerate(HOURS))], {}),
    "date and time in two columns": (
        ["Date,Time,x", *(line.replace(" ", ",", 1) for line in table("%d.%m.%Y %H:%M:%S")[1:])],
        {"time": "Date,Time"},
    ),
    "times not in the first column": (
        ["x,time", *(",".join(reversed(line.split(","))) for line in ISO[1:])], {}
    ),
    "names of zones": (zoned(" CET", " CEST"), {}),
    "mixed offsets": (zoned("+01:00", "+02:00"), {}),
    "12-hour clock": (table("%m/%d/%y %I:%M %p"), {}),
    "day first": (table("%d/%m/%Y %H:%M"), {"day_first": True}),
    "24 o'clock": (ends_of_days(), {"day_first": True}),
    "comma before milliseconds": (decimal_comma(table("%Y-%m-%d %H:%M:%S.250")), AUTO),
    "names of months": (table("%d-%b-%Y %H:%M"), {}),
    "a format of its own": (table(OWN), {"time_format": OWN}),
    "digits": (table("%Y%m%d%H%M"), {}),
    "Unix seconds": (unix(1), {}),
    "Unix milliseconds": (unix(1000), {}),
    "Unix microseconds": (unix(10**6), {}),
    "Unix nanoseconds": (unix(10**9), {}),
    "a counter": (["time,x", *rows(1000 + 2 * STEPS)], {}),
    "a counter of seconds": (["time,x", *rows(STEPS / 8)], {}),
    "a counter with a decimal comma": (decimal_comma(["time,x", *rows(STEPS / 8)]), AUTO),
    "no times": (["x,y", *rows(STEPS % 7)], {"time": None}),
    "no header": (ISO[1:], {"names": "time,x"}),
    "titles": (["Station 5", "", *ISO], {"skip_rows": 2}),
    "three header rows": (["Price,Close", "Ticker,XYZ", "Time,", *ISO[1:]], {"time": "Time"}),
    "units below the header": (["# by a logger", "time,x", "UTC,degC", *ISO[1:]], {}),
    "names in a comment": (
        ["# station 5", "# time x",
         *(line.replace(",", " ") for line in table("%Y-%m-%dT%H:%M")[1:])],
        {"separator": " "},
    ),
    "names with commas and blanks": (['time ,"Temp, °C "', *ISO[1:]], {"time": "time "}),
    "equal names": (["time,x,x", *rows(HOURS, STEPS % 5)], {}),
    "separators at the ends": (["time,x,", *(f"{line}," for line in ISO[1:])], {}),
    "separators at the ends of rows": (["time,x", *(f"{line}," for line in ISO[1:])], {}),
    "a total below": ([*ISO, "Total,2400.0"], {}),
    "headers among the rows": ([*ISO[:60], ISO[0], *ISO[60:]], {}),
    "one machine of several": (
        ["time,x,machine", *(f"{line},{name}" for line in ISO[1:] for name in "AB")],
        {"where": "machine=A"},
    ),
    "weeks": (of_weeks("{year}-W{week:02}"), {}),
    "weeks after a word": (of_weeks("KW {week} {year}"), {}),
    "quarters": (["time,x", *rows(f"{1990 + i // 4}Q{1 + i % 4}" for i in STEPS)], {}),
    "days of a year": (["time,x", *rows(f"2024-{i + 1:03}" for i in STEPS)],
                       {}),
    "intervals": (intervals("%d.%m.%Y %H:%M", " - "), {}),
    "intervals with a slash": (intervals("%Y-%m-%dT%H:%MZ", "/"), {}),
    "times since the start": (["time,x", *rows(f"{i // 6}:{i % 6}0:00" for i in STEPS)], {}),
    "times of day": (["time,x", *rows(f"0 days {i // 6:02}:{i % 6}0:00" for i in STEPS)], {}),
    "days of a spreadsheet": (["time,x", *rows(45342 + STEPS / 24)], {"time_format": "excel"}),
    "hours from 1 to 24 in a column": (
        ["Date,HE,x", *rows(f"{t - pd.Timedelta('1h'):%m/%d/%Y},{t.hour or 24}" for t in HOURS)],
        {"time": "Date,HE"},
    ),
    "a column for each part of a time": (
        ["x,year,month,day,hour",
         *(f"{x},{t.year},{t.month},{t.day},{t.hour}" for t, x in zip(HOURS, WAVE, strict=True))],
        {"time": "year,month,day,hour"},
    ),
    "months in German": (
        ["time,x", *rows(f"{t.day}. {('Februar', 'März')[t.month - 2]} {t:%Y %H:%M} Uhr"
                         for t in pd.date_range("2024-02-20 01:00", periods=120, freq="3h"))],
        {},
    ),
    "AM and PM with points": (
        ["time,x", *rows(f"{t:%m/%d/%Y %I:%M} {'ap'[t.hour > 11]}. m." for t in HOURS)],
        {},
    ),
    "Chinese": (table("%Y年%m月%d日 %H时%M分"), {}),
    "underscores": (table("%Y-%m-%d_%H-%M-%S"), {}),
    "points in the clock": (table("%d.%m.%Y %H.%M"), {}),
    "a log of a web server": (table("[%d/%b/%Y:%H:%M:%S +0000]"), {}),
    "a script's date": (
        table("%a %b %d %Y %H:%M:%S GMT+0100 (Central European Standard Time)"), {}
    ),
    "places": (table("%Y-%m-%d %H:%M:%S Europe/Berlin"), {}),
    "Australia": (table("%Y-%m-%d %H:%M:%S AEST"), {}),
    "currencies and percent": (
        ["time;x;y", *(f"{t};€ 1 {200 + i},5;{MINUS[i % 2]}{i % 7},5 %"
                       for i, t in enumerate(HOURS))],
        {**AUTO, "thousands": " "},
    ),
    "errors of a spreadsheet": ([*ISO[:50], "2024-02-22 02:00,#DIV/0!", *ISO[51:]], {}),
    "blank lines, rules and comments": (
        [*ISO[:50], "", "----", "# restarted", *ISO[50:], "Generated on 2024-03-01"], {}
    ),
    "titles as wide as the rows": (["Station,5", "Zone,UTC", "", *ISO], {}),
    "blanks between columns": (
        ["#YY  MM DD hh  x", "#yr  mo dy hr degC", *(f"{t:%Y %m %d %H}  {x:6}"
                                                   for t, x in zip(HOURS, WAVE, strict=True))],
        {"separator": "auto", "time": "YY,MM,DD,hh"},
    ),
    "short rows": (["time,x,note", *ISO[1:]], {}),
    "tickers above names": (
        ["Price,Close,Close", "Ticker,A,B", "Date,,",
         *(f"{t},{x},{2 * x}" for t, x in zip(HOURS, WAVE, strict=True))],
        {"time": "Price", "column": "B"},
    ),
    "long format": (long(("a", abs), ("b", lambda x: 300 - x)), {"tag": "tag"}),
    "long format, two readings at a time": (
        long(("a", abs), ("b", lambda x: 300 - x), ("a", lambda x: x + 2)),
        {"tag": "tag", "repeated": "mean"},
    ),
    "long format, a text and a machine": (
        ["machine,time,tag,value",
         *(f"{name},{line}" for line in long(("a", abs), ("mode", lambda _: "AUTO"), ("b", abs))[1:]
           for name in "AB")],
        {"tag": "tag", "value": "value", "where": "machine=A"},
    ),
    **{
        f"{statistic} of equal times": (
            [ISO[0], *(line + more for line in ISO[1:] for more in ("", "1", "5"))],
            {"repeated": statistic},
        )
        for statistic in ("mean", "sum", "min", "max", "last")
    },
    "count of equal times": (
        [ISO[0], *(line for i, line in enumerate(ISO[1:]) for _ in range(1 + i % 3))],
        {"repeated": "count"},
    ),
    "the first of equal times": (
        [ISO[0], *(line for line in ISO[1:] for _ in range(2))], {"repeated": "first"}
    ),
}  # fmt: skip


def trained(tmp_path, lines, options, bom=""):
    path = tmp_path / "my.csv"
    path.write_text(bom + "\n".join(lines) + "\n", encoding="utf-8")
    frame = read_csv(path, **{"time": "time", "allow_missing": True, **options})
    detector = Detector("last_value", window=2, preprocessing={"max_gap": 10}).fit(frame)
    detector.save(tmp_path / "detector")
    return path, frame, detector


def watched(tmp_path, path, **options):
    output = tmp_path / "lines.jsonl"
    code = watch.run(tmp_path / "detector", path, output=output, **options)
    said = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    return (
        code,
        [one for one in said if "error" not in one],
        [one for one in said if "error" in one],
    )


@pytest.mark.parametrize("bom", ["", "\ufeff"], ids=["", "BOM"])
@pytest.mark.parametrize("what", FILES)
def test_what_was_read_in_training_is_watched_without_an_option(what, bom, tmp_path, capsys):
    lines, options = FILES[what]
    path, frame, detector = trained(tmp_path, lines, options, bom)
    code, rows, bad = watched(tmp_path, path)
    assert code == 0, capsys.readouterr().err
    expected = detector.decision_function(frame)
    times = [row["time"] for row in rows]
    if isinstance(frame.index, pd.DatetimeIndex):
        times = pd.DatetimeIndex(pd.to_datetime(times, format="ISO8601"))
    assert list(times) == list(frame.index)
    scores = pd.Series([row["score"] for row in rows], frame.index, dtype="float64")
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-9)
    allowed = {"Station": 3, "# by": 1, "# stat": 1, "sep=;": 1, "#YY": 1}
    above = next((n for start, n in allowed.items() if lines[0].startswith(start)), 0)
    more = {"a total below": 1, "headers among the rows": 1, "the first of equal times": 120}
    more["blank lines, rules and comments"] = 4
    assert len(bad) <= above + more.get(what, 0)


def test_an_option_of_the_command_comes_first(tmp_path):
    path, _, _ = trained(tmp_path, *FILES["semicolons and decimal commas"])
    path.write_text("\n".join(ISO) + "\n", encoding="utf-8")
    assert watched(tmp_path, path, separator=",", decimal=".")[0] == 0
    with pytest.raises(ParameterError, match=r"Received: 'time,x'\. Pass --separator ','"):
        watched(tmp_path, path)
    path.write_text("\n".join(decimal_comma(ISO[1:])) + "\n", encoding="utf-8")
    assert len(watched(tmp_path, path, names="time,x")[1]) == 240


def test_rows_of_one_time_are_counted(tmp_path, capsys):
    path, _, _ = trained(tmp_path, *FILES["sum of equal times"])
    assert len(watched(tmp_path, path)[1]) == 120
    assert "; 240 rows joined with one of the same time" in capsys.readouterr().err


def test_a_long_row_is_judged_when_it_is_complete_and_others_are_counted(tmp_path, capsys):
    path, _, _ = trained(tmp_path, *FILES["long format"])
    lines = FILES["long format"][0]
    more = [lines[0], "2024-03-01 00:00,c,1", "2024-03-01 00:00,b,1", "2024-03-01 00:00,b,2",
            "2024-03-01 01:00,a,?", "2024-03-01 01:00,a,3", "2024-03-01 02:00,b,9"]  # fmt: skip
    path.write_text("\n".join(more) + "\n", encoding="utf-8")
    _, rows, bad = watched(tmp_path, path)
    assert [row["time"][11:13] for row in rows] == ["00", "01", "02"]
    assert [one["error"] for one in bad] == ["repeated", "number"]
    assert "1 rows of other series" in capsys.readouterr().err


def test_a_detector_that_does_not_say_where_readings_stood_is_refused(tmp_path):
    path, _, _ = trained(tmp_path, *FILES["long format"])
    header = json.loads((tmp_path / "detector" / JSON).read_text("utf-8"))
    del header["reading"]["value"]
    (tmp_path / "detector" / JSON).write_text(json.dumps(header), encoding="utf-8")
    with pytest.raises(ParameterError, match="`value` must name a column where `tag` does"):
        watched(tmp_path, path)
    assert len(watched(tmp_path, path, value="value")[1]) == 120


def test_a_follower_waits_for_the_rows_of_one_time_and_no_longer(tmp_path):
    """The last row of a file that is followed is judged after `wait` seconds of silence."""
    path, _, _ = trained(tmp_path, *FILES["mean of equal times"])
    stream, reader, join = watch._prepared(tmp_path / "detector", {}, (), 10.0, 86_400.0, False)
    source = watch.source.File(path, follow=True)
    output = watch.checkpoint.Output(tmp_path / "lines.jsonl")
    metrics = Metrics(stream.detector.threshold_, stream.sensors)
    one = watch.Watch(stream, reader, source, output, metrics, join=join, wait=0.3)
    stop = threading.Event()
    thread = threading.Thread(target=one.run, args=(stop, threading.Event()))
    thread.start()
    for _ in range(100):
        if stream.counts["rows"] == 120:
            break
        time.sleep(0.1)
    stop.set()
    thread.join()
    output.close()
    source.close()
    assert stream.counts["rows"] == 120


@pytest.mark.parametrize(
    ("lines", "options", "statistic"),
    [
        (["time,x", *(f"{t},{i % 7}" for i, t in enumerate(pd.date_range(
            "2024-01-01", periods=200, freq="7min").repeat(np.arange(200) % 3 + 1)))],
         {"repeated": "count"}, "sum"),
        (["time,tag,value", *(f"{t},{'ab'[i % 2]},{i % 9}" for i, t in enumerate(pd.date_range(
            "2024-01-01", periods=400, freq="13min")))],
         {"tag": "tag"}, "mean"),
    ],
    ids=["events counted by the hour", "sensors at times of their own"],
)  # fmt: skip
def test_joined_rows_are_resampled_as_in_training(lines, options, statistic, tmp_path):
    path = tmp_path / "my.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    frame = read_csv(path, time="time", allow_missing=True, max_gap=0, **options)
    preprocessing = {"resample": "1h", "statistic": statistic}
    detector = Detector("last_value", window=2, preprocessing=preprocessing).fit(frame)
    detector.save(tmp_path / "detector")
    _, rows, bad = watched(tmp_path, path)
    expected = detector.decision_function(frame)
    assert len(expected) - 1 <= len(rows) <= len(expected)  # the last step may not be complete
    scores = [np.nan if row["score"] is None else row["score"] for row in rows]
    np.testing.assert_allclose(scores, expected[: len(rows)], rtol=1e-5, atol=1e-9)
    assert not bad


def test_rows_out_of_order_are_warned_of(tmp_path, capsys):
    path, _, _ = trained(tmp_path, [ISO[0], *reversed(ISO[1:])], {})
    watched(tmp_path, path)
    assert "did not stand in the order of their times" in capsys.readouterr().err


def test_a_file_in_windows_1252_is_watched_as_it_was_read(tmp_path):
    lines = ["Zeit;Temp °C", *decimal_comma(ISO[1:])]
    path = tmp_path / "my.csv"
    path.write_bytes(("\n".join(lines) + "\n").encode("cp1252"))
    frame = read_csv(path, time="Zeit", **AUTO)
    assert list(frame) == ["Temp °C"]
    assert "read as Windows-1252" in " ".join(frame.attrs["notes"])
    Detector("last_value", window=2).fit(frame).save(tmp_path / "detector")
    assert len(watched(tmp_path, path)[1]) == 120


@pytest.mark.parametrize(
    "reading", [5, {"names": 5, "header": []}, {"header": 3}, {"where": [1]}, {"time": [[]]},
                {"missing": 1}, {"skip_rows": "x"}, {"separator": ";;"}, {"decimal": []},
                {"encoding": "x"}, {"tag": 5, "value": 3}, {"tag": "x"}, {"repeated": 5}]
)  # fmt: skip
def test_a_damaged_reading_is_one_refusal(reading, tmp_path):
    path, _, _ = trained(tmp_path, *FILES["plain"])
    header = json.loads((tmp_path / "detector" / JSON).read_text("utf-8"))
    header["reading"] = reading
    (tmp_path / "detector" / JSON).write_text(json.dumps(header), encoding="utf-8")
    with pytest.raises((DetectorError, ParameterError)):
        watched(tmp_path, path)


@pytest.mark.parametrize(
    "what",
    ["three header rows", "a counter", "no times", "12-hour clock", "long format",
     "mean of equal times", "count of equal times"],
)  # fmt: skip
def test_a_watcher_goes_on_where_it_stopped(what, tmp_path):
    lines, options = FILES[what]
    path, _, _ = trained(tmp_path, lines, options)
    whole = watched(tmp_path, path)[1]
    (tmp_path / "lines.jsonl").unlink()
    for count in (1, 2, 3, 30, 31, len(lines)):
        path.write_text("\n".join(lines[:count]) + "\n", encoding="utf-8")
        rows = watched(tmp_path, path, state=tmp_path / "state.json")[1]
    assert rows == whole
