"""Metrics on hand-made cases, against slow loops and against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk_metrics

from lib import metrics


def daily(pattern, start="2018-02-01"):
    """Flags from a string: `.` is calm, `x` is flagged, one character per calendar day."""
    days = pd.date_range(start, periods=len(pattern), name="date")
    return pd.Series([mark == "x" for mark in pattern], index=days)


def events_on(*dates):
    names = [f"event {number}" for number in range(len(dates))]
    return pd.DataFrame({"name": names}, index=pd.DatetimeIndex(list(dates)))


# Runs of flags


@pytest.mark.parametrize(
    ("pattern", "runs"),
    [
        ("", []),
        (".", []),
        ("......", []),
        ("x", [(0, 0, 1)]),
        ("xxxxxx", [(0, 5, 6)]),
        ("x.....", [(0, 0, 1)]),
        (".....x", [(5, 5, 1)]),
        ("xx..xx", [(0, 1, 2), (4, 5, 2)]),
        ("x.x.x.", [(0, 0, 1), (2, 2, 1), (4, 4, 1)]),
        (".xxx.x", [(1, 3, 3), (5, 5, 1)]),
    ],
)
def test_find_events(pattern, runs):
    found = metrics.find_events(daily(pattern))
    days = daily(pattern).index
    expected = [(days[first], days[last], points) for first, last, points in runs]
    assert list(found.itertuples(index=False, name=None)) == expected
    assert found.columns.tolist() == ["start", "end", "points"]


def test_found_events_cover_exactly_the_flags():
    rng = np.random.default_rng(0)
    for share in (0.05, 0.5, 0.95):
        flags = pd.Series(rng.random(300) < share, index=pd.RangeIndex(1000, 1300))
        found = metrics.find_events(flags)
        assert found["points"].sum() == flags.sum()
        rebuilt = pd.Series(False, index=flags.index)
        for event in found.itertuples():
            rebuilt.loc[event.start : event.end] = True
        pd.testing.assert_series_equal(rebuilt, flags)
        gaps = found["start"].to_numpy()[1:] - found["end"].to_numpy()[:-1]
        assert (gaps > 1).all()  # runs that touch would be one run


# Dated events


@pytest.mark.parametrize(
    ("pattern", "tolerance", "hit", "delay"),  # the event is day 7 of 14
    [
        ("......x.......", 0, True, 0),
        (".....x........", 0, False, None),
        (".......x......", 0, False, None),
        ("...x..........", 3, True, -3),
        ("..x...........", 3, False, None),
        (".........x....", 3, True, 3),
        ("..........x...", 3, False, None),
        ("..x.......x...", 4, True, -4),  # a tie: the earlier flag
        ("...x....x.....", 3, True, 2),
        ("xx..........xx", 3, False, None),
        ("xxxxxxxxxxxxxx", 3, True, 0),
        ("..............", 3, False, None),
    ],
)
def test_match_one_event(pattern, tolerance, hit, delay):
    flags = daily(pattern)
    matched = metrics.match_events(flags, events_on(flags.index[6]), tolerance=tolerance)
    assert len(matched) == 1
    assert matched["hit"].tolist() == [hit]
    assert matched["name"].tolist() == ["event 0"]
    if hit:
        assert matched["delay"].tolist() == [delay]
        assert matched["flag"].tolist() == [flags.index[6] + pd.Timedelta(days=delay)]
    else:
        assert matched[["flag", "delay"]].isna().all(axis=None)


def test_events_outside_the_span_are_not_judged():
    flags = daily("x....x")
    known = events_on("2018-01-31", "2018-02-01", "2018-02-06", "2018-02-07")
    matched = metrics.match_events(flags, known, tolerance=3)
    assert matched["name"].tolist() == ["event 1", "event 2"]
    assert known.columns.tolist() == ["name"]  # the caller's table stays as it was


def test_tolerance_counts_calendar_days_over_a_weekend():
    days = pd.bdate_range("2018-02-01", "2018-02-09")
    flags = pd.Series(days == "2018-02-05", index=days)  # a Monday
    friday = events_on("2018-02-02")
    assert metrics.match_events(flags, friday, tolerance=3)["hit"].all()
    assert not metrics.match_events(flags, friday, tolerance=2)["hit"].any()


def test_two_events_on_one_day_share_a_flag():
    flags = daily("...x...")
    matched = metrics.match_events(flags, events_on("2018-02-04", "2018-02-04"), tolerance=1)
    assert matched["hit"].tolist() == [True, True]


@pytest.mark.parametrize("pattern", ["......", "x.x..."])
def test_no_events_match_nothing(pattern):
    matched = metrics.match_events(daily(pattern), events_on(), tolerance=3)
    assert len(matched) == 0
    assert {"hit", "flag", "delay"} <= set(matched.columns)


@pytest.mark.parametrize(("pattern", "hit"), [("..x..", True), (".....", False)])
def test_a_time_zone_is_kept(pattern, hit):
    flags = daily(pattern).tz_localize("Europe/Paris")
    known = events_on("2018-02-03").tz_localize("Europe/Paris")
    matched = metrics.match_events(flags, known, tolerance=1)
    assert matched["hit"].tolist() == [hit]
    assert metrics.false_alarms_per_year(flags, known) == 0


# False alarms


@pytest.mark.parametrize(
    ("flagged", "events", "tolerance", "alarms"),
    [
        ([], [], 3, 0),
        ([], ["2017-06-01"], 3, 0),
        (["2017-06-01", "2018-06-01"], [], 3, 2),
        (["2017-06-01", "2018-06-01"], ["2017-06-01"], 0, 1),
        (["2017-05-29", "2017-06-04"], ["2017-06-01"], 3, 0),
        (["2017-05-28", "2017-06-05"], ["2017-06-01"], 3, 2),
        (["2017-05-28", "2017-06-05"], ["2017-06-01"], 4, 0),
    ],
)
def test_false_alarms_per_year(flagged, events, tolerance, alarms):
    days = pd.date_range("2017-01-01", "2020-12-31")  # four years, one of them a leap year
    flags = pd.Series(days.isin(pd.DatetimeIndex(flagged)), index=days)
    rate = metrics.false_alarms_per_year(flags, events_on(*events), tolerance=tolerance)
    assert rate == pytest.approx(alarms / 4)


def test_false_alarms_and_hits_agree_with_loops():
    rng = np.random.default_rng(5)
    days = pd.bdate_range("2010-01-04", periods=700)
    flags = pd.Series(rng.random(700) < 0.1, index=days)
    known = events_on(*rng.choice(days, 12, replace=False))
    near = [[abs((day - event).days) <= 2 for day in days[flags]] for event in known.index]
    assert metrics.match_events(flags, known, 2)["hit"].tolist() == [any(row) for row in near]
    alarms = sum(not any(column) for column in zip(*near, strict=True))
    assert metrics.false_alarms_per_year(flags, known, 2) * metrics.years(flags) == pytest.approx(
        alarms
    )


@pytest.mark.parametrize(
    ("first", "last", "years"),
    [("2017-01-01", "2017-01-01", 1 / 365.25), ("2017-01-01", "2020-12-31", 4.0)],
)
def test_years(first, last, years):
    series = pd.Series(0, index=pd.DatetimeIndex([first, last]).unique())
    assert metrics.years(series) == pytest.approx(years)


# Point by point


def test_point_metrics_by_hand():
    labels = [0, 0, 0, 0, 1, 1, 1, 0]
    scores = [0.1, 0.2, 0.9, 0.3, 0.8, 0.7, 0.4, 0.5]
    found = metrics.point_metrics(labels, scores, threshold=0.5)
    # Above 0.5: one calm point and two of the three anomalous ones; 0.5 itself is not above.
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["f1"] == pytest.approx(2 / 3)
    # Pairs in the right order: 0.8 and 0.7 beat 4 of 5 calm points, 0.4 beats 3.
    assert found["roc_auc"] == pytest.approx(11 / 15)
    # Precision at each anomalous point, from the highest score down: 1/2, 2/3, 3/5.
    assert found["average_precision"] == pytest.approx((1 / 2 + 2 / 3 + 3 / 5) / 3)
    assert all(type(value) is float for value in found.values())


@pytest.mark.parametrize("seed", range(5))
def test_point_metrics_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    labels = rng.random(200) < 0.1
    scores = rng.random(200).round(2) + 0.3 * labels  # rounded, so that there are ties
    flags = scores > 0.8
    assert metrics.point_metrics(labels, scores, 0.8) == {
        "precision": sk_metrics.precision_score(labels, flags),
        "recall": sk_metrics.recall_score(labels, flags),
        "f1": sk_metrics.f1_score(labels, flags),
        "roc_auc": sk_metrics.roc_auc_score(labels, scores),
        "average_precision": sk_metrics.average_precision_score(labels, scores),
    }


def test_points_without_a_score_are_left_out_with_their_labels():
    labels, scores = [1, 0, 1, 0, 1], [np.nan, 0.2, 0.9, 0.4, 0.3]
    assert metrics.point_metrics(labels, scores, 0.5) == metrics.point_metrics(
        labels[1:], scores[1:], 0.5
    )


@pytest.mark.parametrize(("label", "recall"), [(False, 0.0), (True, 0.5)])
def test_with_one_class_only_ranks_are_undefined(label, recall):
    found = metrics.point_metrics([label] * 4, [0.1, 0.2, 0.8, 0.9], threshold=0.5)
    assert found["recall"] == recall
    assert np.isnan(found["roc_auc"])
    assert np.isnan(found["average_precision"])


def test_no_flag_at_all_has_precision_0_and_no_warning(recwarn):
    found = metrics.point_metrics([0, 1], [0.1, 0.2], threshold=9)
    assert (found["precision"], found["recall"], found["f1"]) == (0.0, 0.0, 0.0)
    assert len(recwarn) == 0


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_what_a_random_scorer_gets(share):
    rng = np.random.default_rng(11)
    n_points = 100_000
    labels = np.arange(n_points) < share * n_points
    found = metrics.point_metrics(labels, rng.random(n_points), threshold=0.9)
    assert found["precision"] == pytest.approx(share, rel=0.1)  # the share of anomalies
    assert found["average_precision"] == pytest.approx(share, rel=0.1)
    assert found["recall"] == pytest.approx(0.1, rel=0.1)  # the share of flags
    assert found["roc_auc"] == pytest.approx(0.5, abs=0.02)
