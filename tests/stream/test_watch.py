"""`python -m lib watch`: every row once, whatever happens to the input or to the watcher."""

import contextlib
import datetime
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import stub_watch
from places import ROOT
from stub_watch import Forked

from lib import faults
from lib.__main__ import main
from lib.errors import ParameterError
from lib.stream import row_parser
from lib.stream.detection import Stream, sensors_of
from lib.stream.prometheus import Metrics
from lib.stream.row_parser import BadLine
from lib.stream.watch import run as run_watch

STUB = Path(stub_watch.__file__)
STUBBED = types.SimpleNamespace(Detector=stub_watch.StubDetector)  # for `lib.detectors.detector`
HEADER = "time,level,note,wind"
TIMES = pd.date_range("2015-07-01", periods=400, freq="10min")
POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows knows no such signals")


def lines_of(count, start=0):
    """Rows of a table: sometimes a missing cell, and a flag in every 20th row."""
    level = ["" if n % 31 == 30 else f"{0.2 * np.sin(n):.3f}" for n in range(start, start + count)]
    wind = ["3" if n % 20 == 19 else "0.1" for n in range(start, start + count)]
    return [f"{TIMES[start + n]},{level[n]},x,{wind[n]}" for n in range(count)]


# With lines among the rows that are none, a gap, and the old times once more.
TABLE = [
    HEADER,
    *lines_of(50),
    "2015-07-01 08:20:00,0.1,x",
    "2015-07-01 08:20:00,o.1,x,0.1",
    HEADER,
    "",
    "2999-01-01 00:00:00,0.1,x,0.1",
    *lines_of(30, start=50),
    *lines_of(2, start=78),
    *lines_of(40, start=250),
]
BAD = {"columns": 1, "number": 1, "header": 1, "empty": 1, "future": 1, "late": 1, "repeated": 1}


def environment(**more):
    return {**os.environ, "PYTHONPATH": str(ROOT), **{k: str(v) for k, v in more.items()}}


def command(*words):
    return [sys.executable, STUB, "folder", *map(str, words)]


def watch(*words, stdin=""):
    """Run the stub to its end in this process: exit code, lines of output, what went to stderr.

    Standard input is a pipe. For kills and signals there is `start`.
    """
    data, (reading, writing) = stdin if isinstance(stdin, bytes) else stdin.encode(), os.pipe()
    feeder = threading.Thread(target=feed, args=(writing, data))
    with contextlib.ExitStack() as stack:
        given = stack.enter_context(open(reading, encoding="utf-8"))
        out, err = (
            stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(2)
        )
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setitem(sys.modules, "lib.detectors.detector", STUBBED)
        for name, file in {"stdin": given, "stdout": out, "stderr": err}.items():
            patch.setattr(sys, name, file)
        feeder.start()
        code = main(["watch", "folder", *words])
        given.close()  # what is not read is not waited for
        feeder.join()
        out.seek(0)
        err.seek(0)
        return code, out.read().splitlines(), err.read()


def feed(file, data):
    with contextlib.suppress(BrokenPipeError), open(file, "wb", buffering=0) as pipe:
        while data:
            data = data[pipe.write(data) :]


def write(path, lines):
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
    return path


