"""The README.md of a checkpoint that was trained here: what it is, how it was made, how well it reads.

Knows: one run's settings and scores. Does not know: how training works.
"""

from __future__ import annotations

from pathlib import Path

from smoldocling.training.scores import Total


def write(folder: Path, *, base: str, command: str, data: str, pages: int, total: Total | None) -> None:
    """Write the model card.

    base     what training began with; "new" for random weights
    command  the command line that was given
    data     what it was taught with, for people
    pages    how many pages it was shown, repeated ones too
    total    how it does on pages that it was never shown
    """
    metadata = ["---", "library_name: transformers", "pipeline_tag: image-text-to-text", "tags: [doctags, smoldocling]"]
    if base != "new":
        metadata.append(f"base_model: {base}")
    origin = "random weights" if base == "new" else f"`{base}`"
    judged = f"On pages that it was never shown: {total}." if total else "It was not judged: no page was held back."
    folder.joinpath("README.md").write_text(
        "\n".join(
            [
                *metadata,
                "---",
                "",
                "# A DocTags checkpoint",
                "",
                f"Trained from {origin} on {data}, {pages:,} pages in all. {judged}",
                "",
                "```",
                command,
                "```",
                "",
                "It loads with `smoldocling convert --model FOLDER`, and with transformers' `AutoProcessor` and",
                "`AutoModelForImageTextToText`. Its question is `Convert this page to docling.`",
                "",
            ]
        ),
        encoding="utf-8",
    )
