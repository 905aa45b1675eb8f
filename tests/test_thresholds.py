"""Threshold rules against NumPy and closed forms."""

import math
import statistics
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from lib import thresholds

SCORES = np.random.default_rng(0).gamma(2.0, size=501)
MEDIAN = statistics.median(SCORES)
# Divided by the quartile of the bell curve, so that it equals σ there.
DEVIATION = statistics.median(abs(SCORES - MEDIAN)) / statistics.NormalDist().inv_cdf(0.75)

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
    (thresholds.mad, {}, MEDIAN + 3.5 * DEVIATION),
    (thresholds.mad, {"k": 0}, MEDIAN),
    (thresholds.conformal, {}, sorted(SCORES)[-5]),  # at most 5 of 502 at or above a flag
    (thresholds.conformal, {"alpha": 0.5}, sorted(SCORES)[-251]),
    (thresholds.vote, {"rules": [min, max, np.mean], "at_least": 2}, np.mean(SCORES)),
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


# Robust and fitted tails


def test_the_mad_line_ignores_huge_scores_that_move_mean_and_sigma():
    spoilt = np.append(SCORES, np.full(25, 1e6))  # 5 %
    assert thresholds.mad(spoilt) < 1.3 * thresholds.mad(SCORES)
    assert thresholds.mean_plus_sigma(spoilt) > 1000 * thresholds.mean_plus_sigma(SCORES)


@pytest.mark.parametrize("seed", range(3))
def test_peaks_over_threshold_finds_a_known_quantile(seed):
    scores = np.random.default_rng(seed).exponential(size=1_000_000)
    assert thresholds.peaks_over_threshold(scores, risk=1e-4) == pytest.approx(9.210, rel=0.02)


@pytest.mark.parametrize(
    ("draw", "quantile"),  # a bounded, a light and a heavy tail: what 1 in 10,000 exceeds
    [
        (lambda rng: rng.random(200_000), 0.9999),
        (lambda rng: rng.normal(size=200_000), statistics.NormalDist().inv_cdf(0.9999)),
        (lambda rng: rng.pareto(3, size=200_000), 1e4 ** (1 / 3) - 1),
    ],
)
def test_peaks_over_threshold_for_other_tails(draw, quantile):
    found = thresholds.peaks_over_threshold(draw(np.random.default_rng(7)), risk=1e-4)
    assert found == pytest.approx(quantile, rel=0.05)


@pytest.mark.parametrize("unit", [1e-6, 1, 1e6])
def test_peaks_over_threshold_maximises_the_likelihood_in_any_unit(unit):
    rng = np.random.default_rng(1)
    scores = unit * np.concatenate([rng.gamma(2.0, size=3000), rng.exponential(3, size=500)])
    start = np.percentile(scores, 95)
    peaks = (scores[scores > start] - start) / unit

    def loss(parameters):
        shape, scale = parameters
        inside = 1 + shape * peaks / scale
        if scale <= 0 or (inside <= 0).any():
            return math.inf
        return len(peaks) * math.log(scale) + (1 + 1 / shape) * np.log(inside).sum()

    best = optimize.minimize(loss, [0.1, 1.0], method="Nelder-Mead", options={"xatol": 1e-8})
    shape, scale = best.x
    expected = start + unit * scale / shape * ((1e-4 * len(scores) / len(peaks)) ** -shape - 1)
    found = thresholds.peaks_over_threshold(scores, risk=1e-4, level=95)
    assert found == pytest.approx(expected, rel=2e-3)
    shuffled = rng.permutation(np.append(scores, [np.nan] * 9))
    assert thresholds.peaks_over_threshold(shuffled, risk=1e-4, level=95) == found


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        (SCORES[:450], {}, "10 or more above .* Received: 9 of 450, level=98"),
        ([0.0] * 985 + [1.0] * 15, {"risk": 1e-3}, "not all equal. Received: 15 of 1000"),
        (SCORES, {"risk": 0.05}, r"`risk` must be .* below .* 0.02. Received: risk=0.05"),
        (SCORES, {"risk": 0}, "`risk` must be above 0 .* Received: risk=0"),
        ([], {}, "`scores` must hold finite numbers"),
        ([1.0, np.inf], {}, "`scores` must hold finite numbers"),
    ],
)
def test_no_tail_to_fit(scores, options, message):
    with pytest.raises(ValueError, match=message):
        thresholds.peaks_over_threshold(scores, **options)


# The dynamic threshold


