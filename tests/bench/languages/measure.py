"""Measures plugins in every language, beside native clients that do the same.

    python3 tests/bench/languages/measure.py TARGET [--natives]

TARGET is cargo's folder, `target`, in which `cargo build` and `cargo xtask guests`
have put the host, the guests, and the tools. With `--natives`, python3 needs
nats-py, and node finds @nats-io/transport-node from this folder.

Two workloads: `echo` answers 128 bytes with the same bytes, `sum` adds the numbers
of a request, answers, and publishes the sum once more. The natives add with the
code of the examples.

What counts is the processor time of the worker's process: user and system, all
threads, the socket included. Each worker has a server of its own, and a client
that keeps WINDOW requests in flight. All take turns, ROUNDS times; the medians are
shown, and for ratios the medians of the ratios within a round.
"""

import argparse
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

WINDOW = 256
REQUESTS = 10_000
ROUNDS = 9
MORE_INSTANCES = 10
HERE = pathlib.Path(__file__).parent
EXAMPLES = HERE.parents[2] / "examples"
WIT = HERE.parents[2] / "wit"
PAYLOADS = {"echo": b"x" * 128, "rpc.sum": b"1 2 3"}
SUMS = ["sum", "rpc-worker-c", "rpc-worker-go", "rpc-worker-javascript", "rpc-worker-python"]


class Process:
    """A program, once it has said that it is ready."""

    def __init__(self, command, ready, environment=()):
        command = [str(part) for part in command]
        self.begin = time.monotonic()
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **dict(environment)},
        )
        said = []
        for line in self.child.stderr:
            said.append(line.decode())
            if ready in said[-1]:
                break
        else:
            sys.exit(f"{' '.join(command)} ended with {self.child.wait()}:\n{''.join(said)}")
        self.start_ms = (time.monotonic() - self.begin) * 1e3
        threading.Thread(target=self.child.stderr.read, daemon=True).start()

    def cpu_seconds(self):
        # The clock of a process, as the C library numbers it.
        return time.clock_gettime((~self.child.pid << 3) | 2)

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

    def run(self, subject, requests):
        payload = PAYLOADS[subject]
        head = b"PUB %s _INBOX.load %d\r\n" % (subject.encode(), len(payload))
        request = head + payload + b"\r\n"
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


class Worker:
    """A process that answers, the server it does so on, and who asks it."""

    def __init__(self, name, server, command, environment=()):
        self.name = name
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.server = Process([server, "-a", "127.0.0.1", "-p", port], "Server is ready")
        self.process = Process(command(f"nats://127.0.0.1:{port}"), "plugin ready", environment)
        self.load = Load(port)
        self.rounds = {}

    def measure(self, subject):
        before = self.process.cpu_seconds()
        self.load.run(subject, REQUESTS)
        used = self.process.cpu_seconds() - before
        self.rounds.setdefault(subject, []).append(used / REQUESTS * 1e6)

    def cpu_us(self, subject):
        return statistics.median(self.rounds[subject])

    def ratio(self, subject, other):
        pairs = zip(self.rounds[subject], other.rounds[subject])
        return statistics.median(mine / theirs for mine, theirs in pairs)

    def stop(self):
        self.process.stop()
        self.server.stop()


