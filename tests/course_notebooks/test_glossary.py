"""Terms of the glossary are defined where the course first uses them.

A definition is a term in bold or italics, `**window**`, or a link of the term to the glossary. The
first cell of a notebook says what is to come, so it may name terms that are defined below it.
"""

import re

import pytest

from lib.course import notebooks

ROOT = notebooks.COURSE.parent
# Notebooks whose text introduces the terms, in the order in which they are read.
TAUGHT = [n for n in notebooks.find() if n.number <= "07" or n.number == "14"]
# Everyday words, which the course also uses in their everyday sense.
EVERYDAY = {"error", "label", "row", "source", "drift", "seed", "test", "alert", "anomaly"}


def terms():
    """Terms of the glossary; `train, validation, test` are three."""
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    listed = glossary.partition("```{glossary}")[2]
    names = re.findall(r"(?m)^(\S.*)$", listed.replace("```", ""))
    return sorted({name for line in names for name in line.split(", ")})


NO_PROSE = re.compile(r"(?ms)^#[^\n]*$|```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$\n]*\$|<!--.*?-->")


def prose(text):
    """A text without headings, code, formulae, targets of links and tags."""
    text = re.sub(r"\]\([^)]*\)", "]", NO_PROSE.sub(" ", text))
    return re.sub(r"</?(?:i|em|b)>", "*", text)


def body(notebook):
    """Prose of all Markdown cells but the first."""
    cells = notebooks.read(notebook.path)["cells"][1:]
    return prose(
        "\n".join(notebooks.text(c["source"]) for c in cells if c["cell_type"] == "markdown")
    )


def first_use(term, texts):
    """Return the name of the text that uses a term first, and whether it is defined there."""
    word = rf"(?<![\w-]){re.escape(term)}(?:s|es)?(?![\w-])"
    marked = rf"\*(?=\S)[^*\n]*{word}[^*\n]*(?<=\S)\*|\[{word}\]"
    for name, text in texts.items():
        if found := re.search(word, text, re.IGNORECASE):
            around = text[max(found.start() - 30, 0) : found.end() + 30]
            return name, bool(re.search(marked, around, re.IGNORECASE))
    return None, True


@pytest.mark.parametrize("term", [t for t in terms() if t not in EVERYDAY])
def test_term_is_defined_at_its_first_use(term):
    texts = {notebook.name: body(notebook) for notebook in TAUGHT}
    name, defined = first_use(term, texts)
    assert defined, f"{name} uses {term!r} before the course defines it"


def test_an_undefined_term_is_noticed():
    assert prose("## Window\n`window` $w$ in a [pane](of.html)").split() == ["in", "a", "[pane]"]
    texts = {"00": "We cut the series.", "01": "Each **window** has rows. A window is short."}
    assert first_use("window", texts) == ("01", True)
    assert first_use("series", texts) == ("00", False)
    assert first_use("row", texts) == ("01", False)
    assert first_use("stride", texts) == (None, True)
    assert first_use("cut", {"00": "*What to see.* We cut *one* window."}) == ("00", False)
