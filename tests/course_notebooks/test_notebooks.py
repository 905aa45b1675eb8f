"""Every notebook of the course against every rule."""

import re
import struct
from collections import Counter

import notebook_checks
import pytest
from notebook_checks import code_cells

from lib.course import notebooks, parameters

ROOT = notebooks.COURSE.parent
COURSE = notebooks.find()
NAMES = [notebook.name for notebook in COURSE]


@pytest.mark.parametrize("rule", notebook_checks.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("notebook", COURSE, ids=NAMES)
def test_rule(notebook, rule):
    assert rule(notebooks.read(notebook.path), notebook.path) == []


def test_no_function_is_defined_twice():
    contents = {notebook.name: notebooks.read(notebook.path) for notebook in COURSE}
    assert notebook_checks.repeated_functions(contents) == []


def test_numbers_are_unique():
    numbers = [notebook.number for notebook in COURSE]
    assert len(numbers) == len(set(numbers))


def test_specifications_belong_to_notebooks():
    """Each notebook has a specification; one without a notebook would be a leftover."""
    assert set(NAMES) == set(parameters.specifications())


def test_figures_belong_to_notebooks():
    numbers = {notebook.number for notebook in COURSE}
    strangers = [p.name for p in (ROOT / "figures").glob("[0-9]*") if p.name[:2] not in numbers]
    assert strangers == []


def test_figures_are_no_larger_than_a_page():
    """A text far outside the axes makes a picture of a hundred thousand pixels."""
    for path in (ROOT / "figures").glob("*.png"):
        size = struct.unpack(">II", path.read_bytes()[16:24])  # where PNG has width and height
        assert max(size) < 1600, f"{path.name}: {size} pixels"


def test_nbval_collects_every_code_cell(request):
    found = Counter(item.path for item in request.session.items if item.path.suffix == ".ipynb")
    if len(found) < 2:
        pytest.skip("only where the notebooks are collected, too")
    cells = {n.path: len(code_cells(notebooks.read(n.path))) for n in COURSE}
    assert found == cells


@pytest.mark.skipif(not COURSE, reason="there are no notebooks yet")
def test_readme_has_the_table_of_notebooks():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = notebooks.readme_table()
    assert notebooks.put_into_readme(readme, table) == readme, "run: python -m lib readme --write"


@pytest.mark.parametrize("notebook", COURSE, ids=lambda notebook: notebook.name)
def test_numbers_of_the_text_are_claims(notebook):
    content = notebooks.read(notebook.path)
    assert notebook_checks.claims(content)
    assert "<!-- claim: " in notebooks.text(content["cells"][0]["source"])


@pytest.mark.parametrize("notebook", COURSE, ids=lambda notebook: notebook.name)
def test_questions_have_folded_answers(notebook):
    prose = notebook_checks.prose(notebooks.read(notebook.path))
    asked = re.findall(
        r"<details><summary><b>Question\.</b> .+?</summary>\n\n.+?\n</details>", prose, re.S
    )
    assert 3 <= len(asked) == prose.count("<details>") <= 6


@pytest.mark.parametrize("notebook", COURSE, ids=lambda notebook: notebook.name)
def test_no_line_of_code_is_longer_than_the_page(notebook):
    lines = [
        line
        for cell in code_cells(notebooks.read(notebook.path))
        for line in notebooks.text(cell["source"]).splitlines()
    ]
    assert [line for line in lines if len(line) > 100] == []