class Bench:
    def __init__(self, target, scratch):
        self.target, self.scratch = target, scratch
        self.server = target / "tools" / "nats-server"
        self.environment = {"XDG_CACHE_HOME": scratch / "cache"}

    def plugin(self, component, instances=1):
        host = self.target / "debug" / "simple-nats"
        options = ["-A", "--instances", instances]
        command = lambda url: [host, "run", component, "--server", url, *options]
        return Worker(component.stem, self.server, command, self.environment)

    def natives(self):
        sums = {"PYTHONPATH": os.pathsep.join([str(EXAMPLES / "rpc-worker-python"), *sys.path])}
        yield Worker("nats-py", self.server, lambda url: [sys.executable, HERE / "worker.py", url], sums)
        yield Worker("nats.js", self.server, lambda url: ["node", HERE / "worker.mjs", url])

    def echo_in_python(self):
        folder, component = self.example("rpc-worker-python"), self.scratch / "echo-python.wasm"
        shutil.copy(HERE / "echo.py", folder / "worker.py")
        build = "import sys, componentize_py; sys.exit(componentize_py.script())"
        options = ["-d", WIT, "-w", "batch-plugin", "componentize", "worker", "-o", component]
        tools = {**os.environ, "PYTHONPATH": str(self.target / "tools" / "python")}
        subprocess.run([sys.executable, "-c", build, "-q", *options], cwd=folder, env=tools, check=True)
        return component

    def echo_in_javascript(self):
        folder, component = self.example("rpc-worker-javascript"), self.scratch / "echo-javascript.wasm"
        shutil.copy(HERE / "echo.js", folder / "worker.js")
        shutil.copytree(WIT, folder / "wit" / "deps" / "simple-nats")
        build = self.target / "tools" / "javascript" / "node_modules" / ".bin" / "componentize-qjs"
        options = ["--sync", "--wit", "wit", "--world", "plugin:javascript/plugin"]
        command = [build, *options, "--js", "worker.js", "--output", component]
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=True)
        return component

    def example(self, name):
        ignored = shutil.ignore_patterns("node_modules", "__pycache__")
        return shutil.copytree(EXAMPLES / name, self.scratch / name, ignore=ignored)


def take_turns(subject, workers):
    for worker in workers:
        worker.load.run(subject, REQUESTS)
    for _ in range(ROUNDS):
        for worker in workers:
            worker.measure(subject)


def print_times(subject, workers, natives):
    print(f"\n| {subject} | CPU | {' | '.join(f'÷ {native.name}' for native in natives)} |")
    print("|---|---" + "|---" * len(natives) + "|")
    for worker in [*workers, *natives]:
        ratios = [f"{worker.ratio(subject, native):.2f}" for native in natives]
        print("|", " | ".join([worker.name, f"{worker.cpu_us(subject):.1f} µs", *ratios]), "|")


def print_sizes(bench, components):
    print("| worker | component | first start | start | memory | one more instance |")
    print("|---|---|---|---|---|---|")
    for component in components:
        # The first start compiles.
        first, many = bench.plugin(component), bench.plugin(component, 1 + MORE_INSTANCES)
        one = bench.plugin(component)
        memory_mb = one.process.memory_mb()
        cells = [
            component.stem,
            f"{component.stat().st_size / 1e6:.2f} MB",
            f"{first.process.start_ms / 1e3:.2f} s",
            f"{one.process.start_ms:.0f} ms",
            f"{memory_mb:.0f} MB",
            f"{(many.process.memory_mb() - memory_mb) / MORE_INSTANCES:.1f} MB",
        ]
        print("|", " | ".join(cells), "|", flush=True)
        for worker in (first, many, one):
            worker.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("target", type=lambda text: pathlib.Path(text).absolute())
    parser.add_argument("--natives", action="store_true")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(arguments.target, pathlib.Path(scratch))
        guests = arguments.target / "guests"
        sums = [guests / f"{name}.wasm" for name in SUMS]
        sums = [component for component in sums if component.exists()]
        echoes = [guests / "echo.wasm", bench.echo_in_javascript(), bench.echo_in_python()]
        print_sizes(bench, sums)
        natives = list(bench.natives()) if arguments.natives else []
        for subject, components in (("rpc.sum", sums), ("echo", echoes)):
            workers = [bench.plugin(component) for component in components]
            take_turns(subject, [*workers, *natives])
            print_times(subject, workers, natives)
            for worker in workers:
                worker.stop()
        for native in natives:
            print(f"{native.name}: {native.process.memory_mb():.0f} MB")
            native.stop()


main()
