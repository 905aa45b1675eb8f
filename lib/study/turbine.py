"""The wind turbine of La Haute Borne as data sets: its real faults, and injected ones.

Spans, rules, limits and faults are those of notebook 09, which explains them.
"""

import functools

import pandas as pd

from lib import data, faults

TRAIN = slice("2014-07-01", "2015-01-20")
VALIDATION = slice("2015-01-21", "2015-05-31")
TEST = slice("2015-06-01", "2015-12-31")
BEFORE = slice("2014-01-01", "2014-06-30")  # the real faults lie before the rows trained on
LIMITS = {"P_avg": (-50, 2200), "Ws_avg": (0, 40), "Ba_avg": (-10, 120), "Va_avg": (-180, 180)}
LIMITS |= {"Ot_avg": (-40, 50), "Wa_avg": (0, 360)}
VARYING = ["P_avg", "Va_avg", "Ot_avg", "Wa_avg"]
STILL = 18  # equal readings in a row that no working sensor gives: three hours
EDGE = 6  # rows on both sides of a labelled one that are neither trained on nor evaluated
SHOWS = {"P_avg": (-20, 2060), "Ws_avg": (0, 25), "Ba_avg": (-7, 115), "Ot_avg": (-40, 50)}
TURNS = {"Va_avg": (-180, 180), "Wa_avg": (0, 360)}
FAULT_ROWS, FAULT_SIZE, REPEATS, SEED = 36, 3.0, 4, 2
DAY = 144  # rows; the first ones have no day before to be compared with, and are not evaluated
# Standard deviations; a smaller change is not a fault, such as a pitch stuck at rest.
LEAST_CHANGE = 0.1


def la_haute_borne(injected, window):
    """Cut the record for the study.

    Parameters
    ----------
    injected : bool
        True: injected faults of six kinds on six sensors, each four times, in the second half of
        2015. False: what the written rules label in the first half of 2014.
    window : int
        Rows that a detector sees at once.

    Returns
    -------
    train, validation, series : DataFrame
        Seven features. What a rule labels is missing in the first two. In `series`, which has
        to be complete, the last reading stands in for a missing one.
    labels : Series of bool
        The evaluated rows: whole windows of rows that were recorded; for injected faults only
        fault-free ones, without the rows after a fault that a window still reaches into.
    """
    plant, fault_free = _record()
    clean = plant.where(fault_free)
    train, validation = (_features(clean[span]) for span in (TRAIN, VALIDATION))
    if injected:
        spoiled, labels = _spoiled(clean, fault_free, window)
        return train, validation, _features(spoiled.ffill().bfill()), labels
    before = plant[BEFORE]
    recorded = before.notna().all(axis=1)
    evaluated = _whole(recorded, window)
    return train, validation, _features(before.ffill().bfill()), _rules(plant)[BEFORE][evaluated]


@functools.cache
def _record():
    """The record, and which of its rows are fault-free: no rule labels a row within an hour."""
    plant = data.load("la_haute_borne")
    unusual = _rules(plant) | plant.isna().any(axis=1)
    return plant, ~faults.widen(unusual, EDGE)


def _rules(plant):
    """Rows with an impossible or frozen reading, or stopped although there is wind."""
    impossible = faults.out_of_range(plant, LIMITS).any(axis=1)
    frozen = faults.frozen(plant[VARYING], STILL).any(axis=1)
    return impossible | frozen | faults.stopped(plant["P_avg"], plant["Ws_avg"])


def _features(frame):
    """Six sensors as seven features: angles without jumps, and the vane by its sine alone."""
    return faults.unroll_angles(frame, list(TURNS)).drop(columns="Va_avg cos")


def _spoiled(clean, fault_free, window):
    """The test rows with faults in them, and the labels of the rows that are evaluated."""
    frame, deviation = clean[TEST], clean[TRAIN].std()
    gap = FAULT_ROWS + window
    planned = faults.plan(
        fault_free[TEST], list(clean), repeats=REPEATS, rows=FAULT_ROWS, gap=gap, seed=SEED
    )
    spoiled = faults.inject(
        frame, planned, deviation, size=FAULT_SIZE, limits=SHOWS, turns=TURNS, seed=SEED
    )
    change = ((spoiled - frame).abs() / deviation).max(axis=1)
    labels, evaluated = pd.Series(False, frame.index), _whole(fault_free[TEST], window)
    quiet = faults.undisturbed(planned, frame.index, after=window)
    for fault in planned.itertuples():
        if change[fault.start : fault.end].max() >= LEAST_CHANGE:
            labels[fault.start : fault.end] = True
    return spoiled, labels[evaluated & (quiet | labels)]


def _whole(good, window):
    """Rows at which a window, and one more row before it, consist of good rows only."""
    whole = good.rolling(window + 1).min() == 1
    whole.iloc[:DAY] = False
    return whole
