"""A headless Chromium, driven through selenium, for the tests of the status page."""

from __future__ import annotations

import json
import shutil
import tempfile
from typing import Any

import pytest

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


class Browser:
    """A browser with a profile of its own; skips the test where none is installed.

    Attributes
    ----------
    driver : selenium.webdriver.Chrome
    """

    def __init__(self, *flags: str) -> None:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        driver = shutil.which("chromedriver")
        if chromium is None or driver is None:
            pytest.skip("no browser here: chromium and chromedriver (Debian: chromium chromium-driver)")
        selenium = pytest.importorskip("selenium", reason="no selenium here: it is part of the dev extra")
        assert selenium
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        self._profile = tempfile.mkdtemp(prefix="remx-browser-")
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, *flags, f"--user-data-dir={self._profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))
        self.driver.set_page_load_timeout(20)
        # What the browser loads by itself at its start is not the tests' business.
        self.driver.get("about:blank")
        self.requests()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *error: object) -> None:
        self.driver.quit()
        shutil.rmtree(self._profile, ignore_errors=True)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page and return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def text(self, selector: str) -> str:
        """The text of the first element that a selector finds; empty for none."""
        return str(
            self.run(
                "const e = document.querySelector(arguments[0]); return e ? e.textContent : ''", selector
            )
        )

    def complaints(self) -> list[str]:
        """What the page has put on the console since the last look: errors, violations of its policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses that pages have asked for since the last look."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]