def slow_dynamic(scores, prune):
    """The paper's section 3.3, in loops."""
    mean, spread = np.mean(scores), np.std(scores)
    best, line = -1, None
    for z in np.arange(2, 10.5, 0.5):
        above = [score > mean + z * spread for score in scores]
        if any(above):
            below = [s for s, flag in zip(scores, above, strict=True) if not flag]
            runs = sum(now and not above[i - 1] for i, now in enumerate(above) if i) + above[0]
            gain = (mean - np.mean(below)) / mean + (spread - np.std(below)) / spread
            gain /= sum(above) + runs**2
            if gain > best:
                best, line = gain, mean + z * spread
    if line is None:
        return max(scores)
    runs, last = [], False
    for score in scores:
        if score > line:
            if last:
                runs[-1] = max(runs[-1], score)
            else:
                runs.append(score)
        last = score > line
    ordered = [*sorted(runs, reverse=True), max(s for s in scores if s <= line)]
    while len(ordered) > 1 and (ordered[-2] - ordered[-1]) / ordered[-2] < prune:
        ordered.pop()
        line = ordered[-1]
    return line


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("prune", [0, 0.05, 0.13, 0.4, 1])
def test_dynamic_is_the_paper_in_loops(seed, prune):
    rng = np.random.default_rng(seed)
    scores = rng.gamma(3.0, size=400)
    for start in rng.integers(0, 390, size=rng.integers(0, 6)):
        scores[start : start + 8] *= rng.uniform(1.5, 9)
    expected = slow_dynamic(scores, prune)
    assert thresholds.dynamic(scores, prune=prune) == pytest.approx(expected, rel=1e-12)
    with_gaps = pd.Series(np.insert(scores, [0, 100], np.nan))
    assert thresholds.dynamic(with_gaps, prune=prune) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", range(40))
def test_dynamic_weighs_flags_and_runs_as_the_paper_does(seed):
    """Among these seeds are some where each part of the weighing decides."""
    rng = np.random.default_rng(seed)
    scores = rng.gamma(3.0, size=400)
    for start in rng.integers(0, 380, 3):
        scores[start : start + 15] += rng.uniform(4, 12)
    expected = slow_dynamic(scores, prune=0)
    assert thresholds.dynamic(scores, prune=0) == pytest.approx(expected, rel=1e-12)


def test_the_dynamic_threshold_lies_between_what_stands_out_and_the_rest():
    scores = np.random.default_rng(0).uniform(1, 2, size=1000)
    scores[400:410] = 9.0
    assert 2 < thresholds.dynamic(scores) < 9


@pytest.mark.parametrize("scores", [[1.0] * 50, [0.0] * 50, [3.0], [1.0, 2.0] * 50])
def test_where_nothing_stands_out_the_dynamic_threshold_flags_nothing(scores, recwarn):
    assert thresholds.dynamic(scores) == max(scores)
    assert len(recwarn) == 0


@pytest.mark.parametrize(
    ("scores", "prune", "message"),
    [
        ([1.0, 2.0], -0.1, "`prune` must be from 0 to 1. Received: prune=-0.1"),
        ([1.0, 2.0], 1.1, "`prune` must be from 0 to 1. Received: prune=1.1"),
        ([-1.0, 2.0], 0.13, "`scores` must not be negative. Received: lowest score -1.0"),
        ([np.nan], 0.13, "`scores` must hold finite numbers"),
    ],
)
def test_what_the_dynamic_threshold_does_not_take(scores, prune, message):
    with pytest.raises(ValueError, match=message):
        thresholds.dynamic(scores, prune=prune)


# Conformal


@pytest.mark.parametrize("n_scores", [1, 9, 10, 99, 100, 250])
@pytest.mark.parametrize("alpha", [0.01, 0.07, 0.1, 0.29, 0.5, 0.99])
def test_the_conformal_line_is_where_the_p_value_passes_alpha(n_scores, alpha):
    scores = np.random.default_rng(n_scores).permutation(n_scores).astype(float)
    line = thresholds.conformal(scores, alpha=alpha)
    new = np.arange(-1, n_scores + 1) + 0.5
    p_values = [(1 + sum(old >= score for old in scores)) / (n_scores + 1) for score in new]
    assert (new > line).tolist() == [p <= alpha + 1e-12 for p in p_values]


def test_conformal_keeps_its_promise_on_exchangeable_scores():
    rng = np.random.default_rng(2)
    flagged = []
    for _ in range(4000):
        scores = rng.standard_cauchy(40)  # nothing is known of the tail, and 39 scores
        flagged.append(scores[-1] > thresholds.conformal(scores[:-1], alpha=0.1))
    assert np.mean(flagged) == pytest.approx(0.1, abs=3 * math.sqrt(0.09 / 4000))


def test_ties_count_as_at_or_above():
    assert thresholds.conformal([1.0, 2.0, 2.0, 2.0], alpha=0.4) == 2.0


@pytest.mark.parametrize("alpha", [0, 1, -0.1, np.nan])
def test_an_alpha_that_is_no_share_is_named(alpha):
    with pytest.raises(ValueError, match=f"`alpha` must be between 0 and 1.*alpha={alpha}"):
        thresholds.conformal(SCORES, alpha=alpha)


# Vote, oracle, adaptive


@pytest.mark.parametrize("at_least", [1, 2, 3, 4])
def test_a_vote_is_a_count_of_the_rules_that_flag(at_least):
    rules = [
        partial(thresholds.percentile, q=90),
        thresholds.mad,
        partial(thresholds.mean_plus_sigma, k=1),
        thresholds.maximum,
    ]
    line = thresholds.vote(SCORES, rules, at_least)
    new = np.linspace(0, 1.2 * max(SCORES), 500)
    votes = sum((new > rule(SCORES)).astype(int) for rule in rules)
    assert ((new > line) == (votes >= at_least)).all()


