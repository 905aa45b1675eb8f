"""Keras, imported without the start-up notes of its backend.

TensorFlow's C++ core writes a few lines to stderr while it is imported, past Python's
`sys.stderr` and past `TF_CPP_MIN_LOG_LEVEL`. In a notebook they would stand in red above the
first lesson. They are held back, and shown after all if the import fails.
"""

import contextlib
import logging
import os
import sys
import tempfile


@contextlib.contextmanager
def _stderr_held_back():
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except BaseException:
            notes.seek(0)
            os.write(kept, notes.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


with _stderr_held_back():
    import keras

# Its advice on retracing means programmes that build the same function in a loop; a study that
# trains a dozen networks one after the other is taken for one.
logging.getLogger("tensorflow").setLevel(logging.ERROR)

__all__ = ["keras"]
