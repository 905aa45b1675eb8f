"""The stamp of a stored notebook: what made its outputs, and whether that is still the same.

What counts is code: the syntax tree of the cells and of every module of `lib` behind them, without
docstrings, comments and layout, and the checksums of the data.
"""

import ast
import copy
import hashlib
import platform
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path

from lib.course import outputs
from lib.course.notebooks import LANGUAGE, text

LIB = Path(__file__).resolve().parents[1]
PACKAGES = ("keras", "tensorflow", "numpy", "pandas", "scikit-learn")
KEPT_METADATA = ("tags", "reason", "jupyter", "stub", "wrong", "alt", "tolerance")


def sources_hash(content, lib=LIB):
    """Return the SHA-256 of everything in this project that the outputs of a notebook depend on.

    These are its code cells, the modules of `lib` that they import and those that these import
    in turn, and the checksums of the data, beside the folder `lib`. Prose may change without
    making a notebook stale. The digits are the same on every system and version of Python.
    """
    cells = [text(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]
    digest = hashlib.sha256()
    for number, source in enumerate(cells):
        digest.update(f"cell {number}\0{code_of(source)}\0".encode())
    digest.update(modules_hash(cells, lib).encode())
    sums = lib.parent / "data" / "SHA256SUMS"
    if sums.exists():
        digest.update(sums.read_text(encoding="utf-8").encode())
    return digest.hexdigest()


def modules_hash(sources, lib=LIB, *, without=()):
    """Return the SHA-256 of all modules of `lib` that pieces of source import, directly or not.

    Those `without`, modules or packages, are left out.
    """
    digest = hashlib.sha256()
    for name, path in sorted(lib_modules(sources, lib).items()):
        if f"{name}.".startswith(tuple(f"{one}." for one in without)):
            continue
        digest.update(f"{name}\0{code_of(path.read_text(encoding='utf-8'))}\0".encode())
    return digest.hexdigest()


@cache
def code_of(source):
    """Return what a source computes, as text: no docstring, comment or layout changes it.

    Lines that begin with % or ! are IPython's own and stand as they are.

    Examples
    --------
    >>> code_of("x = (1)  # one") == code_of("x = 1")
    True
    >>> code_of("x = 1") == code_of("x = 2")
    False
    """
    try:
        own, tree = _parsed(source)
    except SyntaxError:
        return source  # fails when it is run, which says more than we could
    return "\n".join([*own, _tree(tree)])


def _parsed(source):
    """IPython's own lines of a source, and the syntax tree of the others."""
    lines = source.splitlines()
    own = [line for line in lines if line.lstrip()[:1] in {"%", "!"}]
    return own, ast.parse("\n".join("" if line in own else line for line in lines))


def _tree(node):
    """Write a syntax tree the same way in every version of Python, which differ in empty fields."""
    if isinstance(node, list):
        return "[" + ",".join(map(_tree, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
        fields["body"] = fields["body"][1:]
    kept = {name: value for name, value in fields.items() if value not in (None, [])}
    inner = ",".join(f"{name}={_tree(value)}" for name, value in sorted(kept.items()))
    return f"{type(node).__name__}({inner})"


def lib_modules(sources, lib=LIB):
    """Return all modules of `lib` that pieces of source import, directly or not: name -> path.

    A name is dotted, below `lib`; that of a package stands for its `__init__.py`.

    Examples
    --------
    >>> sorted(lib_modules(["from lib.metrics.affiliation import affiliation_metrics"]))
    ['', 'errors', 'metrics', 'metrics.affiliation', 'metrics.event_matching', \
'metrics.points', 'metrics.ranges', 'metrics.summary', 'metrics.volume']
    """
    found, waiting = {}, {"lib"}.union(*map(_imports, sources))
    while waiting:
        parts = waiting.pop().split(".")[1:]
        # An import runs the packages on the way, too; the last name may be no module at all.
        for count in range(len(parts) + 1):
            name = ".".join(parts[:count])
            inside = lib.joinpath(*parts[:count])
            path = inside / "__init__.py" if inside.is_dir() else inside.with_suffix(".py")
            if name not in found and path.is_file():
                found[name] = path
                waiting |= _imports(path.read_text(encoding="utf-8"))
    return found


@cache
def _imports(source):
    """Dotted names that a source imports from `lib`; the last part may be no module."""
    names = set()
    with suppress(SyntaxError):
        for node in ast.walk(_parsed(source)[1]):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(name for name in names if f"{name}.".startswith("lib."))


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
    cell ids, tags and reasons stay. Cells of bounds, which begin with `if settings.is_default:`,
    are folded away.
    """
    content = copy.deepcopy(executed)
    course = {**content["metadata"].get("course", {}), "sources": sources_hash(content, lib)}
    content["metadata"] = {"course": {**course, "versions": versions()}, **LANGUAGE}
    for cell in content["cells"]:
        kept = {key: cell["metadata"][key] for key in KEPT_METADATA if key in cell["metadata"]}
        if not kept.get("tags", True):
            del kept["tags"]  # papermill leaves an empty list in every cell
        if text(cell["source"]).startswith("if settings.is_default:"):
            # Bounds are no part of the story: folded in JupyterLab and on the site.
            if not {"hide-input", "hide-cell"} & {*kept.get("tags", ())}:
                kept["tags"] = [*kept.get("tags", ()), "hide-input"]
            kept["jupyter"] = {**kept.get("jupyter", {}), "source_hidden": True}
        cell["metadata"] = kept
        outputs.describe(cell)
    return content
