"""Published results beside ours: the numbers in `data/results/published.csv`, computed anew."""

import pandas as pd
import pytest
from notebook_checks import problems_of_claims
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


def test_what_is_said_of_orion_side_by_side():
    rows = pd.read_csv(STORED.with_name("orion_ucr.csv"))
    who, kind = rows["detector"].str.split(" ", n=1).str[0], rows["detector"].str.split().str[-1]
    kind = kind.replace({"aer": "combined", "lstm_dynamic_threshold": "forecaster"})
    rows = rows.assign(kind=kind.str.removeprefix("lstm_"), who=who)
    seconds, found = (rows.pivot_table(name, "kind", "who") for name in ("seconds", "found"))
    values = {"series": rows["series"].nunique()}
    for one, (orion, course) in seconds[["Orion", "course"]].iterrows():
        values |= {f"{one}_orion": orion, f"{one}_here": course, f"{one}_times": orion / course}
        values |= {f"{one}_orion_found": 10 * found.loc[one, "Orion"]}
        values |= {f"{one}_here_found": 10 * found.loc[one, "course"]}
        assert orion > 10 * course
        assert found.loc[one, "course"] >= found.loc[one, "Orion"]
    assert len(rows) == 6 * values["series"] == 60
    page = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
    section = page.partition("## Orion, side by side\n")[2].partition("\n## ")[0]
    assert problems_of_claims(section, values) == []
