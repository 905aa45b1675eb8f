"""The error classes, and the checks that every module shares."""

import contextlib
import difflib
import importlib.util
import math
import operator
import os
import sys

TRAINERS = ("keras", "numpy")
BACKENDS = ("tensorflow", "jax", "torch")
# What each needs. Keras's NumPy scores and cannot train, and takes its convolutions from JAX.
NEEDS = {**{name: name for name in BACKENDS}, "numpy": "jax"}


class DataError(ValueError):
    """A file that cannot serve as a time series; the message says why in one sentence."""


class ParameterError(ValueError):
    """A parameter has an unknown name or an unusable value."""


class DetectorError(ValueError):
    """A folder that is not a detector, or that cannot be read; the message says why."""


def did_you_mean(word, options):
    """Return " Did you mean 'x'?" for the option nearest to `word`, or an empty string.

    Examples
    --------
    >>> did_you_mean("sp50", ["sp500", "nasdaq"])
    " Did you mean 'sp500'?"
    """
    near = difflib.get_close_matches(str(word), [str(option) for option in options], n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def whole(name, number, low=1, high=None):
    """Return an integer as an `int`, or refuse the argument by its name.

    Any kind of integer from `low` to `high` will do, both included, NumPy's too. To Python, True is
    an integer; to a reader of `window=True`, it is a mistake.

    Examples
    --------
    >>> whole("window", 30)
    30
    >>> whole("window", 30.0)
    Traceback (most recent call last):
    ValueError: `window` must be a positive integer. Received: window=30.0
    >>> whole("window", 1, 2, 500)
    Traceback (most recent call last):
    ValueError: `window` must be an integer from 2 to 500. Received: window=1
    """
    try:
        value = operator.index(number)
    except TypeError:
        value = None
    highest = math.inf if high is None else high
    if value is None or isinstance(number, bool) or not low <= value <= highest:
        bounds = f"of at least {low}" if high is None else f"from {low} to {high}"
        kind = "a positive integer" if (low, high) == (1, None) else f"an integer {bounds}"
        raise ValueError(f"`{name}` must be {kind}. Received: {name}={number!r}")
    return value


def choice(name, value, choices):
    """Refuse the value of an argument, by its name, that is not among the words accepted.

    Examples
    --------
    >>> choice("form", "levels", ("levels", "returns"))
    >>> choice("rule", "mod", ("mad", "fixed"))
    Traceback (most recent call last):
    ValueError: `rule` must be one of mad, fixed. Received: rule='mod'. Did you mean 'mad'?
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(choices)}. "
            f"Received: {name}={value!r}.{did_you_mean(value, choices)}"
        )


def status(path):
    """Return what `path.stat()` says of a file, or None if there is none of that name.

    Any other OSError is raised, such as that of a loop of links or of a name that is too long.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return path.stat()


def trainer(asked=None):
    """Return who computes the gradients and steps of training: "keras" or "numpy".

    Unless asked for, it is what the environment variable `LIB_TRAINER` says, else "keras".

    Examples
    --------
    >>> trainer("numpy")
    'numpy'
    >>> trainer("nunpy")
    Traceback (most recent call last):
    lib.errors.ParameterError: `trainer` must be one of keras, numpy. Received: trainer='nunpy'
    """
    name = "LIB_TRAINER" if asked is None else "trainer"
    chosen = os.environ.get("LIB_TRAINER", "keras") if asked is None else asked
    if chosen not in TRAINERS:
        raise ParameterError(
            f"`{name}` must be one of {', '.join(TRAINERS)}. Received: {name}={chosen!r}"
        )
    return chosen


def check_backend(name):
    """Check that a backend is one of Keras's that serve this course, and that it is installed.

    A `ModuleNotFoundError` holds the command that installs the missing package.

    Examples
    --------
    >>> check_backend("tensorflow")
    >>> check_backend("jux")
    Traceback (most recent call last):
    lib.errors.ParameterError: `KERAS_BACKEND` must be tensorflow, jax, torch or numpy. \
Received: jux
    """
    if name not in NEEDS:
        known = f"{', '.join(BACKENDS)} or numpy"
        raise ParameterError(f"`KERAS_BACKEND` must be {known}. Received: {name}")
    if importlib.util.find_spec(NEEDS[name]) is None:
        raise ModuleNotFoundError(
            f"`KERAS_BACKEND` must be a backend that is installed. Received: {name}, without the "
            f"package {NEEDS[name]}. Try: {sys.executable} -m pip install -c constraints.txt -e "
            f'".[{NEEDS[name]}]"',
            name=NEEDS[name],
        )
