"""A detector that preprocesses: the same in training, at once, in chunks, stored and loaded."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

from lib import preprocessing
from lib.detectors.detector import Detector
from lib.errors import DetectorError

TIMES = pd.date_range("2024-01-01", periods=500, freq="10min", name="time")
NOISE = np.random.default_rng(0)
PRICES = pd.DataFrame(
    {
        "a": 100 * np.exp(NOISE.normal(0, 0.01, 500).cumsum()),
        "b": 20 + 5 * np.sin(np.arange(500) / 6) + NOISE.normal(0, 0.2, 500),
    },
    TIMES,
)
GAPS = PRICES.drop(TIMES[[*range(200, 240), *range(430, 460)]])
HOLES = GAPS.mask(np.random.default_rng(1).random(GAPS.shape) < 0.03)
WAYS = {
    "returns": {"form": "returns"},
    "gaps": {"max_gap": 10.0},
    "returns and gaps": {"form": "returns", "max_gap": 10.0},
    "hours": {"resample": "30min"},
    "returns of hours": {"resample": "30min", "form": "returns"},
}


def fitted(way, rows=GAPS, **options):
    settings = {"options": {"units": (4,)}, "epochs": 1, "max_missing": 0.4, **options}
    return Detector("dense_autoencoder", 5, preprocessing=WAYS[way], **settings).fit(rows)


@pytest.fixture(scope="module", params=WAYS)
def one(request):
    return fitted(request.param, smooth=2, balance=True)


@pytest.mark.parametrize(
    ("rows", "size"),
    [(HOLES, 1), (GAPS, 7), (HOLES, 60)],
    ids=["one by one", "seven, whole", "sixty"],
)
def test_at_once_in_chunks_and_one_by_one(one, size, rows):
    one.reset()
    starts = range(0, len(rows), size)
    live = pd.concat([one.update(rows.iloc[start : start + size]) for start in starts])
    at_once = one.decision_function(rows)
    if one.recipe["preprocessing"]["resample"]:
        at_once = at_once.iloc[:-1]  # in a stream, nobody knows yet whether that step is complete
    assert at_once.notna().sum() > 50
    np.testing.assert_array_equal(live.index, at_once.index)
    np.testing.assert_allclose(live, at_once, rtol=0, atol=1e-5)


def test_a_stream_knows_who_is_to_blame(one):
    one.reset()
    shares = one.contributions(GAPS)
    for place in range(60):
        row = one.update(GAPS.iloc[place : place + 1])
        if len(row):
            np.testing.assert_allclose(
                one.stream_contributions(), shares.loc[row.index[-1]], rtol=0, atol=1e-5
            )


def test_stored_and_loaded(one, tmp_path):
    one.save(tmp_path / "one")
    loaded = Detector.load(tmp_path / "one")
    assert loaded.recipe == one.recipe
    assert loaded.preprocessing_.step_ == one.preprocessing_.step_ > 0
    for method in ("decision_function", "contributions", "expected"):
        found, expected = (getattr(it, method)(HOLES) for it in (loaded, one))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("way", ["returns", "hours", "returns of hours"])
def test_it_is_what_was_done_by_hand_before(way):
    settings = WAYS[way]
    by_hand = preprocessing.prepare(
        PRICES, settings.get("resample", ""), settings.get("form", "levels")
    )
    plain = Detector("dense_autoencoder", 5, options={"units": (4,)}, epochs=1, max_missing=0.4)
    plain.fit(by_hand)
    own = fitted(way, PRICES)
    assert own.threshold_ == plain.threshold_
    scores = own.decision_function(PRICES)
    np.testing.assert_array_equal(scores.loc[by_hand.index], plain.decision_function(by_hand))
    if way == "returns":
        pd.testing.assert_index_equal(scores.index, PRICES.index)
        assert np.isnan(scores.iloc[0])


def test_no_window_goes_across_a_gap():
    detector = fitted("gaps")
    scores = detector.decision_function(GAPS)
    assert (
        scores.index[scores.isna()].tolist()
        == GAPS.index[[*range(4), *range(200, 204), *range(430 - 40, 434 - 40)]].tolist()
    )
    flat = Detector("dense_autoencoder", 5, options={"units": (4,)}, epochs=1).fit(GAPS)
    assert flat.n_windows_ == len(GAPS) * 8 // 10 - 4 + 0
    assert detector.n_windows_ == flat.n_windows_ - 4
    pd.testing.assert_index_equal(detector.validation_scores_.index, GAPS.index[-86:])


def test_only_pieces_that_are_too_short_are_one_error():
    rows = PRICES[TIMES.minute < 30]
    with pytest.raises(ValueError, match=r"at least 5 rows between two gaps.*Received: 3 rows"):
        Detector("dense_autoencoder", 5, preprocessing={"max_gap": 2}).fit(rows)


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_a_price_that_is_none_is_missing_later_and_refused_in_training(value):
    detector = fitted("returns", PRICES)
    spoiled = PRICES.copy()
    spoiled.iloc[300, 0] = value
    with pytest.raises(ValueError, match="for positive values"):
        fitted("returns", spoiled)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shares = detector.contributions(spoiled)
    assert shares["a"].iloc[300:302].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frm": "levels"}, "Did you mean 'form'"),
        ("returns", "`preprocessing` must be a dict"),
        ({"form": "return"}, "Did you mean 'returns'"),
    ],
)
def test_settings_of_no_use(settings, message):
    with pytest.raises(ValueError, match=message):
        Detector(preprocessing=settings)


def edited(folder, change):
    header = json.loads((folder / "detector.json").read_text(encoding="utf-8"))
    change(header)
    (folder / "detector.json").write_text(json.dumps(header), encoding="utf-8")


def test_one_that_was_stored_before_loads(tmp_path):
    plain = Detector("dense_autoencoder", 5, options={"units": (4,)}, epochs=1).fit(PRICES)
    plain.save(tmp_path / "d")

    def as_before(header):
        header["version"] = 1
        del header["recipe"]["preprocessing"], header["preprocessing"]

    edited(tmp_path / "d", as_before)
    loaded = Detector.load(tmp_path / "d")
    np.testing.assert_allclose(
        loaded.decision_function(PRICES), plain.decision_function(PRICES), atol=1e-5
    )


@pytest.mark.parametrize("step", [0, -1, "x", float("inf")])
def test_a_step_of_no_use_is_refused(step, tmp_path):
    fitted("returns").save(tmp_path / "d")
    edited(tmp_path / "d", lambda header: header["preprocessing"].update(step=step))
    with pytest.raises(DetectorError, match="a damaged one"):
        Detector.load(tmp_path / "d")


def test_steps_of_several_days_are_those_of_training_everywhere():
    times = pd.date_range("2024-01-02 07:00", periods=4000, freq="3h")
    rows = pd.DataFrame({"x": np.sin(np.arange(4000) / 60)}, times)
    one = Detector("pca", 5, preprocessing={"resample": "3D"}, options={"n_components": 2})
    one.fit(rows.iloc[:3000])
    whole, later = one.decision_function(rows), one.decision_function(rows.iloc[1003:])
    live = pd.concat([one.update(rows.iloc[a : a + 50]) for a in range(1003, 4000, 50)])
    assert later.index[1:].isin(whole.index).all()
    np.testing.assert_allclose(later.iloc[8:], whole.loc[later.index[8:]])
    np.testing.assert_allclose(live.iloc[8:], whole.loc[live.index[8:]])


# What was expected


def test_what_is_expected_is_in_the_units_of_the_series():
    rows = pd.DataFrame({"x": 500 + 100 * np.sin(np.arange(600) / 4)}, pd.RangeIndex(600))
    detector = Detector("dense_autoencoder", 12, epochs=60).fit(rows)
    expected = detector.expected(rows)
    assert expected.iloc[:11].isna().all().all()
    assert (expected - rows).abs().iloc[11:].mean().item() < 25
    error = (expected - rows)["x"].abs() / detector.scaler_.loc["x", "scale"]
    np.testing.assert_allclose(error, detector.decision_function(rows), atol=1e-5)


def test_what_is_expected_where_the_reading_is_missing():
    rows = PRICES.copy()
    rows.iloc[100, 1] = np.nan
    assert np.isfinite(fitted("gaps").expected(rows).iloc[100, 1])


def test_an_expected_return_leads_to_a_level():
    detector = fitted("returns", PRICES)
    expected = detector.expected(PRICES)
    returns = np.log(expected / PRICES.shift())
    actual = np.log(PRICES / PRICES.shift())
    scale = detector.scaler_["scale"]
    error = ((returns - actual) / scale).abs().mean(axis=1)
    np.testing.assert_allclose(
        error.iloc[5:], detector.decision_function(PRICES).iloc[5:], rtol=1e-4, atol=1e-5
    )
    assert expected.iloc[:5].isna().all().all()


# Too few rows


def test_too_few_rows_are_pointed_out(one):
    needed = one.depth_
    with pytest.warns(
        UserWarning, match=rf"needs up to {needed} rows in a row.*`update`, which remembers"
    ):
        flags = one.predict(PRICES.iloc[:3])
    assert flags.sum() == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one.predict(PRICES)
        one.predict(PRICES.iloc[:0])
