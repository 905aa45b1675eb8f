"""The small package behind the notebooks: a notebook tells the story, `lib` holds the mechanics.

A module imports only from those above it:

========================================  =========================================================
`backend`                                 Keras without the start-up notes of its backend
`checks`, `csvfile`, `reader`             a whole number; a file -> a checked frame
`downloads`, `fetch`, `data`              a series that ships, or can be fetched -> the same
`preparation`                             form, clock and window of somebody's own series
`windowing`                               split, scaling, series -> windows -> series
`faults`, `injection`                     rules that label real faults; faults put in on purpose
`models`                                  networks
`forward`, `gradients`, `backward`        the same computed in NumPy, faster; trained in NumPy
`training`                                seeded training, by Keras or in NumPy
`scoring`, `neighbours`                   errors -> one score per time point
`tails`, `thresholds`                     scores -> a threshold -> flags
`dated`, `metrics`                        how good that is
`affiliation`, `ranges`, `volume`         by closeness, by overlap, for all thresholds and buffers
`study_metrics`                           all of these numbers in one dictionary
`window_baselines`, `baselines`           what simple things achieve
`sizes`, `more_models`                    networks made equal in size; two more of them
`network_contestants`, `contestants`      the detectors of the study, behind one call
`plant_contests`, `contests`              its data sets: what to learn from, what to judge
`recipe`, `storage`                       what a detector accepts, and how it is stored
`learning`, `detector`                    all of it in one object: fit, score, flag, save, update
`alerts`, `drift`                         flags -> calls for an operator; scores that have moved
`plotting`, `interactive`                 the figures, and what moves for who looks on
`specifications`, `parameters`            what each notebook accepts from outside
`notebooks`, `outputs`, `stamps`          notebooks as files, and what they hold
`execution`, `installation`, `runner`     running them
`refresh`, `exercises`                    renewing what is stored
`lines`, `following`, `stream`            rows that come one by one, and their judgement
`monitoring`, `resume`, `watch`           metrics, a state to go on from, and what joins them
`grid`, `results`, `study`                running the study, resumable
`board`, `resampling`                     its table -> values to compare, with intervals
`comparison`, `ranking`                   paired tests; many detectors ranked
`__main__`                                the command line
========================================  =========================================================

Keras is imported only where a network is built or trained, so that everything else starts at once.
"""

import os

# TensorFlow writes start-up notes to stderr; in a notebook they would bury the story.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
