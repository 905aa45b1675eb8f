"""Notebook 08 on files that it has not seen: no change of code, and one clear error if it fails.

Its cells are executed here, in this process: a kernel for each of these would take minutes.
"""

import inspect
import json
import re
import shlex
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from places import ROOT, SHARED

from lib import plotting, training
from lib.course import notebooks, parameters
from lib.course.notebooks import text
from lib.detectors import detector, recipe
from lib.errors import ParameterError
from lib.stream import watch

NAME = "08_your_own_series"
QUICK = {"kind": "dense_autoencoder", "epochs": 2}
DAYS = pd.date_range("2010-01-01", periods=3000, name="day")


def shared(name):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs a copy of {name}, which is not part of the project")
    return str(path)


@pytest.fixture(autouse=True)
def _nothing_is_shown(monkeypatch):
    monkeypatch.setattr(plotting, "display", lambda *arguments, **options: None)
    with plt.rc_context():
        yield


def execute(until=None, **given):
    """Execute the cells of the notebook, up to that which defines a name; return what they did."""
    notebook = notebooks.read(ROOT / "notebooks" / f"{NAME}.ipynb")
    namespace = {"__name__": "notebook"}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec(compile(text(cell["source"]), NAME, "exec"), namespace)
            if "parameters" in cell["metadata"].get("tags", []):
                namespace.update(given)
            if until in namespace:
                break
    plt.close("all")
    return namespace


def write(folder, n_rows=700, name="sensor.csv", sep=",", **columns):
    """A file with waves of one week in two columns, and a fault near its end."""
    step, noise = np.arange(n_rows), np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "heat": 20 + 5 * np.sin(2 * np.pi * step / 7) + noise.normal(0, 0.3, n_rows),
            "load": 300 + 40 * np.cos(2 * np.pi * step / 7) + noise.normal(0, 3, n_rows),
            **columns,
        },
        DAYS[:n_rows],
    )
    if n_rows > 690:
        frame.iloc[680, 0] += 15
    frame.to_csv(folder / name, sep=sep)
    return str(folder / name)


OWN = {"time": "day", "column": "", "form": "levels", **QUICK}


# Files of others


def test_a_year_of_prices_is_called_unreliable(capsys, tmp_path):
    found = execute(csv=shared("KLSE.csv"), output=str(tmp_path / "out"), **QUICK)
    said = capsys.readouterr().out
    assert len(found["series"]) == 248
    assert found["detector"].n_windows_ < 150
    assert "VERDICT: UNRELIABLE" in said
    assert "8 windows that share no row" in said
    assert found["length"] == 19
    flags = pd.read_csv(tmp_path / "out" / "flags.csv", index_col=0, parse_dates=True)
    assert len(flags) == 50
    assert flags.index[-1] == pd.Timestamp("2024-03-07")


def test_a_machine_with_a_doubled_hour(capsys):
    path = shared("nab/machine_temperature_system_failure.csv")
    given = {"csv": path, "column": "value", "time": "timestamp", "form": "levels"}
    with pytest.raises(ValueError, match=r"in line 10151\."):
        execute(**given, **QUICK)
    found = execute(**given, repeated="first", resample="1h", **QUICK)
    flagged = found["flags"].index[found["flags"]]
    # Its known failure: 7 to 9 February 2014.
    assert ((flagged >= "2014-02-07") & (flagged <= "2014-02-09 23:59")).any()
    assert "VERDICT" in capsys.readouterr().out


def test_three_sensors_of_a_pump(capsys):
    found = execute(
        csv=shared("skab/data/valve1/0.csv"),
        column="Current, Pressure,Volume Flow RateRMS",
        time="datetime",
        separator=";",
        form="levels",
        **QUICK,
    )
    assert found["detector"].features_ == ["Current", "Pressure", "Volume Flow RateRMS"]
    assert found["blame"].sum() == pytest.approx(1, abs=0.02)
    assert "24 of them side by side" in capsys.readouterr().out


