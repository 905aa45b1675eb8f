"""What every solution notebook promises: rules on its cells, and a trial of its checks.

A rule takes the content of a notebook and its path, and returns a list of problems in words, as
in `notebook_checks.py`, many of whose rules hold here as well. `trial` plays the learner in a
kernel: one who has not begun, one who makes each of the usual mistakes, one who is right.
What the right one sees is compared with what is stored, as nbval compares it.

The contract
------------
* A solution notebook is `notebooks/solutions/NN_name.ipynb`, under the name of its course
  notebook. Its first line is `# NN · Title: exercises`.
* Then come 3 to 5 exercises, each a Markdown heading `## Exercise k. Title`, one code cell tagged
  `solution` with a `stub` in its metadata, and right after it one code cell tagged `check`. The
  titles are the beginnings of the items below `## Exercises` in the course notebook.
* The check prints `Exercise k: right. …`; before anything is solved it raises an error that says
  "not solved yet". Its metadata `wrong` lists at least two usual mistakes, each with its `code`
  and a `hint`: part of the message of the AssertionError that this mistake runs into.
* The exercise notebook that is made from it shows no line of a solution or a check.
"""

import os
import re
from contextlib import contextmanager

import notebook_checks
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, start_new_kernel
from notebook_checks import code_cells, tags

from lib.course import exercises, notebooks
from lib.course.comparison import agree
from lib.course.notebooks import text

HEADING = re.compile(r"(?m)^## Exercise (\d+)\. (.+)$")
UNSOLVED = "not solved yet"
# One kernel serves many notebooks: each begins with the names, and the Keras, of a fresh one.
BEGIN = """
vars(__import__("builtins")).setdefault("beginning", dict(globals()))
if (module := __import__("sys").modules.get("keras")) is not None:
    module.utils.clear_session()
globals().clear()
globals().update(beginning)
"""
REMEMBER = "__import__('builtins').remembered = dict(globals())"
RESTORE = "globals().clear(); globals().update(remembered)"


def headings(notebook):
    """Numbers and titles of the exercises, in order."""
    return [
        (int(number), title) for number, title in HEADING.findall(notebook_checks.prose(notebook))
    ]


def tagged(notebook, tag):
    return [cell for cell in code_cells(notebook) if tag in tags(cell)]


def title(notebook, path):
    line = text(notebook["cells"][0]["source"]).split("\n")[0]
    fine = re.fullmatch(rf"# {path.stem[:2]} · \S.*: exercises", line)
    return [] if fine else [f"the first line is not '# {path.stem[:2]} · Title: exercises'"]


def structure(notebook, path):
    order = "".join(_kind(cell) for cell in notebook["cells"])
    problems = []
    # H a heading, s a solution, c its check, o other code
    if not re.fullmatch(r"o*(Ho*sco*){3,5}", order):
        problems.append(f"not 3 to 5 times heading, solution, check, but {order}")
    numbers = [number for number, _ in headings(notebook)]
    if numbers != list(range(1, len(numbers) + 1)):
        problems.append(f"the exercises are numbered {numbers}")
    return problems


def _kind(cell):
    if cell["cell_type"] == "markdown":
        return "H" * len(HEADING.findall(text(cell["source"])))
    kinds = {"solution": "s", "check": "c"}
    return "".join(kinds[tag] for tag in tags(cell) if tag in kinds) or "o"


def titles_of_the_course(notebook, path):
    course = path.parent.parent / path.name
    if not course.exists():
        return [f"there is no course notebook {path.name}"]
    _, _, rest = notebook_checks.prose(notebooks.read(course)).partition("## Exercises")
    items = re.findall(r"(?m)^\d+\. (.+)$", rest.replace("**", ""))
    titles = [title.rstrip(". ") for _, title in headings(notebook)]
    pairs = zip(titles, items, strict=False)
    problems = [f"{t!r} does not begin {item!r}" for t, item in pairs if not item.startswith(t)]
    if len(titles) != len(items):
        problems.append(f"{len(titles)} exercises here, {len(items)} in the course notebook")
    return problems


def stubs(notebook, path):
    problems = []
    for cell in tagged(notebook, "solution"):
        stub = cell["metadata"].get("stub")
        if not isinstance(stub, str) or not stub.strip():
            problems.append(f"{text(cell['source'])[:30]!r} has no `stub`")
        elif stub.strip() == text(cell["source"]).strip():
            problems.append(f"the stub is the solution: {stub[:30]!r}")
    return problems


def mistakes(notebook, path):
    problems = []
    for number, cell in enumerate(tagged(notebook, "check"), start=1):
        wrong = cell["metadata"].get("wrong", [])
        if any({*entry} != {"code", "hint"} or not all(entry.values()) for entry in wrong):
            problems.append(f"exercise {number}: a mistake needs `code` and `hint`, nothing else")
        elif len({entry["hint"] for entry in wrong}) < 2:
            problems.append(f"exercise {number} has not two mistakes with hints of their own")
    return problems


def praise(notebook, path):
    problems = []
    for number, cell in enumerate(tagged(notebook, "check"), start=1):
        printed = "".join(text(output.get("text", "")) for output in cell["outputs"])
        if f"Exercise {number}: right." not in printed:
            problems.append(
                f"the stored output of check {number} lacks 'Exercise {number}: right.'"
            )
    return problems


