"""Stored tables of results: made by the computing code as it is, or shown to be its own."""

import pandas as pd
import pytest
from places import ROOT

from lib.study import results, run

TABLES = sorted((ROOT / "data" / "results").glob("*.jsonl.gz"))


def others(rows, code):
    """How many rows each other version of the code has made."""
    return rows.loc[rows["code"] != code, "code"].value_counts().to_dict()


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_a_stored_table_is_of_the_computing_code_as_it_is(path):
    found = others(results.read(path), run.code_hash())
    assert found == {}, "python -m lib study data/results/grid.toml with --again or --sample 200"


def test_a_row_of_other_code_is_counted():
    rows = pd.DataFrame({"code": ["a", "b", "a"]})
    assert others(rows, "a") == {"b": 1}
    assert others(rows, "c") == {"a": 2, "b": 1}
