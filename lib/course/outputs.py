"""Figures and tables taken out of an executed notebook, and files that are never half written.

A cell only displays; what it displays becomes a file here, after the run. So an interrupted or
failing notebook leaves whole files or none, and the cells stay free of paths.
"""

import base64
import hashlib
import json
import os
import re
import tempfile
from pathlib import Path

from lib.course.notebooks import text
from lib.errors import ParameterError


def describe(cell):
    """Put the alternative texts of a cell's metadata (`alt`: name -> text) into its figures.

    Parameters
    ----------
    cell : dict
        A cell of a notebook, changed in place.
    """
    for output in cell.get("outputs", ()):
        said = output.get("metadata", {}).get("image/png", {})
        if alt := _alt(cell, said):
            said["alt"] = alt


def _alt(cell, said):
    return cell["metadata"].get("alt", {}).get(said.get("name"), said.get("alt"))


def outputs(content, mime):
    """Yield `(data, metadata)` of every output of one MIME type, with the metadata of that type."""
    for cell in content["cells"]:
        for output in cell.get("outputs", ()):
            if mime in output.get("data", {}):
                said = dict(output.get("metadata", {}).get(mime, {}))
                if alt := _alt(cell, said):
                    said["alt"] = alt
                yield text(output["data"][mime]), said


def figure_files(content, number):
    """Return the figures of an executed notebook as files: name -> bytes, PNG and alt text.

    A figure without a name, or with another one than small letters, digits and _, is left out.
    """
    files = {}
    for data, said in outputs(content, "image/png"):
        if stem := _stem(number, said):
            files[f"{stem}.png"] = base64.b64decode(data)
            files[f"{stem}.txt"] = said.get("alt", "").strip().encode() + b"\n"
    return files


def table_files(content, number):
    """Return the tables of an executed notebook as files: name -> bytes of the CSV."""
    found = ((_stem(number, said), data) for data, said in outputs(content, "text/csv"))
    return {f"{stem}.csv": data.encode() for stem, data in found if stem}


def _stem(number, said):
    name = said.get("name", "")
    return f"{number}_{name}" if re.fullmatch(r"[a-z0-9_]+", name) else None


def write(path, data, sync=False):
    """Write bytes to a file in one step, so that no reader, and no Ctrl-C, ever sees half of it.

    With `sync`, file and folder are on the disk before this returns, as a power failure wants it.
    """
    # Two processes that write the same file do not share one: each puts a whole file in place.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
        if sync and os.name != "nt":  # Windows cannot open a folder
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)


def claim(folder, name="output"):
    """Make a folder and try to write in it; raise ParameterError before hours of training."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, ValueError) as error:  # ValueError: a zero byte
        raise ParameterError(
            f"`{name}` must be a folder that can be written to. Received: {folder} "
            f"({getattr(error, 'strerror', None) or error})"
        ) from error


def replace_files(folder, number, files):
    """Make `files` the only ones in a folder of the course that belong to that notebook."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        write(Path(folder) / name, data)
    for path in Path(folder).glob(f"{number}_*"):
        if path.name not in files:
            path.unlink()


def replace_written(folder, number, files):
    """Write `files`, and delete what an earlier run of that notebook wrote and this one did not.

    A hidden list in the folder names what was written, with its SHA-256. A file that is not in it,
    or has changed since, is the user's and stays; nothing is deleted in a folder that is a link.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / f".{number}.written.json"
    before = _written(written)
    now = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    for name, data in files.items():
        write(folder / name, data)
    for name in before.keys() - now.keys():
        path = folder / name
        if _is_ours(path, before[name]):
            path.unlink()
    if before or now:
        write(written, json.dumps(now).encode())


def _written(path):
    """Return what the list says; a damaged one says nothing, so nothing is deleted."""
    try:
        said = json.loads(path.read_bytes())
        return {name: digest for name, digest in said.items() if Path(name).name == name}
    except (OSError, ValueError, AttributeError):
        return {}


def _is_ours(path, digest):
    if path.is_symlink() or path.parent.is_symlink() or not path.is_file():
        return False
    return hashlib.sha256(path.read_bytes()).hexdigest() == digest
