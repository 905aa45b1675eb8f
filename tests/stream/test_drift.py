"""Drift: the index against its definition, and a population that has really moved."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lib.stream.drift import by_span, population_stability_index

RNG = np.random.default_rng(0)
REFERENCE = RNG.exponential(size=20_000)


def by_definition(reference, scores, bins):
    """The sum, part by part, with pandas cutting; no part may be empty."""
    edges = np.quantile(reference, np.linspace(0, 1, bins + 1))
    edges[0], edges[-1] = -np.inf, np.inf
    shares = [
        pd.cut(pd.Series(v), edges, right=False).value_counts(normalize=True, sort=False).to_numpy()
        for v in (reference, scores)
    ]
    return stats.entropy(*shares) + stats.entropy(*shares[::-1])  # Jeffreys: both directions


@pytest.mark.parametrize("bins", [2, 5, 10, 20])
@pytest.mark.parametrize("scale", [0.8, 1.0, 1.5])
def test_the_index_is_the_symmetric_divergence_of_the_shares(bins, scale):
    scores = scale * np.random.default_rng(1).exponential(size=5_000)
    index = population_stability_index(REFERENCE, scores, bins)
    assert index == pytest.approx(by_definition(REFERENCE, scores, bins), rel=1e-9)


def test_two_parts_by_hand():
    scores = np.r_[np.zeros(30), np.full(70, 9.0)]
    reference = np.r_[np.zeros(50), np.full(50, 9.0)]
    # The median lies between the halves: shares 0.5 and 0.5 against 0.3 and 0.7.
    wanted = 0.2 * np.log(0.7 / 0.5) - 0.2 * np.log(0.3 / 0.5)
    assert population_stability_index(reference, scores, 2) == pytest.approx(wanted)


def test_it_is_zero_for_itself_and_grows_with_the_distance():
    moved = [population_stability_index(REFERENCE, REFERENCE + step) for step in (0, 0.1, 0.3, 1)]
    assert moved[0] == 0
    assert moved == sorted(moved)
    assert len(set(moved)) == 4


def test_an_empty_part_stays_finite():
    index = population_stability_index(REFERENCE, np.full(1000, 50.0))
    assert 1 < index < 20


def test_missing_scores_are_left_out():
    scores = RNG.exponential(size=500)
    gappy = np.r_[np.nan, scores, np.nan]
    assert population_stability_index(np.r_[REFERENCE, np.nan], gappy) == (
        population_stability_index(REFERENCE, scores)
    )


def test_many_equal_values_make_fewer_parts():
    reference = np.r_[np.zeros(900), np.arange(100)]
    assert population_stability_index(reference, reference) == 0
    assert population_stability_index(reference, np.full(100, 99.0)) > 1


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (([], [1.0]), "`reference` must hold finite numbers"),
        (([1.0, 2.0], [np.nan]), "`scores` must hold finite numbers"),
        (([1.0, np.inf], [1.0]), "`reference` must hold finite numbers"),
        (([1.0, 1.0], [1.0]), "`reference` must have values that differ"),
        (([1.0, 2.0], [1.0], 1), "`bins` must be"),
        (([1.0, 2.0], [1.0], 2.5), "`bins` must be"),
    ],
)
def test_bad_input(arguments, word):
    with pytest.raises(ValueError, match=f"{word}.*Received: "):
        population_stability_index(*arguments)


def weeks(count=3):
    times = pd.date_range("2024-01-03 05:00", periods=1008 * count, freq="10min")
    return pd.Series(np.random.default_rng(2).exponential(size=len(times)), times)


def test_a_week_that_moved_stands_out():
    scores = weeks()
    scores.iloc[1100:1900] += 1
    table = by_span(REFERENCE, scores)
    assert table["psi"].idxmax() == table["ks"].idxmax() == pd.Timestamp("2024-01-10")
    assert table["psi"].iloc[1] > 10 * table["psi"].iloc[0]
    assert table["median"].iloc[1] > table["median"].iloc[0] + 0.5


def test_each_span_is_judged_by_itself():
    scores = weeks()
    table = by_span(REFERENCE, scores)
    start = pd.Timestamp("2024-01-10")
    span = scores[start : start + pd.Timedelta("7D") - pd.Timedelta("1s")]
    row = table.loc[start]
    assert row["scores"] == len(span) == 1008
    assert row["psi"] == population_stability_index(REFERENCE, span)
    assert row["ks"] == stats.ks_2samp(REFERENCE, span).statistic
    assert row["median"] == span.median()


def test_a_span_with_few_scores_is_left_out():
    scores = weeks()
    scores["2024-01-10":"2024-01-15"] = np.nan
    assert by_span(REFERENCE, scores).index.day.tolist() == [3, 17]
    assert len(by_span(REFERENCE, scores, fewest=5000)) == 0
    assert list(by_span(REFERENCE, scores, fewest=5000)) == ["psi", "ks", "median", "scores"]


def test_fewest_is_a_whole_number():
    with pytest.raises(ValueError, match="`fewest` must be"):
        by_span(REFERENCE, weeks(), fewest=0)
