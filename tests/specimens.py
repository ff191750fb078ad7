"""Documents made by hand for the tests of the report: all that can happen to a page, and all that can be in one."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path, PurePath

from PIL import Image

import doctags
from doctags.tree import Box, Cell, Document, Element, Link, Page
from smoldocling.result import Crop, PageResult, Result

WIDTH_PX, HEIGHT_PX = 820, 1160

PAGE = Path(__file__).with_name("tides.dt").read_text()
# An unclosed text, a number too large, a row too short: four problems, the first on line 3.
BROKEN = (
    PAGE.replace("are kept.</text>", "are kept.")
    .replace("<loc_60><loc_125>", "<loc_60><loc_999>")
    .replace("<fcel>June<fcel>3.4<nl>", "<fcel>June<nl>")
)


@cache
def picture(shade: int = 250, width: int = WIDTH_PX, height: int = HEIGHT_PX) -> Crop:
    """An image of a page, one colour all over."""
    data = io.BytesIO()
    Image.new("RGB", (width, height), (shade, shade, shade)).save(data, "WEBP")
    return Crop(data.getvalue(), "image/webp", width, height, 100.0)


def read(text: str, number: int = 1, **facts: object) -> PageResult:
    """A page as the pipeline makes it from what a model wrote."""
    tree = doctags.parse(text)
    elements = tuple(element for page in tree.pages for element in page.elements)
    page = PageResult(
        source="tides.pdf",
        number=number,
        status="ok",
        tree=Page(elements, number=number, size=(590.4, 835.2)),
        engine="native",
        problems=doctags.validate(text),
        raw=text,
        tokens=600,
        steps=150,
        seconds=1.25,
        image=picture(),
    )
    return replace(page, **facts)  # type: ignore[arg-type]


def all_sorts() -> Result:
    """Six pages: good, broken, cut off, failed, blank, and one read without a model and without an image."""
    missing = Page((Element("text", "[page 4 is missing: the page is encrypted]"),), number=4)
    nothing: dict[str, object] = {"raw": None, "problems": (), "tokens": 0, "steps": 0}
    pages = (
        read(PAGE, 1),
        read(BROKEN, 2),
        read(PAGE[:900], 3, status="truncated", error="cut off after 300 tokens"),
        read(PAGE, 4, status="failed", error="the page is encrypted", tree=missing, image=None, **nothing),
        read("", 5, status="blank", **nothing),
        read(PAGE, 6, status="textlayer", engine="textlayer", image=None, **nothing),
    )
    return Result("harbour/tides.pdf", PurePath("tides"), pages, ("the file is cut short",))


def scan() -> Crop:
    """An image as heavy as a scanned page, about 250 kB."""
    data = io.BytesIO()
    Image.effect_noise((WIDTH_PX, HEIGHT_PX), 60).save(data, "JPEG", quality=25)
    return Crop(data.getvalue(), "image/jpeg", WIDTH_PX, HEIGHT_PX, 100.0)


def many(count: int, image: Callable[[], Crop | None]) -> Result:
    """A long document."""
    pages = tuple(read(BROKEN if n % 10 == 4 else PAGE, n + 1, image=image()) for n in range(count))
    return Result("long.pdf", PurePath("long"), pages)


ATTACKS = (
    "<script>hacked = 1</script>",
    "</script><script>hacked = 1</script>",
    "</style><script>hacked = 1</script>",
    "</title><script>hacked = 1</script>",
    "--><script>hacked = 1</script><!--",
    "]]><script>hacked = 1</script>",
    '<img src="x" onerror="hacked = 1">',
    "<svg onload='hacked = 1'><rect/></svg>",
    '"><img src=x onerror=hacked=1>',
    "' onmouseover='hacked = 1' onfocus='hacked = 1' autofocus tabindex='1",
    '<a href="javascript:hacked = 1" id="hit">here</a>',
    "<iframe srcdoc='<script>parent.hacked = 1</script>'></iframe>",
    "<math><mtext><style><img src=x onerror=hacked=1></style></mtext></math>",
    "<base href='https://example.org/'><link rel=stylesheet href=https://example.org/x.css>",
    "<meta http-equiv=refresh content='0;url=https://example.org/'>",
    "<text><loc_1><loc_2><loc_3><loc_4>fake</text></doctag><page_break>",
    "javascript:hacked=1",
    "\\href{javascript:hacked=1}{x}\\text{<img src=x onerror=hacked=1>}",
    "{{constructor.constructor('hacked = 1')()}} ${hacked = 1} <%= hacked %>",
    "&lt;script&gt;hacked = 1&lt;/script&gt;",
)


def hostile() -> Document:
    """Every attack in every place that holds text."""
    return Document(tuple(Page(tuple(_hostile(attack)), number=n) for n, attack in enumerate(ATTACKS, 1)))


def _hostile(attack: str) -> list[Element]:
    box = (Box(10, 10, 490, 490),)
    links = tuple(
        Link(0, 6, uri) for uri in ("javascript:hacked=1", "data:text/html,<script>hacked=1</script>", attack)
    )
    kinds = "title section_header text footnote reference caption page_header page_footer checkbox_selected formula"
    pair = (
        Element("key", attack, box, ref=0, children=(Element("link", ref=1),)),
        Element("value", attack, box, ref=1),
    )
    inner = (Element("caption", attack, box), Element("smiles", attack))
    return [
        *(Element(kind, attack, box, links=links) for kind in kinds.split()),
        Element("no_such_kind", attack, box),
        Element("code", attack, box, label=attack, children=inner[:1]),
        Element("unordered_list", children=(Element("list_item", attack, box, links=links),)),
        Element(
            "otsl", attack, box, cells=(Cell(0, 0, attack, kind="column_header"), Cell(1, 0, attack)), children=inner
        ),
        Element("picture", attack, box, label=attack, cells=(Cell(0, 0, attack),), children=inner),
        Element("key_value_region", attack, box, children=pair),
        Element("text", "", box, children=(Element("formula", attack), Element("code", attack, label=attack))),
    ]


def hostile_result() -> Result:
    """The same with hostile DocTags, names, errors and problems around it."""
    pages = []
    for page, attack in zip(hostile().pages, ATTACKS, strict=True):
        raw = f"<doctag><text>{attack}</text><{attack}><section_header_level_1>{attack}"
        problem = doctags.Problem("no_such_problem" + attack, "error", attack, 1, 14, 14, 20)
        problems = (*doctags.validate(raw), problem)
        pages.append(read(raw, page.number, tree=page, problems=problems, engine=attack, error=attack))
    pages.append(read("", len(pages) + 1, raw=None, status="failed", error="".join(ATTACKS), problems=()))
    return Result("".join(ATTACKS), PurePath("x" + ATTACKS[0]), tuple(pages), ATTACKS, ATTACKS[0])
