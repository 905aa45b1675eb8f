"""`python -m lib study`: nothing is redone, nothing lost, whoever is killed, wherever it runs."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from places import ROOT

from lib import models
from lib.__main__ import main
from lib.course import fingerprints
from lib.detectors import KINDS, Detector
from lib.errors import ParameterError
from lib.metrics.points import point_metrics
from lib.study import comparison, configurations, datasets, grid, results, run

TIMES = {"fit_seconds", "score_seconds"}
# Some seconds of work, so that it can be interrupted.
GRID = """
table = "t.jsonl"
thresholds = ["maximum", "percentile 99"]
[chosen]
isolation_forest = "window overlap 300"
nearest_neighbour = "window mse 1"
last_value = "train mse 0.25"
random = "train mse 0"
[[study]]
data = ["ucr_135"]
detectors = ["isolation_forest", "nearest_neighbour", "last_value", "random"]
configurations = "chosen"
seeds = [0, 1, 2, 3, 4, 5]
"""
CELLS, RULES = 6 + 1 + 1 + 6, 2


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
    assert len(rows) == RULES * CELLS
    assert len({(row["detector"], row["seed"], row["rule"]) for row in rows}) == len(rows)
    assert [row["rule"] for row in rows[:2]] == ["maximum", "percentile 99"]
    assert all(row["error"] is None for row in rows)
    frame = results.read(serial.parent / "t.jsonl")
    wanted = {"window", "configuration", "source", "part", "sha256", "code", "versions", "f1"}
    assert wanted | {"parameters", *TIMES} <= set(frame)
    assert (frame["points"] == 7501 - 1200).all()
    assert (frame["anomalous"] == 12).all()
    assert set(frame["source"]) == {"ucr/InternalBleeding16"}
    assert set(frame["trainer"]) == {"numpy"}


def test_a_sample_that_comes_out_the_same_stamps_the_table(serial, tmp_path, monkeypatch, capsys):
    path = write(tmp_path)
    shutil.copy(serial.parent / "t.jsonl", tmp_path / "t.jsonl")
    before = table(path)
    monkeypatch.setattr(run, "code_hash", lambda: "another")
    assert main(["study", str(path), "--sample", "3"]) == 0
    assert f"4 of {CELLS} cells computed anew, 0 rows differ" in capsys.readouterr().out
    after = table(path)
    assert {row["code"] for row in after} == {"another"}
    assert [row.pop("made_by") for row in after] == [row["code"] for row in before]
    assert [row | {"code": before[0]["code"]} for row in after] == before
    assert run.run(path) == []  # nothing is to be done, and the stamp stays
    assert {row["code"] for row in table(path)} == {"another"}


def test_a_sample_that_comes_out_otherwise_stamps_nothing(serial, tmp_path, monkeypatch, capsys):
    path = write(tmp_path)
    text = (serial.parent / "t.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    wrong = next(row for row in rows if row["detector"] == "last_value")
    wrong["vus_pr"] += 1e-4
    content = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "t.jsonl").write_text(content, encoding="utf-8")
    monkeypatch.setattr(run, "code_hash", lambda: "another")
    assert main(["study", str(path), "--sample", "1"]) == 1
    assert "ucr_135, last_value, seed 0: vus_pr" in capsys.readouterr().out
    assert (tmp_path / "t.jsonl").read_text(encoding="utf-8") == content


def test_metrics_are_those_of_the_detector_that_users_get(serial):
    one = datasets.load("ucr_135")
    recipe = configurations.recipe("last_value", "train mse 0.25", one)
    detector = Detector(**recipe, threshold_options={}).fit(one.train, one.validation)
    scores = detector.decision_function(one.series)[one.labels.index]
    row = next(
        r for r in table(serial) if (r["detector"], r["rule"]) == ("last_value", "percentile 99")
    )
    threshold = np.nanpercentile(detector.validation_scores_, 99)
    assert row["threshold"] == pytest.approx(threshold)
    expected = point_metrics(one.labels, scores, threshold)
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert row["flags"] == (scores > threshold).sum()


def test_configurations_that_differ_in_scores_alone_share_a_training():
    cell = {"data": "ucr_135", "detector": "pca", "seed": 0, "part": None, "changes": {}}
    both = ["window mse 8", "window distance 8"]
    rows = run.run_cell({**cell, "configurations": both, "thresholds": ["maximum"]})
    assert [row["configuration"] for row in rows] == both
    assert rows[0]["fit_seconds"] == rows[1]["fit_seconds"]
    alone = run.run_cell({**cell, "configurations": both[1:], "thresholds": ["maximum"]})
    assert alone[0]["vus_pr"] == pytest.approx(rows[1]["vus_pr"])
    assert alone[0]["threshold"] == pytest.approx(rows[1]["threshold"])


def test_changes_reach_the_recipe():
    one = datasets.load("ucr_135")
    changes = {"latent": 8, "score": "mse", "periods": 2, "patches": 0.5}
    usual = configurations.recipe("lstm_autoencoder", "window distance 0.01", one)
    other = configurations.recipe("lstm_autoencoder", "window distance 0.01", one, 0, changes)
    patch = usual["options"]["patch"] // 2
    assert other["options"] == {**usual["options"], "latent": 8, "patch": patch}
    assert other["score"] == "mse"
    assert other["window"] == patch * round(2 * usual["window"] / patch)


def test_of_several_detectors_the_mean_score_counts_each_by_what_is_usual_of_it():
    cell = {"data": "ucr_135", "detector": "pca", "seed": 0, "part": None}
    cell |= {"configurations": ["window mse 8"], "thresholds": ["maximum"]}
    changes = {"beside": "ridge train mse 1"}
    (row,) = run.run_cell(cell | {"changes": changes})
    assert row["error"] is None
    one, usual, scores = datasets.load("ucr_135"), [], []
    for kind, name in (("pca", "window mse 8"), ("ridge", "train mse 1")):
        detector = Detector(**configurations.recipe(kind, name, one))
        detector.fit(one.train, one.validation)
        mean = detector.validation_scores_.mean()
        usual.append(detector.validation_scores_ / mean)
        scores.append(detector.decision_function(one.series)[one.labels.index] / mean)
    assert row["threshold"] == pytest.approx((sum(usual) / 2).max())
    expected = point_metrics(one.labels, (sum(scores) / 2).fillna(0.0), row["threshold"])
    assert row["average_precision"] == pytest.approx(expected["average_precision"])
    assert row["f1"] == pytest.approx(expected["f1"])


def test_two_seeds_of_what_draws_no_random_number_are_one():
    cell = {"data": "ucr_135", "detector": "pca", "seed": 0, "part": None}
    cell |= {"configurations": ["window mse 8"], "thresholds": ["maximum"]}
    (once,) = run.run_cell(cell | {"changes": {}})
    (twice,) = run.run_cell(cell | {"changes": {"seeds": 2}})
    assert twice["vus_pr"] == pytest.approx(once["vus_pr"])
    assert twice["flags"] == once["flags"]


def test_what_stands_beside_a_detector_has_the_configuration_that_was_chosen(tmp_path):
    text = GRID.replace('"isolation_forest", "nearest_neighbour", "last_value", "random"', '"pca"')
    text = text.replace("[chosen]", '[chosen]\npca = "window mse 8"')
    text += 'changes = [{beside = "last_value"}]\n'
    (cell,) = grid.read(write(tmp_path, text)).cells
    assert cell["changes"] == {"beside": "last_value train mse 0.25"}
    with pytest.raises(ParameterError, match=r"`beside` must be one of .* Did you mean 'random'"):
        grid.read(write(tmp_path, text.replace('"last_value"}', '"randon"}')))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_as_many_configurations_and_each_makes_a_detector(kind):
    names = configurations.names(kind)
    assert len(set(names)) == (1 if kind == "random" else 8)
    one = datasets.load("ucr_135")
    for name in names:
        Detector(**configurations.recipe(kind, name, one))


@pytest.mark.parametrize(("window", "patch", "n_features"), [(30, 2, 1), (182, 14, 1), (30, 2, 8)])
def test_networks_are_equal_in_size(window, patch, n_features):
    target = None
    for kind in KINDS:
        if KINDS[kind].family != "network":
            continue
        horizon = 6 * patch if KINDS[kind].output != "window" else 0
        widths = configurations.widths(kind, window, n_features, patch, horizon)
        ahead = {"horizon": horizon} if horizon else {}
        count = models.count_parameters(kind, window, n_features, **widths, **ahead)
        target = target or count
        assert count == pytest.approx(target, rel=0.05), kind


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


@pytest.mark.parametrize("damage", ["empty", "shortened", "garbage"])
def test_a_damaged_cell_is_not_done(damage, tmp_path):
    rows = [{"error": None, "position": place} for place in range(3)]
    with results.Results(tmp_path / "t.jsonl") as kept:
        kept.store("ab", rows)
        assert kept.is_done("ab")
        assert kept.done({"ab": 3}) == {"ab"}
        assert kept.done({"ab": 4}) == set()
        path = tmp_path / ".t.cells" / "ab.jsonl"
        whole = path.read_bytes()
        first = whole.index(b"\n") + 1
        path.write_bytes({"empty": b"", "shortened": whole[:first], "garbage": b"\xff{"}[damage])
        assert not kept.is_done("ab")
        assert kept.done({"ab": 3}) == set()


def test_tables_of_like_names_share_no_cells(tmp_path):
    folders = set()
    for name in ("study.one", "study.two"):
        with results.Results(tmp_path / name) as kept:
            folders.add(kept.folder)
    assert len(folders) == 2


def test_a_larger_grid_adds_and_a_smaller_one_takes_nothing(serial, tmp_path):
    text = GRID.replace("[0, 1, 2, 3, 4, 5]", "[0]").replace("isolation_forest", "one_class_svm")
    text = text.replace("window overlap 300", "window overlap 0.05")
    path = write(tmp_path, text)
    (tmp_path / "t.jsonl").write_bytes((serial.parent / "t.jsonl").read_bytes())
    assert run.run(path) == []
    rows = table(path)
    assert [row for row in rows if row["detector"] != "one_class_svm"] == table(serial)
    assert len(rows) == RULES * (CELLS + 1)


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
    assert 3 * RULES <= len(table(path)) < RULES * CELLS


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
    real = configurations.recipe

    def recipe(kind, configuration, data, seed, changes, attempt):
        if (kind, seed) == ("random", 3):
            raise MemoryError("no room")
        return real(kind, configuration, data, seed, changes, attempt)

    monkeypatch.setattr(configurations, "recipe", recipe)
    assert main(["study", str(path)]) == 1
    assert "failed: ucr_135, random, seed 3: MemoryError: no room" in capsys.readouterr().out
    rows = table(path)
    assert len(rows) == RULES * (CELLS - 1) + 1
    (failed,) = [row for row in rows if row["error"]]
    assert failed["error"] == "MemoryError: no room"
    assert failed["seed"] == 3
    monkeypatch.undo()
    assert main(["study", str(path)]) == 0
    assert f"{CELLS - 1} done before, 1 to do" in capsys.readouterr().out
    assert len(table(path)) == RULES * CELLS


def test_a_study_takes_one_thread_before_numpy_is_there(tmp_path):
    path = write(tmp_path, GRID.replace("[0, 1, 2, 3, 4, 5]", "[0]"))
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


def test_how_data_are_read_is_no_part_of_the_computing_code():
    assert set(run.NOT_COMPUTING) <= fingerprints.lib_modules(run.COMPUTING).keys()
    assert run.code_hash() != fingerprints.modules_hash(run.COMPUTING)[:16]


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
    "configurations": "all",
    "seeds": [0],
}
RULE = 'thresholds = ["maximum"]\n'


def toml(top=RULE, **changes):
    block = {**GOOD, **changes}
    lines = [f"{name} = {value!r}" for name, value in block.items() if value is not None]
    return top + "[[study]]\n" + "\n".join(lines).replace("'", '"').replace("True", "true")


BAD = [
    (RULE, "`study` must be one or more tables"),
    (RULE + "study = 3", "`study` must be one or more tables"),
    ("x = [", "must be TOML"),
    ("x = " + 5000 * "9", "must be TOML"),
    ("tabel = 'x'\n" + toml(), "Did you mean 'table'"),
    ("table = 'a/b.jsonl'\n" + toml(), "`table` must be the name of a .jsonl or .jsonl.gz file"),
    ("table = 'b.csv'\n" + toml(), "`table` must be the name of a .jsonl or .jsonl.gz file"),
    ("trainer = 'nunpy'\n" + toml(), "`trainer` must be one of keras, numpy"),
    ("chosen = 3\n" + toml(), "`chosen` must be a table"),
    (RULE + "chosen = {pac = 'x'}\n" + toml(""), "Did you mean 'pca'"),
    (RULE + "chosen = {pca = 'window mse 9'}\n" + toml(""), "Did you mean 'window mse 8'"),
    (toml(configurations="chosen"), "`chosen` must hold the configuration of each detector"),
    (toml(configurations="some"), "`configurations` must be one of all, chosen"),
    (toml(part="test"), "`part` must be one of tuning, evaluation"),
    (toml(data=["ucr_136b"]), "`data` must hold names"),
    (toml(data=[]), "`data` must be a list of names"),
    (toml(data=None), "`data` must be a list of names"),
    (toml(data=[3]), "`data` must be a list of names"),
    (toml(detectors=["nearest_neigbour"]), "Did you mean 'nearest_neighbour'"),
    (toml(detectors=["pca", "pca"]), "`detectors` must hold each value once"),
    (toml(seeds=[-1]), "`seeds` must be an integer from 0"),
    (toml(seeds=[True]), "`seeds` must be an integer from 0"),
    (toml(seeds=5), "`seeds` must be a list of whole numbers"),
    (toml(""), "`thresholds` must be a list of names"),
    (toml('thresholds = ["maximun"]\n'), "`thresholds` must hold rules"),
    (toml('thresholds = ["fixed"]\n'), "`thresholds` must hold rules"),
    (toml(seed=[0]), "Did you mean 'seeds'"),
    (toml() + "\nchanges = {latent = 4}", "`changes` must be a list of tables"),
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
    cells = grid.read(write(tmp_path, text + "\n" + text.replace(RULE, ""))).cells
    found = {(cell["data"], cell["detector"], cell["seed"]) for cell in cells}
    rules = ["z_score", "last_value", "seasonal_naive", "moving_z"]
    expected = {("sp500_z", "ewma", 4)}
    expected |= {(name, rule, 4) for name in ("sp500_z", "ucr_135") for rule in rules}
    expected |= {(name, "random", seed) for name in ("sp500_z", "ucr_135") for seed in (4, 5)}
    assert found == expected
    assert len(cells) == 2 * 9 + 4  # rules in two groups, one for each normalisation


def test_each_change_is_a_run_of_its_own(tmp_path):
    text = toml(detectors=["pca"]) + '\nchanges = [{n_components = 2}, {score = "mse"}]'
    cells = grid.read(write(tmp_path, text)).cells
    assert [cell["changes"] for cell in cells[:2]] == [{"n_components": 2}, {"score": "mse"}]
    assert len(cells) == 2 * 4


def test_data_that_are_not_here_are_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LIB_DOWNLOADS", str(tmp_path / "none"))
    monkeypatch.delenv("LIB_UCR_ARCHIVE", raising=False)
    text = toml("table = 't.jsonl'\n" + RULE, data=["ucr", "nab_nyc_taxi"])
    path = write(tmp_path, text)
    assert run.run(path) == []
    assert "left out: nab_nyc_taxi" in capsys.readouterr().out
    assert {row["data"] for row in table(path)} == {"ucr_135"}


STORED = ROOT / "data" / "results" / "study.jsonl.gz"


@pytest.fixture(scope="module")
def stored():
    return results.read(STORED)


def test_the_stored_table_is_what_the_grid_asks_for(stored):
    """No run failed, and none is missing."""
    plan = grid.read(STORED.with_name("grid.toml"))
    assert stored["error"].isna().all()
    assert {grid.key_of(cell) for cell in plan.cells} <= set(stored["key"])


def test_the_chosen_configurations_are_the_best_of_the_tuning_part():
    plan = grid.read(STORED.with_name("grid.toml"))
    tuned = results.read(STORED.with_name("tuning.jsonl.gz"))
    assert tuned["error"].isna().all()
    plain = tuned[tuned["changes"] == "{}"]
    for kind, word in comparison.tuned(plain)["configuration"].items():
        own = plain[plain["detector"] == kind].groupby("configuration")["vus_pr"].mean()
        assert own[plan.chosen[kind]] == pytest.approx(own[word], abs=1e-9), kind  # ties are many
    assert set(plan.chosen) - set(plain["detector"]) == {"ewma"}  # for returns alone
    assert set(plain["part"]) == {"tuning"}


def test_no_source_is_tuned_on_and_evaluated(stored):
    tuned = results.read(STORED.with_name("tuning.jsonl.gz"))
    assert not set(tuned["source"]) & set(stored["source"])
    assert set(stored["part"]) == {"evaluation"}


@pytest.mark.parametrize("name", ["study.jsonl.gz", "tuning.jsonl.gz"])
@pytest.mark.parametrize(
    ("data", "detector", "bound"),
    [
        ("ucr_135", "nearest_neighbour", 1e-3),
        ("sp500_z", "ridge", 1e-3),
        ("lhb_faults", "last_value", 1e-6),
        ("ucr_019", "pca", 1e-3),
        ("ucr_135", "dense_autoencoder", 0.1),  # trained: another processor, another last digit
        ("ucr_135", "lstm_autoencoder", 0.1),
        ("sp500_returns", "conv_autoencoder", 0.1),
        ("sp500_z", "gru_forecaster", 0.1),
    ],
)
def test_stored_results_are_those_that_the_command_makes(name, data, detector, bound):
    """A few cells anew; what does not depend on a threshold is compared with what is stored."""
    kept = results.read(STORED.with_name(name))
    kept = kept[(kept["data"] == data) & (kept["detector"] == detector) & (kept["seed"] == 0)]
    if not len(kept) or not datasets.table()["here"].get(data, False):
        pytest.skip(f"no {detector} on {data} in {name}, or its data are not here")
    kept = kept[(kept["key"] == kept["key"].iloc[0])]
    words = list(dict.fromkeys(kept["configuration"]))
    cell = {"data": data, "detector": detector, "seed": 0, "part": None, "changes": {}}
    again = run.run_cell({**cell, "configurations": words, "thresholds": ["maximum"]})
    for new in again:
        old = kept[kept["configuration"] == new["configuration"]].iloc[0]
        assert old["sha256"] == new["sha256"]
        for metric in ("average_precision", "vus_pr"):
            assert old[metric] == pytest.approx(new[metric], abs=bound), metric


def test_networks_of_a_sample_may_end_elsewhere_but_not_be_worse(capsys):
    stored = [{"key": "a", "window": 30, "vus_pr": 0.5}]
    assert run._otherwise(stored, [{"window": 30, "vus_pr": 0.4}], run.SETTINGS) == []
    other = run._otherwise(stored, [{"window": 31, "vus_pr": 0.5}], run.SETTINGS)
    assert [row["found"] for row in other] == ["window 31, stored 30"]
    run._check_networks([])
    run._check_networks([(0.5, 0.52), (0.3, 0.29), (None, None)])
    assert "3 cells of networks: mean VUS-PR 0.4050, stored 0.4000" in capsys.readouterr().out
    with pytest.raises(ParameterError, match=r"as good with this code\. Received: a mean VUS-PR"):
        run._check_networks([(0.5, 0.45)])
