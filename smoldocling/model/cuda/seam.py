"""What a GPU does beside the host: work in queues of its own, and recorded work again. The one seam to torch's CUDA.

Knows: streams, events, graphs, pinned memory. Does not know: networks, whose work it is.
Laws:
- Work of one queue is done in the order in which it was sent. Between two queues there is no order at all, but what has
  been waited for on the host is done for everybody.
- A recording is the same arithmetic on the same memory as the work that was recorded, each time that it is played.
- Whoever frees memory that queues have used waits for both first.

`Host` is the same without a GPU: work is done when it is sent, a recording is the work itself. Everything above this
file runs on either, so that tests on a CPU run what a GPU runs, but for the recording itself.

What a recording assumes, each checked or made so here or in steps.py:
- Nothing in the work asks the device anything (`.item()`, boolean indices, `nonzero`): capture refuses that, and the
  work runs unrecorded from then on.
- Memory that outlives the work (inputs, outputs, cache, weights) was allocated before, and is never exchanged. What the
  work allocates itself lies in one pool for all recordings; they are played on one queue, never two at once.
- Libraries have made their workspaces, and Triton has compiled: the work is done once, unrecorded, before.
- Doing the work once more changes nothing: whoever records sends the inputs again afterwards.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Generic, NoReturn, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch

Pixels = npt.NDArray[np.uint8]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Work = Callable[[], None]


class Ticket(Protocol[T_co]):
    """Work that has been sent."""

    @property
    def ready(self) -> bool:
        """Whether it is done."""
        ...

    @property
    def seconds(self) -> float:
        """How long the device took for it, once it is done."""
        ...

    def value(self) -> T_co:
        """What it gave, as soon as it is done. Raises what it raised."""
        ...


class Queue(Protocol):
    def send(self, work: Callable[[], T]) -> Ticket[T]:
        """Do this after all that was sent before."""
        ...

    def wait(self) -> None:
        """Until all that was sent is done."""
        ...


class Seam(Protocol):
    """One device's queues. `steps` comes first where both have work; `pages` is for what prepares the next pages."""

    steps: Queue
    pages: Queue

    def record(self, work: Work) -> Work:
        """The same work, cheaper to start. It is done at least once. Call it in the queue of steps."""
        ...

    def put(self, numbers: Sequence[int], place: torch.Tensor) -> None:
        """Whole numbers into a vector on the device, in the order of the queue that this is called in."""
        ...

    def get(self, found: torch.Tensor) -> torch.Tensor:
        """A copy on the host, which may be read when the work that this is called in is done."""
        ...

    def tiles(self, pixels: Sequence[Pixels]) -> torch.Tensor:
        """Arrays of bytes of one shape, on the device below each other, in the order of the queue of this call."""
        ...


class Done(Generic[T]):
    """A ticket for work that was done when it was sent, and did or did not fail."""

    ready = True

    def __init__(self, found: T, seconds: float) -> None:
        self._found = found
        self.seconds = seconds

    def value(self) -> T:
        return self._found


class Failed:
    ready = True
    seconds = 0.0

    def __init__(self, error: Exception) -> None:
        self._error = error

    def value(self) -> NoReturn:
        raise self._error


class _AtOnce:
    def send(self, work: Callable[[], T]) -> Ticket[T]:
        started = time.perf_counter()
        try:
            return Done(work(), time.perf_counter() - started)
        except Exception as error:
            return Failed(error)

    def wait(self) -> None:
        pass


class Host:
    """No GPU: the order of sending is the order of doing, in both queues together."""

    def __init__(self) -> None:
        self.steps: Queue = _AtOnce()
        self.pages: Queue = _AtOnce()

    def record(self, work: Work) -> Work:
        work()
        return work

    def put(self, numbers: Sequence[int], place: torch.Tensor) -> None:
        place.copy_(torch.tensor(numbers))

    def get(self, found: torch.Tensor) -> torch.Tensor:
        return found.clone().cpu()

    def tiles(self, pixels: Sequence[Pixels]) -> torch.Tensor:
        return torch.from_numpy(np.stack(pixels))


class _Sent(Generic[T]):
    def __init__(self, found: T, begin: torch.cuda.Event, end: torch.cuda.Event) -> None:
        self._found = found
        self._begin, self._end = begin, end

    @property
    def ready(self) -> bool:
        return bool(self._end.query())  # type: ignore[no-untyped-call]

    @property
    def seconds(self) -> float:
        return float(self._begin.elapsed_time(self._end)) / 1000

    def value(self) -> T:
        self._end.synchronize()
        return self._found


class _Stream:
    def __init__(self, device: torch.device, priority: int) -> None:
        self._stream = torch.cuda.Stream(device, priority=priority)  # type: ignore[no-untyped-call]
        # weights were put on the device in the default stream
        self._stream.wait_stream(torch.cuda.default_stream(device))

    def send(self, work: Callable[[], T]) -> Ticket[T]:
        with torch.cuda.stream(self._stream):
            begin = self._tick()
            try:
                return _Sent(work(), begin, self._tick())
            except Exception as error:
                return Failed(error)

    def wait(self) -> None:
        self._stream.synchronize()

    def _tick(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(self._stream)
        return event


class Cuda:
    """One GPU. Steps have the higher priority: they are many short kernels, and a page in the tower can wait."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool: Any = torch.cuda.graph_pool_handle()
        self._recordable = True
        self.steps: Queue = _Stream(device, -1)
        self.pages: Queue = _Stream(device, 0)

    def record(self, work: Work) -> Work:
        work()
        if not self._recordable:
            return work
        try:
            graph = torch.cuda.CUDAGraph()
            # In the queue of steps, so that its priority is recorded too. "thread_local": another thread, say one that
            # pins memory, may go on meanwhile.
            stream = torch.cuda.current_stream(self._device)
            with torch.cuda.graph(graph, pool=self._pool, stream=stream, capture_error_mode="thread_local"):
                work()
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # an operation that cannot be recorded on this build: slower, not wrong
            self._recordable = False
            reason = " ".join(str(error).split())[:200]
            warnings.warn(f"steps are not recorded as CUDA graphs ({reason}); decoding is slower", stacklevel=2)
            return work
        return graph.replay

    def put(self, numbers: Sequence[int], place: torch.Tensor) -> None:
        # Pinned memory is torch's again only when the copy is done.
        place.copy_(torch.tensor(numbers, pin_memory=True), non_blocking=True)

    def get(self, found: torch.Tensor) -> torch.Tensor:
        copy = torch.empty(found.shape, dtype=found.dtype, pin_memory=True)
        return copy.copy_(found, non_blocking=True)

    def tiles(self, pixels: Sequence[Pixels]) -> torch.Tensor:
        # Copied once on the host, into pinned memory: what is not pinned is copied while the host waits.
        pinned = torch.empty((len(pixels), *pixels[0].shape), dtype=torch.uint8, pin_memory=True)
        np.stack(pixels, out=pinned.numpy())
        return pinned.to(self._device, non_blocking=True)


def seam(device: torch.device) -> Seam:
    """What the device can do."""
    return Cuda(device) if device.type == "cuda" else Host()
