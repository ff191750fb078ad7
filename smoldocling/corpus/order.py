"""What was asked of one `corpus`, carried out.

Knows: option names, which of them decide what is written, versions. Does not know: terminals, exits.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoldocling.corpus.fetch import remote
from smoldocling.corpus.folder import Settings
from smoldocling.errors import UnusableOption
from smoldocling.output import Look
from smoldocling.progress import Progress

if TYPE_CHECKING:
    from smoldocling.corpus.cluster import Cluster
    from smoldocling.corpus.run import Run
    from smoldocling.pipeline import Converter

# These change how long it takes, not what comes of it.
SPEED = frozenset({"batch_size", "drafts", "workers"})
# These do nothing where no model is used.
ABOUT_MODELS = frozenset({"model", "splits", "device", "dtype", "max_new_tokens", "constrain", "text"})
# What is written down must not tell the secret.
SECRET = "password"
NEEDS = ("pyarrow", "filelock")
# Another version of these may read pages in another way.
READERS = ("smoldocling", "pymupdf")


@dataclass(frozen=True, slots=True)
class Options:
    """As on the command line; `converter` are those of Converter.

    ray  the address of a cluster that does the work, "local" for one here
    """

    sources: list[str]
    folder: Path
    shard_pages: int = 10_000
    formats: list[str] = field(default_factory=list)
    look: Look = field(default_factory=Look)
    allow_private: bool = False
    ray: str | None = None
    converter: dict[str, Any] = field(default_factory=dict)


def carry_out(options: Options, shown: Progress) -> Run:
    """The Run, when it is over. Raises SmolDoclingError, KeyboardInterrupt."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        raise UnusableOption(f"corpus needs {' and '.join(missing)}: pip install 'smoldocling[corpus]'")
    from smoldocling.corpus.run import Run
    from smoldocling.pipeline import Converter

    if "report" in options.formats:
        raise UnusableOption("corpus writes no reports; convert --to report makes one of a single document")
    asked = {**options.converter, "pictures": bool(options.formats)}
    converter: Converter | Cluster
    if options.ray is None:
        converter = Converter(**asked)
    else:
        from smoldocling.corpus.cluster import Cluster

        converter = Cluster(options.ray, asked)
    if converter.without_model:
        shown.line(f"note: {converter.without_model}; reading born-digital pages from their text layer")
    if converter.without_native:
        shown.line(f"note: {converter.without_native}; taking transformers")
    run = Run(
        options.folder,
        options.sources,
        _settings(options, converter),
        shown,
        options.shard_pages,
        options.formats,
        options.look,
        options.allow_private,
    )
    run.all(converter)
    return run


def _settings(options: Options, converter: Converter | Cluster) -> Settings:
    """All that decides what is written."""
    idle = ABOUT_MODELS if converter.checkpoint is None else frozenset({"model"})
    deciding = {name: value for name, value in options.converter.items() if name not in SPEED | idle}
    secret = deciding.pop(SECRET, None)
    if any(not remote(source) and not os.path.isabs(source.removeprefix("@")) for source in options.sources):
        deciding["working folder"] = os.getcwd()
    versions = [f"{name} {metadata.version(name)}" for name in READERS]
    return {
        "sources": options.sources,
        **deciding,
        "engine": converter.engine,
        "checkpoint": converter.checkpoint,
        SECRET: "given" if secret else None,
        "shard_pages": options.shard_pages,
        "to": options.formats,
        **asdict(options.look),
        "versions": "; ".join(versions + ([converter.checkpoint] if converter.checkpoint else [])),
    }
