"""A file is read, learned from, and then watched without an option: the rows are the same."""

import json

import numpy as np
import pandas as pd
import pytest

from lib.data import read_csv
from lib.detectors import Detector
from lib.detectors.storage import JSON
from lib.errors import DetectorError, ParameterError
from lib.stream import watch

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


ISO = table("%Y-%m-%d %H:%M")
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
    allowed = {"Station": 2, "# by": 1, "# stat": 1, "sep=;": 1}
    above = next((n for start, n in allowed.items() if lines[0].startswith(start)), 0)
    more = {"a total below": 1, "headers among the rows": 1, "the first of equal times": 120}
    assert len(bad) <= above + more.get(what, 0)


def test_an_option_of_the_command_comes_first(tmp_path):
    path, _, _ = trained(tmp_path, *FILES["semicolons and decimal commas"])
    path.write_text("\n".join(ISO) + "\n", encoding="utf-8")
    assert watched(tmp_path, path, separator=",", decimal=".")[0] == 0
    with pytest.raises(ParameterError, match=r"Received: 'time,x'\. Pass --separator ','"):
        watched(tmp_path, path)
    path.write_text("\n".join(decimal_comma(ISO[1:])) + "\n", encoding="utf-8")
    assert len(watched(tmp_path, path, names="time,x")[1]) == 240


def test_a_long_format_is_refused_and_joined_rows_are_warned_of(tmp_path, capsys):
    long = [
        "time,tag,value",
        *(f"{t},{k},{x}" for t, x in zip(HOURS, WAVE, strict=True) for k in "ab"),
    ]
    path, _, _ = trained(tmp_path, long, {"tag": "tag"})
    with pytest.raises(ParameterError, match="in long format"):
        watched(tmp_path, path)
    path, _, _ = trained(tmp_path, ISO, {"repeated": "mean"})
    assert watched(tmp_path, path)[0] == 0
    assert "rows with the same time became one in training (mean)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "reading", [5, {"names": 5, "header": []}, {"header": 3}, {"where": [1]}, {"time": [[]]},
                {"missing": 1}, {"skip_rows": "x"}, {"separator": ";;"}, {"decimal": []}]
)  # fmt: skip
def test_a_damaged_reading_is_one_refusal(reading, tmp_path):
    path, _, _ = trained(tmp_path, *FILES["plain"])
    header = json.loads((tmp_path / "detector" / JSON).read_text("utf-8"))
    header["reading"] = reading
    (tmp_path / "detector" / JSON).write_text(json.dumps(header), encoding="utf-8")
    with pytest.raises((DetectorError, ParameterError)):
        watched(tmp_path, path)


@pytest.mark.parametrize("what", ["three header rows", "a counter", "no times", "12-hour clock"])
def test_a_watcher_goes_on_where_it_stopped(what, tmp_path):
    lines, options = FILES[what]
    path, _, _ = trained(tmp_path, lines, options)
    whole = watched(tmp_path, path)[1]
    (tmp_path / "lines.jsonl").unlink()
    for count in (1, 2, 3, 30, 31, len(lines)):
        path.write_text("\n".join(lines[:count]) + "\n", encoding="utf-8")
        rows = watched(tmp_path, path, state=tmp_path / "state.json")[1]
    assert rows == whole
