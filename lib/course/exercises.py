"""Exercise notebooks, made from the solution notebooks: one source for question and answer.

The question itself stands in the list of the course notebook and is put below the heading of the
exercise, so that there is one wording. A check is folded away: it shows how to solve the exercise.

In a solution notebook an exercise is a Markdown cell `## Exercise k. Title`, a code cell tagged
`solution` and a code cell tagged `check`. The metadata of the first holds a `stub`, what a
learner finds in its place; that of the second holds `wrong`, the usual mistakes and the hints
that the check has for them, which only the tests read.
"""

import re

from lib.course import notebooks, outputs
from lib.course.notebooks import text

ONLY_IN_SOLUTIONS = ("stub", "wrong", "reason", "tolerance")
NOTE = (
    "*This notebook was made from `solutions/{name}` by `python -m lib exercises`. Save your work "
    "under a name of your own, and look into `solutions/` afterwards.*"
)


def questions(course):
    r"""Return the questions that the list of a course notebook asks: number -> text.

    Parameters
    ----------
    course : dict
        The notebook, as `lib.course.notebooks.read` returns it.

    Returns
    -------
    dict of int to str

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

    Parameters
    ----------
    solution : dict
        The notebook, as `lib.course.notebooks.read` returns it.
    name : str
        Its file name, for the note to the reader.
    asked : dict of int to str, optional
        What `questions` returns for the course notebook.

    Returns
    -------
    dict
        The same cells under the same ids, without outputs and with stubs for the solutions;
        Markdown cells tagged `solution` are left out, and the first cell ends in a note. Below
        each heading stands its question; checks are folded, in JupyterLab and on the site.

    Raises
    ------
    NotebookError
        If the first cell is no Markdown, or a code cell tagged `solution` has no `stub`.

    Examples
    --------
    >>> head = {"id": "a", "cell_type": "markdown", "metadata": {}, "source": "# Exercises"}
    >>> metadata = {"tags": ["solution"], "stub": "answer = ..."}
    >>> answer = {"id": "b", "cell_type": "code", "metadata": metadata, "source": "answer = 42"}
    >>> made = exercise({"cells": [head, answer], "metadata": {}}, "01_autoencoders.ipynb")
    >>> made["cells"][1]["source"]
    'answer = ...'
    """
    cells = [_emptied(cell, name) for cell in solution["cells"] if not _is_explanation(cell)]
    if not cells or cells[0]["cell_type"] != "markdown":
        raise notebooks.NotebookError(f"solutions/{name} must begin with a Markdown cell.")
    cells[0]["source"] += "\n\n" + NOTE.format(name=name)
    for cell in cells:
        _ask(cell, asked or {})
    metadata = {**notebooks.LANGUAGE, "made_from": name}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _ask(cell, asked):
    """Put the question of the course notebook below the heading of an exercise."""
    if cell["cell_type"] == "markdown":
        for number, question in asked.items():
            heading = rf"(?m)^(## Exercise {number}\. .+)$"
            cell["source"] = re.sub(
                heading, lambda m, q=question: f"{m[1]}\n\n> {q}", cell["source"]
            )


def _tags(cell):
    return cell["metadata"].get("tags", [])


def _is_explanation(cell):
    return cell["cell_type"] == "markdown" and "solution" in _tags(cell)


def _emptied(cell, name):
    """A cell as a learner is to find it: a stub for a solution, and nothing executed."""
    source = text(cell["source"])
    metadata = {key: v for key, v in cell["metadata"].items() if key not in ONLY_IN_SOLUTIONS}
    # What is never executed here need not be excused from comparison.
    metadata["tags"] = [tag for tag in _tags(cell) if not tag.startswith("nbval-")]
    if "solution" in metadata["tags"]:
        if not isinstance(cell["metadata"].get("stub"), str):
            raise notebooks.NotebookError(
                f"solutions/{name} has a cell tagged `solution` without a `stub` in its metadata: "
                f"{source[:40]!r}"
            )
        source = cell["metadata"]["stub"]
        metadata["tags"].remove("solution")
    if "check" in metadata["tags"]:
        metadata["tags"].append("hide-input")
        metadata["jupyter"] = {"source_hidden": True}
    if not metadata["tags"]:
        del metadata["tags"]
    kept = {"id": cell["id"], "cell_type": cell["cell_type"], "source": source}
    nothing = {"execution_count": None, "outputs": []} if cell["cell_type"] == "code" else {}
    return {**kept, "metadata": metadata, **nothing}


def changes(folder=notebooks.COURSE, words=()):
    """Return what has to change in `exercises/` so that it fits `solutions/`.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the course.
    words : list of str
        Numbers, names or paths of notebooks; all of them for none.

    Returns
    -------
    dict
        Path of an exercise notebook -> its bytes, or None if it has lost its source.

    Raises
    ------
    NotebookError
        If a word fits no solution notebook, or such a notebook lacks what `exercise` needs.
    """
    home = folder / "solutions"
    chosen = notebooks.select(words, home) if words else notebooks.find(home)
    wanted = {n.path.name: _made(folder, n.path) for n in chosen}
    wanted = {folder / "exercises" / name: notebooks.to_bytes(it) for name, it in wanted.items()}
    if not words:
        wanted = {**dict.fromkeys(_orphans(folder, wanted)), **wanted}
    return {path: data for path, data in wanted.items() if data != _bytes_of(path)}


def _made(folder, path):
    course = folder / path.name
    asked = questions(notebooks.read(course)) if course.exists() else {}
    return exercise(notebooks.read(path), path.name, asked)


def _orphans(folder, wanted):
    """Exercise notebooks that were made here and have no source any more.

    A learner's own copy bears another name than the one it was made under, and is left alone.
    """
    for path in sorted((folder / "exercises").glob("*.ipynb")):
        if path not in wanted and notebooks.read(path)["metadata"].get("made_from") == path.name:
            yield path


def _bytes_of(path):
    return path.read_bytes() if path.exists() else b""


def apply(changed):
    """Write and remove exercise notebooks, each in one step.

    Parameters
    ----------
    changed : dict
        What `changes` returned.

    Raises
    ------
    NotebookError
        If one of them holds the work of a learner; nothing is then written.
    """
    for path in changed:
        if path.exists() and _is_worked_on(notebooks.read(path)):
            raise notebooks.NotebookError(
                f"{path} holds somebody's work: cells of it were run. Save it under another name, "
                "remove it, and try again."
            )
    for path, data in changed.items():
        if data is None:
            path.unlink()
        else:
            path.parent.mkdir(exist_ok=True)
            outputs.write(path, data)


def _is_worked_on(content):
    return any(cell.get("execution_count") for cell in content["cells"])
