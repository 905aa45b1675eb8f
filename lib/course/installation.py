"""What is missing in this environment, and the shipped data against its checksums.

This must answer in a half-broken environment, so it imports only the standard library.
"""

import hashlib
import subprocess
import sys
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "lstm-autoencoder-course"
DATA = Path(__file__).resolve().parents[2] / "data"


def packages(distribution=DISTRIBUTION):
    """Return what `pip check` says about the packages that this project needs, and no others.

    That is a line for each that is missing or has another version, and the command that helps.
    """
    install = f'"{sys.executable}" -m pip install --editable "{DATA.parent}"'
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return [f"{distribution} is not installed. Try: {install}"]
    command = [sys.executable, "-m", "pip", "check", "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and not done.stdout:  # there is no pip
        return done.stderr.strip().splitlines()
    wrong = [line for line in done.stdout.splitlines() if line.startswith(f"{distribution} ")]
    return [*wrong, f"Try: {install}"] if wrong else []


def data_files(folder=DATA):
    """Return what differs between the data files and `SHA256SUMS`, one line each.

    Examples
    --------
    >>> data_files()
    []
    """
    sums = folder / "SHA256SUMS"
    lines = sums.read_text(encoding="utf-8").splitlines() if sums.exists() else [f"none  {sums}"]
    wrong = []
    for digest, name in (line.split(maxsplit=1) for line in lines):
        path = folder / name.lstrip("*")
        what = "has changed" if path.exists() else "is missing"
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            wrong.append(f"data/{path.name} {what}. Try: git checkout -- data/{path.name}")
    return wrong
