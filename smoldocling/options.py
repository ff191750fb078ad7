"""What the commands have in common: their options, each once, with the keyword of `Converter` that it becomes.

Knows: typer. Does not know: commands, converters.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from enum import Enum, StrEnum
from typing import Annotated, Any, get_type_hints

import typer


class Format(StrEnum):
    """What can be written."""

    md = "md"
    html = "html"
    json = "json"
    doctags = "doctags"
    text = "text"
    report = "report"


class Engine(StrEnum):
    """Who reads the pages."""

    auto = "auto"
    native = "native"
    transformers = "transformers"
    textlayer = "textlayer"


class Device(StrEnum):
    """Where the model runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class Dtype(StrEnum):
    """In which precision the model runs."""

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"
    int8 = "int8"


class Text(StrEnum):
    """Whose characters a page has in the end."""

    auto = "auto"
    model = "model"
    page = "page"


def _count(given: str) -> str | int:
    if given == "auto":
        return given
    if not (given.isascii() and given.isdecimal() and len(given) < 10):
        raise typer.BadParameter(f"{given!r}: 'auto' or a whole number is taken")
    return int(given)


To = Annotated[
    list[Format] | None,
    typer.Option("--to", help="Output format; may be given several times.  [default: md]", show_default=False),
]
Output = Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results; - for stdout.")]
PageList = Annotated[
    str | None, typer.Option("--pages", metavar="LIST", help="Pages of each document, for example 1-3,7 or 5-.")
]
Password = Annotated[
    str | None,
    typer.Option("--password", envvar="SMOLDOCLING_PASSWORD", help="For locked PDFs; `convert` asks at a terminal."),
]
Furniture = Annotated[bool, typer.Option("--furniture", help="Keep page headers and footers in md, html and text.")]
PageBreak = Annotated[
    str | None, typer.Option("--page-break", metavar="TEXT", help="A line between pages in md, for example '---'.")
]
Model = Annotated[
    str, typer.Option("--model", metavar="ID_OR_DIR", help="smoldocling, granite-docling, a hub id or a folder.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same pages.")]
Json = Annotated[bool, typer.Option("--json", help="Print a summary for machines on stdout.")]

# Keyword of the command -> what typer is told, and the default.
READING: dict[str, tuple[Any, Any]] = {
    "engine": (
        Annotated[
            Engine, typer.Option(help="auto: the model where a checkpoint is at hand, else the PDF's text layer.")
        ],
        Engine.auto,
    ),
    "model": (Model, "smoldocling"),
    "splits": (
        Annotated[
            int | None,
            typer.Option(min=1, max=6, help="Image tiles along a page's long side.  [default: 5]", show_default=False),
        ],
        None,
    ),
    "device": (Annotated[Device, typer.Option(help="Where the model runs.")], Device.auto),
    "dtype": (
        Annotated[Dtype, typer.Option(help="The model's precision; int8: large weights in 8 bits.")],
        Dtype.auto,
    ),
    "batch_size": (
        Annotated[str, typer.Option(metavar="N", parser=_count, help="Pages that the model reads at a time.")],
        "auto",
    ),
    "max_new_tokens": (
        Annotated[
            int | None,
            typer.Option(min=1, metavar="N", help="Longest answer for a page; else what the model can hold."),
        ],
        None,
    ),
    "text": (
        Annotated[
            Text,
            typer.Option(
                help="Whose characters, where a PDF has its own: auto: the page's where only single ones differ; "
                "model: the model's; page: the page's."
            ),
        ],
        Text.auto,
    ),
    "no_drafts": (
        Annotated[bool, typer.Option("--no-drafts", help="One token a step: slower, and the same answer.")],
        False,
    ),
    "constrain": (
        Annotated[bool, typer.Option("--constrain", help="The model can write nothing that has a problem.")],
        False,
    ),
    "timeout": (
        Annotated[
            float,
            typer.Option(metavar="SECONDS", help="Give a page up that takes longer to be read from its file."),
        ],
        30.0,
    ),
    "workers": (
        Annotated[
            str,
            typer.Option(
                metavar="N", parser=_count, help="Processes that read files; 0: none, and a crash ends the run."
            ),
        ],
        "auto",
    ),
    "server": (
        Annotated[
            str | None,
            typer.Option(
                metavar="URL",
                help="Let an OpenAI-compatible server (vLLM, SGLang...) that has such a model read the pages.",
            ),
        ],
        None,
    ),
}


def takes_reading(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameter `reading`, keywords for `Converter`, is filled from the options above, in its place."""
    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name == "reading":
            for row, (annotation, default) in READING.items():
                parameters.append(_option(row, annotation, default))
        else:
            parameters.append(_option(name, hints[name], parameter.default))

    @functools.wraps(command)
    def wrapper(**given: Any) -> None:
        reading = {row: _plain(given.pop(row)) for row in READING}
        reading["drafts"] = not reading.pop("no_drafts")
        command(reading=reading, **given)

    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return wrapper


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
