"""Messages between two processes over a socket: what is pickled, and large arrays beside it as they are.

Knows: bytes and patience. Does not know: what is said.
Pixels go as bytes: on two cores a page of 21 tiles (16.5 MB) is across after 7 ms, and after 30 in shared memory, whose
pages are fresh each time; and containers often have no more than 64 MB of it.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Callable
from typing import Any

_HEAD = struct.Struct("<I")
_LENGTH = struct.Struct("<Q")
# One piece of a large array: long enough to be worth a call, short enough to be interrupted.
PIECE = 1 << 20


class Closed(Exception):
    """Nobody is at the other end."""


class Wire:
    """One end. `idle` is called whenever `slice_seconds` pass in which nothing moves; what it raises ends the call."""

    def __init__(self, end: socket.socket, slice_seconds: float | None = None) -> None:
        self._end = end
        self._end.settimeout(slice_seconds)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            self._end.setsockopt(socket.SOL_SOCKET, option, PIECE)

    def send(self, message: Any, idle: Callable[[], None] = lambda: None) -> None:
        """Raise Closed where nobody listens any more."""
        beside: list[pickle.PickleBuffer] = []
        body = pickle.dumps(message, protocol=5, buffer_callback=beside.append)
        pieces = [memoryview(body), *(buffer.raw() for buffer in beside)]
        self._put(_HEAD.pack(len(pieces)) + b"".join(_LENGTH.pack(len(piece)) for piece in pieces), idle)
        for piece in pieces:
            self._put(piece, idle)

    def receive(self, idle: Callable[[], None] = lambda: None) -> Any:
        """Raise Closed where nobody will say anything any more."""
        (count,) = _HEAD.unpack(self._get(_HEAD.size, idle))
        lengths = [length for (length,) in _LENGTH.iter_unpack(self._get(count * _LENGTH.size, idle))]
        body, *beside = [self._get(length, idle) for length in lengths]
        return pickle.loads(body, buffers=beside)

    def close(self) -> None:
        """Hang up."""
        self._end.close()

    def _put(self, data: bytes | memoryview, idle: Callable[[], None]) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[self._end.send(left[:PIECE]) :]
            except TimeoutError:
                idle()
            except OSError as error:
                raise Closed(str(error)) from None

    def _get(self, count: int, idle: Callable[[], None]) -> bytearray:
        data = bytearray(count)
        left = memoryview(data)
        while left:
            try:
                got = self._end.recv_into(left)
            except TimeoutError:
                idle()
                continue
            except OSError as error:
                raise Closed(str(error)) from None
            if not got:
                raise Closed("the other end is gone")
            left = left[got:]
        return data
