"""Exercise notebooks, made from the solution notebooks: one source for question and answer.

The question itself stands in the list of the course notebook and is put below the heading of the
exercise, so that there is one wording. A check shows how to solve the exercise; so it is encoded
there, and folded away.

In a solution notebook an exercise is a Markdown cell `## Exercise k. Title`, a code cell tagged
`solution` and a code cell tagged `check`. The metadata of the first holds a `stub`, what a
learner finds in its place; that of the second holds `wrong`, the usual mistakes and the hints
that the check has for them, which only the tests read.
"""

import base64
import re
import textwrap

from lib.course import notebooks, outputs
from lib.course.notebooks import text

HEADING = re.compile(r"(?m)^## Exercise (\d+)\. .+$")
ONLY_IN_SOLUTIONS = ("stub", "wrong", "reason", "tolerance")
NOTE = (
    "*This notebook was made from `solutions/{name}` by `python -m lib exercises`. Save your work "
    "under a name of your own, and look into `solutions/` afterwards.*"
)

HIDDEN = """# This check is encoded, so that you do not read the solution by accident.
from lib.course import exercises

exercises.check(globals(), \"""
{encoded}
\""")"""


class NotYet(AssertionError):
    """An answer that is not right yet; a notebook shows the hint in place of a traceback."""

    def _render_traceback_(self):
        return [f"Not yet: {self}"]


def hidden(source):
    r"""Return the source of a cell that makes a check and does not show how.

    Examples
    --------
    >>> cell = hidden("assert answer == 42, 'Ask again.'\nprint('Right.')")
    >>> "42" in cell
    False
    >>> exec(cell, {"answer": 42})
    Right.
    >>> exec(cell, {"answer": 41})
    Traceback (most recent call last):
    lib.course.exercises.NotYet: Ask again.
    """
    encoded = base64.b64encode(source.encode()).decode()
    return HIDDEN.format(encoded="\n".join(textwrap.wrap(encoded, 96)))


def check(namespace, encoded):
    """Make a check that `hidden` encoded; raise `NotYet` with the hint if the answer is not right.

    It sees the names of the notebook, its `globals()`, and changes none.
    """
    code = compile(base64.b64decode(encoded), "<check>", "exec")
    try:
        exec(code, dict(namespace))
    except AssertionError as error:
        raise NotYet(*error.args) from None


def questions(course):
    r"""Return the questions that the list of a course notebook asks: number -> text.

    Examples
    --------
    >>> source = "## Exercises\n\n1. **Add.** How much is 1 + 1?\n2. **Stop.** Why?"
    >>> cell = {"cell_type": "markdown", "source": source}
    >>> questions({"cells": [cell], "metadata": {}})
    {1: 'How much is 1 + 1?', 2: 'Why?'}
    """
    prose = "\n".join(
        text(cell["source"]) for cell in course["cells"] if cell["cell_type"] == "markdown"
    )
    found = re.findall(r"(?m)^(\d+)\. \*\*.+?\*\* (.+)$", prose.partition("## Exercises")[2])
    return {int(number): question for number, question in found}


def exercise(solution, name, asked=None):
    """Return the exercise notebook that belongs to a solution notebook.

    It has the same cells under the same ids, without outputs and with stubs for the solutions;
    Markdown cells tagged `solution` are left out, and the first cell ends in a note with the file
    `name`. Below each heading stands its question, as `questions` found it in the course notebook;
    checks are encoded, and folded away. It is a NotebookError if the first cell is not Markdown, or
    a code cell tagged `solution` has no `stub`.

    Examples
    --------
    >>> head = {"id": "a", "cell_type": "markdown", "metadata": {}, "source": "# Exercises"}
    >>> metadata = {"tags": ["solution"], "stub": "answer = ..."}
    >>> answer = {"id": "b", "cell_type": "code", "metadata": metadata, "source": "answer = 42"}
    >>> made = exercise({"cells": [head, answer], "metadata": {}}, "01_autoencoders.ipynb")
    >>> made["cells"][1]["source"]
    'answer = ...'
    """
    cells = [_emptied(cell, name, asked or {}) for cell in solution["cells"]]
    cells = [cell for cell in cells if cell is not None]
    if not cells or cells[0]["cell_type"] != "markdown":
        raise notebooks.NotebookError(f"solutions/{name} must begin with a Markdown cell.")
    cells[0]["source"] += "\n\n" + NOTE.format(name=name)
    metadata = {**notebooks.LANGUAGE, "made_from": name}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _emptied(cell, name, asked):
    """A cell as a learner is to find it, with nothing executed; None if it only explains."""
    source, said = text(cell["source"]), cell["metadata"]
    kept = {"id": cell["id"], "cell_type": cell["cell_type"]}
    metadata = {key: value for key, value in said.items() if key not in ONLY_IN_SOLUTIONS}
    # What is never executed here need not be excused from comparison.
    tags = {tag for tag in metadata.pop("tags", ()) if not tag.startswith("nbval-")}
    if cell["cell_type"] == "markdown":
        source = HEADING.sub(lambda found: _ask(found, asked), source)
        return None if "solution" in tags else {**kept, "source": source, "metadata": metadata}
    if "solution" in tags:
        if not isinstance(said.get("stub"), str):
            raise notebooks.NotebookError(
                f"solutions/{name} has a cell tagged `solution` without a `stub` in its metadata: "
                f"{source[:40]!r}"
            )
        source = said["stub"]
    if "check" in tags:
        source = hidden(source)
        folded = {"tags": ["check", "hide-input"], "jupyter": {"source_hidden": True}}
        metadata = {**metadata, **folded}
    unrun = {"execution_count": None, "outputs": []}
    return {**kept, "source": source, "metadata": metadata, **unrun}


def _ask(heading, asked):
    """Put the question of the course notebook below the heading of an exercise."""
    question = asked.get(int(heading[1]))
    return f"{heading[0]}\n\n> {question}" if question else heading[0]


def changes(folder=notebooks.COURSE, words=()):
    """Return what has to change in `exercises/` so that it fits `solutions/`: path -> bytes.

    `words` are numbers, names or paths of notebooks; none means all of them.
    """
    home = folder / "solutions"
    made = {}
    for solution in notebooks.select(words, home) if words else notebooks.find(home):
        course = folder / solution.path.name
        asked = questions(notebooks.read(course)) if course.exists() else {}
        content = exercise(notebooks.read(solution.path), solution.path.name, asked)
        made[folder / "exercises" / solution.path.name] = notebooks.to_bytes(content)
    return {p: data for p, data in made.items() if not p.exists() or p.read_bytes() != data}


def apply(changed):
    """Write the exercise notebooks that `changes` returned, each in one step.

    If one of them holds the work of a learner, it is a NotebookError and nothing is written.
    """
    for path in changed:
        before = notebooks.read(path)["cells"] if path.exists() else []
        if any(cell.get("execution_count") for cell in before):
            raise notebooks.NotebookError(
                f"{path} holds somebody's work: cells of it were run. Save it under another name, "
                "remove it, and try again."
            )
    for path, data in changed.items():
        path.parent.mkdir(exist_ok=True)
        outputs.write(path, data)
