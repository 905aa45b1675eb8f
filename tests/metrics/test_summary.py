"""All metrics at once: the same values as one by one, what chance gets, and what is missing."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk_metrics

from lib import metrics
from lib.metrics.summary import study_metrics
from lib.metrics.volume import volume_metrics

LABELS = np.isin(np.arange(5000) // 50, [10, 11, 40, 70, 85])
TABLE = """
points flags events
precision recall f1 accuracy specificity roc_auc average_precision
event_hits event_recall event_precision event_f1 event_delay false_events
range_precision range_recall range_f1 vus_roc vus_pr
affiliation_precision affiliation_recall affiliation_f1
affiliation_random_precision affiliation_random_recall
ucr_hit false_alarms_per_1000 point_adjusted_f1
"""
NAMES = set(TABLE.split())


@pytest.fixture(scope="module")
def scores():
    return np.random.default_rng(0).random(len(LABELS)) + 0.3 * LABELS


def missing(result):
    return {name for name, value in result.items() if np.isnan(value)}


def test_the_names_and_nothing_but_floats(scores):
    result = study_metrics(LABELS, scores, 0.9)
    assert set(result) == NAMES
    assert {type(value) for value in result.values()} == {float}


def test_the_same_values_as_one_by_one(scores):
    flags = scores > 0.9
    result = study_metrics(LABELS, scores, 0.9)
    events = metrics.event_metrics(LABELS, flags)
    expected = {
        **metrics.point_metrics(LABELS, scores, 0.9),
        **volume_metrics(LABELS, scores),
        "points": 5000,
        "flags": flags.sum(),
        "events": 4,
        "event_hits": events["hits"],
        "event_recall": events["recall"],
        "event_precision": events["precision"],
        "event_delay": events["delay"],
        "false_events": events["false_events"],
        "range_recall": metrics.range_metrics(LABELS, flags)["recall"],
        "range_precision": metrics.range_metrics(LABELS, flags)["precision"],
        "affiliation_precision": metrics.affiliation_metrics(LABELS, flags)["precision"],
        "affiliation_recall": metrics.affiliation_metrics(LABELS, flags)["recall"],
        "affiliation_random_recall": metrics.affiliation_metrics(LABELS, flags)["random_recall"],
        "false_alarms_per_1000": metrics.false_alarms_per_1000(LABELS, flags),
        "point_adjusted_f1": metrics.point_adjusted_f1(LABELS, flags),
    }
    assert {name: result[name] for name in expected} == pytest.approx(expected)
    assert result["f1"] == pytest.approx(sk_metrics.f1_score(LABELS, flags))
    both = [result["event_precision"], result["event_recall"]]
    assert result["event_f1"] == pytest.approx(2 / (1 / both[0] + 1 / both[1]))
    assert missing(result) == {"ucr_hit"}


def test_what_random_scores_get():
    result = study_metrics(LABELS, np.random.default_rng(1).random(len(LABELS)), 0.95)
    assert result["roc_auc"] == pytest.approx(0.5, abs=0.06)
    assert result["average_precision"] == pytest.approx(LABELS.mean(), abs=0.02)
    assert result["precision"] == pytest.approx(LABELS.mean(), abs=0.04)
    assert result["false_alarms_per_1000"] == pytest.approx(50, abs=10)
    # All of these look like a success:
    assert result["event_recall"] == 1
    assert result["affiliation_recall"] > 0.98
    assert result["affiliation_random_recall"] > 0.98
    assert result["point_adjusted_f1"] > 10 * result["f1"]
    assert result["accuracy"] > 0.9


def test_what_flagging_everything_gets(scores):
    result = study_metrics(LABELS, scores, -np.inf)
    share = LABELS.mean()
    assert result["recall"] == result["event_recall"] == result["event_precision"] == 1
    assert result["event_delay"] == result["false_events"] == result["specificity"] == 0
    assert result["precision"] == pytest.approx(share)
    assert result["range_precision"] == pytest.approx(share / 4)
    random = result["affiliation_random_precision"]
    assert result["affiliation_precision"] == pytest.approx(random)
    assert result["affiliation_recall"] == result["affiliation_random_recall"] == 1
    assert result["false_alarms_per_1000"] == 1000
    assert result["point_adjusted_f1"] == pytest.approx(result["f1"])


def test_what_flagging_nothing_gets(scores):
    result = study_metrics(LABELS, scores, np.inf)
    shares = [name for name in NAMES if name.endswith(("precision", "recall", "f1"))]
    others = {"average_precision", "affiliation_precision", "affiliation_random_precision"}
    zeros = {"flags", "event_hits", "false_alarms_per_1000", *shares} - others
    assert {result[name] for name in zeros} == {0}
    assert result["accuracy"] == pytest.approx(1 - LABELS.mean())
    assert result["vus_roc"] == study_metrics(LABELS, scores, 0.9)["vus_roc"]
    assert missing(result) == {"event_delay", "affiliation_precision", "ucr_hit"}


def test_ucr_hit_of_one_anomaly():
    labels = np.arange(2000) // 20 == 50
    assert study_metrics(labels, labels + 0.0, 0.5)["ucr_hit"] == 1
    assert study_metrics(labels, np.roll(labels, 500) + 0.0, 0.5)["ucr_hit"] == 0
    hits = [
        metrics.ucr_hit(labels, np.random.default_rng(seed).random(2000)) for seed in range(300)
    ]
    assert np.mean(hits) == pytest.approx(220 / 2000, abs=0.05)


def test_points_without_a_score_are_left_out(scores):
    longer = np.concatenate([np.full(70, np.nan), scores])
    labels = np.concatenate([np.arange(70) > 50, LABELS])
    expected = study_metrics(LABELS, scores, 0.9)
    assert study_metrics(labels, longer, 0.9) == pytest.approx(expected, nan_ok=True)
    assert expected["points"] == len(scores)


def test_without_an_anomaly_the_rest_is_missing(scores):
    result = study_metrics(np.zeros(5000), scores, 0.9)
    kept = "points flags events event_hits false_events accuracy specificity false_alarms_per_1000"
    assert missing(result) == NAMES - set(kept.split())
    assert result["false_alarms_per_1000"] == 1000 * (scores > 0.9).mean()
    assert result["false_events"] == len(metrics.label_events(scores > 0.9))


def test_without_a_normal_point_a_few_are_missing(scores):
    result = study_metrics(np.ones(5000), scores, 0.9)
    names = {"roc_auc", "average_precision", "vus_roc", "vus_pr", "false_alarms_per_1000"}
    assert missing(result) == names


def test_series_do_as_well(scores):
    index = pd.date_range("2020", periods=5000, freq="h")
    series = pd.Series(LABELS, index=index), pd.Series(scores, index=index)
    expected = study_metrics(LABELS, scores, 0.9)
    assert study_metrics(*series, np.float32(0.9)) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("threshold", [np.nan, None, "high"])
def test_a_threshold_is_a_number(scores, threshold):
    with pytest.raises(ValueError, match=r"`threshold` must be a number. Received: threshold="):
        study_metrics(LABELS, scores, threshold)


def test_bad_input(scores):
    with pytest.raises(ValueError, match=r"`scores` must have shape \(5000,\)"):
        study_metrics(LABELS, scores[1:], 0.9)
    with pytest.raises(ValueError, match="`labels` must be boolean"):
        study_metrics(scores, scores, 0.9)
    with pytest.raises(ValueError, match="`scores` must hold a number"):
        study_metrics([0, 1], [np.nan, np.nan], 0.9)
