"""Faults of sensors: rules that label real faults, and faults injected into fault-free rows."""

from lib.faults.injection import KINDS, evaluate, inject, plan, undisturbed
from lib.faults.rules import frozen, out_of_range, stopped, unroll_angles, widen

__all__ = [
    "KINDS",
    "evaluate",
    "frozen",
    "inject",
    "out_of_range",
    "plan",
    "stopped",
    "undisturbed",
    "unroll_angles",
    "widen",
]
