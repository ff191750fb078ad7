"""The language as a page to read: docs/grammar.md is what `page()` returns.

Knows: how tables and rules look in EBNF and Markdown. Does not know: any rule; it reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from doctags.grammar import CHILDREN, MAX_DEPTH
from doctags.problems import PROBLEMS
from doctags.table import BLANKS
from doctags.tokens import (
    ALIASES,
    CELL_ALIASES,
    CELLS,
    CLASSES,
    FRAMES,
    GUARD,
    KINDS,
    LANGUAGES,
    LEVELS,
    NUMBERED,
    PLACES,
    PREFIX,
    Kind,
)
from doctags.tree import GRID

_TEXT = {
    "own": "the element's",
    "text": "an error; put into a `text`",
    "list_item": "an error; put into a `list_item`",
    "caption": "an error; put into a `caption`",
}


def ebnf() -> str:
    """The grammar of canonical DocTags in EBNF (ISO 14977)."""
    rules = [
        'document = [ LAYOUT ] , "<doctag>" , page , { "<page_break>" , page } , "</doctag>" ;',
        f"page = {{ LAYOUT | {_names('page')} }} ;",
        *(_rule(kind) for kind in KINDS.values() if kind.name not in PLACES),
        "boxes = { box } ;",
        "box = location , location , location , location ;",
        f'location = "<loc_" , ( "0" | "1" | ... | "{GRID}" ) , ">" ;',
        'row = cell , { cell } , "<nl>" ;',
        f"cell = full , [ box ] , {{ TEXT | {_names('cell')} }} | blank ;",
        _choice("full", (name for name in CELLS if name not in BLANKS)),
        _choice("blank", (name for name in CELLS if name in BLANKS)),
        _choice("class", CLASSES),
        _choice("language", (f"_{name}_" for name in LANGUAGES)),
        "N = DIGIT , { DIGIT } ;",
    ]
    return "\n".join(_wrapped(rule) for rule in rules)


def _rule(kind: Kind) -> str:
    name = kind.name
    if name == "link":
        return 'link = "<link_" , N , ">" ;'
    opener, closer = f'"<{name}>"', f'"</{name}>"'
    if name in NUMBERED:
        stem = "section_header_level" if name == "section_header" else name
        opener, closer = f'"<{stem}_" , N , ">"', f'"</{stem}_" , N , ">"'
    inner = [
        "TEXT" if kind.text == "own" else "LAYOUT",
        *(["row"] if kind.cells else []),
        *([_names(name)] if CHILDREN[name] else []),
    ]
    label = f"[ {kind.label} ] , " if kind.label else ""
    return f"{name} = {opener} , boxes , {label}{{ {' | '.join(inner)} }} , {closer} ;"


def _names(place: str) -> str:
    """In the order of the tag table."""
    return " | ".join(name for name in KINDS if name in CHILDREN[place])


def _choice(name: str, spellings: Iterable[str]) -> str:
    return f"{name} = " + " | ".join(f'"<{spelling}>"' for spelling in spellings) + " ;"


def _wrapped(rule: str, width: int = 110) -> str:
    lines, line = [], ""
    for word in rule.split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = f"    {word}"
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])


def page() -> str:
    """docs/grammar.md."""
    return f"""# The grammar of DocTags

Written by `doctags.manual.page()` from the tables that the parser, the writer, the validator and the constrained
decoder read; a test fails when this page and those tables differ.

## Grammar

Canonical DocTags, as `doctags.write` writes them and the constrained decoder lets a model write them. The parser reads
anything: what departs from this is mended and reported.

```ebnf
{ebnf()}
```

LAYOUT is white space: blanks, tabs, carriage returns, line feeds. TEXT is any characters, layout among them, in which
nothing is a known tag. Both numbers of a pair of tags (`<key_3>`, `</key_3>`) are the same; levels go from 1 to 6.

What EBNF does not say, and `doctags.grammar.State` does:

- all rows of a table have the same number of cells;
- `<lcel>` continues the cell on its left, `<ucel>` the cell above, `<xcel>` one that is wide as well as tall; a cell
  covers a rectangle, and what continues a cell comes after it;
- at most {MAX_DEPTH} places (the page, elements, cells) are open at once;
- in `<code>`, an opening tag is text unless a location follows it: listings of HTML hold `<table>` and `<title>`;
- `<table>` and `<chart>` where a class may stand are classes; classes and languages anywhere else are text.

## White space

Between tags it is layout and dropped. It is text, and kept exactly, next to other text inside an element that owns
text, and where it is all that stands between such an element's opening tag (with its boxes and label) and its closing
tag, or between a cell's token and the next. Around text that the place does not own it is layout again.

## Text that looks like a tag

DocTags has no escapes. So that `</doctag>` printed on a page stays text, the writer puts a guard (WORD JOINER,
U+{ord(GUARD):04X}, invisible) behind the `<` of whatever would be read as a tag, and one more where there is one
already. The parser takes one guard away from whatever would be a tag without its guards. So every text is read as it
was written, guards of its own included; a reader that knows nothing of guards sees one invisible character more.

## Around a document

Before `<doctag>`, `{PREFIX}` is dropped. {", ".join(f"`<{name}>`" for name in FRAMES)} belong to the chat templates:
they are dropped, and end whatever is open.

## Elements

| element | its boxes are followed by | text in it is | may hold | SmolDocling-256M-preview |
|---|---|---|---|---|
{_elements()}

A closing tag closes the innermost open element of its name, else of its family:

{_families()}

Read, but never written: {_aliases()}.

## Problems

| kind | severity | message |
|---|---|---|
{_problems()}
"""


def _elements() -> str:
    return "\n".join(
        f"| {_tag(kind)} | {kind.label or 'content'} | {_TEXT[kind.text]} | "
        f"{', '.join([*(['cells'] if kind.cells else []), *_names(kind.name).split(' | ')])} | "
        f"{'yes' if kind.smoldocling else 'no'} |"
        for kind in KINDS.values()
        if kind.name not in (*PLACES, "link")
    )


def _tag(kind: Kind) -> str:
    if kind.name == "section_header":
        return "`<section_header_level_N>`"
    return f"`<{kind.name}_N>`" if kind.name in NUMBERED else f"`<{kind.name}>`"


def _families() -> str:
    families: dict[str, list[str]] = {}
    for kind in KINDS.values():
        if kind.family:
            families.setdefault(kind.family, []).append(kind.name)
    return "\n".join(f"- {', '.join(names)}" for names in families.values())


def _aliases() -> str:
    pairs = [*ALIASES.items(), *CELL_ALIASES.items(), (f"section_header_level_{LEVELS[0]}", "section_header_level_1")]
    return ", ".join(f"`<{name}>` for `<{meant}>`" for name, meant in pairs)


def _problems() -> str:
    return "\n".join(f"| `{kind}` | {severity} | {_shown(text)} |" for kind, (severity, text) in PROBLEMS.items())


def _shown(message: str) -> str:
    blanks = ("...",) * 4
    return re.sub("<[^>]+>", lambda tag: f"`{tag.group()}`", message.format(*blanks))
