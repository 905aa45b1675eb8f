"""TensorFlow, JAX, PyTorch: the same scores from the same weights, whoever stored them.

`make test-backends` has all of them, and runs more: see `across_backends`. Elsewhere what needs a
missing one is skipped.
"""

import ast
import importlib.util
import itertools
import os
import subprocess
import sys
from pathlib import Path

import across_backends
import backend_worker
import numpy as np
import pytest
from places import ROOT

from lib import errors
from lib.course import notebooks

READERS = tuple(errors.NEEDS)
PAIRS = [(w, r) for w, r in itertools.product(errors.BACKENDS, READERS) if w != r]
SCORES = [
    *(f"{way} {kind}" for way in ("detector", "stream") for kind in backend_worker.DETECTORS),
    *(f"network {name}" for name in backend_worker.NETWORKS),
]


def is_here(name):
    return importlib.util.find_spec(errors.NEEDS[name]) is not None


def work(verb, name, folder):
    """Run a worker with this backend; it must not say a word, as in a notebook it would be red."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, Path(backend_worker.__file__), verb, folder],
        env={**os.environ, "KERAS_BACKEND": name, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), f"{name}, {verb}"


@pytest.fixture(scope="session")
def stored(tmp_path_factory):
    """A folder in which each backend has written, and each has read what the others wrote."""
    folder = tmp_path_factory.mktemp("backends")
    for verb, names in (("write", errors.BACKENDS), ("read", READERS)):
        for name in filter(is_here, names):
            work(verb, name, folder)
    return folder


def skip_without(*names):
    for name in names:
        if not is_here(name):
            package = errors.NEEDS[name]
            command = f'pip install -c constraints.txt -e ".[{package}]"'
            pytest.skip(f"{package} is not installed: `make test-backends`, or `{command}`")


@pytest.mark.parametrize(("writer", "reader"), PAIRS)
def test_what_one_backend_stored_another_scores_alike(writer, reader, request):
    skip_without(writer, reader)
    folder = request.getfixturevalue("stored") / writer
    with np.load(folder / "scores.npz") as own, np.load(folder / f"by_{reader}.npz") as others:
        assert sorted(others.files) == sorted(SCORES)
        for name in others.files:
            expected = own[name.replace("stream", "detector")]
            assert np.nanstd(expected) > 0.01  # a constant would prove nothing
            np.testing.assert_allclose(others[name], expected, rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(errors.BACKENDS, 2)))
def test_the_same_seed_starts_from_other_weights_on_another_backend(one, other, request):
    """A fact that the README states, and why the test above loads weights, not seeds."""
    skip_without(one, other)
    folder = request.getfixturevalue("stored")
    paths = [folder / name / "scores.npz" for name in (one, other)]
    with np.load(paths[0]) as mine, np.load(paths[1]) as theirs:
        for name in backend_worker.NETWORKS:
            pair = [scores[f"first weight of {name}"] for scores in (mine, theirs)]
            assert pair[0].shape == pair[1].shape
            assert np.abs(pair[0] - pair[1]).max() > 0.1


# What `lib.backend` says before Keras is imported


@pytest.mark.parametrize("name", errors.BACKENDS)
def test_a_missing_backend_is_one_error_with_the_command(name, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    with pytest.raises(ModuleNotFoundError, match=rf"Received: {name}, .*-e \"\.\[{name}\]\""):
        errors.check_backend(name)


@pytest.mark.parametrize("name", ["tensorflow2", "TORCH", " jax"])
def test_an_unknown_backend_is_one_error(name):
    environment = {**os.environ, "KERAS_BACKEND": name}
    command = [sys.executable, "-c", "import lib.backend"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    said = "`KERAS_BACKEND` must be tensorflow, jax, torch or numpy."
    assert last == f"lib.errors.ParameterError: {said} Received: {name}"


# No code is bound to one of them


def bound_to_a_backend(source):
    """What a source names of a single backend: its packages, and PyTorch's and TensorFlow's way."""
    lines = ("" if line.lstrip()[:1] in {"%", "!"} else line for line in source.splitlines())
    found = set()
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found.add(f".{node.func.attr}()")
    return found & {"tensorflow", "tf_keras", "jax", "torch", ".numpy()", ".detach()"}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import tensorflow as tf", {"tensorflow"}),
        ("from jax.numpy import sum", {"jax"}),
        ("%matplotlib inline\nx = model(y).numpy()", {".numpy()"}),
        ("from lib.backend import keras\nframe.to_numpy()", set()),
    ],
)
def test_what_is_bound_to_a_backend_is_recognised(source, found):
    assert bound_to_a_backend(source) == found


@pytest.mark.parametrize(
    "path",
    sorted(ROOT.glob("notebooks/**/*.ipynb")),
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_no_notebook_is_bound_to_a_backend(path):
    cells = notebooks.read(path)["cells"]
    rival = {"torch"} if path.stem.startswith("14_") else set()  # measured there, if installed
    for cell in (cell for cell in cells if cell["cell_type"] == "code"):
        assert bound_to_a_backend(notebooks.text(cell["source"])) <= rival


# What `make test-backends` runs


def test_the_tests_of_every_network_run_on_every_backend():
    files = {path.relative_to(ROOT).as_posix() for path in across_backends.unit_tests()}
    assert {"tests/test_models.py", "tests/test_training.py", "lib/models.py"} <= files
    assert {"tests/detectors/test_detector.py", "tests/detectors/test_storage.py"} <= files
    assert not files & {
        "tests/test_backends.py",
        "tests/metrics/test_points.py",
        "lib/metrics/points.py",
    }