def hides_the_solution(notebook, path):
    try:
        cells = exercises.exercise(notebook, path.name, _asked(path))["cells"]
    except notebooks.NotebookError as error:
        return [str(error)]
    shown = "\n".join(f"{text(cell['source'])}\n{cell['metadata']}" for cell in cells)
    solved = [*tagged(notebook, "solution"), *tagged(notebook, "check")]
    given = [cell["metadata"].get("stub", "") for cell in solved]
    given += [text(cell["source"]) for cell in code_cells(notebook) if cell not in solved]
    lines = {line.strip() for cell in solved for line in text(cell["source"]).splitlines()}
    told = [
        line for line in lines if len(line) > 8 and line in shown and line not in "".join(given)
    ]
    return [f"an exercise shows {line!r}" for line in sorted(told)]


def _asked(path):
    course = path.parent.parent / path.name
    return exercises.questions(notebooks.read(course)) if course.exists() else {}


OWN_RULES = (title, structure, titles_of_the_course, stubs, mistakes, praise, hides_the_solution)
SHARED_RULES = (
    notebook_checks.short_cells,
    notebook_checks.executed_in_order,
    notebook_checks.no_error_and_no_stderr,
    notebook_checks.no_absolute_path,
    notebook_checks.named_outputs,
    notebook_checks.alt_texts,
    notebook_checks.ignored_outputs,
    notebook_checks.nothing_else_is_switched_off,
    notebook_checks.stamp_is_fresh,
    notebook_checks.no_noise,
    notebook_checks.small_file,
)
RULES = OWN_RULES + SHARED_RULES


def problems(path):
    """Return every problem of a solution notebook, each with the rule that it breaks."""
    notebook = notebooks.read(path)
    return [f"{rule.__name__}: {found}" for rule in RULES for found in rule(notebook, path)]


@contextmanager
def kernel(folder):
    """A function that executes source in one kernel and returns None, or the error in words."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        manager, client = start_new_kernel(
            kernel_name=CURRENT_ENV_KERNEL_NAME, cwd=str(folder), stderr=nowhere
        )

        def execute(source, hear=lambda message: None):
            reply = client.execute_interactive(
                source, store_history=False, timeout=120, output_hook=hear
            )["content"]
            return f"{reply['ename']}: {reply['evalue']}" if reply["status"] == "error" else None

        try:
            yield execute
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def trial(notebook, execute):
    """Solve every exercise not at all, wrongly and rightly; return what did not go as promised."""
    problems, number, solution = [], 0, None
    assert execute(BEGIN) is None
    for cell in code_cells(notebook):
        if "solution" in tags(cell):
            number, solution = number + 1, cell
        elif "check" in tags(cell):
            found = _attempts(execute, solution, cell)
            problems += [f"exercise {number}, {problem}" for problem in found]
        elif error := _as_stored(execute, cell):
            problems.append(f"after exercise {number}: {error}")
    return problems


def _attempts(execute, solution, check):
    """Problems of one exercise; every attempt starts from the names that were there before."""
    hidden = exercises.hidden(text(check["source"]))
    attempts = [("unsolved", solution["metadata"]["stub"], ("", UNSOLVED))]
    for entry in check["metadata"]["wrong"]:
        name = f"wrong ({entry['code'].splitlines()[0][:40]})"
        attempts.append((name, entry["code"], ("NotYet: ", entry["hint"])))
    execute(REMEMBER)
    for name, source, expected in attempts:
        execute(RESTORE)
        if error := execute(source):
            yield f"{name}: does not run: {error}"
        elif (error := execute(hidden)) is None:
            yield f"{name}: passes the check"
        elif not (error.startswith(expected[0]) and expected[1] in error):
            yield f"{name}: not {''.join(expected)!r}, but {error}"
    execute(RESTORE)
    if error := _as_stored(execute, solution) or _as_stored(execute, check, hidden):
        yield f"solved: {error}"


def _as_stored(execute, cell, source=None):
    """Execute a cell, or its encoded form; return what is not as it is stored, or None."""
    messages = []
    if error := execute(source or text(cell["source"]), messages.append):
        return error
    shown = [m for m in messages if m["msg_type"] in ("stream", "display_data", "execute_result")]
    said = _said([{"output_type": m["msg_type"], **m["content"]} for m in shown])
    stored, tolerance = _said(cell["outputs"]), cell["metadata"].get("tolerance", 0)
    same = len(said) == len(stored) and all(
        one == other or (tolerance and agree(one, other, tolerance))
        for one, other in zip(said, stored, strict=True)
    )
    if same or notebook_checks.IGNORE in tags(cell):
        return None
    return f"{said} is shown, {stored} is stored"


def _said(outputs):
    """The texts of outputs, in order; what was printed is one text, however it was sent."""
    printed = "".join(text(output.get("text", "")) for output in outputs)
    bundles = [sorted(output.get("data", {}).items()) for output in outputs]
    return [printed] + [
        text(data)
        for bundle in bundles
        for mime, data in bundle
        if mime.startswith("text/") and mime != "text/latex"
    ]
