"""A detector as a folder: readable JSON and files of numbers, replaced in one step.

The folder holds `detector.json`, for a network `model.keras` in Keras's own format, and for what
else was learned `state.npz`, plain arrays. Reading runs no code from it: no pickle, and no
configuration of `model.keras` is ever looked at. The network is built anew from the recipe in the
JSON, and only weights are filled in. Sizes are compared before anything large is read, unpacked or
built.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import time
import uuid
import zipfile
from pathlib import Path

import h5py
import numpy as np

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

from lib.errors import DetectorError, status

# Version 1 has no preprocessing, version 2 no arrays and fewer settings, version 3 no targets.
FORMAT, VERSION = "lstm-autoencoder-course/detector", 4
JSON, MODEL, STATE = "detector.json", "model.keras", "state.npz"
FILES = {JSON, MODEL, STATE}
PART = ".part"  # of a file that is being written
WEIGHTS = "model.weights.h5"  # in the model's file
MAX_JSON_BYTES, MAX_STATE_BYTES = 10_000_000, 1_000_000_000
BYTES, OVERHEAD = 4, 4_000_000  # of a number; of names, shapes and settings
ENTRY = 64  # least bytes of an entry in the weights' file
TRIES, PAUSE = 100, 0.01  # of a folder that is replaced while it is read; seconds between


def save(folder, header, files):
    """Write a detector's folder under a temporary name, then move it into place.

    Whatever goes wrong, the folder that was there before stays whole. If the process is killed
    between the two moves, it stays as `.<name>.previous` beside the folder, where `read` finds it.
    Temporary folders of savers that were killed are removed.

    Parameters
    ----------
    folder : str or pathlib.Path
        New, empty, or a detector's folder, which is replaced.
    header : dict
        What goes into the JSON, besides format, version and checksums.
    files : dict of str to callable
        `model.keras` and `state.npz`, where there are such: each is called with the file's path.

    Raises
    ------
    DetectorError
        If the folder holds anything but a detector: it might be precious.
    OSError
        If it cannot be written.
    """
    folder = _place(folder)
    check_replaceable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    temporary = _temporary(folder)
    try:
        temporary.mkdir()
        with _locked(temporary):
            for name, write in files.items():
                write(temporary / name)
            sums = {
                name.partition(".")[0]: {
                    "file": name,
                    "sha256": hashlib.sha256((temporary / name).read_bytes()).hexdigest(),
                }
                for name in files
            }
            header = {"format": FORMAT, "version": VERSION, **header, **sums}
            text = json.dumps(header, indent=1, ensure_ascii=False, allow_nan=False)
            (temporary / JSON).write_text(text + "\n", encoding="utf-8")
            _flush(temporary)
            with _locked(folder.parent, wait=True):  # two savers move one after the other
                _move(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def read(folder, parameters):
    """Read a detector's folder as far as text, sizes and checksum go.

    If it is replaced meanwhile, it is read once more: what comes back belongs together.

    Parameters
    ----------
    folder : str or pathlib.Path
    parameters : callable
        Called with the header; returns how many numbers the network has, without building it; None
        if there is no network.

    Returns
    -------
    header : dict
        What the JSON holds.
    files : dict
        `model.keras`: the bytes of the file, of a size that suits the network; `state.npz`: a dict
        of arrays. Both are proved by their SHA-256 to be what was written.

    Raises
    ------
    DetectorError
        If it does not exist, is damaged, foreign, or written by a newer version.
    """
    folder = _place(folder)
    for _ in range(TRIES):
        seen = _identity(folder)
        try:
            return _read_once(folder, parameters)
        except (DetectorError, FileNotFoundError):
            time.sleep(PAUSE)  # a saver may be between its two moves
            if _identity(folder) == seen:
                raise
    return _read_once(folder, parameters)


def _place(folder):
    """The path that somebody meant, sure to be one that a folder can have."""
    try:
        place = Path(folder).expanduser().resolve()
        status(place)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        said = f"{folder!r:.60}"
        raise DetectorError(f"`folder` must be a path. Received: {said} ({error!s:.60})") from error
    return place


def _read_once(folder, parameters):
    if not folder.exists() and _previous(folder).exists():
        folder = _previous(folder)
    if not folder.is_dir():
        refuse(folder, "a file" if folder.exists() else "nothing at that place")
    header, files = _read_json(folder), {}
    with damage_refused(folder):
        count = parameters(header)
    if count is not None:
        # Weights, and two more of each that the optimiser keeps in older files.
        sizes = BYTES * count, 3 * BYTES * count + OVERHEAD
        files[MODEL] = _checked(folder, header, MODEL, f"{count:,} parameters", *sizes)
        with damage_refused(folder):
            _check_archive(files[MODEL], sizes[1])
    if "state" in header:
        content = _checked(folder, header, STATE, "arrays", 0, MAX_STATE_BYTES)
        with damage_refused(folder):
            files[STATE] = _arrays(content)
    return header, files


def _checked(folder, header, name, what, least, most):
    """The bytes of a file beside the JSON, of a size that can be, and sure to be those written."""
    expected = header.get(name.partition(".")[0])
    is_named = isinstance(expected, dict) and expected.get("file") == name
    if not is_named or not (folder / name).is_file():
        refuse(folder, f"no {name} beside {JSON}")
    with open(folder / name, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not least <= size <= most:
            sizes = f"{size:,} bytes for {what}, which take {least:,} to {most:,}"
            refuse(folder, f"a damaged {name}: {sizes}")
        content = file.read(most)
    if hashlib.sha256(content).hexdigest() != expected.get("sha256"):
        refuse(folder, f"a damaged {name}: its SHA-256 is not the one in {JSON}")
    return content


def _arrays(content):
    """Arrays of plain numbers from the bytes of an uncompressed `.npz`."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError(f"a compressed {STATE}")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    if any(array.dtype.kind not in "fiu" for array in found.values()):
        raise ValueError(f"no plain numbers in {STATE}")
    return found


