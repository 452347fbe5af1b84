"""The page of a service in a real Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mediasift.engines.onnx.drafting import describe_model
from tests.browser import Page, chromium
from tests.pictures import save, scene
from tests.serve.service import LONG_S, Service
from tests.tasks.test_detect import described
from tests.tasks.test_segment import yolo
from tests.tiny_models import constants, write


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield Page(driver, tmp_path_factory.mktemp("downloads"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A detector that always sees a cat in the middle, and a model that gives objects with masks."""
    folder = tmp_path_factory.mktemp("models")
    head = np.array([[32, 32, 32, 16, 0.9, 0.1]], np.float32).T[None]
    detector = write(folder, constants({"y": head}, size=(64, 64)), "cats.onnx")
    describe_model(detector, described("yolov8", ("cat", "dog")))
    return [detector, yolo(folder)[0]]


def shown(page: Page, verb: str, *files: Path) -> list[str]:
    """The texts of the files' tables, newest first, once all are there."""
    from selenium.webdriver.support.ui import Select, WebDriverWait

    page.driver.execute_script("document.getElementById('results').replaceChildren()")
    Select(page.driver.find_element("id", "verb")).select_by_visible_text(verb)
    page.driver.find_element("id", "files").send_keys("\n".join(map(str, files)))
    done = f"document.querySelectorAll('figure[data-done]').length === {len(files)}"
    WebDriverWait(page.driver, LONG_S).until(lambda _: page.js(done))
    return page.js("[...document.querySelectorAll('figure')].map((one) => one.innerText)")


def pixel(page: Page, x: int, y: int) -> list[int]:
    return page.js(f"[...document.querySelector('canvas').getContext('2d').getImageData({x}, {y}, 1, 1).data]")


def test_labels_boxes_masks_and_errors_are_seen(page: Page, models: list[Path], tmp_path: Path):
    grey = save(tmp_path / "<b>grey.png", np.full((64, 64, 3), 128, np.uint8))
    (tmp_path / "damaged.png").write_bytes(grey.read_bytes()[:60])
    with Service("-m", "digits-lenet", *(word for model in models for word in ("-m", model))) as own:
        page.driver.get(own.url)
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(page.driver, LONG_S).until(lambda _: page.js("document.querySelectorAll('#verb option').length"))
        texts = shown(page, "classify", grey, tmp_path / "damaged.png")
        rows = own.post("/v1/classify?top=5", grey.read_bytes()).rows
        assert "damaged: " in texts[0]
        assert "<b>grey.png" in texts[1]
        assert all(row["label"] in texts[1] for row in rows)
        assert str(rows[0]["score"]) in texts[1]
        shown(page, "detect", grey)
        (box,) = own.post("/v1/detect", grey.read_bytes()).rows
        at = int(box["left_px"]), int(box["top_px"] + box["height_px"] / 2)
        assert pixel(page, *at) != [128, 128, 128, 255]
        assert pixel(page, at[0] + 8, at[1]) == [128, 128, 128, 255]
        shown(page, "segment", grey)
        first = own.post("/v1/segment?polygons=true", grey.read_bytes()).rows[0]
        assert json.loads(first["polygons"])
        pixels = page.js("[...document.querySelector('canvas').getContext('2d').getImageData(0, 0, 64, 64).data]")
        changed = np.count_nonzero(np.array(pixels).reshape(-1, 4)[:, 0] != 128)
        assert changed >= 0.8 * first["share"] * 64 * 64
    assert [one for one in page.complaints() if one["source"] != "rendering"] == []  # of reading pixels, as here


def test_a_key_is_asked_for_on_the_page(page: Page, tmp_path: Path, locked: Service):
    from selenium.webdriver.support.ui import WebDriverWait

    file = save(tmp_path / "a.png", scene(40, 28, seed=1))
    page.driver.get(locked.url)
    lock = page.driver.find_element("id", "key")
    WebDriverWait(page.driver, LONG_S).until(lambda _: lock.is_displayed())
    page.driver.execute_script("arguments[0].value = 's3cret'; arguments[0].onchange()", lock)
    WebDriverWait(page.driver, LONG_S).until(lambda _: page.js("document.querySelectorAll('#verb option').length"))
    (text,) = shown(page, "classify", file)
    assert locked.post("/v1/classify", file.read_bytes(), X_API_Key="s3cret").rows[0]["label"] in text
    assert all("401" in one["message"] for one in page.complaints())
