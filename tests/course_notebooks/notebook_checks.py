"""What every notebook of the course promises, as one short function per rule.

A rule takes the content of a notebook (nested dicts, as `lib.course.notebooks.read` returns it) and
its path, and returns a list of problems in words. `test_notebooks.py` holds every notebook
against every rule; `test_canaries.py` proves that every rule can fail.

The contract
------------
* A course notebook is `notebooks/NN_name.ipynb`. Its first cell is Markdown: `# NN · Title`,
  then lines that start with `**Question.**`, `**You will see.**`, `**You will learn.**`,
  `**You need.**`, `**Time.**` and `**Data.**`. Later come a heading `## Takeaways` and a heading
  `## Exercises` with at least three numbered exercises.
* One code cell is tagged `parameters`: assignments of plain literals, exactly the names and
  defaults of its specification. The next code cell is
  `from lib.course import parameters` / `settings = parameters.check("NN_name", globals())`.
* No code cell is longer than 25 lines, no function is defined in two notebooks, cells were
  executed 1..N in order, nothing went to stderr, no path of somebody's machine is stored, and
  the file is smaller than 1 MB.
* Figures come from `lib.plotting.show`, so each has a name and an alt text of at least 40
  characters in the output's metadata, and stands in `figures/` as well. An alt text in the cell's
  metadata (`alt`: name -> text) is that of the output.
* A number of the text that a cell computes stands behind its name in the table `claims`:
  `<!-- claim: flags -->403`. It is the stored value, rounded to the digits that the text shows,
  or to what the comment says: `<!-- claim: flags, to 50 -->400`.
* A cell that begins with `if settings.is_default:` is folded away, in JupyterLab and on the site.
* An output that cannot be the same everywhere is tagged `nbval-ignore-output` and says why in
  the cell's metadata (`reason`, at least 20 characters); there are at most two in a notebook.
* The notebook's metadata `course` holds `budget_seconds`, and the stamp (`sources`, `versions`).
"""

import ast
import csv
import re
import sys
import tempfile
from pathlib import Path

from lib.course import fingerprints, notebooks, outputs, parameters
from lib.course.notebooks import text

HEADER = ("Question", "You will see", "You will learn", "You need", "Time", "Data")
MAX_LINES = 25
MAX_BYTES = 1_000_000
MIN_ALT = 40
MIN_REASON = 20
MAX_IGNORED = 2
IGNORE = "nbval-ignore-output"
HOME_OF_SOMEBODY = (
    r"(?<![\w.:/])/(?:home|Users|root|var|usr|opt|mnt)/\w|\b[A-Za-z]:\\(?!n\x22)\w|ipykernel_\d"
)


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def prose(notebook):
    cells = notebook["cells"]
    return "\n\n".join(text(c["source"]) for c in cells if c["cell_type"] == "markdown")


def tags(cell):
    return cell["metadata"].get("tags", [])


def course(notebook):
    return notebook["metadata"].get("course", {})


def number_of(cell):
    """Where a cell is: its execution count if it has one, and how it begins."""
    return f"In [{cell['execution_count']}] ({text(cell['source'])[:30]!r})"


def header(notebook, path):
    first = notebook["cells"][0]
    lines = text(first["source"]).splitlines()
    problems = [] if first["cell_type"] == "markdown" else ["the first cell is not Markdown"]
    if not re.match(rf"# {path.stem[:2]} · \S", lines[0] if lines else ""):
        problems.append(f"the first line is not '# {path.stem[:2]} · Title'")
    missing = [w for w in HEADER if not any(re.match(rf"\*\*{w}\.\*\* *\S", x) for x in lines)]
    return problems + [f"the header lacks a line '**{word}.** …'" for word in missing]


def takeaways(notebook, path):
    found = re.search(r"(?m)^## Takeaways\s+[^#\s]", prose(notebook))
    return [] if found else ["there is no '## Takeaways' with text below it"]


def exercises(notebook, path):
    _, heading, rest = prose(notebook).partition("## Exercises")
    count = len(re.findall(r"(?m)^\d+\. \S", rest))
    return [] if heading and count >= 3 else [f"'## Exercises' has {count} numbered ones, not 3"]


def parameters_cell(notebook, path):
    cells = [cell for cell in code_cells(notebook) if "parameters" in tags(cell)]
    if len(cells) != 1:
        return [f"{len(cells)} cells are tagged `parameters`, not 1"]
    found = {}
    for node in ast.parse(text(cells[0]["source"])).body:
        try:
            (target,) = node.targets
            found[target.id] = ast.literal_eval(node.value)
        except (AttributeError, ValueError):
            return [f"not the assignment of a plain literal: {ast.unparse(node)}"]
    expected = {n: p.default for n, p in parameters.specification(path.stem).items()}
    # repr tells 1 from 1.0 and from True, which == does not.
    names = [n for n in {**found, **expected} if repr(found.get(n)) != repr(expected.get(n))]
    return [f"`{n}`: cell {found.get(n)!r}, specification {expected.get(n)!r}" for n in names]


