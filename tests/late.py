"""A seam whose queues work late, in any order that two queues allow: what a GPU may do to who trusts in luck."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any

from taping import Tape

from smoldocling.model.cuda.seam import Done, Failed


class Late(Tape):
    """Work is done when somebody waits for it, or when it happens to be.

    seed   decides what happens when
    eager  how likely it is that something is done meanwhile, each time that the host looks
    """

    def __init__(self, seed: int, eager: float = 0.5) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self._eager = eager
        self.steps = _Queue(self)
        self.pages = _Queue(self)

    def meanwhile(self) -> None:
        while self._random.random() < self._eager:
            self._random.choice([self.steps, self.pages]).do()


class _Queue:
    def __init__(self, seam: Late) -> None:
        self._seam = seam
        self._sent: deque[_Ticket] = deque()

    def send(self, work: Callable[[], Any]) -> _Ticket:
        ticket = _Ticket(self._seam, self, work)
        self._sent.append(ticket)
        self._seam.meanwhile()
        return ticket

    def do(self) -> None:
        if self._sent:
            self._sent.popleft().do()

    def wait(self) -> None:
        while self._sent:
            self.do()


class _Ticket:
    seconds = 0.001

    def __init__(self, seam: Late, queue: _Queue, work: Callable[[], Any]) -> None:
        self._seam = seam
        self._queue = queue
        self._work = work
        self._done: Done[Any] | Failed | None = None

    def do(self) -> None:
        try:
            self._done = Done(self._work(), 0)
        except Exception as error:
            self._done = Failed(error)

    @property
    def ready(self) -> bool:
        self._seam.meanwhile()
        return self._done is not None

    def value(self) -> Any:
        self._seam.meanwhile()
        while self._done is None:
            self._queue.do()
        return self._done.value()
