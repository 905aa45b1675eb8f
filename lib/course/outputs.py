"""Figures and tables taken out of an executed notebook, and files that are never half written.

A cell only displays; what it displays becomes a file here, after the run. So an interrupted or
failing notebook leaves whole files or none, and the cells stay free of paths.
"""

import base64
import os
import re
import tempfile
from pathlib import Path

from lib.course.notebooks import text
from lib.errors import ParameterError


def describe(cell):
    """Put the alternative texts of a cell's metadata (`alt`: name -> text) into its figures."""
    for output in cell.get("outputs", ()):
        said = output.get("metadata", {}).get("image/png", {})
        said.update(_alt(cell, said))


def _alt(cell, said):
    texts, name = cell["metadata"].get("alt", {}), said.get("name")
    return {"alt": texts[name]} if name in texts else {}


def outputs(content, mime):
    """Yield `(data, metadata)` of every output of one MIME type, with the metadata of that type."""
    for cell in content["cells"]:
        for output in cell.get("outputs", ()):
            if mime in output.get("data", {}):
                said = output.get("metadata", {}).get(mime, {})
                yield text(output["data"][mime]), {**said, **_alt(cell, said)}


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
