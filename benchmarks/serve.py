"""Many clients at one server, on loopback, with the text layer: times, throughput, right answers, memory.

    python benchmarks/serve.py [--clients 64] [--seconds 60] [--pages 2]

Each client converts documents of its own, half of them as jobs, and looks whether the answer is its own. What was
refused with 429 is tried again after the time that the server names, and counted. Memory is that of the server's
process alone, not of those that read PDFs; it is flat if the last third of the run needs no more than the first but a
few per cent. What is printed is kept in benchmarks/results/serve.txt, or in --save FILE; --save - keeps nothing. Exit
status 1 where an answer was lost or another's, where memory grows, or where the server does not end well.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pymupdf
import urllib3

SAMPLE_SECONDS = 1.0
# Of the server's process, from the first third of the run to the last.
MOST_GROWTH = 1.1
RESULTS = Path(__file__).resolve().parent / "results" / "serve.txt"


@dataclass
class Tally:
    """What all clients have seen."""

    seconds: list[float] = field(default_factory=list)
    pages: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def document(client: int, number: int, pages: int) -> tuple[bytes, list[str]]:
    """A PDF, and what it says."""
    pdf = pymupdf.open()
    lines = [f"Client {client}, document {number}, page {page + 1}, and nobody else." for page in range(pages)]
    for line in lines:
        pdf.new_page().insert_text((72, 300), line)  # not where running heads are
    return pdf.tobytes(), lines


def convert(http: urllib3.PoolManager, url: str, data: bytes, job: bool, tally: Tally) -> str:
    """The Markdown of a document."""
    while True:
        fields = {"file": ("a.pdf", data), "wait": "false" if job else "true"}
        reply = http.request("POST", f"{url}/v1/convert", fields=fields, timeout=120)
        if reply.status != 429:
            break
        with tally.lock:
            tally.refused += 1
        time.sleep(float(reply.headers["Retry-After"]))
    if reply.status not in (200, 202):
        return f"status {reply.status}: {reply.data[:200]!r}"
    if not job:
        return reply.data.decode()
    told = reply.json()
    while told["state"] in ("queued", "running"):
        time.sleep(0.05)
        told = http.request("GET", f"{url}/v1/jobs/{told['id']}").json()
    text = http.request("GET", url + told["result"]).data.decode()
    http.request("DELETE", f"{url}/v1/jobs/{told['id']}")
    return text


def work(client: int, url: str, until: float, pages: int, tally: Tally) -> None:
    """One client."""
    http = urllib3.PoolManager(retries=False)
    number = 0
    while time.monotonic() < until:
        data, lines = document(client, number, pages)
        started = time.monotonic()
        try:
            got = convert(http, url, data, bool(number % 2), tally)
        except Exception as error:
            got = f"{type(error).__name__}: {error}"
        seconds = time.monotonic() - started
        with tally.lock:
            tally.seconds.append(seconds)
            tally.pages += pages
            if [line for line in got.splitlines() if line] != lines:
                tally.wrong.append(got[:200])
        number += 1


def memory(http: urllib3.PoolManager, url: str) -> float:
    """MB of the server's process."""
    text = http.request("GET", f"{url}/metrics").data.decode()
    found = re.search(r"^smoldocling_memory_bytes (\d+)", text, re.MULTILINE)
    assert found, "the server tells its memory"
    return int(found[1]) / 1e6


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pages", type=int, default=2)
    parser.add_argument("--save", metavar="FILE", default=str(RESULTS))
    given = parser.parse_args()
    command = [sys.executable, "-m", "smoldocling", "serve", "--engine", "textlayer", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        found = re.search(r"http://\S+", server.stderr.readline())
        assert found, "the server has begun"
        load = os.getloadavg()[0]
        url, http, tally = found[0], urllib3.PoolManager(), Tally()
        convert(http, url, document(0, 0, 1)[0], False, tally)  # the workers are there now
        began = time.monotonic()
        clients = [
            threading.Thread(target=work, args=(client, url, began + given.seconds, given.pages, tally))
            for client in range(given.clients)
        ]
        for client in clients:
            client.start()
        used = [memory(http, url)]
        while any(client.is_alive() for client in clients):
            time.sleep(SAMPLE_SECONDS)
            used.append(memory(http, url))
        took = time.monotonic() - began
        server.send_signal(signal.SIGTERM)
        status = server.wait(60)
    third = max(1, len(used) // 3)
    first, last = max(used[:third]), max(used[-third:])
    cuts = statistics.quantiles(tally.seconds, n=100)
    lines = [
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, load before {load:.1f}",
        f"{given.clients} clients, {took:.0f} s, documents of {given.pages} pages, engine textlayer",
        f"documents     {len(tally.seconds)}, {tally.pages / took:.1f} pages a second",
        f"seconds       p50 {cuts[49]:.2f}, p99 {cuts[98]:.2f}, longest {max(tally.seconds):.2f}",
        f"wrong or lost {len(tally.wrong)}; told to come again {tally.refused} times",
        f"memory, MB    start {used[0]:.0f}, end {used[-1]:.0f}; first third {first:.0f}, last third {last:.0f}",
        f"SIGTERM       exit status {status}",
        *(f"  {wrong!r}" for wrong in tally.wrong[:5]),
    ]
    print("\n".join(lines))
    if given.save != "-":
        Path(given.save).write_text("\n".join(lines) + "\n")
    raise SystemExit(bool(tally.wrong or status or last > first * MOST_GROWTH))


if __name__ == "__main__":
    main()