def settings_cell(notebook, path):
    cells = code_cells(notebook)
    index = next((i for i, cell in enumerate(cells) if "parameters" in tags(cell)), len(cells))
    source = text(cells[index + 1]["source"]) if index + 1 < len(cells) else ""
    wanted = [
        "from lib.course import parameters",
        f'settings = parameters.check("{path.stem}", globals())',
    ]
    lines = [line.strip() for line in source.splitlines()]
    return [f"the cell after the parameters lacks: {line}" for line in wanted if line not in lines]


def short_cells(notebook, path):
    # A list of parameters is no code to follow.
    cells = [c for c in code_cells(notebook) if "parameters" not in c["metadata"].get("tags", [])]
    lengths = {number_of(c): len(text(c["source"]).splitlines()) for c in cells}
    return [f"{where} has {n} lines" for where, n in lengths.items() if n > MAX_LINES]


def executed_in_order(notebook, path):
    counts = [cell["execution_count"] for cell in code_cells(notebook)]
    in_order = counts == list(range(1, len(counts) + 1)) and counts
    return [] if in_order else [f"execution counts are {counts}"]


def no_error_and_no_stderr(notebook, path):
    problems = []
    for cell in code_cells(notebook):
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                problems.append(f"{number_of(cell)} raised {output['ename']}")
            if output.get("name") == "stderr":
                problems.append(f"{number_of(cell)} wrote to stderr: {text(output['text'])[:60]}")
    return problems


def no_absolute_path(notebook, path):
    root = notebooks.COURSE.parent
    here = {str(p) for p in (Path.home(), sys.prefix, root, tempfile.gettempdir())} - {"/"}
    ours = "|".join(re.escape(p) + r"[/\\]\w" for p in here)
    problems = []
    for piece in _texts(notebook):
        for match in re.finditer(f"{HOME_OF_SOMEBODY}|{ours}", piece):
            around = piece[max(match.start() - 15, 0) : match.end() + 30]
            problems.append(f"a path of somebody's machine: …{around}…")
    return problems


def _texts(notebook):
    """Everything in a notebook that a person can read: sources and outputs, but no pixels."""
    for cell in notebook["cells"]:
        yield text(cell["source"])
        for output in cell.get("outputs", ()):
            yield text(output.get("text", ""))
            yield text(output.get("evalue", "")) + "\n".join(output.get("traceback", ()))
            for mime, data in output.get("data", {}).items():
                if not mime.startswith("image/") and isinstance(data, str | list):
                    yield text(data)


def named_outputs(notebook, path):
    problems = []
    for mime in ("image/png", "text/csv"):
        names = [said.get("name", "") for _, said in outputs.outputs(notebook, mime)]
        bad = [name for name in names if not re.fullmatch(r"[a-z0-9_]+", name)]
        twice = sorted({name for name in names if names.count(name) > 1})
        problems += [f"{mime}: {name!r} is no name of small letters" for name in bad]
        problems += [f"{mime}: the name {name!r} is used twice" for name in twice]
    return problems


def alt_texts(notebook, path):
    alts = [said.get("alt", "").strip() for _, said in outputs.outputs(notebook, "image/png")]
    short = [f"alt text shorter than {MIN_ALT} characters: {a!r}" for a in alts if len(a) < MIN_ALT]
    others = [m for m in ("image/jpeg", "image/svg+xml") if list(outputs.outputs(notebook, m))]
    stale = [n for cell in code_cells(notebook) for n in _stale_alts(cell)]
    return [
        *short,
        *(f"{mime}: figures must be PNG, with an alt text" for mime in others),
        *(f"the alt text of {name!r} is not that of its cell; run: make refresh" for name in stale),
    ]


def _stale_alts(cell):
    """Names in the cell's metadata under which no output has the same alternative text."""
    shown = [o.get("metadata", {}).get("image/png", {}) for o in cell["outputs"]]
    stored = {said.get("name"): said.get("alt") for said in shown}
    return [
        name for name, alt in cell["metadata"].get("alt", {}).items() if stored.get(name) != alt
    ]


CLAIM = re.compile(r"<!-- claim: (\w+)(?:, to ([\d.]+))? -->\**([-−]?\d(?:[\d,]*\d)?(?:\.\d+)?)?")


def claims(notebook):
    """The table `claims` of a notebook, as stored: name -> value."""
    for data, said in outputs.outputs(notebook, "text/csv"):
        if said.get("name") == "claims":
            rows = list(csv.reader(data.splitlines()))
            return {name: float(value) for name, value in rows[1:]} if _numeric(rows) else {}
    return {}


def _numeric(rows):
    return all(re.fullmatch(r"[-\d.e+]+", row[1]) for row in rows[1:])


def claims_hold(notebook, path):
    return problems_of_claims(prose(notebook), claims(notebook))


