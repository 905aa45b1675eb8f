"""Broken notebooks, to prove that every check of the notebooks can fail."""

import copy
import re
import subprocess
import sys

import notebook_checks
import pytest
from conftest import NAME, PIXEL, code, displayed, markdown, notebook, stdout
from notebook_checks import code_cells


def edit(cell, **values):
    """A change of one code cell: the place of the cell, and what to put into it."""
    return lambda content: code_cells(content)[cell].update(values)


def prose(old, new):
    """A change of the words of every Markdown cell."""

    def change(content):
        for cell in content["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = cell["source"].replace(old, new)

    return change


def sources(old, new):
    def change(content):
        for cell in code_cells(content):
            cell["source"] = cell["source"].replace(old, new)

    return change


def tagged(tag, **metadata):
    return lambda content: code_cells(content)[2].update(metadata={"tags": [tag], **metadata})


def figure(**said):
    """A change of what is said of the figure."""
    shown = displayed({"text/plain": "figure", "image/png": PIXEL}, {"image/png": said})
    return edit(2, outputs=[shown])


def append(*cells):
    return lambda content: content["cells"].extend(copy.deepcopy(cells))


def metadata(**values):
    return lambda content: content["metadata"]["course"].update(values)


LONG = "A line chart with an alt text that is long enough to be of use."
ERROR = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []}
STDERR = {"output_type": "stream", "name": "stderr", "text": "a warning"}
IGNORED = {**code("1"), "metadata": {"tags": ["nbval-ignore-output"], "reason": "the clock " * 3}}
OTHER_HOME = "/" + "home/somebody/course"

CHECK = "if settings.is_default:\n    assert True"


def claimed(said, table="claim,value\nflags,403\n"):
    """A notebook whose text and whose table `claims` say this."""
    shown = displayed({"text/plain": "t", "text/csv": table}, {"text/csv": {"name": "claims"}})
    return append(markdown(said), code("1", [shown]))


CASES = {
    "no title": ("header", prose("# 05 · An example", "# An example")),
    "title of another": ("header", prose("# 05 ·", "# 06 ·")),
    "no question": ("header", prose("**Question.**", "Question:")),
    "empty question": ("header", prose("**Question.** Does it run?", "**Question.**")),
    "header is code": ("header", lambda content: content["cells"].pop(0)),
    "no takeaways": ("takeaways", prose("## Takeaways", "## Summary")),
    "empty takeaways": ("takeaways", prose("## Takeaways\n* It runs.\n", "## Takeaways\n")),
    "no exercises": ("exercises", prose("## Exercises", "## Homework")),
    "two exercises": ("exercises", prose("3. Fix it.", "")),
    "no parameters cell": ("parameters_cell", edit(0, metadata={})),
    "two parameters cells": ("parameters_cell", tagged("parameters")),
    "another default": ("parameters_cell", sources("window = 30", "window = 60")),
    "another type": ("parameters_cell", sources("window = 30", "window = 30.0")),
    "unknown parameter": ("parameters_cell", sources("window = 30", "window = 30\nspan = 2")),
    "lacking parameter": ("parameters_cell", sources("window = 30\n", "")),
    "derived value": ("parameters_cell", sources("window = 30", "window = 5 * 6")),
    "no literal": ("parameters_cell", sources("window = 30", "window = int('30')")),
    "no assignment": ("parameters_cell", sources("window = 30", "window = 30\nprint(1)")),
    "no settings cell": ("settings_cell", edit(1, source="print(30)")),
    "settings of another": ("settings_cell", sources(NAME, "06_sp500_returns")),
    "26 lines": ("short_cells", edit(2, source="1\n" * 26)),
    "never run": ("executed_in_order", edit(2, execution_count=None, outputs=[])),
    "run twice": ("executed_in_order", edit(2, execution_count=7)),
    "error stored": ("no_error_and_no_stderr", edit(2, outputs=[ERROR])),
    "stderr stored": ("no_error_and_no_stderr", edit(2, outputs=[STDERR])),
    "path in source": ("no_absolute_path", edit(2, source=f"open('{OTHER_HOME}')")),
    "path in prose": ("no_absolute_path", prose("It runs.", f"See {OTHER_HOME}.")),
    "path in output": ("no_absolute_path", edit(1, outputs=[stdout(f"in {OTHER_HOME}\n")])),
    "path of Windows": ("no_absolute_path", edit(1, outputs=[stdout("C:\\Users\\me\n")])),
    "path of this Python": ("no_absolute_path", edit(1, outputs=[stdout(f"{sys.prefix}/lib\n")])),
    "path in a table": (
        "no_absolute_path",
        edit(2, outputs=[displayed({"text/html": f"<td>{OTHER_HOME}</td>"}, {})]),
    ),
    "figure without name": ("named_outputs", figure(alt=LONG)),
    "figure with a path": ("named_outputs", figure(alt=LONG, name="../price")),
    "figure twice": (
        "named_outputs",
        append(code("1", [displayed({"image/png": PIXEL}, {"image/png": {"name": "price"}})])),
    ),
    "no alt text": ("alt_texts", figure(name="price")),
    "short alt text": ("alt_texts", figure(name="price", alt="A chart of the close.")),
    "figure of another kind": (
        "alt_texts",
        edit(2, outputs=[displayed({"image/svg+xml": "<svg/>"}, {})]),
    ),
    "alt text of the cell not in its output": (
        "alt_texts",
        edit(2, metadata={"alt": {"price": LONG}}),
    ),
    "changed number in the text": ("claims_hold", claimed("<!-- claim: flags -->404 days")),
    "changed number, rounded": ("claims_hold", claimed("<!-- claim: flags, to 50 -->350 days")),
    "changed number in the table": (
        "claims_hold",
        claimed("<!-- claim: flags -->403 days", "claim,value\nflags,404\n"),
    ),
    "claim without a value": ("claims_hold", claimed("<!-- claim: flag -->403 days")),
    "claim without a number": ("claims_hold", claimed("<!-- claim: flags -->many days")),
    "claim that no text uses": ("claims_hold", claimed("403 days")),
    "check in the way": ("checks_are_folded", append(code(CHECK))),
    "check folded on the site only": (
        "checks_are_folded",
        append(code(CHECK, tags=["hide-input"])),
    ),
    "figure not stored": ("figures_are_stored", figure(name="other", alt=LONG)),
    "alt text not stored": ("figures_are_stored", figure(name="price", alt=LONG)),
    "ignored, no reason": ("ignored_outputs", tagged("nbval-ignore-output")),
    "ignored, lame reason": ("ignored_outputs", tagged("nbval-ignore-output", reason="random")),
    "three ignored": ("ignored_outputs", append(IGNORED, IGNORED, IGNORED)),
    "skipped": ("nothing_else_is_switched_off", tagged("nbval-skip")),
    "may raise": ("nothing_else_is_switched_off", tagged("raises-exception")),
    "marker in source": ("nothing_else_is_switched_off", edit(2, source="# NBVAL_SKIP\n1")),
    "changed source": (
        "stamp_is_fresh",
        sources("print(settings.window)", "print(settings.window + 0)"),
    ),
    "no stamp": ("stamp_is_fresh", lambda content: content["metadata"].pop("course")),
    "no versions": ("stamp_is_fresh", metadata(versions={})),
    "no budget": ("has_a_budget", lambda content: content["metadata"]["course"].clear()),
    "budget in words": ("has_a_budget", metadata(budget_seconds="a minute")),
    "papermill's notes": ("no_noise", lambda content: content["metadata"].update(papermill={})),
    "timings": ("no_noise", edit(2, metadata={"execution": {}})),
    "too big": ("small_file", append(markdown("x" * 1_000_000))),
}


