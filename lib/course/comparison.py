"""Outputs of a cell, compared with the stored ones within the tolerance in the cell's metadata.

nbval compares strictly. Numbers of trained networks move a little between processors; a cell that
prints them states in its metadata by how much: `"tolerance": 0.1` is a tenth of each number.
"""

import re
from decimal import Decimal

# A number as Python and pandas print it: sign, thousands, decimals, exponent.
NUMBER = re.compile(r"(?<![\w.])[-−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


def agree(printed, stored, tolerance):
    """Return whether two printed texts differ in nothing but numbers within a tolerance.

    It is a share of the stored number. One unit of the last printed digit is allowed as well,
    because both are rounded.

    Examples
    --------
    >>> agree("loss 0.52, 101 flags", "loss 0.50, 99 flags", tolerance=0.05)
    True
    >>> agree("loss 0.60, 101 flags", "loss 0.50, 99 flags", tolerance=0.05)
    False
    >>> agree("gain 0.50, 101 flags", "loss 0.50, 99 flags", tolerance=0.05)
    False
    """
    if _words(printed) != _words(stored):
        return False
    pairs = zip(NUMBER.findall(printed), NUMBER.findall(stored), strict=True)
    return all(_close(one, other, tolerance) for one, other in pairs)


def _words(text):
    """Everything but the numbers; widths of columns follow the numbers, so blanks count once."""
    return re.sub(r"\s+|-{2,}", " ", NUMBER.sub(" # ", text)).split()


def _close(printed, stored, tolerance):
    one, other = (
        Decimal(number.replace(",", "").replace("−", "-")) for number in (printed, stored)
    )
    unit = 10.0 ** other.as_tuple().exponent  # of the last printed digit
    return abs(float(one - other)) <= (tolerance * abs(float(other)) + unit) * (1 + 1e-9)


def with_tolerance(compare_outputs):
    """Return the method with which nbval compares a cell, made to respect the cell's tolerance."""

    def compare(cell, test, ref, skip_compare=None):
        tolerance = cell.cell.metadata.get("tolerance", 0)
        if tolerance and len(test) == len(ref):
            for one, other in zip(test, ref, strict=True):
                _take_over(one, other, tolerance)
                _take_over(one.get("data", {}), other.get("data", {}), tolerance)
        return compare_outputs(cell, test, ref, skip_compare)

    return compare


def _take_over(printed, stored, tolerance):
    """Replace each printed text that agrees with the stored one by it."""
    for key in printed.keys() & stored.keys():
        if isinstance(stored[key], str) and agree(printed[key], stored[key], tolerance):
            printed[key] = stored[key]