def problems_of_claims(said_in, known):
    """What a text claims and the values say otherwise, or not at all."""
    used, problems = set(), []
    for name, step, number in CLAIM.findall(said_in):
        used.add(name)
        if name not in known or not number:
            problems.append(f"{name!r} has {'no number' if name in known else 'no value'}")
            continue
        said = float(number.replace(",", "").replace("−", "-"))
        unit = float(step or 10.0 ** -len(number.partition(".")[2]))
        if abs(said - known[name]) > 0.5 * unit * (1 + 1e-6):
            problems.append(f"{name!r}: the text says {number}, the cell computes {known[name]:g}")
    return problems + [f"no text uses the claim {name!r}" for name in known.keys() - used]


FOLDED = {"hide-input", "hide-cell"}


def checks_are_folded(notebook, path):
    cells = [c for c in code_cells(notebook) if text(c["source"]).startswith("if settings.is_def")]
    open_ones = [
        cell
        for cell in cells
        if not ({*tags(cell)} & FOLDED and cell["metadata"].get("jupyter", {}).get("source_hidden"))
    ]
    return [f"{number_of(cell)} is not folded away" for cell in open_ones]


def figures_are_stored(notebook, path):
    folder, number = path.parent.parent / "figures", path.stem[:2]
    wanted = outputs.figure_files(notebook, number)
    found = {p.name: p.read_bytes() for p in folder.glob(f"{number}_*")}
    names = [n for n in sorted({**wanted, **found}) if wanted.get(n) != found.get(n)]
    return [f"figures/{name} is not what the notebook shows; run: make refresh" for name in names]


def ignored_outputs(notebook, path):
    ignored = [cell for cell in code_cells(notebook) if IGNORE in tags(cell)]
    problems = [f"{len(ignored)} outputs are ignored"] if len(ignored) > MAX_IGNORED else []
    for cell in ignored:
        if len(cell["metadata"].get("reason", "").strip()) < MIN_REASON:
            problems.append(f"{number_of(cell)} is ignored without a written reason")
    return problems


def nothing_else_is_switched_off(notebook, path):
    problems = []
    for cell in code_cells(notebook):
        if marker := re.search(
            r"(?m)^\s*#+\s*(NBVAL_\w+|PYTEST_VALIDATE_\w+)", text(cell["source"])
        ):
            problems.append(f"{number_of(cell)} contains the marker {marker[1]}")
        for tag in tags(cell):
            if tag == "raises-exception" or (tag.startswith("nbval-") and tag != IGNORE):
                problems.append(f"{number_of(cell)} has the tag {tag}")
    return problems


def stamp_is_fresh(notebook, path):
    said = course(notebook)
    wanted = {"python", *fingerprints.PACKAGES}
    problems = [f"the stamp lacks the version of {p}" for p in wanted - {*said.get("versions", {})}]
    if not fingerprints.is_fresh(notebook):
        problems.append("the outputs were not made by these sources; run: make refresh")
    return problems


def has_a_budget(notebook, path):
    budget = course(notebook).get("budget_seconds", 0)
    fine = isinstance(budget, int | float) and 0 < budget <= 3600
    return [] if fine else [f"`budget_seconds` must be from 1 to 3600. Received: {budget!r}"]


def no_noise(notebook, path):
    allowed = {"course", "kernelspec", "language_info"}
    problems = [f"metadata of the notebook: {k}" for k in {*notebook["metadata"]} - allowed]
    for cell in notebook["cells"]:
        extra = {*cell["metadata"]} - {*fingerprints.KEPT_METADATA}
        problems += [f"metadata of cell {text(cell['source'])[:30]!r}: {key}" for key in extra]
    return [f"{problem} does not belong into a stored notebook" for problem in problems]


def small_file(notebook, path):
    size = path.stat().st_size
    return [f"the file has {size:,} bytes"] if size >= MAX_BYTES else []


RULES = (
    header,
    takeaways,
    exercises,
    parameters_cell,
    settings_cell,
    short_cells,
    executed_in_order,
    no_error_and_no_stderr,
    no_absolute_path,
    named_outputs,
    alt_texts,
    claims_hold,
    checks_are_folded,
    figures_are_stored,
    ignored_outputs,
    nothing_else_is_switched_off,
    stamp_is_fresh,
    has_a_budget,
    no_noise,
    small_file,
)


def repeated_functions(contents):
    """Return the functions and classes that more than one of the named notebooks defines."""
    homes = {}
    for name, notebook in contents.items():
        for cell in code_cells(notebook):
            for node in ast.walk(ast.parse(text(cell["source"]))):
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    homes.setdefault(node.name, set()).add(name)
    return [f"{f} is defined in {sorted(names)}" for f, names in homes.items() if len(names) > 1]


def problems(path):
    """Return every problem of a notebook file, each with the rule that it breaks."""
    notebook = notebooks.read(path)
    return [f"{rule.__name__}: {found}" for rule in RULES for found in rule(notebook, path)]
