"""The data sets of the study: cut in time, labelled as the notebooks say, and nothing leaks."""

import ast
import contextlib
import hashlib

import numpy as np
import pandas as pd
import pytest
from places import SHARED

from lib import data, faults, metrics, preprocessing
from lib.course import notebooks
from lib.data import downloads
from lib.metrics.points import label_events
from lib.study import datasets, turbine

OPTIONAL = [name for name in datasets.names() if name not in datasets.SHIPPED]


@pytest.fixture
def fetched(monkeypatch):
    """The optional files, where somebody has put them beside the project."""
    if not SHARED.is_dir():
        pytest.skip("the optional data sets are not here")
    monkeypatch.setenv("LIB_DOWNLOADS", str(SHARED))


def check(contest):
    """What holds for every contest."""
    train, validation, series = contest.train, contest.validation, contest.series
    assert list(train) == list(validation) == list(series)
    assert train.index[-1] < validation.index[0]
    assert not series.isna().any(axis=None)
    assert contest.labels.dtype == bool
    assert contest.labels.index.isin(series.index).all()
    assert 0 < contest.labels.sum() < len(contest.labels) / 2
    assert (train.max() > train.min()).all()
    assert min(len(train), len(validation)) >= 2 * contest.window
    assert len(validation) < len(train)


@pytest.mark.parametrize("name", datasets.SHIPPED)
def test_what_ships_is_cut_in_time(name):
    contest = datasets.load(name)
    check(contest)
    if name == "lhb_rules":  # the look back: real faults, before anything that is learned from
        assert contest.labels.index[-1] < contest.train.index[0]
    else:
        assert contest.labels.index[0] > contest.validation.index[-1]
    first = contest.series.index.get_loc(contest.labels.index[0])
    assert first >= max(contest.window + 1, contest.period)  # everybody has a score there
    assert datasets.is_here(name)


@pytest.mark.parametrize("name", datasets.RETURNS)
def test_market_days_are_labelled_as_notebook_06_judges_them(name):
    labels = datasets.load(name).labels
    known = data.load("sp500_events")
    assert metrics.match_events(labels, known)["hit"].all()
    assert not metrics.match_events(~labels, known)["hit"].any()
    assert len(label_events(labels)) == len(metrics.match_events(labels, known)) == 12


def test_returns_are_those_of_the_closes():
    contest = datasets.load("sp500_returns")
    close = data.load("sp500")["close"]
    day = contest.labels.index[100]
    before = close.index[close.index.get_loc(day) - 1]
    expected = np.log(close[day] / close[before])
    assert contest.series.loc[day, "value"] == pytest.approx(expected)
    z = datasets.load("sp500_z")
    ratio = (contest.series["value"] / z.series["value"]).dropna()
    pasts = np.log(close).diff()[:day].iloc[:-1].pow(2)[::-1]
    weights = 0.06 * 0.94 ** np.arange(len(pasts))
    assert ratio[day] ** 2 == pytest.approx((weights * pasts).sum(), rel=1e-3)


def test_injected_faults_are_where_the_labels_say():
    contest = datasets.load("lhb_faults")
    plant = data.load("la_haute_borne")
    sound = faults.unroll_angles(plant, list(turbine.TURNS)).drop(columns="Va_avg cos")
    sound = sound.loc[contest.labels.index]
    changed = ((contest.series.loc[sound.index] - sound).abs() > 1e-9).any(axis=1)
    assert not changed[~contest.labels].any()
    assert changed[contest.labels].mean() > 0.9  # an angle may read the same for a while
    events = label_events(contest.labels)
    assert 130 <= len(events) <= 144  # six kinds on six sensors, four times, few without effect
    assert events["points"].isin([1, 36]).all()


def test_no_window_of_a_normal_row_reaches_into_a_fault():
    contest = datasets.load("lhb_faults")
    rows = contest.series.index.get_indexer(contest.labels.index)
    faulty, normal = rows[contest.labels], rows[~contest.labels]
    since = normal[:, np.newaxis] - faulty[np.newaxis]
    assert not ((since > 0) & (since <= contest.window)).any()


