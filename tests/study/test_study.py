"""`python -m lib study`: nothing is redone, nothing lost, whoever is killed, wherever it runs."""

import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from places import ROOT

from lib.__main__ import main
from lib.errors import ParameterError
from lib.metrics import summary
from lib.metrics.points import point_metrics
from lib.study import datasets, detectors, grid, results, run

TIMES = {"fit_seconds", "score_seconds"}
# Some seconds of work, so that it can be interrupted.
GRID = """
table = "t.jsonl"
[budget]
epochs = 1
[[study]]
data = ["ucr_135"]
detectors = ["isolation_forest", "discord", "last_value", "random", "always_normal"]
seeds = [0, 1, 2, 3, 4, 5]
thresholds = ["maximum", {rule = "percentile", q = 99.0, factor = 1.5}, "oracle"]
"""
CELLS = 6 + 1 + 1 + 6 + 1


def write(folder, text=GRID):
    folder.mkdir(exist_ok=True)
    path = folder / "grid.toml"
    path.write_text(text, encoding="utf-8")
    return path


def start(path, *words):
    command = [sys.executable, "-m", "lib", "study", str(path), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error::ResourceWarning"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment, **pipes)


def finished(process, code=0):
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, out + err
    return out


def table(path):
    """The rows of the table, without what no two runs have in common."""
    lines = (path.parent / "t.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        {name: value for name, value in json.loads(line).items() if name not in TIMES}
        for line in lines
    ]


def cell_files(path):
    return sorted((path.parent / ".t.cells").glob("[!.]*.jsonl"))


def wait_for(condition, process=None, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """The grid, run from start to end in one go."""
    path = write(tmp_path_factory.mktemp("serial"))
    assert run.run(path) == []
    return path


def test_every_cell_has_a_row_for_each_rule(serial):
    rows = table(serial)
    assert len(rows) == 3 * CELLS
    assert len({(row["detector"], row["seed"], row["rule"]) for row in rows}) == len(rows)
    assert [row["rule"] for row in rows[:3]] == ["maximum", "percentile", "oracle"]
    assert all(row["error"] is None for row in rows)
    frame = results.read(serial.parent / "t.jsonl")
    assert {"window", "sha256", "code", "versions", "f1", "parameters", *TIMES} <= set(frame)
    assert (frame["points"] == 7501 - 1200).all()
    assert (frame["anomalous"] == 12).all()
    assert (frame["smooth"] == 1).all()


def test_a_row_says_who_trained(serial, monkeypatch):
    assert {row["trainer"] for row in table(serial)} == {"keras"}
    monkeypatch.setenv("LIB_TRAINER", "numpy")
    cell = {**grid.read(serial).cells[0], "detector": "last_value"}
    assert {row["trainer"] for row in run.run_cell(cell)} == {"numpy"}


def test_an_unknown_trainer_is_refused_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("LIB_TRAINER", "nunpy")
    path = write(tmp_path)
    with pytest.raises(ParameterError, match="`LIB_TRAINER` must be one of keras, numpy"):
        run.run(path)
    assert not cell_files(path)


def test_metrics_are_of_these_scores_at_this_threshold(serial):
    contest = datasets.load("ucr_135")
    parts = contest.train, contest.validation, contest.series
    calibration, scores, _ = detectors.scores("last_value", *parts, window=contest.window)
    scores = scores[contest.labels.index]
    row = next(
        r for r in table(serial) if (r["detector"], r["rule"]) == ("last_value", "percentile")
    )
    line = 1.5 * np.nanpercentile(calibration, 99)
    assert row["threshold"] == pytest.approx(line)
    expected = point_metrics(contest.labels, scores, line)
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert row["flags"] == (scores > line).sum()


def test_a_rule_may_smooth_the_scores_first(tmp_path):
    path = write(tmp_path)
    [cell] = [c for c in grid.read(path).cells if c["detector"] == "last_value"]
    rules = [{"rule": "maximum"}, {"rule": "maximum", "smooth": 5}]
    plain, smooth = run.run_cell({**cell, "thresholds": rules})
    contest = datasets.load("ucr_135")
    parts = contest.train, contest.validation, contest.series
    both = detectors.scores("last_value", *parts, window=contest.window)[:2]
    usual, scores = (part.rolling(5, min_periods=1).mean() for part in both)
    assert (plain["smooth"], smooth["smooth"]) == (1, 5)
    assert smooth["threshold"] == pytest.approx(usual.max())
    assert smooth["flags"] == (scores[contest.labels.index] > usual.max()).sum()
    assert smooth["flags"] != plain["flags"]


def test_what_needs_no_threshold_is_computed_once_for_each_smoothing(tmp_path, monkeypatch):
    path = write(tmp_path)
    [cell] = [c for c in grid.read(path).cells if c["detector"] == "last_value"]
    rules = [
        {"rule": "maximum"},
        {"rule": "maximum", "smooth": 5},
        {"rule": "oracle"},
        {"rule": "percentile", "q": 99.0, "smooth": 5},
    ]
    one_by_one = [run.run_cell({**cell, "thresholds": [rule]})[0] for rule in rules]
    real, calls = summary.volume_metrics, []
    monkeypatch.setattr(summary, "volume_metrics", lambda *a, **k: calls.append(1) or real(*a, **k))
    together = run.run_cell({**cell, "thresholds": rules})
    assert len(calls) == 2
    for place, row in enumerate(together):
        alone = {**one_by_one[place], "position": place}
        same = ({n: v for n, v in x.items() if n not in TIMES} for x in (row, alone))
        assert len({json.dumps(x) for x in same}) == 1  # names, their order, and values


def test_the_oracle_is_an_upper_bound(serial):
    best = {}
    for row in table(serial):
        best.setdefault((row["detector"], row["seed"]), {})[row["rule"]] = row["f1"]
    assert all(f1["oracle"] >= max(f1.values()) for f1 in best.values())


def test_a_second_run_redoes_nothing(serial, monkeypatch, capsys):
    before = (serial.parent / "t.jsonl").read_bytes()
    monkeypatch.setattr(run, "run_cell", lambda cell: pytest.fail("computed again"))
    assert main(["study", str(serial)]) == 0
    assert f"{CELLS} cells, {CELLS} done before, 0 to do" in capsys.readouterr().out
    assert (serial.parent / "t.jsonl").read_bytes() == before


def test_the_table_alone_is_enough_to_go_on(serial, tmp_path, monkeypatch):
    path = write(tmp_path)
    (tmp_path / "t.jsonl").write_bytes((serial.parent / "t.jsonl").read_bytes())
    monkeypatch.setattr(run, "run_cell", lambda cell: pytest.fail("computed again"))
    assert run.run(path) == []
    assert table(path) == table(serial)


def test_a_packed_table_holds_the_same_and_packs_alike(serial, tmp_path, monkeypatch):
    path = write(tmp_path, GRID.replace("t.jsonl", "t.jsonl.gz"))
    packed = tmp_path / "t.jsonl.gz"
    packed.write_bytes(gzip.compress((serial.parent / "t.jsonl").read_bytes(), mtime=7))
    monkeypatch.setattr(run, "run_cell", lambda cell: pytest.fail("computed again"))
    assert run.run(path) == []
    once = packed.read_bytes()
    assert gzip.decompress(once) == (serial.parent / "t.jsonl").read_bytes()
    assert run.run(path) == []
    assert packed.read_bytes() == once
    packed.write_bytes(once[:-9])
    with pytest.raises(ParameterError, match="must be a whole gzip file"):
        run.run(path)


def test_a_larger_grid_adds_and_a_smaller_one_takes_nothing(serial, tmp_path):
    text = GRID.replace("[0, 1, 2, 3, 4, 5]", "[0]").replace("isolation_forest", "one_class_svm")
    path = write(tmp_path, text)
    (tmp_path / "t.jsonl").write_bytes((serial.parent / "t.jsonl").read_bytes())
    assert run.run(path) == []
    rows = table(path)
    assert [row for row in rows if row["detector"] != "one_class_svm"] == table(serial)
    assert len(rows) == 3 * (CELLS + 1)


def test_again_makes_everything_anew(serial, tmp_path):
    path = write(tmp_path)
    changed = (serial.parent / "t.jsonl").read_text().replace('"f1": ', '"f1": 7')
    (tmp_path / "t.jsonl").write_text(changed, encoding="utf-8")
    assert run.run(path, again=True) == []
    assert table(path) == table(serial)


def test_killed_midway_it_loses_and_redoes_nothing(serial, tmp_path):
    path = write(tmp_path)
    process = start(path)
    wait_for(lambda: len(cell_files(path)) >= 3, process)
    process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
    process.communicate()
    kept = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in cell_files(path)}
    assert 3 <= len(kept) < CELLS
    said = finished(start(path))
    assert f"{len(kept)} done before, {CELLS - len(kept)} to do" in said
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in kept} == kept
    assert table(path) == table(serial)


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no such signal")
def test_stopped_politely_it_writes_down_what_there_is(tmp_path):
    path = write(tmp_path)
    process = start(path)
    wait_for(lambda: len(cell_files(path)) >= 3, process)
    process.send_signal(signal.SIGTERM)
    finished(process, 130)
    assert 9 <= len(table(path)) < 3 * CELLS


