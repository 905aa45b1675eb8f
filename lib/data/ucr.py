"""The UCR anomaly archive: every series of it, read out of one zip by the name `ucr_NNN`."""

import functools
import lzma
import os
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from lib.data import downloads
from lib.errors import DataError, did_you_mean

FILE = re.compile(r"(?P<number>\d{3})_UCR_Anomaly_(?P<title>.+)_(\d+)_(\d+)_(\d+)\.txt")
DAMAGE = (OSError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
COLUMNS = ("file", "title", "source", "family", "train_rows", "first", "last")


def archive():
    """Return the path of the archive, which may be missing.

    It is what the environment variable `LIB_UCR_ARCHIVE` names, or else `ucr_archive.zip` in
    `lib.data.downloads.folder()`. A zip with only some of the series will do as well.
    """
    named = os.environ.get("LIB_UCR_ARCHIVE")
    return Path(named) if named else downloads.folder() / "ucr_archive.zip"


def described(file):
    """Return what the name of a file of the archive says.

    Parameters
    ----------
    file : str
        `NNN_UCR_Anomaly_<title>_<training rows>_<first>_<last>.txt`, in any folder.

    Returns
    -------
    dict
        `title`; `source`, the recording: the series' name without DISTORTED or NOISE, by which
        altered copies are known; `family` of sources whose names differ in their numbers alone,
        as those of one animal, patient, plant or machine do; `train_rows`; `first` and `last` row
        of the anomaly, counted from 1. Empty if the file has another name.

    Examples
    --------
    >>> described("113_UCR_Anomaly_CIMIS44AirTemperature1_4000_5391_5392.txt")["family"]
    'CIMISAirTemperature'
    >>> one = described("any/001_UCR_Anomaly_DISTORTED1sddb40_35000_52000_52620.txt")
    >>> one["source"], one["family"], one["first"]
    ('1sddb40', 'sddb', 52000)
    """
    found = FILE.fullmatch(file.rpartition("/")[2])
    if not found:
        return {}
    title = f"UCR anomaly archive {found['number']}, {found['title']}"
    source = re.sub("^(DISTORTED|NOISE)", "", found["title"])
    family = re.sub(r"\d+", "", source)
    numbers = zip(("train_rows", "first", "last"), map(int, found.groups()[2:]), strict=True)
    return {"title": title, "source": source, "family": family, **dict(numbers)}


def series():
    """List the series in the archive that is here, in a frame that is indexed by `ucr_NNN`.

    Its columns are `file` (inside the zip) and what `described` returns; it is empty if there is
    no archive. A DataError says that the file is not a zip, or holds no series of the archive.
    """
    path = archive()
    if path.is_file():
        return _series(path, path.stat().st_mtime_ns, path.stat().st_size).copy()
    return pd.DataFrame(columns=COLUMNS, index=pd.Index([], name="name"))


@functools.lru_cache(maxsize=4)
def _series(path, _changed, _size):
    """List what is in a zip, once for each state of the file."""
    try:
        with zipfile.ZipFile(path) as opened:
            files = opened.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} must be a zip of the UCR archive. Received: {error}.") from error
    rows = {f"ucr_{file.rpartition('/')[2][:3]}": {"file": file, **described(file)}
            for file in files if described(file)}  # fmt: skip
    if not rows:
        what = f"{len(files)} other files"
        rule = "must hold files such as 001_UCR_Anomaly_DISTORTED1sddb40_35000_52000_52620.txt"
        raise DataError(f"{path} {rule}. Received: {what}.")
    return pd.DataFrame.from_dict(rows, orient="index").sort_index().rename_axis("name")


def read(name):
    """Read a series of the archive: its own file if that has been fetched, or out of the zip.

    Parameters
    ----------
    name : str
        "ucr_001" to "ucr_250".

    Returns
    -------
    pandas.DataFrame
        `value` and `anomaly`, indexed by row ("step"). `attrs` holds `title`, `source`, `family`
        and `train_rows` beside what `lib.data.catalogue.load` names.

    Raises
    ------
    FileNotFoundError
        If it has not been fetched; the message has the command that fetches it.
    ValueError
        If the archive holds no series of that name.
    DataError
        If the archive is damaged or another file.
    """
    single = downloads.entries().get(name)
    files = sorted((downloads.folder() / "ucr").glob(f"{name[4:]}_UCR_Anomaly_*.txt"))
    if single and (files or not archive().exists()):
        downloads.check(name, single)
    if files:
        return _frame(name, files[0].name, files[0].read_bytes(), files[0])
    known = series()
    if known.empty:
        raise FileNotFoundError(
            f"{name} does not ship: `python -m lib fetch ucr` fetches the UCR archive (184 MB); or "
            f"name a zip of it by the environment variable LIB_UCR_ARCHIVE. No file {archive()}."
        )
    if name not in known.index:
        raise ValueError(
            f"`name` must be one of the {len(known)} series in {archive()}, "
            f"{known.index[0]} to {known.index[-1]}. Received: name={name!r}."
            f"{did_you_mean(name, list(known.index))}"
        )
    file = known.loc[name, "file"]
    try:
        with zipfile.ZipFile(archive()) as opened:
            content = opened.read(file)
    except DAMAGE as error:
        raise DataError(f"{archive()}: {file} must be whole. Received: {error}.") from error
    return _frame(name, file, content, f"{archive()}: {file}")


def _frame(name, file, content, where):
    """Return the numbers of a file with the labels that its name holds."""
    facts = described(file)
    first, last = facts.pop("first"), facts.pop("last")
    try:
        values = np.array(content.decode("ascii").split(), dtype=float)
    except ValueError as error:
        raise DataError(f"{where} must hold numbers. Received: {error}.") from error
    if not (facts["train_rows"] < first <= last <= len(values) and np.isfinite(values).all()):
        rule = "must hold finite numbers up to the rows in its name, training rows first"
        raise DataError(f"{where} {rule}. Received: {len(values):,} numbers.")
    steps = pd.RangeIndex(len(values), name="step")
    frame = pd.DataFrame({"value": values, "anomaly": (steps >= first - 1) & (steps < last)}, steps)
    frame.attrs = {"name": name, "rows": len(values), **downloads.family("ucr"), **facts}
    return frame
