"""What a server allows: where it listens, who may ask, how much, for how long.

Knows: numbers and their bounds. Does not know: HTTP, converters.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from smoldocling.errors import UnusableOption

MIB = 2**20
# Where Docling looks for a server on this machine if nobody says otherwise (its engine type api_lmstudio).
PORT = 1234
# A page image lies in memory, three times while it is read. A letter page at 300 dpi, as PNG, has 25 MB if it is noise.
IMAGE_BYTES = 32 * MIB
# Page images that come in at the same time.
IMAGES_BYTES = 512 * MIB
KEY = "SMOLDOCLING_API_KEY"
"""An environment variable."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Raises UnusableOption for what makes no sense.

    api_key          what clients must send as `Authorization: Bearer ...`; None: nobody needs one
    max_bytes        of one document; a page image has no more than IMAGE_BYTES either
    max_pages        of one document
    queue            documents and page images that wait for their turn; the next one is told to come again
    request_seconds  a client that waits for its answer gets it within that time, or is told that it will not
    keep_seconds     how long the result of a job can be fetched
    keep_bytes       what all results together may take; the oldest go first
    upload_seconds   how long a request may take to arrive
    """

    host: str = "127.0.0.1"
    port: int = PORT
    api_key: str | None = field(default=None, repr=False)
    max_bytes: int = 100 * MIB
    max_pages: int = 1000
    queue: int = 64
    request_seconds: float = 600.0
    keep_seconds: float = 900.0
    keep_bytes: int = 512 * MIB
    upload_seconds: float = 120.0

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("port", self.port, 0, 65535),
            ("max-bytes", self.max_bytes, 1, 2**31 - 1),
            ("max-pages", self.max_pages, 1, 10**6),
            ("queue", self.queue, 0, 10**5),
            ("request-timeout", self.request_seconds, 0.001, 10**6),
            ("keep", self.keep_seconds, 1, 10**6),
            ("keep-bytes", self.keep_bytes, MIB, 2**40),
            ("upload-timeout", self.upload_seconds, 0.001, 10**6),
        ):
            if not least <= value <= most:
                raise UnusableOption(f"{name} {value}: {least} to {most} is possible")
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable() and self.api_key):
            raise UnusableOption("api-key: printable ASCII is taken, and at least one character of it")

    @property
    def image_bytes(self) -> int:
        """Of one page image."""
        return min(self.max_bytes, IMAGE_BYTES)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can ask."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
