from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from edge_runtime.errors import FetalHeadError
from tests.helpers.places import HC18, ROOT, Run

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # "make test &" ignores it, and so would what tests start


def pytest_collection_finish() -> None:
    gc.freeze()  # what torch, TensorFlow and three thousand tests consist of is not garbage


@pytest.fixture(scope="session")
def hc18() -> Path:
    """The real images. CI has them beside the checkout; elsewhere these tests are left out, and pytest says so."""
    if not HC18.exists():
        if os.environ.get("CI"):
            pytest.fail(f"CI needs HC18 in {HC18}")
        pytest.skip(f"HC18 is not in {HC18}")
    return HC18


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, to look at pages. CI installs it; elsewhere these tests are left out without it."""
    names = "chromium", "chromium-browser", "google-chrome"
    chromium = next((found for name in names if (found := which(name))), None)
    if chromium is None or find_spec("playwright") is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs Chromium and Playwright")
        pytest.skip("Chromium or Playwright is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        # as root, as CI often is, Chromium starts without its sandbox only
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        found = driver.chromium.launch(executable_path=chromium, args=[*arguments, "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a command of the project as a user would: ``run("train", "--strategy", "edge")``."""

    def call(module: str, *args: object, cwd: Path = ROOT, env: dict[str, str] | None = None, timeout: int = 600):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
        command = [sys.executable, "-m", module, *map(str, args)]
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout)

    return call


@pytest.fixture(scope="session")
def run_here() -> Run:
    """Run a command as ``run`` does, but in this process: torch and TensorFlow are imported once, not for each call.

    For tests of what a command does, where others of the same command start it as a user would.
    """

    def call(module: str, *args: object) -> subprocess.CompletedProcess[str]:
        printed, errors = io.StringIO(), io.StringIO()
        main = import_module(f"{module}.__main__").main
        code: object
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
            try:
                code = main([*map(str, args)])
            except SystemExit as error:  # argparse ends so
                code = error.code
            except FetalHeadError as error:
                print(f"error: {error}", file=sys.stderr)
                code = error.exit_code
        assert isinstance(code, int)
        return subprocess.CompletedProcess([module, *args], code, printed.getvalue(), errors.getvalue())

    return call


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small phantom data set in HC18's layout."""
    from train.data.phantom import make_dataset

    return make_dataset(tmp_path_factory.mktemp("phantom") / "data", count=20)