def records(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def lines_in(path):
    """How many lines a watcher has written; the next one may be there by half."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.fixture
def start():
    """A function that starts the stub; whatever becomes of the test, it is ended."""
    started = []

    def start(*words, **more):
        started.append(Forked(*words, **more))
        return started[-1]

    yield start
    for watcher in started:
        watcher.end(signal.SIGKILL)


@pytest.fixture
def stub(monkeypatch):
    """The stub in the place of the detector, in this process."""
    monkeypatch.setitem(sys.modules, "lib.detectors.detector", STUBBED)


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def expected():
    """The lines that an undisturbed run writes for the table."""
    code, out, err = watch(stdin="\n".join(TABLE) + "\n")
    assert code == 0, err
    return out


def test_an_undisturbed_run_judges_each_row_once(expected):
    said = [json.loads(line) for line in expected]
    rows = [row for row in said if "time" in row]
    times = [*TIMES[:80], *TIMES[250:290]]
    assert [row["time"] for row in rows] == [str(moment) for moment in times]
    errors = pd.Series([row["error"] for row in said if "error" in row]).value_counts()
    assert errors.to_dict() == BAD
    flagged = [place for place, row in enumerate(rows) if row["flag"]]
    assert flagged
    assert all(list(rows[place]["sensors"]) for place in flagged)
    assert [row["time"] for row in rows if "gap" in row] == [str(TIMES[250])]
    assert all(row["score"] is None for row in rows[80:85])
    assert rows[85]["score"] is not None


def test_lines_say_where_and_what(expected):
    said = [json.loads(line) for line in expected]
    assert {"error": "number", "line": 53, "seen": "'o.1' in column 'level'"} in said
    assert {"error": "empty", "line": 55} in said


def test_a_file_is_read_as_a_pipe_is(tmp_path, expected):
    path = write(tmp_path / "rows.csv", TABLE)
    code, out, err = watch(path)
    assert (code, out) == (0, expected)
    assert re.search(r"judged: 120 rows, \d+ flagged, \d+ without a score; bad", err)
    assert "bad lines: 1 columns, 1 empty, 1 future, 1 header, 1 late, 1 number, 1 rep" in err


def test_only_flags(expected):
    _, out, _ = watch("--flags-only", stdin="\n".join(TABLE) + "\n")
    kept = [line for line in expected if '"flag": 0' not in line]
    assert out == kept
    assert len(kept) < len(expected) / 2


@POSIX
@pytest.mark.parametrize("place", ["before", "within", "after"])
@pytest.mark.parametrize("step", [2, 30])
def test_a_watcher_that_is_killed_goes_on(tmp_path, expected, place, step):
    path = write(tmp_path / "rows.csv", TABLE)
    words = path, "--state", tmp_path / "state.json", "--output", tmp_path / "flags.jsonl"
    codes, kills = [], 3 if step == 2 else 20
    while len(codes) < kills:
        kill = f"{place} {step + 9 * len(codes)}"
        codes.append(Forked(*words, KILL=kill, EVERY=-1, CHUNK=25).end())
        if codes[-1] == 0:
            break
    code = watch(*words)[0] if codes[-1] else 0
    assert code == 0
    assert codes.count(-signal.SIGKILL) >= 2
    assert (tmp_path / "flags.jsonl").read_text("utf-8").splitlines() == expected


@POSIX
def test_killed_again_and_again_while_the_file_grows(tmp_path, expected):
    path, output, state = (tmp_path / name for name in ("rows.csv", "flags.jsonl", "state.json"))
    data = "".join(line + "\n" for line in TABLE).encode()
    path.write_bytes(data[:100])
    kills, rng = 5, np.random.default_rng(0)
    cuts = np.sort(rng.integers(100, len(data), kills))
    for cut in [*cuts, len(data)]:
        words = path, "--follow", "--state", state, "--output", output
        watcher = Forked(*words, EVERY=0.001, CHUNK=200)
        seen = state.stat().st_mtime_ns if state.exists() else 0
        wait_for(lambda seen=seen: state.exists() and state.stat().st_mtime_ns > seen)
        with open(path, "ab", buffering=0) as file:
            while file.tell() < cut:
                file.write(data[file.tell() : min(file.tell() + 90, cut)])
                time.sleep(0.002)
        if cut < len(data):
            time.sleep(rng.uniform(0, 0.1))
        else:
            wait_for(lambda: lines_in(output) >= len(expected))
        assert watcher.end(signal.SIGKILL) == -signal.SIGKILL
    assert output.read_text("utf-8").splitlines() == expected


@POSIX
def test_into_a_pipe_at_most_one_line_is_repeated(tmp_path, expected):
    path = write(tmp_path / "rows.csv", TABLE)
    words = path, "--state", tmp_path / "state.json"
    killed = Forked(*words, KILL="before 40")
    assert killed.end() == -signal.SIGKILL
    first = killed.out.splitlines()
    second = watch(*words)[1]
    assert first[-1] == second[0]
    assert first[:-1] + second == expected


def test_a_pipe_that_brings_the_old_rows_again_gives_only_new_ones(tmp_path, expected):
    words = "--state", tmp_path / "state.json", "--output", tmp_path / "flags.jsonl"
    half = "\n".join(TABLE[:40]) + "\n"
    assert watch(*words, stdin=half)[0] == 0
    assert watch(*words, stdin="\n".join(TABLE) + "\n")[0] == 0
    found = (tmp_path / "flags.jsonl").read_text("utf-8").splitlines()
    assert found == expected


def test_a_pipe_may_go_on_without_a_header(tmp_path, expected):
    words = "--state", tmp_path / "state.json", "--output", tmp_path / "flags.jsonl"
    watch(*words, stdin="\n".join(TABLE[:40]) + "\n")
    watch(*words, stdin="\n".join(TABLE[40:50]) + "\n")
    found = (tmp_path / "flags.jsonl").read_text("utf-8").splitlines()
    assert found == expected[:49]


@POSIX
@pytest.mark.parametrize("how", ["moved away", "cut short", "written anew"])
def test_a_file_that_begins_anew_is_followed(tmp_path, how, start):
    path, output = tmp_path / "rows.csv", tmp_path / "flags.jsonl"
    rows = lines_of(40)
    write(path, [HEADER, *rows[:20]])
    words = path, "--follow", "--state", tmp_path / "state.json", "--output", output
    watcher = start(*words)
    wait_for(lambda: lines_in(output) == 20)
    if how == "moved away":
        path.rename(tmp_path / "rows.csv.1")
        write(path, [HEADER, *rows[20:]])
    elif how == "cut short":
        write(path, [HEADER])
        time.sleep(0.5)
        write(path, [HEADER, *rows[20:]])
    else:  # with the old rows in it, and columns in another order
        swapped = [",".join(line.split(",")[i] for i in (0, 3, 2, 1)) for line in rows]
        write(path, ["time,wind,note,level", *swapped])
    wait_for(lambda: lines_in(output) >= 40)
    assert watcher.end(signal.SIGTERM) == 0
    whole = [json.loads(line) for line in watch(stdin="\n".join([HEADER, *rows]) + "\n")[1]]
    assert records(output) == whole


@POSIX
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 0), ("SIGINT", 130)])
@pytest.mark.parametrize("source", ["file", "pipe"])
def test_a_signal_stops_it_with_its_state_written(tmp_path, name, code, source, start):
    if signal.getsignal(getattr(signal, name)) == signal.SIG_IGN:
        pytest.skip(f"{name} is ignored by whoever started the tests")
    path, output = write(tmp_path / "rows.csv", TABLE[:31]), tmp_path / "flags.jsonl"
    words = [*([path, "--follow"] if source == "file" else []), "--output", output]
    watcher = start(*words, "--state", tmp_path / "state.json")
    if source == "pipe":
        watcher.stdin.write(path.read_bytes())
    wait_for(lambda: lines_in(output) == 30)
    assert watcher.end(getattr(signal, name)) == code
    assert "judged: 30 rows" in watcher.err
    assert "Traceback" not in watcher.err
    assert json.loads((tmp_path / "state.json").read_text())["counts"]["rows"] == 30


def test_a_last_line_without_an_end_is_scored_anew_when_it_has_grown(tmp_path):
    path, output = tmp_path / "rows.csv", tmp_path / "flags.jsonl"
    rows = lines_of(10)
    text = "\n".join([HEADER, *rows])
    path.write_text(text, encoding="utf-8", newline="\n")
    words = path, "--state", tmp_path / "state.json", "--output", output
    watch(*words)
    said = records(output)
    assert [row["time"] for row in said] == [str(moment) for moment in TIMES[:10]]
    path.write_text(text + "7\n", encoding="utf-8", newline="\n")
    watch(*words)
    assert [row["time"] for row in records(output)] == [str(moment) for moment in TIMES[:10]]
    assert records(output)[:-1] == said[:-1]
    assert records(output)[-1] != said[-1]


def test_garbage_is_never_fatal():
    """Ten million bytes without a line end, zero bytes, foreign encodings, noise, half a row."""
    noise = np.random.default_rng(0).bytes(20_000)
    rows = [line.encode() for line in lines_of(6)]
    parts = [HEADER.encode(), b"x" * 10_000_000, b"\0\0", "é".encode("latin-1"), noise, *rows]
    code, out, err = watch(stdin=b"\n".join(parts) + b"\n" + rows[0][:9])
    assert code == 0, err
    said = [json.loads(line) for line in out]
    assert [row["time"] for row in said if "time" in row] == [str(t) for t in TIMES[:6]]
    reasons = [row["error"] for row in said if "error" in row]
    assert reasons[:3] == ["too_long", "zero_byte", "not_utf8"]
    assert reasons[-1] == "columns"
    assert max(map(len, out)) < 300


@POSIX
def test_metrics_are_served(tmp_path, start):
    path = write(tmp_path / "rows.csv", TABLE)
    words = path, "--follow", "--port", 0, "--output", tmp_path / "flags.jsonl"
    watcher = start(*words)
    wait_for(lambda: "\n" in watcher.err)
    line = watcher.err.splitlines()[0]
    url = re.fullmatch(r"metrics: (http://127\.0\.0\.1:\d+/metrics)", line)[1]
    wait_for(lambda: "watch_rows_total 120.0" in fetch(url))
    wait_for(lambda: lines_in(tmp_path / "flags.jsonl") == 127)
    found = dict(re.findall(r"(?m)^(watch\S+) (\S+)$", fetch(url)))
    said = records(tmp_path / "flags.jsonl")
    rows = [row for row in said if "time" in row]
    counts = {
        "watch_rows_total": len(rows),
        "watch_flags_total": sum(row["flag"] for row in rows),
        "watch_unscored_total": sum(row["score"] is None for row in rows),
        "watch_resets_total": 1,
        "watch_threshold": 5.0,
        "watch_score": rows[-1]["score"],
        "watch_row_seconds_count": len(rows),
        **{f'watch_bad_lines_total{{reason="{reason}"}}': n for reason, n in BAD.items()},
        'watch_bad_lines_total{reason="too_long"}': 0,
        'watch_bad_lines_total{reason="comment"}': 0,
    }
    assert {name: float(found[name]) for name in counts} == counts
    shares = [float(found[f'watch_contribution{{sensor="{name}"}}']) for name in ("level", "wind")]
    assert sum(shares) == pytest.approx(1)
    blame = [float(found[f'watch_blame_total{{sensor="{name}"}}']) for name in ("level", "wind")]
    flagged = [row["sensors"] for row in rows if row["flag"]]
    assert blame[1] == pytest.approx(sum(shares["wind"] for shares in flagged), abs=0.05)
    assert abs(float(found["watch_last_row_timestamp_seconds"]) - time.time()) < 60
    if sys.platform == "linux":
        assert re.search(r"(?m)^process_resident_memory_bytes \d", fetch(url))


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def test_counts_go_on_after_a_restart(tmp_path):
    path = write(tmp_path / "rows.csv", TABLE)
    words = path, "--state", tmp_path / "state.json", "--output", tmp_path / "flags.jsonl"
    assert "judged: 120 rows" in watch(*words)[2]
    write(path, [*TABLE, *lines_of(5, start=290)])
    assert "judged: 125 rows" in watch(*words)[2]


def test_rows_that_come_again_are_counted(tmp_path):
    path = write(tmp_path / "rows.csv", TABLE[:31])
    words = path, "--state", tmp_path / "state.json", "--output", tmp_path / "flags.jsonl"
    assert "skipped" not in watch(*words)[2]
    path.unlink()
    write(path, [HEADER, *lines_of(20, start=20)])
    said = watch(*words)[2]
    assert "judged: 40 rows" in said
    assert "10 skipped, not later than the last row before a restart" in said


@pytest.mark.parametrize(("lines", "code"), [(["a,b,c", "d,e,f"], 1), ([], 0)])
def test_an_input_without_one_row_is_not_a_success(lines, code):
    found, _, said = watch(stdin="\n".join([HEADER, *lines]) + "\n")
    assert found == code, said
    assert ("No row could be read: see --time, --time-format and --separator" in said) == bool(code)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.csv"], "none.csv does not exist. Did you mean 'nine.csv'?"),
        (["."], "."),
        (["-", "--follow"], "`follow` must go with a file"),
        (["nine.csv", "--output", "nine.csv"], "must be different files"),
        (["nine.csv", "--output", "a", "--state", "a"], "must be different files"),
        (["nine.csv", "--sep", ",,"], "`separator` must be one character"),
        (["nine.csv", "--sep", ";"], "The header must have, once each, the columns 'level', 'w"),
        (["nine.csv", "--time", "when"], "the columns 'when'"),
        (["nine.csv", "--angles", "wind"], "`angles` must name sensors"),
        (["nine.csv", "--gap", "0"], "`gap` must be above 0"),
        (["nine.csv", "--gap", "nan"], "`gap` must be above 0"),
        (["nine.csv", "--ahead", "nan"], "`ahead` must be"),
        (["nine.csv", "--port", "70000"], "`port` must be from 0 to 65535"),
        (["nine.csv", "--host", "192.0.2.1", "--port", "0"], "`port` and `host` must be free"),
        (["nine.csv", "--state", "none/state.json"], "none/state.json"),
        (["nine.csv", "--output", "none/flags.jsonl"], "none/flags.jsonl"),
        (
            ["nine.csv", "--state", "nine.csv.state"],
            "`state` must be what an earlier watch with this",
        ),
    ],
)
def test_what_cannot_be_done_is_one_clear_error(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "nine.csv", TABLE)
    (tmp_path / "nine.csv.state").write_text("[1")
    code, out, err = watch(*words)
    assert (code, out) == (2, [])
    (error,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert said in error
    assert "Traceback" not in err


def test_a_port_that_is_taken_is_named(tmp_path):
    path = write(tmp_path / "rows.csv", TABLE)
    url = Metrics(1.0, ["wind"]).serve(0)
    port = re.search(r":(\d+)/", url)[1]
    code, _, err = watch(path, "--follow", "--port", port)
    assert code == 2
    assert f"`port` and `host` must be free to listen at. Received: 127.0.0.1:{port} (" in err


@POSIX
def test_two_watchers_share_neither_state_nor_output(tmp_path, start):
    path, output = write(tmp_path / "rows.csv", TABLE), tmp_path / "flags.jsonl"
    words = path, "--state", tmp_path / "state.json", "--output", output
    first = start(*words, "--follow")
    wait_for(lambda: lines_in(output) == 127)
    for other, name in ((words, "state"), (words[:1] + words[3:], "output")):
        code, _, err = watch(*other)
        assert code == 2
        assert f"`{name}` must not be written to by another watcher" in err
    first.end(signal.SIGKILL)
    assert watch(*words)[0] == 0
    assert len(records(output)) == 127


@POSIX
def test_after_nohup_a_closed_terminal_does_not_stop_it(tmp_path, start):
    path, output = write(tmp_path / "rows.csv", TABLE), tmp_path / "flags.jsonl"
    words = path, "--follow", "--output", output
    watcher = start(*words, before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_for(lambda: lines_in(output) == 127)
    watcher.send(signal.SIGHUP)
    with open(path, "a", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines_of(5, start=290))
    wait_for(lambda: lines_in(output) == 132)
    assert watcher.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("format", "x"), ("version", 1), ("sensors", ["wind"]), ("recent", [["2015-07-01", [1]]]),
     ("recent", [["yesterday", [1, 2]]]), ("input", {}), ("counts", 3), ("counts", {"rows": -1}),
     ("bad", {"time": "two"}), ("header", ["time"])],
)  # fmt: skip
def test_a_state_of_something_else_is_refused(tmp_path, name, value):
    path, state = write(tmp_path / "rows.csv", TABLE), tmp_path / "state.json"
    words = path, "--state", state, "--output", tmp_path / "flags.jsonl"
    watch(*words)
    said = json.loads(state.read_text())
    state.write_text(json.dumps({**said, name: value}))
    before = state.read_bytes(), (tmp_path / "flags.jsonl").read_bytes()
    code, _, err = watch(*words)
    assert code == 2
    assert "error: " in err
    assert "Traceback" not in err
    assert (state.read_bytes(), (tmp_path / "flags.jsonl").read_bytes()) == before


@pytest.fixture
def inside(stub, capfd):
    """A function that runs the stub in this process; returns the exit code and what was said."""

    def inside(path, folder="folder", **options):
        capfd.readouterr()
        return run_watch(folder, path, **options), capfd.readouterr().err

    return inside


def mutations(data, count):
    """Damaged copies: cut, bytes changed, doubled, values replaced."""
    rng, said = np.random.default_rng(0), json.loads(data)
    odd = [None, -1, 10**400, "x", [], {}, [[]], True, 1e308, "\ud800", "9" * 5000]
    for name in said:
        yield from (json.dumps({**said, name: value}).encode() for value in odd)
        yield json.dumps({key: value for key, value in said.items() if key != name}).encode()
    yield from (b"", b"[" * 100_000, b"\xff\xfe", b"null", data * 2, data.replace(b"0", b"NaN"))
    while count := count - 1:
        copy = bytearray(data)
        place = rng.integers(len(copy))
        copy[place] ^= 1 << int(rng.integers(7)) if count % 2 else 0
        yield bytes(copy if count % 2 else copy[:place])


def test_no_damaged_state_is_more_than_one_clear_error(tmp_path, inside):
    path, state = write(tmp_path / "rows.csv", TABLE), tmp_path / "state.json"
    output = tmp_path / "flags.jsonl"
    inside(path, state=state, output=output)
    data, lines = state.read_bytes(), output.read_bytes()
    tried = 0
    for damaged in mutations(data, 551):
        if damaged.strip() == data.strip():
            continue
        state.write_bytes(damaged)
        with pytest.raises(ParameterError, match="`state` must be what an earlier watch"):
            inside(path, state=state, output=output)
        tried += 1
    assert tried > 551
    assert output.read_bytes() == lines
    state.write_bytes(data)
    assert inside(path, state=state, output=output)[0] == 0
    assert output.read_bytes() == lines


def test_a_state_belongs_to_its_detector(tmp_path, inside):
    path, state = write(tmp_path / "rows.csv", TABLE), tmp_path / "state.json"
    folder, output = tmp_path / "detector", tmp_path / "flags.jsonl"
    folder.mkdir()
    (folder / "detector.json").write_text("one")
    assert inside(path, folder, state=state, output=output)[0] == 0
    (folder / "detector.json").write_text("another")
    with pytest.raises(ParameterError, match="of another detector"):
        inside(path, folder, state=state, output=output)


@pytest.mark.parametrize("content", ["precious\n" * 5000, "preci", ""])
def test_an_output_with_another_content_stays_and_is_said(tmp_path, inside, content):
    """In the same file, by its number."""
    path, output = write(tmp_path / "rows.csv", TABLE), tmp_path / "flags.jsonl"
    options = {"state": tmp_path / "state.json", "output": output}
    inside(path, **options)
    number = output.stat().st_ino
    output.write_text(content)
    assert output.stat().st_ino == number
    write(path, [*TABLE, *lines_of(1, start=290)])
    assert "warning: " in inside(path, **options)[1]
    *kept, new = output.read_text().splitlines()
    assert kept == content.splitlines()
    assert json.loads(new)["time"] == str(TIMES[290])


def test_an_output_of_the_state_is_no_reason_for_a_warning(tmp_path, inside):
    path, output = write(tmp_path / "rows.csv", TABLE), tmp_path / "flags.jsonl"
    options = {"state": tmp_path / "state.json", "output": output}
    inside(path, **options)
    assert "warning" not in inside(path, **options)[1]


@POSIX
@pytest.mark.parametrize("how", ["rotated", "deleted"])
def test_an_output_that_is_moved_away_begins_anew(tmp_path, how, start):
    if how == "rotated" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        pytest.skip("whoever started the tests ignores SIGHUP, as nohup does, and so do children")
    path, output = write(tmp_path / "rows.csv", TABLE), tmp_path / "flags.jsonl"
    watcher = start(path, "--follow", "--output", output, "--state", tmp_path / "state.json")
    wait_for(lambda: lines_in(output) == 127)
    if how == "rotated":
        output.rename(tmp_path / "flags.jsonl.1")
        watcher.send(signal.SIGHUP)
        wait_for(output.exists)
    else:
        output.unlink()
    with open(path, "a", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines_of(5, start=290))
    wait_for(lambda: lines_in(output) == 5)
    assert watcher.end(signal.SIGTERM) == 0
    assert ("was deleted" in watcher.err) == (how == "deleted")
    if how == "rotated":
        assert len(records(tmp_path / "flags.jsonl.1")) == 127


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        (["when;level;wind", "2015-07-01;0,5;1.000,25"],
         {"separator": ";", "decimal": ",", "thousands": "."}),
        (["a title", "", "time\tlevel\twind", "2015-07-01\t0.5\t1000.25"],
         {"separator": "tab", "skip_rows": 2}),
        (["# made by a logger", "# 2015", "time,level,wind", "2015-07-01,0.5,1000.25"], {}),
        (["2015-07-01,0.5,1000.25"], {"names": "time,level,wind"}),
        (["time,a,b", "2015-07-01,0.5,1000.25"], {"columns": "a,b"}),
        (["wind,date,clock,level", "1000.25,2015-07-01,00:00,0.5"], {"time": "date,clock"}),
        (["time,level,wind", "1435708800,0.5,1000.25"], {}),
        (["time,level,wind", "1435708800000,0.5,1000.25"], {}),
        (["time,level,wind", "1435708800000000000,0.5,1000.25"], {}),
        (["time,level,wind", "1435708800.0,0.5,1000.25"], {"time_format": "s"}),
        (["time,level,wind", "201507010000,0.5,1000.25"], {}),
        (["time,level,wind", "01.07.15,0.5,1000.25"], {"time_format": "%d.%m.%y"}),
    ],
)  # fmt: skip
def test_files_of_many_forms_are_read(lines, options):
    reader = row_parser.RowReader(["level", "wind"], **options)
    lines = [line.encode() for line in lines][reader.skip_rows :]
    while lines[0].startswith(b"#"):
        with pytest.raises(BadLine) as caught:
            reader.begin(lines[0])
        assert caught.value.reason == "comment"
        lines = lines[1:]
    lines = lines[1:] if reader.begin(lines[0]) else lines
    assert reader.row(lines[0]) == (datetime.datetime(2015, 7, 1), [0.5, 1000.25])


@pytest.mark.parametrize("cell", ["?", "-999", "-999.0", "", "N/A", "None", "#N/A", "NaN"])
def test_a_missing_reading_has_many_names(cell):
    reader = row_parser.RowReader(["level"], missing="?,-999")
    reader.begin(b"time,level")
    assert np.isnan(reader.row(f"2015-07-01,{cell}".encode())[1][0])


@pytest.mark.parametrize("options", [{"decimal": ";"}, {"thousands": "."}, {"thousands": "x"},
                                     {"columns": "a"}, {"time_format": "weeks"}])  # fmt: skip
def test_reading_options_of_no_use_are_refused(options):
    given = {"decimal": "."} | options
    with pytest.raises(ParameterError, match=f"`{next(iter(options))}`"):
        row_parser.RowReader(["level", "wind"], **given)


@pytest.mark.parametrize("which", ["folder", "path", "output", "state"])
@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "~nobody/x", "loop", "/", ""])
@pytest.mark.usefixtures("stub")
def test_names_that_no_file_can_have_are_one_refusal(which, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.symlink("loop", "loop")
    write(Path("rows.csv"), TABLE)
    given = {"folder": "folder", "path": "rows.csv"} | {which: name}
    if which == "folder" and name not in ("x" * 300, "a\0b", "loop"):
        pytest.skip("the stub loads nothing")
    if which in ("output", "state") and not name:
        pytest.skip("none is asked for")
    with pytest.raises((ParameterError, OSError)):
        run_watch(**given)


def test_an_output_that_was_replaced_is_not_cut(tmp_path):
    path, output = write(tmp_path / "rows.csv", TABLE), tmp_path / "flags.jsonl"
    words = path, "--state", tmp_path / "state.json", "--output", output
    watch(*words)
    other = tmp_path / "other"
    other.write_text("precious\n" * 5000)
    other.replace(output)
    watch(*words)
    assert output.read_text() == "precious\n" * 5000


@POSIX
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_state_that_cannot_be_written_is_an_error_before_the_first_row(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(0o500)
    path = write(tmp_path / "rows.csv", TABLE)
    code, out, err = watch(path, "--state", folder / "state.json")
    assert (code, out) == (2, [])
    assert "state.json" in err


@POSIX
@pytest.mark.parametrize("small", ["flags.jsonl", "state.json"])
def test_a_full_disk_stops_it_and_nothing_is_lost(tmp_path, expected, small):
    import resource

    path = write(tmp_path / "rows.csv", TABLE)
    words = path, "--state", tmp_path / "state.json", "--output", tmp_path / "flags.jsonl"
    limit = 3000 if small == "flags.jsonl" else 600
    done = subprocess.run(
        command(*words), env=environment(EVERY=-1, CHUNK=64), capture_output=True, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 2
    assert small.encode() in done.stderr
    assert b"Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.partial"))
    assert watch(*words)[0] == 0
    assert (tmp_path / "flags.jsonl").read_text("utf-8").splitlines() == expected


@POSIX
def test_nobody_listens_any_more(tmp_path):
    path = write(tmp_path / "rows.csv", TABLE)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command(path), env=environment(), stdout=writing, timeout=60,
                          stderr=subprocess.PIPE)  # fmt: skip
    os.close(writing)
    assert done.returncode == 2
    assert b"error: [Errno 32] Broken pipe: 'standard output'" in done.stderr
    assert b"Traceback" not in done.stderr


def test_sensors_stand_behind_features():
    features = ["power", "wind sin", "wind cos", "sin", "x cos"]
    owners = sensors_of(features, ["wind", "x"])
    assert list(dict.fromkeys(owners.values())) == ["power", "wind", "sin", "x"]
    assert sensors_of(features)["wind sin"] == "wind sin"
    with pytest.raises(ParameterError, match=r"`angles` must name sensors .*Received: power"):
        sensors_of(features, ["power"])


def plant(rows=500, seed=0):
    """Three sensors of which one is an angle."""
    rng, count = np.random.default_rng(seed), np.arange(rows)
    table = {
        "level": np.sin(count / 6) + 0.05 * rng.normal(size=rows),
        "dir": (3.0 * count) % 360,
        "temp": np.cos(count / 9) + 0.05 * rng.normal(size=rows),
    }
    return pd.DataFrame(table, pd.date_range("2015-01-01", periods=rows, freq="10min"))


@pytest.fixture(scope="module")
def detector():
    from lib.detectors.detector import Detector  # here, since most of these tests do without Keras

    recipe = {"window": 12, "threshold": "maximum", "epochs": 5, "smooth": 3}
    healthy = faults.unroll_angles(plant(), ["dir"]).drop(columns="dir cos")
    return Detector("dense_autoencoder", **recipe).fit(healthy)


@pytest.fixture(scope="module")
def spoiled():
    rows = plant(seed=1).iloc[:160].copy()
    rows.iloc[60:66, rows.columns.get_loc("temp")] = 9.0
    rows.iloc[90, 0] = np.nan
    return rows.drop(rows.index[120:123])


def judged(stream, rows, at_once=1000):
    """The records of rows, taken so many at a time."""
    records = []
    for count, (moment, values) in enumerate(zip(rows.index, rows.to_numpy(), strict=True)):
        stream.take(moment.to_pydatetime(), list(values))
        if count % at_once == at_once - 1:
            records += stream.score()
    return records + stream.score()


def test_a_stream_scores_flags_and_blames_as_the_detector_does(detector, spoiled):
    stream = Stream(detector, ["dir"])
    assert stream.sensors == ["level", "dir", "temp"]
    found = pd.DataFrame(judged(stream, spoiled[stream.sensors]), spoiled.index)
    features = faults.unroll_angles(spoiled, ["dir"])[detector.features_]
    np.testing.assert_allclose(
        found["score"].astype(float), detector.decision_function(features), rtol=1e-5, atol=1e-6
    )
    assert (found["flag"] == detector.predict(features)).all()
    assert found["flag"].sum() > 3
    shares = detector.contributions(features)
    for moment, said in found["sensors"].dropna().items():
        assert said["temp"] == pytest.approx(shares.loc[moment, "temp"], abs=1e-3)
        assert list(said.values()) == sorted(said.values(), reverse=True)
        assert sum(said.values()) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("at_once", [2, 7, 1000])
def test_rows_in_batches_have_the_records_of_single_rows(detector, spoiled, at_once):
    rows = spoiled[Stream(detector, ["dir"]).sensors]
    one_by_one = Stream(detector, ["dir"], gap=2.0, expected=True)
    single = judged(one_by_one, rows, at_once=1)
    batches = Stream(detector, ["dir"], gap=2.0, expected=True)
    assert judged(batches, rows, at_once) == single
    assert batches.counts == one_by_one.counts
    np.testing.assert_equal(batches.recent, one_by_one.recent)
    assert batches.shares == one_by_one.shares
    assert sum("gap" in record for record in single) == 1
    assert sum("sensors" in record for record in single) > 3


def test_what_was_expected_is_in_the_units_of_the_sensors(detector, spoiled):
    stream = Stream(detector, ["dir"], expected=True)
    said = [record for record in judged(stream, spoiled[stream.sensors]) if record["flag"]]
    whole = detector.expected(faults.unroll_angles(spoiled, ["dir"])[detector.features_])
    for record in said:
        for name, value in record["expected"].items():
            assert value == pytest.approx(whole.loc[record["time"], name], rel=1e-5)
    assert list(said[0]["expected"]) == detector.features_


def glitch(rows, place, count, ahead):
    times = rows.index.to_series().reset_index(drop=True)
    times.iloc[place : place + count] += pd.Timedelta(ahead)
    return rows.set_axis(pd.DatetimeIndex(times))


@pytest.mark.parametrize("at_once", [1, 1000])
@pytest.mark.parametrize("count", [1, 3])
def test_a_glitch_of_the_clock_costs_no_row_after_it(detector, count, at_once):
    rows = plant().iloc[:100][["level", "dir", "temp"]]
    plain = judged(Stream(detector, ["dir"]), rows)
    stream = Stream(detector, ["dir"])
    found = judged(stream, glitch(rows, 50, count, "23h"), at_once)
    assert "gap" in found[50]
    assert found[50 + count].pop("jump") == found[49 + count]["time"]
    rest = plain[50 + count + detector.recipe["window"] + 2 :]
    assert found[-len(rest) :] == rest
    assert found[50 + count]["score"] is not None
    assert stream.counts["jumps"] == 1
    assert stream.before == []


def test_rows_before_a_gap_are_late_once_it_has_proved_to_be_one(detector):
    rows = plant().iloc[:100][["level", "dir", "temp"]]
    stream = Stream(detector, ["dir"])
    judged(stream, glitch(rows, 50, 50, "23h").iloc[:54])
    with pytest.raises(BadLine):
        judged(stream, rows.iloc[60:61])


@pytest.mark.parametrize("cut", [1, 13, 64, 91, 130])
def test_a_restored_stream_goes_on_to_the_last_bit(detector, spoiled, cut):
    stream = Stream(detector, ["dir"])
    rows = spoiled[stream.sensors]
    whole = judged(stream, rows)
    stream = Stream(detector, ["dir"])
    judged(stream, rows.iloc[:cut])
    kept = stream.recent, stream.before, stream.counts
    stream = Stream(detector, ["dir"])
    stream.restore(*kept)
    assert judged(stream, rows.iloc[cut:]) == whole[cut:]
    assert stream.counts["rows"] == len(rows)


def test_a_row_that_is_not_later_leaves_no_trace(detector, spoiled):
    stream = Stream(detector, ["dir"])
    rows = spoiled[stream.sensors]
    whole = judged(stream, rows.iloc[:40])
    stream = Stream(detector, ["dir"])
    judged(stream, rows.iloc[:30])
    for place, reason in ((29, "repeated"), (3, "late")):
        with pytest.raises(BadLine) as caught:
            judged(stream, rows.iloc[place : place + 1])
        assert caught.value.reason == reason
    assert judged(stream, rows.iloc[30:40]) == whole[30:]


def test_a_wild_reading_is_flagged_with_a_finite_score(detector):
    stream = Stream(detector, ["dir"])
    rows = plant().iloc[:40].copy()
    rows.iloc[30, 0] = 1e99
    found = judged(stream, rows[stream.sensors])
    assert found[30]["flag"] == 1
    assert next(iter(found[30]["sensors"])) == "level"
    assert all(np.isfinite(said["score"]) for said in found[11:])
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(("gap", "resets"), [(10.0, 1), (3.0, 2), (float("inf"), 0)])
def test_a_gap_is_so_many_usual_steps(detector, gap, resets):
    rows = plant().iloc[:200].drop(plant().index[[*range(50, 54), *range(100, 120)]])
    stream = Stream(detector, ["dir"], gap=gap)
    found = judged(stream, rows[stream.sensors])
    assert stream.counts["resets"] == resets
    assert sum("gap" in record for record in found) == resets
    assert sum(record["score"] is None for record in found) == 11 * (1 + resets)


def test_the_real_command_with_a_real_detector(detector, spoiled, tmp_path):
    detector.save(tmp_path / "folder")
    path = tmp_path / "rows.csv"
    spoiled.to_csv(path, index_label="time")
    words = [tmp_path / "folder", path, "--angles", "dir", "--output", tmp_path / "flags.jsonl"]
    done = subprocess.run(
        [sys.executable, "-m", "lib", "watch", *words], cwd=ROOT, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    stream = Stream(detector, ["dir"])
    said = records(tmp_path / "flags.jsonl")
    expected = judged(stream, spoiled[stream.sensors])
    assert [x["flag"] for x in said] == [x["flag"] for x in expected]
    scores = [[x["score"] or np.nan for x in rows] for rows in (said, expected)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-4, nan_ok=True)


def test_a_folder_that_is_no_detector(tmp_path, capfd):
    path = write(tmp_path / "rows.csv", TABLE)
    assert main(["watch", tmp_path, path]) == 2
    err = capfd.readouterr().err
    assert err.startswith("error: ")
    assert "Traceback" not in err


def test_an_output_that_is_a_hard_link_to_the_input_is_refused(tmp_path):
    rows, link = tmp_path / "rows.csv", tmp_path / "flags.jsonl"
    rows.write_bytes(b"time,wind\n")
    os.link(rows, link)
    with pytest.raises(ParameterError, match="must be different files"):
        run_watch(tmp_path, rows, output=link)
    assert rows.read_bytes() == b"time,wind\n"


# A detector that preprocesses


def prices(rows=400, seed=0):
    steps = np.random.default_rng(seed).normal(0, 0.01, rows)
    steps[300] = 0.2
    table = pd.DataFrame({"close": 100 * np.exp(steps.cumsum())})
    return table.set_index(pd.date_range("2015-01-01", periods=rows, freq="D", name="time"))


def preprocessing_detector(rows, **settings):
    from lib.detectors.detector import Detector

    # No score of a training row is the threshold itself, where the last digit would decide.
    recipe = {"threshold": "mean_plus_sigma", "epochs": 2, "smooth": 2, "preprocessing": settings}
    return Detector("dense_autoencoder", 6, **recipe).fit(rows)


def judged_in_two(detector, rows, cut, remembered=math.inf):
    """The records of a stream that stops at a row, and of another one that goes on from there."""
    before = Stream(detector)
    records_before = judged(before, rows.iloc[:cut])
    assert len(before.recent) < remembered
    kept = before.recent, before.before, before.counts
    after = Stream(detector)
    after.restore(*kept)
    return records_before + judged(after, rows.iloc[cut:])


@pytest.mark.parametrize("form", ["levels", "returns"])
def test_a_stream_is_preprocessed_as_in_training(form):
    rows = prices().drop(prices().index[[*range(100, 130), *range(200, 205)]])
    detector = preprocessing_detector(rows.iloc[:250], form=form, max_gap=10.0)
    stream = Stream(detector)
    found = judged(stream, rows)
    scores = detector.decision_function(rows)
    said = [np.nan if record["score"] is None else record["score"] for record in found]
    np.testing.assert_allclose(said, scores, rtol=1e-4, atol=1e-6)
    assert [record["flag"] for record in found] == detector.predict(rows).tolist()
    assert stream.counts["resets"] == 1
    assert 0 < stream.counts["flags"] < 50
    for cut in (2, 99, 101, 104, 240):
        assert judged_in_two(detector, rows, cut) == found


def test_a_price_of_zero_does_not_end_a_stream():
    detector = preprocessing_detector(prices(), form="returns")
    rows = prices()
    rows.iloc[50] = 0.0
    found = judged(Stream(detector), rows)
    assert [record["score"] for record in found[50:52]] == [None, None]
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("settings", [{"resample": "72h"}, {"resample": "W-FRI", "form": "returns"},
                                      {"resample": "72h", "statistic": "count"}])  # fmt: skip
def test_a_stream_is_resampled_as_in_training(settings):
    rows = prices(800).drop(prices(800).index[[*range(100, 111), *range(200, 205)]])
    detector = preprocessing_detector(rows.iloc[:500], **settings)
    found = judged(Stream(detector), rows, at_once=1)
    scores = detector.decision_function(rows).iloc[:-1]  # the last step may not be complete
    assert [record["time"] for record in found] == [str(time) for time in scores.index]
    said = [np.nan if record["score"] is None else record["score"] for record in found]
    np.testing.assert_allclose(said, scores, rtol=1e-4, atol=1e-6)
    assert judged(Stream(detector), rows, at_once=70) == found
    for cut in (2, 130, 131, 204, 500):
        assert judged_in_two(detector, rows, cut, remembered=60) == found


def test_a_hole_longer_than_what_a_score_rests_on_is_a_gap_for_a_detector_that_resamples():
    detector = preprocessing_detector(prices(), resample="48h")
    rows = prices().iloc[:50]
    rows = pd.concat([rows, rows.shift(freq="3000D")])
    found = judged(Stream(detector), rows)
    assert len(found) < 52
    assert [record["gap"] for record in found if "gap" in record] == ["2951 days, 0:00:00"]


def test_a_gap_rule_of_training_is_the_only_one():
    detector = preprocessing_detector(prices(), max_gap=5.0)
    with pytest.raises(ParameterError, match=r"`gap` must be left out.*max_gap=5"):
        Stream(detector, gap=3.0)


def test_rows_with_another_step_are_pointed_out_once(recwarn):
    detector = preprocessing_detector(prices(), max_gap=5.0)
    hours = prices().set_index(pd.date_range("2015-01-01", periods=400, freq="h"))
    judged(Stream(detector), hours)
    said = [str(warning.message) for warning in recwarn if "usual step" in str(warning.message)]
    assert said == ["The usual step between rows is 3600 seconds, in training it was 86400"]
    recwarn.clear()
    judged(Stream(detector), prices())
    assert not recwarn.list


def test_a_detector_stored_before_its_preprocessing_was_warns_where_that_matters(tmp_path, recwarn):
    from lib.detectors.detector import Detector

    returns = np.log(prices()).diff().iloc[1:]
    Detector("dense_autoencoder", 6, epochs=1).fit(returns).save(tmp_path / "old")
    path = tmp_path / "old" / "detector.json"
    header = json.loads(path.read_text(encoding="utf-8"))
    header["version"] = 1
    del header["preprocessing"], header["recipe"]["preprocessing"]
    path.write_text(json.dumps(header), encoding="utf-8")
    old = Detector.load(tmp_path / "old")
    recwarn.clear()
    judged(Stream(old), returns)
    assert not recwarn.list
    judged(Stream(old), prices())
    assert [str(w.message) for w in recwarn if "stored without its preprocessing" in str(w.message)]
