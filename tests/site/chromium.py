"""A real browser for tests, or a skip that says what is missing."""

import shutil
from contextlib import contextmanager

import pytest

FLAGS = [
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run",
    "--disable-background-networking --disable-component-update --disable-sync",
]


@contextmanager
def launched():
    """Yield Playwright's browser, started from the system's Chromium."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=" ".join(FLAGS).split())
        yield browser
        browser.close()