def test_two_at_once_share_the_work_and_do_not_spoil_the_table(serial, tmp_path):
    path = write(tmp_path)
    both = [start(path), start(path)]
    for process in both:
        finished(process)
    assert table(path) == table(serial)
    assert len(cell_files(path)) == CELLS


def test_a_cell_is_computed_by_one_process_alone(tmp_path):
    first = results.Results(tmp_path / "t.jsonl")
    key = "0123456789abcdef"
    assert first.claim(key)
    script = (
        "import sys; from pathlib import Path; from lib.study.results import Results\n"
        f"table = Results(Path({str(tmp_path / 't.jsonl')!r}))\n"
        f"print(table.claim({key!r}), table.claim('ff'))"
    )

    def other():
        command = [sys.executable, "-c", script]
        return subprocess.check_output(command, cwd=ROOT, text=True).split()

    assert other() == ["False", "True"]
    first.release(key)
    assert other() == ["True", "True"]


def test_two_processes_make_the_same_table_as_one(serial, tmp_path):
    path = write(tmp_path)
    assert run.run(path, jobs=2) == []
    assert table(path) == table(serial)


def test_a_failing_cell_is_a_row_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    path = write(tmp_path)
    real = detectors.scores

    def scores(name, *parts, seed, **options):
        if (name, seed) == ("random", 3):
            raise MemoryError("no room")
        return real(name, *parts, seed=seed, **options)

    monkeypatch.setattr(detectors, "scores", scores)
    assert main(["study", str(path)]) == 1
    assert "failed: ucr_135, random, seed 3: MemoryError: no room" in capsys.readouterr().out
    rows = table(path)
    assert len(rows) == 3 * (CELLS - 1) + 1
    (failed,) = [row for row in rows if row["error"]]
    assert failed["error"] == "MemoryError: no room"
    assert failed["seed"] == 3
    monkeypatch.undo()
    assert main(["study", str(path)]) == 0
    assert f"{CELLS - 1} done before, 1 to do" in capsys.readouterr().out
    assert len(table(path)) == 3 * CELLS


