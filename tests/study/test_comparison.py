"""Statistics of the study: tests against enumeration, intervals against loops, verdicts."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lib.errors import ParameterError
from lib.study import comparison, results

# Demsar (2006), Table 6: AUC of four forms of C4.5 on fourteen data sets. The last two of the
# thirteenth are printed alike, 0.975, and ranked 2 and 3, so the third digit hides a difference.
DEMSAR = pd.DataFrame(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ],
    columns=["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"],
)


def by_enumeration(differences):
    """Two-sided p of the signed-rank test from all signs that chance may give."""
    ranks = stats.rankdata(np.abs(differences))
    seen = abs((np.sign(differences) * ranks).sum())
    sums = [abs(np.dot(signs, ranks)) for signs in itertools.product((-1, 1), repeat=len(ranks))]
    return np.mean(np.array(sums) >= seen - 1e-9)


@pytest.mark.parametrize("n", [1, 5, 8, 12])
def test_wilcoxons_test_counts_all_signs(n):
    first, second = (pd.Series(x) for x in np.random.default_rng(n).normal(size=(2, n)))
    found = comparison.difference(first, second)
    assert found["p"] == pytest.approx(by_enumeration(first - second))
    assert (found["wins"], found["losses"]) == ((first > second).sum(), (first < second).sum())


def test_five_data_sets_can_never_be_significant():
    first = pd.Series([2.0, 3.0, 4.0, 5.0, 6.0])
    assert comparison.difference(first, first * 0 + 1)["p"] == pytest.approx(0.0625)


def test_difference_of_demsars_classifiers():
    """C4.5 against C4.5+m: two ties of fourteen (his T, with ties split, is 12)."""
    found = comparison.difference(DEMSAR["C4.5+m"], DEMSAR["C4.5"])
    assert (found["wins"], found["losses"], found["n"]) == (10, 2, 14)
    differences = (DEMSAR["C4.5+m"] - DEMSAR["C4.5"]).round(6)
    assert found["p"] == pytest.approx(by_enumeration(differences[differences != 0]), abs=0.005)
    assert found["p"] < 0.02


def test_noise_of_floating_point_is_a_tie():
    found = comparison.difference(pd.Series([0.1 + 0.2, 1.0]), pd.Series([0.3, 1.0]))
    assert (found["wins"], found["losses"], found["p"]) == (0, 0, 1.0)


def test_sources_that_one_detector_lacks_are_left_out():
    first, second = pd.Series([1, np.nan, 3, 4]), pd.Series([0, 1, np.nan, 2])
    found = comparison.difference(first, second)
    assert (found["n"], found["wins"]) == (2, 2)


def test_holm_is_the_step_down_procedure():
    """Rejecting one by one, from the smallest p on, at alpha over what is left."""
    p = pd.Series(np.random.default_rng(1).random(20) ** 4, list("abcdefghijklmnopqrst"))
    adjusted = comparison.holm(p)
    for alpha in (0.01, 0.05, 0.2):
        rejected = set()
        for left, (name, value) in zip(range(20, 0, -1), p.sort_values().items(), strict=True):
            if value > alpha / left:
                break
            rejected.add(name)
        assert set(adjusted.index[adjusted <= alpha]) == rejected
    assert list(adjusted.index) == list(p.index)


def test_holm_leaves_gaps_alone_and_refuses_what_is_no_chance():
    assert comparison.holm(pd.Series([0.02, np.nan, 0.9])).tolist()[::2] == [0.04, 0.9]
    with pytest.raises(ValueError, match="`p` must be from 0 to 1"):
        comparison.holm(pd.Series([0.1, 1.1]))


def test_front_leaves_out_who_is_beaten_in_both():
    seconds = pd.Series({"rule": 0.1, "network": 9.0, "waste": 9.0, "slow": 20.0, "twin": 0.1})
    quality = pd.Series({"rule": 0.3, "network": 0.5, "waste": 0.2, "slow": 0.6, "twin": 0.3})
    found = comparison.front(seconds, quality)
    assert found.to_dict() == {
        "rule": True, "network": True, "waste": False, "slow": True, "twin": True}  # fmt: skip
    quality["slow"] = np.nan
    assert not comparison.front(seconds, quality)["slow"]


def rows():
    """Two sources, one with three series; two detectors, one with two seeds."""
    found = []
    for source, data, base in (("a", "x", 0.1), ("a", "y", 0.2), ("a", "z", 0.3), ("b", "w", 0.6)):
        row = {"source": source, "data": data}
        found.append({**row, "detector": "pca", "seed": 0, "vus_pr": base})
        found += [{**row, "detector": "net", "seed": s, "vus_pr": base + s} for s in (0, 1)]
    return pd.DataFrame(found)


def test_series_of_a_source_count_as_one():
    table = comparison.by_source(rows(), "vus_pr")
    assert table["pca"].to_dict() == pytest.approx({"a": 0.2, "b": 0.6})
    assert table["net"].to_dict() == pytest.approx({"a": 0.7, "b": 1.1})


def test_a_series_that_one_detector_lacks_is_missing_there_alone():
    some = rows().query("not (detector == 'net' and source == 'b')")
    table = comparison.by_source(some, "vus_pr")
    assert np.isnan(table.loc["b", "net"])
    assert table.loc["b", "pca"] == pytest.approx(0.6)


def test_an_interval_covers_the_mean_as_often_as_it_says():
    random = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        found = comparison.interval(pd.Series(random.normal(size=40)))
        inside += found["low"] < 0 < found["high"]
    assert 0.88 <= inside / 200 <= 0.99


def test_an_interval_needs_a_number():
    with pytest.raises(ValueError, match="`values` must hold a number"):
        comparison.interval(pd.Series([np.nan]))


@pytest.mark.parametrize(
    ("shift", "noise", "verdict"),
    [
        (0.1, 0.05, "better"),
        (-0.1, 0.05, "worse"),
        (0.0, 0.01, "equal"),
        (0.0, 0.5, "not decided"),
    ],
)
def test_verdicts(shift, noise, verdict):
    signs = pd.Series(np.tile([1.0, -1.0], 30))
    first = pd.Series(np.linspace(0.2, 0.8, 60))
    found = comparison.difference(first + shift + noise * signs, first)
    assert found["verdict"] == verdict
    assert found["mean"] == pytest.approx(shift)
    assert found["n"] == 60


def test_the_smallest_difference_shows_four_times_in_five():
    random = np.random.default_rng(0)
    least = comparison.smallest_difference(0.2, 50)
    samples = random.normal(least, 0.2, size=(2000, 50))
    power = (stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05).mean()
    assert power == pytest.approx(0.8, abs=0.03)


def test_the_best_configuration_is_that_of_sources_and_not_of_series():
    """Configuration a is better on three series of one source, b on the other source by more."""
    table = pd.DataFrame(
        [
            *({"source": "s", "data": f"x{i}", "configuration": "a", "v": 0.5} for i in range(3)),
            *({"source": "s", "data": f"x{i}", "configuration": "b", "v": 0.4} for i in range(3)),
            {"source": "t", "data": "y", "configuration": "a", "v": 0.1},
            {"source": "t", "data": "y", "configuration": "b", "v": 0.3},
        ]
    ).assign(detector="pca")
    assert comparison.tuned(table, "v")["configuration"].to_dict() == {"pca": "b"}


def test_kinds_of_series_are_compared_one_by_one_and_files_of_skab_as_sources():
    rows = [
        {"detector": name, "collection": c, "kind": c, "source": c, "data": f"{c}{i}", "f1": value}
        for name, value in (("a", 0.5), ("b", 0.25))
        for c in ("ucr", "skab")
        for i in range(4)
    ]
    rows.append({**rows[0], "collection": "nab", "kind": "nab", "source": "nab"})  # a alone
    found = comparison.by_kind(pd.DataFrame(rows), "a", "b", "f1")
    assert found["n"].to_dict() == {"skab": 4, "ucr": 1}
    assert (found["mean"] == 0.25).all()


def test_runs_are_read_in_words(tmp_path, capsys):
    row = {"key": "0", "rule": "maximum", "collection": "ucr", "error": None, "changes": "{}"}
    changed = {"key": "1", "changes": '{"latent": 8, "beside": "pca train mse 8"}'}
    lines = [
        row | {"detector": "lstm_autoencoder"},
        row | {"detector": "lstm_autoencoder", **changed},
        row | {"detector": "pca", "key": "2", "error": "ValueError", "rule": None},
        row | {"detector": "pca", "rule": "percentile 99"},
    ]
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    found = results.runs(path, "maximum")
    assert capsys.readouterr().out == "t.jsonl: 3 runs, 1 failed\n"
    assert found["detector"].tolist() == [
        "LSTM autoencoder",
        "LSTM autoencoder (latent 8, mean with PCA reconstruction)",
    ]
    assert set(found["family"]) == {"network"}
    assert set(found["kind"]) == {"shapes (UCR)"}
    with pytest.raises(ParameterError, match=r"`rule` must be one of .+rule='mean'"):
        results.runs(path, "mean")
