"""The files around the package: each says what it says in one place, and nothing of a machine."""

import re
import subprocess
import sys
import tomllib

import grimp
import pytest
import yaml
from notebook_checks import HOME_OF_SOMEBODY
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from places import ROOT

import lib

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
NEEDED = [Requirement(line) for line in PROJECT["dependencies"]]
NEEDED_BY_EXTRAS = [
    Requirement(line) for lines in PROJECT["optional-dependencies"].values() for line in lines
]
# Where the name of an import is not the name of the package.
PACKAGE_OF = {"sklearn": "scikit-learn", "prometheus_client": "prometheus-client"}


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


LINES = [line for line in text_of("constraints.txt").splitlines() if not line.startswith("#")]
PINS = dict(line.split("==") for line in LINES)


@pytest.mark.parametrize("requirement", NEEDED + NEEDED_BY_EXTRAS, ids=lambda r: r.name)
def test_every_dependency_has_a_floor_a_ceiling_and_a_pin_between(requirement):
    operators = {specifier.operator for specifier in requirement.specifier}
    assert operators == {">=", "<"}
    pins = {canonicalize_name(name): version for name, version in PINS.items()}
    assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


def test_pins_are_exact_sorted_and_for_every_system():
    names = [name.lower() for name in PINS]
    assert names == sorted(names)
    assert len(PINS) == len({canonicalize_name(name) for name in PINS})
    for version in PINS.values():
        # A local version ("+cpu") or a path would exist on one machine only.
        assert str(Version(version)) == version
        assert Version(version).local is None


def test_what_lib_imports_is_on_the_list():
    graph = grimp.build_graph("lib", include_external_packages=True)
    packages = {name.split(".")[0].lower() for name in graph.modules}
    packages -= {"lib", "nbval", *(name.lower() for name in sys.stdlib_module_names)}
    # nbval is looked for only where it runs: in `lib.course.runner.pytest_configure`.
    listed = {requirement.name for requirement in NEEDED}
    assert {PACKAGE_OF.get(name, name) for name in packages} <= listed


def test_the_map_of_lib_is_the_order_that_the_linter_checks():
    named = re.findall(r"(?m)^`(\w+)/?`", lib.__doc__)
    layers = PYPROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    assert [f"lib.{name}" for name in reversed(named)] == layers
    present = {path.stem for path in (ROOT / "lib").iterdir() if path.name[0] not in "_."}
    assert set(named) - {"__main__"} == present


def test_conda_has_no_second_list_of_packages():
    python, pip, packages = yaml.safe_load(text_of("environment.yml"))["dependencies"]
    assert python == f"python {PROJECT['requires-python']}"
    assert pip == "pip"
    assert packages == {"pip": ["--constraint constraints.txt", "--editable .[test]"]}


def test_citation_is_complete_and_of_this_version():
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert {"message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["title"].startswith(PROJECT["description"].split(":")[0])


PLACES = [
    HOME_OF_SOMEBODY,
    r"(?<![\w.:/])/(?:work|tmp|private|workspace)/\w",
    # hosts and settings of package registries, spelt so that this file does not name them
    r"(?i)py" + r"pi\.org|python" + r"hosted\.org|ana" + r"conda\.org|arti" + r"factory",
    r"(?i)(?:extra-)?index" + r"-url\b|find" + r"-links\b",
]


def strangers(text):
    """What a text gives away about a machine; a script may name its interpreter."""
    text = re.sub(r"\A#!.*", "", text)
    return [match[0] for place in PLACES for match in re.finditer(place, text)]


@pytest.mark.parametrize(
    "text",
    [
        "see /" + "home/somebody/course",
        '"/' + 'tmp/x"',
        "C:" + "\\Users\\me",
        "https://py" + "pi.org/simple",
        "pip install --index" + "-url x",
    ],
)
def test_traces_of_a_machine_are_recognised(text):
    assert strangers(text)


@pytest.mark.parametrize(
    "text",
    ["#!/" + "usr/bin/env bash\nmake", "https://a.org/home/b", "notebooks/tmp/x", "../shared/data"],
)
def test_what_is_no_trace_is_left_alone(text):
    assert strangers(text) == []


def test_no_tracked_file_tells_of_a_machine():
    command = ["git", "ls-files", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is no git checkout, so there is no list of tracked files")
    found = {}
    for name in filter(None, done.stdout.split("\0")):
        data = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b"\0"
        if b"\0" not in data and (places := strangers(data.decode("utf-8"))):
            found[name] = places
    assert found == {}
