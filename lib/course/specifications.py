"""What each notebook accepts from outside: one typed specification per notebook.

A parameter that several notebooks share is written down once, and reused with another default
where that is needed. `lib.course.parameters` holds a notebook against its specification.
"""

import ast
import numbers
import os
from dataclasses import dataclass, replace

from lib.errors import ParameterError


@dataclass(frozen=True)
class Parameter:
    """One parameter of a notebook; its type is the type of its default.

    Parameters
    ----------
    name : str
        Name of the variable in the notebook's parameters cell.
    default : int, float, bool or str
        Value in the stored notebook.
    help : str
        One line for `python -m lib list 05`.
    minimum, maximum : int or float
        Accepted range, both ends included; every number has one.
    choices : tuple of str
        For a text: the accepted values, if they are few.
    series : bool
        For a text: it is the name of a shipped series or the path of a CSV file.

    Examples
    --------
    >>> WINDOW.accepts
    'an integer from 2 to 500'
    >>> WINDOW.check(60)
    60
    >>> WINDOW.check("60")
    Traceback (most recent call last):
    lib.errors.ParameterError: `window` must be an integer from 2 to 500. \
Received: window='60'
    """

    name: str
    default: int | float | bool | str
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    series: bool = False

    @property
    def accepts(self):
        """What the parameter accepts, in words."""
        if self.series:
            return f"a shipped series ({', '.join(_shipped())}) or the path of a CSV file"
        if self.choices:
            return "one of " + ", ".join(map(repr, self.choices))
        kind = {bool: "True or False", int: "an integer", float: "a number", str: "a text"}
        bounds = "" if self.minimum is None else f" from {self.minimum} to {self.maximum}"
        return kind[type(self.default)] + bounds

    def check(self, value):
        """Return `value` in the parameter's type.

        Raises
        ------
        ParameterError
            If the type is another (a whole number is fine where any number is meant), or the
            value is not finite, out of range, not among the choices, or not a file.
        """
        if not (self._has_type(value) and self._is_allowed(value)):
            message = f"`{self.name}` must be {self.accepts}. Received: {self.name}={value!r}"
            raise ParameterError(message)
        return type(self.default)(value)

    def parse(self, text):
        """Return the value that `text` from a command line stands for, checked.

        Numbers are read as Python reads them and nothing is guessed: `3.0` is no integer, and
        `true` is only a word.

        Examples
        --------
        >>> WINDOW.parse("60")
        60
        """
        if isinstance(self.default, str):
            return self.check(text)
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            value = text
        return self.check(value)

    def _has_type(self, value):
        kind = {bool: bool, int: numbers.Integral, float: numbers.Real, str: str}
        # To Python, True is an integer; to a reader of "window=True", it is a mistake.
        is_stray_bool = isinstance(value, bool) and not isinstance(self.default, bool)
        return isinstance(value, kind[type(self.default)]) and not is_stray_bool

    def _is_allowed(self, value):
        if self.series:
            return value in _shipped() or os.path.isfile(value)
        if self.choices:
            return value in self.choices
        # Neither NaN nor an infinity lies between two finite bounds.
        return self.minimum is None or bool(self.minimum <= value <= self.maximum)


def _shipped():
    """Names of the series in the catalogue; pandas is imported only now that they are needed."""
    from lib import data

    return [name for name in data.catalogue()["name"] if not name.endswith("_events")]


SERIES = (
    Parameter("csv", "sp500", "the series: a shipped name, or your own CSV file", series=True),
    Parameter("column", "close", "column of the CSV with the values"),
    Parameter("time", "date", "column of the CSV with the times"),
)
TRAIN_FRACTION = Parameter(
    "train_fraction", 0.8, "share of the series, from its start, to train on", 0.1, 0.95
)
WINDOW = Parameter("window", 30, "time steps a model sees at once", 2, 500)
UNITS = Parameter("units", 64, "width of the wider LSTM layer", 1, 512)
LATENT = Parameter("latent", 16, "width of the narrower LSTM layer, the bottleneck", 1, 512)
DROPOUT = Parameter("dropout", 0.2, "share of units silenced while training", 0.0, 0.9)
LEARNING_RATE = Parameter("learning_rate", 0.001, "step size of Adam", 1e-6, 1.0)
EPOCHS = Parameter("epochs", 20, "most passes over the training windows", 1, 1000)
BATCH_SIZE = Parameter("batch_size", 128, "windows per step of the optimiser", 1, 8192)
AGGREGATION = Parameter(
    "aggregation",
    "last",
    "how errors of overlapping windows become one",
    choices=("last", "mean", "median"),
)
# As in `lib.detectors.recipe`, which would load Keras; a test holds them together.
KINDS = ("lstm_autoencoder", "lstm_forecaster", "dense_autoencoder", "conv_autoencoder")
RULES = (
    *("fixed", "mean_plus_sigma", "percentile", "maximum", "mad"),
    *("peaks_over_threshold", "dynamic", "conformal"),
)
SEED = Parameter("seed", 0, "seed of weights and shuffling", 0, 2**32 - 1)

