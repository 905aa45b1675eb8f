"""One way to train, in a process of its own: `python worker.py MODULE THREADS CORE`.

Reads one request in JSON a line, `{"do": function, …}`, and answers with one line. Ways that
exclude each other (one Keras backend a process) can so be measured in turn, each warm already.
"""

import importlib
import json
import os
import sys


def pin(core):
    """Stay on one core, where the system lets a process choose."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(core) % len(cores)]})


def serve(module, answers):
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(module, request.pop("do"))(**request)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    name, threads, core = sys.argv[1:]
    os.environ["OMP_NUM_THREADS"] = threads
    if threads == "1":
        pin(core)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    serve(importlib.import_module(name), answers)