@pytest.mark.parametrize("at_least", [0, 3, 1.5, True, "1"])
def test_a_vote_needs_a_number_of_rules(at_least):
    with pytest.raises(ValueError, match=f"`at_least` must be .* Received: at_least={at_least!r}"):
        thresholds.vote(SCORES, [min, max], at_least)


def f1(labels, flags):
    return 2 * (labels & flags).sum() / (labels.sum() + flags.sum())


@pytest.mark.parametrize("seed", range(8))
def test_no_threshold_beats_the_oracle(seed):
    rng = np.random.default_rng(seed)
    labels = rng.random(120) < 0.15
    scores = (rng.random(120) + 0.4 * labels).round(seed % 3 + 1)  # with ties
    line = thresholds.oracle(scores, labels)
    candidates = [-1.0, *scores]
    best = max(f1(labels, scores > candidate) for candidate in candidates)
    assert f1(labels, scores > line) == pytest.approx(best, abs=1e-12)
    higher = [c for c in candidates if c > line]
    assert all(f1(labels, scores > c) < best - 1e-12 for c in higher)
    with_gap = thresholds.oracle([np.nan, *scores], [True, *labels])
    assert with_gap == line


def test_the_oracle_may_have_to_flag_everything():
    assert (np.array(thresholds.oracle([1.0, 1.0], [1, 1])) < [1.0, 1.0]).all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 0, 0], "`labels` must mark at least one"),
        ([0, 0, 1], "`labels` must mark at least one"),
        ([1, 1], r"`labels` must have shape \(3,\). Received: \(2,\)"),
    ],
)
def test_labels_the_oracle_cannot_use(labels, message):
    with pytest.raises(ValueError, match=message):
        thresholds.oracle([0.1, 0.2, np.nan], labels)


@pytest.mark.parametrize(("history", "every"), [(1, 1), (20, 1), (20, 7), (400, 50), (600, 1)])
def test_an_adaptive_threshold_knows_only_what_came_before(history, every):
    index = pd.date_range("2014-01-01", periods=len(SCORES))
    scores = pd.Series(SCORES, index=index).mask(np.arange(len(SCORES)) % 13 == 5)
    found = thresholds.adaptive(scores, thresholds.percentile, history, every, q=80)
    assert found.index.equals(index)
    for row in range(len(scores)):
        asked = row - (row - history) % every
        before = scores.iloc[max(asked - history, 0) : asked].dropna()
        if row < history or before.empty:
            assert np.isnan(found.iloc[row])
        else:
            assert found.iloc[row] == np.percentile(before, 80)


def test_what_comes_later_does_not_move_an_adaptive_threshold():
    scores = pd.Series(SCORES)
    changed = scores.where(scores.index < 300, 1e9)
    before, after = (thresholds.adaptive(s, thresholds.mad, 50) for s in (scores, changed))
    assert before[:301].equals(after[:301])
    assert (after[330:] == 1e9).all()


def test_without_a_score_before_there_is_no_threshold():
    scores = pd.Series([1.0, np.nan, np.nan, 2.0, 3.0])
    found = thresholds.adaptive(scores, thresholds.maximum, 2)
    assert found.tolist() == pytest.approx([np.nan, np.nan, 1.0, np.nan, 2.0], nan_ok=True)
    assert not (scores[:3] > found[:3])[3:].any()


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "9"])
@pytest.mark.parametrize("name", ["history", "every"])
def test_a_history_is_a_count(name, bad):
    counts = {"history": 5, "every": 1, name: bad}
    with pytest.raises(
        ValueError, match=f"`{name}` must be a positive .* Received: {name}={bad!r}"
    ):
        thresholds.adaptive(pd.Series(SCORES), thresholds.maximum, **counts)


@pytest.mark.parametrize("flags", [0, 1, 5, 19, 20])
def test_at_equal_alarms_both_flag_as_often(flags):
    scores, other = np.random.default_rng(2).random((2, 20))
    threshold = np.sort(scores)[::-1][flags] if flags < 20 else -1.0
    found = thresholds.at_equal_alarms(scores, other, threshold)
    assert (scores > threshold).sum() == (other > found).sum() == flags


def test_at_equal_alarms_only_rows_with_both_scores_count():
    nan = np.nan
    found = thresholds.at_equal_alarms([nan, 3, 1, 2], [9, 5, nan, 7], threshold=2.5)
    assert found == 5.0  # rows 1 and 3 count: one flag, the 7
    with pytest.raises(ValueError, match="a row in common"):
        thresholds.at_equal_alarms([nan, 1], [1, nan], 0.5)


def test_at_equal_alarms_ties_and_infinities_flag_no_more():
    found = thresholds.at_equal_alarms([1, 2, 3, 4], [5, 5, 5, np.inf], threshold=2.5)
    assert (np.array([5, 5, 5, np.inf]) > found).sum() == 1
