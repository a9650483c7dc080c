"""The demo as a process, and a headless Chromium to look at it with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cognito_guard

_TOP = str(Path(cognito_guard.__file__).parent.parent)
WAIT = 20  # seconds at most, for each step


def missing(part: str) -> Any:
    """In CI a part that is missing is an error, not a skip."""
    reason = f"this test needs {part}"
    return pytest.fail(reason) if os.environ.get("COGNITO_GUARD_CI") == "1" else pytest.skip(reason)


@pytest.fixture(scope="session")
def demo() -> Iterator[dict[str, Any]]:
    """What `cognito-guard demo --json` tells. At its end nothing was written to standard error: no token, no traceback."""
    command = [sys.executable, "-W", "default", "-m", "cognito_guard", "demo", "--json"]
    environment = {**os.environ, "PYTHONPATH": _TOP}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WAIT)
        assert (process.returncode, out, err) == (0, b"", b"")
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium that reaches loopback only."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        missing("Debian's chromium and chromium-driver")
    try:
        from selenium import webdriver
    except ImportError:
        missing("selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = str(binary)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for switch in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        "--window-size=1400,1000",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(switch)
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    running.set_page_load_timeout(WAIT)
    running.set_script_timeout(WAIT)
    yield running
    running.quit()
