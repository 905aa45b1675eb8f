"""Threshold rules against NumPy and closed forms."""

import statistics

import numpy as np
import pandas as pd
import pytest

from lib import thresholds

SCORES = np.random.default_rng(0).gamma(2.0, size=501)

RULES = [
    (thresholds.fixed, {"value": 0.65}, 0.65),
    (thresholds.fixed, {"value": 3}, 3.0),
    (thresholds.mean_plus_sigma, {}, np.mean(SCORES) + 3 * np.std(SCORES)),
    (thresholds.mean_plus_sigma, {"k": 0}, statistics.fmean(SCORES)),
    (thresholds.mean_plus_sigma, {"k": 2}, np.mean(SCORES) + 2 * statistics.pstdev(SCORES)),
    (thresholds.percentile, {}, np.sort(SCORES)[495]),  # 99 % of the 500 steps between 501 scores
    (thresholds.percentile, {"q": 0}, min(SCORES)),
    (thresholds.percentile, {"q": 50}, statistics.median(SCORES)),
    (thresholds.percentile, {"q": 100}, max(SCORES)),
    (thresholds.maximum, {}, max(SCORES)),
]


@pytest.mark.parametrize(("rule", "options", "expected"), RULES)
def test_rule_matches_its_closed_form(rule, options, expected):
    threshold = rule(SCORES, **options)
    assert threshold == pytest.approx(expected, rel=1e-12)
    assert type(threshold) is float


@pytest.mark.parametrize(("rule", "options", "expected"), RULES)
def test_uncovered_points_are_left_out(rule, options, expected):
    with_gaps = np.concatenate([[np.nan] * 30, SCORES[:200], [np.nan], SCORES[200:]])
    assert rule(pd.Series(with_gaps), **options) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("rule", "options", "expected"), RULES)
def test_order_does_not_matter(rule, options, expected):
    assert rule(SCORES[::-1].tolist(), **options) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("rule", "options", "_"), RULES)
@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([], "0 scores that are not NaN, 0 of them infinite"),
        ([np.nan, np.nan], "0 scores that are not NaN, 0 of them infinite"),
        ([1.0, np.inf, np.nan], "2 scores that are not NaN, 1 of them infinite"),
        ([-np.inf, 1.0, 2.0], "3 scores that are not NaN, 1 of them infinite"),
    ],
)
def test_scores_to_set_no_threshold_from(rule, options, _, scores, message):
    with pytest.raises(ValueError, match=f"`scores` must hold finite numbers.*{message}"):
        rule(scores, **options)


@pytest.mark.parametrize("q", [-0.1, 100.1, np.nan, np.inf])
def test_a_percentile_outside_0_to_100_is_named(q):
    with pytest.raises(ValueError, match=f"`q` must be from 0 to 100 .* Received: q={q}"):
        thresholds.percentile(SCORES, q=q)


def test_at_the_maximum_nothing_seen_so_far_is_flagged():
    threshold = thresholds.maximum(SCORES)
    assert not (threshold < SCORES).any()


@pytest.mark.parametrize("q", [50, 90, 99])
def test_a_percentile_leaves_its_share_above_it(q):
    threshold = thresholds.percentile(SCORES, q=q)
    share = np.mean(threshold < SCORES)
    assert share == pytest.approx(1 - q / 100, abs=1 / len(SCORES))
