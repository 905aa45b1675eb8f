"""Write `reference_metrics.json`: values of the study's metrics, by other people's code.

The packages do not work beside the versions that this project needs, so they are no dependency;
they are installed in an environment of their own, and only to make the file anew::

    python3.11 -m venv venv_reference
    venv_reference/bin/pip install "numpy<2" "pandas<2.3" "scikit-learn<1.6" scipy numba \
        deprecated pyyaml tqdm
    venv_reference/bin/pip install --no-deps aeon==1.1.0 prts==1.0.0.3 vus==0.0.6 TSB-AD==1.5 \
        tsadmetrics==1.0.16
    venv_reference/bin/python tests/metrics/make_reference_metrics.py
"""

import json
import warnings
from importlib import metadata
from pathlib import Path

import numpy as np
from reference_cases import WINDOWS, cases, fingerprint

PACKAGES = ("aeon", "prts", "vus", "TSB-AD", "tsadmetrics", "numpy", "scikit-learn")
PATH = Path(__file__).with_name("reference_metrics.json")


def range_values(labels, flags):
    """Precision and recall of ranges, after Tatbul et al., three times."""
    from aeon.benchmarking.metrics.anomaly_detection import ts_precision, ts_recall
    from prts import ts_precision as prts_precision
    from prts import ts_recall as prts_recall
    from TSB_AD.evaluation.basic_metrics import basic_metricor

    kind, alpha, judge = "reciprocal", 0.2, basic_metricor()
    values = {
        "aeon": [
            ts_precision(flags, labels, gamma=kind),
            ts_recall(flags, labels, gamma=kind, alpha=alpha),
        ],
        "TSB-AD": [
            judge.range_recall_new(flags, labels, 0)[0],
            judge.range_recall_new(labels, flags, alpha)[0],
        ],
    }
    if flags.any():  # prts refuses flags without one
        values["prts"] = [
            prts_precision(labels, flags, cardinality=kind),
            prts_recall(labels, flags, alpha=alpha, cardinality=kind),
        ]
    return values


def affiliation_values(labels, flags):
    """Precision and recall of affiliation: the authors' code, as VUS ships it."""
    from vus.affiliation.generics import convert_vector_to_events
    from vus.affiliation.metrics import pr_from_events

    events = [convert_vector_to_events(list(marks)) for marks in (flags, labels)]
    values = pr_from_events(*events, (0, len(labels)))
    return [values["Affiliation_Precision"], values["Affiliation_Recall"]]


def volume_values(labels, scores, window):
    """VUS-ROC and VUS-PR, by two packages of one family and two of the other."""
    from aeon.benchmarking.metrics.anomaly_detection import range_pr_vus_score, range_roc_vus_score
    from TSB_AD.evaluation.basic_metrics import generate_curve
    from vus.basic_metrics import basic_metricor
    from vus.utils.metrics import metricor

    old = basic_metricor().RangeAUC_volume(labels, scores, window)[-2:]
    aeon = [range_roc_vus_score, range_pr_vus_score]
    return {
        "TSB-AD": generate_curve(labels, scores, window)[-2:],
        "vus": metricor().RangeAUC_volume_opt(labels, scores, window)[-2:],
        "other family: vus": old,
        "other family: aeon": [volume(labels, scores, window) for volume in aeon],
    }


def adjusted_values(labels, flags):
    """F1 after point adjustment; TSB-AD's never adjusts the first point of a series."""
    from tsadmetrics.metrics.tem.tpdm import PointadjustedFScore
    from TSB_AD.evaluation.basic_metrics import basic_metricor

    return {
        "tsadmetrics": PointadjustedFScore().compute(labels, flags),
        "TSB-AD": basic_metricor().metric_PointF1PA(labels, flags, preds=flags),
    }


def one(labels, scores, threshold):
    flags, marks = (scores > threshold).astype(int), labels.astype(int)
    return {
        "fingerprint": fingerprint(labels, scores),
        "range": range_values(marks, flags),
        "affiliation": affiliation_values(marks, flags),
        "point_adjusted": adjusted_values(marks, scores > threshold),
        "volume": {str(window): volume_values(marks, scores, window) for window in WINDOWS},
    }


def rounded(value):
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(part) for part in value]
    return None if np.isnan(value) else round(float(value), 9)


def main():
    warnings.simplefilter("ignore")
    note = "Made by make_reference_metrics.py from reference_cases.py with these packages."
    content = {
        "note": note,
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "cases": {name: rounded(one(*case)) for name, case in cases().items()},
    }
    PATH.write_text(json.dumps(content, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
