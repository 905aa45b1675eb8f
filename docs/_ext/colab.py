"""Copies of the notebooks for Colab: two cells in front fetch and install what is missing."""

import json

SAYS = """*This copy is for Colab. The next cell clones the course and installs what is missing; it
says what it does, and takes about a minute. If it asks you to restart the session, do so and run it
again.*"""

SETUP = """import importlib.metadata, os, pathlib, subprocess, sys, tomllib

repository = "https://github.com/{repository}"
course = pathlib.Path("/content/course")
if not course.exists():
    print(f"Cloning {{repository}} into {{course}}")
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", repository, str(course)], check=True)
from packaging.requirements import Requirement

def is_missing(line):
    needed = Requirement(line)
    try:
        return not needed.specifier.contains(importlib.metadata.version(needed.name))
    except importlib.metadata.PackageNotFoundError:
        return True

project = tomllib.loads((course / "pyproject.toml").read_text())["project"]
missing = [line for line in project["dependencies"] if is_missing(line)]
if missing:
    print("Installing", ", ".join(missing))
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *missing], check=True)
    print("If one of them was in use already: Runtime, Restart session, then run this cell again.")
sys.path.insert(0, str(course))
os.chdir(course / "notebooks{folder}")
print("Ready: this notebook now runs in", os.getcwd())"""


def copy(notebook, repository, folder=""):
    """Return a notebook with the cells in front that Colab needs.

    Parameters
    ----------
    notebook : dict
        As stored; it is left as it is.
    repository : str
        "owner/name" on GitHub.
    folder : str
        Where in `notebooks` it lies, such as "/exercises".

    Returns
    -------
    dict
        The same notebook with two more cells.
    """
    setup = SETUP.format(repository=repository, folder=folder)
    cells = [
        {"id": "colab-says", "cell_type": "markdown", "metadata": {}, "source": SAYS},
        {"id": "colab-setup", "cell_type": "code", "metadata": {}, "source": setup}
        | {"execution_count": None, "outputs": []},
    ]
    return {**notebook, "cells": [*cells, *notebook["cells"]]}


def write(paths, target, repository):
    """Write the copies of these notebooks, and of their exercises, below a folder.

    Without a repository there is nothing that Colab could clone, and nothing is written.
    """
    if repository is None:
        return
    for path in paths:
        for folder in ("", "/exercises"):
            source = path.parent / folder.strip("/") / path.name
            if source.exists():
                made = copy(json.loads(source.read_text(encoding="utf-8")), repository, folder)
                place = target / "notebooks" / folder.strip("/") / path.name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", "utf-8")