def test_a_study_takes_one_thread_before_numpy_is_there(tmp_path):
    path = write(tmp_path, GRID.replace("[0, 1, 2, 3, 4, 5]", "[0]").replace('"discord", ', ""))
    script = (
        "import os, sys; from lib.__main__ import main; from lib.course import execution\n"
        "real = execution.take_one_thread\n"
        "execution.take_one_thread = lambda: (print('numpy' in sys.modules), real())\n"
        f"main(['study', {str(path)!r}])\n"
        "print(*(os.environ[name] for name in execution.ONE_THREAD))"
    )
    kept = {k: v for k, v in os.environ.items() if "NUM_" not in k} | {"MKL_NUM_THREADS": "2"}
    command = [sys.executable, "-c", script]
    said = subprocess.check_output(command, cwd=ROOT, env=kept, text=True).splitlines()
    assert said[0] == "False"
    assert said[-1] == "1 1 2 1 1"


def test_rows_of_other_code_are_pointed_out(serial, tmp_path, capsys):
    path = write(tmp_path)
    today = run.code_hash()
    old = (serial.parent / "t.jsonl").read_text().replace(today, "0" * 16, 3)
    (tmp_path / "t.jsonl").write_text(old, encoding="utf-8")
    run.run(path)
    assert "3 rows were made by other code than today's" in capsys.readouterr().out


