"""Binder, Colab, the dev container and the workflow of the site: what can be checked from here."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "docs" / "_ext")]
import colab  # noqa: E402
import launch  # noqa: E402

REPOSITORY = "example/course"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = SpecifierSet(PROJECT["requires-python"])


def test_the_first_cell_for_colab_clones_and_says_what_it_does(tmp_path):
    """With a clone of a small course in the place of GitHub's, and a package that is missing."""
    course = tmp_path / "origin"
    (course / "notebooks" / "exercises").mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", course)
    (course / "notebooks" / "exercises" / "x.txt").touch()
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(course)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    cell = colab.copy({"cells": []}, REPOSITORY, "/exercises")["cells"][1]["source"]
    source = cell.replace(f"https://github.com/{REPOSITORY}", course.as_uri())
    source = source.replace("/content/course", (tmp_path / "course").as_posix())
    source = source.replace('project["dependencies"]', '["numpy>=1", "no-such-package>=1"]')
    source = source.replace('"-m", "pip", "install"', '"-c", "print(\'pip\')", "install"')
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    said = done.stdout
    assert "Cloning" in said
    assert "Installing no-such-package>=1\n" in said
    assert (tmp_path / "course" / "pyproject.toml").exists()
    assert said.rstrip().endswith("exercises")


def test_binder_takes_the_python_and_the_packages_of_the_course():
    beside = str(Path(sys.executable).parent)
    command = shutil.which("jupyter-repo2docker", path=beside)
    if command is None:
        pytest.skip("jupyter-repo2docker is not installed")
    words = [command, "--no-build", "--debug", "--user-id=1000", "--user-name=joyvan", str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    said = done.stdout + done.stderr
    assert "python=3.12" in said
    assert "binder/environment.yml" in said
    assert "binder/postBuild" in said
    install = (ROOT / "binder" / "postBuild").read_text(encoding="utf-8")
    assert "-c constraints.txt -e ." in install


def test_binder_and_the_dev_container_have_a_python_that_the_course_knows():
    binder = yaml.safe_load((ROOT / "binder" / "environment.yml").read_text(encoding="utf-8"))
    assert PYTHONS.contains(binder["dependencies"][0].removeprefix("python="))
    assert os.name == "nt" or os.access(ROOT / "binder" / "postBuild", os.X_OK)
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8")
    container = json.loads(text)
    assert PYTHONS.contains(container["image"].rpartition(":")[2])
    assert "-c constraints.txt -e" in container["postCreateCommand"]


@pytest.mark.parametrize(
    ("remote", "name"),
    [
        ("https://github.com/a/b.git", "a/b"),
        ("git@github.com:a/b.git", "a/b"),
        ("https://github.com/a/b.c", "a/b.c"),
        ("https://example.org/a/b", None),
    ],
)
def test_the_repository_is_read_from_the_remote(monkeypatch, remote, name):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    done = subprocess.CompletedProcess([], 0, stdout=f"{remote}\n")
    monkeypatch.setattr(launch.subprocess, "run", lambda *a, **k: done)
    assert launch.repository() == name
    assert bool(launch.links()) == bool(launch.theme_options()) == bool(name)


def test_the_site_is_deployed_as_it_is_built_here():
    text = (ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    jobs = workflow["jobs"]
    assert "make site" in [step.get("run") for step in jobs["build"]["steps"]]
    assert jobs["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}
    assert launch.COLAB_BRANCH in jobs["colab"]["steps"][-1]["run"]
    assert f"[{launch.BRANCH}]" in text
