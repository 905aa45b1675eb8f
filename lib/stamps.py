"""The stamp of a stored notebook: what made its outputs, and whether that is still the same.

Apart from `lib.notebooks`, because running a notebook and trusting a stored one are two matters.
"""

import ast
import copy
import hashlib
import platform
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from lib.notebooks import LANGUAGE, text

LIB = Path(__file__).resolve().parent
PACKAGES = ("keras", "tensorflow", "numpy", "pandas", "scikit-learn")
# A new notebook's specification must not make all the others stale: the defaults stand in their
# parameters cells as well, and a test holds the two together.
WITHOUT_EFFECT = {"specifications"}
KEPT_METADATA = ("tags", "reason", "jupyter", "stub", "wrong")


def sources_hash(content, lib=LIB):
    """Return the SHA-256 of everything in this project that the outputs of a notebook depend on.

    These are its code cells, the modules of `lib` that they import and those that these import
    in turn, and the checksums of the data. Prose may change without making a notebook stale.

    Parameters
    ----------
    content : dict
        The notebook, as `lib.notebooks.read` returns it.
    lib : pathlib.Path
        Folder of the package; `data/SHA256SUMS` lies beside it.

    Returns
    -------
    str
        64 hexadecimal digits, the same on every system.
    """
    cells = [text(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]
    parts = {f"cell {number}": source for number, source in enumerate(cells)}
    files = [lib / f"{name}.py" for name in sorted(lib_modules(cells, lib))]
    files += [path for path in [lib.parent / "data" / "SHA256SUMS"] if path.exists()]
    # Text mode reads any line ending as \n, so Windows agrees with the rest.
    parts |= {path.name: path.read_text(encoding="utf-8") for path in files}
    digest = hashlib.sha256()
    for name, part in parts.items():
        digest.update(f"{name}\0{part}\0".encode())
    return digest.hexdigest()


def lib_modules(sources, lib=LIB):
    """Return the names of all modules of `lib` that pieces of source import, directly or not.

    Examples
    --------
    >>> sorted(lib_modules(["from lib import stamps"]))
    ['__init__', 'notebooks', 'stamps']
    """
    found, waiting = set(), {"__init__"}.union(*map(_imports, sources))
    while waiting:
        name = waiting.pop()
        if name not in found | WITHOUT_EFFECT and (lib / f"{name}.py").exists():
            found.add(name)
            waiting |= _imports((lib / f"{name}.py").read_text(encoding="utf-8"))
    return found


def _imports(source):
    """Names that a source imports from `lib`; some may be functions rather than modules."""
    lines = ("" if line.lstrip()[:1] in {"%", "!"} else line for line in source.splitlines())
    names = set()
    with suppress(SyntaxError):  # such a cell fails when it is run, which says more than we could
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                parent = node.module or ""
                if node.level:
                    parent = f"lib.{parent}".rstrip(".")
                names |= {f"{parent}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("lib.")}


def versions():
    """Return the versions of what computes the outputs, Python first."""
    return {"python": platform.python_version()} | {
        name: metadata.version(name) for name in PACKAGES
    }


def is_fresh(content, lib=LIB):
    """Return whether the stored outputs were made by the sources as they are now."""
    return content["metadata"].get("course", {}).get("sources") == sources_hash(content, lib)


def stamped(executed, lib=LIB):
    """Return an executed notebook as it is to be stored: stamped, and without noise.

    Timings, papermill's notes and editors' habits would make every refresh a large change;
    cell ids, tags and reasons stay.
    """
    content = copy.deepcopy(executed)
    course = {**content["metadata"].get("course", {}), "sources": sources_hash(content, lib)}
    content["metadata"] = {
        "course": {**course, "versions": versions()},
        **LANGUAGE,
    }
    for cell in content["cells"]:
        kept = {key: cell["metadata"][key] for key in KEPT_METADATA if key in cell["metadata"]}
        if not kept.get("tags", True):
            del kept["tags"]  # papermill leaves an empty list in every cell
        cell["metadata"] = kept
    return content
