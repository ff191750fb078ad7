"""The report, and the HTML, as a browser shows them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest
import specimens
from browser import Browser, launch
from selenium.webdriver.common.keys import Keys

import converters
import doctags
import smoldocling
from doctags.tree import GRID
from smoldocling.report import to_report
from smoldocling.result import Result

# Rules over boxes are 1.25 px wide, half of it outside.
TOLERANCE_PX = 2.0


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with launch(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(window: Browser) -> Iterator[Browser]:
    """A window; whatever a test does in it, the console stays silent and nothing is fetched."""
    yield window
    assert window.complaints == []
    assert window.requests == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8", errors="replace")
    return path


@pytest.fixture(scope="module")
def sorts(folder: Path) -> Path:
    """The report of a document to whose pages all has happened that can happen."""
    return written(folder, "sorts.html", to_report(specimens.all_sorts()))


@pytest.fixture(scope="module")
def real(samples: Path, folder: Path) -> tuple[Result, Path]:
    """A real PDF and its report."""
    result = smoldocling.Converter(engine="textlayer", page_images=True).convert(samples / "report.pdf")
    return result, written(folder, "real.html", to_report(result))


def rectangles(browser: Browser, selector: str) -> list[list[float]]:
    """Left, top, right, bottom of elements on the page."""
    return browser.run(
        """return [...document.querySelectorAll(arguments[0])].map((node) => {
             const place = node.getBoundingClientRect();
             return [place.left, place.top + scrollY, place.right, place.bottom + scrollY];
           })""",
        selector,
    )


def lit(browser: Browser) -> set[str]:
    """The keys of the elements that are lit, on the image and in the text."""
    script = "return [...document.querySelectorAll(arguments[0])].flatMap((node) => node.dataset.e.split(' '))"
    return {f"box {key}" for key in browser.run(script, ".box.lit")} | {
        f"text {key}" for key in browser.run(script, ".doc .lit")
    }


def current(browser: Browser) -> str:
    """The page that the list of pages says one is at."""
    return str(browser.one(".list a[aria-current] .number").get_property("textContent"))


def on_screen(browser: Browser, selector: str) -> bool:
    """Whether some of an element is to be seen, not covered by the bar."""
    return bool(
        browser.run(
            """const place = document.querySelector(arguments[0]).getBoundingClientRect();
               return place.bottom > 60 && place.top < innerHeight - 10 && place.width > 0""",
            selector,
        )
    )


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 700), (390, 844)])
def test_boxes_lie_where_the_elements_are(browser, real, width, height):
    """A box beside its element is worse than none: whatever the window, 0..500 spans the image as it is shown."""
    result, path = real
    browser.open(path, width=width, height=height)
    browser.lay_out()
    for place, page in enumerate(result.pages, 1):
        ((left, top, right, bottom),) = rectangles(browser, f"#page-{place} .sheet img")
        assert right - left > 200
        shown = rectangles(browser, f"#page-{place} .box rect")
        boxes = browser.run(
            "return [...document.querySelectorAll(arguments[0])].map((box) => box.ariaLabel)", f"#page-{place} .box"
        )
        expected = [box for element in walk(page.tree.elements) for box in element.boxes]
        assert len(shown) == len(boxes) == len(expected) > 5
        for at, box in zip(shown, expected, strict=True):
            across, down = (right - left) / GRID, (bottom - top) / GRID
            wanted = (left + box.x0 * across, top + box.y0 * down, left + box.x1 * across, top + box.y1 * down)
            assert at == pytest.approx(wanted, abs=TOLERANCE_PX)


def walk(elements):
    for element in elements:
        yield element
        for cell in element.cells:
            yield from walk(cell.children)
        yield from walk(element.children)


def test_pointing_at_one_side_lights_the_other(browser, sorts):
    """That is what the report is for."""
    browser.open(sorts)
    assert lit(browser) == set()
    browser.point(browser.one("#b1-3"))
    assert lit(browser) == {"box 1-3", "text 1-3"}
    assert browser.one(".tip").text == "3. Text"
    browser.point(browser.one("#t1-2"))
    assert lit(browser) == {"box 1-2", "text 1-2"}
    browser.point(browser.one("h1"))
    assert lit(browser) == set()
    assert browser.all(".tip") == []


def test_the_smallest_box_under_the_pointer_is_meant(browser, sorts):
    """Key and value lie inside their region; a box that covers others must not hide them."""
    browser.open(sorts)
    browser.run("document.querySelector('#page-1 svg').append(document.querySelector('#b1-13'))")
    assert browser.one("#b1-13").get_attribute("aria-label").endswith("Form fields")
    browser.point(browser.one("#b1-14 rect"))
    assert "box 1-14" in lit(browser)
    assert "box 1-13" not in lit(browser)


def test_a_click_brings_the_other_side_into_view_and_holds_the_light(browser, real):
    """On a phone the two sides are far apart."""
    _, path = real
    browser.open(path, width=390, height=844)
    last = browser.all("#page-1 .box")[-3]
    key = last.get_attribute("data-e")
    browser.run("arguments[0].scrollIntoView({block: 'center'})", last)
    assert not on_screen(browser, f"#t{key}")
    browser.point(last, click=True)
    browser.until(lambda: on_screen(browser, f"#t{key}"), "the text of the box comes into view")
    browser.point(browser.one("h1"))
    assert lit(browser) == {f"box {key}", f"text {key}"}
    browser.point(browser.one(f"#t{key}"), click=True)
    browser.until(lambda: on_screen(browser, f"#b{key}"), "the box of the text comes into view")
    browser.press(Keys.ESCAPE)
    browser.point(browser.one("h1"))
    assert lit(browser) == set()


def test_everything_can_be_reached_by_keyboard_and_left_again(browser, sorts):
    """Boxes are one stop of the Tab key, the text another; arrows go on from there; nothing holds the focus."""
    browser.open(sorts)
    stops = []
    for _ in range(80):
        browser.press(Keys.TAB)
        stop = browser.run(
            "const at = document.activeElement; return at === document.body ? '' : at.id || at.className || at.tagName"
        )
        if not stop:
            break
        stops.append(stop)
    assert stop == "", f"the focus never leaves the page: {stops}"
    assert stops[0] == "skip"
    for key in ("b1-1", "t1-1", "b2-1", "t2-1", "b6-1", "t6-1"):
        assert key in stops
    assert sum(stop.startswith("b1-") for stop in stops) == 1


def test_focus_lights_both_sides_and_arrows_move_it(browser, sorts):
    """What the pointer can do, the keyboard can."""
    browser.open(sorts)
    focused = "return document.activeElement.id"
    while browser.run(focused) != "b1-1":
        browser.press(Keys.TAB)
    assert lit(browser) == {"box 1-1", "text 1-1"}
    ring = browser.run("return getComputedStyle(document.querySelector('#b1-1 rect')).strokeWidth")
    assert ring == "4px", "the focus can be seen"
    browser.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert browser.run(focused) == "b1-3"
    assert lit(browser) == {"box 1-3", "text 1-3"}
    browser.press(Keys.ENTER)
    assert browser.run(focused) == "t1-3"
    assert lit(browser) == {"box 1-3", "text 1-3"}
    browser.press(Keys.ARROW_UP)
    assert browser.run(focused) == "t1-2"
    browser.press(Keys.ENTER)
    assert browser.run(focused) == "b1-2"
    browser.press(Keys.END)
    assert browser.one(":focus").get_attribute("aria-label").split(": ") == ["16. Footnote", "1 Measured at the pier."]


def test_keys_and_buttons_move_between_pages(browser, sorts):
    """n and p, arrows, the buttons in the bar and the list all lead to the same places."""
    browser.open(sorts)
    assert current(browser) == "1"
    for key, page in (("n", "2"), (Keys.ARROW_RIGHT, "3"), ("n", "4"), ("p", "3"), (Keys.ARROW_LEFT, "2")):
        browser.press(key)
        assert current(browser) == page
        browser.until(lambda page=page: on_screen(browser, f"#head-{page}"), f"page {page} is on screen")
    browser.one(".after").click()
    assert current(browser) == "3"
    browser.one(".before").click()
    assert current(browser) == "2"
    browser.all(".list a")[5].click()
    assert current(browser) == "6"
    assert not browser.one(".after").is_enabled()
    browser.press("n")
    assert current(browser) == "6"


def test_scrolling_moves_the_list_along(browser, sorts):
    """One can always see where one is."""
    browser.open(sorts)
    browser.run("document.querySelector('#page-3').scrollIntoView()")
    browser.until(lambda: current(browser) == "3", "the list follows")


def test_the_list_says_what_became_of_each_page(browser, sorts):
    """In words, with the number of problems."""
    browser.open(sorts)
    assert [entry.text.split("\n") for entry in browser.all(".list a")] == [
        ["1", "read by model"],
        ["2", "read by model", "4", "problems"],
        ["3", "cut off", "4", "problems"],
        ["4", "failed"],
        ["5", "blank"],
        ["6", "text layer"],
    ]


def test_filters_leave_the_pages_one_has_to_look_at(browser, sorts):
    """A long document has a few bad pages; they must be found without reading the good ones."""
    browser.open(sorts)

    def pages() -> list[str]:
        return [page.get_attribute("id") for page in browser.all(".page") if page.is_displayed()]

    assert len(pages()) == 6
    browser.one("input[value=problems]").click()
    assert pages() == ["page-2", "page-3"]
    assert [entry.text.split("\n")[0] for entry in browser.all(".list a") if entry.is_displayed()] == ["2", "3"]
    assert browser.one(".position").text == "1 / 2"
    browser.press("n")
    assert current(browser) == "3"
    browser.press("f")
    assert pages() == ["page-3", "page-4"]
    assert "2 of 6 pages" in browser.one(".told").get_property("textContent")
    browser.press("f")
    assert len(pages()) == 6


def test_the_legend_hides_kinds(browser, sorts):
    """Only the tables, please; and the keyboard skips what is hidden."""
    browser.open(sorts)

    def kinds() -> set[str]:
        return {box.get_attribute("data-g") for box in browser.all("#page-1 .box") if box.is_displayed()}

    everything = kinds()
    assert everything == {
        *("heading", "text", "list", "table", "picture", "caption", "form", "formula", "code", "footnote", "edge")
    }
    browser.one(".legend [data-g=text] input").click()
    assert kinds() == everything - {"text"}
    browser.run("document.querySelector('#b1-2').focus()")
    browser.press(Keys.ARROW_DOWN)
    assert browser.run("return document.activeElement.id") == "b1-5"
    browser.press("b")
    assert kinds() == everything
    browser.press("b")
    assert kinds() == set()
    assert not browser.one(".every").is_selected()


def test_a_problem_leads_to_its_place_in_the_doctags(browser, sorts):
    """Line, column and the characters in question, in the text that the model wrote."""
    browser.open(sorts)
    rows = browser.all("#page-2 .problems li")
    assert [row.text.split()[0] for row in rows] == ["3:1", "5:12", "5:20", "8:159"]
    assert "location 999 beyond the grid" in rows[2].text
    assert not browser.one("#page-2 .raw").is_displayed()
    rows[2].find_element("css selector", "a").click()
    assert browser.one("#page-2 .raw").is_displayed()
    browser.until(lambda: on_screen(browser, "mark:focus"), "the place is on screen")
    assert browser.one("mark:focus").text == "<loc_999>"
    line = browser.run("return document.querySelector('mark:focus').closest('.line')")
    assert browser.all("#page-2 .line").index(line) == 4
    assert {"box 2-6", "text 2-6"} <= lit(browser)


def test_problems_of_a_page_read_without_a_model_have_a_place_too(browser, folder):
    """There the tree is checked, not a text; its problems are found again in the DocTags that it is written as."""
    page = specimens.read("<doctag><text>a</text>\n<text>b</text>\n<text>b</text>\n<text>b</text></doctag>")
    problems = doctags.validate(page.tree)
    assert [(problem.kind, problem.line) for problem in problems] == [("repeated", 1)]
    result = Result("a.pdf", Path("a"), (replace(page, raw=None, problems=problems),))
    browser.open(written(folder, "tree.html", to_report(result)))
    assert browser.one(".problems li").text.startswith("2:1 ")
    browser.one(".problems a").click()
    assert browser.run("return document.querySelector('mark:focus').closest('.line').textContent") == "<text>b</text>"


def test_what_went_wrong_is_said_where_it_went_wrong(browser, sorts):
    """A failed page is no empty page."""
    browser.open(sorts)
    browser.lay_out()
    assert "cut short" in browser.one("main > .notice").text
    assert "could not be read" in browser.one("#page-4 .notice").text
    assert "the page is encrypted" in browser.one("#page-4 .notice").text
    assert browser.all("#page-4 .doc") == []
    assert "cut off after 300 tokens" in browser.one("#page-3 .notice").text
    assert browser.one("#page-5 .doc").text == "Nothing is on this page."
    footer = browser.one("footer").text
    assert "engine native, textlayer" in footer
    assert "6 pages in 7.50 s" in footer
    assert "1,800 tokens in 450 decoder steps" in footer


def test_a_document_without_pages_stands_every_key(browser, folder):
    """It could not be opened; the report says so, and nothing in it breaks."""
    result = Result("locked.pdf", Path("locked"), error="the document is encrypted")
    browser.open(written(folder, "none.html", to_report(result)))
    browser.press(*"npfbz", Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.HOME, Keys.ESCAPE)
    for button in (".before", ".after", ".closer"):
        browser.one(button).click()
    assert browser.one(".position").text == "0 / 0"
    assert "the document is encrypted" in browser.one("main").text


def test_help_opens_and_closes(browser, sorts):
    """The keys are written down where they work."""
    browser.open(sorts)
    browser.press("?")
    assert browser.one("dialog").is_displayed()
    assert "next page" in browser.one("dialog").text
    browser.press(Keys.ESCAPE)
    assert not browser.one("dialog").is_displayed()
    browser.one(".ask").click()
    browser.one(".close").click()
    assert not browser.one("dialog").is_displayed()


def test_a_larger_image_is_larger(browser, real):
    """Small print has to be read."""
    _, path = real
    browser.open(path)
    ((left, _, right, _),) = rectangles(browser, "#page-1 .sheet img")
    browser.press("z")
    ((zoomed_left, _, zoomed_right, _),) = rectangles(browser, "#page-1 .sheet img")
    assert zoomed_right - zoomed_left > 1.2 * (right - left)
    browser.press("z")
    assert rectangles(browser, "#page-1 .sheet img")[0][0] == left


@pytest.mark.parametrize("dark", [False, True])
def test_light_and_dark_are_readable(browser, sorts, dark):
    """Text and ground differ by at least 4.5:1 (WCAG 2.2, 1.4.3), small print included."""
    browser.open(sorts, dark=dark)
    pairs = browser.run(
        """const ground = (node) => {
             for (; node; node = node.parentElement) {
               const colour = getComputedStyle(node).backgroundColor;
               if (!/, 0\\)$|color\\(/.test(colour) && colour !== 'transparent') return colour;
             }
           };
           const channels = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
           const picks = 'h1, .name p, .position, nav legend, .list .status, .count, h2, .facts, .chip, .doc p, '
             + '.doc h2, .doc figcaption, .doc .footnote, .problems li *, .notice *, footer p, .doc code';
           return [...document.querySelectorAll(picks)].map((node) =>
             [node.className || node.tagName, channels(getComputedStyle(node).color), channels(ground(node))])"""
    )

    def light(channels: list[float]) -> float:
        linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    assert len(pairs) > 60
    for name, ink, ground in pairs:
        bright, dim = sorted((light(ink), light(ground)), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, (name, ink, ground)
        if name == "H2":
            assert (light(ground) < light(ink)) is dark


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_shows_it_without_sideways_scrolling(browser, sorts, real, folder, width):
    """Image above text, and wide tables scroll by themselves."""
    hostile = written(folder, "hostile.html", to_report(specimens.hostile_result()))
    for path in (sorts, real[1], hostile):
        browser.open(path, width=width, height=800)
        browser.lay_out()
        assert browser.run("return document.documentElement.scrollWidth") == width
    browser.open(sorts, width=width, height=800)
    ((_, _, _, image_bottom),) = rectangles(browser, "#page-1 .sheet img")
    ((_, text_top, _, _),) = rectangles(browser, "#page-1 .doc")
    assert image_bottom <= text_top
    assert not browser.one("nav").is_displayed()
    browser.one(".menu").click()
    browser.all(".list a")[2].click()
    assert current(browser) == "3"
    assert not browser.one("nav").is_displayed()


def test_it_can_be_read_without_scripts(browser, sorts):
    """Mail programs and strict administrators switch them off."""
    browser.open(sorts, width=390, height=844, script=False)
    assert browser.one("nav").is_displayed()
    assert len(browser.all(".box")) > 50
    assert browser.one("#page-1 .doc h2").text == "Tides"


def test_a_hundred_pages_open_without_stalling(browser, folder):
    """Text and boxes of a page are laid out, and its image decoded, when one gets there."""
    scans = cycle([specimens.scan() for _ in range(8)])
    text = to_report(specimens.many(100, lambda: next(scans)))
    path = written(folder, "long.html", text)
    assert path.stat().st_size > 20_000_000
    started = time.monotonic()
    browser.open(path)
    assert current(browser) == "1"
    assert time.monotonic() - started < 6
    seen = "return document.querySelector(arguments[0]).checkVisibility({contentVisibilityAuto: true})"
    assert browser.run(seen, "#page-1 .doc p")
    assert not browser.run(seen, "#page-60 .doc p")
    started = time.monotonic()
    browser.all(".list a")[59].click()
    assert current(browser) == "60"
    browser.until(lambda: browser.run(seen, "#page-60 .doc p"), "page 60 is laid out")
    browser.until(lambda: on_screen(browser, "#head-60"), "page 60 is on screen")
    assert time.monotonic() - started < 3
    started = time.monotonic()
    browser.press(*"nnnnnnnnnn")
    assert current(browser) == "70"
    assert time.monotonic() - started < 4
    browser.one("input[value=problems]").click()
    assert browser.one(".position").text.endswith("/ 10")


def test_a_script_that_runs_would_be_noticed(window, folder):
    """The tests below look for `hacked`; this one shows that they would find it."""
    window.open(written(folder, "script.html", "<!DOCTYPE html><script>hacked = 1</script>"))
    assert window.run("return typeof hacked") == "number"


@pytest.mark.parametrize("guarded", [True, False], ids=["with policy", "without policy"])
@pytest.mark.parametrize("kind", ["report", "html"])
def test_no_script_from_a_document_runs(browser, folder, kind, guarded):
    """Neither where the policy would stop it nor where, without the policy, only our own care does."""
    if kind == "report":
        text = to_report(specimens.hostile_result())
        own = ["STYLE", "SCRIPT"]
    else:
        text = converters.to_html(specimens.hostile(), title="".join(specimens.ATTACKS), furniture=True)
        own = ["STYLE"]
    if not guarded:
        assert text.count("Content-Security-Policy") == 1
        text = text.replace("Content-Security-Policy", "X-Nothing")
    browser.open(written(folder, f"hostile-{kind}-{guarded}.html", text))
    browser.lay_out()
    browser.run(
        """for (const node of document.querySelectorAll('body *')) {
             for (const kind of ['mouseover', 'focus', 'load', 'error', 'toggle'])
               node.dispatchEvent(new Event(kind));
             const click = new MouseEvent('click', {bubbles: true, cancelable: true, detail: 1});
             if (node.matches('a')) node.dispatchEvent(click);
           }"""
    )
    assert browser.run("return typeof hacked") == "undefined"
    assert browser.run("return document.title") != "1"
    active = browser.run(
        """const active = 'script, style, iframe, object, embed, base, form, link, foreignObject';
           return [...document.querySelectorAll(active)].map((node) => node.tagName)"""
    )
    assert active == own
    assert browser.run("return document.querySelectorAll('meta[http-equiv]').length") == 1
    attributes = browser.run(
        """return [...document.querySelectorAll('*:not(.tip, .page)')]
             .flatMap((node) => [...node.attributes].map((attribute) => [attribute.name, attribute.value]))"""
    )
    for name, value in attributes:
        assert not name.startswith("on")
        assert name not in ("style", "srcdoc", "xlink:href", "formaction")
        if name in ("href", "src"):
            assert value.partition(":")[0] in ("http", "https", "mailto", "data") or value.startswith("#")
    pages = browser.run("return document.body.textContent")
    assert "<script>hacked = 1</script>" in pages
    assert "fake" in pages


def test_nothing_but_our_own_script_may_run_in_a_report(window, sorts):
    """Should our care ever fail, the browser's policy still holds: an injected script is refused and reported."""
    window.open(sorts)
    window.run(
        """const script = document.createElement('script');
           script.textContent = 'hacked = 1';
           document.body.append(script);
           const image = new Image();
           image.src = 'https://example.org/x.png';
           document.body.append(image)"""
    )
    assert window.run("return typeof hacked") == "undefined"
    window.until(lambda: len(window.complaints) >= 2, "both are reported")
    assert all("Content Security Policy" in complaint for complaint in window.complaints)
