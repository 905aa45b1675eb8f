"""The alert rule of notebook 13: notebook, rule file and documentation tell the same numbers."""

import re

import notebook_checks
import pytest
from places import ROOT

from lib.course import notebooks

RULES = ROOT / "notebooks" / "13_live_alerts.yml"
PAGE = ROOT / "docs" / "monitoring.md"


@pytest.fixture(scope="module")
def claims():
    return notebook_checks.claims(notebooks.read(notebooks.COURSE / "13_live.ipynb"))


def rounded(claims, *names):
    return [round(claims[name], 1) for name in names]


def test_the_rule_file_says_what_the_notebook_measures(claims):
    comment = " ".join(RULES.read_text(encoding="utf-8").split("groups:")[0].split("\n# "))
    said = re.search(
        r"(\d+) injected faults: (\d+) called, median delay ([\d.]+) hours, ([\d.]+) false", comment
    )
    names = ("faults", "called_shipped", "delay_shipped", "false_shipped")
    assert [float(number) for number in said.groups()] == rounded(claims, *names)


@pytest.mark.parametrize(
    ("row", "kind"), [("the shipped rule", "shipped"), ("one flag, then quiet", "half_hour")]
)
def test_the_page_says_what_the_notebook_measures(row, kind, claims):
    line = next(x for x in PAGE.read_text(encoding="utf-8").splitlines() if row in x)
    numbers = [float(number) for number in re.findall(r"\| ([\d.]+)", line)]
    names = (f"called_{kind}", f"false_{kind}", f"delay_{kind}")
    assert numbers == rounded(claims, *names)