def rules_broken(path):
    return {problem.split(":")[0] for problem in notebook_checks.problems(path)}


def test_good_notebook_breaks_no_rule(example, save):
    assert notebook_checks.problems(save(example)) == []


@pytest.mark.parametrize(("rule", "change"), CASES.values(), ids=CASES.keys())
def test_rule_catches(rule, change, example, save):
    save(example)  # whose figures are then those in store
    content = copy.deepcopy(example)
    change(content)
    path = save(content)
    if rule == "figures_are_stored":
        path.parent.parent.joinpath("figures/05_price.png").write_bytes(b"older")
        path.parent.parent.joinpath("figures/05_price.txt").write_bytes(b"older")
    assert rule in rules_broken(path)


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("<!-- claim: flags -->403 of 1,609", "403"),
        ("**<!-- claim: flags -->0.05 σ**", "0.0512"),
        ("about <!-- claim: flags, to 50 -->400 points", "404.7"),
        ("<!-- claim: flags -->−1.4 events", "-1.4"),
        ("<!-- claim: flags -->1,609 days", "1609"),
    ],
)
def test_a_claim_is_compared_as_it_is_rounded(said, value, example):
    claimed(said, f"claim,value\nflags,{value}\n")(example)
    assert notebook_checks.claims_hold(example, None) == []


def test_every_rule_has_a_canary():
    assert {rule for rule, _ in CASES.values()} == {r.__name__ for r in notebook_checks.RULES}


def test_function_defined_in_two_notebooks_is_caught(example):
    cell = code("def draw():\n    pass")
    contents = {"05_a": notebook(cell), "06_b": notebook(cell), "07_c": example}
    assert notebook_checks.repeated_functions(contents) == ["draw is defined in ['05_a', '06_b']"]


def test_strict_nbval_catches_what_it_should(example, save):
    """One pytest over all of it; a cell that was never run shows why we check that as well."""
    save(example)
    save(notebook(code("print(1)", [stdout("2\n")])), "91_wrong_output")
    save(notebook(code("raise ValueError")), "92_raising")
    save(notebook(code("import sys\nprint(1, file=sys.stderr)")), "93_stderr")
    unrun = notebook(code("print(1)"))
    unrun["cells"][0]["execution_count"] = None
    save(unrun, "94_never_run")
    stored = [("99 flags", 0.05), ("99 flags", 0), ("90 flags", 0.05), ("99 days", 0.05)]
    trained = notebook(*(code("print('101 flags')", [stdout(f"{it}\n")]) for it, _ in stored))
    for cell, (_, tolerance) in zip(trained["cells"], stored, strict=True):
        cell["metadata"]["tolerance"] = tolerance
    folder = save(trained, "95_tolerance").parent
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-rA"]
    command += ["-p", "lib.course.runner", "-p", "no:xdist", "-p", "no:cacheprovider"]
    command += ["--rootdir", folder, folder]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    cells = re.findall(r"(?m)^(PASSED|FAILED) (\w+)\.ipynb::Cell (\d+)", done.stdout)
    assert sorted(cells, key=lambda cell: cell[1:]) == [
        ("PASSED", NAME, "0"),
        ("PASSED", NAME, "1"),
        ("PASSED", NAME, "2"),
        ("FAILED", "91_wrong_output", "0"),
        ("FAILED", "92_raising", "0"),
        ("FAILED", "93_stderr", "0"),
        ("PASSED", "94_never_run", "0"),
        ("PASSED", "95_tolerance", "0"),
        ("FAILED", "95_tolerance", "1"),
        ("FAILED", "95_tolerance", "2"),
        ("FAILED", "95_tolerance", "3"),
    ], done.stdout
