"""A real browser for the tests: Debian's Chromium without a window.

Where there is none, tests skip and say so; under CI=true its absence is a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",
)
PATIENCE_S = 5.0


class Browser:
    """One window. `complaints` and `requests` are about everything since the page was opened."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver
        self._here = ""
        self._requests: list[str] = []
        self._complaints: list[str] = []

    def open(
        self, path: Path, *, width: int = 1440, height: int = 900, dark: bool = False, script: bool = True
    ) -> None:
        """Show a file in a window of that size, below 600 px as a phone."""
        phone = width < 600
        for command, facts in (
            (
                "Emulation.setDeviceMetricsOverride",
                {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone},
            ),
            (
                "Emulation.setEmulatedMedia",
                {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]},
            ),
            ("Emulation.setScriptExecutionDisabled", {"value": not script}),
        ):
            self.driver.execute_cdp_cmd(command, facts)
        self.driver.get("about:blank")
        self._listen()
        self._requests, self._complaints = [], []
        self._here = path.as_uri()
        self.driver.get(self._here)

    def lay_out(self) -> None:
        """Pages out of sight are not laid out; here they all are."""
        self.run("document.querySelectorAll('.page').forEach((page) => (page.style.contentVisibility = 'visible'))")

    def run(self, script: str, *arguments: object) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        """Elements of the page."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """The first of them; fails where there is none."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def press(self, *keys: str) -> None:
        """Keys, one after the other, to whatever has the focus."""
        for key in keys:
            ActionChains(self.driver, duration=0).send_keys(key).perform()

    def point(self, element: WebElement, *, click: bool = False) -> None:
        """Move the pointer to the middle of an element that is on screen."""
        actions = ActionChains(self.driver, duration=0).move_to_element(element)
        (actions.click() if click else actions).perform()

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait for something that the page does in its own time."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, f"never happened: {what}"
            time.sleep(0.02)

    @property
    def complaints(self) -> list[str]:
        """What the console says: errors, warnings, violations of the security policy."""
        self._listen()
        return self._complaints

    @property
    def requests(self) -> list[str]:
        """Addresses that were asked for, the page itself and what it carries aside."""
        self._listen()
        return [url for url in self._requests if not url.startswith("data:") and url.partition("#")[0] != self._here]

    def _listen(self) -> None:
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self._requests.append(message["params"]["request"]["url"])
        self._complaints += [entry["message"] for entry in self.driver.get_log("browser")]


@contextmanager
def launch(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own. Skips the test, or fails it under CI=true, where none is installed."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        why = "needs Debian's packages chromium and chromium-driver"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
