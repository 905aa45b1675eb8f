"""Published results beside ours: the numbers in `data/results/published.csv`, computed anew."""

import pandas as pd
import pytest
from places import ROOT, SHARED

from lib.data import ucr
from lib.study import datasets

STORED = ROOT / "data" / "results" / "published.csv"
ORION = SHARED / "published" / "orion_0.7.1_ucr.csv"
TSB_AD = SHARED / "published" / "tsb_ad_u_ucr_vus_pr.csv"
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
VUS_PR = {
    "LSTMAD": "LSTM forecaster",
    "AutoEncoder": "dense autoencoder",
    "CNN": "convolutional forecaster",
    "OmniAnomaly": "OmniAnomaly",
    "TimesNet": "TimesNet",
    "MatrixProfile": "matrix profile",
    "Sub-KNN": "nearest neighbours",
    "Sub-PCA": "PCA",
    "KMeansAD": "k-means",
    "SAND": "SAND",
}


def orion(source):
    """Share of the anomalies found, and false alarms a series, by source."""
    counts = pd.read_csv(ORION, dtype={"number": str})
    counts.index = "ucr_" + counts["number"]
    counts = counts.loc[source.index].groupby(source).mean(numeric_only=True)
    for suffix, metric in (("tp", "found"), ("fp", "false alarms")):
        yield from (
            (f"Orion {title}, {metric}", counts[f"{name}_{suffix}"])
            for name, title in TITLES.items()
        )


def tsb_ad(source):
    """VUS-PR, mean over those anomalies that series of a source have."""
    table = pd.read_csv(TSB_AD, dtype={"ucr_numbers_with_this_anomaly": str})
    table["data"] = table["ucr_numbers_with_this_anomaly"].str.split()
    table = table.explode("data").assign(source=lambda it: ("ucr_" + it["data"]).map(source))
    table = table.dropna(subset="source").drop_duplicates(["source", "file"])
    means = table.groupby("source")[list(VUS_PR)].mean()
    yield from ((f"TSB-AD {title}, VUS-PR", means[name]) for name, title in VUS_PR.items())


def by_source():
    """All published numbers, one row for each source of the evaluation part."""
    known = datasets.table()
    known = known[(known["collection"] == "ucr") & (known["part"] == "evaluation")]
    source = known["source"]
    return pd.DataFrame(dict([*orion(source), *tsb_ad(source)])).rename_axis("source").round(3)


def test_the_stored_numbers_are_those_of_the_published_tables(monkeypatch):
    if not ORION.exists() or not TSB_AD.exists():
        pytest.skip(f"the published results are not here: {ORION.parent}")
    monkeypatch.setenv("LIB_UCR_ARCHIVE", str(SHARED / "ucr_archive_145.zip"))
    ucr._series.cache_clear()
    stored = pd.read_csv(STORED, index_col="source")
    pd.testing.assert_frame_equal(stored, by_source())
