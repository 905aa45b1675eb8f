"""The check that most functions need: a whole number, and within its bounds."""

import operator


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
        If it is no integer or out of range.

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
