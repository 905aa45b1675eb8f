"""A detector as a folder: readable JSON and a file of weights, replaced in one step.

The folder holds `detector.json` and `model.keras`, the latter in Keras's own format. Reading
runs no code from it: no pickle, and no configuration of `model.keras` is ever looked at. The
network is built anew from the recipe in the JSON, and only weights are filled in.
"""

import hashlib
import json
import os
import shutil
import uuid
from pathlib import Path

from lib.errors import DetectorError

FORMAT, VERSION = "lstm-autoencoder-course/detector", 2  # 1: without preprocessing
JSON, MODEL = "detector.json", "model.keras"
MAX_JSON_BYTES = 10_000_000


def save(folder, header, write_model):
    """Write a detector's folder under a temporary name, then move it into place.

    Whatever goes wrong, the folder that was there before stays whole. If the process is killed
    between the two moves, it stays as `.<name>.previous` beside the folder, where `read` finds it.

    Parameters
    ----------
    folder : str or pathlib.Path
        New, empty, or a detector's folder, which is replaced.
    header : dict
        What goes into the JSON, besides format, version and checksum.
    write_model : callable
        Called with the path of the model's file.

    Raises
    ------
    DetectorError
        If the folder holds anything but a detector: it might be precious.
    OSError
        If it cannot be written.
    """
    folder = Path(folder).expanduser().resolve()
    check_replaceable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        temporary.mkdir()
        write_model(temporary / MODEL)
        model = {"file": MODEL, "sha256": _sha256(temporary / MODEL)}
        header = {"format": FORMAT, "version": VERSION, **header, "model": model}
        text = json.dumps(header, indent=1, ensure_ascii=False, allow_nan=False)
        (temporary / JSON).write_text(text + "\n", encoding="utf-8")
        _flush(temporary)
        _move(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def read(folder):
    """Read a detector's folder as far as text and checksum go.

    Parameters
    ----------
    folder : str or pathlib.Path

    Returns
    -------
    header : dict
        What the JSON holds.
    model : pathlib.Path
        The file with the weights, proved by its SHA-256 to be the one that was written.

    Raises
    ------
    DetectorError
        If it does not exist, is damaged, foreign, or written by a newer version.
    """
    folder = Path(folder).expanduser().resolve()
    if not folder.exists() and _previous(folder).exists():
        folder = _previous(folder)
    if not folder.is_dir():
        refuse(folder, "a file" if folder.exists() else "nothing at that place")
    header = _read_json(folder)
    model = folder / MODEL
    expected = header.get("model")
    if not isinstance(expected, dict) or expected.get("file") != MODEL or not model.is_file():
        refuse(folder, f"no {MODEL} beside {JSON}")
    if _sha256(model) != expected.get("sha256"):
        refuse(folder, f"a damaged {MODEL}: its SHA-256 is not the one in {JSON}")
    return header, model


def refuse(folder, what):
    """Raise a DetectorError in the form that all of them share.

    Examples
    --------
    >>> refuse("here", "a file")
    Traceback (most recent call last):
    lib.errors.DetectorError: here must be a folder that `Detector.save` wrote. Received: a file.
    """
    raise DetectorError(f"{folder} must be a folder that `Detector.save` wrote. Received: {what}.")


def _read_json(folder):
    """Return the content of the JSON, sure to be of this format and version."""
    path = folder / JSON
    if not path.is_file():
        refuse(folder, f"a folder without {JSON}")
    if path.stat().st_size > MAX_JSON_BYTES:
        refuse(folder, f"a {JSON} of over {MAX_JSON_BYTES:,} bytes")
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        refuse(folder, f"a damaged {JSON} ({error})")
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        refuse(folder, f"a {JSON} of another format")
    version = header.get("version")
    if not isinstance(version, int) or version < 1:
        refuse(folder, f"a damaged {JSON} (version={version!r})")
    if version > VERSION:
        refuse(folder, f"version {version}, newer than {VERSION}, the last this one can read")
    return header


def check_replaceable(folder):
    """Check that nothing but a detector, or nothing at all, would be replaced.

    Parameters
    ----------
    folder : str or pathlib.Path

    Raises
    ------
    DetectorError
        If it is a file, or holds anything but a detector.
    """
    folder = Path(folder).expanduser().resolve()
    for existing in (folder, _previous(folder)):
        if existing.exists():
            _check_content(existing)


def _check_content(folder):
    if not folder.is_dir():
        raise DetectorError(f"`folder` must not be a file. Received: {folder}")
    names = sorted(path.name for path in folder.iterdir())
    if not names:
        return
    if not set(names) <= {JSON, MODEL}:
        other = next(name for name in names if name not in {JSON, MODEL})
        raise DetectorError(
            f"`folder` must be new, empty, or hold nothing but a detector, which is replaced. "
            f"Received: {folder} with {other!r} in it"
        )
    _read_json(folder)


def _move(temporary, folder):
    """Put the new folder in the old one's place, or the old one back."""
    previous = _previous(folder)
    try:
        if folder.exists():
            shutil.rmtree(previous, ignore_errors=True)
            os.rename(folder, previous)
        os.rename(temporary, folder)
    except BaseException:
        if previous.exists() and not folder.exists():
            os.rename(previous, folder)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def _previous(folder):
    return folder.with_name(f".{folder.name}.previous")


def _flush(folder):
    """Make sure that the files are on the disk before the old ones go."""
    for path in folder.iterdir():
        with open(path, "r+b") as file:
            os.fsync(file.fileno())


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
