"""Web addresses, read with suspicion: whoever wrote them may want to see what only this machine can reach.

Knows: HTTP, names and addresses of hosts. Does not know: documents.
Laws: a connection goes to an address that has been judged, not to a name that may mean another one by then; each
redirect is a new connection. An answer that is too long or takes too long is given up.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import ipaddress
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import IO, Any

from smoldocling.errors import UnusableInput
from smoldocling.pages.documents import MAX_BYTES

# A server that says nothing for so long, or is not done after so long, is given up.
SILENCE_SECONDS, WHOLE_SECONDS = 30.0, 600.0
MOST_REDIRECTS = 5
AGENT = "smoldocling"
# Answers that mean: not now.
AGAIN = frozenset({408, 425, 429})
TOO_SLOW = "the server is too slow; it was given up"


Judge = Callable[[str], bool]
"""Whether an address, in figures, may be asked."""


class Refused(OSError):
    """An address that is not asked."""


class Reader:
    """Opens web addresses."""

    def __init__(
        self,
        *,
        judge: Judge | None = None,
        most_bytes: int = MAX_BYTES,
        silence_seconds: float = SILENCE_SECONDS,
        whole_seconds: float = WHOLE_SECONDS,
    ) -> None:
        """
        judge  which addresses may be asked: `public`, for what strangers wrote; None: any, and the environment's
               proxies are used, which see for themselves
        """
        self._judge = judge
        self._most_bytes = most_bytes
        self._silence = silence_seconds
        self._whole = whole_seconds

    def open(self, address: str) -> IO[bytes]:
        """The answer, as a stream. Raises UnusableInput; OSError where asking again may help; Refused."""
        patience = _Patience(self._whole)
        request = urllib.request.Request(address, headers={"User-Agent": AGENT, "Accept-Encoding": "identity"})
        try:
            answer = self._opener(patience).open(request, timeout=self._silence)
        except Exception as error:
            patience.end()
            raise _plain(error, patience) from None
        length = answer.headers.get("Content-Length", "")
        stream = _Limited(answer, self._most_bytes, int(length) if length.isdecimal() else None, patience)
        if length.isdecimal() and int(length) > self._most_bytes:
            stream.close()
            raise UnusableInput(f"{int(length):,} bytes; {self._most_bytes:,} are the limit")
        return io.BufferedReader(stream)

    def _opener(self, patience: _Patience) -> urllib.request.OpenerDirector:
        opener = urllib.request.OpenerDirector()
        handlers: list[urllib.request.BaseHandler] = [
            urllib.request.ProxyHandler(None if self._judge is None else {}),
            _Http(self._judge, patience),
            _Https(self._judge, patience),
            _Redirects(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.HTTPDefaultErrorHandler(),
        ]
        for handler in handlers:
            opener.add_handler(handler)
        return opener


def _plain(error: Exception, patience: _Patience) -> Exception:
    """What went wrong, in the words of whoever wants a document."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        text = f"the server answers {error.code} {error.reason}".rstrip()
        return OSError(text) if error.code in AGAIN or error.code >= 500 else UnusableInput(text)
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if patience.over:
        return UnusableInput(TOO_SLOW)
    if isinstance(reason, OSError):
        return reason
    if isinstance(reason, http.client.HTTPException | ValueError):
        return UnusableInput(f"no answer that makes sense: {str(reason) or type(reason).__name__}")
    return UnusableInput(f"cannot be fetched: {reason}")


class _Patience:
    """Ends connections when a deadline has passed: a server that sends a byte a minute is never silent."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._connections: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._lose)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, connection: socket.socket) -> None:
        self._connections.append(connection)

    def end(self) -> None:
        self._timer.cancel()

    def _lose(self) -> None:
        self.over = True
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Limited(io.RawIOBase):
    """An answer that must be as long as it says, not longer than is taken, and here in time."""

    def __init__(self, stream: Any, most_bytes: int, length: int | None, patience: _Patience) -> None:
        self._stream, self._most, self._length, self._patience = stream, most_bytes, length, patience
        self._got = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read1(len(buffer))
        except http.client.HTTPException:
            raise OSError("the connection broke off") from None
        except OSError:
            if self._patience.over:
                raise UnusableInput(TOO_SLOW) from None
            raise
        self._got += len(data)
        if self._patience.over:
            raise UnusableInput(TOO_SLOW)
        if self._got > self._most:
            raise UnusableInput(f"the server sends more than {self._most:,} bytes")
        if not data and self._length is not None and self._got < self._length:
            raise OSError("the connection broke off")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._patience.end()
        self._stream.close()
        super().close()


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = MOST_REDIRECTS

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.lower().startswith(("http://", "https://")):
            raise Refused(f"redirected to {newurl.split(':', 1)[0]}:, which is no web address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def judged(host: str, port: int, timeout: float, judge: Judge) -> socket.socket:
    """A connection to `host`, if all its addresses may be asked. Raises Refused, OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, place in found:
        if not judge(str(place[0])):
            named = f"{host} is {place[0]}, which" if host != place[0] else host
            raise Refused(f"{named} is not a public address; --allow-private asks it all the same")
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


def public(text: str) -> bool:
    """Whether an address is one of the internet at large, in whatever form it is written."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return public(str(inner))
        if any(address in network for network in CLOSED):
            return False
    return address.is_global and not address.is_multicast


# RFC 3879: site-local, given up but not by everybody; RFC 8215: whatever the operator makes of it
CLOSED = (ipaddress.IPv6Network("fec0::/10"), ipaddress.IPv6Network("64:ff9b:1::/48"))
# RFC 6052 and RFC 4291, 2.5.5.1: the last four bytes are an address of IPv4
WRAPPING = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The address of IPv4 that one of IPv6 leads to, if it does."""
    if any(address in network for network in WRAPPING):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    tunnelled = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or tunnelled


class _HttpConnection(http.client.HTTPConnection):
    def __init__(self, host: str, *, judge: Judge | None, patience: _Patience, **options: Any) -> None:
        super().__init__(host, **options)
        self._judge, self._patience = judge, patience

    def connect(self) -> None:
        if self._judge is None:
            super().connect()
        else:
            self.sock = judged(self.host, self.port, self.timeout or SILENCE_SECONDS, self._judge)
        self._patience.watch(self.sock)


class _HttpsConnection(http.client.HTTPSConnection):
    def __init__(self, host: str, *, judge: Judge | None, patience: _Patience, **options: Any) -> None:
        super().__init__(host, **options)
        self._judge, self._patience = judge, patience

    def connect(self) -> None:
        if self._judge is None:
            super().connect()
        else:
            plain = judged(self.host, self.port, self.timeout or SILENCE_SECONDS, self._judge)
            context: ssl.SSLContext = self._context  # type: ignore[attr-defined]
            try:
                self.sock = context.wrap_socket(plain, server_hostname=self.host)
            except BaseException:
                plain.close()
                raise
        self._patience.watch(self.sock)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, judge: Judge | None, patience: _Patience) -> None:
        super().__init__()
        self._options: dict[str, Any] = {"judge": judge, "patience": patience}

    def http_open(self, req: Any) -> Any:
        return self.do_open(partial(_HttpConnection, **self._options), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, judge: Judge | None, patience: _Patience) -> None:
        super().__init__()
        self._options: dict[str, Any] = {"judge": judge, "patience": patience}

    def https_open(self, req: Any) -> Any:
        return self.do_open(partial(_HttpsConnection, **self._options, context=ssl.create_default_context()), req)
