"""House rules of `lib`: who imports whom, what starts at once, and what stays quiet."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lib

FOLDER = Path(lib.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
# In the order in which data flows; a module imports only from modules that stand before it.
ORDER = [
    *["backend", "checks", "csvfile", "reader", "downloads", "fetch", "data"],
    *["preparation", "windowing", "faults", "injection"],
    *["models", "forward", "gradients", "backward", "training", "scoring"],
    *["neighbours", "tails", "thresholds", "dated", "metrics", "affiliation", "ranges", "volume"],
    *["study_metrics", "window_baselines", "baselines"],
    *["sizes", "more_models", "network_contestants", "contestants", "plant_contests", "contests"],
    *["recipe", "storage", "learning", "detector", "alerts", "drift"],
    *["plotting", "interactive"],
    *["specifications"],
    *["parameters", "notebooks", "outputs", "stamps", "execution", "installation", "runner"],
    *["refresh", "exercises", "lines", "following", "stream", "monitoring", "resume", "watch"],
    *["grid", "results", "study"],
    *["board", "resampling", "comparison", "ranking", "__main__"],
]
NEED_A_NETWORK = {"backend", "models", "training", "recipe", "learning", "detector"} | {
    "backward",
    "more_models",
    "network_contestants",
}


def imports_of(path, top_level_only=False):
    """Names of the modules that a file imports, `lib` modules as `lib.<name>`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            if node.module == "lib":
                yield from (f"lib.{alias.name}" for alias in node.names)
            else:
                yield node.module


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", timeout=120
    )


def seconds(code, attempts=3):
    """Shortest of a few runs: others use the processor too."""
    times = []
    for _ in range(attempts):
        started = time.perf_counter()
        assert run(code).returncode == 0
        times.append(time.perf_counter() - started)
    return min(times)


def test_every_module_has_its_place_in_the_order():
    assert set(MODULES) <= set(ORDER), "give the new module its place in ORDER"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_those_before_it(module):
    before = ORDER[: ORDER.index(module)]
    used = {name for name in imports_of(FOLDER / f"{module}.py") if name.startswith("lib.")}
    assert used <= {f"lib.{name}" for name in before}


@pytest.mark.parametrize("module", ["__init__", *MODULES])
def test_no_module_imports_tensorflow(module):
    path = FOLDER / f"{module}.py"
    packages = {name.split(".")[0] for name in imports_of(path)}
    assert not packages & {"tensorflow", "tf", "tf_keras"}
    names = {node.id for node in ast.walk(ast.parse(path.read_text("utf-8"))) if
             isinstance(node, ast.Name)}  # fmt: skip
    assert not names & {"tf", "tensorflow"}


@pytest.mark.parametrize("module", [name for name in MODULES if name not in NEED_A_NETWORK])
def test_what_needs_no_network_names_no_keras(module):
    names = set(imports_of(FOLDER / f"{module}.py", top_level_only=True))
    assert not names & ({"keras"} | {f"lib.{name}" for name in NEED_A_NETWORK})


def test_all_that_needs_no_network_starts_without_keras():
    modules = [name for name in MODULES if name not in NEED_A_NETWORK and name != "__main__"]
    result = run(
        "import importlib, sys\n"
        f"for name in {modules}:\n"
        "    importlib.import_module(f'lib.{name}')\n"
        "    heavy = {'keras', 'tensorflow', 'torch', 'jax'} & set(sys.modules)\n"
        "    assert not heavy, (name, heavy)\n"
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""


def test_importing_lib_costs_less_than_half_a_second():
    assert seconds("import lib") - seconds("pass") < 0.5


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


@pytest.mark.parametrize("module", ["__init__", *MODULES])
def test_functions_stay_short(module):
    """Under 25 lines of code each: the docstring and the signature do not count."""
    tree = ast.parse((FOLDER / f"{module}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert length < 25, f"{node.name} has {length} lines"
