"""A bounded storm on `cognito-guard proxy` with two workers: users, uploads, events, websockets, bad tokens, clients that leave,
upstreams that restart, workers that are killed.

    python tests/soak/soak.py --seconds 120

Prints requests, answers by status, errors by kind, memory and descriptors at start and end. Exit status 1 on a wrong answer or a leak.
"""

# ruff: noqa: T201 - a command
from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
shared = SimpleNamespace(**runpy.run_path(str(ROOT / "tests/gateway/carrying.py")))
Client, Upstream, request = shared.Client, shared.Upstream, shared.request
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b64encode(hashlib.sha1(KEY.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
HANDSHAKE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}")
BLOCK = random.Random(1).randbytes(65536)
USERS = 12


def field(head: bytes, name: bytes) -> bytes:
    return head.lower().partition(b"\r\n%b: " % name)[2].partition(b"\r\n")[0]


def application(peer: Any, head: bytes) -> bool:
    """Answers with the subject that it was told, whatever else it does."""
    subject, target = field(head, b"x-cognito-subject"), head.split(b" ", 2)[1]
    if field(head, b"upgrade") == b"websocket":
        peer.send(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %b\r\n\r\n"
            % ACCEPT
        )
        peer.send(b"\x81%c%b" % (len(subject), subject))
        peer.send(b"\x82" + peer.exactly(6)[1:])  # its Close, unmasked by a key of zeroes
        return False
    body = subject
    if length := int(field(head, b"content-length") or b"0"):
        body += b" " + hashlib.sha256(peer.exactly(length)).hexdigest().encode()
    elif field(head, b"transfer-encoding"):
        body += b" " + hashlib.sha256(b"".join(peer.chunks())).hexdigest().encode()
    if target == b"/events":
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(20):
            peer.send(b"%x\r\n%b\n\r\n" % (len(subject) + 1, subject))
        peer.send(b"0\r\n\r\n")
    elif target == b"/large":
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (len(BLOCK) * 16) + BLOCK)
        for _ in range(15):
            peer.send(BLOCK)
    else:
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    return True


class Storm:
    """What happens, and what is counted."""

    def __init__(self, address: tuple[str, int], seconds: float) -> None:
        self.address = address
        self.until = time.monotonic() + seconds
        self.requests = 0
        self.statuses: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._lock = threading.Lock()

    def count(self, kind: str, status: int) -> None:
        with self._lock:
            self.requests += 1
            self.statuses[f"{status} {kind}"] += 1

    def failed(self, kind: str, error: BaseException) -> None:
        with self._lock:
            self.requests += 1
            self.errors[f"{type(error).__name__} {kind}"] += 1

    def expect(self, kind: str, status: int, body: bytes, wanted: bytes, allowed: tuple[int, ...] = (502, 503, 504)) -> None:
        """200 must be the user's own; while upstreams restart there may be another status, and never another's answer."""
        self.count(kind, status)
        if (status == 200 and body != wanted) or (status != 200 and status not in allowed):
            self.wrong.append(f"{kind}: {status} {body[:80]!r}")

    def user(self, name: str) -> None:
        chance = random.Random(name)
        subject = f"subject-of-{name}".encode()
        token = shared.POOL.access(username=name, subject=subject.decode(), expires_in=86400)
        other = shared.POOL.access(username=name, client="anotherclient0000000000000")
        bad = [None, "garbage", token[:-10] + "AAAAAAAAAA", other]
        does: list[Callable[[Any], Any]] = [
            lambda client: self.get(client, token, subject),
            lambda client: self.get(client, token, subject),
            lambda client: self.upload(client, token, subject, chunked=chance.random() < 0.5),
            lambda client: self.events(client, token, subject),
            lambda client: self.large(client, token),
            lambda client: self.websocket(client, token, subject),
            lambda client: self.refused(client, chance.choice(bad)),
            lambda client: self.leave(client, token, chance),
        ]
        client = None
        while time.monotonic() < self.until:
            act = chance.randrange(len(does))
            try:
                client = client or Client(self.address)
                if not does[act](client):
                    client.socket.close()
                    client = None
            except (EOFError, OSError) as error:
                self.failed(KINDS[act], error)
                if client is not None:
                    client.socket.close()
                    client = None
        if client is not None:
            client.socket.close()

    def get(self, client: Any, token: str, subject: bytes) -> bool:
        status, fields, body = client.send(request("/get", token=token)).answer()
        self.expect("get", status, body, subject)
        return fields.get("connection") != "close"

    def upload(self, client: Any, token: str, subject: bytes, *, chunked: bool) -> bool:
        client.send(
            request("/upload", "Transfer-Encoding: chunked" if chunked else "Content-Length: 262144", method="POST", token=token)
        )
        for _ in range(4):
            client.send(b"10000\r\n%b\r\n" % BLOCK if chunked else BLOCK)
        status, fields, body = client.send(b"0\r\n\r\n" if chunked else b"").answer()
        self.expect("upload", status, body, subject + b" " + UPLOADED)
        return fields.get("connection") != "close"

    def events(self, client: Any, token: str, subject: bytes) -> bool:
        status, fields, body = client.send(request("/events", token=token)).answer()
        self.expect("events", status, body, (subject + b"\n") * 20)
        return fields.get("connection") != "close"

    def large(self, client: Any, token: str) -> bool:
        status, fields, body = client.send(request("/large", token=token)).answer()
        self.expect("large", status, body, BLOCK * 16)
        return fields.get("connection") != "close"

    def websocket(self, client: Any, token: str, subject: bytes) -> bool:
        status, _ = client.send(request("/socket", *HANDSHAKE, token=token)).head()
        body = b""
        if status == 101:
            body = client.exactly(2 + len(subject))[2:]
            status = 200
            client.send(b"\x88\x80\0\0\0\0")
            client.rest()
        self.expect("websocket", status, body, subject)
        return False

    def refused(self, client: Any, token: str | None) -> bool:
        status, fields, body = client.send(request("/get", token=token)).answer()
        self.count("refused", status)
        if status != 401 or b"eyJ" in body:
            self.wrong.append(f"a bad token: {status} {body[:80]!r}")
        return fields.get("connection") != "close"

    def leave(self, client: Any, token: str, chance: random.Random) -> bool:
        target = chance.choice(["/large", "/get", "/events"])
        client.send(request(target, token=token))
        if chance.random() < 0.5:
            client.more()
        client.reset()
        self.count("left", 499)
        return False


