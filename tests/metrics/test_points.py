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
        "accuracy": sk_metrics.accuracy_score(labels, flags),
        "specificity": sk_metrics.recall_score(labels, flags, pos_label=0),
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


# The confusion matrix, events and the UCR score


@pytest.mark.parametrize("seed", range(3))
def test_confusion_counts_what_a_loop_counts(seed):
    rng = np.random.default_rng(seed)
    labels = rng.random(300) < 0.2
    scores = rng.random(300).round(1)
    scores[::7] = np.nan
    counts = {(label, flag): 0 for label in (False, True) for flag in (False, True)}
    for label, score in zip(labels, scores, strict=True):
        if score == score:
            counts[bool(label), bool(score > 0.7)] += 1
    found = metrics.confusion(labels, scores, 0.7)
    assert found.loc["normal"].tolist() == [counts[False, False], counts[False, True]]
    assert found.loc["anomaly"].tolist() == [counts[True, False], counts[True, True]]
    assert found.columns.tolist() == ["not flagged", "flagged"]
    point = metrics.point_metrics(labels, scores, 0.7)
    assert point["accuracy"] == pytest.approx(np.trace(found) / found.to_numpy().sum())
    assert point["specificity"] == pytest.approx(
        counts[False, False] / (counts[False, False] + counts[False, True])
    )


def test_confusion_of_one_class_keeps_its_four_cells():
    assert metrics.confusion([0, 0], [1.0, 1.0], 2).to_numpy().tolist() == [[2, 0], [0, 0]]
    assert metrics.confusion([1, 1], [3.0, 1.0], 2).to_numpy().tolist() == [[0, 0], [1, 1]]


def test_specificity_without_normal_points_is_0(recwarn):
    assert metrics.point_metrics([1, 1], [0.1, 0.9], 0.5)["specificity"] == 0
    assert len(recwarn) == 0


@pytest.mark.parametrize(
    ("labels", "flags", "expected"),  # events, hits, false events, precision, delay
    [
        ("......", "......", (0, 0, 0, 0, None)),
        ("......", "xx..x.", (0, 0, 2, 0, None)),
        ("..xx..", "......", (1, 0, 0, 0, None)),
        ("..xx..", "..x...", (1, 1, 0, 1, 0)),
        ("..xx..", "...xxx", (1, 1, 0, 1, 1)),
        ("..xx..", "xx..xx", (1, 0, 2, 0, None)),  # next to it is not in it
        ("..xx..", "xxxxxx", (1, 1, 0, 1, 0)),  # one long run touches it
        ("x.xx.x", "x..x..", (3, 2, 0, 1, 0.5)),
        ("xxx...", "..x.x.", (1, 1, 1, 0.5, 2)),
        ("x.x...", "xxx..x", (2, 2, 1, 0.5, 0)),  # one run of flags, two events
    ],
)
def test_event_metrics_by_hand(labels, flags, expected):
    labels, flags = ([mark == "x" for mark in pattern] for pattern in (labels, flags))
    found = metrics.event_metrics(labels, flags)
    events, hits, false_events, precision, delay = expected
    assert (found["events"], found["hits"], found["false_events"]) == (events, hits, false_events)
    assert found["precision"] == precision
    assert found["recall"] == (hits / events if events else 0)
    assert np.isnan(found["delay"]) if delay is None else found["delay"] == delay


def test_event_metrics_agree_with_loops():
    rng = np.random.default_rng(3)
    for _ in range(50):
        labels, flags = rng.random((2, 60)) < [[0.5], [0.4]]
        runs = {}
        for name, marks in {"events": labels, "flags": flags}.items():
            runs[name], run = [], []
            for row in range(61):
                if row < 60 and marks[row]:
                    run.append(row)
                elif run:
                    runs[name].append(run)
                    run = []
        hit = [run for run in runs["events"] if flags[run].any()]
        delays = [min(row for row in run if flags[row]) - run[0] for run in hit]
        false = sum(not labels[run].any() for run in runs["flags"])
        found = metrics.event_metrics(pd.Series(labels), pd.Series(flags.astype(int)))
        assert (found["events"], found["hits"]) == (len(runs["events"]), len(delays))
        assert found["false_events"] == false
        assert found["precision"] == pytest.approx(1 - false / len(runs["flags"]))
        assert found["delay"] == np.median(delays)
        assert metrics.label_events(labels)["start"].tolist() == [r[0] for r in runs["events"]]
        assert metrics.label_events(labels)["end"].tolist() == [r[-1] for r in runs["events"]]


@pytest.mark.parametrize("length", [1, 12, 100, 101, 250])
def test_a_ucr_hit_is_within_the_margin_and_no_further(length):
    labels = np.zeros(2000, dtype=bool)
    labels[800 : 800 + length] = True
    margin = max(100, length)
    for row in (800 - margin - 1, 800 - margin, 800, 799 + length + margin, 800 + length + margin):
        scores = np.full(2000, 0.5)
        scores[row], scores[:50] = 0.9, np.nan
        inside = 800 - margin <= row <= 799 + length + margin
        assert metrics.ucr_hit(labels, pd.Series(scores)) is inside


@pytest.mark.parametrize(("labels", "found"), [([0, 0, 0], 0), ([1, 0, 1], 2)])
def test_the_ucr_score_wants_one_anomaly(labels, found):
    with pytest.raises(ValueError, match=f"`labels` must mark one anomaly. Received: {found} "):
        metrics.ucr_hit(labels, [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="`scores` must hold a number"):
        metrics.ucr_hit([0, 1, 0], [np.nan] * 3)


def test_false_alarms_per_1000_normal_points():
    labels = np.arange(5000) >= 4000
    flags = np.zeros(5000, dtype=bool)
    flags[:6] = flags[-500:] = True
    assert metrics.false_alarms_per_1000(labels, flags) == 1.5
    assert metrics.false_alarms_per_1000(~labels, flags) == 500
    assert np.isnan(metrics.false_alarms_per_1000([1, 1], [0, 1]))


@pytest.mark.parametrize(
    "judge",
    [
        lambda labels, others: metrics.confusion(labels, others, 0.5),
        lambda labels, others: metrics.point_metrics(labels, others, 0.5),
        metrics.event_metrics,
        metrics.ucr_hit,
        metrics.false_alarms_per_1000,
    ],
)
def test_labels_of_another_length_are_refused(judge):
    with pytest.raises(ValueError, match=r"must have shape \(2,\). Received: \(3,\)"):
        judge([0, 1], [0, 1, 0])
