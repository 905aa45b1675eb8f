"""The notebooks of the course as files: finding them, reading their headers.

Notebooks are read as the JSON that they are: `nbformat` takes longer to import than
`python -m lib list` may take to answer.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

COURSE = Path(__file__).resolve().parents[2] / "notebooks"
# What every stored notebook says of its language, on every machine.
LANGUAGE = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
README_MARKS = ("<!-- notebooks:start -->", "<!-- notebooks:end -->")


class NotebookError(Exception):
    """A notebook that cannot be found, read, or run as asked."""


@dataclass(frozen=True)
class Notebook:
    """A notebook of the course and what its first cell and its metadata say about it."""

    path: Path
    title: str
    question: str
    time: str
    budget: float | None

    @property
    def name(self):
        """File name without `.ipynb`."""
        return self.path.stem

    @property
    def number(self):
        """The two digits that the name begins with."""
        return self.name[:2]


def text(value):
    r"""Return a multi-line value of the notebook format, which may be a list, as one string.

    Examples
    --------
    >>> text(["a = 1\n", "b = 2"]) == text("a = 1\nb = 2")
    True
    """
    return "".join(value)


def read(path):
    """Return the content of a notebook file as nested dicts and lists, or raise NotebookError."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        content["cells"], content["metadata"]  # every notebook has these two
    except (ValueError, TypeError, KeyError) as error:
        raise NotebookError(f"{path} is not a Jupyter notebook ({error}).") from error
    return content


def to_bytes(content):
    """Return a notebook in the form in which it is kept: checked, one newline at its end."""
    import nbformat  # slow to import, and `list` needs to answer at once

    content = nbformat.reads(nbformat.writes(nbformat.from_dict(content)), nbformat.NO_CONVERT)
    nbformat.validate(content)
    return (nbformat.writes(content).rstrip("\n") + "\n").encode()


def describe(path):
    """Return the `Notebook` in a file; what its header does not say is left empty."""
    content = read(path)
    head = text(content["cells"][0]["source"]) if content["cells"] else ""
    facts = {word.lower(): said for word, said in re.findall(r"(?m)^\*\*(.+?)\.\*\* *(.+)$", head)}
    title = re.search(r"(?m)^# \d\d · (.+)$", head)
    return Notebook(
        path=Path(path),
        title=title[1].strip() if title else "",
        question=facts.get("question", ""),
        time=facts.get("time", ""),
        budget=content["metadata"].get("course", {}).get("budget_seconds"),
    )


def find(folder=COURSE):
    """Return the notebooks of the course, in order; exercises and solutions are not among them."""
    return [describe(path) for path in sorted(Path(folder).glob("[0-9][0-9]_*.ipynb"))]


def select(words, folder=COURSE):
    """Return the notebooks meant by numbers ("05", "5"), names or paths; all of them for none.

    A word that fits no notebook is a NotebookError, and so is a folder without any.
    """
    known = find(folder)
    if not known:
        raise NotebookError(f"There are no notebooks in {folder}.")
    chosen = []
    for word in words or [notebook.number for notebook in known]:
        name = Path(word).name.removesuffix(".ipynb")  # 5.5 is not 5
        hits = [n for n in known if name in (n.name, n.number, n.number.lstrip("0"))]
        if not hits:
            names = ", ".join(notebook.name for notebook in known)
            raise NotebookError(f"There is no notebook {word!r}. There are: {names}.")
        chosen += [notebook for notebook in hits if notebook not in chosen]
    return chosen


def readme_table(folder=COURSE):
    """Return the Markdown table of the notebooks, made from their headers."""
    lines = ["| # | notebook | question | time |", "|---|---|---|---|"]
    for n in find(folder):
        link = f"[{n.title}]({n.path.parent.name}/{n.path.name})"
        cells = (n.number, link, n.question, n.time)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def put_into_readme(readme, table):
    r"""Return the text of a README with the table between its two marks, or raise NotebookError.

    Examples
    --------
    >>> put_into_readme(f"before\n{README_MARKS[0]}\nold\n{README_MARKS[1]}\n", "new")
    'before\n<!-- notebooks:start -->\nnew\n<!-- notebooks:end -->\n'
    """
    start, end = README_MARKS
    made, count = re.subn(f"(?s){start}.*{end}", lambda _: f"{start}\n{table}\n{end}", readme)
    if not count:
        raise NotebookError(f"README.md must contain {start} and, after it, {end}.")
    return made


def columns(rows):
    """Return rows of texts as lines with aligned columns.

    Examples
    --------
    >>> print(columns([("a", "bcd"), ("abc", "d")]))
    a    bcd
    abc  d
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = (map(str.ljust, row, widths) for row in rows)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)