KINDS = ("get", "get", "upload", "events", "large", "websocket", "refused", "leave")
UPLOADED = hashlib.sha256(BLOCK * 4).hexdigest().encode()


class Origins:
    """Two replicas, one of which is always there."""

    def __init__(self) -> None:
        self.each = [Upstream(application), Upstream(application)]
        self.restarts = 0

    def restart(self, at: int) -> None:
        port = self.each[at].port
        self.each[at].close()
        self.each[at] = Upstream(application, port=port)
        self.restarts += 1


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def cost(process: int) -> dict[int, tuple[int, int]]:
    """Resident octets and descriptors, by worker."""
    return {worker: (shared.memory(worker), shared.descriptors(worker)) for worker in children(process)}


def shown(costs: dict[int, tuple[int, int]]) -> str:
    return ", ".join(f"{memory >> 20} MiB and {descriptors} descriptors" for memory, descriptors in costs.values())


def disturb(storm: Storm, origins: Origins, process: int) -> int:
    """Restarts an upstream every two seconds and kills a worker every ten, until the storm is over; how many workers."""
    killed, step = 0, 0
    while time.monotonic() < storm.until - 1:
        time.sleep(2)
        step += 1
        origins.restart(step % 2)
        if step % 5 == 0 and len(found := children(process)) == 2:
            os.kill(found[killed % 2], signal.SIGKILL)
            killed += 1
    return killed


def storm_over(address: tuple[str, int], seconds: float, origins: Origins, process: int) -> tuple[Storm, int]:
    storm = Storm(address, seconds)
    threads = [threading.Thread(target=storm.user, args=(f"user{number}",)) for number in range(USERS)]
    for thread in threads:
        thread.start()
    killed = disturb(storm, origins, process)
    for thread in threads:
        thread.join(60)
        if thread.is_alive():
            storm.wrong.append("a client is stuck")
    return storm, killed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120)
    seconds = parser.parse_args().seconds
    origins = Origins()
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.closing(shared.socket.create_server(("127.0.0.1", 0))) as free:
            address = free.getsockname()
        Path(folder, "jwks.json").write_text(json.dumps(shared.POOL.jwks()))
        Path(folder, "gateway.toml").write_text(
            f'[[pool]]\nid = "{shared.POOL.user_pool.id}"\nclients = ["{shared.POOL.client}"]\njwks = "jwks.json"\n'
            f'[server]\nbind = "127.0.0.1:{address[1]}"\nadmin = ""\nworkers = 2\ndrain = 5\n[log]\noutput = "{folder}/access.log"\n'
            + "".join(f'[[upstream]]\nurl = "http://127.0.0.1:{each.port}"\nkeep_alive = 1\n' for each in origins.each)
        )
        with open(Path(folder, "stderr"), "w+b") as stderr:
            command = [sys.executable, "-m", "cognito_guard", "proxy", "--config", f"{folder}/gateway.toml"]
            gateway = subprocess.Popen(command, stderr=stderr, env={**os.environ, "PYTHONPATH": str(ROOT)})
            shared.eventually(lambda: b"listening on" in Path(folder, "stderr").read_bytes())
            storm_over(address, 5, origins, gateway.pid)  # so that caches are warm when the first measure is taken
            time.sleep(2)
            before = cost(gateway.pid)
            storm, killed = storm_over(address, seconds, origins, gateway.pid)
            time.sleep(3)  # idle connections to upstreams end
            after = cost(gateway.pid)
            gateway.terminate()
            status = gateway.wait(20)
        told = Path(folder, "stderr").read_text() + Path(folder, "access.log").read_text()
        origins.each[0].close()
        origins.each[1].close()
    print(f"requests: {storm.requests} in {seconds:.0f} s; upstreams restarted: {origins.restarts}; workers killed: {killed}")
    print("answers:", ", ".join(f"{count} x {kind}" for kind, count in sorted(storm.statuses.items())))
    print("errors:", ", ".join(f"{count} x {kind}" for kind, count in sorted(storm.errors.items())) or "none")
    print(f"at the start: {shown(before)}\nat the end: {shown(after)}")
    faults = list(storm.wrong[:20])
    if status:
        faults.append(f"exit status {status}")
    faults += [
        f"{word} in a log: {told[max(0, told.index(word) - 300) :][:3000]}" for word in ("Traceback", "eyJ") if word in told
    ]
    most_memory, most_descriptors = (max(each) for each in zip(*before.values(), strict=True))
    for memory, descriptors in after.values():
        if memory > most_memory + (32 << 20) or descriptors > most_descriptors + 4:
            faults.append(f"a leak: {memory >> 20} MiB and {descriptors} descriptors in a worker")
    print("\n".join(faults) or "no wrong answer, no leak")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
