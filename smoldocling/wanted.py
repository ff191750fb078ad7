"""What is wanted of documents: it may differ from one to the next, while model, engine and workers stay.

Knows: keywords and what they may be. Does not know: who reads pages, documents.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from smoldocling import selection
from smoldocling.errors import UnusableOption
from smoldocling.selection import Selection
from smoldocling.workers.limits import TIMEOUT_SECONDS

if TYPE_CHECKING:
    from smoldocling.pages.documents import Password
    from smoldocling.verdict import TextName

TEXTS: tuple[TextName, ...] = ("auto", "model", "page")
# Longer than anybody waits for a page: a day.
MAX_TIMEOUT = 86_400


class Wishes(TypedDict, total=False):
    """Keywords of `Converter` that `Converter.with_options` takes, too; there they are explained."""

    pages: str | Iterable[int] | None
    password: Password
    text: Literal["auto", "model", "page"]
    pictures: bool
    page_images: bool
    timeout: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """Wishes that can be fulfilled.

    selection  the pages
    timeout    seconds for a page
    """

    selection: Selection = field(default_factory=Selection)
    password: Password = field(default=None, repr=False)
    text: TextName = "auto"
    pictures: bool = True
    page_images: bool = False
    timeout: float = TIMEOUT_SECONDS

    def but(self, wishes: Wishes) -> Wanted:
        """The same with other wishes. Raises UnusableOption for what cannot be, TypeError for what is no wish."""
        given: dict[str, Any] = dict(wishes)
        if unknown := sorted(given.keys() - Wishes.__annotations__.keys()):
            may = ", ".join(Wishes.__annotations__)
            raise TypeError(f"{unknown[0]}: takes a Converter of its own; {may} may differ from one to the next")
        if "text" in given and given["text"] not in TEXTS:
            raise UnusableOption(f"text {given['text']!r}: {', '.join(TEXTS)} are the choices")
        if "timeout" in given:
            given["timeout"] = _seconds(given["timeout"])
        if "pages" in given:
            given["selection"] = selection.parse(given.pop("pages"))
        return replace(self, **given)


def _seconds(timeout: object) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < MAX_TIMEOUT:
        raise UnusableOption(f"timeout {timeout!r}: seconds, more than 0 and less than {MAX_TIMEOUT}")
    return float(timeout)
