"""Metrics of flags and scores against labels: points, events, ranges, affiliation, volumes."""

from lib.metrics.affiliation import affiliation_metrics
from lib.metrics.event_matching import false_alarms_per_year, match_events, years
from lib.metrics.points import (
    confusion,
    event_metrics,
    false_alarms_per_1000,
    find_events,
    label_events,
    point_metrics,
    ucr_hit,
)
from lib.metrics.ranges import point_adjusted_f1, range_metrics
from lib.metrics.summary import study_metrics, threshold_free
from lib.metrics.volume import volume_metrics

__all__ = [
    "affiliation_metrics",
    "confusion",
    "event_metrics",
    "false_alarms_per_1000",
    "false_alarms_per_year",
    "find_events",
    "label_events",
    "match_events",
    "point_adjusted_f1",
    "point_metrics",
    "range_metrics",
    "study_metrics",
    "threshold_free",
    "ucr_hit",
    "volume_metrics",
    "years",
]
