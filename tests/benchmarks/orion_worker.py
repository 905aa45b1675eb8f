"""One pipeline of Orion on one series; run by `orion_ucr.py` with a Python that has `orion-ml`.

Reads a request as JSON from standard input: `file` (an .npz with `train` and `test`, one column of
numbers each) and `pipeline`. Writes one line of JSON: the seconds of
the processor, and the spans that were found.
"""

import json
import sys
import time

import numpy as np
import pandas as pd
from orion import Orion

request = json.load(sys.stdin)
with np.load(request["file"]) as stored:
    train, test = stored["train"], stored["test"]
rows = np.arange(len(train) + len(test))
frame = pd.DataFrame({"timestamp": rows, "value": np.concatenate([train, test])})
# A row is a second for Orion, and it must not join rows: `interval` is the length of a step.
options = {"mlstars.custom.timeseries_preprocessing.time_segments_aggregate#1": {"interval": 1}}
orion = Orion(pipeline=request["pipeline"], hyperparameters=options)
started = time.process_time()
orion.fit(frame.iloc[: len(train)].copy())
found = orion.detect(frame.iloc[len(train) :].copy())
seconds = time.process_time() - started
spans = [[int(row.start), int(row.end)] for row in found.itertuples()]
print("\n" + json.dumps({"seconds": seconds, "spans": spans}))
