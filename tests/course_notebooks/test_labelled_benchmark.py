"""Notebook 10: what it reads is stored in full, and agrees with what can be redone."""

import os
import subprocess
import sys
import tomllib

import numpy as np
import pandas as pd
import pytest
from places import ROOT

from lib import data, metrics
from lib.course import notebooks, parameters
from lib.data import downloads, fetch
from lib.study import configurations

NAME = "10_labelled_benchmark"
BENCHMARKS = ROOT / "tests" / "benchmarks"
RESULTS = data.DATA_DIR / "results" / "ucr_001.csv"
SHARED = ROOT.parent / "shared" / "data"


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
    script.write_text("\n".join(sources(changes)), encoding="utf-8")
    return subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )


def test_a_series_that_has_not_been_fetched_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("LIB_DOWNLOADS", str(tmp_path / "nothing"))
    result = run({"series": "ucr_001"}, tmp_path)
    assert result.returncode != 0
    assert "python -m lib fetch ucr_001" in result.stderr


def test_the_series_that_are_offered_can_be_loaded_or_fetched():
    choices = parameters.specification(NAME)["series"].choices
    assert all(fetch.select([name]) for name in set(choices) - {"ucr_135"})


def test_the_configuration_is_what_the_study_chose_of_those_that_it_had():
    known = parameters.specification(NAME)["configuration"]
    assert sorted(known.choices) == sorted(configurations.names("lstm_autoencoder"))
    grid = tomllib.loads((data.DATA_DIR / "results" / "grid.toml").read_text(encoding="utf-8"))
    assert known.default == grid["chosen"]["lstm_autoencoder"]


def test_the_stored_errors_are_those_of_the_windows_that_the_known_study_evaluates():
    stored = pd.read_csv(data.DATA_DIR / "results" / "ucr_135_known.csv", index_col=0)["error"]
    labels = data.load("ucr_135")["anomaly"]
    touched = np.lib.stride_tricks.sliding_window_view(labels, 60).any(axis=1)
    normal = np.flatnonzero(~touched)
    trained = normal[: int(0.8 * len(normal))]
    assert stored.index.tolist() == np.setdiff1d(np.arange(len(touched)), trained).tolist()
    assert stored.gt(0).all()


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
    assert set(results["part"]) == {"baseline", "ours", "ladder", "study", "known"}
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


def test_steps_inside_the_anomaly_are_as_small_as_the_notebook_says(ucr_001):
    steps, labels = np.abs(np.diff(ucr_001[0][35_000:, 0])), ucr_001[1][35_001:]
    assert (steps[labels].mean(), steps[~labels].mean()) == pytest.approx((8.4, 12.3), abs=0.05)


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