def test_a_damaged_table_is_one_error(tmp_path, capsys):
    path = write(tmp_path)
    for line in ("{half", "[1]", '{"key": "a"}'):
        (tmp_path / "t.jsonl").write_text(line, encoding="utf-8")
        assert main(["study", str(path)]) == 2
        assert "must hold one result a line" in capsys.readouterr().err


@pytest.fixture
def cluster():
    """A Dask scheduler and two workers on this machine, as separate processes."""
    distributed = pytest.importorskip("distributed")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dask, options = [sys.executable, "-m", "dask"], ["--no-dashboard"]
    processes = []

    def begin(*words):
        command = [*dask, *map(str, words), *options]
        processes.append(subprocess.Popen(command, cwd=ROOT, env=environment, **quiet))
        return processes[-1]

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "scheduler.json"
        begin("scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", file)
        wait_for(lambda: file.exists() and file.read_text().endswith("}"))
        address = json.loads(file.read_text())["address"]
        local = ["--nthreads", 1, "--no-nanny", "--host", "127.0.0.1", "--local-directory", folder]
        workers = [begin("worker", address, *local) for _ in range(2)]
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield address, workers
        for process in reversed(processes):
            process.kill()
            process.wait()


def test_a_cluster_that_loses_a_worker_makes_the_same_table(serial, tmp_path, cluster):
    address, workers = cluster
    path = write(tmp_path)
    process = start(path, "--backend", "dask", "--scheduler", address)
    wait_for(lambda: len(cell_files(path)) >= 3, process)
    workers[0].kill()
    assert len(cell_files(path)) < CELLS, "too late to be of any meaning"
    finished(process)
    assert table(path) == table(serial)


GOOD = {
    "data": ["ucr_135"],
    "detectors": ["last_value"],
    "seeds": [0],
    "thresholds": ["maximum"],
}


def toml(**changes):
    block = {**GOOD, **changes}
    lines = [f"{name} = {value}" for name, value in block.items() if value is not None]
    return "[[study]]\n" + "\n".join(lines).replace("'", '"').replace("True", "true")


