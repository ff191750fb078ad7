"""Web addresses, read with suspicion: whoever wrote them may want to see what only this machine can reach.

Knows: HTTP, names and addresses of hosts. Does not know: documents.
Laws: a connection goes to an address that has been judged, not to a name that may mean another one by then; each
redirect is a new connection. An answer that is too long or takes too long is given up.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import ssl
import time
import urllib.error
import urllib.request
from typing import IO, Any

from smoldocling.errors import UnusableInput
from smoldocling.pages.documents import MAX_BYTES

# A server that says nothing for so long, or is not done after so long, is given up.
SILENCE_SECONDS, WHOLE_SECONDS = 30.0, 600.0
MOST_REDIRECTS = 5
AGENT = "smoldocling"


class Refused(OSError):
    """An address that is not asked."""


class Reader:
    """Opens web addresses."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        most_bytes: int = MAX_BYTES,
        silence_seconds: float = SILENCE_SECONDS,
        whole_seconds: float = WHOLE_SECONDS,
    ) -> None:
        """
        allow_private  any address will do, and the environment's proxies are used, which see for themselves
        """
        self._most_bytes = most_bytes
        self._silence = silence_seconds
        self._whole = whole_seconds
        opener = urllib.request.OpenerDirector()
        handlers: list[urllib.request.BaseHandler] = [
            urllib.request.ProxyHandler(None if allow_private else {}),
            urllib.request.HTTPHandler() if allow_private else _Http(),
            urllib.request.HTTPSHandler() if allow_private else _Https(),
            _Redirects(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.HTTPDefaultErrorHandler(),
        ]
        for handler in handlers:
            opener.add_handler(handler)
        self._opener = opener

    def open(self, address: str) -> IO[bytes]:
        """The answer, as a stream. Raises OSError, UnusableInput."""
        deadline = time.monotonic() + self._whole
        request = urllib.request.Request(address, headers={"User-Agent": AGENT, "Accept-Encoding": "identity"})
        try:
            answer = self._opener.open(request, timeout=self._silence)
        except urllib.error.HTTPError as error:
            error.close()
            text = f"the server answers {error.code} {error.reason}".rstrip()
            if error.code in (408, 425, 429) or error.code >= 500:
                raise OSError(text) from None
            raise UnusableInput(text) from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, OSError):
                raise error.reason from None
            raise UnusableInput(f"cannot be fetched: {error.reason}") from None
        except (http.client.HTTPException, ValueError) as error:
            raise UnusableInput(f"cannot be fetched: {str(error) or type(error).__name__}") from None
        length = answer.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > self._most_bytes:
            answer.close()
            raise UnusableInput(f"{int(length):,} bytes; {self._most_bytes:,} are the limit")
        return io.BufferedReader(_Limited(answer, self._most_bytes, deadline))


class _Limited(io.RawIOBase):
    """A stream that ends its reader's patience."""

    def __init__(self, stream: Any, most_bytes: int, deadline: float) -> None:
        self._stream, self._left, self._deadline = stream, most_bytes, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if time.monotonic() > self._deadline:
            raise UnusableInput("the server is too slow; it was given up")
        # whatever has arrived: a server that sends a byte a second must not hold us until the buffer is full
        data = self._stream.read1(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise UnusableInput("the server sends more bytes than are taken")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = MOST_REDIRECTS

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.lower().startswith(("http://", "https://")):
            raise Refused(f"redirected to {newurl.split(':', 1)[0]}:, which is no web address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def judged(host: str, port: int, timeout: float) -> socket.socket:
    """A connection to `host`, if all its addresses are public. Raises Refused, OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, place in found:
        if not _public(str(place[0])):
            raise Refused(f"{host} is {place[0]}, which is not a public address; --allow-private takes it all the same")
    last: OSError | None = None
    for family, kind, protocol, _, place in found:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(timeout)
            connection.connect(place)
        except OSError as error:
            connection.close()
            last = error
        else:
            return connection
    raise last or OSError(f"{host} has no address")


def _public(text: str) -> bool:
    """Whether an address is one of the internet at large, in whatever form it is written."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = (
            address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1]) or _translated(address)
        )
        if inner:
            return _public(str(inner))
        if address in _SITE_LOCAL:
            return False
    return address.is_global and not address.is_multicast


_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")
# RFC 6052: a public address of IPv6 behind which a gateway puts any of IPv4
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


def _translated(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _TRANSLATED else None


class _HttpConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = judged(self.host, self.port, self.timeout or SILENCE_SECONDS)


class _HttpsConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        context: ssl.SSLContext = self._context  # type: ignore[attr-defined]
        connection = judged(self.host, self.port, self.timeout or SILENCE_SECONDS)
        self.sock = context.wrap_socket(connection, server_hostname=self.host)


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: Any) -> Any:
        return self.do_open(_HttpConnection, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: Any) -> Any:
        return self.do_open(_HttpsConnection, req, context=ssl.create_default_context())