def test_rules_label_real_faults_and_leave_out_what_was_not_recorded():
    contest = datasets.load("lhb_rules")
    recorded = data.load("la_haute_borne").loc[contest.labels.index]
    assert recorded.notna().all(axis=None)
    cold = recorded["Ot_avg"] < -200
    assert cold.sum() > 10
    assert contest.labels[cold].all()
    still = (recorded["P_avg"] <= 0) & (recorded["Ws_avg"] > 5)
    assert contest.labels[still].all()


def test_nobody_learns_from_a_labelled_row():
    contest, plant = datasets.load("lhb_faults"), data.load("la_haute_borne")
    learned = pd.concat([contest.train, contest.validation]).dropna().index
    assert plant.loc[learned, "Ot_avg"].min() > -40
    assert not ((plant["P_avg"] <= 0) & (plant["Ws_avg"] > 5))[learned].any()


def test_ucr_is_cut_where_the_archive_says():
    contest = datasets.load("ucr_135")
    assert len(contest.train) + len(contest.validation) == 1200
    assert len(contest.labels) == 7501 - 1200
    assert contest.labels.sum() == 12
    train = pd.concat([contest.train, contest.validation])
    assert contest.window == preprocessing.autocorrelation_period(train)


def test_digests_are_those_of_the_files():
    for name, files in {
        "ucr_135": ["ucr_135.csv"],
        "lhb_rules": ["la_haute_borne.csv.bz2"],
        "sp500_z": ["sp500.csv", "sp500_events.csv"],
    }.items():
        sums = [hashlib.sha256((data.DATA_DIR / file).read_bytes()).hexdigest() for file in files]
        joined = sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()
        assert datasets.digest(name) == joined


def test_families_stand_for_their_members():
    assert datasets.names("sp500") == ["sp500_returns", "sp500_z"]
    assert len(datasets.names("ucr")) == 8
    assert len(datasets.names("nab")) == 3
    assert "skab_anomaly_free" not in datasets.names("skab")
    assert len(datasets.names()) == 5 + 7 + 3 + 34


def test_unknown_names_and_absent_data_are_one_error(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'ucr_135'"):
        datasets.names("ucr135")
    with pytest.raises(ValueError, match="`name` must be one of"):
        datasets.load("ucr")
    monkeypatch.setenv("LIB_DOWNLOADS", str(tmp_path))
    datasets.load.cache_clear()
    assert not datasets.is_here("ucr_136")
    with pytest.raises(FileNotFoundError, match="python -m lib fetch ucr_136"):
        datasets.load("ucr_136")


@pytest.mark.parametrize("name", [name for name in OPTIONAL if not name.startswith("skab")])
def test_optional_series_are_cut_in_time(name, fetched):
    contest = datasets.load(name)
    check(contest)
    entry = downloads.entries()[name]
    rows = entry.get("train_rows") or int(0.15 * entry["rows"])
    assert len(contest.train) + len(contest.validation) == rows
    assert len(contest.labels) == entry["rows"] - rows
    assert contest.labels.index[0] > contest.validation.index[-1]


@pytest.mark.parametrize("name", datasets.names("skab")[::11])
def test_skab_trains_on_400_rows_and_judges_all(name, fetched):
    contest = datasets.load(name)
    assert len(contest.train) + len(contest.validation) == 400
    assert contest.labels.index.equals(contest.series.index)
    assert len(contest.labels) == downloads.entries()[name]["rows"]
    assert contest.window == 30
    assert list(contest.train) == [
        c for c in data.load(name) if c not in ("anomaly", "changepoint")
    ]


def test_plant_settings_are_those_of_notebook_09():
    cells = notebooks.read(notebooks.COURSE / "09_power_plant_sensors.ipynb")["cells"]
    stated = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            for node in ast.parse("".join(cell["source"])).body:
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    with contextlib.suppress(ValueError):  # it is no plain value
                        stated[node.targets[0].id] = ast.literal_eval(node.value)
    names = ("LIMITS", "STILL", "VARYING", "SHOWS", "TURNS")
    assert {n: stated[n] for n in names} == {n: getattr(turbine, n) for n in names}
    assert stated["ROWS"] == turbine.FAULT_ROWS
    assert stated["fault_size"] == turbine.FAULT_SIZE
