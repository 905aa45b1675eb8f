"""Refusals: the one form of a sentence that says what is wrong with a file."""

import numpy as np

from lib.errors import DataError


def refuse(what, rule, received, hint=""):
    """Raise a DataError in the form that all of them share.

    Examples
    --------
    >>> refuse("a.csv", "have at least 2 rows", 1)
    Traceback (most recent call last):
    lib.errors.DataError: a.csv must have at least 2 rows. Received: 1.
    """
    raise DataError(f"{what} must {rule}. Received: {received}.{hint}")


def refuse_rows(bad, values, path, rule, hint=""):
    """Raise an error about the first of the rows marked in `bad`, if there are any."""
    bad = np.asarray(bad)
    if bad.any():
        first, more = int(bad.argmax()), int(bad.sum()) - 1
        also = f" and in {more} more" if more else ""
        # The index counts lines of the file, also where rows have been left out.
        what = f"{shown(values.iloc[first])} in line {values.index[first] + 2}{also}"
        refuse(f"{path}: column {values.name!r}", rule, what, hint)


def shown(cell):
    """Return a cell as it stands in the file, in quotes if it is text."""
    return repr(cell[:60]) if isinstance(cell, str) else str(cell)


def quoted(names):
    """Return a list of names as part of a sentence, not longer than one can read."""
    shown = ", ".join(map(repr, names[:20]))
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")
