"""The commands that start no kernel: list, check, readme."""

import os
import subprocess
import sys
from hashlib import sha256

import pytest
from conftest import NAME, code, notebook

from lib.__main__ import main
from lib.course import installation, notebooks


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--help"], 0, "watch"),
        ([], 2, "Usage: python -m lib"),
        (["bogus"], 2, "No such command 'bogus'"),
        (["run", "--jobs", "0"], 2, "0 is not in the range"),
        (["run", "-p", "window"], 2, "requires 2 arguments"),
    ],
)
def test_a_command_line_that_says_nothing_or_nonsense_is_explained(words, code, message, capsys):
    assert main(words) == code
    assert message in "".join(capsys.readouterr())


def test_list_names_the_notebooks(example, save, capsys):
    course = save(example).parent
    assert main(["list", "--folder", str(course)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "#   notebook    question      budget",
        "05  An example  Does it run?  60 s",
    ]


@pytest.mark.parametrize("word", ["05", "5", NAME, f"notebooks/{NAME}.ipynb"])
def test_list_explains_the_parameters_of_one(word, example, save, capsys):
    course = save(example).parent
    assert main(["list", word, "--folder", str(course)]) == 0
    said = capsys.readouterr().out
    assert "window" in said
    assert "an integer from 2 to 500" in said


def test_list_imports_nothing_slow(example, save):
    words = ["list", "--folder", str(save(example).parent)]
    script = f"import sys, lib.__main__ as m; m.main({words!r}); print(*sys.modules)"
    command = [sys.executable, "-c", script]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    slow = {"numpy", "pandas", "keras", "nbformat", "papermill", "lib.detectors.storage"}
    assert not slow & set(loaded)


def test_file_that_is_no_notebook_is_named(course, capsys):
    (course / "91_broken.ipynb").write_text("{", encoding="utf-8")
    assert main(["list", "--folder", str(course)]) == 2
    assert "91_broken.ipynb is not a Jupyter notebook" in capsys.readouterr().err


def test_exercises_and_solutions_are_not_notebooks_of_the_course(example, save):
    course = save(example).parent
    for folder in ("exercises", "solutions"):
        (course / folder).mkdir()
        (course / folder / f"{NAME}.ipynb").write_text("{}", encoding="utf-8")
    assert [found.name for found in notebooks.find(course)] == [NAME]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such error of its own")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("word", ["list", "fetch"])
def test_a_reader_that_has_gone_ends_a_command_quietly(word, unbuffered):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "lib", word], stdout=writing, stderr=subprocess.PIPE,
        cwd=notebooks.COURSE.parent,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered}, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_check_says_that_this_environment_is_fine(capsys):
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "All is well.\n"


def test_check_says_what_is_wrong_with_our_packages_and_no_others(monkeypatch, capsys):
    ours = f"{installation.DISTRIBUTION} 0.1.0 requires keras, which is not installed."
    said = f"other 1.0 has requirement numpy<2, but you have numpy 2.4.\n{ours}\n"
    done = subprocess.CompletedProcess([], 1, stdout=said)
    monkeypatch.setattr(subprocess, "run", lambda *_, **options: done)
    assert main(["check"]) == 1
    first, second, last = capsys.readouterr().out.splitlines()
    assert first == ours
    assert "pip install --editable" in second
    assert last == "Not ready: see above."


def test_check_works_where_nothing_is_installed():
    assert "pip install --editable" in installation.packages("no-such-distribution")[0]


def test_check_notices_changed_and_missing_data(tmp_path):
    for name, change in (("good.csv", ""), ("changed.csv", "x"), ("missing.csv", None)):
        if change is not None:
            (tmp_path / name).write_text(f"day,close\n{change}", encoding="utf-8", newline="\n")
    digest = sha256(b"day,close\n").hexdigest()
    sums = "".join(f"{digest}  {name}.csv\n" for name in ("good", "changed", "missing"))
    (tmp_path / "SHA256SUMS").write_text(sums, encoding="utf-8")
    assert installation.data_files(tmp_path) == [
        "data/changed.csv has changed. Try: git checkout -- data/changed.csv",
        "data/missing.csv is missing. Try: git checkout -- data/missing.csv",
    ]
    (tmp_path / "SHA256SUMS").unlink()
    assert "SHA256SUMS" in installation.data_files(tmp_path)[0]


def test_readme_gets_the_table_of_notebooks(example, save, capsys):
    course = save(example).parent
    row = f"| 05 | [An example](notebooks/{NAME}.ipynb) | Does it run? | 1 minute"
    assert main(["readme", "--folder", str(course)]) == 0
    assert row in capsys.readouterr().out
    readme = course.parent / "README.md"
    readme.write_text("nothing", encoding="utf-8")
    assert main(["readme", "--write", "--folder", str(course)]) == 2
    start, end = notebooks.README_MARKS
    readme.write_text(f"# Title\n\n{start}\nold\n{end}\n\nMore.\n", encoding="utf-8")
    assert main(["readme", "--write", "--folder", str(course)]) == 0
    said = readme.read_text(encoding="utf-8")
    assert said.startswith("# Title\n\n")
    assert said.endswith("\n\nMore.\n")
    assert row in said
    assert "old" not in said


def test_notebook_without_a_header_is_listed_all_the_same(save, capsys):
    course = save(notebook(code("1")), "91_bare").parent
    assert main(["list", "--folder", str(course)]) == 0
    assert "91" in capsys.readouterr().out
