"""What starts without Keras, and what stays quiet; `lint-imports` checks who imports whom."""

import subprocess
import sys
from pathlib import Path

import pytest

import lib

FOLDER = Path(lib.__file__).parent
NAMES = sorted(
    ".".join(path.relative_to(FOLDER.parent).with_suffix("").parts)
    for path in FOLDER.rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
)
NEED_A_NETWORK = ("lib.backend", "lib.models", "lib.training", "lib.numpy_lstm.", "lib.detectors.")


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", timeout=120
    )


def test_all_that_needs_no_network_starts_without_keras():
    modules = [name for name in NAMES if not name.startswith(NEED_A_NETWORK)]
    assert len(modules) > 40
    result = run(
        "import importlib, sys\n"
        f"for name in {modules}:\n"
        "    importlib.import_module(name)\n"
        "    heavy = {'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)\n"
        "    assert not heavy, (name, heavy)\n"
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""


@pytest.fixture(scope="module")
def keras_stderr():
    """What one process writes to stderr: Keras imported, then two things held back."""
    result = run(
        "import os, sys\n"
        "import lib.models\n"
        "from lib.backend import _stderr_held_back\n"
        "assert 'keras' in sys.modules\n"
        "sys.stderr.write('<imported>')\n"
        "with _stderr_held_back():\n"
        "    os.write(2, b'a note')\n"
        "sys.stderr.write('<went well>')\n"
        "with _stderr_held_back():\n"
        "    os.write(2, b'the reason ')\n"
        "    raise ImportError('no backend')\n"
    )
    assert result.returncode == 1
    assert result.stdout == ""
    return result.stderr


def test_keras_starts_without_a_word(keras_stderr):
    assert keras_stderr.startswith("<imported>")


def test_notes_are_held_back(keras_stderr):
    assert keras_stderr.startswith("<imported><went well>")


def test_what_a_failed_import_wrote_is_shown_after_all(keras_stderr):
    assert "<went well>the reason Traceback" in keras_stderr
    assert keras_stderr.rstrip().endswith("ImportError: no backend")
