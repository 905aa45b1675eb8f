"""Measure speed and memory: `make bench`, or `python tests/benchmarks/bench.py [FILE] [--quick]`.

Each way to train lives in a process of its own (`worker.py`), warm, and they take turns, so that
whatever else the machine does hits all alike. What is not installed is left out, and said so.
For Linux and macOS, where a process can be asked for its peak memory.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from statistics import median

import numpy as np

from lib import windowing
from lib.course import fingerprints
from lib.course.runner import KERNEL_ENVIRONMENT

HERE = Path(__file__).resolve().parent
READ = (HERE / "README.template.md").read_text(encoding="utf-8")
# Package -> the extra that brings it.
RIVALS = {"torch": "native PyTorch", "jax": "JAX, with Keras and by hand"}
NAMES = {
    "plain": "plain Keras, TensorFlow",
    "course": "this course",
    "keras on jax": "plain Keras, JAX",
    "torch": "PyTorch",
    "jax": "JAX by hand",
    "numpy": "this course, in NumPy",
}
ENGINES = {
    "plain": ("keras_ways", {}),
    "course": ("keras_ways", {}),
    "keras on jax": ("keras_ways", {"KERAS_BACKEND": "jax"}),
    "torch": ("torch_ways", {}),
    "jax": ("jax_ways", {}),
    "numpy": ("keras_ways", {}),
}
FULL = {
    "rounds": 3,
    "sizes": {"window": 60, "units": 64, "latent": 64, "count": 2560},
    "epochs": 2,
    "reach": {"plain": 6, "usual": 12, "held_out": 1024, "rounds": 3},
    "rows": 10_000,
    "updates": 1_500,
    "scored": [(60, 1, 64, 64), (60, 6, 64, 64), (60, 1, 32, 30), (12, 6, 32, 16)],
    "streams": [(12, 6, 64, 64), (12, 7, 32, 16), (60, 6, 64, 64), (60, 7, 32, 16)],
    "starts": ("lib", "lib.data.catalogue", "lib.models"),
    "points": 10_000_000,
}
QUICK = {
    "rounds": 1,
    "sizes": {"window": 8, "units": 4, "latent": 4, "count": 256},
    "epochs": 1,
    "reach": {"plain": 1, "usual": 2, "held_out": 64, "rounds": 1},
    "rows": 300,
    "updates": 20,
    "scored": [(8, 1, 4, 4)],
    "streams": [(8, 2, 4, 4)],
    "starts": ("lib",),
    "points": 10_000,
}
COURSE_BATCH, PLAIN_BATCH = 128, 32
# Chosen on other rows of the same series: a higher rate that falls to 0 in so many epochs.
FALLING = {"batch": 32, "rate": 3e-3, "epochs": 5, "decay": True}


class Worker:
    """A process that trains when it is asked to."""

    def __init__(self, way, threads=1, core=0):
        module, environment = ENGINES[way]
        environment = {**os.environ, **KERNEL_ENVIRONMENT, "KERAS_BACKEND": "tensorflow"} | {
            **environment,
            "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
        }
        command = [sys.executable, str(HERE / "worker.py"), module, str(threads), str(core)]
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed with the process
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(command, env=environment, text=True, **pipes)

    def send(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise RuntimeError(f"{self.process.args[2]} ended: {self.errors.read()[-2000:]}")
        return json.loads(line)

    def ask(self, **request):
        self.send(**request)
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


class Bench:
    """All workers, and the tables that they fill."""

    def __init__(self, plan):
        self.plan = plan
        absent = [name for name in RIVALS if importlib.util.find_spec(name) is None]
        needs = {"torch": "torch", "jax": "jax", "keras on jax": "jax"}
        self.absent = [
            f"{RIVALS[name]}: left out, as {name} is not installed "
            f'(`python -m pip install -c constraints.txt -e ".[{name}]"`).'
            for name in absent
        ]
        self.ways = [way for way in NAMES if needs.get(way) not in absent]
        self.first = self.workers(self.ways, core=0)
        self.second = self.workers([way for way in self.ways if way != "keras on jax"], core=1)
        self.wide = Worker("torch", threads=2) if "torch" in self.ways else None

    def workers(self, ways, core):
        """A process each; "plain", "numpy" and "course" need the same packages and share one."""
        found = {way: Worker(way, core=core) for way in ways if way not in ("plain", "numpy")}
        return found | {way: found["course"] for way in ("plain", "numpy")}

    def close(self):
        workers = {*self.first.values(), *self.second.values(), self.wide} - {None}
        for worker in workers:
            worker.close()

    def request(self, way, batch, rate=1e-3, **more):
        sizes = {**self.plan["sizes"], "epochs": self.plan["epochs"], "held_out": 0}
        return {"do": "train", "way": way, "batch": batch, "rate": rate, **sizes, **more}

    def speed(self, workers, **request):
        """Windows a second of workers side by side, added up."""
        for worker in workers:
            worker.send(**request)
        windows = request["count"] * request["epochs"]
        return sum(windows / worker.answer()[-1][0] for worker in workers)

    def rounds(self, cases):
        """Windows a second of each case, a list with one entry a round; the cases take turns."""
        for workers, request in cases.values():  # what is compiled on first use is no part of it
            self.speed(workers, **warm_up(request))
        found = {name: [] for name in cases}
        for _ in range(self.plan["rounds"]):
            for name, (workers, request) in cases.items():
                found[name].append(self.speed(workers, **request))
        return found

    def one_thread(self):
        batches = {way: [COURSE_BATCH] for way in self.ways}
        batches["plain"] = [PLAIN_BATCH, COURSE_BATCH]
        if "torch" in batches:
            batches["torch"] = [PLAIN_BATCH, COURSE_BATCH]
        cases = {
            ("autoencoder", way, batch): ([self.first[way]], self.request(way, batch))
            for way, sizes in batches.items()
            for batch in sizes
        }
        for way, batch in (
            ("plain", PLAIN_BATCH),
            ("plain", COURSE_BATCH),
            ("course", COURSE_BATCH),
            ("numpy", COURSE_BATCH),
        ):
            request = self.request(way, batch, kind="forecaster")
            cases["forecaster", way, batch] = [self.first[way]], request
        found = self.rounds(cases)
        memory = {way: worker.ask(do="peak_memory") for way, worker in self.first.items()}
        for (kind, way, batch), speed in found.items():
            ratio = np.divide(speed, found[kind, "plain", PLAIN_BATCH])
            of_process = "" if kind == "forecaster" else f"{memory[way]:,.0f}"
            yield kind, NAMES[way], str(batch), spread(speed, 0), spread(ratio), of_process

    def machine(self):
        cases = {}
        for way in self.second:
            workers = [self.first[way], self.second[way]]
            batch = PLAIN_BATCH if way == "plain" else COURSE_BATCH
            cases[way, batch, "two processes"] = workers, self.request(way, batch)
        if self.wide:
            for batch in (PLAIN_BATCH, COURSE_BATCH, 4 * COURSE_BATCH):
                name = "torch", batch, "two threads"
                cases[name] = [self.wide], self.request("torch", batch)
        found = self.rounds(cases)
        rivals = {name: speed for name, speed in found.items() if name[0] == "torch"}
        best = max(rivals.values(), key=median, default=None)
        for (way, batch, how), speed in found.items():
            ratio = "" if best is None else spread(np.divide(speed, best))
            yield NAMES[way], str(batch), how, spread(speed, 0), ratio

    def same_loss(self):
        reach = self.plan["reach"]
        cases = {
            ("plain", "usual"): self.request("plain", PLAIN_BATCH, epochs=reach["plain"]),
            ("course", "usual"): self.request("course", COURSE_BATCH, epochs=reach["usual"]),
            **{
                (way, "falling"): self.request(way, **FALLING)
                for way in self.ways
                if way not in ("plain", "keras on jax")
            },
        }
        found = {name: [] for name in cases}
        for _ in range(reach["rounds"]):
            target = None
            for name, request in cases.items():
                request = {**request, "held_out": reach["held_out"]}
                self.first[name[0]].ask(**warm_up(request))
                epochs = self.first[name[0]].ask(**request)
                target = min(value for _, value in epochs) if target is None else target
                found[name].append(first_below(epochs, target))
        plain = np.array([seconds for seconds, _ in found["plain", "usual"]])
        for (way, pace), reached in found.items():
            request = cases[way, pace]
            seconds = np.array([second for second, _ in reached])
            after = median(epoch for _, epoch in reached)
            setting = f"{request['batch']}, {request['rate']:g}{' falling' * (pace == 'falling')}"
            cells = f"{after:g}", spread(seconds), spread(seconds / plain)
            yield NAMES[way], setting, *(cell.replace("inf", "not reached") for cell in cells)

    def scoring(self):
        for window, n_features, units, latent in self.plan["scored"]:
            sizes = {"window": window, "n_features": n_features, "units": units, "latent": latent}
            sizes |= {"rounds": self.plan["rounds"], "rows": self.plan["rows"]}
            found = self.first["course"].ask(do="scoring_speed", batches=[32, 1024], **sizes)
            course, ratios = np.array(found["course"]), []
            for speed in found["keras"]:
                ratios.append(spread(course / speed))
            shape = f"{window} × {n_features}, {units}/{latent}"
            yield shape, spread(course, 0), *ratios, f"{found['difference']:.0e}"

    def latency(self):
        for window, n_features, units, latent in self.plan["streams"]:
            sizes = {"window": window, "n_features": n_features, "units": units, "latent": latent}
            rows = 2 * window + self.plan["updates"]
            count = {"rows": rows, "count": self.plan["updates"]}
            found = self.first["course"].ask(do="latency", **sizes, **count)
            cells = [f"{np.percentile(found[way], q):.2f}" for way in found for q in (50, 99)]
            yield f"{window} × {n_features}, {units}/{latent}", *cells


def warm_up(request):
    """The same request for two batches only."""
    return {**request, "epochs": 1, "count": min(2 * request["batch"], request["count"])}


def first_below(epochs, target):
    """Seconds and number of the first epoch whose loss is no higher; infinite if there is none."""
    reached = [
        (seconds, number)
        for number, (seconds, value) in enumerate(epochs, start=1)
        if value <= target * (1 + 1e-6)
    ]
    return reached[0] if reached else (float("inf"), float("inf"))


def spread(values, digits=2):
    """Median and, in brackets, the lowest and the highest."""
    low, middle, high = (f"{f(values):,.{digits}f}" for f in (min, median, max))
    return middle if low == high else f"{middle} ({low}–{high})"


def seconds(action):
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def start_seconds(code, attempts):
    """Seconds from the start of a new Python to its end; the shortest of a few attempts."""
    command = [sys.executable, "-c", code]
    return min(seconds(lambda: subprocess.run(command, check=True)) for _ in range(attempts))


def windows_of_a_long_series(points):
    """Seconds for the windows, and the bytes that they take."""
    values = np.zeros((points, 1))
    tracemalloc.start()
    clock = seconds(lambda: windowing.window_pairs(values, 30, horizon=1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    inputs, _ = windowing.window_pairs(values, 30, horizon=1)
    assert np.shares_memory(inputs, values)
    return f"{clock * 1000:.1f} ms, {peak:,} bytes beside the {values.nbytes:,} of the series"


def start_and_memory(plan):
    yield f"windows of {plan['points']:,} points", windows_of_a_long_series(plan["points"])
    bare = start_seconds("pass", plan["rounds"])
    for module in plan["starts"]:
        taken = start_seconds(f"import {module}", plan["rounds"]) - bare
        yield f"`import {module}`", f"{max(taken, 0):.2f} s"


def processor():
    """Name of the processor, as far as the system tells."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions():
    found = dict(fingerprints.versions())
    for name in RIVALS:
        if importlib.util.find_spec(name):
            found[name] = importlib.metadata.version(name)
    return ", ".join(f"{name} {version}" for name, version in found.items())


