"""The project at the end of the course: its files are fresh, its checks tell wrong from right."""

import exercise_checks
import pandas as pd
import places
import pytest

from lib.course import notebooks

FOLDER = notebooks.COURSE / "project"
SOLUTION = notebooks.COURSE / "solutions" / "project.ipynb"


script = places.load_script(FOLDER / "make.py")


def test_series_and_answers_are_those_that_the_script_makes():
    feed, faults = script.make()
    stored = pd.read_csv(FOLDER / "feed.csv", index_col="Date", parse_dates=True)
    pd.testing.assert_frame_equal(stored, feed, check_index_type=False, rtol=0, atol=0.011)
    answers = pd.read_csv(FOLDER / "faults.csv", parse_dates=["start", "end"])
    assert (answers.astype(str) == faults.astype(str)).all(axis=None)


def test_faults_lie_in_the_test_part_alone():
    feed, faults = script.make()
    assert (faults["start"] >= script.TEST).all()
    prices = script.data.load("nasdaq")[script.COLUMNS[:4]]
    differs = ((feed[script.COLUMNS[:4]] - prices).abs() > 0.01).any(axis=1)
    faulty = pd.Series(False, feed.index)
    for fault in faults.itertuples():
        faulty[fault.start : fault.end] = True
    assert not differs[~faulty].any()
    assert differs[faulty].any()


def test_the_learners_notebook_is_made_from_the_solution():
    path = notebooks.COURSE / "exercises" / "project.ipynb"
    assert path.read_bytes() == script.template(), "run: python notebooks/project/make.py"


def test_every_check_has_praised_the_stored_solution():
    for number, cell in enumerate(
        exercise_checks.tagged(notebooks.read(SOLUTION), "check"), start=1
    ):
        printed = "".join(notebooks.text(output.get("text", "")) for output in cell["outputs"])
        assert f"Step {number}: the form is right." in printed


@pytest.mark.slow
def test_checks_tell_nothing_from_wrong_from_right(in_kernel):
    assert exercise_checks.trial(notebooks.read(SOLUTION), in_kernel) == []