def test_by_one_command_and_nothing_else(tmp_path):
    """As the README has it: the file is named, all else is the notebook's default."""
    command = [sys.executable, "-m", "lib", "run", "08", "--output", str(tmp_path / "build")]
    given = ["-p", "csv", shared("KLSE.csv"), "-p", "epochs", "2"]
    done = subprocess.run([*command, *given], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = sorted(path.name for path in (tmp_path / "build" / "figures").glob("08_*.png"))
    assert figures == ["08_autocorrelation.png", "08_flags.png", "08_series.png"]
    assert all(path.stat().st_size > 10_000 for path in (tmp_path / "build/figures").glob("*.png"))


# Files of our own


def test_a_fault_is_flagged_and_everything_is_kept(tmp_path, capsys):
    found = execute(csv=write(tmp_path), output=str(tmp_path / "a" / "out"), **OWN)
    assert found["length"] == 7
    assert found["flags"].loc[DAYS[680]]
    assert found["plain"].sum() >= 0
    assert found["blame"]["heat"] > 0.5
    out = tmp_path / "a" / "out"
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert names == {"flags.csv", "flags.png", "detector/detector.json", "detector/model.keras"}
    assert (out / "flags.png").read_bytes()[:4] == b"\x89PNG"
    flags = pd.read_csv(out / "flags.csv", index_col="day", parse_dates=True)
    assert flags["flag"].tolist() == found["flags"].astype(int).tolist()
    loaded = detector.Detector.load(out / "detector")
    rows = found["rows"]
    np.testing.assert_allclose(
        loaded.decision_function(rows).loc[flags.index], flags["score"], rtol=1e-5
    )
    said = capsys.readouterr().out
    assert "* a threshold from 50 scores; fewer than 100" in said
    assert "learned: what is flagged" not in said
    assert f"{found['both'].sum()} rows are flagged by both" in said


@pytest.mark.parametrize("form", ["returns", "levels"])
def test_watch_flags_the_rows_that_the_notebook_flags(form, tmp_path):
    path = write(tmp_path)
    execute(csv=path, output=str(tmp_path / "out"), **{**OWN, "form": form, "threshold": "maximum"})
    folder, lines = str(tmp_path / "out" / "detector"), tmp_path / "lines.jsonl"
    assert watch.run(folder, path, output=lines) == 0
    said = pd.DataFrame(map(json.loads, lines.read_text(encoding="utf-8").splitlines()))
    assert len(said) == 700
    flags = pd.read_csv(tmp_path / "out" / "flags.csv", index_col="day", parse_dates=True)
    said = said.set_index(pd.to_datetime(said["time"])).loc[flags.index]
    assert said["flag"].tolist() == flags["flag"].tolist()
    assert 0 < flags["flag"].sum() < len(flags) / 5
    np.testing.assert_allclose(said["score"].astype(float), flags["score"], rtol=1e-3)


def test_watch_resamples_as_the_notebook_does(tmp_path):
    path, lines = write(tmp_path), tmp_path / "lines.jsonl"
    given = {**OWN, "resample": "48h", "output": str(tmp_path / "out")}
    found = execute(csv=path, **given)
    assert found["same"]
    assert watch.run(tmp_path / "out" / "detector", path, output=lines) == 0
    said = pd.DataFrame(map(json.loads, lines.read_text(encoding="utf-8").splitlines()))
    flags = pd.read_csv(tmp_path / "out" / "flags.csv", index_col="day", parse_dates=True)
    said = said.set_index(pd.to_datetime(said["time"]))
    both = flags.index.intersection(said.index)
    assert len(both) >= len(flags) - 1  # the last step may not be complete
    np.testing.assert_allclose(said["score"].astype(float)[both], flags["score"][both], rtol=1e-3)


def test_nothing_is_left_behind_unless_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    execute(csv=write(tmp_path), **OWN)
    assert [path.name for path in tmp_path.iterdir()] == ["sensor.csv"]


def test_a_second_run_replaces_the_first(tmp_path):
    given = {"csv": write(tmp_path), "output": str(tmp_path / "out"), **OWN}
    execute(**given)
    found = execute(**given, threshold="maximum")
    loaded = detector.Detector.load(tmp_path / "out" / "detector")
    assert loaded.threshold_ == found["detector"].threshold_ == found["calm"].max()


@pytest.mark.parametrize("kind", parameters.specification(NAME)["kind"].choices)
def test_every_kind_runs(kind, tmp_path):
    given = {**OWN, "kind": kind, "epochs": 1, "column": "heat"}
    found = execute(csv=write(tmp_path), **given)
    assert found["detector"].recipe["kind"] == kind
    assert found["same"]


@pytest.mark.parametrize("rule", ["fixed", "peaks_over_threshold", "conformal"])
def test_rules_run(rule, tmp_path):
    option = {"fixed": 1.0, "peaks_over_threshold": 0.01}.get(rule, 0.0)
    given = {"threshold": rule, "option": option, **OWN}
    found = execute(csv=write(tmp_path, 3000), **given)
    assert found["detector"].recipe["threshold"] == rule


def test_both_rules_flag_as_often(tmp_path):
    for simple in ("moving_z", "last_value"):
        found = execute(csv=write(tmp_path), simple=simple, **OWN)
        calm, line = found["calm"].dropna(), found["rule_threshold"]
        promised = (calm > found["detector"].threshold_).sum()
        arithmetic = found["arithmetic"].loc[calm.index]
        assert (arithmetic > line).sum() == promised > 0


def test_without_times_and_with_holes_and_another_separator(tmp_path):
    step = np.arange(700)
    holes = np.where(step % 50 == 3, np.nan, np.sin(step / 3))
    path = write(tmp_path, sep=";", heat=holes)
    found = execute(
        **{**OWN, "time": "", "column": "heat"}, csv=path, separator=";", max_missing=0.3
    )
    assert found["rows"].index.name == "step"
    assert found["scores"].isna().sum() == found["rows"].loc[found["test"].index].isna().sum().sum()


def test_a_shipped_series_by_its_name():
    found = execute(csv="la_haute_borne", time="time", column="Ot_avg", form="levels",
                    resample="6h", max_gap=0.0, **QUICK)  # fmt: skip
    assert found["detector"].features_ == ["Ot_avg"]


# Every row of the table "My file looks like this"


def table():
    """The rows of the table: what a file looks like -> the commands to add."""
    page = (ROOT / "docs" / "own_series.md").read_text(encoding="utf-8")
    lines = page.partition("| file | add |\n")[2].partition("\n\n")[0].splitlines()[1:]
    rows = [re.split(r" \| ", line.strip("| ")) for line in lines]
    return {what: re.findall("`(-p .*?)`", add) or [""] for what, add in rows}


def rows_of(form, n_rows=120, header="time,x", other=""):
    """Lines of a file: times in a form of strftime, a wave, and further cells."""
    when = pd.date_range("2024-01-01", periods=n_rows, freq="D")
    wave = 20 + np.sin(np.arange(n_rows) / 2).round(2)
    return [header, *(f"{t.strftime(form)},{x}{other}" for t, x in zip(when, wave, strict=True))]


def unix(n_rows=120):
    return ["time,x", *(f"{1_700_000_000_000 + 60_000 * i},{i % 7}" for i in range(n_rows))]


PLAIN = rows_of("%Y-%m-%d")
FILES = {
    "12-hour clock": [*rows_of("%m/%d/%y 11:30 PM")],
    "months in other": [line.replace("Mar", "März") for line in rows_of("%d. %b %Y")],
    "the day before": rows_of("%d/%m/%Y"),
    "any other form": [line.replace(", ", "; ") for line in rows_of("%d of %m; %Y")],
    "date and time of day": [
        "Date,Time,x", *(line.replace("T", ",", 1) for line in rows_of("%Y-%m-%dT06:00:00")[1:]),
    ],
    "Unix time": unix(),
    "a counter": ["time,x", *(f"{i},{i % 7}" for i in range(120))],
    "days of a": ["time,x", *(f"{45292 + i / 2},{i % 7}" for i in range(120))],
    "three header rows": ["# by a logger", "time,x", "s,degC", *PLAIN[1:]],
    "a price downloader's": [
        "Price,Close,Open", "Ticker,XYZ,ABC", "Date,,",
        *(f"{line},3{i % 3}" for i, line in enumerate(PLAIN[1:])),
    ],
    "titles above": ["Station 5", "", *PLAIN],
    "no header line": PLAIN[1:],
    "semicolons": [line.replace(",", ";").replace(".", ",") for line in PLAIN],
    "thousands": ["time;x", *(f"{line[:10]};1.{200 + i},5" for i, line in enumerate(PLAIN[1:]))],
    "currencies and": [*PLAIN[:50], *(f"{line[:11]}${line[11:]} " for line in PLAIN[50:])],
    "`?` or `-999`": [*PLAIN[:50], "2024-02-19,?", "2024-02-20,-999", *PLAIN[52:]],
    "`N/A`, `None`": [
        *PLAIN[:50], "2024-02-19,N/A", "2024-02-20,None", *PLAIN[52:-2], "2024-04-28,-",
        "2024-04-29,#DIV/0!",
    ],
    "zones and offsets": [
        *rows_of("%Y-%m-%d 10:00 CET")[:60],
        *rows_of("%Y-%m-%d 10:00+02:00")[60:],
    ],
    "UTF-8 with": ["\ufefftime,x", *PLAIN[1:]],
    "units or tickers": ["time,x", "UTC,degC", *PLAIN[1:60], PLAIN[0], *PLAIN[60:], "Total,2400"],
    "blank lines": [*PLAIN[:50], "", "-----", "# restarted", *PLAIN[50:]],
    "newest row first": [PLAIN[0], *reversed(PLAIN[1:])],
    "rows in any": [PLAIN[0], *PLAIN[60:], *PLAIN[1:60]],
    "constant, text": [
        "time,x,valve,site,row,spare",
        *(f"{line},7,north,{i},{i % 3}" for i, line in enumerate(PLAIN[1:])),
    ],
    "a name with commas": ['time,"Temp, °C"', *PLAIN[1:]],
    "columns that are": [
        "time,x,weather", *(f"{line},{i % 9}" for i, line in enumerate(PLAIN[1:])),
    ],
    "several rows with": [PLAIN[0], *(line for line in PLAIN[1:] for _ in range(2))],
    "single events": [
        "time,x", *(f"2024-01-01 {i // 60:02}:{i // 3 % 20:02}:00,{i % 5}" for i in range(900)),
    ],
    "nights, weekends": [
        "time,x", *(f"2024-01-{1 + i // 8:02} {8 + i % 8:02}:00,{i % 5}" for i in range(160)),
    ],
    "long format": [
        "time,tag,value",
        *(f"{line[:10]},{tag},{line[11:]}" for line in PLAIN[1:] for tag in ("heat", "load")),
    ],
    "long format, each": [
        "time,tag,value",
        *(f"{line[:10]} {hour}:00,{tag},{more}{line[11:]}" for line in PLAIN[1:]
          for tag, hour, more in (("heat", "09", ""), ("load", "17", "3"))),
    ],
    "several machines": [
        "time,machine,x",
        *(f"{line[:10]},{name},{line[11:]}" for line in PLAIN[1:] for name in "AB"),
    ],
}  # fmt: skip
FILES["any other form"] = ["time,x", *(f'"{d.replace(";", ",")}",{x}' for d, x in (
    line.rsplit(",", 1) for line in rows_of("%d of %m; %Y")[1:]))]  # fmt: skip


def test_the_table_has_a_file_for_each_row():
    assert len(table()) == len(FILES)
    for what, start in zip(table(), FILES, strict=True):
        assert what.startswith(start)


@pytest.mark.parametrize(
    ("start", "command"),
    [(start, one) for start, found in zip(FILES, table().values(), strict=True) for one in found],
)
def test_each_row_of_the_table_is_read_as_it_says(start, command, tmp_path, capsys):
    path = tmp_path / "my.csv"
    path.write_text("\n".join(FILES[start]) + "\n", encoding="utf-8")
    words = shlex.split(command)
    given = {"time": "time", "column": "", "form": "levels"}
    for name, value in zip(words[1::3], words[2::3], strict=True):
        given[name] = parameters.find(NAME, name).parse(value)
    found = execute(until="rows", csv=str(path), **given)
    series, said = found["series"], capsys.readouterr().out
    sensors = {
        "a name with": ["Temp, °C"],
        "long format": ["heat", "load"],
        "columns that": ["x", "weather"],
    }
    sensors |= {"no header": ["temperature"], "a price": ["Close"]}
    expected = next((names for key, names in sensors.items() if start.startswith(key)), ["x"])
    if start.startswith("constant") and not command.startswith("-p exclude"):
        expected = ["x", "spare"]
    assert list(series) == expected
    assert 100 <= len(series) <= 300
    if start not in ("Unix time", "a counter"):
        assert series.index[0] >= pd.Timestamp("2024-01-01")
    promised = {"newest": "newest first", "semi": "decimal sign is ','", "several rows": ": 120."}
    promised |= {"constant": "one value only: 'valve'", "several machines": ": 120."}
    for key, words in promised.items():
        assert not start.startswith(key) or words in said


def test_without_the_option_the_error_names_it(tmp_path):
    """Each error of a file in the table names the parameter that its row of the table has."""
    for start, command in zip(FILES, (found[0] for found in table().values()), strict=True):
        option = command.split(" ")[1] if command else ""
        if option not in ("time_format", "skip_rows", "names", "thousands", "missing", "repeated",
                          "max_gap", "tag", "group", "sort"):  # fmt: skip
            continue
        if start in ("Unix time", "a counter", "titles above", "days of a"):
            continue
        path = tmp_path / "my.csv"
        path.write_text("\n".join(FILES[start]) + "\n", encoding="utf-8")
        with pytest.raises(ValueError, match=option):
            execute(until="rows", csv=str(path), time="time", column="", form="levels")


def test_each_group_has_its_own_detector_and_its_line_in_the_report(tmp_path, capsys):
    frames = []
    for name, base, n_rows in (("north", 20, 700), ("south", 80, 600), ("short", 5, 60)):
        path = write(tmp_path, n_rows)
        one = pd.read_csv(path)
        frames.append(one.assign(machine=name, heat=one["heat"] + base))
    pd.concat(frames).to_csv(tmp_path / "fleet.csv", index=False)
    given = {**OWN, "column": "heat", "group": "machine", "output": str(tmp_path / "out")}
    found = execute(csv=str(tmp_path / "fleet.csv"), **given)
    report = found["report"]
    assert report.index.tolist() == ["north", "south", "short"]
    assert report["why not"].tolist()[:2] == ["", ""]
    assert "at least 100 rows of data. Received: 60" in report.loc["short", "why not"]
    assert report["coverage"].tolist()[:2] == ["100%", "100%"]
    assert report.loc["north", "flagged"] == found["flags"].sum() > 0
    assert "3 groups; the first, north, in detail" in capsys.readouterr().out
    out = tmp_path / "out"
    assert len(pd.read_csv(out / "groups.csv")) == 3
    scales = [
        detector.Detector.load(out / "groups" / number / "detector").scaler_["mean"]["heat"]
        for number in ("00", "01")
    ]
    assert scales[1] - scales[0] == pytest.approx(60, abs=2)
    flags = pd.read_csv(out / "groups" / "01" / "flags.csv", index_col="day")
    assert flags["flag"].sum() == report.loc["south", "flagged"]
    assert set(flags["machine"]) == {"south"}


@pytest.mark.parametrize("hole", ["empty", "absent", "scattered"])
def test_missing_readings_never_end_a_run(hole, tmp_path, capsys):
    """One reading of each period is missing: the window always holds a hole."""
    path = write(tmp_path)
    frame = pd.read_csv(path, index_col=0)
    chance = np.random.default_rng(1)
    if hole == "scattered":
        frame.iloc[np.flatnonzero(chance.random(len(frame)) < 0.03), 0] = np.nan
    else:
        frame.iloc[3::7, 0] = np.nan
    frame = frame.dropna(subset="heat") if hole == "absent" else frame
    frame.to_csv(path)
    again = {"resample": "1D"} if hole == "absent" else {}
    found = execute(csv=path, **{**OWN, "column": "heat", "max_missing": 0.3}, **again)
    said = capsys.readouterr().out
    assert "coverage: " in said
    assert found["both_score"].sum() > 100
    assert f"{found['both_score'].sum():,} test rows are scored by both" in said
    calm, threshold = found["calm"][found["both_calm"]], found["rule_threshold"]
    assert (found["arithmetic"].loc[calm.index] > threshold).sum() == (
        calm > found["detector"].threshold_
    ).sum()


def test_a_rule_without_values_ends_no_run(tmp_path):
    """Every other reading is missing, so that no row has a row before it."""
    path = write(tmp_path, 900)
    frame = pd.read_csv(path, index_col=0)
    frame.iloc[1::2, 0] = np.nan
    frame.to_csv(path)
    given = {**OWN, "column": "heat", "simple": "last_value", "max_missing": 0.6, "window": 14}
    found = execute(csv=path, **given)
    assert found["plain"].sum() == 0
    assert not found["both_score"].any()


def test_alarms_on_one_column_and_the_other_as_its_input(tmp_path, capsys):
    path = write(tmp_path)
    frame = pd.read_csv(path, index_col=0)
    frame.iloc[650, 1] += 300  # of the input; it must raise no alarm of its own
    frame.to_csv(path)
    found = execute(csv=path, targets="heat", output=str(tmp_path / "out"), **OWN)
    assert found["detector"].recipe["targets"] == ["heat"]
    assert found["detector"].features_ == ["heat", "load"]
    assert list(found["expected"]) == list(found["blame"].index) == ["heat"]
    assert found["flags"].loc[DAYS[680]]
    assert "alarms on heat; all other columns are inputs only" in capsys.readouterr().out
    assert found["same"]


def test_the_rows_that_stop_the_training_set_no_threshold(tmp_path, capsys):
    found = execute(csv=write(tmp_path, 2000), **OWN)
    half = len(found["held"]) // 2
    assert found["calm"].iloc[:half].isna().all()
    assert found["calm"].iloc[half:].notna().sum() == len(found["held"]) - half - 6
    assert "VERDICT: no objection" in capsys.readouterr().out
    found = execute(csv=write(tmp_path, 300), **{**OWN, "window": 30})
    assert "few rows are held out" in capsys.readouterr().out


def test_pure_noise_is_called_so_and_a_wave_is_not(tmp_path, capsys):
    noise = np.random.default_rng(3).normal(size=700)
    found = execute(csv=write(tmp_path, heat=noise, load=noise[::-1]), **OWN)
    assert 0.9 < found["share"] < 1.1
    assert "That is next to nothing learned" in capsys.readouterr().out
    assert execute(csv=write(tmp_path), **{**OWN, "epochs": 20})["share"] < 0.7


@pytest.mark.parametrize("form", ["levels", "returns"])
def test_a_flagged_row_of_one_column_lies_outside_of_its_band(form, tmp_path):
    found = execute(csv=write(tmp_path), **{**OWN, "column": "heat", "form": form})
    reading = found["levels"]["heat"].reindex(found["test"].index)
    outside = (reading < found["low"]) | (reading > found["high"])
    pd.testing.assert_series_equal(outside, found["flags"], check_names=False)
    assert outside.any()


# One clear error, before anything is trained


@pytest.fixture
def _no_training(monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("trained all the same")

    monkeypatch.setattr(training, "fit", refuse)


BAD = {
    "targets": ({"targets": "lod"}, "`targets` must be one of heat, load.*Did you mean 'load'"),
    "targets beside the columns": ({"targets": "load", "column": "heat"}, "`targets` must be"),
    "column": ({"column": "heet"}, "have a column 'heet'.*Did you mean 'heat'"),
    "one of the columns": ({"column": "heat,lod"}, "have a column 'lod'"),
    "time": ({"time": "date"}, "have a column 'date'"),
    "separator": ({"separator": ";"}, "pass separator=','"),
    "separator of two": ({"separator": ", "}, "`separator` must be one of"),
    "file": ({"csv": "nothing.csv"}, "`csv` must be a shipped series"),
    "clock": ({"resample": "5 apples"}, "`resample` must be a step such as '1h'"),
    "clock without times": ({"resample": "1D", "time": "", "column": "heat"}, "a column of times"),
    "form": ({"form": "change"}, "`form` must be one of"),
    "returns of negative values": ({"form": "returns", "column": "low"}, "for positive values"),
    "window": ({"window": 1}, "`window` must be an integer from 2"),
    "long window": ({"window": 200}, "a window of 200 needs 1045 rows before the test part"),
    "window of words": ({"window": "long"}, "`window` must be an integer from 0 to 500"),
    "few rows": ({"resample": "7D"}, "`csv` must hold a longer series: a window of"),
    "kind": ({"kind": "lstm"}, "`kind` must be one of"),
    "rule": ({"threshold": "oracle"}, "`threshold` must be one of"),
    "number of the rule": ({"threshold": "percentile", "option": 101.0}, "must suit the rule"),
    "number too many": ({"threshold": "maximum", "option": 3.0}, "takes none"),
    "number missing": ({"threshold": "fixed"}, "`option` must be above 0"),
    "rule that needs more": ({"threshold": "peaks_over_threshold"}, "enough rows for the rule"),
    "share": ({"train_fraction": 1.5}, "`train_fraction` must be a number from 0.1 to 0.95"),
    "epochs": ({"epochs": 0}, "`epochs` must be an integer from 1 to 1000"),
}


@pytest.mark.usefixtures("_no_training")
@pytest.mark.parametrize("name", BAD)
def test_what_is_of_no_use_is_refused_before_training(name, tmp_path):
    changes, message = BAD[name]
    path = write(tmp_path, low=np.linspace(-5, 5, 700))
    with pytest.raises((ValueError, OSError), match=message):
        execute(**{"csv": path, **OWN, **changes})


@pytest.mark.usefixtures("_no_training")
@pytest.mark.parametrize(
    ("n_rows", "message"), [(50, "at least 100 rows"), (101, "needs 80 rows|needs")]
)
def test_a_series_that_is_too_short_says_so(n_rows, message, tmp_path):
    path = write(tmp_path, n_rows)
    window = 0 if n_rows == 50 else 30
    with pytest.raises(ValueError, match=message):
        execute(csv=path, window=window, **OWN)


@pytest.mark.usefixtures("_no_training")
def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "out" / "detector").mkdir(parents=True)
    (tmp_path / "out" / "detector" / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match=r"nothing but a detector.*'thesis\.txt'"):
        execute(csv=write(tmp_path), output=str(tmp_path / "out"), **OWN)
    assert (tmp_path / "out" / "detector" / "thesis.txt").read_text() == "precious"


@pytest.mark.usefixtures("_no_training")
def test_an_unknown_name_is_one_error(capsys):
    with pytest.raises(ParameterError, match="Did you mean 'separator'"):
        parameters.find(NAME, "separater")


# Specification and library say the same


def test_kinds_and_rules_are_those_of_the_detector():
    known = parameters.specification(NAME)
    networks = {name for name, kind in recipe.KINDS.items() if kind.family == "network"}
    assert set(known["kind"].choices) == networks
    assert set(known["threshold"].choices) == set(recipe.RULES)


def test_the_defaults_are_the_detectors():
    known = parameters.specification(NAME)
    defaults = inspect.signature(detector.Detector).parameters
    for name in ("kind", "threshold", "max_missing", "batch_size", "seed"):
        assert known[name].default == defaults[name].default
