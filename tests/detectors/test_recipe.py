"""What a detector accepts: each wrong setting is one error that names it."""

import numpy as np
import pandas as pd
import pytest

from lib import models, thresholds
from lib.detectors import recipe
from lib.detectors.detector import Detector
from lib.detectors.kinds import KINDS

NETWORKS = [name for name, kind in KINDS.items() if kind.family == "network"]

BAD = [
    ({"kind": "lstm"}, "`kind` must be one of lstm_autoencoder, .*Received: kind='lstm'"),
    ({"kind": "lstm_autoencodr"}, "Did you mean 'lstm_autoencoder'"),
    ({"kind": None}, "`kind` must be one of"),
    ({"kind": ["lstm_autoencoder"]}, "`kind` must be one of"),
    ({"window": 1}, r"`window` must be an integer from 2 to 10000. Received: window=1"),
    ({"window": 10**9}, "`window` must be"),
    ({"window": 30.0}, "`window` must be"),
    ({"window": True}, "`window` must be"),
    ({"horizon": 0}, "`horizon` must be"),
    ({"stride": -1}, "`stride` must be"),
    ({"smooth": 0}, "`smooth` must be"),
    ({"epochs": "20"}, "`epochs` must be"),
    ({"batch_size": 0}, "`batch_size` must be"),
    ({"patience": None}, "`patience` must be"),
    ({"seed": -1}, "`seed` must be"),
    ({"max_missing": 1.0}, "`max_missing` must be from 0 to below 1"),
    ({"max_missing": -0.1}, "`max_missing` must be"),
    ({"max_missing": float("nan")}, "`max_missing` must be"),
    ({"max_missing": "0.2"}, "`max_missing` must be"),
    ({"balance": 1}, "`balance` must be True or False"),
    ({"options": [("units", 4)]}, "`options` must be a dict"),
    ({"options": {"unit": 4}}, "`options` must be one of units, latent.*Did you mean 'units'"),
    ({"options": {"seed": 4}}, "`options` must be one of"),
    ({"options": {"horizon": 4}, "kind": "lstm_forecaster"}, "`options` must be one of"),
    ({"options": {"units": {"class_name": "Lambda"}}}, "numbers, words and lists of numbers"),
    ({"options": {"learning_rate": float("inf")}}, "numbers, words"),
    (
        {"kind": "dense_autoencoder", "options": {"activation": "lib>anything"}},
        "`activation` must be one of relu, tanh",
    ),
    ({"threshold": "best"}, "`threshold` must be one of fixed"),
    ({"threshold": "oracle"}, "`threshold` must be one of"),
    ({"threshold": "vote"}, "`threshold` must be one of"),
    ({"threshold_options": {"q": 101}}, "`threshold_options` must suit the rule 'percentile'"),
    ({"threshold_options": {"k": 3}}, "`threshold_options` must suit"),
    ({"threshold_options": {"q": "99"}}, "`threshold_options` must be a dict of numbers"),
    ({"threshold_options": 99}, "`threshold_options` must be a dict of numbers"),
    ({"threshold": "fixed"}, "`threshold_options` must suit the rule 'fixed'"),
    ({"threshold": "fixed", "threshold_options": {"value": float("nan")}}, "dict of numbers"),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_a_setting_of_no_use_is_one_error(settings, message):
    with pytest.raises(ValueError, match=message):
        Detector(**settings)


def test_what_is_stored_is_plain():
    one = Detector(
        "lstm_forecaster",
        np.int64(12),
        options={"units": [4, 4]},
        max_missing=0,
        threshold="mean_plus_sigma",
        threshold_options={"k": 2},
    )
    assert type(one.recipe["window"]) is int
    assert one.recipe["options"] == {"units": (4, 4)}
    assert one.recipe["threshold_options"] == {"k": 2}
    assert Detector(**one.recipe).recipe == one.recipe
    assert Detector().recipe["threshold_options"] == {"q": 99.0}


def test_the_recipe_is_a_copy():
    network = {"units": 4}
    one = Detector(options=network)
    network["units"] = 5
    assert one.recipe["options"] == {"units": 4}


@pytest.mark.parametrize("rule", recipe.RULES)
def test_every_rule_is_there(rule):
    options = {"value": 1.0} if rule == "fixed" else {}
    assert callable(getattr(thresholds, rule))
    Detector(threshold=rule, threshold_options=options or None)


@pytest.mark.parametrize(
    ("rule", "option", "expected"),
    [
        ("fixed", 0.65, {"value": 0.65}),
        ("percentile", 98.0, {"q": 98.0}),
        ("conformal", 0.05, {"alpha": 0.05}),
        ("percentile", 0.0, None),
        ("maximum", 0.0, None),
    ],
)
def test_the_one_number_of_a_rule(rule, option, expected):
    assert recipe.rule_options(rule, option) == expected
    Detector(threshold=rule, threshold_options=recipe.rule_options(rule, option))


@pytest.mark.parametrize(
    ("rule", "option", "message"),
    [
        ("maximum", 3.0, "`option` must be 0, as it takes none, for the rule 'maximum'"),
        ("fixed", 0.0, "`option` must be above 0, its `value`, for the rule 'fixed'"),
        ("oracle", 3.0, "`threshold` must be one of fixed"),
    ],
)
def test_a_number_that_a_rule_cannot_take(rule, option, message):
    with pytest.raises(ValueError, match=message):
        recipe.rule_options(rule, option)


@pytest.mark.parametrize("kind", NETWORKS)
def test_two_sizes_make_every_network(kind):
    options = recipe.network_options(kind, units=6, latent=2, learning_rate=0.01)
    assert models.BUILDERS[kind](8, 1, **options).count_params() > 40
    assert Detector(kind, options=options).recipe["options"] == options


def test_two_sizes_make_forecaster_and_autoencoder_alike():
    one, other = (
        models.BUILDERS[kind](8, 3, **recipe.network_options(kind, 6, 2, 0.01)).count_params()
        for kind in ("lstm_forecaster", "lstm_autoencoder")
    )
    assert one == other


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.array([1, None, 3], dtype="Int64"), [1.0, np.nan, 3.0]),
        (pd.array([1.5, None, 3], dtype="Float64"), [1.5, np.nan, 3.0]),
        ([True, False, True], [1.0, 0.0, 1.0]),
        (np.array([1, 2, 3], dtype="uint8"), [1.0, 2.0, 3.0]),
    ],
)
def test_numbers_of_any_type_become_floats(values, expected):
    rows = recipe.checked_rows(pd.DataFrame({"x": values}))
    assert rows["x"].dtype == np.float64
    np.testing.assert_array_equal(rows["x"], expected)


