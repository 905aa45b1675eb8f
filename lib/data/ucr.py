"""The UCR anomaly archive: its series by name, read out of the archive's zip."""

import functools
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from lib.data import downloads

NAME = re.compile(r"(\d{3})_UCR_Anomaly_((?:DISTORTED|NOISE)?)(.+)_(\d+)_(\d+)_(\d+)\.txt$")


def archive():
    return Path(os.environ.get("LIB_UCR_ARCHIVE") or downloads.folder() / "ucr_archive.zip")


def series():
    path = archive()
    return _series(path) if path.exists() else pd.DataFrame(columns=["source", "family"])


@functools.lru_cache
def _series(path):
    rows = []
    for file in zipfile.ZipFile(path).namelist():
        found = NAME.search(file)
        number, kind, source, *sizes = found.groups()
        train_rows, first, last = map(int, sizes)
        rows.append(
            {
                "name": f"ucr_{number}",
                "file": file,
                "title": kind + source,
                "source": source,
                "family": re.sub(r"\d+", "", source),
                "train_rows": train_rows,
                "first": first,
                "last": last,
            }
        )
    return pd.DataFrame(rows).set_index("name").sort_index()


def read(name):
    one = series().loc[name]
    text = zipfile.ZipFile(archive()).read(one["file"])
    values = np.array(text.split(), dtype=float)
    steps = pd.RangeIndex(len(values), name="step")
    anomaly = (steps >= one["first"] - 1) & (steps < one["last"])
    frame = pd.DataFrame({"value": values, "anomaly": anomaly}, steps)
    frame.attrs = {"name": name, "train_rows": int(one["train_rows"])}
    return frame