def table(title, head, rows):
    lines = [head.split(" | "), ["---"] * len(head.split(" | ")), *rows]
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    print(f"{title} …", file=sys.stderr, flush=True)
    return f"## {title}\n\n{body}\n"


def report(plan):
    """Everything, as Markdown."""
    bench = Bench(plan)
    try:
        tables = [
            table(title, head, list(rows()))
            for title, head, rows in (
                ("Training, one thread", TRAINING, bench.one_thread),
                ("Training, the whole machine", MACHINE, bench.machine),
                ("To the same validation loss", LOSS, bench.same_loss),
                ("Scoring a long series", SCORING, bench.scoring),
                ("One new row", LATENCY, bench.latency),
                ("Start and memory", "what | measured", lambda: start_and_memory(plan)),
            )
        ]
    finally:
        bench.close()
    made = f"{versions()}; {processor()}, {os.cpu_count()} cores"
    said = READ.format(
        made=made, plan=plan, falling=FALLING, sizes=plan["sizes"], absent="\n".join(bench.absent)
    )
    return "\n".join([said.rstrip() + "\n", *tables])


TRAINING = "network | way | batch | windows/s | times plain Keras at 32 | peak memory, MB"
MACHINE = "way | batch | how | windows/s | times PyTorch's best"
LOSS = "way | batch, learning rate | epochs | seconds | share of plain Keras's time"
SCORING = (
    "window × sensors, units/latent | windows/s | times `predict` | "
    "times `predict(batch_size=1024)` | largest difference"
)
LATENCY = (
    "window × sensors, units/latent | median, ms | p99, ms | median with Keras, ms | "
    "p99 with Keras, ms"
)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure speed and memory.")
    parser.add_argument("file", nargs="?", default="build/bench.md", help="for the results")
    parser.add_argument("--quick", action="store_true", help="sizes that measure nothing: a test")
    given = parser.parse_args()
    target = Path(given.file)
    target.parent.mkdir(parents=True, exist_ok=True)
    text = report(QUICK if given.quick else FULL)
    target.write_text(text, encoding="utf-8", newline="\n")
    print(text)
