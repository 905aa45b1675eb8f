"""The README's answer against the tables of results: no number stands there alone."""

import re

import pytest
from notebook_checks import problems_of_claims
from places import ROOT

from lib.study import comparison, results

RULE = "mean_plus_sigma 8"


@pytest.fixture(scope="module")
def values():
    """What the README says, computed: name -> value."""
    rows = results.read(ROOT / "data" / "results" / "study.jsonl.gz")
    rows = rows[rows["rule"] == RULE]
    level = rows[rows["changes"] == '{"normalisation": "train"}']
    level = level[level["detector"] == "lstm_autoencoder"]
    rows = rows[rows["changes"] == "{}"]
    archive = rows[rows["collection"] == "ucr"]
    table = comparison.by_source(archive, "vus_pr")
    mean, seconds = table.mean(), archive.groupby("detector")["fit_seconds"].mean()
    over = comparison.difference(table["lstm_autoencoder"], table["lstm_forecaster"])
    below = comparison.difference(table["lstm_autoencoder"], table["nearest_neighbour"])
    found = {
        "sources": len(table),
        "autoencoder": mean["lstm_autoencoder"],
        "forecaster": mean["lstm_forecaster"],
        "over_low": over["low"],
        "over_high": over["high"],
        "neighbours": mean["nearest_neighbour"],
        "below_low": below["low"],
        "below_high": below["high"],
        "times": seconds["lstm_autoencoder"] / seconds["nearest_neighbour"],
        "random": mean["random"],
        "detectors": len(mean),
        "convolutional": mean["conv_autoencoder"],
        "rules": mean[["z_score", "moving_z", "last_value", "seasonal_naive"]].max(),
    }
    assert mean.idxmax() == "conv_autoencoder"
    for family in ("gru", "dense", "conv"):
        pair = table[f"{family}_autoencoder"], table[f"{family}_forecaster"]
        assert comparison.difference(*pair)["verdict"] == "better"
    hits = 100 * comparison.by_source(archive, "ucr_hit").mean()
    found |= {"conv_found": hits["conv_autoencoder"], "found": hits["lstm_autoencoder"]}
    verdicts = {"over": over["verdict"], "below": below["verdict"]}
    for collection in ("nab", "skab"):
        own = rows[rows["collection"] == collection]
        own = comparison.by_source(own.assign(source=own["data"]), "vus_pr")
        verdicts[collection] = comparison.difference(
            own["lstm_forecaster"], own["lstm_autoencoder"]
        )["verdict"]
        for kind in ("forecaster", "autoencoder"):
            found[f"{collection}_{kind}"] = own.mean()[f"lstm_{kind}"]
        found[f"{collection}_level"] = level[level["collection"] == collection]["vus_pr"].mean()
        networks = own.mean()[["lstm_forecaster", "lstm_autoencoder"]].max()
        assert own.mean()[["ridge", "nearest_neighbour"]].min() > networks
    return found, verdicts


def answer():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.search(r"## The answer\n(.+?)\n## ", text, re.DOTALL).group(1)


def test_every_number_of_the_answer_is_computed(values):
    assert problems_of_claims(answer(), values[0]) == []


def test_the_words_of_the_answer_are_the_verdicts(values):
    said = " ".join(re.sub(r"<!-- .+? -->", "", answer()).split())
    words = {"over": "better", "below": "not decided", "nab": "better", "skab": "better"}
    assert values[1] == words
    assert "is better than an LSTM forecaster" in said
    assert "the forecaster is better: on cloud" in said
    assert "whether the LSTM autoencoder reaches them is not decided" in said
