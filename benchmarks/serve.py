"""Many clients at one server, on loopback, with the text layer: times, throughput, right answers, memory.

    python benchmarks/serve.py [--clients 64] [--seconds 60] [--pages 2]

Each client converts documents of its own, half of them as jobs, and looks whether the answer is its own. What was
refused with 429 is tried again after the time that the server names, and counted. Memory is that of the server's
process alone; it is flat if the last third of the run needs no more than the first but a few per cent.
"""

from __future__ import annotations

import argparse
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

import pymupdf
import urllib3

SAMPLE_SECONDS = 1.0


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
    given = parser.parse_args()
    command = [sys.executable, "-m", "smoldocling", "serve", "--engine", "textlayer", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        found = re.search(r"http://\S+", server.stderr.readline())
        assert found, "the server has begun"
        url, http, tally = found[0], urllib3.PoolManager(), Tally()
        convert(http, url, document(0, 0, 1)[0], False, tally)  # the workers are there now
        began = time.monotonic()
        clients = [
            threading.Thread(target=work, args=(client, url, began + given.seconds, given.pages, tally))
            for client in range(given.clients)
        ]
        for client in clients:
            client.start()
        used: list[float] = []
        while any(client.is_alive() for client in clients):
            time.sleep(SAMPLE_SECONDS)
            used.append(memory(http, url))
        took = time.monotonic() - began
        server.send_signal(signal.SIGTERM)
        status = server.wait(60)
    third = max(1, len(used) // 3)
    cuts = statistics.quantiles(tally.seconds, n=100)
    print(f"{given.clients} clients, {took:.0f} s, documents of {given.pages} pages")
    print(f"documents     {len(tally.seconds)}, {tally.pages / took:.1f} pages a second")
    print(f"seconds       p50 {cuts[49]:.2f}, p99 {cuts[98]:.2f}, longest {max(tally.seconds):.2f}")
    print(f"wrong or lost {len(tally.wrong)}; told to come again {tally.refused} times")
    print(f"memory, MB    first third {max(used[:third]):.0f}, last third {max(used[-third:]):.0f}")
    print(f"SIGTERM       exit status {status}")
    for wrong in tally.wrong[:5]:
        print(f"  {wrong!r}")
    raise SystemExit(bool(tally.wrong or status))


if __name__ == "__main__":
    main()
