"""Measures the worker of sums in every language, beside native clients.

    python3 tests/bench/languages/measure.py HOST GUESTS NATS_SERVER [--natives]

HOST is the program, GUESTS the folder that `cargo xtask guests` fills. With
`--natives`, python3 needs nats-py, and node @nats-io/transport-node.

Each worker gets the same requests from a client that keeps WINDOW of them in
flight. What counts is the processor time of the worker's process, which the
kernel tells: user and system, all threads. Medians of several rounds.
"""

import argparse
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

WINDOW = 256
REQUESTS = 20_000
ROUNDS = 5
PAYLOAD = b"1 2 3"
MORE_INSTANCES = 10
HERE = pathlib.Path(__file__).parent
GUESTS = ["sum", "rpc-worker-c", "rpc-worker-go", "rpc-worker-javascript", "rpc-worker-python"]


class Process:
    """A worker, once it has said that it is ready."""

    def __init__(self, command, cache=None):
        self.begin = time.monotonic()
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **({"XDG_CACHE_HOME": cache} if cache else {})},
        )
        for line in self.child.stderr:
            if b"plugin ready" in line:
                break
        else:
            raise SystemExit(f"{command[0]} ended: {self.child.wait()}")
        self.start_ms = (time.monotonic() - self.begin) * 1e3
        threading.Thread(target=self.child.stderr.read, daemon=True).start()

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self):
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", status)[1]) / 1024

    def stop(self):
        self.child.terminate()
        self.child.wait()


class Load:
    """Sends requests, and counts the answers."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.recv(65536)
        self.socket.sendall(b'CONNECT {"verbose":false}\r\nSUB _INBOX.load 1\r\nPING\r\n')
        while b"PONG" not in self.socket.recv(65536):
            pass

    def run(self, requests):
        request = b"PUB rpc.sum _INBOX.load %d\r\n%s\r\n" % (len(PAYLOAD), PAYLOAD)
        sent, answered, tail = 0, 0, b""
        while answered < requests:
            more = min(requests - sent, WINDOW - (sent - answered))
            self.socket.sendall(request * more)
            sent += more
            data = tail + self.socket.recv(1 << 16)
            answered += data.count(b"MSG ")
            # The beginning of an answer may be all that has come of it.
            tail = data[-3:]
            if data.count(b"PING\r\n"):
                self.socket.sendall(b"PONG\r\n")


def measure(process, load):
    load.run(REQUESTS)
    rounds = []
    for _ in range(ROUNDS):
        before = process.cpu_seconds()
        load.run(REQUESTS)
        rounds.append((process.cpu_seconds() - before) / REQUESTS * 1e6)
    return statistics.median(rounds)


def row(name, process, load, size_mb=None, first_ms=None, one_more_mb=None):
    cpu_us = measure(process, load)
    cells = [
        name,
        "" if size_mb is None else f"{size_mb:.2f} MB",
        "" if first_ms is None else f"{first_ms / 1e3:.2f} s",
        f"{process.start_ms:.0f} ms",
        f"{process.memory_mb():.0f} MB",
        "" if one_more_mb is None else f"{one_more_mb:.1f} MB",
        f"{cpu_us:.1f} µs",
    ]
    print(f"| {' | '.join(cells)} |", flush=True)
    process.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("host")
    parser.add_argument("guests", type=pathlib.Path)
    parser.add_argument("server")
    parser.add_argument("--natives", action="store_true")
    arguments = parser.parse_args()

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [arguments.server, "-a", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in server.stderr:
        if "Server is ready" in line:
            break
    threading.Thread(target=server.stderr.read, daemon=True).start()
    url = f"nats://127.0.0.1:{port}"

    cache = tempfile.TemporaryDirectory()

    def host(component, instances):
        command = [arguments.host, "run", component, "--server", url, "-A"]
        return Process([*command, "--instances", str(instances)], cache.name)

    try:
        print("| worker | component | first start | start | memory | one more instance | CPU per request |")
        print("|---|---|---|---|---|---|---|")
        for name in GUESTS:
            component = arguments.guests / f"{name}.wasm"
            if not component.exists():
                continue
            # The first start compiles.
            first = host(component, 1)
            first.stop()
            many = host(component, 1 + MORE_INSTANCES)
            memory = many.memory_mb()
            many.stop()
            process = host(component, 1)
            one_more = (memory - process.memory_mb()) / MORE_INSTANCES
            size = component.stat().st_size / 1e6
            row(name, process, Load(port), size, first.start_ms, one_more)
        if arguments.natives:
            row("nats-py", Process([sys.executable, HERE / "worker.py", url]), Load(port))
            row("nats.js", Process(["node", HERE / "worker.mjs", url]), Load(port))
    finally:
        cache.cleanup()
        server.terminate()
        server.wait()


main()