SPECIFICATIONS = {
    "00_quickstart": (
        replace(WINDOW, default=20),
        replace(UNITS, default=16, help="width of both LSTM layers"),
        replace(EPOCHS, default=10),
        SEED,
    ),
    "01_autoencoders": (
        replace(WINDOW, default=32, minimum=16, maximum=256),
        replace(LATENT, default=2, maximum=32),
        replace(EPOCHS, default=15, maximum=200),
        SEED,
    ),
    "02_lstm_step_by_step": (
        Parameter("lags", 60, "how many steps back influence is measured", 20, 200),
        replace(UNITS, default=16, help="width of the untrained networks", maximum=64),
        replace(EPOCHS, default=10, maximum=100),
        SEED,
    ),
    "03_windows_and_leakage": (
        TRAIN_FRACTION,
        replace(WINDOW, default=20),
        replace(LATENT, default=4, help="width of the bottleneck"),
        replace(EPOCHS, default=12),
        Parameter("seeds", 3, "trainings of each procedure, each with its own seed", 1, 100),
    ),
    "04_reconstruct_denoise_represent": (
        replace(UNITS, default=32, help="width of the decoder's LSTM layer"),
        replace(LATENT, default=8, help="width of the bottleneck"),
        replace(LEARNING_RATE, default=0.01),
        replace(EPOCHS, default=16),
        replace(BATCH_SIZE, default=32),
        SEED,
    ),
    "05_sp500_comparison": (
        *SERIES,
        TRAIN_FRACTION,
        WINDOW,
        UNITS,
        LATENT,
        DROPOUT,
        LEARNING_RATE,
        EPOCHS,
        BATCH_SIZE,
        AGGREGATION,
        Parameter("threshold", 0.65, "error above which a day is flagged, in σ", 0.0, 100.0),
        SEED,
    ),
    "06_sp500_returns": (
        *SERIES,
        TRAIN_FRACTION,
        replace(WINDOW, default=20),
        replace(UNITS, default=16),
        replace(LATENT, default=4),
        replace(LEARNING_RATE, default=0.003),
        replace(EPOCHS, default=5),
        replace(BATCH_SIZE, default=256),
        Parameter("decay", 0.94, "weight of the past in the volatility known today", 0.5, 0.999),
        Parameter("flags_per_year", 1.0, "flags promised per year on ordinary days", 0.01, 250.0),
        Parameter("seeds", 5, "trainings per network, each with its own seed", 2, 100),
    ),
    "07_thresholds": (
        Parameter("target_percent", 1.0, "percent of normal points that may be flagged", 0.1, 20.0),
        Parameter("risk", 0.001, "share that may exceed the fitted tail", 1e-6, 0.04),
        Parameter("history", 30, "days that an adaptive line of the wind turbine knows", 2, 180),
        replace(UNITS, default=16, maximum=128),
        replace(LATENT, default=4, maximum=128),
        replace(LEARNING_RATE, default=0.01),
        replace(EPOCHS, default=10, maximum=200),
        SEED,
    ),
    "08_your_own_series": (
        replace(SERIES[0], default="nasdaq"),
        replace(SERIES[1], default="Close", help="columns of values, commas between; empty: all"),
        replace(SERIES[2], default="Date", help="column of the times; empty: rows are counted"),
        Parameter("separator", ",", "between columns of the CSV", choices=(",", ";", "tab", "|")),
        Parameter("day_first", False, "read 01/02/2020 as 1 February"),
        Parameter("max_gap", 10.0, "longest step that is no gap, in usual ones; 0: any", 0.0, 1e9),
        Parameter("repeated", "refuse", "rows with an earlier time", choices=("refuse", "first")),
        Parameter("resample", "", "step of a new clock, such as 1h or 1D; empty: as it is"),
        Parameter("form", "returns", "what is learned", choices=("returns", "levels")),
        TRAIN_FRACTION,
        replace(WINDOW, default=0, help="time steps a model sees; 0: one period", minimum=0),
        Parameter("kind", "lstm_autoencoder", "the detector's network", choices=KINDS),
        replace(UNITS, default=16, help="width of the wider layers"),
        replace(LATENT, default=4, help="width of the narrower layer, the bottleneck"),
        replace(LEARNING_RATE, default=0.003),
        replace(EPOCHS, default=8),
        BATCH_SIZE,
        Parameter("threshold", "percentile", "rule that sets the line", choices=RULES),
        Parameter("option", 0.0, "the rule's number; 0: its usual one", 0.0, 1e6),
        Parameter("max_missing", 0.2, "share of a window that may be missing", 0.0, 0.9),
        Parameter("simple", "moving_z", "rule beside it", choices=("moving_z", "last_value")),
        SEED,
        Parameter("output", "", "folder for flags, figure and detector; empty: nothing is kept"),
    ),
    "09_power_plant_sensors": (
        replace(WINDOW, default=12, minimum=8, maximum=72),
        replace(UNITS, default=24, help="width of the LSTM layers"),
        replace(LATENT, default=12, help="width of the bottleneck, components of PCA", maximum=48),
        Parameter("iterations", 400, "most steps of the optimiser; judged each 100", 100, 50_000),
        Parameter("flags_per_week", 2.0, "flagged rows promised per healthy week", 0.1, 500.0),
        Parameter("fault_size", 3.0, "injected faults, in spreads of their sensor", 0.1, 20.0),
        SEED,
        Parameter("output", "", "folder to save the detector in; empty: nothing is kept"),
    ),
    "10_labelled_benchmark": (
        Parameter(
            "series",
            "ucr_135",
            "the benchmark series; only ucr_135 ships, `python -m lib fetch` gets the others",
            choices=("ucr_135", "ucr_001", "ucr_002", "ucr_109", "ucr_136", "ucr_152", "ucr_193"),
        ),
        Parameter("stride", 1, "rows from one window to the next", 1, 8),
        replace(UNITS, default=64, help="width of the decoder's LSTM layer"),
        replace(LATENT, default=8, help="width of the bottleneck"),
        replace(LEARNING_RATE, default=0.003),
        replace(EPOCHS, default=40),
        replace(BATCH_SIZE, default=64),
        Parameter("seeds", 3, "trainings, each with its own seed", 1, 20),
        Parameter("known_epochs", 1, "passes of the known study's network; it had 25", 1, 100),
        Parameter(
            "reading",
            "row by row",
            "which reading of the errors the reports are about",
            choices=("row by row", "whole window", "windows alike"),
        ),
        Parameter("scores", "", "folder to save all scores in; empty: nothing is kept"),
        Parameter("saved", "", "folder of saved scores to start from; empty: train"),
    ),
    "11_comparison_study": (
        Parameter("table", "", "path of a table of results; empty: the one that ships"),
        Parameter(
            "metric",
            "vus_pr",
            "what the boards are sorted and tested by",
            choices=(
                *("vus_pr", "average_precision", "vus_roc", "roc_auc"),
                *("f1", "event_f1", "range_f1", "affiliation_f1"),
            ),
        ),
        Parameter("alpha", 0.05, "chance of a false difference that is accepted", 0.001, 0.2),
        Parameter("draws", 2000, "of the bootstrap", 100, 100_000),
        Parameter("live", True, "run three cells of the study again, and compare"),
    ),
    "12_pitfalls": (
        replace(WINDOW, maximum=200),
        replace(UNITS, default=16, help="width of the LSTM layers", maximum=128),
        replace(LATENT, default=8, help="width of the bottleneck", maximum=128),
        replace(LEARNING_RATE, default=0.01),
        replace(EPOCHS, default=12, maximum=200),
        Parameter("seeds", 2, "trainings of each protocol, each with its own seed", 2, 50),
        Parameter("flag_share", 2.0, "percent of rows flagged by lot", 0.1, 50.0),
        Parameter("event_rows", 288, "rows that an injected fault lasts", 12, 432),
        SEED,
    ),
    "13_live": (
        Parameter(
            "detector", "", "folder of a detector that notebook 09 saved; empty: the shipped"
        ),
        Parameter("cool_down", 6.0, "hours without a flag that end an episode", 0.0, 168.0),
        Parameter("fault_size", 3.0, "injected faults, in spreads of their sensor", 0.1, 20.0),
        Parameter("refit_epochs", 3, "most passes of the successor's training", 1, 200),
        Parameter("pace", 0.0, "seconds between two rows, for who looks on", 0.0, 60.0),
        replace(SEED, default=2, help="seed of the places of the faults"),
    ),
    "14_backpropagation_by_hand": (
        replace(WINDOW, default=40, minimum=8, maximum=200, help="rows of a window"),
        replace(UNITS, default=8, help="width of both LSTM layers", maximum=64),
        replace(EPOCHS, default=6, maximum=100),
        SEED,
    ),
}
