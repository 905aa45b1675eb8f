"""What a cell of a table means, the same for a whole file and for a row that has just come."""

import re

import pandas as pd

# The marks that pandas takes for "no reading", in the ways of writing that are common.
_ERRORS = "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?", "#NULL!"  # of a spreadsheet
_MARKS = "na", "n/a", "#n/a", "#na", "#n/a n/a", "<na>", "nan", "-nan", "null", "none", "1.#qnan"
MISSING = frozenset(
    {"", "-", "--", "---", "NaN", "-NaN", *_ERRORS, *_MARKS}
    | {*map(str.upper, _MARKS), *map(str.capitalize, _MARKS)}
)
# Written around a number, they do not change it; and signs that look like those of a keyboard.
_AROUND = re.compile(r"^([-+\u2212]?)\s*[$€£¥]?\s*([-+\u2212]?)(.*?)\s*[$€£¥%]?$", re.S)
ODD = "[$€£¥%\u2212\u2019\u00a0\u202f]"  # what `bare` takes away
_LIKE = str.maketrans({"\u2212": "-", "\u2019": "'", "\u00a0": " ", "\u202f": " "})
TRUTH = {"true": 1.0, "false": 0.0}
LARGEST = 1e100  # no reading of any sensor; scaled and squared it would still be a number
SIGNS = (None, *",. '_")  # between thousands


def checked_separator(separator, *others):
    r"""Return a separator as one character, or as one of `others`; blanks in a row count as one.

    Examples
    --------
    >>> checked_separator("tab")
    '\t'
    """
    sep = {"tab": "\t", "space": " "}.get(separator, separator)
    one = isinstance(sep, str) and len(sep) == 1 and sep.isascii() and sep not in '"\r\n'
    if not one and sep not in others:
        what = "one character, 'tab', 'space'" + (" or 'auto'" if others else "")
        raise ValueError(f"`separator` must be {what}. Received: {separator=}.")
    return sep


def checked_signs(decimal, thousands, *others):
    """Return the decimal sign, which may be one of `others`, and that between thousands."""
    thousands = thousands.translate(_LIKE) if isinstance(thousands, str) else thousands
    if decimal not in (".", ",", *others):
        what = "'.', ',' or 'auto'" if others else "'.' or ','"
        raise ValueError(f"`decimal` must be {what}. Received: {decimal=}")
    if thousands not in SIGNS or thousands == decimal:
        rule = "one of , . ' _ or a blank, and not `decimal`"
        raise ValueError(f"`thousands` must be {rule}. Received: {thousands=}, {decimal=}")
    return decimal, thousands


def number_pattern(decimal=".", thousands=None):
    """Return a regular expression of the numbers that are written with these signs.

    Examples
    --------
    >>> bool(re.fullmatch(number_pattern(",", "."), "-1.234,5e3"))
    True
    """
    whole = "[0-9]+"
    if thousands:
        whole = rf"(?:[0-9]{{1,3}}(?:[{thousands}][0-9]{{3}})+|[0-9]+)"
    return rf"[-+]?(?:{whole}(?:[{decimal}][0-9]*)?|[{decimal}][0-9]+)(?:[eE][-+]?[0-9]+)?"


def numbers_of(marks):
    """Return those marks for "no reading" that are numbers, such as -999, as numbers.

    Examples
    --------
    >>> numbers_of(["?", "-999"])
    {-999.0}
    """
    return {float(mark) for mark in marks if re.fullmatch(number_pattern(), mark)}


def plain(cells, decimal, thousands):
    """Return a cell, or the `str` of a column of cells, with a decimal point and nothing else.

    Examples
    --------
    >>> plain("1.234,5", ",", ".")
    '1234.5'
    """
    cells = cells.replace(thousands, "") if thousands else cells
    return cells.replace(decimal, ".") if decimal != "." else cells


def bare(cell):
    """Return a cell without a sign of a currency or of percent, in the signs of a keyboard.

    Examples
    --------
    >>> bare("-$1.5"), bare("35 %"), bare("\u22125"), bare("x")
    ('-1.5', '35', '-5', 'x')
    """
    return _AROUND.sub(r"\1\2\3", cell).translate(_LIKE) if re.search(ODD, cell) else cell


def numeric(values):
    """Return a column as numbers, NaN where a cell is none.

    Examples
    --------
    >>> numeric(pd.Series(["1", "x"])).tolist()
    [1.0, nan]
    """
    try:
        return pd.to_numeric(values, errors="coerce")
    except OverflowError:  # of an integer beyond 1e308
        return pd.to_numeric(values.where(values.astype("str").str.len() < 300), errors="coerce")


def listed(names, known=()):
    """Return names as a list; commas part them, but for those within a name that is known.

    Examples
    --------
    >>> listed("Temp, °C,wind", known=["Temp, °C", "wind"])
    ['Temp, °C', 'wind']
    """
    if not isinstance(names, str):
        return [str(name).strip() for name in names or ()]
    parts, found = names.split(","), []
    while parts:
        ends = range(len(parts), 1, -1)
        end = next((end for end in ends if ",".join(parts[:end]).strip() in known), 1)
        found.append(",".join(parts[:end]).strip())
        parts = parts[end:]
    return [name for name in found if name]
