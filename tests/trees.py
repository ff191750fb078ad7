"""Trees for property tests: every kind of element, any text, any box, cells that fit and cells that do not.

`documents()` makes what a parser could make and a good deal that it could not: converters must stand both.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from doctags.tree import Box, Cell, Document, Element, Link, Page

# Strings that mean something to Markdown, HTML, LaTeX, DocTags or a list, or that broke somebody's converter before.
TRAPS = (
    *(
        "# ",
        "> ",
        "- ",
        "* ",
        "+ ",
        "1. ",
        "1) ",
        "(a) ",
        "a. ",
        "• ",
        "☐ ",
        "[x] ",
        "[ ] ",
        "=",
        "===",
        "---",
        "***",
        "___",
    ),
    *(
        "*",
        "**",
        "_",
        "__",
        "~~",
        "~",
        "`",
        "```",
        "~~~",
        "|",
        "| --- |",
        ":-:",
        "\\",
        "\\\\",
        "!",
        "![",
        "[",
        "]",
        "](",
        ")",
    ),
    *(
        "[a]: http://x.y",
        "[^1]",
        "<b>",
        "</b>",
        "<script>alert(1)</script>",
        "<!--",
        "-->",
        "<?",
        "<![CDATA[",
        "<x@y.zz>",
    ),
    *("<http://x.y>", "&amp;", "&#60;", "&copy", "<", ">", "\"'", "javascript:alert(1)", "</style>", "</title>", "]]>"),
    *(
        "$",
        "$$",
        "$x$",
        "\\(",
        "\\[",
        "\\text{<i>}",
        "\\frac{a}{b}",
        "a_1",
        "%",
        "{",
        "}",
        "\\href{javascript:x}{y}",
        "&",
    ),
    *("<loc_5>", "<text>", "</text>", "<nl>", "<fcel>", "</doctag>", "<|im_end|>", "<page_break>"),
    *(
        " ",
        "  ",
        "\n",
        "\n\n",
        "\t",
        "\r\n",
        "\x00",
        "\x0b",
        "\x85",
        "\xa0",
        "\xad",
        "\u2028",
        "\u200f",
        "\ufeff",
        "\uffff",
    ),
    *(
        "\ud800",
        "\U0001f600",
        "\U000f0854",
        "é",
        "e\u0301",
        "العربية",
        "한국어",
        "中文",
        "infor-\nmation",
        "well-known",
    ),
)
WORDS = (
    "the",
    "Table",
    "of",
    "contents",
    "snake_case_name",
    "a < b",
    "5 * 3",
    "#5",
    "1.5",
    "2 - 3",
    "it's",
    "[9]",
    "C:\\dir",
)
LABELS = ("Python", "C++", "C#", "unknown", "JSON", "Klingon", "bar_chart", "other", "line", "other_chart", "a b", "")

HEADS = ("title", "section_header")
PROSE = (
    *("text", "paragraph", "caption", "footnote", "page_header", "page_footer", "reference", "handwritten_text"),
    *(
        "checkbox_selected",
        "checkbox_unselected",
        "list_item",
        "inline",
        "code",
        "formula",
        "smiles",
        "key",
        "value",
        "link",
    ),
)
HOLDERS = (
    *("ordered_list", "unordered_list", "list_item", "otsl", "document_index", "table", "picture", "chart", "inline"),
    *("key_value_region", "form", "group", "references", "text", "page_break", "no_such_kind"),
)


def thorough(examples: int) -> settings:
    """Settings for tests on whole documents: they are large, and a busy machine draws them slowly."""
    return settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def texts(max_size: int = 6) -> st.SearchStrategy[str]:
    """Words, traps and any characters at all, in any order."""
    parts = st.one_of(st.sampled_from(WORDS), st.sampled_from(TRAPS), st.text(max_size=4))
    glue = st.sampled_from(("", " "))
    return st.tuples(glue, st.lists(parts, max_size=max_size)).map(lambda pair: pair[0].join(pair[1]))


def boxes() -> st.SearchStrategy[Box]:
    """Boxes on the grid and off it, upright and inverted, empty and huge."""
    side = st.integers(-20, 620)
    return st.builds(Box, side, side, side, side)


def links(length: int) -> st.SearchStrategy[Link]:
    """Links of every scheme, to ranges that may overlap or lie outside the text."""
    place = st.integers(-2, length + 5)
    schemes = ("https://x.org/a_b?c=1&d;#e", "http://x.org/(a)[b]<c>\"d'", "mailto:a@b.cc", "HTTPS://X.ORG", "https://")
    unsafe = (
        "javascript:alert(1)",
        " java\nscript:alert(1)",
        "data:text/html,x",
        "file:///etc",
        "//x.org",
        "x",
        "http://[",
    )
    return st.builds(Link, place, place, st.sampled_from(schemes + unsafe) | texts(3))


def cells(children: st.SearchStrategy[Element]) -> st.SearchStrategy[tuple[Cell, ...]]:
    """Grids of all shapes: mostly one cell a slot, sometimes ragged, spanning, overlapping or with holes."""
    kinds = st.sampled_from(("data", "data", "column_header", "row_header", "section"))
    span = st.sampled_from((1, 1, 1, 1, 2, 3, 0))
    inner = st.one_of(st.just(()), st.just(()), st.lists(children, max_size=2).map(tuple))
    cell = st.builds(
        Cell,
        st.integers(0, 4),
        st.integers(0, 4),
        texts(3),
        span,
        span,
        kinds,
        st.none() | boxes(),
        inner,
    )
    loose = st.lists(cell, max_size=5).map(tuple)
    return st.one_of(rectangles(), rectangles(), loose)


@st.composite
def rectangles(draw: st.DrawFn) -> tuple[Cell, ...]:
    """A rectangular grid without spans, perhaps with a header row, perhaps empty cells."""
    rows, columns = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    head = draw(st.booleans())
    return tuple(
        Cell(row, column, draw(texts(3)), kind="column_header" if head and row == 0 else "data")
        for row in range(rows)
        for column in range(columns)
    )


@st.composite
def regions(draw: st.DrawFn) -> Element:
    """Keys and values that link to each other, to themselves, in circles and to nothing."""
    parts = []
    for ref in range(draw(st.integers(1, 4))):
        inner = [Element("link", draw(st.sampled_from(("", "", "b"))), ref=draw(st.integers(0, 4)))]
        inner = inner * draw(st.integers(0, 2)) + draw(st.lists(st.just(Element("text", "tail")), max_size=1))
        kind, number = draw(st.sampled_from(("key", "value"))), draw(st.sampled_from((ref, ref, 0, None)))
        box = tuple(draw(st.lists(boxes(), max_size=1)))
        parts.append(Element(kind, draw(texts(3)), box, ref=number, children=tuple(inner)))
    between = draw(st.lists(st.builds(Element, st.just("text"), texts(2)), max_size=1))
    return Element("key_value_region", children=(*between, *parts, *between))


_rarely = st.sampled_from((False, False, False, True))


@st.composite
def _element(draw: st.DrawFn, children: st.SearchStrategy[Element] | None) -> Element:
    kind = draw(st.sampled_from((*HEADS, *PROSE) if children is None else HOLDERS))
    text = draw(texts() if children is None else st.one_of(st.just(""), texts(4)))
    grid: tuple[Cell, ...] = ()
    inner: tuple[Element, ...] = ()
    if children is not None:
        inner = tuple(draw(st.lists(children, max_size=3)))
        if kind in {"otsl", "document_index", "table", "picture", "chart"}:
            grid = draw(st.one_of(st.just(()), cells(children)))
    return Element(
        kind,
        text,
        tuple(draw(st.lists(boxes(), max_size=2))),
        draw(st.none() | st.integers(-1, 9)) if kind == "section_header" else None,
        draw(st.none() | st.sampled_from(LABELS)) if kind in {"code", "picture", "chart"} else None,
        draw(st.integers(0, 4)) if kind in {"key", "value", "link"} else None,
        grid,
        inner,
        tuple(draw(st.lists(links(len(text)), max_size=2))) if draw(_rarely) else (),
    )


def elements() -> st.SearchStrategy[Element]:
    """Elements of every kind, nested a few levels deep."""
    return st.recursive(st.one_of(_element(None), _element(None), _element(None), regions()), _element, max_leaves=6)


def pages(number: st.SearchStrategy[int] | None = None) -> st.SearchStrategy[Page]:
    """Pages with and without a size."""
    side = st.sampled_from((595.0, 842.0, 0.5, 14400.0, 0.0, -1.0))
    return st.builds(
        Page,
        st.lists(elements(), max_size=4).map(tuple),
        number=number or st.integers(1, 5),
        size=st.none() | st.tuples(side, side),
    )


def documents() -> st.SearchStrategy[Document]:
    """Documents of up to two pages; two pages may even claim one number."""
    return st.builds(Document, st.lists(pages(), max_size=2).map(tuple))
