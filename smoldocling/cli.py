"""The command line: the library with dashes. The only file that prints or exits.

Data goes to stdout, talk and progress to stderr. Heavy modules are imported inside the commands: `--help` is quick.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from smoldocling.errors import SmolDoclingError, UnusableOption, UnwritableOutput
from smoldocling.options import (
    Device,
    Format,
    Furniture,
    Json,
    Model,
    Output,
    PageBreak,
    PageList,
    Password,
    Seed,
    To,
    takes_reading,
)

if TYPE_CHECKING:
    from smoldocling.pipeline import Converter
    from smoldocling.progress import Progress

OK, SOME_FAILED, USAGE, NOTHING, INTERRUPTED = 0, 1, 2, 3, 130
STDOUT = "-"
WIDE = 140

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"smoldocling {version('smoldocling')}")
        raise typer.Exit


@app.callback()
def smoldocling(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """PDF pages and page images to Markdown, HTML, JSON or DocTags."""


@app.command()
@takes_reading
def convert(
    *,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...", help="Files, folders, globs: PDF, PNG, JPEG, TIFF, WebP; - for standard input."
        ),
    ],
    to: To = None,
    output: Output = ".",
    pages: PageList = None,
    password: Password = None,
    reading: dict[str, Any],
    resume: Annotated[
        bool, typer.Option("--resume", help="Leave out what an earlier call has converted in full.")
    ] = False,
    furniture: Furniture = False,
    page_break: PageBreak = None,
    as_json: Json = False,
) -> None:
    """Convert documents to FOLDER/NAME.md and so on; pictures go to FOLDER/NAME_artifacts/.

    \b
    Exit status:
      0    every page succeeded
      1    some page or file failed, and everything else was written
      2    the command line is wrong
      3    nothing could be converted
      130  interrupted
    """
    from smoldocling.output import Look, probe
    from smoldocling.pipeline import Converter
    from smoldocling.progress import progress
    from smoldocling.run import Run

    formats = _formats(to, output, as_json=as_json)
    if resume and output == STDOUT:
        _usage("--resume: what was written to stdout cannot be found again; name a folder with -o")
    terminal = sys.stderr.isatty()
    shown = progress(sys.stderr, terminal=terminal)
    asked = partial(_ask_password, shown) if sys.stdin.isatty() and terminal else None
    folder = None if output == STDOUT else Path(output)
    run = Run(folder, sys.stdout.buffer, formats, Look(furniture, page_break), resume)
    with _told(lambda: f"interrupted; {run.summary()}"):
        if folder is not None:
            probe(folder)
        converter = Converter(**reading, pages=pages, page_images=Format.report in formats, password=password or asked)
        _say_who_reads(converter)
        with shown:
            run.all(converter, sources, shown)
    if as_json:
        print(json.dumps(run.as_json(converter.engine), indent=2))
    _say(run.summary())
    raise typer.Exit(run.exit_code)


@app.command()
@takes_reading
def corpus(
    *,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Files, folders, globs, @list.txt, tar files; s3://, gs://, http:// and https:// addresses.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of this run and no other.")],
    pages: PageList = None,
    password: Password = None,
    reading: dict[str, Any],
    to: Annotated[
        list[Format] | None,
        typer.Option("--to", help="Write such files, too, to DIR/files; may be given several times."),
    ] = None,
    furniture: Furniture = False,
    page_break: PageBreak = None,
    shard_pages: Annotated[int, typer.Option(min=1, metavar="N", help="A shard is full with so many pages.")] = 10_000,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Web addresses may lead into private networks.")
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Read the pages on a Ray cluster; local: one on this machine."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Convert any number of documents to Parquet: DIR/pages/, one row a page, and DIR/documents.parquet.

    The same command again goes on where it was cut off, and ends with the same files.

    \b
    Exit status:
      0    every page succeeded
      1    some page or file failed, or DIR cannot be written
      2    the command line is wrong, or DIR belongs to another run
      3    nothing could be converted
      130  interrupted
    """
    from smoldocling.corpus import order
    from smoldocling.output import Look
    from smoldocling.progress import progress

    options = order.Options(
        sources=sources,
        folder=output,
        shard_pages=shard_pages,
        formats=[str(name) for name in dict.fromkeys(to or [])],
        look=Look(furniture, page_break),
        allow_private=allow_private,
        ray=ray,
        converter=reading | {"pages": pages, "password": password},
    )
    interrupted = f"interrupted; the same command goes on from what is in {output}"
    with _told(lambda: interrupted), progress(sys.stderr, terminal=sys.stderr.isatty()) as shown:
        run = order.carry_out(options, shown)
    if as_json:
        print(json.dumps(run.as_json(), indent=2))
    _say(run.summary())
    if not run.finished:
        _say(interrupted)
    raise typer.Exit(run.exit_code)


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.dt...", help="DocTags files; - for standard input.")],
    fix: Annotated[bool, typer.Option("--fix", help="Write the repaired canonical form back; of - to stdout.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the problems for machines.")] = False,
) -> None:
    """Check DocTags files: file:line:column: severity: kind: message. Exit status 1 where there are errors."""
    import doctags
    from smoldocling.output import put

    errors, rows = 0, []
    for file in files:
        text = _read_text(file)
        if text is None:
            errors += 1
            continue
        piped = fix and str(file) == STDOUT
        if piped:
            print(doctags.write(doctags.parse(text)), end="")
        for problem in doctags.validate(text):
            errors += problem.severity == "error"
            rows.append({"file": str(file), **asdict(problem)})
            line = f"{file}:{problem.line}:{problem.column}: {problem.severity}: {problem.kind}: {problem.message}"
            if piped:
                _say(line)
            elif not as_json:
                print(line)
        if fix and str(file) != STDOUT:
            with _told():
                put(file, doctags.write(doctags.parse(text)).encode("utf-8"))
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    raise typer.Exit(SOME_FAILED if errors else OK)