@pytest.mark.parametrize(
    "values",
    [
        ["1", "2"],
        [1 + 2j, 3],
        pd.to_datetime(["2024-01-01", "2024-01-02"]),
        pd.Categorical([1, 2]),
        [None, 1.0, "x"][1:],
    ],
)
def test_what_are_no_numbers_is_refused(values):
    with pytest.raises(ValueError, match=r"`series` must hold numbers\. Received: column 'x'"):
        recipe.checked_rows(pd.DataFrame({"x": values}))


def test_the_rows_given_stay_as_they_are():
    frame = pd.DataFrame({"b": [1, 2], "a": [3, 4]})
    rows = recipe.checked_rows(frame, ["a", "b"])
    assert list(rows.columns) == ["a", "b"]
    rows.iloc[0, 0] = 99
    assert frame.to_numpy().tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize(
    "index",
    [
        [0, 0, 1],
        [2, 1, 3],
        pd.DatetimeIndex(["2024-01-01", None, "2024-01-03"]),
    ],
)
def test_an_index_out_of_order_is_refused(index):
    with pytest.raises(ValueError, match="`series` must have an index that increases"):
        recipe.checked_rows(pd.DataFrame({"x": [1.0, 2, 3]}, index=index))


@pytest.mark.parametrize(
    ("kind", "network"),
    [
        ("lstm_forecaster", {"units": (3, 5, 2), "patch": 2, "dropout": 0.1, "horizon": 2}),
        ("lstm_autoencoder", {"units": 5, "latent": 2, "depth": 2, "patch": 5}),
        ("lstm_autoencoder", {"units": 5, "latent": None, "depth": 3}),
        ("dense_autoencoder", {"units": ()}),
        ("dense_autoencoder", {"units": (7, 4), "latent": 3}),
        ("conv_autoencoder", {"filters": (5, 4, 3), "kernel": 4, "latent": 6}),
    ],
)
def test_parameters_are_counted_without_a_network(kind, network):
    built = models.BUILDERS[kind](10, 3, **network)
    assert models.count_parameters(kind, 10, 3, **network) == built.count_params()


HUGE = 10**400


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"options": {"learning_rate": HUGE}}, "`options` must hold numbers"),
        ({"options": {"units": [HUGE]}}, "`options` must hold numbers"),
        ({"kind": "pca", "options": {"n_components": HUGE}}, "`options` must hold numbers"),
        ({"threshold": "fixed", "threshold_options": {"value": HUGE}}, "a dict of numbers"),
        ({"max_missing": HUGE}, "`max_missing` must be from 0"),
        ({"preprocessing": {"max_gap": HUGE}}, "`max_gap` must be 0 or above"),
        ({"window": HUGE}, "`window` must be an integer from 2"),
    ],
)
def test_a_number_beyond_all_floats_is_one_error(settings, message):
    with pytest.raises(ValueError, match=message):
        Detector(**{"kind": "dense_autoencoder", **settings})


ROWS = pd.DataFrame({"a": np.sin(np.arange(200) / 4), "b": np.cos(np.arange(200) / 4)})


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("dense_autoencoder", {"units": [10**30]}),
        ("lstm_autoencoder", {"units": 10**6}),
        ("conv_forecaster", {"filters": [10**30, 2]}),
    ],
)
def test_a_network_beyond_any_memory_is_not_built(kind, options):
    with pytest.raises(ValueError, match="a network of at most 100,000,000 parameters"):
        Detector(kind, 8, options=options).fit(ROWS)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\r", "a\u2028b"])
def test_a_column_without_a_plain_name_is_refused(name):
    with pytest.raises(ValueError, match=r"names \(texts of one line\) that differ"):
        Detector("pca", 8).fit(ROWS.rename(columns={"b": name}))


@pytest.mark.parametrize("value", [1.7e308, -1e160, np.inf])
def test_a_reading_beyond_all_sensors_is_named_in_training_and_later(value):
    """A watched stream passes such a line over; nobody blames the learning rate."""
    spoiled = ROWS.astype("float64")
    spoiled.loc[30, "b"] = value
    one = Detector("pca", 8).fit(ROWS)
    for ask in (one.fit, one.predict, one.update, one.contributions):
        with pytest.raises(ValueError, match=r"beyond 1e.100; .*in column 'b' at 30"):
            ask(spoiled)


def test_a_reading_far_away_is_learned_from_and_validates():
    for row in (30, 190):
        spoiled = ROWS.copy()
        spoiled.loc[row, "b"] = 1e99
        one = Detector("dense_autoencoder", 8, epochs=1).fit(spoiled)
        assert np.isfinite(one.threshold_)
