"""The UCR anomaly archive: its series by name, read straight out of the archive's zip file."""

import functools
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from lib.data import downloads
from lib.errors import DataError

ENTRY = "ucr_archive"  # in data/downloads.toml
NAME = re.compile(r"(\d{3})_UCR_Anomaly_(DISTORTED|NOISE)?(.+)_(\d+)_(\d+)_(\d+)\.txt$")


def archive():
    """Return the place of the zip file: $LIB_UCR_ARCHIVE, or where `fetch ucr` puts it.

    Any zip file whose members have the archive's own names will do, also one with a part of them.
    """
    named = os.environ.get("LIB_UCR_ARCHIVE")
    return Path(named) if named else downloads.folder() / downloads.entries()[ENTRY]["file"]


def series():
    """List the series in the archive.

    Returns
    -------
    DataFrame
        Index `name`, such as "ucr_135". `file`, in the zip file; `title`, the archive's own name of
        the series; `source`, the recording that it was made from, which DISTORTED…, NOISE… and
        plain series share; `family` of sources of one animal, plant or machine, whose names differ
        in their numbers alone; `train_rows`; `first` and `last` anomalous row, counted from 1.
        Empty if there is no archive.

    Raises
    ------
    DataError
        If the file is no zip file, or holds no such series.
    """
    path = archive()
    if path.exists():
        return _series(path, path.stat().st_mtime_ns)
    columns = ("file", "title", "source", "family", "train_rows", "first", "last")
    return pd.DataFrame(columns=columns, index=pd.Index([], name="name"))


def read(name):
    """Read a series of the archive.

    Parameters
    ----------
    name : str
        Of the index of `series`.

    Returns
    -------
    DataFrame of n_times rows
        `value` and `anomaly`, index `step`; `attrs` as `lib.data.catalogue.load` describes them,
        with `source` and `family`.

    Raises
    ------
    DataError
        If its numbers cannot be read.
    """
    one = series().loc[name]
    try:
        with zipfile.ZipFile(archive()) as opened:
            values = np.array(opened.read(one["file"]).split(), dtype=float)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{archive()} must hold the archive whole. Received: {error}") from error
    steps = pd.RangeIndex(len(values), name="step")
    anomaly = (steps >= one["first"] - 1) & (steps < one["last"])
    frame = pd.DataFrame({"value": values, "anomaly": anomaly}, steps)
    known = downloads.entries()[ENTRY]
    frame.attrs = {
        **{"name": name, "rows": len(frame), "train_rows": int(one["train_rows"])},
        **{key: one[key] for key in ("title", "source", "family")},
        **{key: known[key] for key in ("unit", "licence", "citation")},
    }
    return frame


@functools.lru_cache(maxsize=2)
def _series(path, changed):
    """The listing of an archive, read once for each state of the file."""
    try:
        with zipfile.ZipFile(path) as opened:
            found = {file: NAME.search(file) for file in opened.namelist()}
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} must be the archive's zip file. Received: {error}") from error
    rows = [_row(file, match) for file, match in found.items() if match]
    if not rows:
        raise DataError(
            f"{path} must hold series named as in the UCR archive, "
            f"NNN_UCR_Anomaly_…_<train>_<first>_<last>.txt. Received: {len(found)} other files"
        )
    return pd.DataFrame(rows).set_index("name").sort_index()


def _row(file, match):
    number, made, source, *sizes = match.groups()
    train_rows, first, last = map(int, sizes)
    return {
        "name": f"ucr_{number}",
        "file": file,
        "title": f"UCR anomaly archive {number}, {made or ''}{source}",
        "source": source,
        "family": re.sub(r"\d+", "", source),
        "train_rows": train_rows,
        "first": first,
        "last": last,
    }
