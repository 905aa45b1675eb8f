"""The slider: it draws in a real kernel, and leaves nothing where nobody looks on."""

from functools import partialmethod

import exercise_checks
import pytest

from lib.course import interactive

BUILD = """
import os
os.environ.pop("LIB_PROGRESS", None)
from lib.course import interactive
drawn = []
box = interactive.slider(drawn.append, [0.5, 1.0, 2.0], "line")
"""
MOVE = """
box.children[0].value = 2.0
box.children[0].value = 1.0
assert drawn == [0.5, 2.0, 1.0], drawn
box.children[0].value = 1.0
assert drawn == [0.5, 2.0, 1.0], "drawn although nothing moved"
"""
SHOWN = """
from IPython.display import display
display(box)
assert drawn == [0.5, 2.0, 1.0], drawn
assert box.children[0].description == "line"
assert [label for label, _ in box.children[0].options] == ["0.5", "1", "2"]
"""


def test_moving_the_slider_draws_in_a_kernel(tmp_path):
    with exercise_checks.kernel(tmp_path) as execute:
        for source in (BUILD, MOVE, SHOWN):
            assert execute(source) is None
        assert "AssertionError" in execute("assert drawn == []")  # this kernel does report


def test_an_automatic_run_gets_no_slider(monkeypatch):
    monkeypatch.setenv("LIB_PROGRESS", "0")
    assert interactive.slider(pytest.fail, [1.0, 2.0], "line") is None


@pytest.mark.parametrize("values", [[], [1.0]])
def test_a_slider_needs_two_stops(values):
    with pytest.raises(ValueError, match=f"`values` must hold two .* Received: {len(values)}"):
        interactive.slider(print, values, "line")


def test_a_growing_figure_keeps_its_place_and_leaves_none_open(monkeypatch):
    import matplotlib.pyplot as plt

    shown, drawn, before = [], [], plt.get_fignums()
    monkeypatch.delenv("LIB_PROGRESS", raising=False)
    for how in ("display", "update"):
        record = partialmethod(lambda place, figure, how: shown.append((how, figure)), how=how)
        monkeypatch.setattr(f"IPython.display.DisplayHandle.{how}", record)

    def draw(rows):
        drawn.append(plt.figure())
        return drawn[-1]

    redraw = interactive.growing(draw)
    for rows in range(3):
        redraw(rows)
    assert [how for how, _ in shown] == ["display", "update", "update"]
    assert [figure for _, figure in shown] == drawn
    assert plt.get_fignums() == before


def test_an_automatic_run_grows_no_figure(monkeypatch):
    monkeypatch.setenv("LIB_PROGRESS", "0")
    assert interactive.growing(pytest.fail)(1, 2) is None