@app.command()
def render(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.dt...", help="DocTags files; - for standard input.")],
    to: To = None,
    output: Output = STDOUT,
    furniture: Furniture = False,
    page_break: PageBreak = None,
    image: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The pages as they look, a PDF or an image; figures are cut from it."),
    ] = None,
) -> None:
    """Turn DocTags that you already have into the other formats. Problems in them go to stderr."""
    from smoldocling.output import Look
    from smoldocling.progress import progress
    from smoldocling.run import Run
    from smoldocling.stored import revive

    formats = _formats(to, output, as_json=False)
    if image is not None and len(files) > 1:
        _usage("--image belongs to one file of DocTags; render them one by one")
    run = Run(None if output == STDOUT else Path(output), sys.stdout.buffer, formats, Look(furniture, page_break))
    shown = progress(sys.stderr, terminal=False)
    unreadable = 0
    for file in files:
        text = _read_text(file)
        if text is None:
            unreadable += 1
            continue
        try:
            result = revive(str(file), text, image)
        except SmolDoclingError as error:
            _fail(f"{image}: {error}", NOTHING)
        for problem in result.problems:
            _say(f"{file}:{problem.line}:{problem.column}: {problem.severity}: {problem.kind}: {problem.message}")
        run.add(result, shown)
    raise typer.Exit(SOME_FAILED if unreadable and run.written else run.exit_code)


class Pages(StrEnum):
    """What synthetic pages look like."""

    line = "line"
    small = "small"
    half = "half"
    page = "page"


@app.command()
def synth(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the pairs.")],
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE.pdf...]", help="More of them after --from.")
    ] = None,
    count: Annotated[int, typer.Option("-n", min=1, max=999_999_999, metavar="N", help="How many pages.")] = 1000,
    seed: Seed = 0,
    domain: Annotated[
        Pages, typer.Option(help="line: one line; small: large type; half: all kinds, large type; page: as printed.")
    ] = Pages.small,
    pdf: Annotated[bool, typer.Option("--pdf", help="PDFs with a text layer instead of images.")] = False,
    disturbed: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="SHARE", help="Images that look scanned.  [default: page 0.5, others 0]"),
    ] = None,
    fonts: Annotated[Path | None, typer.Option(metavar="DIR", help="Set them in the .ttf and .otf fonts here.")] = None,
    own: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="FILE.pdf...", help="Your own PDFs instead: images with text-layer DocTags."),
    ] = None,
    password: Password = None,
) -> None:
    """Make pages to train on: DIR/NAME.png (or .pdf), and beside each NAME.dt, the DocTags that say what is on it."""
    from smoldocling.output import probe
    from smoldocling.progress import progress
    from smoldocling.training import workshop

    if more and not own:
        _usage(f"{more[0]}: put --from before your own documents")
    if own and (pdf or fonts or disturbed is not None):
        _usage("--pdf, --fonts and --disturbed make synthetic pages; --from takes your own as they are")
    with _told(lambda: "interrupted; what was written is whole"):
        probe(output)
        with progress(sys.stderr, terminal=sys.stderr.isatty()) as shown:
            if own:
                written, failed = workshop.gather([*own, *(more or [])], password, output, shown)
            else:
                written, failed = workshop.make(domain.value, seed, count, output, shown, pdf, disturbed, fonts), 0
    raise typer.Exit(NOTHING if not written else SOME_FAILED if failed else OK)


