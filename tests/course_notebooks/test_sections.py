"""Numbered sections of each notebook are contiguous, and the text points to sections that exist."""

import re

import pytest

from lib.course import notebooks

COURSE = notebooks.find()
NUMBER = re.compile(r"(?m)^## (\d+)\b")
# "section 3" or "sections 6 and 7" of the notebook itself, not "notebook 05, section 7".
POINTER = re.compile(r"(?i)(?<!, )(?<!whose )\bsections? (\d+)(?: and (\d+))?(?!\.?\d)")


def prose(notebook):
    """Text of all markdown cells of a notebook."""
    cells = notebooks.read(notebook.path)["cells"]
    return "\n".join(notebooks.text(c["source"]) for c in cells if c["cell_type"] == "markdown")


def sections(text):
    """Numbers of the sections, in the order in which they stand."""
    return [int(number) for number in NUMBER.findall(text)]


@pytest.mark.parametrize("notebook", COURSE, ids=lambda notebook: notebook.name)
def test_sections_are_contiguous(notebook):
    found = sections(prose(notebook))
    assert found
    assert found == list(range(1, len(found) + 1))


@pytest.mark.parametrize("notebook", COURSE, ids=lambda notebook: notebook.name)
def test_pointers_lead_to_sections(notebook):
    text = prose(notebook)
    pointed = {int(n) for pair in POINTER.findall(text) for n in pair if n}
    assert pointed <= set(sections(text))


def test_a_lost_section_is_noticed():
    assert sections("## 1 One\n\ntext\n\n## 3 Three\n\n## Takeaways") == [1, 3]
    assert POINTER.findall("see section 3; sections 6 and 7; notebook 09, section 11") == [
        ("3", ""),
        ("6", "7"),
    ]
