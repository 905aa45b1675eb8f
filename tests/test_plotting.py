"""Figures: with alternative text, closed after use, and labelled."""

import base64
import io

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from lib import plotting

ALT = "Line chart of one number over three steps: it rises from one to four."
DAYS = pd.bdate_range("2018-01-01", periods=60, name="date")
PRICE = pd.Series(np.linspace(2500.0, 2900.0, 60), DAYS)
FLAGS = pd.Series(np.arange(60) % 20 == 7, DAYS)
SCORES = pd.Series(np.random.default_rng(0).gamma(2, 0.1, 60), DAYS).where(np.arange(60) > 4)


@pytest.fixture(autouse=True)
def _quiet_figures():
    backend, style = mpl.get_backend(), mpl.rcParams.copy()
    plt.switch_backend("agg")
    yield
    plt.close("all")
    plt.switch_backend(backend)
    mpl.rcParams.update(style)


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """A function that returns what a notebook would get from a call: a list of outputs."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    # Without a history: its file is gone when the process ends, and IPython would say so.
    InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))

    def shown(function, *arguments, **options):
        with capture_output() as captured:
            function(*arguments, **options)
        return captured.outputs

    yield shown
    InteractiveShell.clear_instance()


def histories(*columns):
    history = pd.DataFrame(
        {column: [1.0, 0.5, 0.4] for column in columns}, index=pd.RangeIndex(1, 4, name="epoch")
    )
    history.attrs["best_epoch"] = 3
    return {"forecaster": history, "autoencoder": history}


# What reaches the notebook


def test_show_without_alternative_text_leaves_it_to_the_cell(shown):
    figure, _ = plt.subplots()
    (output,) = shown(plotting.show, figure, "rise")
    assert output.metadata["image/png"] == {"name": "rise"}
    assert not plt.fignum_exists(figure.number)


def test_claims_are_a_table_of_numbers_under_their_name(shown):
    (output,) = shown(plotting.show_claims, {"flags": 403, "share": 0.123456789})
    assert output.data["text/csv"] == "claim,value\nflags,403\nshare,0.123457\n"
    assert output.metadata["text/csv"] == {"name": "claims"}


def test_show_gives_picture_name_and_alternative_text_and_closes_the_figure(shown):
    figure, axis = plt.subplots()
    axis.plot([1, 2, 4])
    (output,) = shown(plotting.show, figure, name="rise", alt=ALT)
    assert set(output.data) == {"image/png", "text/plain"}
    assert output.data["text/plain"] == ALT
    assert output.metadata == {"image/png": {"name": "rise", "alt": ALT}}
    picture = plt.imread(io.BytesIO(base64.b64decode(output.data["image/png"])))
    assert picture.ndim == 3
    assert picture.min() < picture.max()  # something is drawn
    assert plt.get_fignums() == []


@pytest.mark.parametrize("alt", ["", "A chart.", "x" * 39])
def test_show_refuses_a_short_alternative_text(shown, alt):
    figure = plt.figure()
    with pytest.raises(ValueError, match=r"`alt` must describe .* at least 40 char") as caught:
        shown(plotting.show, figure, name="rise", alt=alt)
    assert str(caught.value).endswith(f"Received: alt={alt!r}")


def test_forty_characters_are_enough(shown):
    assert len(shown(plotting.show, plt.figure(), name="empty", alt="x" * 40)) == 1


def test_show_table_stores_the_table_as_csv_under_its_name(shown):
    table = pd.DataFrame(
        {"days": [3, 11], "share": [0.25, np.nan], "who": ["a, b", "é"]},
        index=pd.Index(["forecaster", "autoencoder"], name="model"),
    )
    (output,) = shown(plotting.show_table, table, name="flagged")
    assert output.metadata == {"text/csv": {"name": "flagged"}}
    stored = pd.read_csv(io.StringIO(output.data["text/csv"]), index_col="model")
    pd.testing.assert_frame_equal(stored, table)
    assert "<table" in output.data["text/html"]
    assert "autoencoder" in output.data["text/plain"]


# Charts


def labels(axes):
    return [(axis.get_title(), axis.get_xlabel(), axis.get_ylabel()) for axis in axes]


@pytest.mark.parametrize("columns", [("loss",), ("loss", "val_loss")])
def test_training_curves(columns):
    figure = plotting.training_curves(histories(*columns))
    first, second = figure.axes
    assert labels([first]) == [("forecaster", "epoch", "loss (mean absolute error)")]
    assert labels([second]) == [("autoencoder", "epoch", "")]  # shares the first panel's axis
    names = [text.get_text() for text in second.get_legend().get_texts()]
    assert names == [*["training", "validation"][: len(columns)], "kept: epoch 3"]
    curves = first.get_lines()[: len(columns)]
    assert all(curve.get_ydata().tolist() == [1.0, 0.5, 0.4] for curve in curves)
    looks = {(line.get_linestyle(), line.get_marker()) for line in first.get_lines()}
    assert len(looks) == len(columns) + 1  # told apart without colour
    assert first.get_lines()[-1].get_xdata()[0] == 3


def test_score_histogram():
    figure = plotting.score_histogram(
        pd.DataFrame({"a": SCORES, "b": SCORES}), 0.65, xlabel="train error"
    )
    assert labels(figure.axes) == [(name, "train error", "days") for name in "ab"]
    for axis in figure.axes:
        assert sum(bar.get_height() for bar in axis.patches) == SCORES.notna().sum()
        assert [line.get_xdata()[0] for line in axis.get_lines()] == [0.65]
        assert [text.get_text().strip() for text in axis.texts] == ["threshold 0.65"]


def test_score_lines():
    figure = plotting.score_lines(
        pd.DataFrame({"a": SCORES, "b": 2 * SCORES}), 0.65, ylabel="test error"
    )
    assert labels(figure.axes) == [("a", "", "test error"), ("b", "", "test error")]
    for axis, factor in zip(figure.axes, (1, 2), strict=True):
        line, threshold = axis.get_lines()
        np.testing.assert_array_equal(line.get_ydata(), factor * SCORES)
        assert set(threshold.get_ydata()) == {0.65}
        assert line.get_linestyle() != threshold.get_linestyle()
    assert [text.get_text() for text in figure.axes[0].texts] == ["threshold 0.65"]


@pytest.mark.parametrize(("log", "scale"), [(True, "log"), (False, "linear")])
def test_price_chart(log, scale):
    _, axis = plt.subplots()
    events = pd.DataFrame(index=pd.to_datetime(["2017-12-29", "2018-01-10", "2018-02-05"]))
    plotting.price_chart(axis, PRICE, events=events, flags=FLAGS, log=log)
    assert axis.get_yscale() == scale
    line, dots = axis.get_lines()[:2]
    np.testing.assert_array_equal(line.get_ydata(), PRICE)
    np.testing.assert_array_equal(dots.get_ydata(), PRICE[FLAGS])
    assert dots.get_marker() == "o"
    assert axis.get_legend().get_texts()[0].get_text() == "flagged (3 days)"
    assert [text.get_text() for text in axis.texts] == ["2", "3"]  # the first lies before
    assert len(axis.get_lines()) == 4


def test_price_chart_without_events_or_flags_is_one_line():
    _, axis = plt.subplots()
    plotting.price_chart(axis, PRICE)
    assert len(axis.get_lines()) == 1
    assert axis.get_legend() is None


def test_price_chart_without_a_flagged_day_says_so():
    _, axis = plt.subplots()
    plotting.price_chart(axis, PRICE, flags=FLAGS & False)
    assert axis.get_legend().get_texts()[0].get_text() == "flagged (0 days)"


def test_event_map():
    hits = pd.DataFrame(
        {"forecaster": [1.0, 0.2], "autoencoder": [0.6, 0.0]}, index=["Brexit vote", "Volmageddon"]
    )
    axis, colours = plotting.event_map(hits).axes
    assert [text.get_text() for text in axis.get_yticklabels()] == hits.index.tolist()
    assert [text.get_text() for text in axis.get_xticklabels()] == hits.columns.tolist()
    assert [text.get_text() for text in axis.texts] == ["1.0", "0.6", "0.2", "0.0"]
    assert colours.get_ylabel() == "share of seeds that flag it"


def test_style_uses_the_colour_blind_palette():
    plotting.use_style()
    expected = plotting.sns.color_palette("colorblind").as_hex()
    colours = [mpl.colors.to_hex(c["color"]) for c in mpl.rcParams["axes.prop_cycle"]]
    assert colours == [colour.lower() for colour in expected]
    assert mpl.rcParams["figure.dpi"] == 100


# Drawings


def test_the_lstm_cell_shows_its_four_gates_and_both_states():
    words = {text.get_text() for text in plotting.lstm_cell().axes[0].texts}
    gates = {"forget gate f", "input gate i", "candidate g", "output gate o"}
    assert gates | {"cell state c", "state h", "×", "+", "tanh"} <= words


def test_arrays_in_line_are_drawn_with_their_shapes():
    arrays = [("", "window", (30, 1)), ("LSTM", "latent", (4,)), ("repeat", "repeated", (30, 4))]
    axis = plotting.arrays_in_line(arrays).axes[0]
    words = [text.get_text() for text in axis.texts]
    assert {"(30, 1)", "(4,)", "(30, 4)", "LSTM", "repeat"} <= set(words)
    heights = [box.get_height() for box in axis.patches if isinstance(box, plt.Rectangle)]
    assert heights[0] == heights[2] > heights[1]
