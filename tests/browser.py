"""Pages in a real Chromium, from the disk; what complains in its console fails the test."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tests.conftest import skip

ENTER, LEFT, RIGHT, UP, DOWN, ESCAPE = "\ue007", "\ue012", "\ue014", "\ue013", "\ue015", "\ue00c"
END, HOME, PAGE_DOWN, PAGE_UP = "\ue010", "\ue011", "\ue00f", "\ue00e"


class Page:
    """A page in the browser."""

    def __init__(self, driver, downloads: Path) -> None:
        self.driver, self.downloads = driver, downloads

    def open(self, folder: str | Path) -> Self:
        self.driver.get((Path(folder) / "index.html").resolve().as_uri())
        return self

    def press(self, *keys: str) -> None:
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def js(self, code: str):
        return self.driver.execute_script(f"return {code}")

    def text(self, selector: str) -> str:
        return self.js(f"document.querySelector({json.dumps(selector)})?.textContent")

    def complaints(self) -> list[dict]:
        return [entry for entry in self.driver.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]


def is_installed() -> bool:
    return bool(shutil.which("chromedriver") and (shutil.which("chromium") or shutil.which("google-chrome")))


@contextmanager
def chromium(profile: Path, *arguments: str) -> Iterator:
    """A driven Chromium without a window; a test is skipped where there is none."""
    if not is_installed():
        skip("Chromium is not installed: apt-get install chromium chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,900", *arguments):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield browser
    finally:
        browser.quit()
