"""Detectors of anomalies, all under one protocol: fit, score, flag, store, update."""

from lib.detectors.detector import Detector
from lib.detectors.kinds import KINDS
from lib.errors import DetectorError

__all__ = ["KINDS", "Detector", "DetectorError"]
