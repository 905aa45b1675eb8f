"""What is installed against what is needed, and the shipped data against its checksums.

This must answer in a half-broken environment, so it imports only the standard library and, when
it is there, `packaging`.
"""

import hashlib
import platform
import sys
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "lstm-autoencoder-course"
DATA = Path(__file__).resolve().parents[2] / "data"
INSTALL = f'"{sys.executable}" -m pip install'


def packages(distribution=DISTRIBUTION):
    """Compare the installed packages with the dependency list of this project.

    Returns
    -------
    list of tuple
        `(package, needed, installed, remark)`, one for Python and one for each dependency; the
        remark is "OK", "only for tests", or the pip command that helps.
    """
    try:
        from packaging.requirements import Requirement
        from packaging.specifiers import SpecifierSet

        lines = metadata.requires(distribution)
        python = SpecifierSet(metadata.metadata(distribution)["Requires-Python"])
    except (ImportError, metadata.PackageNotFoundError) as error:
        missing = (getattr(error, "name", None) or distribution).partition(".")[0]
        return [(missing, "any", "no", f'{INSTALL} --editable "{DATA.parent}[test]"')]
    version = platform.python_version()
    remark = "OK" if python.contains(version, prereleases=True) else f"use Python {python}"
    rows = [("python", str(python), version, remark)]
    for requirement in map(Requirement, lines):
        extras = ("",) if not requirement.marker else ("", "test")
        if any(not requirement.marker or requirement.marker.evaluate({"extra": e}) for e in extras):
            rows.append(_package(requirement))
    return rows


def _package(requirement):
    """Compare one requirement, of the project or of its extra `test`, with what is installed."""
    needed = str(requirement.specifier)
    optional = requirement.marker and not requirement.marker.evaluate({"extra": ""})
    try:
        installed = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        installed = "no"
    if installed != "no" and requirement.specifier.contains(installed, prereleases=True):
        remark = "OK"
    else:
        remark = f'{INSTALL} "{requirement.name}{needed}"'
        if optional and installed == "no":
            remark = f"only for tests: {remark}"
    return requirement.name, needed, installed, remark


def data_files(folder=DATA):
    """Compare the data files with `SHA256SUMS`.

    Returns
    -------
    list of tuple
        `(file, needed, installed, remark)`, with the first digits of the checksums.
    """
    sums = folder / "SHA256SUMS"
    if not sums.exists():
        return [("data/SHA256SUMS", "a file", "no", "git checkout -- data")]
    rows = []
    for line in sums.read_text(encoding="utf-8").splitlines():
        needed, name = line.split(maxsplit=1)
        path = folder / name.lstrip("*")
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "no"
        remark = "OK" if found == needed else f"git checkout -- data/{path.name}"
        rows.append((f"data/{path.name}", needed[:8], found[:8], remark))
    return rows


def is_fine(rows):
    """Return whether nothing has to be done before the notebooks can run.

    Examples
    --------
    >>> is_fine([("pytest", ">=8", "no", "only for tests: pip install pytest")])
    True
    >>> is_fine([("keras", ">=3.10", "2.15", "pip install keras")])
    False
    """
    return all(remark == "OK" or remark.startswith("only for tests") for *_, remark in rows)
