"""The commands that start no kernel: list, check, readme."""

import os
import subprocess
import sys
from hashlib import sha256
from importlib import metadata

import pytest
from conftest import NAME, code, notebook

from lib.__main__ import main
from lib.course import installation, notebooks


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
    said = capsys.readouterr().out
    assert "All is well." in said
    assert "pytest" in said
    assert "data/sp500.csv" in said


@pytest.mark.parametrize(
    ("package", "version", "remark", "code"),
    [
        ("numpy", "1.26.4", 'pip install "numpy<3,>=2.0"', 1),
        ("keras", None, 'pip install "keras<4,>=3.10"', 1),
        ("nbval", None, "only for tests: ", 0),
        ("nbval", "0.9", 'pip install "nbval<0.12,>=0.11"', 1),
        ("numpy", "2.5.0rc1", "OK", 0),
    ],
)
def test_check_says_what_to_do(package, version, remark, code, monkeypatch, capsys):
    real = metadata.version

    def installed(name):
        if name == package and version is None:
            raise metadata.PackageNotFoundError(name)
        return version if name == package else real(name)

    monkeypatch.setattr(metadata, "version", installed)
    assert main(["check"]) == code
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith(f"{package} ")]
    assert remark in line


def test_check_works_where_nothing_is_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    assert "pip install --editable" in installation.packages()[0][-1]
    monkeypatch.undo()
    assert "pip install --editable" in installation.packages("no-such-distribution")[0][-1]


def test_check_notices_changed_and_missing_data(tmp_path):
    for name, change in (("good.csv", ""), ("changed.csv", "x"), ("missing.csv", None)):
        if change is not None:
            (tmp_path / name).write_text(f"day,close\n{change}", encoding="utf-8", newline="\n")
    digest = sha256(b"day,close\n").hexdigest()
    sums = "".join(f"{digest}  {name}.csv\n" for name in ("good", "changed", "missing"))
    (tmp_path / "SHA256SUMS").write_text(sums, encoding="utf-8")
    rows = installation.data_files(tmp_path)
    assert [row[-1] == "OK" for row in rows] == [True, False, False]
    assert "git checkout -- data/missing.csv" in rows[2]
    (tmp_path / "SHA256SUMS").unlink()
    assert not installation.is_fine(installation.data_files(tmp_path))


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
