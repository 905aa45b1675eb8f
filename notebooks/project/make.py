"""Write the project: its series `feed.csv`, its answers `faults.csv`, and the learners' notebook.

A price feed with faults: the Nasdaq Composite as it ships, with known faults in its last part.
The learners' notebook, `exercises/project.ipynb`, is made from `solutions/project.ipynb`.

    python notebooks/project/make.py
"""

from pathlib import Path

import numpy as np
import pandas as pd

from lib import data, faults
from lib.course import exercises, notebooks

FOLDER = Path(__file__).parent
COLUMNS = ["Open", "High", "Low", "Close", "Volume"]
TEST = "2014-01-01"  # faults are put in from here on
KINDS = ("spike", "level shift", "stuck", "noise")
ROWS, GAP = 5, 15  # days that a fault lasts, and fault-free days before it
SIZE = 1.0  # standard deviations of a daily change
SEED = 20
NOTE = """

*Save your work under a name of your own. A reference solution lies in `solutions/project.ipynb`; \
it is one of many.*"""


def make():
    """Return the series and the table of faults.

    Returns
    -------
    feed : DataFrame of 5,031 days and the five `COLUMNS`
    faults : DataFrame with `kind`, `column`, `start` and `end`, both days included
    """
    prices = data.load("nasdaq")[COLUMNS]
    # A day without a volume is no fault of ours: the last known one is taken.
    logs = np.log(prices.where(prices > 0).ffill())
    change = logs.diff()[:TEST].std()
    free = pd.Series(True, logs.index)
    free[:TEST] = False
    places = faults.plan(
        free[TEST:], COLUMNS, kinds=KINDS, repeats=2, rows=ROWS, gap=GAP, seed=SEED
    )
    broken = faults.inject(logs, places, change, size=SIZE, seed=SEED)
    feed = np.exp(broken).round(2)
    feed["Volume"] = np.exp(broken["Volume"]).round(-4).astype("int64")
    feed.index.name = "Date"
    return feed, places.rename(columns={"sensor": "column"})


def template():
    """Return the learners' notebook: the solution's cells, with stubs in place of answers."""
    made = exercises.exercise(
        notebooks.read(FOLDER.parent / "solutions" / "project.ipynb"), "project.ipynb"
    )
    made["metadata"]["made_from"] = "solutions/project.ipynb"
    first = made["cells"][0]
    first["source"] = first["source"].partition("\n\n*This notebook was made")[0] + NOTE
    return notebooks.to_bytes(made)


def main():
    """Write all three files."""
    feed, faults = make()
    feed.to_csv(FOLDER / "feed.csv", float_format="%.2f", lineterminator="\n")
    faults.to_csv(FOLDER / "faults.csv", index=False, lineterminator="\n")
    (FOLDER.parent / "exercises" / "project.ipynb").write_bytes(template())
    print(f"{len(feed):,} days, {len(faults)} faults from {TEST} on")


if __name__ == "__main__":
    main()
