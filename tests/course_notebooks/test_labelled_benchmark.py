"""Notebook 10 from saved scores, and the stored results of UCR 001 against what can be redone."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from places import ROOT

from lib import data, metrics
from lib.course import notebooks, parameters
from lib.data import downloads, fetch

NAME = "10_labelled_benchmark"
BENCHMARKS = ROOT / "tests" / "benchmarks"
RESULTS = data.DATA_DIR / "results" / "ucr_001.csv"
SHARED = ROOT.parent / "shared" / "data"
READINGS = ("row by row", "whole window", "windows alike")

RUN = """
import sys
import matplotlib
matplotlib.use("Agg")
space = {}
for source in SOURCES:
    exec(compile(source, "cell", "exec"), space)
networks = {"keras", "tensorflow", "jax", "torch"}
loaded = sorted({name.partition(".")[0] for name in sys.modules} & networks)
print("loaded:", loaded, "windows:", len(space["known"]), "scored:", len(space["main"]))
"""


@pytest.fixture
def saved(tmp_path):
    """Scores as the notebook saves them, made up."""
    rng = np.random.default_rng(0)
    marked = np.lib.stride_tricks.sliding_window_view(data.load("ucr_135")["anomaly"], 60).any(
        axis=1
    )
    normal = np.flatnonzero(~marked)
    judged = np.setdiff1d(np.arange(len(marked)), normal[: int(0.8 * len(normal))])
    columns = [f"{name} #{seed}" for seed in range(3) for name in READINGS]
    tables = {
        "known": pd.DataFrame({"error": rng.random(len(judged))}, index=judged),
        "rows": pd.DataFrame(rng.random((7501 - 960, 9)), index=range(960, 7501), columns=columns),
        "all_rows": pd.DataFrame(rng.random((6301, 3)), index=range(1200, 7501), columns=READINGS),
    }
    for name, table in tables.items():
        table.to_csv(tmp_path / f"ucr_135_{name}.csv")
    return tmp_path


def sources(changes):
    """The code cells of the notebook, its parameters changed."""
    cells = notebooks.read(notebooks.COURSE / f"{NAME}.ipynb")["cells"]
    code = [notebooks.text(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return [
        code[0] + "".join(f"\n{name} = {value!r}" for name, value in changes.items()),
        *code[1:],
    ]


def run(changes, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(f"SOURCES = {sources(changes)!r}\n{RUN}", encoding="utf-8")
    return subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )


def test_saved_scores_are_judged_without_any_network_library(saved):
    result = run({"saved": str(saved)}, saved)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "loaded: [] windows: 1546 scored: 6541" in result.stdout


def test_saved_scores_are_the_ones_that_are_judged(saved):
    table = pd.read_csv(saved / "ucr_135_rows.csv", index_col=0)
    labels = data.load("ucr_135")["anomaly"].to_numpy()
    table["row by row #0"] = labels[960:] + 0.5
    table.to_csv(saved / "ucr_135_rows.csv")
    result = run({"saved": str(saved)}, saved)
    assert result.returncode == 0, result.stderr[-2000:]
    for figure in (
        "precision          1.000",
        "recall             1.000",
        "f1                 1.000",
    ):
        assert figure in result.stdout


def test_a_folder_without_scores_is_named(saved, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    result = run({"saved": str(empty)}, saved)
    assert result.returncode != 0
    assert "ucr_135_known.csv" in result.stderr


def test_a_series_that_has_not_been_fetched_names_the_command(saved, monkeypatch):
    monkeypatch.setenv("LIB_DOWNLOADS", str(saved / "nothing"))
    result = run({"series": "ucr_001"}, saved)
    assert result.returncode != 0
    assert "python -m lib fetch ucr_001" in result.stderr


def test_the_series_that_are_offered_can_be_loaded_or_fetched():
    choices = parameters.specification(NAME)["series"].choices
    assert all(fetch.select([name]) for name in set(choices) - {"ucr_135"})


def test_the_published_figures_fit_the_windows_that_were_judged():
    """679 windows of 60 rows touch 620 rows; a fifth of the others is judged beside them."""
    touching = 620 + 60 - 1
    normal = 79_795 - 60 + 1 - touching
    judged_normal = normal - int(0.8 * normal)
    tp, fp = 117, 233
    assert (touching, judged_normal) == (679, 15_812)
    assert round(tp / (tp + fp), 4) == 0.3343
    assert round(tp / touching, 4) == 0.1723
    assert round(1 - fp / judged_normal, 4) == 0.9853
    assert round(1 - (fp + touching - tp) / (touching + judged_normal), 4) == 0.9518


@pytest.fixture
def results():
    return pd.read_csv(RESULTS)


def test_results_are_complete_and_agree_with_themselves(results):
    assert set(results["part"]) == {"baseline", "ours", "ladder", "known"}
    known = results.dropna(subset="tp")
    assert (known["tp"] + known["fn"] == 621).sum() == (known["part"] != "known").sum()
    np.testing.assert_allclose(
        known["recall"], known["tp"] / (known["tp"] + known["fn"]), atol=6e-5
    )
    total = known[["tn", "fp", "fn", "tp"]].sum(axis=1)
    np.testing.assert_allclose(known["accuracy"], (known["tp"] + known["tn"]) / total, atol=6e-5)
    assert results.loc[results["part"] == "ours", "criterion"].between(0, 1).all()


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import ucr_001

    return ucr_001


@pytest.fixture
def ucr_001(monkeypatch):
    if not downloads.is_here(downloads.entries()["ucr_001"]):
        monkeypatch.setenv("LIB_DOWNLOADS", str(SHARED))
    if not downloads.is_here(downloads.entries()["ucr_001"]):
        pytest.skip("needs UCR 001, which does not ship: python -m lib fetch ucr_001")
    frame = data.load("ucr_001")
    return frame.drop(columns="anomaly").to_numpy(), frame["anomaly"].to_numpy()


def test_simple_methods_give_the_stored_results_again(benchmark, ucr_001, results):
    stored = results[results["part"] == "baseline"].set_index("idea")
    again = pd.DataFrame(benchmark.simple(*ucr_001)).set_index("idea")
    assert again.index.tolist() == stored.index.tolist()
    columns = ["precision", "recall", "f1", "roc_auc", "average_precision", "tp", "fp"]
    np.testing.assert_allclose(again[columns].astype(float), stored[columns], atol=2e-3)
    assert (again["ucr_hit"].astype(float) == stored["ucr_hit"].astype(float)).all()


def test_faults_stay_in_the_validation_part(benchmark, ucr_001):
    values, faults = ucr_001[0][:, 0], benchmark.faults
    planned = faults.injected(values)
    assert len(planned) == 36
    for _, start, stretch, labels in planned:
        assert start >= faults.FIRST
        assert start + len(stretch) <= faults.LAST
        changed = stretch != values[start : start + len(stretch)]
        assert changed.any()
        assert not changed[~labels].any()


def test_the_criterion_tells_a_perfect_score_from_a_useless_one(benchmark, ucr_001):
    planned = benchmark.faults.injected(ucr_001[0][:, 0])
    clean, rng = np.zeros(7000), np.random.default_rng(0)
    perfect = [labels.astype(float) for *_, labels in planned]
    useless = [rng.random(len(labels)) for *_, labels in planned]
    assert benchmark.faults.criterion(clean, perfect, planned) == 1.0
    assert benchmark.faults.criterion(rng.random(7000), useless, planned) < 0.2


def test_the_judge_of_the_benchmark_is_that_of_the_course(benchmark):
    labels = np.zeros(79_795, dtype=bool)
    labels[51_999:52_620] = True
    test = labels[35_000:] + 0.0
    row = benchmark.judged_by_rows(labels, test, 0.5)
    assert row["f1"] == 1.0
    assert row["ucr_hit"]
    assert (row["tp"], row["fp"]) == (621, 0)
    assert row["delay"] == metrics.event_metrics(labels, labels)["delay"] == 0
