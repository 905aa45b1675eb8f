"""The panels of an LSTM unit's gates: what is drawn is what was given."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lib import plotting

GATES = pd.DataFrame({"input gate": [0.0, 1.0, 0.25], "forget gate": [1.0, 0.0, 0.75]})


@pytest.fixture
def axes():
    figure, axes = plt.subplots(2, sharex=True)
    yield axes
    plt.close(figure)


def test_each_panel_shows_its_gate(axes):
    plotting.gates_over_time(axes, GATES)
    for axis, (name, values) in zip(axes, GATES.items(), strict=True):
        (line,) = axis.get_lines()
        np.testing.assert_array_equal(line.get_ydata(), values)
        assert axis.get_ylabel() == name
        assert [label.get_text() for label in axis.get_yticklabels()] == ["closed", "open"]
    assert [axis.get_xlabel() for axis in axes] == ["", "time step"]


def test_every_mark_is_drawn_in_every_panel(axes):
    plotting.gates_over_time(axes, GATES, marks=np.array([0, 2]))
    for axis in axes:
        dotted = [line.get_xdata()[0] for line in axis.get_lines() if line.get_linestyle() == ":"]
        assert dotted == [0, 2]


def test_the_range_leaves_room_for_wide_open_and_closed(axes):
    plotting.gates_over_time(axes, GATES)
    assert all(axis.get_ylim()[0] < 0 and axis.get_ylim()[1] > 1 for axis in axes)


def test_a_panel_too_few_is_an_error(axes):
    with pytest.raises(ValueError, match=r"`axes` must be one for each gate, 2\. Received: 1 axes"):
        plotting.gates_over_time(axes[:1], GATES)
