"""Solutions against their rules and their own checks, exercises against what makes them."""

import copy

import exercise_checks
import pytest
from conftest import NAME, code, markdown, notebook, stdout
from exercise_checks import tagged
from notebook_checks import code_cells

from lib.__main__ import main
from lib.course import exercises, notebooks

SOLUTIONS = notebooks.find(notebooks.COURSE / "solutions")
NAMES = [solution.name for solution in SOLUTIONS]


@pytest.mark.parametrize("rule", exercise_checks.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("solution", SOLUTIONS, ids=NAMES)
def test_rule(solution, rule):
    assert rule(notebooks.read(solution.path), solution.path) == []


@pytest.mark.parametrize("solution", SOLUTIONS, ids=NAMES)
def test_checks_tell_nothing_from_wrong_from_right(solution, in_kernel):
    assert exercise_checks.trial(notebooks.read(solution.path), in_kernel) == []


def test_exercises_are_what_the_command_makes():
    changed = [path.name for path in exercises.changes()]
    assert changed == [], "run: python -m lib exercises"


def test_every_exercise_notebook_has_a_solution():
    solved, asked = (
        {path.stem for path in (notebooks.COURSE / folder).glob("*.ipynb")}
        for folder in ("solutions", "exercises")
    )
    assert asked <= solved


# A solution notebook that keeps every promise, and what breaks each of them.

CHECK = """assert answer is not ..., "Exercise {n} is not solved yet: put a number into `answer`."
assert answer != {low}, "That is what you started from: add one to it."
assert answer <= {right}, "Too large: it is a single step."
print("Exercise {n}: right. One more is one more.")"""


def solution(source, **metadata):
    return with_metadata(code(source), tags=["solution"], **metadata)


def check(source, n, **metadata):
    cell = code(source, [stdout(f"Exercise {n}: right. One more is one more.\n")])
    return with_metadata(cell, tags=["check"], **metadata)


def with_metadata(cell, **metadata):
    return {**cell, "metadata": metadata}


def exercise(n, title):
    wrong = [
        {"code": f"answer = start + {n - 1}", "hint": "started from"},
        {"code": "answer = 100", "hint": "Too large"},
    ]
    return [
        markdown(f"## Exercise {n}. {title}\nAdd {n} to `start`; put it into `answer`."),
        solution(f"answer = start + {n}", stub="answer = ...  # your number"),
        check(CHECK.format(n=n, low=10 + n - 1, right=10 + n), n, wrong=wrong),
        with_metadata(markdown("**Why.** Addition."), tags=["solution"]),
    ]


@pytest.fixture
def solved(course):
    """The content of a solution notebook that keeps every promise."""
    cells = [markdown("# 05 · An example: exercises\nSolve, run the check."), code("start = 10")]
    for n, title in enumerate(("Run it.", "Break it.", "Fix it."), start=1):
        cells += exercise(n, title)
    return notebook(*cells)


@pytest.fixture
def save_solution(course, example, save):
    """A function that writes a solution notebook beside its course notebook."""
    (course / "solutions").mkdir()
    save(example)

    def save_solution(content, name=NAME):
        path = course / "solutions" / f"{name}.ipynb"
        path.write_bytes(notebooks.to_bytes(content))
        return path

    return save_solution


def cell(tag, place=0, **values):
    """A change of the first cell with a tag."""
    return lambda content: tagged(content, tag)[place].update(values)


def prose(old, new):
    def change(content):
        for one in content["cells"]:
            if one["cell_type"] == "markdown":
                one["source"] = one["source"].replace(old, new)

    return change


def metadata(tag, **values):
    return lambda content: tagged(content, tag)[0]["metadata"].update(values)


def last(*cells):
    return lambda content: content["cells"].extend(copy.deepcopy(cells))


ONE = {"code": "answer = 1", "hint": "one"}
BROKEN = {
    "no title": ("title", prose(": exercises", "")),
    "title of another": ("title", prose("# 05", "# 06")),
    "two exercises": ("structure", lambda content: content["cells"].__delitem__(slice(10, 14))),
    "six exercises": ("structure", last(*exercise(4, "A"), *exercise(5, "B"), *exercise(6, "C"))),
    "no solution": ("structure", cell("solution", metadata={})),
    "no check": ("structure", cell("check", metadata={})),
    "solution after check": ("structure", lambda c: c["cells"].insert(3, c["cells"].pop(4))),
    "numbers with a gap": ("structure", prose("Exercise 2", "Exercise 4")),
    "title not in the course": ("titles_of_the_course", prose("Break it", "Shake it")),
    "more than in the course": ("titles_of_the_course", last(*exercise(4, "More."))),
    "no stub": ("stubs", cell("solution", metadata={"tags": ["solution"]})),
    "empty stub": ("stubs", metadata("solution", stub=" \n")),
    "stub that solves": ("stubs", metadata("solution", stub="answer = start + 1\n")),
    "no mistakes": ("mistakes", cell("check", metadata={"tags": ["check"]})),
    "one mistake": ("mistakes", metadata("check", wrong=[ONE])),
    "one hint for all": ("mistakes", metadata("check", wrong=[ONE, {**ONE, "code": "answer = 2"}])),
    "mistake without hint": ("mistakes", metadata("check", wrong=[ONE, {"code": "answer = 2"}])),
    "empty hint": ("mistakes", metadata("check", wrong=[ONE, {**ONE, "hint": ""}])),
    "tells the answer": ("hides_the_solution", prose("put it into", "answer = start + 1, into")),
    "no praise": ("praise", cell("check", outputs=[stdout("True\n")])),
    "praise of another": ("praise", cell("check", 1, outputs=[stdout("Exercise 1: right.\n")])),
    "26 lines": ("short_cells", cell("check", source="1\n" * 26)),
    "never run": ("executed_in_order", cell("check", execution_count=None)),
    "changed since": ("stamp_is_fresh", cell("solution", source="answer = 11")),
    "output to stderr": (
        "no_error_and_no_stderr",
        cell("check", outputs=[{"output_type": "stream", "name": "stderr", "text": "oh"}]),
    ),
    "path of somebody": ("no_absolute_path", prose("Solve", "See /" + "home/somebody/it")),
}


def test_good_solution_notebook_breaks_no_rule(solved, save_solution):
    assert exercise_checks.problems(save_solution(solved)) == []


@pytest.mark.parametrize(("rule", "change"), BROKEN.values(), ids=BROKEN.keys())
def test_rule_catches(rule, change, solved, save_solution):
    change(solved)
    for place, one in enumerate(solved["cells"]):
        one["id"] = f"cell-{place}"
    path = save_solution(solved)
    assert rule in {problem.split(":")[0] for problem in exercise_checks.problems(path)}


def test_every_rule_of_solutions_has_a_canary():
    own = {rule.__name__ for rule in exercise_checks.OWN_RULES}
    assert own <= {rule for rule, _ in BROKEN.values()}


def test_solution_without_a_course_notebook_is_caught(solved, save_solution):
    path = save_solution(solved, "91_lonely")
    assert "there is no course notebook 91_lonely.ipynb" in str(exercise_checks.problems(path))


def test_trial_of_a_good_notebook_finds_nothing(solved, in_kernel):
    assert exercise_checks.trial(solved, in_kernel) == []


def test_a_trial_begins_with_no_names_of_an_earlier_one(solved, in_kernel):
    in_kernel("left_over = 1")
    solved["cells"][1]["source"] += '\nassert "left_over" not in globals()'
    assert exercise_checks.trial(solved, in_kernel) == []


def test_trial_finds_every_kind_of_bad_check(solved, in_kernel):
    """One kernel over a notebook in which everything is wrong that only running it can tell."""
    solved["cells"] += copy.deepcopy([*exercise(4, "More."), *exercise(5, "More."), code("1 / 0")])
    solutions, checks = tagged(solved, "solution"), tagged(solved, "check")
    checks[0]["source"] = 'assert False, "no"'
    checks[1]["source"] = 'print("Exercise 2: right.")'
    checks[2]["metadata"]["wrong"][0]["hint"] = "something else"
    checks[2]["metadata"]["wrong"][1]["code"] = "1 / 0"
    solutions[2]["outputs"] = [stdout("11\n")]
    solutions[3]["metadata"]["stub"] = "answer ="
    checks[4]["source"] = "raise ValueError('not solved yet, started from')"
    found = exercise_checks.trial(solved, in_kernel)
    expected = [
        "exercise 1, unsolved: not 'not solved yet', but NotYet: no",
        "exercise 1, wrong (answer = start + 0): not 'NotYet: started from', but NotYet: no",
        "exercise 1, wrong (answer = 100): not 'NotYet: Too large', but NotYet: no",
        "exercise 1, solved: NotYet: no",
        "exercise 2, unsolved: passes the check",
        "exercise 2, wrong (answer = start + 1): passes the check",
        "exercise 2, wrong (answer = 100): passes the check",
        "exercise 2, solved: ['Exercise 2: right.\\n'] is shown, ['Exercise 2: right. One more is",
        "exercise 3, wrong (answer = start + 2): not 'NotYet: something else', but NotYet",
        "exercise 3, wrong (1 / 0): does not run: ZeroDivisionError",
        "exercise 3, solved: [''] is shown, ['11\\n'] is stored",
        "exercise 4, unsolved: does not run: SyntaxError",
        "exercise 5, wrong (answer = start + 4): not 'NotYet: started from', but Value",
        "exercise 5, wrong (answer = 100): not 'NotYet: Too large', but ValueError",
        "exercise 5, solved: ValueError",
        "after exercise 5: ZeroDivisionError",
    ]
    assert len(found) == len(expected), found
    for problem, beginning in zip(found, expected, strict=True):
        assert problem.startswith(beginning)


def test_attempts_know_nothing_of_each_other(solved, in_kernel):
    """A name that a mistake leaves behind must not help a later attempt."""
    checks = tagged(solved, "check")
    checks[0]["metadata"]["wrong"][0]["code"] += "\nhelper = 1"
    checks[0]["source"] += '\nassert "helper" not in globals()'
    checks[1]["source"] += (
        '\nassert "helper" not in globals() and start == 10 and "In" in globals()'
    )
    assert exercise_checks.trial(solved, in_kernel) == []


def run_command(course, *words):
    return main(["exercises", "--folder", str(course), *words])


def test_command_makes_exercises(solved, save_solution, course, capsys):
    solved["cells"][1]["metadata"] = {"tags": ["nbval-ignore-output"], "reason": "the clock " * 3}
    save_solution(solved)
    path = course / "exercises" / f"{NAME}.ipynb"
    assert run_command(course, "--check") == 1
    assert capsys.readouterr().out == f"{NAME}.ipynb: stale\n"
    assert not path.exists()
    assert run_command(course, "5") == 0
    assert capsys.readouterr().out == f"{NAME}.ipynb: written\n"
    made = notebooks.read(path)
    assert "made from `solutions/" in notebooks.text(made["cells"][0]["source"])
    explained = {5, 9, 13}
    assert [c["id"] for c in made["cells"]] == [
        f"cell-{i}" for i in range(14) if i not in explained
    ]
    sources = [notebooks.text(one["source"]) for one in code_cells(made)]
    checks = [exercises.hidden(notebooks.text(one["source"])) for one in tagged(solved, "check")]
    stub = "answer = ...  # your number"
    assert sources == ["start = 10", stub, checks[0], stub, checks[1], stub, checks[2]]
    states = {(c["execution_count"], *c["outputs"], str(c["metadata"])) for c in code_cells(made)}
    folded = "{'jupyter': {'source_hidden': True}, 'tags': ['check', 'hide-input']}"
    assert states == {(None, "{}"), (None, folded)}
    assert b"\r" not in path.read_bytes()


def test_command_changes_nothing_twice_and_says_so(solved, save_solution, course, capsys):
    save_solution(solved)
    run_command(course)
    before = (course / "exercises" / f"{NAME}.ipynb").stat().st_mtime_ns
    capsys.readouterr()
    for words in ([], ["--check"]):
        assert run_command(course, *words) == 0
        assert "Nothing to do" in capsys.readouterr().out
    assert (course / "exercises" / f"{NAME}.ipynb").stat().st_mtime_ns == before


def test_work_of_a_learner_is_never_overwritten(solved, save_solution, course, capsys):
    save_solution(solved)
    save_solution(solved, "04_before")
    run_command(course, "5")
    path = course / "exercises" / f"{NAME}.ipynb"
    content = notebooks.read(path)
    code_cells(content)[1].update(source="answer = 11", execution_count=1)
    path.write_bytes(notebooks.to_bytes(content))
    before = path.read_bytes()
    assert run_command(course) == 2
    assert "holds somebody's work" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert not path.with_name("04_before.ipynb").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cell("solution", metadata={"tags": ["solution"]}), "without a `stub`"),
        (lambda content: content["cells"].pop(0), "must begin with a Markdown cell"),
        (lambda content: content["cells"].clear(), "must begin with a Markdown cell"),
    ],
)
def test_notebook_that_cannot_be_an_exercise_is_named(
    change, message, solved, save_solution, course, capsys
):
    change(solved)
    save_solution(solved)
    assert run_command(course) == 2
    said = capsys.readouterr().err
    assert f"solutions/{NAME}.ipynb" in said
    assert message in said
    assert not (course / "exercises").exists()


def test_refresh_executes_and_stores_solutions_too(solved, save_solution, course, tmp_path, capsys):
    for one in code_cells(solved):
        one.update(outputs=[], execution_count=None)
    solved["metadata"]["course"]["sources"] = "of earlier sources"
    path = save_solution(solved)
    words = ["refresh", "5", "--folder", str(course), "--output", str(tmp_path / "out")]
    assert main(words) == 0
    assert exercise_checks.problems(path) == []
    assert "ok" in capsys.readouterr().out
    assert main(words) == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert not (course / "figures").exists()
