"""Run on every backend of Keras what depends on one: `make test-backends`, or this script.

Unit tests and docstring examples of the modules that need a network, and of tests that use them;
weights stored on one backend and scored on another; and a notebook, executed. Side by side, one
core each. Logs and executed notebooks go into `build/backends/`.
"""

import ast
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

from places import ROOT
from test_imports import NEED_A_NETWORK

from lib import errors
from lib.course import notebooks, runner

OUTPUT = Path("build", "backends")
NOTEBOOK = "05"
# `test_backends` is run once, with processes of its own on each backend.
ONCE = "tests/test_backends.py"


def unit_tests():
    """The files that import a module which needs a network, and those modules themselves."""
    tests = [
        path
        for path in sorted(ROOT.glob("tests/**/test_*.py"))
        if needs_a_network(path) and path != ROOT / ONCE
    ]
    modules = (path for path in (ROOT / "lib").rglob("*.py") if path.name != "__init__.py")
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in modules}
    return tests + sorted(path for path in names if names[path].startswith(NEED_A_NETWORK))


def needs_a_network(path):
    """Whether a test imports a module that needs Keras."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}." for alias in node.names]
            if any(name.startswith(NEED_A_NETWORK) for name in names):
                return True
    return False


def jobs():
    """Commands by (what, backend), the longest first."""
    units = [str(path.relative_to(ROOT)) for path in unit_tests()]
    names = ("jax", "torch", "tensorflow")
    tests = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    notebook = [sys.executable, "-m", "lib", "run", NOTEBOOK, "--jobs", "1"]
    return {
        **{("unit tests", name): [*tests, *units] for name in names},
        **{(f"notebook {NOTEBOOK}", n): [*notebook, "--output", str(OUTPUT / n)] for n in names},
        ("weights stored on one, scored on another", "all"): [*tests, "-rs", ONCE],
    }


def run(job):
    """Run one command; return a row of the table: what, backend, seconds, result."""
    (what, name), command = job
    chosen = {} if name == "all" else {"KERAS_BACKEND": name, "LIB_TRAINER": "keras"}
    environment = {**os.environ, **runner.KERNEL_ENVIRONMENT, **chosen}
    log = ROOT / OUTPUT / f"{what} {name}.log".replace(" ", "_").replace(",", "")
    started = time.perf_counter()
    with open(log, "w", encoding="utf-8") as file:
        code = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT
        ).returncode
    lines = log.read_text(encoding="utf-8").splitlines()
    if code:
        print(f"\n{what}, {name}: failed, see {log}", *lines[-40:], sep="\n", flush=True)
    seconds = f"{time.perf_counter() - started:.0f} s"
    return what, name, seconds, result(code, lines)


def result(code, lines):
    """The counts of pytest, or `ok`; a skipped test means that a backend is missing."""
    counts = re.findall(r"\d+ (?:passed|failed|errors?|skipped)", lines[-1] if lines else "")
    return ("ok " if code == 0 else "FAILED ") + ", ".join(counts)


def main():
    """Print one table; the exit code is 0 if all went well."""
    for name in errors.BACKENDS:
        errors.check_backend(name)
    (ROOT / OUTPUT).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(run, jobs().items()))
    print(notebooks.columns([("what", "backend", "took", "result"), *sorted(rows)]))
    packages = ("keras", *errors.BACKENDS)
    print("\n" + ", ".join(f"{name} {metadata.version(name)}" for name in packages))
    return any(not row[-1].startswith("ok") for row in rows)


if __name__ == "__main__":
    sys.exit(main())
