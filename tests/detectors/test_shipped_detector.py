"""The detector that ships: it loads, is what notebook 09 makes, and scores as when it was saved."""

import json
import re

import numpy as np
import pytest

from lib import data, faults
from lib.course import notebooks
from lib.detectors.detector import Detector

FOLDER = data.DATA_DIR / "detectors" / "six_sensors"
FEATURES = ["P_avg", "Ws_avg", "Ba_avg", "Va_avg sin", "Ot_avg", "Wa_avg sin", "Wa_avg cos"]
# Scores from 20:50 to 22:00 on 8 June 2014, the night in which the thermometer fails.
STORED = [1.58365, 1.54837, 1.83375, 2.15367, 2.19091, 88.18734, 88.58972, 84.2391]


@pytest.fixture(scope="module")
def detector():
    return Detector.load(FOLDER)


@pytest.fixture(scope="module")
def rows():
    plant = data.load("la_haute_borne")
    return faults.unroll_angles(plant, ["Va_avg", "Wa_avg"])[FEATURES]


def parameters_of_notebook_09():
    content = notebooks.read(notebooks.COURSE / "09_power_plant_sensors.ipynb")
    cell = next(c for c in content["cells"] if "parameters" in c["metadata"].get("tags", []))
    found = {}
    exec(notebooks.text(cell["source"]), {}, found)
    return found


def test_it_has_the_recipe_of_notebook_09(detector):
    said = parameters_of_notebook_09()
    recipe = detector.recipe
    assert recipe["kind"] == "lstm_autoencoder"
    assert recipe["window"] == said["window"]
    sizes = {name: said[name] for name in ("units", "latent", "learning_rate")}
    assert recipe["options"] == {**sizes, "depth": 2}
    assert recipe["steps"] == said["iterations"]
    assert recipe["threshold_options"] == {"q": 100 * (1 - said["flags_per_week"] / 1008)}
    assert (recipe["balance"], recipe["max_missing"], recipe["seed"]) == (True, 0, said["seed"])
    assert detector.features_ == FEATURES
    assert detector.n_windows_ == 28_867


def test_it_is_the_one_that_notebook_09_shows(detector, rows):
    content = notebooks.read(notebooks.COURSE / "09_power_plant_sensors.ipynb")
    printed = "".join(
        notebooks.text(output.get("text", ""))
        for cell in content["cells"]
        for output in cell.get("outputs", ())
    )
    assert f"threshold from errors of rows: {detector.threshold_:.1f};" in printed
    july = rows["2015-07-01":"2015-07-14"]
    found = re.search(r"(\d,\d{3}) new rows, (\d+) flagged, by the loaded one", printed)
    assert (len(july), detector.predict(july).sum()) == (2016, int(found[2]))


def test_its_scores_are_those_it_had_when_it_was_saved(detector, rows):
    assert detector.threshold_ == pytest.approx(5.4514845, rel=1e-6)
    night = detector.decision_function(rows["2014-06-08 19:00":"2014-06-08 22:00"])
    assert night.isna().sum() == 11
    assert night.iloc[11:].to_numpy() == pytest.approx(STORED, rel=1e-4)
    named = detector.contributions(rows["2014-06-08 19:00":"2014-06-08 22:00"]).iloc[-1]
    assert named.idxmax() == "Ot_avg"
    assert np.isclose(named.sum(), 1)


def test_nothing_lies_beside_it_and_the_readme_says_how_it_is_made():
    assert sorted(path.name for path in FOLDER.iterdir()) == ["detector.json", "model.keras"]
    readme = (data.DATA_DIR / "README.md").read_text(encoding="utf-8")
    assert "## detectors/six_sensors\n" in readme
    assert "python -m lib run 09 -p output data/detectors" in readme
    assert json.loads((FOLDER / "detector.json").read_text(encoding="utf-8"))["made_with"]
