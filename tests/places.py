"""Where the repository and the real files outside it lie; tests skip what is absent."""

import importlib.util
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("LIB_SHARED", ROOT.parent / "shared")) / "data"


def load_script(path):
    """Return a script that lies in no package as a module."""
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
