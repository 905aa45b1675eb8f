"""The data sets of the study: cut in time, labelled as the notebooks say, and nothing leaks."""

import ast
import contextlib
import dataclasses

import numpy as np
import pandas as pd
import pytest
from places import SHARED

from lib import data, faults, metrics, preprocessing
from lib.course import notebooks
from lib.data import downloads
from lib.metrics.points import label_events
from lib.study import datasets, turbine

SHIPPED = (*datasets.SHIPPED, "ucr_135")
OPTIONAL = ["ucr_001", "ucr_019", "ucr_207", "nab_nyc_taxi", "nab_speed_t4013"]


@pytest.fixture
def fetched(monkeypatch):
    """The optional files, where somebody has put them beside the project."""
    if not SHARED.is_dir():
        pytest.skip("the optional data sets are not here")
    monkeypatch.setenv("LIB_DOWNLOADS", str(SHARED))
    monkeypatch.setenv("LIB_UCR_ARCHIVE", str(SHARED / "ucr_archive_145.zip"))


def check(one):
    """What holds for every data set."""
    train, validation, series = one.train, one.validation, one.series
    assert list(train) == list(validation) == list(series)
    assert train.index[-1] < validation.index[0]
    assert not series.isna().any(axis=None)
    assert one.labels.dtype == bool
    assert one.labels.index.isin(series.index).all()
    assert 0 < one.labels.sum() < len(one.labels) / 2
    assert (train.max() > train.min()).all()
    window, patch = one.geometries[0]
    assert window % patch == 0
    assert 4 <= window / patch <= 20
    assert min(len(train), len(validation)) >= window
    assert len(validation) < len(train)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_is_cut_in_time(name):
    one = datasets.load(name)
    check(one)
    if name == "lhb_rules":  # the look back: real faults, before anything that is learned from
        assert one.labels.index[-1] < one.train.index[0]
    else:
        assert one.labels.index[0] > one.validation.index[-1]
    first = one.series.index.get_loc(one.labels.index[0])
    assert first >= one.geometries[0][0]  # everybody has a score there
    assert datasets.table()["here"][name]


@pytest.mark.parametrize("name", datasets.RETURNS)
def test_market_days_are_labelled_as_notebook_06_judges_them(name):
    labels = datasets.load(name).labels
    known = data.load("sp500_events")
    assert metrics.match_events(labels, known)["hit"].all()
    assert not metrics.match_events(~labels, known)["hit"].any()
    assert len(label_events(labels)) == len(metrics.match_events(labels, known)) == 12


def test_returns_are_those_of_the_closes():
    one = datasets.load("sp500_returns")
    close = data.load("sp500")["close"]
    day = one.labels.index[100]
    before = close.index[close.index.get_loc(day) - 1]
    expected = np.log(close[day] / close[before])
    assert one.series.loc[day, "value"] == pytest.approx(expected)
    z = datasets.load("sp500_z")
    ratio = (one.series["value"] / z.series["value"]).dropna()
    pasts = np.log(close).diff()[:day].iloc[:-1].pow(2)[::-1]
    weights = 0.06 * 0.94 ** np.arange(len(pasts))
    assert ratio[day] ** 2 == pytest.approx((weights * pasts).sum(), rel=1e-3)


def test_injected_faults_are_where_the_labels_say():
    one = datasets.load("lhb_faults")
    plant = data.load("la_haute_borne")
    sound = faults.unroll_angles(plant, list(turbine.TURNS)).drop(columns="Va_avg cos")
    sound = sound.loc[one.labels.index]
    changed = ((one.series.loc[sound.index] - sound).abs() > 1e-9).any(axis=1)
    assert not changed[~one.labels].any()
    assert changed[one.labels].mean() > 0.9  # an angle may read the same for a while
    events = label_events(one.labels)
    assert 130 <= len(events) <= 144  # six kinds on six sensors, four times, few without effect
    assert events["points"].isin([1, 36]).all()


def test_no_window_of_a_normal_row_reaches_into_a_fault():
    one = datasets.load("lhb_faults")
    rows = one.series.index.get_indexer(one.labels.index)
    faulty, normal = rows[one.labels], rows[~one.labels]
    since = normal[:, np.newaxis] - faulty[np.newaxis]
    assert not ((since > 0) & (since <= one.geometries[0][0])).any()


def test_rules_label_real_faults_and_leave_out_what_was_not_recorded():
    one = datasets.load("lhb_rules")
    recorded = data.load("la_haute_borne").loc[one.labels.index]
    assert recorded.notna().all(axis=None)
    cold = recorded["Ot_avg"] < -200
    assert cold.sum() > 10
    assert one.labels[cold].all()
    still = (recorded["P_avg"] <= 0) & (recorded["Ws_avg"] > 5)
    assert one.labels[still].all()


