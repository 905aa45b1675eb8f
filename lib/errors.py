"""The error classes, and the checks that every module shares."""

import difflib
import operator
import os

TRAINERS = ("keras", "numpy")


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
    """Return a whole number as an `int`, or say which argument is none.

    Parameters
    ----------
    name : str
        Of the argument, for the error.
    number : object
        Any kind of integer will do, NumPy's too. To Python, True is an integer; to a reader of
        `window=True`, it is a mistake.
    low, high : int
        Accepted range, both ends included; no upper end if `high` is None.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If it is not an integer, or out of range.

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
    too_large = high is not None and value is not None and value > high
    if value is None or isinstance(number, bool) or value < low or too_large:
        bounds = f"of at least {low}" if high is None else f"from {low} to {high}"
        kind = "a positive integer" if (low, high) == (1, None) else f"an integer {bounds}"
        raise ValueError(f"`{name}` must be {kind}. Received: {name}={number!r}")
    return value


def choice(name, value, choices):
    """Refuse a word that is not among those accepted.

    Parameters
    ----------
    name : str
        Of the argument, for the error.
    value : object
    choices : iterable of str

    Raises
    ------
    ValueError
        If it is not one of them.

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


def trainer(asked=None):
    """Return who computes the gradients and steps of training.

    Parameters
    ----------
    asked : {"keras", "numpy"}, optional
        Default: what the environment variable `LIB_TRAINER` says, else "keras".

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If there is no such trainer.

    Examples
    --------
    >>> trainer("numpy")
    'numpy'
    >>> trainer("nunpy")
    Traceback (most recent call last):
    ValueError: `trainer` must be one of keras, numpy. Received: trainer='nunpy'
    """
    name = "LIB_TRAINER" if asked is None else "trainer"
    chosen = os.environ.get("LIB_TRAINER", "keras") if asked is None else asked
    if chosen not in TRAINERS:
        raise ValueError(
            f"`{name}` must be one of {', '.join(TRAINERS)}. Received: {name}={chosen!r}"
        )
    return chosen
