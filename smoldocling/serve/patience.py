"""Connections of clients that keep us waiting: who does not finish a question's head, or does not take an answer.

Knows: uvicorn's connections, seconds, bytes. Does not know: what is asked or answered; bodies on their way in.
Laws: a connection without a question ends after HEAD_SECONDS, one that takes less than LEAST_BYTES of its answer in
STALL_SECONDS ends then. What all of them have not taken yet is no more than UNSENT_BYTES: the latest one ends.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar
from weakref import WeakSet

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# The head of a request is a few hundred bytes.
HEAD_SECONDS = 20.0
# A telephone line has so much in a minute and a half.
STALL_SECONDS, LEAST_BYTES = 30.0, 64 * 1024
UNSENT_BYTES = 512 * 2**20


class Patient(H11Protocol):
    """uvicorn's HTTP/1.1 with an end to waiting."""

    _waiting: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _unsent = 0
    _full: ClassVar[WeakSet[Patient]] = WeakSet()

    @classmethod
    def unsent(cls) -> int:
        """Bytes that clients have not taken yet."""
        return sum(one.transport.get_write_buffer_size() for one in cls._full)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has come."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Something has come."""
        super().data_received(data)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """They are gone."""
        super().connection_lost(exc)
        self._full.discard(self)
        for timer in (self._waiting, self._stalled):
            if timer is not None:
                timer.cancel()

    def pause_writing(self) -> None:
        """More has been written than they have taken."""
        super().pause_writing()
        self._full.add(self)
        if self.unsent() > UNSENT_BYTES:
            self.transport.abort()
        else:
            self._look_again()

    def resume_writing(self) -> None:
        """They have taken it."""
        super().resume_writing()
        self._full.discard(self)
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _await_head(self) -> None:
        """The time for a head runs from its first byte, or from the beginning of the connection, to its last."""
        if self.conn.their_state is not h11.IDLE:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None
        elif self._waiting is None:
            self._waiting = self.loop.call_later(HEAD_SECONDS, self._give_up_head)

    def _give_up_head(self) -> None:
        self._waiting = None
        if not self.transport.is_closing() and self.conn.their_state is h11.IDLE:
            self.transport.abort()

    def _look_again(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(STALL_SECONDS, self._look)

    def _look(self) -> None:
        if self._unsent - self.transport.get_write_buffer_size() < LEAST_BYTES:
            self.transport.abort()
        else:
            self._look_again()
