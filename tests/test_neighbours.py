"""Errors judged by windows alike: against a search in plain loops, and by what they must do."""

import numpy as np
import pytest

from lib import scoring


@pytest.fixture
def parts():
    rng = np.random.default_rng(0)
    sizes = {"train_codes": (1100, 3), "train_errors": (1100, 4), "codes": (700, 3)}
    return {name: rng.normal(size=size) for name, size in sizes.items()} | {
        "errors": rng.normal(size=(700, 4))
    }


def by_loops(train_codes, train_errors, codes, errors, k, floor):
    scores = []
    for code, error in zip(codes, errors, strict=True):
        order = np.argsort([np.sqrt(((code - other) ** 2).sum()) for other in train_codes])[:k]
        usual = (train_errors[order] ** 2).mean(axis=0)
        scores.append(np.sqrt((error**2 / (usual + floor**2)).mean()))
    return np.array(scores)


@pytest.mark.parametrize("k", [1, 7, 1100])
def test_equal_to_a_search_in_plain_loops(parts, k):
    few = {**parts, "codes": parts["codes"][::50], "errors": parts["errors"][::50]}
    np.testing.assert_allclose(
        scoring.relative_errors(**few, k=k, floor=0.1), by_loops(**few, k=k, floor=0.1)
    )


def test_chunks_do_not_show(parts, monkeypatch):
    whole = scoring.relative_errors(**parts)
    monkeypatch.setattr(scoring, "CHUNK", 64)
    np.testing.assert_array_equal(scoring.relative_errors(**parts), whole)


def test_the_nearest_of_a_code_that_is_known_is_itself(parts):
    found = scoring.nearest(parts["train_codes"], parts["train_codes"], k=1)
    np.testing.assert_array_equal(found[:, 0], np.arange(1100))


def test_a_shape_that_is_always_hard_is_no_alarm():
    codes, errors = np.array([[0.0]] * 20 + [[9.0]] * 20), np.full((40, 5), 0.1)
    errors[20:] = 1.0
    same = scoring.relative_errors(codes, errors, [[0.0], [9.0]], [[0.1] * 5, [1.0] * 5])
    worse = scoring.relative_errors(codes, errors, [[0.0]], [[1.0] * 5])
    assert same.max() < 1.01
    assert worse[0] > 8


def test_scale_does_not_matter(parts):
    scaled = {**parts, **{n: 7 * parts[n] for n in ("errors", "train_errors")}}
    np.testing.assert_allclose(
        scoring.relative_errors(**scaled, floor=0.7),
        scoring.relative_errors(**parts, floor=0.1),
    )


def test_no_window_no_score(parts):
    empty = {**parts, "codes": np.empty((0, 3)), "errors": np.empty((0, 4))}
    assert scoring.relative_errors(**empty).shape == (0,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "`k` must be"),
        ({"k": 1101}, "`k` must be at most 1100.* Received: k=1101"),
        ({"floor": 0.0}, "`floor` must be above 0. Received: floor=0.0"),
        ({"floor": float("nan")}, "`floor` must be above 0"),
        ({"codes": np.zeros((700, 2))}, "`codes` must have 3 columns"),
        ({"codes": np.full((700, 3), np.nan)}, "`codes` must be finite"),
        ({"train_codes": np.zeros(5)}, "`train_codes` must be finite, of shape"),
        ({"errors": np.zeros((699, 4))}, "`errors` must have one line for each code"),
        ({"errors": np.zeros((700, 1))}, "`errors` must have one line for each code"),
        ({"train_errors": np.zeros((3, 4))}, "`errors` must have one line for each code"),
    ],
)
def test_bad_input(parts, change, message):
    with pytest.raises(ValueError, match=message):
        scoring.relative_errors(**{**parts, **change})
