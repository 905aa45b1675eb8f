"""What a watcher promises, tried long and hard: kills at random moments, many rows, flat memory."""

import os
import signal
import subprocess
import sys
import time
from itertools import chain

import numpy as np
import pandas as pd
import pytest
from places import ROOT
from stub_watch import Forked
from test_watch import HEADER, TABLE, environment, lines_of, records, watch, write

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows can neither fork nor kill so")
KILLS = int(os.environ.get("WATCH_KILLS", 40))
ROWS = int(os.environ.get("WATCH_ROWS", 40_000))  # a million takes a minute
DETECTOR = ROOT / "data" / "detectors" / "six_sensors"


@pytest.fixture(scope="module")
def table():
    """A long table with malformed lines, and the lines of an undisturbed run."""
    rows = [line for line in TABLE if line != HEADER]
    lines = [HEADER, *rows, *(later(line) for line in rows)]
    code, out, err = watch(stdin="\n".join(lines) + "\n")
    assert code == 0, err
    return lines, out


def later(line):
    return line.replace("2015-07-0", "2015-08-0", 1)


def test_kills_at_random_moments(tmp_path, table):
    lines, expected = table
    data, rng = "".join(line + "\n" for line in lines).encode(), np.random.default_rng(0)
    path, output, state = (tmp_path / name for name in ("rows.csv", "flags.jsonl", "state.json"))
    path.write_bytes(data[:200])
    for cut in np.sort(rng.integers(200, len(data), KILLS)):
        words = path, "--follow", "--state", state, "--output", output
        watcher = Forked(*words, CHUNK=int(rng.integers(20, 500)), EVERY=rng.choice([-1, 0.01]))
        with open(path, "ab", buffering=0) as file:
            while file.tell() < cut:
                file.write(data[file.tell() : min(file.tell() + 90, cut)])
                time.sleep(0.0005)
        time.sleep(rng.uniform(0, 0.15))
        assert watcher.end(signal.SIGKILL) == -signal.SIGKILL
    path.write_bytes(data)
    code, _, err = watch(path, "--state", state, "--output", output)
    assert code == 0, err
    assert output.read_text("utf-8").splitlines() == expected


def test_rotation_by_rename_and_kills(tmp_path):
    """What stands in the old file is read first, also if it was moved while nobody watched."""
    path, output, state = (tmp_path / name for name in ("rows.csv", "flags.jsonl", "state.json"))
    rows, rng = lines_of(400), np.random.default_rng(1)
    words, done = (path, "--follow", "--state", state, "--output", output), 0
    write(path, [HEADER])
    for turn in range(8):
        watcher = Forked(*words, CHUNK=200)
        for _ in range(5):
            write_more(path, rows[done : done + 10])
            done += 10
            time.sleep(0.01)
            if rng.random() < 0.2:
                rotate(path, turn)
        time.sleep(rng.uniform(0.05, 0.2))
        watcher.end(signal.SIGKILL)
        if turn % 2:
            rotate(path, turn)
    code, _, err = watch(*words[:1], *words[2:])
    assert code == 0, err
    whole = watch(stdin="\n".join([HEADER, *rows]) + "\n")[1]
    assert output.read_text("utf-8").splitlines() == whole


def write_more(path, lines):
    with open(path, "a", encoding="utf-8", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)


def rotate(path, turn):
    """As logrotate does with dates; each old file has a time of its own."""
    time.sleep(0.15)  # a watcher looks every tenth of a second
    path.rename(path.with_name(f"rows.csv-2024010{turn}{time.monotonic_ns()}"))
    write(path, [HEADER])


def test_rotation_by_truncation_is_said_where_rows_may_be_lost(tmp_path):
    path, output, state = (tmp_path / name for name in ("rows.csv", "flags.jsonl", "state.json"))
    words = path, "--state", state, "--output", output
    rows = lines_of(60)
    write(path, [HEADER, *rows[:20]])
    watch(*words)
    write_more(path, rows[20:40])
    write(path, [HEADER, *rows[40:]])
    err = watch(*words)[2]
    assert "warning: the input is not the one that was read so far" in err
    assert [row["time"] for row in records(output)][19:21] == [rows[19][:19], rows[40][:19]]


PEAKS = """
import resource, sys
from lib.__main__ import main

detector, *files = sys.argv[1:]
for rows, lines in zip(files[::2], files[1::2]):
    assert main(["watch", detector, rows, "--angles", "Va_avg,Wa_avg", "--output", lines]) == 0
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def test_memory_does_not_grow_with_the_rows(tmp_path):
    """The peak of one process, after few rows and after many more."""
    counts = (ROWS // 4, ROWS)
    files = {tmp_path / f"{count}.csv": tmp_path / f"{count}.jsonl" for count in counts}
    for count, path in zip(counts, files, strict=True):
        turbine(path, count)
    words = [sys.executable, "-c", PEAKS, DETECTOR, *chain.from_iterable(files.items())]
    done = subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for count, lines in zip(counts, files.values(), strict=True):
        with open(lines, encoding="utf-8") as file:
            assert sum(1 for _ in file) == count
    peaks = [float(line) for line in done.stdout.split()]
    print(f"peak memory: {peaks[0]:.0f} MB for {ROWS // 4} rows, {peaks[1]:.0f} MB for {ROWS}")
    assert peaks[1] < 1.1 * peaks[0]


def turbine(path, count):
    """Rows of the sensors that the stored detector knows."""
    names, rng = (
        ["P_avg", "Ws_avg", "Ba_avg", "Va_avg", "Ot_avg", "Wa_avg"],
        np.random.default_rng(0),
    )
    with open(path, "w", encoding="utf-8") as file:
        for start in range(0, count, 50_000):
            times = pd.date_range("2000-01-01", periods=count, freq="5min")[start : start + 50_000]
            values = rng.normal([270, 5, 13, 0, 13, 200], [50, 1, 5, 8, 2, 5], (len(times), 6))
            part = pd.DataFrame(values, times.astype("datetime64[s]"), names)
            part.to_csv(file, index_label="time", header=not start, float_format="%.3f")
    return path