BAD = [
    ("", "`study` must be one or more tables"),
    ("study = 3", "`study` must be one or more tables"),
    ("x = [", "must be TOML"),
    ("tabel = 'x'\n" + toml(), "Did you mean 'table'"),
    ("table = 'a/b.jsonl'\n" + toml(), "`table` must be the name of a .jsonl or .jsonl.gz file"),
    ("table = 'b.csv'\n" + toml(), "`table` must be the name of a .jsonl or .jsonl.gz file"),
    ("budget = 3\n" + toml(), "`budget` must be a table"),
    ("budget = {epoch = 3}\n" + toml(), "Did you mean 'epochs'"),
    ("budget = {epochs = 0}\n" + toml(), "`epochs` must be a positive integer"),
    (toml(data=["ucr_136b"]), "Did you mean 'ucr_136'"),
    (toml(data=[]), "`data` must be a list of names"),
    (toml(data=None), "`data` must be a list of names"),
    (toml(data=[3]), "`data` must be a list of names"),
    (toml(detectors=["discrod"]), "Did you mean 'discord'"),
    (toml(detectors=["pca", "pca"]), "`detectors` must hold each value once"),
    (toml(seeds=[-1]), "`seeds` must be an integer from 0"),
    (toml(seeds=[True]), "`seeds` must be an integer from 0"),
    (toml(seeds=5), "`seeds` must be a list of whole numbers"),
    (toml(thresholds=["maximun"]), "Did you mean 'maximum'"),
    (toml(thresholds=["fixed"]), "must suit the rule 'fixed'"),
    (toml(seed=[0]), "Did you mean 'seeds'"),
    (toml() + "\nvary = {latnet = [2]}", "Did you mean 'latent'"),
    (toml() + "\nvary = {latent = [0]}", "`latent` must be a positive integer"),
    (toml() + "\nvary = {latent = 4}", "`latent` must be a list of values"),
    (toml() + "\nvary = {window = [1]}", "`window` must be an integer from 2"),
    (toml() + '\nthreshold = ["x"]', "Did you mean 'thresholds'"),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_bad_grid_is_one_error_before_anything_runs(text, said, tmp_path, capsys):
    path = write(tmp_path, text)
    assert main(["study", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert error.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["grid.toml"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.toml"], "nowhere.toml"),
        (["--backend", "dusk"], "`backend` must be loky or dask"),
        (["--backend", "dask"], "`scheduler` must be an address"),
        (["--scheduler", "tcp://127.0.0.1:1"], "`scheduler` must be an address"),
        (["--backend", "dask", "--scheduler", "here"], "`scheduler` must be an address"),
    ],
)
def test_a_bad_request_is_one_error(words, said, tmp_path, capsys):
    first = [] if words[0].endswith(".toml") else [str(write(tmp_path))]
    assert main(["study", *first, *words]) == 2
    assert said in capsys.readouterr().err


def test_without_dask_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ParameterError, match=r'-e ".\[study\]"'):
        run.check_backend("dask", "tcp://127.0.0.1:8786")


def test_the_product_leaves_out_what_would_be_the_same(tmp_path):
    text = toml(data=["sp500_z", "ucr_135"], detectors=["rule", "random"], seeds=[4, 5])
    cells = grid.read(write(tmp_path, text + "\n" + text)).cells
    found = [(cell["data"], cell["detector"], cell["seed"]) for cell in cells]
    rules = ["last_value", "seasonal_naive", "moving_z"]
    expected = {("sp500_z", "ewma_volatility", 4)}
    expected |= {(name, rule, 4) for name in ("sp500_z", "ucr_135") for rule in rules}
    expected |= {(name, "random", seed) for name in ("sp500_z", "ucr_135") for seed in (4, 5)}
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_settings_vary_as_a_product(tmp_path):
    text = "budget = {units = 20}\n" + toml() + "\nvary = {window = [4, 8], latent = [2, 3]}"
    plan = grid.read(write(tmp_path, text))
    assert plan.table == tmp_path / "grid.jsonl"
    found = {(cell["window"], cell["budget"]["latent"]) for cell in plan.cells}
    assert found == {(4, 2), (4, 3), (8, 2), (8, 3)}
    assert {cell["budget"]["units"] for cell in plan.cells} == {20}
    assert len({grid.key_of(cell) for cell in plan.cells}) == 4


def test_data_that_are_not_here_are_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LIB_DOWNLOADS", str(tmp_path / "none"))
    path = write(tmp_path, "table = 't.jsonl'\n" + toml(data=["ucr_135", "nab_nyc_taxi"]))
    assert run.run(path) == []
    assert "left out: nab_nyc_taxi" in capsys.readouterr().out
    assert {row["data"] for row in table(path)} == {"ucr_135"}


def test_the_grid_of_what_ships_is_a_good_one():
    plan = grid.read(ROOT / "data" / "results" / "grid.toml")
    assert plan.absent == ()
    assert {cell["detector"] for cell in plan.cells} == set(detectors.KINDS)
    assert {cell["data"] for cell in plan.cells} == set(datasets.SHIPPED)
    assert grid.read(ROOT / "data" / "results" / "grid_fetched.toml").table == plan.table


STORED = ROOT / "data" / "results" / "study.jsonl.gz"


@pytest.mark.parametrize(
    ("data", "detector", "bound"),
    [
        ("ucr_135", "discord", 1e-3),
        ("ucr_135", "last_value", 1e-6),
        ("sp500_z", "ridge", 1e-4),
        ("lhb_faults", "last_value", 1e-6),
        ("sp500_z", "dense_autoencoder", 0.02),  # trained: another processor, another last digit
    ],
)
def test_stored_results_are_those_that_the_command_makes(data, detector, bound):
    """A few cells anew; what does not depend on a threshold is compared with what is stored."""
    if not STORED.exists():
        pytest.skip("no results are stored yet")
    cells = grid.read(STORED.with_name("grid.toml")).cells
    cell = next(c for c in cells if (c["data"], c["detector"], c["seed"]) == (data, detector, 0))
    stored = results.read(STORED)
    stored = stored[stored["key"] == grid.key_of(cell)]
    again = run.run_cell(cell)
    assert len(stored) == len(again) > 0
    for (_, old), new in zip(stored.iterrows(), again, strict=True):
        assert (old["rule"], old["sha256"]) == (new["rule"], new["sha256"])
        for name in ("roc_auc", "average_precision", "vus_roc", "vus_pr"):
            assert old[name] == pytest.approx(new[name], abs=bound), name
