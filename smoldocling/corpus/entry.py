"""One document of a large run on its way to a shard: which of its pages are done, and what became of them.

Knows: statuses, places in a journal. Does not know: other documents, rows.
Law: what is said of a document does not depend on the order in which its pages came.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from smoldocling.corpus.index import Place
from smoldocling.corpus.journal import Record, Spot
from smoldocling.result import INCOMPLETE, DocumentStatus

Key = tuple[int, int]
"""(number of the source in the list, number of the document in it)"""

NOT_OPENED = 0
"""The number of the page that stands for a document which cannot be opened."""
UNOPENED = "unopened"
"""How such a page is counted; its row says failed."""


@dataclass(slots=True)
class Entry:
    """A document that is in no shard yet.

    place    where its files belong, as it came
    last     its source holds no document behind it
    same     the document before it with the same content, which is in no shard yet either
    shelved  where the rows of the same content are in a shard
    of       how many pages it has; None: not known yet
    trouble  the first page of which something is missing, and why; warning: the first that came with one
    files    what was written beside the shards, and what went wrong with that; None: nothing yet
    """

    path: str
    place: str
    digest: str | None
    size: int
    last: bool
    record: Spot
    same: Key | None = None
    shelved: Place | None = None
    of: int | None = None
    pages: dict[int, Spot] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    trouble: tuple[int, str] | None = None
    warning: tuple[int, str] | None = None
    files: tuple[list[str], str | None] | None = None

    def add(self, spot: Spot, record: Record) -> None:
        """A page is done."""
        number: int = record["page"]
        self.of = record["of"]
        self.pages[number] = spot
        self.statuses[UNOPENED if number == NOT_OPENED else record["status"]] += 1
        if record["status"] in INCOMPLETE:
            self.trouble = _first(self.trouble, number, record["reason"] or record["status"])
        if record.get("warnings"):
            self.warning = _first(self.warning, number, "; ".join(record["warnings"]))

    @property
    def borrowed(self) -> bool:
        """Whether its pages are another document's."""
        return self.same is not None or self.shelved is not None

    @property
    def complete(self) -> bool:
        """Whether nothing is missing. The one that it borrows from comes before it."""
        return self.borrowed or (self.of is not None and len(self.pages) >= self.of)

    @property
    def status(self) -> DocumentStatus:
        """As a Result has it."""
        if not self.statuses.keys() - {"failed", UNOPENED}:
            return "failed"
        return "partial" if self.warning or self.statuses.keys() & INCOMPLETE else "ok"

    @property
    def reason(self) -> str | None:
        """What is wrong with it, in one line."""
        parts = [self.warning[1]] if self.warning else []
        if self.trouble is not None:
            page, why = self.trouble
            parts.append(why if page == NOT_OPENED else f"page {page}: {why}")
            more = sum(self.statuses[status] for status in INCOMPLETE) - 1
            if more > 0:
                parts.append(f"and {more} more {'page' if more == 1 else 'pages'}")
        return "; ".join(parts) or None


@dataclass
class Tally:
    """What there is so far: pages by status, documents by status."""

    pages: Counter[str] = field(default_factory=Counter)
    documents: Counter[str] = field(default_factory=Counter)


def _first(known: tuple[int, str] | None, page: int, text: str) -> tuple[int, str]:
    return (page, text) if known is None or page < known[0] else known
