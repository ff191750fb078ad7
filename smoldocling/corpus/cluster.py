"""Pages read on the machines of a Ray cluster.

Knows: Ray Data, a Converter in each actor. Does not know: the ledger, shards, files.
Each actor of one `map_batches` streams documents from a queue until that has ended, so its engine never runs dry
between two blocks, and what it has read comes back as it is done. Rendering is the Converter's own processes beside
the model. Law: every page of every document comes back, also of those that went down with a worker: they are given out
again.
"""

from __future__ import annotations

import logging
import os
import pickle
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib import import_module
from itertools import chain
from typing import Any

import doctags
from smoldocling import layer
from smoldocling.corpus.skipped import Skipped
from smoldocling.errors import SmolDoclingError, UnusableOption
from smoldocling.pages.sources import Source, because
from smoldocling.pipeline import Converter
from smoldocling.result import PageResult

# Documents that wait for an actor, for each: enough to open the next while one is read.
WAITING = 2
# A worker that dies takes its documents with it, and they are given out again. Where that has brought not one page for
# so many times, one of them kills whoever reads it.
MOST_ROUNDS = 5
POLL_SECONDS = 1.0


@dataclass
class _Out:
    """A document that has been given out. `done` are the pages that came back, `of` how many there are."""

    source: Source
    done: set[int] = field(default_factory=set)
    of: int | None = None


class Cluster:
    """Does what a Converter does for a run, elsewhere."""

    def __init__(self, address: str, options: dict[str, Any]) -> None:
        """
        address  "local" for one on this machine, else as ray.init takes it
        options  of Converter; `workers` is the number of actors

        Raises UnusableOption where there is no Ray, or none at that address; and what Converter raises.
        """
        # what it says on stderr is for those who run the cluster, and is in its own logs
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        try:
            self._ray = import_module("ray")
            self._data = import_module("ray.data")
            self._queues = import_module("ray.util.queue")
        except ImportError:
            raise UnusableOption("--ray needs Ray: pip install 'smoldocling[ray]'") from None
        wanted = options.get("workers", "auto")
        local = {"num_cpus": wanted} if address == "local" and isinstance(wanted, int) else {}
        try:
            self._ray.init(
                address=address, log_to_driver=False, logging_level="error", ignore_reinit_error=True, **local
            )
        except Exception as error:
            raise UnusableOption(f"--ray {address}: no cluster is there: {because(error)}") from None
        context = self._data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        # a block is sent when it is so large; a page is not to wait for others
        context.target_max_block_size = 1
        resources = self._ray.cluster_resources()
        model = options["engine"] != "textlayer"
        self._gpus = 1 if model and resources.get("GPU") and options.get("device") != "cpu" else 0
        self._actors = wanted if isinstance(wanted, int) and wanted else int(resources["GPU" if self._gpus else "CPU"])
        self._options = {**options, "workers": "auto" if model else 1}
        about = self._ray.remote(num_cpus=1, num_gpus=self._gpus)(_about)
        told = self._ray.get(about.remote(self._options))
        if isinstance(told, Exception):
            raise told
        self.engine: str = told["engine"]
        self.checkpoint: str | None = told["checkpoint"]
        self.without_model: str | None = told["without_model"]
        self.without_native: str | None = told["without_native"]

    def stream(self, inputs: Iterator[Source]) -> Iterator[PageResult]:
        """Pages as they are done. Documents have names of their own and their content as bytes."""
        out: dict[str, _Out] = {}
        inputs = iter(inputs)
        idle, broken = 0, None
        while idle < MOST_ROUNDS:
            idle, broken = idle + 1, None
            again = [one.source for one in out.values()]
            try:
                for page in self._round(chain(again, inputs), out):
                    idle = 0
                    yield page
            except self._ray.exceptions.RayError as error:  # an actor has died, and no other could take its place
                broken = error
                continue
            if not out:
                return
        if broken is not None:
            raise SmolDoclingError(f"the cluster is lost: {because(broken)}; the same command goes on from here")
        for one in out.values():
            yield from _lost(one)

    def _round(self, inputs: Iterator[Source], out: dict[str, _Out]) -> Iterator[PageResult]:
        """Give documents out until there are no more, and take pages back until the actors have ended."""
        queue = self._queues.Queue(maxsize=self._actors * WAITING, actor_options={"num_cpus": 0})
        feeder = _Feeder(inputs, queue, out, self._queues.Full)
        lanes = self._data.from_items(
            [{"lane": number} for number in range(self._actors)], override_num_blocks=self._actors
        )
        pages = lanes.map_batches(
            _Actor,
            fn_constructor_args=(self._options, queue),
            batch_size=1,
            batch_format="numpy",
            # one, or two lanes would wait for one actor
            compute=self._data.ActorPoolStrategy(size=self._actors, max_tasks_in_flight_per_actor=1),
            num_cpus=1,
            num_gpus=self._gpus,
        )
        feeder.start()
        try:
            for row in pages.iter_rows():
                page: PageResult = pickle.loads(row["page"])
                one = out.get(page.source)
                if one is None or page.number in one.done:
                    continue
                one.done.add(page.number)
                one.of = page.of
                yield page
                if len(one.done) >= max(1, page.of) or page.number == 0:
                    del out[page.source]
        finally:
            feeder.stop.set()
            feeder.join()
            queue.shutdown(force=True)
        if feeder.error is not None:
            raise feeder.error


