"""Synthetic faults in the validation part of a periodic series, to choose an idea without labels.

Choosing a detector by how well it finds injected anomalies in data held out from training follows
Goswami, Challu, Callot, Minorics and Kan (2023), *Unsupervised model selection for time-series
anomaly detection*, ICLR. The kinds are theirs where one period makes sense of them.
"""

import numpy as np
from sklearn.metrics import average_precision_score

PERIOD, FIRST, LAST = 208, 28_000, 35_000  # the validation rows of UCR 001
AROUND, REPEATS = 800, 4  # healthy rows on both sides of a fault; faults of each kind
EDGE = PERIOD  # rows at both ends of what is scored anew whose windows are not complete


def noise(piece, values, spread, rng):
    return piece + rng.normal(0, 0.3 * spread, len(piece))


def flip(piece, values, spread, rng):
    return piece[::-1]


def mirror(piece, values, spread, rng):
    return 2 * piece.mean() - piece


def speed(piece, values, spread, rng):
    factor = rng.choice([0.5, 0.67, 1.5, 2.0])
    return np.interp(
        np.arange(len(piece)) * factor % (len(piece) - 1), np.arange(len(piece)), piece
    )


def smooth(piece, values, spread, rng):
    return np.convolve(np.pad(piece, 15, mode="edge"), np.ones(31) / 31, "valid")


def cutoff(piece, values, spread, rng):
    return np.clip(piece, *np.quantile(piece, [0.15, 0.85]))


def wander(piece, values, spread, rng):
    return piece + 2 * spread * np.sin(np.pi * np.arange(len(piece)) / len(piece))


def contextual(piece, values, spread, rng):
    wave = np.sin(2 * np.pi * np.arange(len(piece)) / rng.integers(40, 120))
    return piece * rng.normal(1, 0.3) + spread * (0.5 * rng.normal() + 0.6 * wave)


def swap(piece, values, spread, rng):
    half = PERIOD // 2
    starts = rng.integers(0, FIRST - half, size=-(-len(piece) // half))
    return np.concatenate([values[start : start + half] for start in starts])[: len(piece)]


KINDS = (noise, flip, mirror, speed, smooth, cutoff, wander, contextual, swap)


def injected(values):
    """Faults one at a time: (kind, first row of the stretch, the stretch with it, its labels).

    `values` is one column of the series; only its training part is touched. A fault lasts one to
    three periods, as `AROUND` rows on both sides stay as they are.
    """
    rng, found = np.random.default_rng(1), []
    spread = values[:FIRST].std()
    for kind in KINDS:
        for _ in range(REPEATS):
            rows = int(rng.integers(PERIOD, 3 * PERIOD + 1))
            start = int(rng.integers(FIRST + AROUND, LAST - AROUND - rows)) - AROUND
            stretch = values[start : start + rows + 2 * AROUND].copy()
            place = slice(AROUND, AROUND + rows)
            stretch[place] = kind(stretch[place], values, spread, rng)
            labels = np.zeros(len(stretch), dtype=bool)
            labels[place] = True
            found.append((kind.__name__, start, stretch, labels))
    return found


def criterion(clean, spoiled, planned):
    """Mean average precision over the faults, each among all validation rows.

    `clean` are the scores of the validation rows, `spoiled` those of each stretch.
    """
    precision = []
    for scores, (_, start, _, labels) in zip(spoiled, planned, strict=True):
        every, truth = clean.copy(), np.zeros(len(clean), dtype=bool)
        inside = slice(EDGE, len(labels) - EDGE)
        place = slice(start - FIRST + EDGE, start - FIRST + len(labels) - EDGE)
        every[place], truth[place] = scores[inside], labels[inside]
        precision.append(average_precision_score(truth[PERIOD:], every[PERIOD:]))
    return float(np.mean(precision))
