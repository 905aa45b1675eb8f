"""Keras, imported without the start-up notes of its backend: TensorFlow, JAX or PyTorch.

`KERAS_BACKEND` chooses; where it is unset, Keras's own settings do, and they say TensorFlow.

TensorFlow's C++ core writes a few lines to stderr while it is imported, past Python's
`sys.stderr` and past `TF_CPP_MIN_LOG_LEVEL`. In a notebook they would stand in red above the
first lesson. They are held back, and shown after all if the import fails. On another backend,
Keras imports TensorFlow when it first stores a model: they are held back then.
"""

import contextlib
import importlib.abc
import importlib.util
import logging
import os
import sys
import tempfile

from lib.errors import check_backend


@contextlib.contextmanager
def _stderr_held_back():
    if sys.stderr is None:  # closed
        yield
        return
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


class _QuietTensorFlow(importlib.abc.MetaPathFinder):
    """Finds TensorFlow as Python would, and holds back what it writes while it is imported."""

    def find_spec(self, name, path=None, target=None):
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            spec.loader.exec_module = _stderr_held_back()(spec.loader.exec_module)
        return spec


if os.environ.get("KERAS_BACKEND"):
    check_backend(os.environ["KERAS_BACKEND"])
with _stderr_held_back():
    import keras
if "tensorflow" not in sys.modules:
    sys.meta_path.insert(0, _QuietTensorFlow())

# Its advice on retracing means programmes that build the same function in a loop; a study that
# trains a dozen networks one after the other is taken for one.
logging.getLogger("tensorflow").setLevel(logging.ERROR)

__all__ = ["keras"]
