"""A small notebook that keeps every promise, for the tests that run, break or store one.

The environment of the kernels is not set here but by `lib.course.runner.pytest_configure`, which
also takes effect when pytest is given nothing but a notebook.
"""

import copy
import json
import os
from functools import cache

import pytest
from xdist.scheduler import LoadFileScheduling

from lib.course import fingerprints, notebooks, outputs, parameters

NAME = "05_sp500_comparison"  # its specification is known in every process, also in kernels
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
ALT = "Line chart of the close over the years, with one flagged day in October 1987."
HEADER = """# 05 · An example
**Question.** Does it run?
**You will see.** One figure and one table.
**You will learn.** Nothing new.
**You need.** Nothing.
**Time.** 1 minute to read, 1 second to run.
**Data.** None.
"""
CLOSING = "## Takeaways\n* It runs.\n\n## Exercises\n1. Run it.\n2. Break it.\n3. Fix it.\n"
KNOWN = parameters.specification(NAME)
PARAMETERS = "\n".join(f"{name} = {known.default!r}" for name, known in KNOWN.items())
SETTINGS = f"""from lib.course import parameters
settings = parameters.check("{NAME}", globals())
print(settings.window)"""
FIGURE = f"""from IPython.display import display
figure = {{"text/plain": "figure", "image/png": "{PIXEL}"}}
table = {{"text/plain": "table", "text/html": "<p>1</p>", "text/csv": "day,close\\n1,2\\n"}}
display(figure, raw=True, metadata={{"image/png": {{"name": "price", "alt": "{ALT}"}}}})
display(table, raw=True, metadata={{"text/csv": {{"name": "days"}}}})"""
DISPLAYED = [
    ({"text/plain": "figure", "image/png": PIXEL}, {"image/png": {"name": "price", "alt": ALT}}),
    (
        {"text/plain": "table", "text/html": "<p>1</p>", "text/csv": "day,close\n1,2\n"},
        {"text/csv": {"name": "days"}},
    ),
]


def markdown(source):
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source, outputs=(), tags=()):
    cell = {"cell_type": "code", "source": source, "metadata": {"tags": list(tags)}}
    return {**cell, "execution_count": None, "outputs": list(outputs)}


