"""The figures: seaborn on matplotlib, accessible by default.

Colours come from the colour-blind palette and never stand alone: lines also differ in style,
points in marker. `show` puts a figure into the notebook under its name; its alternative text stands
in the metadata of the cell. What is not given axes to draw into returns a matplotlib Figure.
"""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import display
from matplotlib.ticker import LogLocator, MaxNLocator, ScalarFormatter

DPI = 100
LINE_STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D")
SHORTEST_ALT = 40


def use_style():
    """Set the look of all figures: white grid, colour-blind palette, readable size."""
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind")
    plt.rcParams.update({"figure.dpi": DPI, "figure.figsize": (9, 4), "axes.titlesize": "medium"})


def show(figure, name, alt=None):
    """Show a figure under its name, and close it.

    Parameters
    ----------
    figure : matplotlib Figure
    name : str
        Short name, unique in the notebook; `figures/NN_name.png` is made from it.
    alt : str, optional
        Alternative text, what a person who cannot see it needs: kind of chart, axes, what there
        is to see, in at least 40 characters. Without it, the metadata of the cell have it (`alt`:
        name -> text), and it is put into the output when the notebook is stored.
    """
    if alt is not None and len(alt) < SHORTEST_ALT:
        raise ValueError(
            f"`alt` must describe the figure in at least {SHORTEST_ALT} characters. "
            f"Received: alt={alt!r}"
        )
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=DPI, bbox_inches="tight")
    plt.close(figure)
    said = {"name": name} | ({"alt": alt} if alt else {})
    shown = base64.b64encode(picture.getvalue()).decode()
    display(
        {"image/png": shown, "text/plain": alt or f"<figure {name}>"},
        metadata={"image/png": said},
        raw=True,
    )


def show_table(table, name):
    """Show a frame under a name, unique in the notebook; `tables/NN_name.csv` is made from it.

    It is stored as it is shown: round it to what can be compared.
    """
    with pd.option_context("display.max_colwidth", None):
        html = table.to_html()
    formats = {
        "text/html": html,
        "text/plain": table.to_string(),
        "text/csv": table.to_csv(lineterminator="\n"),
    }
    display(formats, metadata={"text/csv": {"name": name}}, raw=True)


def show_claims(claims):
    """Show the numbers that the text of a notebook repeats, under the name `claims`.

    In the text each stands behind a comment with its name, `<!-- claim: flags -->403`; a test
    compares the two. The numbers, by name, are shown with six digits.
    """
    table = pd.Series(claims, name="value", dtype=float).map("{:.6g}".format)
    show_table(table.rename_axis("claim").to_frame(), "claims")


def training_curves(histories, loss="mean absolute error"):
    """Training and validation loss over epochs, one panel per model.

    `histories` are what `training.fit` returns, by name; `loss` is written at the axis.
    """
    figure, axes = plt.subplots(1, len(histories), sharey=True, squeeze=False)
    for axis, (name, history) in zip(axes[0], histories.items(), strict=True):
        for column, style, marker in zip(history.columns, LINE_STYLES, MARKERS, strict=False):
            label = {"loss": "training", "val_loss": "validation"}[column]
            axis.plot(history[column], linestyle=style, marker=marker, label=label)
        best = history.attrs["best_epoch"]
        axis.axvline(best, color="0.4", linestyle=":", label=f"kept: epoch {best}")
        axis.set(title=name, xlabel="epoch", yscale="log")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
        low, high = axis.get_ylim()
        if high > 8 * low:  # too many numbers to write beside the axis
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.minorticks_off()
        axis.legend()
    axes[0, 0].set_ylabel(f"loss ({loss})")
    return figure


def score_histogram(scores, threshold, xlabel="score"):
    """Distribution of scores with the threshold drawn in, one panel per column of the frame."""
    figure, axes = plt.subplots(1, scores.shape[1], sharex=True, sharey=True, squeeze=False)
    for axis, (name, values) in zip(axes[0], scores.items(), strict=True):
        sns.histplot(values.dropna(), bins=60, ax=axis, edgecolor=None)
        axis.axvline(threshold, color="C3", linestyle="--")
        axis.annotate(f"threshold {threshold:.3g} ", (threshold, 0.9), color="C3", ha="right",
                      xycoords=("data", "axes fraction"))  # fmt: skip
        axis.set(title=name, xlabel=xlabel, ylabel="days", yscale="log")
    return figure


