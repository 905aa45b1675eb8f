"""Measure speed and memory: `make bench`, or this script with the file for the results.

Training the way of this course is compared with the same networks in plain Keras, in one process
and in turn, so that whatever else the machine does hits both alike. One thread, as in a run of
the notebooks. For Linux and macOS, where a process can be asked for its peak memory.
"""

import os
import platform
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from statistics import median

import numpy as np

from lib import data, stamps, windowing
from lib.parameters import specification
from lib.runner import KERNEL_ENVIRONMENT

ROUNDS = 3
EPOCHS = 4  # in one training, so that its start weighs little, as in the notebooks
PLAIN_BATCH = 32
READ = """# Speed and memory

Read the ratios, not the seconds: seconds belong to one machine at one hour, while each ratio
divides two times taken one after the other. A time is that of one training of {epochs} epochs; the
tables give the median of {rounds} rounds and, in brackets, the lowest and the highest. Above 1 the
course is faster. The first comparison changes the batch size and the code, as one does who comes
here from a script with Keras's usual batches of {plain}; the second leaves the batches equal, so it
shows what the code alone is worth. Where a machine is busy, trust the processor time.

Made by `make bench` with {made}.
"""


def settings():
    """The defaults of notebook 05."""
    return {name: p.default for name, p in specification("05_sp500_comparison").items()}


def scaled_closes(given):
    """Training and validation part of the S&P 500, as notebook 05 scales them."""
    series = data.load(given["csv"])
    train, validation, _ = windowing.chronological_split(
        series, given["train_fraction"], validation=0.1
    )
    scaler = windowing.fit_scaler(series[: len(train) + len(validation)])
    return scaler.transform(train).to_numpy(), scaler.transform(validation).to_numpy()


def course_way(kind, given):
    """A function that trains as notebook 05 does, and the number of parameters trained."""
    from lib import models, training

    sizes = {name: given[name] for name in ("dropout", "learning_rate", "seed")}
    window, units, latent = given["window"], given["units"], given["latent"]
    if kind == "forecaster":
        model = models.build_lstm_forecaster(window, units=(latent, units), **sizes)
    else:
        model = models.build_lstm_autoencoder(window, units=units, latent=latent, **sizes)
    horizon = 1 if kind == "forecaster" else 0
    pairs = [windowing.window_pairs(x, window, horizon=horizon) for x in scaled_closes(given)]

    def train(n_windows=None):
        task, validation = [[array[:n_windows] for array in pair] for pair in pairs]
        budget = {"epochs": EPOCHS, "batch_size": given["batch_size"], "patience": EPOCHS}
        training.fit(model, *task, validation=validation, **budget)

    return train, model.count_params()


def plain_way(kind, given, batch_size):
    """The same in plain Keras."""
    import plain_keras

    sizes = (given[name] for name in ("window", "units", "latent", "dropout"))
    model = getattr(plain_keras, kind)(*sizes)
    pairs = [plain_keras.create_sequences(x, given["window"]) for x in scaled_closes(given)]
    if kind == "autoencoder":
        pairs = [(inputs, inputs) for inputs, _ in pairs]

    def train(n_windows=None):
        task, validation = [[array[:n_windows] for array in pair] for pair in pairs]
        budget = {"epochs": EPOCHS, "batch_size": batch_size}
        model.fit(*task, validation_data=validation, verbose=0, **budget)

    return train, model.count_params()


def seconds(action):
    """Seconds on the clock and of the processor that one call takes."""
    clock, processor = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - clock, time.process_time() - processor


def compare(kind, given):
    """Rows of the table for one network: epochs per second and ratios to plain Keras."""
    ways = {
        "course": course_way(kind, given),
        f"batches of {PLAIN_BATCH}": plain_way(kind, given, PLAIN_BATCH),
        "equal batches": plain_way(kind, given, given["batch_size"]),
    }
    assert len({count for _, count in ways.values()}) == 1, "the networks differ in size"
    for train, _ in ways.values():
        train(2 * PLAIN_BATCH)  # what Keras compiles on first use is not part of the comparison
    times = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (train, _) in ways.items():
            times[name].append(seconds(train))
    course = times.pop("course")
    speed = spread([EPOCHS / clock for clock, _ in course])
    for name, plain in times.items():
        ratios = np.array(plain) / np.array(course)
        plain_speed = spread([EPOCHS / clock for clock, _ in plain])
        yield f"{kind}, {name}", speed, plain_speed, spread(ratios[:, 0]), spread(ratios[:, 1])


def spread(values):
    return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def peak_memory():
    """Peak memory in MB of a new process that trains both networks, as a notebook does."""
    code = (
        "import resource, bench_training as b\n"
        "for kind in ('forecaster', 'autoencoder'):\n"
        "    b.course_way(kind, b.settings())[0]()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    environment = {**os.environ, **KERNEL_ENVIRONMENT, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    unit = 1 if sys.platform == "darwin" else 1024  # the system's own units: bytes or kilobytes
    return int(done.stdout.split()[-1]) * unit / 1e6


def windowing_10_million_points():
    """Seconds for the windows of ten million points, and the bytes that they take."""
    values = np.zeros((10_000_000, 1))
    tracemalloc.start()
    clock, _ = seconds(lambda: windowing.window_pairs(values, 30, horizon=1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    inputs, _ = windowing.window_pairs(values, 30, horizon=1)
    assert np.shares_memory(inputs, values)
    return f"{clock * 1000:.1f} ms, {peak:,} bytes beside the {values.nbytes:,} of the series"


def start_seconds(code, attempts=2):
    """Seconds from the start of a new Python to its end; the shortest of a few attempts."""
    command = [sys.executable, "-c", code]
    return min(seconds(lambda: subprocess.run(command, check=True))[0] for _ in range(attempts))


def processor():
    """Name of the processor, as far as the system tells."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def memory_and_start():
    """Rows of the second table."""
    yield "peak memory of training both networks in one process", f"{peak_memory():.0f} MB"
    yield "windows of 10 million points", windowing_10_million_points()
    bare = start_seconds("pass")
    for module in ("lib", "lib.data", "lib.models"):
        yield f"`import {module}`", f"{start_seconds(f'import {module}') - bare:.2f} s"


def report():
    """Everything, as Markdown."""
    given = settings()
    versions = ", ".join(f"{name} {version}" for name, version in stamps.versions().items())
    made = f"{versions}; {processor()}, one thread"
    head = ["network, plain Keras with", "course, epochs/s", "plain, epochs/s"]
    head += ["ratio by the clock", "ratio by processor time"]
    rows = [row for kind in ("forecaster", "autoencoder") for row in compare(kind, given)]
    said = READ.format(rounds=ROUNDS, epochs=EPOCHS, plain=PLAIN_BATCH, made=made)
    return "\n".join([said, table(head, rows), table(["what", "measured"], memory_and_start())])


if __name__ == "__main__":
    os.environ.update(KERNEL_ENVIRONMENT)
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "build/bench.md")
    target.parent.mkdir(parents=True, exist_ok=True)
    text = report()
    target.write_text(text, encoding="utf-8", newline="\n")
    print(text)
