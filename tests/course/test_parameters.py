"""The one check of parameters, as a notebook, papermill and the command line reach it."""

import numpy as np
import pytest

from lib.course import parameters
from lib.course.parameters import Parameter
from lib.errors import ParameterError

NAME = "05_sp500_comparison"
WINDOW = Parameter("window", 30, "steps", 2, 500)
RATE = Parameter("rate", 0.1, "a rate", 0.0, 1.0)
LOUD = Parameter("loud", False, "talk")
COLUMN = Parameter("column", "close", "a column")
KIND = Parameter("kind", "mean", "a rule", choices=("mean", "median"))
CSV = Parameter("csv", "sp500", "a series", series=True)


@pytest.fixture
def cell():
    """What a notebook's globals hold after its parameters cell: all defaults."""
    return {name: p.default for name, p in parameters.specification(NAME).items()}


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        (WINDOW, 60, 60),
        (WINDOW, 2, 2),
        (WINDOW, 500, 500),
        (WINDOW, np.int64(60), 60),
        (RATE, 1, 1.0),
        (RATE, 0.0, 0.0),
        (RATE, np.float32(0.5), 0.5),
        (LOUD, True, True),
        (COLUMN, "Adj Close", "Adj Close"),
        (KIND, "median", "median"),
        (CSV, "nasdaq", "nasdaq"),
        (CSV, __file__, __file__),
    ],
)
def test_accepted_values_come_back_in_the_type_of_the_default(parameter, value, expected):
    checked = parameter.check(value)
    assert checked == expected
    assert type(checked) is type(parameter.default)


@pytest.mark.parametrize(
    ("parameter", "value", "accepts"),
    [
        *[(WINDOW, v, "an integer from 2 to 500") for v in (1, 501, "30", 3.0, True, None, [30])],
        *[(RATE, v, "a number from 0.0 to 1.0") for v in (-0.1, 1.1, "0.5", False, None, 10**400)],
        *[(RATE, float(v), "a number from 0.0 to 1.0") for v in ("nan", "inf", "-inf")],
        *[(LOUD, v, "True or False") for v in (1, 0, "true", None)],
        *[(COLUMN, v, "a text") for v in (1, None, 2.5)],
        *[(KIND, v, "one of 'mean', 'median'") for v in ("mode", "", 1)],
        *[(CSV, v, "a shipped series (sp500,") for v in ("sp50", "", "no.csv", ".", 1, "x" * 999)],
        (CSV, "sp500_events", "a shipped series"),
    ],
)
def test_refused_values_are_named_with_what_is_accepted(parameter, value, accepts):
    with pytest.raises(ParameterError) as caught:
        parameter.check(value)
    message = str(caught.value)
    assert message.startswith(f"`{parameter.name}` must be {accepts}")
    assert message.endswith(f"Received: {parameter.name}={value!r}")


@pytest.mark.parametrize(
    ("parameter", "typed", "expected"),
    [
        (WINDOW, "60", 60),
        (RATE, "1", 1.0),
        (RATE, "1e-3", 0.001),
        (LOUD, "True", True),
        (COLUMN, "1", "1"),
        (COLUMN, "True", "True"),
    ],
)
def test_typed_text_is_read_by_the_type_of_the_parameter(parameter, typed, expected):
    value = parameter.parse(typed)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("parameter", "typed", "received"),
    [
        (WINDOW, "3.0", "window=3.0"),
        (WINDOW, "true", "window='true'"),
        (WINDOW, "True", "window=True"),
        (WINDOW, '"30"', "window='30'"),
        (WINDOW, "", "window=''"),
        (WINDOW, "1 + 1", "window='1 + 1'"),
        (WINDOW, "(" * 5000, "window='(((("),
        (RATE, "nan", "rate='nan'"),
        (RATE, "inf", "rate='inf'"),
        (RATE, "0,5", "rate=(0, 5)"),
        (LOUD, "true", "loud='true'"),
        (LOUD, "1", "loud=1"),
    ],
)
def test_typed_text_is_never_guessed_at(parameter, typed, received):
    with pytest.raises(ParameterError, match="Received: ") as caught:
        parameter.parse(typed)
    assert f"Received: {received}" in str(caught.value)


def test_settings_hold_the_values_and_know_whether_they_are_the_defaults(cell):
    assert parameters.check(NAME, cell).is_default
    settings = parameters.check(NAME, {**cell, "window": 60, "threshold": 1})
    assert (settings.window, settings.threshold, settings.epochs) == (60, 1.0, cell["epochs"])
    assert not settings.is_default
    assert settings.changed == {"window": 60, "threshold": 1.0}
    with pytest.raises(AttributeError, match="windw"):
        _ = settings.windw


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"window": 1}, "`window` must be an integer from 2 to 500. Received: window=1"),
        ({"window": "30"}, "Received: window='30'"),
        ({"train_fraction": 1}, "`train_fraction` must be a number from 0.1 to 0.95"),
        ({"csv": "missing.csv"}, "Received: csv='missing.csv'"),
        ({"In": ["", "", "# Parameters\nwindw = 60\n", "now"]}, "Did you mean 'window'?"),
        ({"In": ["", "# Parameters\nspan = 60\n", "now"]}, "`span` is not a parameter of 05_"),
    ],
)
def test_check_raises_one_clear_error(cell, changes, words):
    with pytest.raises(ParameterError) as caught:
        parameters.check(NAME, {**cell, **changes})
    assert words in str(caught.value)


def test_missing_parameter_and_unknown_notebook_are_named(cell):
    del cell["window"]
    with pytest.raises(ParameterError, match="`window` is missing in the parameters cell"):
        parameters.check(NAME, cell)
    with pytest.raises(ParameterError, match=r"`notebook` must be one of .*notebook='5'"):
        parameters.check("5", cell)


@pytest.mark.parametrize(
    "history",
    [
        [],
        [""],
        ["", "window = 30", "settings = parameters.check(…)"],
        ["", "# Parameters\nwindow = 60\nPAPERMILL_INPUT_PATH = 'x'\n", "now"],
        ["", "# Parameters\nwindw = 60\n", "settings = …", "figure = 1", "settings = …"],
        ["", "# Parameters of my own\nspan = 1", "now"],
    ],
)
def test_learner_with_more_variables_around_is_left_in_peace(cell, history):
    around = {"In": history, "figure": 1, "windw": 2, "np": np}
    assert parameters.check(NAME, {**cell, **around}).is_default


@pytest.mark.parametrize("name", parameters.specifications())
def test_defaults_are_accepted_and_explained(name):
    known = parameters.specification(name)
    for parameter in known.values():
        assert parameter.check(parameter.default) == parameter.default
        assert parameter.help
        assert isinstance(parameter.default, bool | str) or parameter.minimum < parameter.maximum
