"""Published results beside ours: the numbers in `data/results/published.csv`, computed anew."""

import pandas as pd
import pytest
from places import ROOT, SHARED

from lib.data import ucr
from lib.study import datasets

STORED = ROOT / "data" / "results" / "published.csv"
ORION = SHARED / "published" / "orion_0.7.1_ucr.csv"
TITLES = {
    "aer": "AER",
    "lstm_dynamic_threshold": "LSTM forecaster",
    "lstm_autoencoder": "LSTM autoencoder",
    "dense_autoencoder": "dense autoencoder",
    "vae": "variational autoencoder",
    "tadgan": "TadGAN",
    "matrixprofile": "matrix profile",
    "arima": "ARIMA",
}


def by_source():
    """Share of anomalies found and false alarms a series, means over the evaluation's sources."""
    known = datasets.table()
    known = known[(known["collection"] == "ucr") & (known["part"] == "evaluation")]
    counts = pd.read_csv(ORION, dtype={"number": str})
    counts.index = "ucr_" + counts["number"]
    counts = counts.loc[known.index].groupby(known["source"]).mean(numeric_only=True).mean()
    rows = {title: (counts[f"{name}_tp"], counts[f"{name}_fp"]) for name, title in TITLES.items()}
    return pd.DataFrame(rows, index=["share_found", "false_alarms"]).T.rename_axis("detector")


def test_the_stored_numbers_are_those_of_the_published_table(monkeypatch):
    if not ORION.exists():
        pytest.skip(f"the published results are not here: {ORION}")
    monkeypatch.setenv("LIB_UCR_ARCHIVE", str(SHARED / "ucr_archive_145.zip"))
    ucr._series.cache_clear()
    stored = pd.read_csv(STORED, index_col="detector")
    pd.testing.assert_frame_equal(stored, by_source().round(3))
