"""The small package behind the notebooks: a notebook tells the story, `lib` holds the mechanics.

Data flows one way. A module imports only from what stands above it; `lint-imports` checks this.

==================  ==============================================================================
`errors`            error classes, and the checks that every module shares
`backend`           Keras without the start-up notes of its backend
`data/`             series that ship, downloads, and reading a CSV file
`preprocessing`     clock, missing values, levels or returns, a window that fits
`windowing`         chronological split, scaling, windows and back to time points
`faults/`           written rules that label real faults; injected faults
`models`            builders of the networks
`numpy_lstm/`       the networks computed and trained in NumPy
`training`          seeded training with early stopping
`scoring`           errors -> one score per time point
`thresholds`        scores -> a threshold
`metrics/`          flags and scores against labels: points, events, ranges, volumes
`baselines`         the simple things that a network has to beat
`detectors/`        all of it in one object: fit, score, flag, save, update
`plotting`          the figures
`course/`           the notebooks: parameters, running, exercises, fingerprints
`stream/`           rows in, scores, flags and alerts out
`study/`            the comparison study: data sets, grid, runs, statistics
`__main__`          the command line
==================  ==============================================================================

Keras is imported only where a network is built or trained, so that everything else starts at once.
"""

import os

# TensorFlow writes start-up notes to stderr; in a notebook they would bury the story.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