def _check_archive(model, most):
    """Check what the file declares to hold: no more than it can, and nothing kept elsewhere."""
    with zipfile.ZipFile(io.BytesIO(model)) as archive:
        declared = sum(entry.file_size for entry in archive.infolist())
        if declared > most:
            raise ValueError(f"{declared:,} bytes when unpacked, at most {most:,} expected")
        weights = archive.read(WEIGHTS)
    with h5py.File(io.BytesIO(weights), "r") as file:
        _check_group(file, most)


def _check_group(group, most):
    """Check the data sets below a group of HDF5; returns the bytes left of those allowed."""
    for name in group:
        most -= ENTRY
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"a link to elsewhere, {name!r}, in {WEIGHTS}")
        found = group[name]
        if isinstance(found, h5py.Group):
            most = _check_group(found, most)
        elif found.external or found.is_virtual or found.dtype.kind not in "fiu":
            raise ValueError(f"no plain numbers, {name!r}, in {WEIGHTS}")
        else:
            most -= found.size * found.dtype.itemsize
        if most < 0:
            raise ValueError(f"{WEIGHTS} declares more numbers than the recipe has")
    return most


@contextlib.contextmanager
def damage_refused(folder):
    """Turn any error into one line that says that the folder is damaged."""
    try:
        yield
    except Exception as error:
        first_line = str(error).strip().split("\n")[0]
        refuse(folder, f"a damaged one ({type(error).__name__}: {first_line})")


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
    folder = _place(folder)
    if folder.exists():
        _check_content(folder)
    # The one before may be half removed, if a saver was killed then.
    previous = _previous(folder)
    if previous.exists() and not (folder.exists() and set(os.listdir(previous)) <= FILES):
        _check_content(previous)


def _check_content(folder):
    if not folder.is_dir():
        raise DetectorError(f"`folder` must not be a file. Received: {folder}")
    names = {path.name.removesuffix(PART) for path in folder.iterdir()}
    if names - FILES:
        raise DetectorError(
            f"`folder` must be new, empty, or hold nothing but a detector, which is replaced. "
            f"Received: {folder} with {min(names - FILES)!r} in it"
        )
    if names:
        _read_json(folder)


def _move(temporary, folder):
    """Put the new folder in the old one's place, or the old one back."""
    previous = _previous(folder)
    if os.path.ismount(folder):  # such as a volume of a container: it cannot be moved
        _fill(folder, temporary)
        return
    try:
        if folder.exists():
            _remove(previous, folder)
            os.rename(folder, previous)
        os.rename(temporary, folder)
    except BaseException:
        if previous.exists() and not folder.exists():
            os.rename(previous, folder)
        raise
    _remove(previous, folder)


def _fill(folder, temporary):
    """Replace the files of a folder one by one, the JSON last; checksums show what is half done."""
    for name in (STATE, MODEL, JSON):
        if (temporary / name).exists():
            part = folder / f"{name}{PART}"
            shutil.copyfile(temporary / name, part)
            os.replace(part, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    shutil.rmtree(temporary)


def _remove(previous, folder):
    """Remove the one before; under that name it is always whole, or not there."""
    if previous.exists():
        leftover = _temporary(folder)
        os.rename(previous, leftover)
        shutil.rmtree(leftover, ignore_errors=True)


def _temporary(folder):
    return folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp")


def _remove_leftovers(folder):
    """Remove temporary folders of savers that have ended; one that still writes holds a lock."""
    name = re.compile(re.escape(f".{folder.name}.") + r"[0-9a-f]{8}\.tmp")
    for path in folder.parent.iterdir():
        if name.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            with _locked(path) as is_mine:
                if is_mine and set(os.listdir(path)) <= FILES:
                    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder, *, wait=False):
    """Hold a lock on a folder as long as the process lives; yields whether it was free.

    Where the system has no such lock, no process is kept out, and leftovers stay.
    """
    with contextlib.ExitStack() as stack:
        is_free = False
        with contextlib.suppress(OSError):
            if fcntl is not None:
                place = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, place)
                fcntl.flock(place, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                is_free = True
        yield is_free


def _identity(folder):
    """What changes when a saver moves folders."""
    found = []
    for path in (folder, _previous(folder)):
        try:
            status = path.stat()
            found.append((status.st_dev, status.st_ino, status.st_mtime_ns))
        except OSError:
            found.append(None)
    return found


def _previous(folder):
    return folder.with_name(f".{folder.name}.previous")


def _flush(folder):
    """Make sure that the files are on the disk before the old ones go."""
    for path in folder.iterdir():
        with open(path, "r+b") as file:
            os.fsync(file.fileno())
