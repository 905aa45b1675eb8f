"""Volumes under surfaces against two packages, a slow definition, and on bad input."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from reference_cases import WINDOWS, cases
from sklearn import metrics as sk_metrics

from lib.metrics.volume import scored_points, volume_metrics

REFERENCE = json.loads(Path(__file__).with_name("reference_metrics.json").read_text("utf-8"))
CASES = cases()


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("name", CASES)
def test_equal_to_both_packages_of_the_family(name, window):
    labels, scores, _ = CASES[name]
    values = REFERENCE["cases"][name]["volume"][str(window)]
    result = volume_metrics(labels, scores, window=window)
    for package in ("TSB-AD", "vus"):
        assert [result["vus_roc"], result["vus_pr"]] == pytest.approx(values[package], abs=1e-6)


def test_the_other_family_gives_other_values():
    differences = []
    for name, (labels, scores, _) in CASES.items():
        for window in WINDOWS:
            values = REFERENCE["cases"][name]["volume"][str(window)]
            old, aeon = values["other family: vus"], values["other family: aeon"]
            result = volume_metrics(labels, scores, window=window)
            if name != "constant":  # for which aeon returns 0
                assert old == pytest.approx(aeon, abs=1e-6)
                if window == 0:  # without buffers, only the sums differ
                    assert result["vus_roc"] == pytest.approx(aeon[0], abs=1e-6)
                differences.append(result["vus_pr"] - aeon[1])
    assert np.median(np.abs(differences)) > 0.005
    assert np.max(np.abs(differences)) > 0.3


def slow_volume(labels, scores, window, thresholds=250):
    """Word by word: for each buffer, each threshold, each event."""
    points, places = len(labels), np.flatnonzero(labels)
    starts = [place for place in places if place == 0 or not labels[place - 1]]
    ends = [place for place in places if place == points - 1 or not labels[place + 1]]
    ordered = sorted(scores, reverse=True)
    areas = []
    for buffer in range(window + 1):
        half = buffer // 2
        weights = labels.astype(float)
        groups = []
        for start, end in zip(starts, ends, strict=True):
            for distance in range(1, half + 1):
                for place in (start - distance, end + distance):
                    if 0 <= place < points:
                        weights[place] += np.sqrt(1 - distance / buffer)
            reach = set(range(max(start - half, 0), min(end + half, points - 1) + 1))
            if groups and groups[-1] & reach:
                groups[-1] |= reach
            else:
                groups.append(reach)
        weights = np.minimum(weights, 1)
        curve = [(0.0, 0.0)]
        steps = 0.0
        for number in range(thresholds):
            rank = int(number * (points - 1) / (thresholds - 1) + 1e-9)
            flagged = {place for place in range(points) if scores[place] >= ordered[rank]}
            true = sum(weights[place] for place in flagged)
            slope = sum(weights[place] for place in flagged if not labels[place])
            positive = labels.sum() + slope / 2
            found = sum(bool(group & flagged) for group in groups) / len(groups)
            recall = min(true / positive, 1) * found
            steps += (recall - curve[-1][1]) * true / len(flagged)
            curve.append(((len(flagged) - true) / (points - positive), recall))
        curve.append((1.0, 1.0))
        area = sum(
            (right[0] - left[0]) * (right[1] + left[1]) / 2 for left, right in pairwise(curve)
        )
        areas.append((area, steps))
    return np.mean(areas, axis=0)


@pytest.mark.parametrize(
    ("seed", "points", "share", "window"),
    [(1, 30, 0.1, 9), (2, 41, 0.3, 12), (3, 25, 0.6, 6), (4, 60, 0.05, 5), (5, 40, 0.2, 60)],
)
def test_equal_to_its_definition(seed, points, share, window):
    rng = np.random.default_rng(seed)
    labels, scores = rng.random(points) < share, np.round(rng.random(points), 1 + seed % 2)
    result = volume_metrics(labels, scores, window=window)
    expected = slow_volume(labels, scores, window, thresholds=250)
    assert [result["vus_roc"], result["vus_pr"]] == pytest.approx(expected, abs=1e-9)


def test_without_buffers_and_with_one_event_it_is_nearly_the_usual_area():
    rng = np.random.default_rng(0)
    labels = np.arange(240) // 20 == 5
    scores = rng.random(240) + 0.3 * labels
    result = volume_metrics(labels, scores, window=0)
    assert result["vus_roc"] == pytest.approx(sk_metrics.roc_auc_score(labels, scores), abs=1e-9)
    average = sk_metrics.average_precision_score(labels, scores)
    assert result["vus_pr"] == pytest.approx(average, abs=1e-9)


def test_near_misses_count_with_buffers_only():
    labels = np.arange(1000) // 20 == 25
    late = np.roll(labels, 20) + 0.0
    assert volume_metrics(labels, late, window=0)["vus_pr"] < 0.05
    assert volume_metrics(labels, late, window=100)["vus_pr"] > 0.4


# What comes for nothing


@pytest.mark.parametrize("seed", range(3))
def test_random_scores(seed):
    labels = np.isin(np.arange(5000) // 50, [10, 40, 70, 85])
    scores = np.random.default_rng(seed).random(5000)
    without, result = volume_metrics(labels, scores, window=0), volume_metrics(labels, scores)
    assert without["vus_roc"] == pytest.approx(0.5, abs=0.05)
    assert without["vus_pr"] == pytest.approx(labels.mean(), abs=0.01)
    # Slopes count as positives only where they are flagged, which lifts chance above one half.
    assert result["vus_roc"] == pytest.approx(0.67, abs=0.03)
    assert 1.2 * labels.mean() < result["vus_pr"] < 2.5 * labels.mean()


def test_constant_scores_flag_all_or_none():
    labels = np.isin(np.arange(5000) // 50, [10, 40, 70, 85])
    result = volume_metrics(labels, np.ones(5000), window=0)
    assert result == {"vus_roc": 0.5, "vus_pr": pytest.approx(labels.mean())}
    assert volume_metrics(labels, np.ones(5000))["vus_roc"] == pytest.approx(0.5, abs=0.02)


def test_labels_as_scores():
    labels = np.isin(np.arange(5000) // 50, [10, 40, 70, 85])
    assert volume_metrics(labels, labels + 0.0, window=0) == {"vus_roc": 1, "vus_pr": 1}


# Bad input, and none


@pytest.mark.parametrize("labels", [np.zeros(9), np.ones(9)])
def test_one_class_only_is_missing(labels):
    assert np.isnan(list(volume_metrics(labels, np.arange(9.0)).values())).all()


def test_points_without_a_score_are_left_out():
    labels, scores, _ = CASES["three events"]
    gaps = np.concatenate([np.full(30, np.nan), scores, [np.nan]])
    longer = np.concatenate([np.ones(30), labels, [0]])
    assert volume_metrics(longer, gaps) == volume_metrics(labels, scores)
    kept = scored_points(longer, gaps)
    assert (kept[0].tolist(), kept[1].tolist()) == (labels.tolist(), scores.tolist())


def test_infinite_scores_are_scores():
    labels, scores, _ = CASES["three events"]
    largest = np.where(scores == scores.max(), np.inf, scores)
    assert volume_metrics(labels, largest) == volume_metrics(labels, scores)


def test_bad_input():
    with pytest.raises(ValueError, match=r"`scores` must have shape \(3,\). Received: \(2,\)"):
        volume_metrics([0, 1, 0], [0.1, 0.2])
    with pytest.raises(ValueError, match="`labels` must be boolean"):
        volume_metrics([0, 2, 0], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match=r"`scores` must hold a number. Received: 2 times NaN"):
        volume_metrics([0, 1], [np.nan, np.nan])
    with pytest.raises(ValueError, match="`window` must be an integer of at least 0"):
        volume_metrics([0, 1], [0.1, 0.2], window=-1)
    with pytest.raises(ValueError, match="`window` must be"):
        volume_metrics([0, 1], [0.1, 0.2], window=10.0)
