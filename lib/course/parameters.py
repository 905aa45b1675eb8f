"""What each notebook accepts from outside, and the check before anything is trained.

A value may come from `python -m lib run 05 -p window 60`, from a plain
`papermill … -p window 60`, or from a learner who edits the cell in JupyterLab. All three end
in `Parameter.check`, so all three get the same message. What is accepted stands beside the
notebooks, in `notebooks/parameters.toml`.
"""

import ast
import numbers
import os
import tomllib
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

from lib.course import notebooks
from lib.errors import ParameterError, did_you_mean

KINDS = {
    bool: (bool, "True or False"),
    int: (numbers.Integral, "an integer"),
    float: (numbers.Real, "a number"),
    str: (str, "a text"),
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a notebook, as `notebooks/parameters.toml` explains it.

    Its type is the type of its default.

    Examples
    --------
    >>> window = Parameter("window", 30, "time steps a model sees at once", 2, 500)
    >>> window.accepts
    'an integer from 2 to 500'
    >>> window.check(60)
    60
    >>> window.check("60")
    Traceback (most recent call last):
    lib.errors.ParameterError: `window` must be an integer from 2 to 500. \
Received: window='60'
    """

    name: str
    default: int | float | bool | str
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    series: bool = False

    @property
    def accepts(self):
        """What the parameter accepts, in words."""
        if self.series:
            return f"a shipped series ({', '.join(_shipped())}) or the path of a CSV file"
        if self.choices:
            return "one of " + ", ".join(map(repr, self.choices))
        bounds = "" if self.minimum is None else f" from {self.minimum} to {self.maximum}"
        return KINDS[type(self.default)][1] + bounds

    def check(self, value):
        """Return `value` in the parameter's type.

        Raises
        ------
        ParameterError
            If the type is another (a whole number is fine where any number is meant), or the
            value is not finite, out of range, not among the choices, or not a file.
        """
        kind = type(self.default)
        # To Python, True is an integer; to a reader of "window=True", it is a mistake.
        has_type = isinstance(value, KINDS[kind][0]) and isinstance(value, bool) <= (kind is bool)
        if not (has_type and self._is_allowed(value)):
            raise ParameterError(
                f"`{self.name}` must be {self.accepts}. Received: {self.name}={value!r}"
            )
        return kind(value)

    def parse(self, text):
        """Return the value that `text` from a command line stands for, checked.

        Numbers are read as Python reads them and nothing is guessed: `3.0` is not an integer, and
        `true` is only a word.

        Examples
        --------
        >>> find("05_sp500_comparison", "window").parse("60")
        60
        """
        if isinstance(self.default, str):
            return self.check(text)
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            value = text
        return self.check(value)

    def _is_allowed(self, value):
        if self.series:
            return value in _shipped() or os.path.isfile(value)
        if self.choices:
            return value in self.choices
        # Neither NaN nor an infinity lies between two finite bounds.
        return self.minimum is None or bool(self.minimum <= value <= self.maximum)


def _shipped():
    """Names of the series in the catalogue; pandas is imported only now that they are needed."""
    from lib import data

    return [name for name in data.catalogue()["name"] if not name.endswith("_events")]


class Settings(SimpleNamespace):
    """The checked values of one run, as attributes; `changed` are those that are no default."""

    def __init__(self, values, known):
        super().__init__(**values)
        self.changed = {name: v for name, v in values.items() if v != known[name].default}

    @property
    def is_default(self):
        """Whether every value is the default, so that stored numbers must come out again."""
        return not self.changed


@cache
def specifications():
    """Return what `notebooks/parameters.toml` says: notebook -> name -> `Parameter`."""
    path = notebooks.COURSE / "parameters.toml"
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    shared = tables.pop("shared")
    return {
        notebook: {
            name: Parameter(name, **shared.get(name, {}) | own) for name, own in table.items()
        }
        for notebook, table in tables.items()
    }


def specification(notebook):
    """Return the parameters of a notebook, as a dict from name to `Parameter`.

    Examples
    --------
    >>> specification("06_sp500_returns")["seeds"].default
    5
    """
    return specifications().get(notebook, {})


def find(notebook, name):
    """Return the parameter `name` of a notebook; a ParameterError says which there are.

    Examples
    --------
    >>> find("05_sp500_comparison", "windw")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    lib.errors.ParameterError: `windw` is not a parameter of 05_sp500_comparison. \
Did you mean 'window'? There are: csv, ...
    """
    known = specification(notebook)
    if name in known:
        return known[name]
    message = f"`{name}` is not a parameter of {notebook}.{did_you_mean(name, known)}"
    raise ParameterError(f"{message} There are: {', '.join(known) or 'none'}.")


def check(notebook, namespace):
    """Return the `Settings` that a notebook, named without `.ipynb`, is about to use.

    `namespace` is its `globals()`, just after its parameters cell.

    Raises
    ------
    ParameterError
        For a name that papermill was given and the notebook does not know, a parameter that
        the cell does not define, a value that is not accepted, or a notebook that has no
        specification.

    Examples
    --------
    >>> known = specification("05_sp500_comparison")
    >>> cell = {name: parameter.default for name, parameter in known.items()}
    >>> check("05_sp500_comparison", {**cell, "window": 60}).changed
    {'window': 60}
    """
    if notebook not in specifications():
        raise ParameterError(
            f"`notebook` must be one of {', '.join(specifications())}. "
            f"Received: notebook={notebook!r}"
        )
    for name in _injected(namespace.get("In", ())):
        find(notebook, name)
    known = specification(notebook)
    if missing := known.keys() - namespace.keys():
        raise ParameterError(f"`{min(missing)}` is missing in the parameters cell of {notebook}.")
    return Settings({name: one.check(namespace[name]) for name, one in known.items()}, known)


def _injected(history):
    """Names that papermill assigned in the cell executed just before the current one.

    papermill itself only logs a warning for a name it does not know. It writes its cell right
    after the parameters cell, under a comment of its own. Older cells do not count: a learner who
    runs this one again, with other variables around, gets no error.
    """
    if len(history) < 2 or not history[-2].startswith("# Parameters\n"):
        return []
    targets = [node.targets[0].id for node in ast.parse(history[-2]).body]
    # papermill --inject-paths adds these two on request.
    return [name for name in targets if not name.startswith("PAPERMILL_")]
