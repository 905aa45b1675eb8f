"""The check between a notebook and the values it was given.

A value may come from `python -m lib run 05 -p window 60`, from a plain
`papermill … -p window 60`, or from a learner who edits the cell in JupyterLab. All three end
in `Parameter.check`, before anything is trained, so all three get the same words.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from lib.course.specifications import SPECIFICATIONS
from lib.errors import ParameterError, did_you_mean


@dataclass(frozen=True)
class Settings:
    """The checked values of one run, as attributes.

    Examples
    --------
    >>> settings = Settings({"window": 60}, {"window": 30})
    >>> settings.window, settings.is_default, settings.changed
    (60, False, {'window': 60})
    """

    values: Mapping
    defaults: Mapping

    def __getattr__(self, name):
        """Return the value of the parameter `name`."""
        # Not self.values: while an object is being copied, that attribute does not exist yet.
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(f"there is no parameter `{name}`") from None

    @property
    def changed(self):
        """The values that differ from their defaults."""
        return {name: v for name, v in self.values.items() if v != self.defaults[name]}

    @property
    def is_default(self):
        """Whether every value is the default, so that stored numbers must come out again."""
        return not self.changed


def specification(notebook):
    """Return the parameters of a notebook, as a dict from name to `Parameter`.

    Examples
    --------
    >>> specification("06_sp500_returns")["seeds"].default
    5
    """
    return {parameter.name: parameter for parameter in SPECIFICATIONS.get(notebook, ())}


def find(notebook, name):
    """Return the parameter `name` of a notebook.

    Raises
    ------
    ParameterError
        If the notebook has no parameter of that name.

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
    """Check the parameters that a notebook is about to use.

    Parameters
    ----------
    notebook : str
        Name of the notebook, without `.ipynb`.
    namespace : dict
        The notebook's `globals()`, just after its parameters cell.

    Returns
    -------
    Settings
        The values, in the types of the specification.

    Raises
    ------
    ParameterError
        For a name that papermill was given and the notebook does not know, a parameter that
        the cell does not define, a value that is not accepted, or a notebook that has no
        specification.

    Examples
    --------
    >>> cell = {p.name: p.default for p in SPECIFICATIONS["05_sp500_comparison"]}
    >>> check("05_sp500_comparison", {**cell, "window": 60}).changed
    {'window': 60}
    """
    if notebook not in SPECIFICATIONS:
        raise ParameterError(
            f"`notebook` must be one of {', '.join(SPECIFICATIONS)}. "
            f"Received: notebook={notebook!r}"
        )
    for name in _injected(namespace.get("In", ())):
        find(notebook, name)
    values = {}
    for name, parameter in specification(notebook).items():
        if name not in namespace:
            raise ParameterError(f"`{name}` is missing in the parameters cell of {notebook}.")
        values[name] = parameter.check(namespace[name])
    return Settings(values, {name: p.default for name, p in specification(notebook).items()})


def _injected(history):
    """Names that papermill assigned in the cell executed just before the current one.

    papermill itself only logs a warning for a name it does not know. It writes its cell right
    after the parameters cell, under a comment of its own; an older cell is none of our business,
    so a learner who comes back to this one with a hundred variables around is left in peace.
    """
    if len(history) < 2 or not history[-2].startswith("# Parameters\n"):
        return []
    targets = [node.targets[0].id for node in ast.parse(history[-2]).body]
    # papermill --inject-paths adds these two on request.
    return [name for name in targets if not name.startswith("PAPERMILL_")]
