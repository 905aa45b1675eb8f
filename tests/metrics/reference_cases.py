"""Labels and scores on which metrics are compared with those of other packages.

`make_reference_metrics.py` and `test_study_metrics.py` build them alike: only uniform numbers of
NumPy's PCG64 are drawn, and `fingerprint` tells whether they still are the same.
"""

import numpy as np

WINDOWS = (0, 1, 7, 40)


def cases():
    """Name -> labels (bool), scores (float), threshold."""
    made = {
        "three events": _case(1, 400, [(50, 59), (150, 189), (300, 304)]),
        "at the start": _case(2, 300, [(0, 11), (200, 229)]),
        "at the end": _case(3, 300, [(100, 109), (280, 299)]),
        "at both ends": _case(4, 250, [(0, 0), (249, 249)]),
        "close together": _case(5, 300, [(100, 109), (111, 120), (124, 124), (140, 160)]),
        "slopes that just meet": _case(6, 300, [(60, 69), (110, 119), (159, 165), (207, 210)]),
        "single points": _case(7, 400, [(30, 30), (32, 32), (200, 200), (399, 399)]),
        "ties": _case(8, 300, [(60, 79), (200, 203)], digits=1, threshold=0.8),
        "chance": _case(9, 500, [(100, 119), (350, 399)], lift=0, threshold=0.9),
        "short": _case(10, 40, [(8, 12), (30, 31)]),
        "long": _case(11, 2000, [(400, 520), (1300, 1310), (1900, 1999)], threshold=0.95),
        "nothing flagged": _case(12, 300, [(60, 79), (200, 203)], threshold=9),
        "everything flagged": _case(13, 300, [(60, 79), (200, 203)], threshold=-1),
        "constant": _case(14, 300, [(60, 79), (200, 203)], lift=0, digits=0, threshold=2),
        "half a point": _case(15, 101, [(20, 24), (50, 60), (80, 81)], threshold=1.2),
    }
    uniform = np.random.default_rng(16).random((2, 300))
    made["many events"] = (uniform[0] < 0.3, uniform[1], 0.6)
    labels, scores, threshold = _case(17, 400, [(120, 139), (260, 299)])
    made["too late"] = (labels, np.roll(scores, 25), threshold)
    labels, scores, threshold = _case(18, 300, [(90, 119)])
    made["far away"] = (labels, np.where(np.arange(300) >= 280, 3.0, scores / 2), threshold)
    return made


def fingerprint(labels, scores):
    """Two numbers that change with any label or score."""
    weights = np.arange(1, len(labels) + 1)
    return [float(weights @ labels), float(weights @ scores)]


def _case(seed, points, events, *, lift=0.5, digits=None, threshold=0.9):
    labels = np.zeros(points, dtype=bool)
    for start, end in events:
        labels[start : end + 1] = True
    scores = np.random.default_rng(seed).random(points) + lift * labels
    if digits == 0:
        scores = np.ones(points)
    return labels, scores if digits is None else np.round(scores, digits), threshold
