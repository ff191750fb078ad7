"""The page at `/`, in a real browser: drop a file, watch it, see its report, take it home."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import pymupdf
import pytest
import specimens
from browser import Browser, launch
from selenium.webdriver.common.keys import Keys
from serving import PATIENCE_S, Running, serving

from smoldocling import Converter

# Files as a drop brings them, without a dialogue.
DROP = """const [names, bodies] = arguments, items = new DataTransfer();
  names.forEach((name, n) => items.items.add(new File(
    [Uint8Array.from(atob(bodies[n]), (letter) => letter.charCodeAt(0))], name)));
  const event = {bubbles: true, cancelable: true, dataTransfer: items};
  for (const kind of ['dragenter', 'dragover', 'drop'])
    document.querySelector('#drop').dispatchEvent(new DragEvent(kind, event))"""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with launch(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with serving(Converter(engine="textlayer")) as found:
        yield found


@pytest.fixture
def browser(window: Browser, running: Running, tmp_path: Path) -> Iterator[Browser]:
    """The page, opened; whatever a test does, the console stays silent and nothing is asked of anybody else."""
    window.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    show(window, running)
    yield window
    assert window.complaints == []
    assert [url for url in window.requests if not url.startswith((running.url, "blob:"))] == []


def show(window: Browser, running: Running, *, width: int = 1280, dark: bool = False) -> None:
    window.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    window.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": width < 600})
    features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    window.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    window.driver.get("about:blank")
    window._listen()
    window._requests, window._complaints = [], []
    window.driver.get(running.url + "/")


def drop(browser: Browser, *files: tuple[str, bytes]) -> None:
    browser.run(DROP, [name for name, _ in files], [base64.b64encode(body).decode() for _, body in files])


def wait(browser: Browser, selector: str, text: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not any(text in node.text for node in browser.all(selector)):
        assert time.monotonic() < deadline, [node.text for node in browser.all(selector)]
        time.sleep(0.05)


def long(pages: int) -> bytes:
    pdf = pymupdf.open()
    for number in range(pages):
        pdf.new_page(width=300, height=400).insert_text((40, 60), f"This is page number {number + 1} of a long story.")
    return bytes(pdf.tobytes())


def test_dropped_file_is_read_before_ones_eyes(browser, samples, tmp_path):
    """The whole way: drop, progress page by page, report, Markdown on disk."""
    drop(browser, ("report.pdf", (samples / "report.pdf").read_bytes()))
    browser.until(lambda: browser.all(".job"), "the file is listed")
    wait(browser, ".job .chip", "done")
    assert [node.text for node in browser.all(".job .pages li")] == ["1", "2", "3"]
    assert browser.one(".job .pages li").get_attribute("aria-label") == "page 1: read from the text layer"
    assert browser.one(".told").get_property("textContent") == "report.pdf: done, 3 pages"
    browser.one(".look").click()
    browser.driver.switch_to.frame(browser.one("#report"))
    try:
        wait(browser, "h1", "report.pdf")
        assert "Nine Decades" in browser.one("#page-1 .doc").text
        assert len(browser.all(".page")) == 3
        browser.press("n")
        assert browser.run("return location.pathname").startswith("/report/")
    finally:
        browser.driver.switch_to.default_content()
    browser.one(".job [data-to=md]").click()
    browser.until((tmp_path / "report.md").is_file, "the file is there")
    assert (tmp_path / "report.md").read_text().startswith("# Nine Decades of River Levels")


def test_progress_is_shown_page_by_page(browser, running):
    """A long document is seen to move; and it can be stopped."""
    drop(browser, ("long.pdf", long(300)))
    seen: set[int] = set()
    deadline = time.monotonic() + 60
    while len(seen) < 3 and time.monotonic() < deadline:
        seen.add(len(browser.all(".job .pages li")))
    assert len(seen) >= 3, seen
    if browser.one(".cancel").is_displayed():
        browser.one(".cancel").click()
        assert browser.one(".job .chip").text == "cancelled"


def test_bad_file_among_good_ones_says_why(browser, samples):
    """One that cannot be read costs the others nothing."""
    drop(browser, ("nonsense.pdf", b"nothing"), ("a.pdf", long(1)))
    wait(browser, ".job .chip", "done")
    wait(browser, ".job .chip", "failed")
    texts = [node.text for node in browser.all(".job")]
    assert any("nonsense.pdf" in text and "neither a PDF nor an image" in text for text in texts)
    assert browser.one(".job.bad .cancel").is_displayed() is False


def test_it_works_with_the_keyboard_alone(browser, tmp_path):
    """Choose, watch, open, download and come back without a mouse."""
    path = tmp_path / "kept.pdf"
    path.write_bytes(long(2))
    browser.press(Keys.TAB)
    assert browser.run("return document.activeElement.id") == "file"
    browser.one("#file").send_keys(str(path))
    wait(browser, ".job .chip", "done")
    names = []
    for _ in range(12):
        browser.press(Keys.TAB)
        names.append(browser.run("return document.activeElement.textContent"))
        if names[-1] == "Show report":
            break
    browser.press(Keys.ENTER)
    browser.until(lambda: browser.one("#shown").is_displayed(), "the report is shown")
    assert browser.run("return document.activeElement.id") == "shown-name"
    browser.press(Keys.TAB)
    assert browser.run("return document.activeElement.id") == "close"
    browser.press(Keys.ENTER)
    assert browser.run("return document.activeElement.textContent") == "Show report"
    browser.press(Keys.TAB)
    assert browser.run("return document.activeElement.getAttribute('aria-label')") == "Download kept.pdf as Markdown"
    browser.press(Keys.ENTER)
    browser.until((tmp_path / "kept.md").is_file, "the file is there")


def test_every_control_has_a_name(browser):
    """For those who hear the page."""
    drop(browser, ("a.pdf", long(1)))
    wait(browser, ".job .chip", "done")
    unnamed = browser.run(
        """return [...document.querySelectorAll('input, button, iframe, progress')].filter((node) =>
             !(node.labels?.length || node.textContent.trim() || node.getAttribute('aria-label') || node.title))
             .map((node) => node.outerHTML)"""
    )
    assert unnamed == []


def test_hostile_documents_and_names_run_no_script(browser, running):
    """Names go in as text; a document's HTML and report have an origin of their own, and no script of theirs runs."""
    pdf = pymupdf.open()
    page = pdf.new_page()
    for number, attack in enumerate(specimens.ATTACKS):
        page.insert_text((20, 40 + 14 * number), attack[:120], fontsize=8)
    drop(browser, ("<img src=x onerror=hacked=1>.pdf", pdf.tobytes()))
    wait(browser, ".job .chip", "done")
    assert browser.run("return typeof hacked") == "undefined"
    browser.one(".look").click()
    browser.driver.switch_to.frame(browser.one("#report"))
    wait(browser, "h1", "onerror")
    assert browser.run("return typeof hacked") == "undefined"
    assert browser.run("return self.origin") == "null"
    browser.driver.switch_to.default_content()


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_no_window_is_too_narrow(window, running, width):
    """A phone shows it without sideways scrolling."""
    show(window, running, width=width)
    drop(window, (f"{'a-very-long-name-' * 8}.pdf", long(40)))
    wait(window, ".job .chip", "done")
    assert window.run("return document.documentElement.scrollWidth") == width
    assert window.complaints == []


def test_a_phone_is_not_asked_to_drop(window, running):
    """Nobody drops a file with a finger."""
    show(window, running, width=390)
    assert window.one("#drop").text.startswith("Choose documents")
    show(window, running)
    assert window.one("#drop").text.startswith("Drop documents here, or choose them")


def test_key_is_asked_for(window, samples):
    """Where the server wants one: what is typed is sent, and kept nowhere."""
    with serving(Converter(engine="textlayer"), api_key="secret") as running:
        show(window, running)
        assert window.one("#key").is_displayed()
        drop(window, ("a.pdf", long(1)))
        wait(window, ".job .facts", "an API key is needed")
        window.one("#key").send_keys("secret")
        drop(window, ("b.pdf", long(1)))
        wait(window, ".job .chip", "done")
        window.one(".job:not(.bad) .look").click()
        window.driver.switch_to.frame(window.one("#report"))
        wait(window, "h1", "b.pdf")
        window.driver.switch_to.default_content()
        assert window.run("return localStorage.length + sessionStorage.length + document.cookie.length") == 0