def score_lines(scores, threshold, ylabel="score"):
    """Scores over time with the threshold drawn in, one panel below the other for each column."""
    n, shared = scores.shape[1], {"sharex": True, "sharey": True, "squeeze": False}
    figure, axes = plt.subplots(n, figsize=(9, 2.2 * n), **shared)
    for axis, (name, values) in zip(axes[:, 0], scores.items(), strict=True):
        axis.plot(values, linewidth=1)
        axis.axhline(threshold, color="C3", linestyle="--")
        axis.set(title=name, ylabel=ylabel)
    axes[0, 0].annotate(f"threshold {threshold:.3g}", (0.01, threshold), color="C3",
                        xycoords=("axes fraction", "data"), va="bottom")  # fmt: skip
    return figure


def price_chart(axis, price, *, events=None, flags=None, log=True):
    """Draw a price, its known events as numbered lines, and flagged days as dots.

    Parameters
    ----------
    axis : matplotlib Axes
    price, flags : Series with a DatetimeIndex
        Flags are bools; without them no day is marked.
    events : DataFrame with a DatetimeIndex, optional
        Events outside the span of `price` are left out; numbers are row numbers from 1.
    log : bool
        Logarithmic price axis: equal distances are equal relative changes.
    """
    axis.plot(price, color="C0", linewidth=1)
    if log:
        log_axis(axis)
    if flags is not None:
        flagged = price.reindex(flags.index[flags.to_numpy(dtype=bool)])
        axis.plot(flagged, linestyle="", marker="o", markersize=5, color="C3", alpha=0.6,
                  label=f"flagged ({len(flagged)} days)")  # fmt: skip
        axis.legend(loc="upper left")
    heights = (1.01, 1.06)  # two rows of numbers, so that neighbours stay legible
    for number, day in enumerate([] if events is None else events.index, start=1):
        if price.index[0] <= day <= price.index[-1]:
            axis.axvline(day, color="0.5", linestyle=":", linewidth=1, zorder=0)
            axis.annotate(str(number), (day, heights[number % 2]), ha="center", fontsize="small",
                          xycoords=("data", "axes fraction"))  # fmt: skip


def log_axis(axis):
    """Make the vertical axis logarithmic, with plain numbers at 1, 2 and 5."""
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(ScalarFormatter())
    axis.minorticks_off()


def intervals(found, xlabel, *, margin=None, families=None):
    """Draw a mean with its interval in each row, the first on top.

    Parameters
    ----------
    found : DataFrame with columns `mean`, `low` and `high`
        Its index names the rows. If it has a column `verdict`, that is written beside each.
    xlabel : str
    margin : float, optional
        Half the width of a grey band around 0, for differences.
    families : Series of str, optional
        What family each row belongs to: a colour and a marker each.
    """
    figure, axis = plt.subplots(figsize=(9, 0.36 * len(found) + 1))
    families = pd.Series("", found.index) if families is None else families
    looks = {name: (f"C{i}", MARKERS[i]) for i, name in enumerate(families.unique())}
    for place, (name, one) in enumerate(found.iterrows()):
        colour, marker = looks[families[name]]
        axis.plot([one["low"], one["high"]], [place, place], color=colour)
        axis.plot(one["mean"], place, marker, color=colour)
        if "verdict" in found:
            axis.annotate(f" {one['verdict']}", (max(one["high"], margin or 0), place), va="center")
    if margin is not None:
        axis.axvspan(-margin, margin, color="0.85", zorder=0)
        axis.axvline(0, color="0.4", linewidth=1)
        axis.margins(x=0.25)
    if len(looks) > 1:
        for name, (colour, marker) in looks.items():
            axis.plot([], [], marker, color=colour, label=name)
        axis.legend(loc="best")
    axis.set_yticks(range(len(found)), found.index)
    axis.set_xlabel(xlabel)
    axis.invert_yaxis()
    return figure


def event_map(hits):
    """Share of seeds that found each event, from 0 to 1: a frame of events by detectors."""
    figure, axis = plt.subplots(figsize=(8, max(0.36 * len(hits) + 1, 2.8)))
    sns.heatmap(hits, vmin=0, vmax=1, cmap="cividis", linewidths=1, ax=axis, annot=True,
                fmt=".1f", cbar_kws={"label": "share of seeds that flag it"})  # fmt: skip
    axis.set(xlabel="", ylabel="")
    axis.set_yticks(np.arange(len(hits)) + 0.5, hits.index, rotation=0)
    axis.set_xticks(np.arange(hits.shape[1]) + 0.5, hits.columns, rotation=25, ha="right")
    return figure