@app.command()
def train(
    data: Annotated[
        str, typer.Option(metavar="DIR_OR_DOMAIN", help="Folder of NAME.png beside NAME.dt, or a domain of synth.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the checkpoint.")],
    model: Annotated[
        str, typer.Option(metavar="ID_OR_DIR", help="What to begin with; new: a small network that knows nothing.")
    ] = "smoldocling",
    steps: Annotated[int | None, typer.Option(min=1, help="How many steps.  [default: 1000]")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.05, help="Stop after so many minutes.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Pages of one step.  [default: 8]", show_default=False)
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="RATE", help="How far a step goes.  [default: 0.0001]", show_default=False)
    ] = None,
    lora: Annotated[
        int | None, typer.Option(min=1, metavar="RANK", help="Train adapters of that rank: less memory.")
    ] = None,
    accumulate: Annotated[
        int, typer.Option(min=1, metavar="N", help="Compute each step in N parts: less memory, the same step.")
    ] = 1,
    splits: Annotated[
        int | None, typer.Option(min=1, max=6, help="Image tiles along a page's long side.  [default: the model's own]")
    ] = None,
    device: Annotated[Device, typer.Option(help="Where to train.")] = Device.auto,
    seed: Seed = 0,
) -> None:
    """Teach a checkpoint your pages, or a new one to read. The same command again goes on where the last one stopped.

    DIR gets a checkpoint that `convert --model DIR` and transformers load, its card, log.jsonl and log.png.
    """
    from smoldocling.progress import progress
    from smoldocling.training import school

    with (
        _told(lambda: f"interrupted; the same command goes on from what was saved in {output}"),
        progress(sys.stderr, terminal=sys.stderr.isatty()) as shown,
    ):
        school.train(
            data,
            model,
            output,
            shown,
            steps=steps,
            minutes=minutes,
            batch=batch_size,
            rate=learning_rate,
            splits=splits,
            lora=lora,
            accumulate=accumulate,
            device=device.value,
            seed=seed,
            command=["smoldocling", *sys.argv[1:]],
        )
    _say(f"checkpoint -> {output}")


class Variant(StrEnum):
    """Whose definitions the scores have."""

    ours = "ours"
    docling_eval = "docling-eval"


@app.command("eval")
def evaluate(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PREDICTED TRUTH", help="Files or folders of DocTags, Markdown, HTML, JSON; matched by name."
        ),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Two predictions of one TRUTH, or two files of --json: the differences."),
    ] = None,
    variant: Annotated[Variant, typer.Option(help="docling-eval: the text scores by its definitions.")] = Variant.ours,
    as_json: Annotated[bool, typer.Option("--json", help="All scores for machines.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A line for each page and each document.")] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A page with the worst pages, word by word.")
    ] = None,
    pages: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The documents themselves, for --html, if not beside the files.")
    ] = None,
    worst: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="How many pages --html shows.")] = 20,
) -> None:
    """Score predictions against their truth: text, tables, headings, reading order, formulas, code, layout.

    What is missing, empty or cannot be read counts as all wrong. Exit status 1 where there is such a page, 3 where
    there is nothing to score.
    """
    from rich.console import Console

    from smoldocling.evaluate.command import Form, Order, carry_out
    from smoldocling.progress import progress

    if as_json and as_csv:
        _usage("--json and --csv both go to stdout: give one of them")
    form: Form = "json" if as_json else "csv" if as_csv else "table"
    order = Order(tuple(paths or ()), compare, variant.value, form, html, pages, worst)
    with (
        _told(lambda: "interrupted; nothing was written"),
        progress(sys.stderr, terminal=sys.stderr.isatty()) as shown,
    ):
        outcome = carry_out(order, partial(shown.tick, what="documents"))
    for note in outcome.notes:
        _say(f"note: {note}")
    if isinstance(outcome.shown, str):
        print(outcome.shown)
    else:
        # what is piped into a file is not cut to the width of a terminal that is not there
        Console(width=None if sys.stdout.isatty() else WIDE).print(outcome.shown)
    raise typer.Exit(OK if outcome.is_whole else SOME_FAILED)


