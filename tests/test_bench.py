"""`make bench` in its smallest sizes: every table is there, and the ways compared agree."""

import importlib.util
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent / "benchmarks"
TABLES = [
    "Training, one thread",
    "Training, the whole machine",
    "To the same validation loss",
    "Scoring a long series",
    "One new row",
    "Start and memory",
]
SIZES = {"window": 8, "units": 5, "latent": 3, "count": 300, "held_out": 100}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The report of a quick run, in parts: what is said first, and the tables by title."""
    path = tmp_path_factory.mktemp("bench") / "bench.md"
    command = [sys.executable, str(FOLDER / "bench.py"), str(path), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    said, *tables = path.read_text(encoding="utf-8").split("\n## ")
    return said, {table.splitlines()[0]: table.splitlines()[2:] for table in tables}


def test_every_table_is_filled(written):
    _, tables = written
    assert list(tables) == TABLES
    for title, (head, _, *rows) in tables.items():
        assert len(rows) >= (1 if title.startswith(("Scoring", "One")) else 2), title
        assert {row.count("|") for row in rows} == {head.count("|")}, title
        numbers = [
            float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?:\.\d+)?", "".join(rows))
        ]
        assert numbers, title
        assert all(map(math.isfinite, numbers)), title


def test_the_report_names_versions_and_what_is_absent(written):
    said, _ = written
    assert re.search(r"keras 3\.\d+.*, numpy 2\.\d+.*cores", said)
    for package in ("torch", "jax"):
        absent = importlib.util.find_spec(package) is None
        assert (f'-e ".[{package}]"' in said) == absent
        assert (f"{package} " in said.split("Made by")[1].split("\n")[0]) != absent


@pytest.mark.parametrize("decay", [False, True])
@pytest.mark.parametrize("way", ["numpy", "torch", "jax"])
def test_all_ways_train_the_same(way, decay, monkeypatch):
    """From the same weights, on the same batches: the same validation losses."""
    monkeypatch.syspath_prepend(FOLDER)
    if way != "numpy":
        pytest.importorskip(way, reason=f"python -m pip install {way}")
    import keras_ways

    training = {**SIZES, "batch": 64, "rate": 1e-3, "epochs": 3, "decay": decay}
    expected = [loss for _, loss in keras_ways.train(way="course", **training)]
    module = keras_ways if way == "numpy" else importlib.import_module(f"{way}_ways")
    found = module.train(way=way, **training)
    np.testing.assert_allclose([loss for _, loss in found], expected, rtol=1e-4)
    assert expected[-1] < expected[0]
