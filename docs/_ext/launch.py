"""Where the repository lives, and the addresses that open its notebooks elsewhere."""

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent.parent
BRANCH = "main"
COLAB_BRANCH = "colab"  # to which the workflow `pages` pushes the copies for Colab


def repository():
    """Return "owner/name" on GitHub, or None if this copy does not know where it lives.

    Taken from `GITHUB_REPOSITORY`, which GitHub's workflows set, or from the remote `origin`, so
    that a fork launches itself.
    """
    if name := os.environ.get("GITHUB_REPOSITORY"):
        return name
    command = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    found = re.search(r"github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?$", done.stdout.strip())
    return found[1] if found else None


def theme_options():
    """Return what the theme needs to link to the repository."""
    if not (name := repository()):
        return {}
    return {
        "repository_url": f"https://github.com/{name}",
        "repository_branch": BRANCH,
        "use_repository_button": True,
        "use_issues_button": True,
    }


def links(path=None):
    """Return name -> address of each place that runs this course, or one notebook of it.

    Parameters
    ----------
    path : str, optional
        A notebook, relative to the root of the repository; by default the whole course.

    Returns
    -------
    dict
        Empty if the repository is not known.
    """
    if not (name := repository()):
        return {}
    folder = path or "notebooks"
    found = {
        "Binder": f"https://mybinder.org/v2/gh/{name}/{BRANCH}?urlpath=lab/tree/{quote(folder)}",
        "Colab": f"https://colab.research.google.com/github/{name}/blob/{COLAB_BRANCH}/{path}",
        "Codespaces": f"https://codespaces.new/{name}",
    }
    if path is None:
        del found["Colab"]  # opens single notebooks
    return found
