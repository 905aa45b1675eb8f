"""Where the repository and the real files outside it lie; tests skip what is absent."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("LIB_SHARED", ROOT.parent / "shared")) / "data"