class _Feeder(threading.Thread):
    """Puts documents into the queue, as there is room in it, and a mark behind them."""

    def __init__(self, inputs: Iterator[Source], queue: Any, out: dict[str, _Out], full: Any) -> None:
        super().__init__(name="smoldocling-feeder", daemon=True)
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._inputs, self._queue, self._out, self._full = inputs, queue, out, full

    def run(self) -> None:
        try:
            for source in self._inputs:
                one = self._out.get(source.name)
                if one is None:
                    done = source.skip.done if isinstance(source.skip, Skipped) else ()
                    one = self._out[source.name] = _Out(source, set(done))
                if not self._put(pickle.dumps(replace(source, skip=frozenset(one.done)))):
                    return
        except BaseException as error:
            self.error = error
        self._put(None)

    def _put(self, thing: bytes | None) -> bool:
        while not self.stop.is_set():
            try:
                self._queue.put(thing, timeout=POLL_SECONDS)
            except self._full:
                continue
            return True
        return False


class _Actor:
    """One Converter, that goes on as long as there are documents."""

    def __init__(self, options: dict[str, Any], queue: Any) -> None:
        self._converter = Converter(**options)
        self._queue = queue

    def __call__(self, _: Any) -> Iterator[dict[str, list[bytes]]]:
        """Pages, one a batch."""
        for page in self._converter.stream(self._given()):
            yield {"page": [pickle.dumps(page)]}

    def _given(self) -> Iterator[Source]:
        while (given := self._queue.get()) is not None:
            source: Source = pickle.loads(given)
            yield source
        # for the others, and for whoever comes in the place of one that has died
        self._queue.put(None)


def _about(options: dict[str, Any]) -> dict[str, Any] | Exception:
    """What a Converter is there, where it will be used."""
    try:
        converter = Converter(**options)
    except Exception as error:
        return error
    names = ("engine", "checkpoint", "without_model", "without_native")
    return {name: getattr(converter, name) for name in names}


def _lost(one: _Out) -> Iterator[PageResult]:
    """The pages of a document that nobody could read to its end."""
    error = f"the workers that read this document died, {MOST_ROUNDS} times"
    if one.of is None:
        yield PageResult(one.source.name, 0, "failed", doctags.Page(number=0), engine="none", error=error)
        return
    for number in range(1, one.of + 1):
        if number not in one.done:
            yield replace(layer.missing(one.source.name, number, error, "none"), of=one.of)