def test_nobody_learns_from_a_labelled_row():
    one, plant = datasets.load("lhb_faults"), data.load("la_haute_borne")
    learned = pd.concat([one.train, one.validation]).dropna().index
    assert plant.loc[learned, "Ot_avg"].min() > -40
    assert not ((plant["P_avg"] <= 0) & (plant["Ws_avg"] > 5))[learned].any()


def test_ucr_is_cut_where_the_archive_says():
    one = datasets.load("ucr_135")
    assert len(one.train) + len(one.validation) == 1200
    assert len(one.labels) == 7501 - 1200
    assert one.labels.sum() == 12
    period = preprocessing.autocorrelation_period(pd.concat([one.train, one.validation]))
    assert period == 184
    assert one.geometries[0] == (150, 14) or abs(one.geometries[0][0] - 1200 // 8) <= 7


def test_a_digest_follows_the_numbers(monkeypatch):
    one = datasets.load("ucr_135")
    changed = dataclasses.replace(one, series=one.series + 1e-9)
    before = datasets.digest("ucr_135")
    monkeypatch.setattr(datasets, "load", lambda name: changed)
    assert datasets.digest("ucr_135") != before


def test_collections_stand_for_their_members():
    assert datasets.names("sp500") == ["sp500_returns", "sp500_z"]
    assert len(datasets.names("nab")) == 32
    assert len(datasets.names("skab")) == 34
    assert datasets.names("lhb", "tuning") == []


def test_series_of_one_recording_are_one_source_and_on_one_side(fetched):
    known = datasets.table()
    archive = known[known["collection"] == "ucr"]
    assert len(archive) == 145
    assert archive["source"].nunique() == 71
    assert archive.groupby("source")["part"].nunique().max() == 1
    assert len(set(archive.loc[["ucr_027", "ucr_135"], "source"])) == 1
    sources = sorted(set(archive["source"].str.partition("/")[2]))
    assert set(datasets.TUNING) == set(sources[3::4])
    assert (known.loc[known["collection"] != "ucr", "part"] == "evaluation").all()


def test_unknown_names_and_absent_data_are_one_error(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'ucr_135'"):
        datasets.names("ucr135")
    with pytest.raises(ValueError, match="`name` must be one of"):
        datasets.load("ucr")
    monkeypatch.setenv("LIB_DOWNLOADS", str(tmp_path))
    monkeypatch.delenv("LIB_UCR_ARCHIVE", raising=False)
    datasets.load.cache_clear()
    with pytest.raises(FileNotFoundError, match="python -m lib fetch ucr_136"):
        datasets.load("ucr_136")


@pytest.mark.parametrize("name", OPTIONAL)
def test_optional_series_are_cut_in_time(name, fetched):
    datasets.load.cache_clear()
    one = datasets.load(name)
    check(one)
    frame = data.load(name)
    rows = frame.attrs.get("train_rows") or int(0.15 * len(frame))
    assert len(one.train) + len(one.validation) == rows
    assert len(one.labels) == len(frame) - rows
    assert one.labels.index[0] > one.validation.index[-1]


@pytest.mark.parametrize("name", datasets.names("skab")[::11])
def test_skab_trains_on_400_rows_and_scores_all(name, fetched):
    one = datasets.load(name)
    assert len(one.train) + len(one.validation) == 400
    assert one.labels.index.equals(one.series.index)
    assert len(one.labels) == downloads.entries()[name]["rows"]
    assert one.geometries[0][0] <= 400 / 8 + 1
    assert list(one.train) == [c for c in data.load(name) if c not in ("anomaly", "changepoint")]


def test_plant_settings_are_those_of_notebook_09():
    cells = notebooks.read(notebooks.COURSE / "09_power_plant_sensors.ipynb")["cells"]
    stated = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            for node in ast.parse("".join(cell["source"])).body:
                if isinstance(node, ast.Assign):
                    with contextlib.suppress(ValueError):  # it is no plain value
                        stated[ast.unparse(node.targets[0])] = ast.literal_eval(node.value)
    names = ("LIMITS", "STILL", "VARYING", "SHOWS", "TURNS")
    assert {n: stated[n] for n in names} == {n: getattr(turbine, n) for n in names}
    assert stated["(ROWS, DEGREES)"][0] == turbine.FAULT_ROWS
    assert stated["fault_size"] == turbine.FAULT_SIZE
