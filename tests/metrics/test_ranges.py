"""Metrics of ranges against other packages, against slow definitions, and on bad input."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reference_cases import cases, fingerprint

from lib import metrics

REFERENCE = json.loads(Path(__file__).with_name("reference_metrics.json").read_text("utf-8"))
CASES = cases()
# TSB-AD overlooks a run that fills the whole series, and never adjusts a series' first point.
NO_RUN, NO_FIRST_POINT = ("everything flagged", "TSB-AD"), ("at the start", "TSB-AD")


def random_marks(seed, points=60):
    """Labels, one at least, and flags in runs of random lengths, sometimes at the borders."""
    rng = np.random.default_rng(seed)
    steps = rng.random((2, points)) < rng.choice([0.05, 0.2, 0.5])
    labels, flags = (np.cumsum(steps, axis=1) + rng.integers(0, 2, (2, 1))) % 2 == 1
    labels[seed % points] = True
    return labels, flags


def runs(marks):
    """Sets of neighbouring positions, one at a time."""
    found = []
    for position, marked in enumerate(marks):
        if marked and position and marks[position - 1]:
            found[-1].add(position)
        elif marked:
            found.append({position})
    return found


# Against other people's code


def test_the_cases_are_those_that_the_packages_saw():
    assert list(CASES) == list(REFERENCE["cases"])
    for name, (labels, scores, _) in CASES.items():
        assert fingerprint(labels, scores) == pytest.approx(REFERENCE["cases"][name]["fingerprint"])


@pytest.mark.parametrize("name", CASES)
def test_range_metrics_equal_those_of_three_packages(name):
    labels, scores, threshold = CASES[name]
    for package, expected in REFERENCE["cases"][name]["range"].items():
        if (name, package) != NO_RUN:
            result = metrics.range_metrics(labels, scores > threshold)
            assert [result["precision"], result["recall"]] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_affiliation_equals_that_of_its_authors(name):
    labels, scores, threshold = CASES[name]
    result = metrics.affiliation_metrics(labels, scores > threshold)
    precision, recall = REFERENCE["cases"][name]["affiliation"]
    precision = np.nan if precision is None else precision
    assert result["precision"] == pytest.approx(precision, abs=1e-6, nan_ok=True)
    assert result["recall"] == pytest.approx(recall, abs=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_point_adjusted_f1_equals_that_of_other_packages(name):
    labels, scores, threshold = CASES[name]
    for package, expected in REFERENCE["cases"][name]["point_adjusted"].items():
        if (name, package) != NO_FIRST_POINT:
            f1 = metrics.point_adjusted_f1(labels, scores > threshold)
            assert f1 == pytest.approx(expected, abs=1e-6)


# Against the definitions, slowly


def slow_reward(marks, others, alpha):
    rewards = []
    for own in runs(marks):
        overlaps = [len(own & other) for other in runs(others) if own & other]
        share = sum(overlaps) / len(own)
        rewards.append(alpha * bool(overlaps) + (1 - alpha) * share / max(len(overlaps), 1))
    return np.mean(rewards) if rewards else 0.0


@pytest.mark.parametrize("seed", range(25))
def test_range_metrics_equal_their_definition(seed):
    labels, flags = random_marks(seed)
    result = metrics.range_metrics(labels, flags)
    precision, recall = slow_reward(flags, labels, 0), slow_reward(labels, flags, 0.2)
    assert (result["precision"], result["recall"]) == pytest.approx((precision, recall))
    assert result["f1"] * (precision + recall) == pytest.approx(2 * precision * recall)


def slow_affiliation(labels, flags, fine=20):
    """Probabilities by counting moments on a fine grid, zone by zone."""
    moments = (np.arange(fine * len(labels)) + 0.5) / fine
    events = [(min(run), max(run) + 1) for run in runs(labels)]
    borders = [(one[1] + two[0]) / 2 for one, two in pairwise(events)]
    borders = [0, *borders, len(labels)]
    flagged = np.repeat(flags, fine)
    precisions, recalls = [], []
    for number, (start, stop) in enumerate(events):
        inside = (moments > borders[number]) & (moments < borders[number + 1])
        zone, chosen = moments[inside], moments[inside & flagged]
        event = moments[(moments > start) & (moments < stop)]

        def to_event(moment, start=start, stop=stop):
            return np.maximum(np.maximum(start - moment, moment - stop), 0)

        if len(chosen):
            precisions.append(np.mean([(to_event(zone) >= to_event(x)).mean() for x in chosen]))
            nearest = [np.abs(chosen - y).min() for y in event]
            recalls.append(
                np.mean(
                    [(np.abs(zone - y) >= d).mean() for y, d in zip(event, nearest, strict=True)]
                )
            )
        else:
            recalls.append(0)
    return np.mean(precisions) if precisions else np.nan, np.mean(recalls)


@pytest.mark.parametrize("seed", range(25))
def test_affiliation_equals_its_definition(seed):
    labels, flags = random_marks(seed, points=30)
    result = metrics.affiliation_metrics(labels, flags)
    precision, recall = slow_affiliation(labels, flags)
    assert result["precision"] == pytest.approx(precision, abs=0.02, nan_ok=True)
    assert result["recall"] == pytest.approx(recall, abs=0.05)


def test_affiliation_by_hand():
    labels, flags = np.zeros(10), np.zeros(10)
    labels[4:6] = 1  # from 4 to 6 in a zone from 0 to 10
    flags[7] = 1  # from 7 to 8: 1 to 2 from the event, 1.5 on average
    result = metrics.affiliation_metrics(labels, flags)
    assert result["precision"] == pytest.approx(1 - (2 + 2 * 1.5) / 10)
    # From 4 to 6, the flag is 3 to 1 away, and so are moments on the other side.
    assert result["recall"] == pytest.approx(1 - 2 * 2 / 10)


@pytest.mark.parametrize("seed", range(10))
def test_point_adjustment_equals_its_definition(seed):
    labels, flags = random_marks(seed)
    adjusted = set(np.flatnonzero(flags))
    for event in runs(labels):
        adjusted |= event if event & adjusted else set()
    true = set(np.flatnonzero(labels))
    expected = 2 * len(adjusted & true) / (len(adjusted) + len(true))
    assert metrics.point_adjusted_f1(labels, flags) == pytest.approx(expected)


# What comes for nothing


@pytest.fixture(scope="module")
def labels():
    return np.isin(np.arange(5000) // 50, [10, 11, 40, 70, 85])


def test_all_flagged(labels):
    everything = np.ones_like(labels)
    result = metrics.range_metrics(labels, everything)
    assert result["recall"] == 1
    assert result["precision"] == pytest.approx(labels.mean() / 4)  # one alarm, four events
    close = metrics.affiliation_metrics(labels, everything)
    assert close["recall"] == 1
    assert close["precision"] == pytest.approx(close["random_precision"], abs=1e-12)
    share = labels.mean()
    assert metrics.point_adjusted_f1(labels, everything) == pytest.approx(2 * share / (1 + share))


def test_none_flagged(labels):
    nothing = np.zeros_like(labels)
    assert metrics.range_metrics(labels, nothing) == {"precision": 0, "recall": 0, "f1": 0}
    close = metrics.affiliation_metrics(labels, nothing)
    assert (close["recall"], close["f1"]) == (0, 0)
    assert np.isnan(close["precision"])
    assert close["random_recall"] == 0
    assert metrics.point_adjusted_f1(labels, nothing) == 0


def test_labels_themselves(labels):
    assert metrics.range_metrics(labels, labels) == {"precision": 1, "recall": 1, "f1": 1}
    close = metrics.affiliation_metrics(labels, labels)
    assert (close["precision"], close["recall"], close["f1"]) == (1, 1, 1)
    assert metrics.point_adjusted_f1(labels, labels) == 1


def test_random_flags(labels):
    share = labels.mean()
    for seed in range(5):
        flags = np.random.default_rng(seed).random(len(labels)) < 0.05
        result = metrics.range_metrics(labels, flags)
        assert result["precision"] == pytest.approx(share, abs=0.03)
        assert 0.15 < result["recall"] < 0.3  # hardly more than being found at all
        close = metrics.affiliation_metrics(labels, flags)
        assert close["precision"] == pytest.approx(close["random_precision"], abs=0.06)
        assert close["recall"] > 0.98  # so a recall alone says nothing
        assert close["recall"] == pytest.approx(close["random_recall"], abs=0.01)
        assert metrics.point_adjusted_f1(labels, flags) > 0.5  # while the real F1 is 0.05


def test_random_precision_is_the_mean_over_all_places():
    labels = np.isin(np.arange(100), [*range(20, 30), *range(70, 73)])  # zones of 50 points each
    places = np.eye(100, dtype=bool)
    found = [metrics.affiliation_metrics(labels, place)["precision"] for place in places]
    assert np.mean(found[:50]) == pytest.approx((1 + 0.2**2) / 2)
    assert np.mean(found[50:]) == pytest.approx((1 + 0.06**2) / 2)
    expected = metrics.affiliation_metrics(labels, labels)["random_precision"]
    assert np.mean(found) == pytest.approx(expected)


def test_few_flags_at_random_are_farther_than_many(labels):
    few, many = np.arange(len(labels)) < 5, np.arange(len(labels)) < 500
    recall = [metrics.affiliation_metrics(labels, flags)["random_recall"] for flags in (few, many)]
    assert recall[0] < 0.9 < 0.99 < recall[1]
    assert metrics.affiliation_metrics(labels, few)["random_recall"] == recall[0]


# Bad input, and none


def test_without_an_anomaly_all_is_missing():
    for flags in (np.zeros(9), np.arange(9) == 3):
        nothing = np.zeros(9)
        assert np.isnan(list(metrics.range_metrics(nothing, flags).values())).all()
        assert np.isnan(list(metrics.affiliation_metrics(nothing, flags).values())).all()
        assert np.isnan(metrics.point_adjusted_f1(nothing, flags))


def test_everything_anomalous():
    assert metrics.affiliation_metrics(np.ones(9), np.arange(9) == 3)["precision"] == 1
    assert metrics.range_metrics(np.ones(9), np.arange(9) == 3)["precision"] == 1


@pytest.mark.parametrize(
    "metric",
    [
        metrics.range_metrics,
        metrics.affiliation_metrics,
        metrics.point_adjusted_f1,
    ],
)
def test_bad_marks(metric):
    good = [0, 1, 0]
    with pytest.raises(ValueError, match=r"`labels` must be boolean.* Received: \[0.5\]"):
        metric([0.5, 1, 0], good)
    with pytest.raises(ValueError, match="`flags` must be boolean"):
        metric(good, [0, 2, 1])
    with pytest.raises(ValueError, match="`labels` must be boolean"):
        metric([np.nan, 1, 0], good)
    with pytest.raises(ValueError, match="`labels` must be boolean"):
        metric(["yes", "no", "no"], good)
    with pytest.raises(ValueError, match=r"`flags` must have shape \(3,\). Received: \(2,\)"):
        metric(good, [0, 1])
    with pytest.raises(ValueError, match=r"`labels` must have shape \(points,\)"):
        metric([[0, 1, 0]], good)
    with pytest.raises(ValueError, match=r"`labels` must have shape \(points,\)"):
        metric([], [])


def test_series_and_lists_do_as_well_as_arrays():
    labels, flags = random_marks(3)
    series = pd.Series(labels, index=pd.date_range("2020", periods=len(labels)))
    expected = metrics.affiliation_metrics(labels, flags)
    assert metrics.affiliation_metrics(series, flags.astype(float).tolist()) == expected
