"""Figures and tables taken out of an executed notebook, and files that are never half written.

A cell only displays; what it displays becomes a file here, after the run. So an interrupted or
failing notebook leaves whole files or none, and the cells stay free of paths.
"""

import base64
import os
import re
from pathlib import Path

from lib.course.notebooks import text


def outputs(content, mime):
    """Yield `(data, metadata)` of every output of one MIME type, with the metadata of that type."""
    for cell in content["cells"]:
        for output in cell.get("outputs", ()):
            if mime in output.get("data", {}):
                yield text(output["data"][mime]), output.get("metadata", {}).get(mime, {})


def figure_files(content, number):
    """Return the figures of an executed notebook as files: name -> bytes, PNG and alt text.

    A figure without a name, or with a name that is no plain word, is left where it is.
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


def write(path, data):
    """Write bytes to a file in one step, so that no reader, and no Ctrl-C, ever sees half of it."""
    temporary = path.with_name(f".{path.name}.partial")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_files(folder, number, files):
    """Make `files` the only ones in a folder that belong to the notebook of that number."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        write(Path(folder) / name, data)
    for path in Path(folder).glob(f"{number}_*"):
        if path.name not in files:
            path.unlink()
