"""Series as pandas frames: those that ship, those on request, and any CSV file."""

from lib.data.catalogue import DATA_DIR, OPTIONS, catalogue, load, open_groups, open_series
from lib.data.reading import read_csv

__all__ = ["DATA_DIR", "OPTIONS", "catalogue", "load", "open_groups", "open_series", "read_csv"]