@app.command()
@takes_reading
def serve(
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen; other than this, use --api-key.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="0: any that is free.")] = 1234,
    api_key: Annotated[
        str | None, typer.Option(envvar="SMOLDOCLING_API_KEY", metavar="KEY", help="What clients must send.")
    ] = None,
    max_bytes: Annotated[int, typer.Option(min=1, metavar="N", help="Largest document.")] = 104_857_600,
    max_pages: Annotated[int, typer.Option(min=1, metavar="N", help="Longest document.")] = 1000,
    queue: Annotated[
        int, typer.Option(min=0, metavar="N", help="Documents that may wait; others get status 429.")
    ] = 64,
    request_timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="Longest wait for an answer; jobs may take longer.")
    ] = 600.0,
    keep: Annotated[float, typer.Option(metavar="SECONDS", help="How long results of jobs are kept.")] = 900.0,
    keep_bytes: Annotated[int, typer.Option(metavar="N", help="Memory for results of jobs.")] = 536_870_912,
    reading: dict[str, Any],
) -> None:
    """Serve documents and page images over HTTP: a page to drop files on, /v1/convert, /v1/chat/completions."""
    from smoldocling.pipeline import Converter

    try:
        from smoldocling.serve.command import serve as run
        from smoldocling.serve.settings import Settings
    except ModuleNotFoundError as error:
        _fail(f"{error.name} is not installed; pip install 'smoldocling[serve]'", NOTHING)
    with _told():
        settings = Settings(
            host=host,
            port=port,
            api_key=api_key,
            max_bytes=max_bytes,
            max_pages=max_pages,
            queue=queue,
            request_seconds=request_timeout,
            keep_seconds=keep,
            keep_bytes=keep_bytes,
        )
        converter = Converter(**reading)
        _say_who_reads(converter)
        run(converter, settings, reading["model"], _say)


@app.command()
def doctor(
    model: Model = "smoldocling",
) -> None:
    """Say what is installed, which device and checkpoints there are, and what `convert` would run."""
    from smoldocling.doctor import report

    for name, value in report(model):
        print(f"{name:<14}{value}")


def _formats(to: list[Format] | None, output: str, *, as_json: bool) -> list[str]:
    formats = [str(name) for name in dict.fromkeys(to or [Format.md])]
    if output == STDOUT and (len(formats) > 1 or as_json):
        _usage("-o - writes one format to stdout: give --to once, and a folder where --json is wanted")
    return formats


def _read_text(file: Path) -> str | None:
    """The file's text, or None after saying why not."""
    from smoldocling.errors import UnusableInput
    from smoldocling.pages.documents import read

    try:
        data = sys.stdin.buffer.read() if str(file) == STDOUT else read(file)
        return data.decode("utf-8")
    except UnusableInput as error:
        _say(f"{file}: {error}")
    except UnicodeDecodeError as error:
        if data.startswith(b"%PDF"):
            _say(f"{file}: a PDF, no DocTags: `smoldocling convert` takes these")
            return None
        _say(f"{file}: not a text file: byte {error.start} is no UTF-8; DocTags files are UTF-8")
    return None


def _say_who_reads(converter: Converter) -> None:
    if converter.without_model:
        _say(f"note: {converter.without_model}; reading born-digital pages from their text layer")
    if converter.without_native:
        _say(f"note: {converter.without_native}; taking transformers")


def _ask_password(shown: Progress, name: str) -> str | None:
    try:
        return shown.ask(f"password for {name}: ") or None
    except EOFError:
        return None


@contextlib.contextmanager
def _told(interrupted: Callable[[], str] = lambda: "interrupted") -> Iterator[None]:
    """Errors become a line and an exit status, Ctrl-C what is `interrupted`."""
    try:
        yield
    except UnusableOption as error:
        _usage(str(error))
    except UnwritableOutput as error:
        _fail(str(error), SOME_FAILED)
    except SmolDoclingError as error:
        _fail(str(error), NOTHING)
    except KeyboardInterrupt:
        _say(interrupted())
        raise typer.Exit(INTERRUPTED) from None


def _say(text: str) -> None:
    from smoldocling.progress import printable

    with contextlib.suppress(OSError):
        print(printable(text), file=sys.stderr, flush=True)


def _fail(text: str, code: int) -> NoReturn:
    _say(f"error: {text}")
    raise typer.Exit(code)


def _usage(text: str) -> NoReturn:
    _fail(text, USAGE)


def main() -> None:
    """Entry point."""
    _open_missing_streams()
    try:
        try:
            app(prog_name="smoldocling")
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain once more when it closes the stream
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(SOME_FAILED)
    except OSError as error:
        _say(f"error: standard output cannot be written: {(error.strerror or str(error)).lower()}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(SOME_FAILED)


def _open_missing_streams() -> None:
    """Services and cron may start us with a standard stream closed; Python has None there."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open as long as we run
        elif mode == "w":
            # a terminal that cannot show a letter shows its number
            stream.reconfigure(errors="backslashreplace")
