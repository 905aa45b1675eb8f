"""The small package behind the notebooks: a notebook tells the story, `lib` holds the mechanics.

Data flows through the modules in this order, and a module imports only from those above it:
`data`, `windowing`, `models`, `training`, `scoring`, `thresholds`, `metrics`, `baselines`,
`plotting`, `parameters`, `notebooks`. Keras is imported only where a network is built or
trained, so that everything else starts at once.
"""

import os

# TensorFlow writes start-up notes to stderr; in a notebook they would bury the story.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