def gates_over_time(axes, gates, *, marks=()):
    """Draw the gates of an LSTM unit over the time steps, one panel each, 0 closed to 1 open.

    Parameters
    ----------
    axes : sequence of matplotlib Axes
        One for each gate, top to bottom.
    gates : DataFrame of shape (window, n_gates), values from 0 to 1
    marks : sequence of int
        Steps to mark by dotted lines.
    """
    if len(axes) != gates.shape[1]:
        raise ValueError(
            f"`axes` must be one for each gate, {gates.shape[1]}. Received: {len(axes)} axes"
        )
    for number, (axis, (name, values)) in enumerate(zip(axes, gates.items(), strict=True)):
        axis.fill_between(gates.index, values, step="mid", alpha=0.4, color=f"C{number}")
        axis.plot(values, drawstyle="steps-mid", color=f"C{number}", linewidth=1)
        for mark in marks:
            axis.axvline(mark, color="0.3", linestyle=":", linewidth=1)
        axis.set(ylabel=name, ylim=(-0.05, 1.05), yticks=[0, 1], yticklabels=["closed", "open"])
    axes[-1].set_xlabel("time step")


# Places of the LSTM cell: gates (what stands in the box, name below it), and operations.
_GATES = {1.6: ("σ", "forget gate f"), 3.4: ("σ", "input gate i"), 5.2: ("tanh", "candidate g"),
          7.0: ("σ", "output gate o")}  # fmt: skip
_OPERATIONS = {(1.6, 5.0): "×", (4.3, 5.0): "+", (4.3, 3.4): "×", (8.4, 2.6): "×"}
_ARROWS = (
    *(((0.2, 5.0), (1.35, 5.0)), ((1.85, 5.0), (4.05, 5.0)), ((4.55, 5.0), (9.8, 5.0))),
    *(((1.6, 1.9), (1.6, 4.75)), ((3.4, 1.9), (4.12, 3.22)), ((5.2, 1.9), (4.48, 3.22))),
    *(((4.3, 3.65), (4.3, 4.75)), ((7.0, 1.9), (8.15, 2.6)), ((8.4, 5.0), (8.4, 4.25))),
    *(((8.4, 3.65), (8.4, 2.85)), ((8.65, 2.6), (9.8, 2.6))),
    *(((x, 0.7), (x, 1.3)) for x in _GATES),
)
_LABELS = {(0.2, 5.3): "cell state before", (9.8, 5.3): "cell state c", (9.8, 2.15): "state h",
           (0.2, 0.3): "input x and state before"}  # fmt: skip


def lstm_cell():
    """Draw one LSTM cell: four gates, the cell state that passes through, and the output."""
    figure, axis = _canvas((9, 4.6), (0, 10), (0, 5.8))
    for start, end in _ARROWS:
        axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.3"})
    axis.plot([0.2, 7.0], [0.7, 0.7], color="0.3", linewidth=1)
    for number, (x, (sign, name)) in enumerate(_GATES.items()):
        box = {"boxstyle": "round,pad=0.4", "facecolor": f"C{number}", "alpha": 0.35}
        axis.text(x, 1.6, sign, ha="center", va="center", bbox=box)
        axis.text(x + 0.12, 0.95, name, fontsize="small", va="center")
    circle = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "0.3"}
    for (x, y), sign in _OPERATIONS.items():
        axis.text(x, y, sign, ha="center", va="center", bbox=circle)
    axis.text(8.4, 3.95, "tanh", ha="center", va="center", bbox=circle | {"boxstyle": "round"})
    for (x, y), words in _LABELS.items():
        axis.text(x, y, words, ha="left" if x < 5 else "right", fontsize="small")
    return figure


def arrays_in_line(arrays):
    """Draw arrays as boxes with arrows between them: time is the height, features the width.

    Parameters
    ----------
    arrays : list of (str, str, tuple of int)
        What makes the array (written on the arrow before it), its name, and its shape: steps and
        features, or features alone.
    """
    figure, axis = _canvas((2.3 * len(arrays), 3.2), (-0.7, 2 * len(arrays) - 1.3), (-1.6, 1.75))
    for place, (maker, name, shape) in enumerate(arrays):
        steps, features = shape if len(shape) == 2 else (1, shape[0])
        height, width = 0.25 + 0.5 * np.log10(steps), 0.2 + 0.25 * np.log2(features + 1)
        box = plt.Rectangle((2 * place - width / 2, -height), width, 2 * height,
                            facecolor=f"C{place % 3}", alpha=0.35, edgecolor="0.3")  # fmt: skip
        axis.add_patch(box)
        axis.text(2 * place, 1.35, name, ha="center", weight="bold", fontsize="small")
        axis.text(2 * place, -1.45, str(shape), ha="center", fontsize="small")
        if place:
            axis.annotate("", (2 * place - 0.7, 0), (2 * place - 1.3, 0),
                          arrowprops={"arrowstyle": "-|>", "color": "0.3"})  # fmt: skip
            axis.text(2 * place - 1, 0.12, maker, ha="center", fontsize="x-small", rotation=25)
    return figure


def _canvas(size, width, height):
    figure, axis = plt.subplots(figsize=size)
    axis.set(xlim=width, ylim=height)
    axis.axis("off")
    return figure, axis