def stdout(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


def displayed(data, metadata):
    return {"output_type": "display_data", "data": data, "metadata": metadata}


def notebook(*cells, **course):
    """Return the content of a notebook made of these cells, as if executed and stored."""
    cells = [{**copy.deepcopy(cell), "id": f"cell-{place}"} for place, cell in enumerate(cells)]
    for count, cell in enumerate((c for c in cells if c["cell_type"] == "code"), start=1):
        cell["execution_count"] = count
    metadata = {"course": {"budget_seconds": 60, **course}}
    return fingerprints.stamped(
        {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    )


@pytest.fixture
def example():
    """The content of a notebook that keeps every promise."""
    return notebook(
        markdown(HEADER),
        code(PARAMETERS, tags=["parameters"]),
        code(SETTINGS, [stdout("30\n")]),
        code(FIGURE, [displayed(*shown) for shown in DISPLAYED]),
        markdown(CLOSING),
    )


@pytest.fixture
def course(tmp_path):
    """An empty course in a folder of its own."""
    folder = tmp_path / "course" / "notebooks"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def save(course):
    """A function that writes a notebook, and its figures, into that course."""

    def save(content, name=NAME):
        path = course / f"{name}.ipynb"
        path.write_text(json.dumps(content), encoding="utf-8")
        files = outputs.figure_files(content, name[:2])
        outputs.replace_files(course.parent / "figures", name[:2], files)
        return path

    return save


@pytest.fixture(scope="session")
def in_kernel():
    """A function that executes source in one kernel, which all trials of solutions share."""
    import exercise_checks  # and with it Jupyter, which most tests can do without

    with exercise_checks.kernel(notebooks.COURSE / "solutions") as execute:
        yield execute


# Tests train in Keras only where training in Keras is the point, and not at all where the slow ones
# are left out. Elsewhere they train in NumPy, which takes the same steps (`tests/numpy_lstm`
# compares them) in a fraction of the time. Who sets LIB_TRAINER decides for all tests:
# `make test-backends` trains everything in Keras.
ASKED = os.environ.get("LIB_TRAINER")
TRAIN_IN_KERAS = (
    "notebooks/",
    "tests/course/test_exercises.py",
    "tests/course_notebooks/test_price_feed_project.py",
    "tests/numpy_lstm/",
    "tests/test_",
)


def is_quick(config):
    return "not slow" in config.option.markexpr


def pytest_configure(config):
    """Read no notebook where none is executed: reading them takes longer than many tests."""
    config.pluginmanager.register(ChoiceOfTrainer())
    if is_quick(config):
        config.option.ignore_glob = [*(config.option.ignore_glob or ()), "*.ipynb"]


class ChoiceOfTrainer:
    """A plugin, since the hooks of this file would leave out what lies in other folders."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        """Choose who trains, before a fixture or a kernel starts."""
        in_keras = item.nodeid.startswith(TRAIN_IN_KERAS) and not is_quick(item.config)
        os.environ["LIB_TRAINER"] = ASKED or ("keras" if in_keras else "numpy")


# What takes more than two seconds on a quiet core: whole notebooks, browsers, studies, processes
# that import Keras or pandas anew, and what compiles much (a peer in Numba, networks in Keras).
SLOW = (
    "notebooks/",
    "tests/course/test_exercises.py",
    "tests/course/test_run.py",
    "tests/course_notebooks/",
    "tests/data/test_fetch.py",
    "tests/detectors/test_detector.py::test_what_numpy_does_not_know_is_left_to_keras",
    "tests/detectors/test_storage.py::test_plain_keras_opens_the_model",
    "tests/numpy_lstm/test_backward.py",
    "tests/site/",
    "tests/stream/test_prometheus.py",
    "tests/stream/test_promises.py",
    "tests/stream/test_watch.py",
    "tests/study/test_study.py",
    "tests/test_backends.py",
    "tests/test_baselines.py::test_discord_equals_a_matrix_profile",
    "tests/test_bench.py",
    "tests/test_commands.py::test_a_reader_that_has_gone",
    "tests/test_commands.py::test_check_says_that_this_environment",
    "tests/test_encoder.py",
    "tests/test_imports.py",
    "tests/test_models.py::test_conv_autoencoder_learns",
    "tests/test_project.py::test_no_tracked_file",
    "tests/test_training.py::test_a_budget_of_steps",
    "tests/test_training.py::test_a_restarted_model",
    "tests/test_training.py::test_same_seed_same_weights",
    "tests/test_training.py::test_the_rate_falls",
)


# Each of these runs a solution notebook: they are spread over the workers, as notebooks are.
TRIALS = "tests/course/test_exercises.py::test_checks_tell_nothing_from_wrong_from_right["
# The longest files of those that are quick test by test.
LONG = (
    "tests/detectors/test_contract.py",
    "tests/numpy_lstm/",
    "tests/test_models.py",
    "tests/test_training.py",
)


class ByFile(LoadFileScheduling):
    """A file stays with one worker; each solution is a file of its own."""

    def _split_scope(self, nodeid):
        return nodeid if nodeid.startswith(TRIALS) else super()._split_scope(nodeid)


def pytest_xdist_auto_num_workers(config):
    """One worker more than there are cores, as slow tests often wait for another process."""
    return (os.cpu_count() or 1) + (not is_quick(config))


def pytest_xdist_make_scheduler(config, log):
    """Take our own scheduler where `pyproject.toml` has its way."""
    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items):
    """Mark what is slow; begin with the longest, so that no worker ends long after the others."""
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
    items.sort(key=_expected_seconds, reverse=True)


def _expected_seconds(item):
    if item.nodeid.startswith(TRIALS):
        return item.callspec.params["solution"].budget or 30
    if item.path.suffix == ".ipynb":
        return _budget(item.path)
    file = item.nodeid.partition("::")[0]
    return 30 if file.startswith(SLOW) else 10 if file.startswith(LONG) else 0


@cache
def _budget(path):
    return notebooks.describe(path).budget or 60
