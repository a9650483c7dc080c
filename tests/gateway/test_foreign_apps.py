"""Applications nobody here wrote, each in a process of its own, behind one gateway: by host and path, over TCP and unix sockets."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import runpy
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.sync.client import unix_connect

shared = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("carrying.py"))))
foreign = runpy.run_path(str(Path(__file__).with_name("foreign_app.py")))
Client, request, eventually = shared.Client, shared.request, shared.eventually
BLOCK = foreign["BLOCK"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("f")
    with sqlite3.connect(folder / "town.db") as base:
        base.execute("create table people (id integer primary key, name text)")
        base.executemany("insert into people (name) values (?)", [("ada",), ("bob",)])
    base.close()
    return folder


@pytest.fixture(scope="module")
def sockets(folder: Path) -> Iterator[dict[str, str]]:
    """Starts the applications; gives the paths of their unix sockets."""
    paths = {name: str(folder / name) for name in ("datasette", "httpbin", "fastapi")}
    here = str(Path(__file__).parent)
    commands = {
        "datasette": ["datasette", "serve", "town.db", "--uds", paths["datasette"]],
        "httpbin": ["gunicorn", "--bind", f"unix:{paths['httpbin']}", "--threads", "8", "httpbin:app"],
        "fastapi": ["uvicorn", "--app-dir", here, "--uds", paths["fastapi"], "foreign_app:app"],
    }
    processes = []
    for name, words in commands.items():
        with open(folder / f"{name}.log", "wb") as log:
            processes.append(subprocess.Popen([sys.executable, "-m", *words], cwd=folder, stdout=log, stderr=log))

    def all_listen() -> bool:
        assert all(process.poll() is None for process in processes), [(folder / f"{name}.log").read_text() for name in commands]
        for path in paths.values():
            try:
                Client(path).socket.close()
            except OSError:
                return False
        return True

    eventually(all_listen, 30)
    yield paths
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(15)


@pytest.fixture(scope="module")
def address(gateway: Any, folder: Path, sockets: dict[str, str]) -> str:
    """The gateway's own unix socket."""
    bind = str(folder / "gateway")
    gateway(
        f"""
[[upstream]]
url = "unix:{sockets["httpbin"]}"
[[upstream]]
url = "unix:{sockets["datasette"]}"
host = "data.test"
[[upstream]]
url = "unix:{sockets["fastapi"]}"
host = "*.fast.test"
[[upstream]]
url = "unix:{sockets["fastapi"]}"
path = "/files/*"
[[route]]
path = "/town/*"
host = "data.test"
access = "public"
""",
        "--bind",
        f"unix:{bind}",
    )
    return bind


def ask(address: str, octets: bytes) -> tuple[int, dict[str, str], Any]:
    with Client(address) as client:
        status, fields, body = client.send(octets).answer(bodiless=octets.startswith(b"HEAD "))
    is_json = body and fields.get("content-type") == "application/json" and "content-encoding" not in fields
    return status, fields, json.loads(body) if is_json else body


def test_datasette(address: str) -> None:
    """Pages, JSON, a redirect and a download of datasette; its own routes public or protected as the gateway's routes say."""
    _, _, rows = ask(address, request("/town/people.json?_shape=array", token=None, host="data.test"))
    assert [row["name"] for row in (rows if isinstance(rows, list) else json.loads(rows))] == ["ada", "bob"]
    assert ask(address, request("/", token=None, host="data.test"))[0] == 401
    status, fields, page = ask(address, request("/", host="data.test"))
    assert (status, fields["content-type"], b"town" in page) == (200, "text/html; charset=utf-8", True)
    assert ask(address, request("/town/people?sql=select+1", host="DATA.test:80"))[0] in (200, 302)
    status, fields, csv = ask(address, request("/town/people.csv?_stream=1", host="data.test"))
    assert (status, csv) == (200, b"id,name\r\n1,ada\r\n2,bob\r\n")


def test_httpbin(address: str) -> None:
    """What httpbin says about a request through the gateway: method, target, fields, body; and its odd answers."""
    status, _, told = ask(address, request("/anything/a%20b?x=1&x=%C3%A9", "X-Mine: yes", host="bin.test"))
    assert (status, told["method"], told["args"]) == (200, "GET", {"x": ["1", "\xe9"]})
    assert told["headers"]["X-Mine"] == "yes"
    assert told["headers"]["Host"] == "bin.test"
    assert told["headers"]["X-Cognito-Subject"] == "subject-of-ada"
    for framing, body in (("Content-Length: 4", b"body"), ("Transfer-Encoding: chunked", b"4\r\nbody\r\n0\r\n\r\n")):
        status, _, told = ask(address, request("/post", framing, "Content-Type: text/plain", method="POST") + body)
        assert (status, told["data"]) == (200, "body")
    assert ask(address, request("/status/418"))[0] == 418
    assert ask(address, request("/redirect/1"))[1]["location"] == "/get"
    assert json.loads(gzip.decompress(ask(address, request("/gzip"))[2]))["gzipped"] is True
    assert len(ask(address, request("/stream-bytes/100000?seed=1&chunk_size=1000"))[2]) == 100000
    assert ask(address, request("/drip?numbytes=5&duration=0&delay=0"))[2] == b"*****"
    status, fields, _ = ask(address, request("/get", method="HEAD"))
    assert (status, int(fields["content-length"]) > 0) == (200, True)
    with Client(address) as client:
        _, fields = client.send(request("/cookies/set?a=1&b=2")).head()
        assert len([name for name, _ in fields if name == "set-cookie"]) == 2


def test_fastapi_events_and_websocket(address: str) -> None:
    """Server-sent events come whole and in order; a websocket of Starlette's talks through two unix sockets."""
    status, fields, body = ask(address, request("/events?count=50", host="a.fast.test"))
    assert (status, fields["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert body == b"".join(b"data: %d\n\n" % number for number in range(50))
    bearer = {"Authorization": f"Bearer {shared.TOKEN}"}
    with unix_connect(address, "ws://b.fast.test/shout", additional_headers=bearer) as websocket:
        assert websocket.recv(10) == "ada"
        websocket.send("hello")
        assert websocket.recv(10) == "HELLO"


@pytest.mark.parametrize("chunked", [False, True])
def test_large_files(address: str, *, chunked: bool) -> None:
    """A file of 48 MiB up and down, by the longest path whatever the host."""
    count = 768
    digest = hashlib.sha256(BLOCK * count).hexdigest()
    with Client(address) as client:
        client.send(request(f"/files/{count}", host="any.test")).head()
        assert hashlib.sha256(client.exactly(count * len(BLOCK))).hexdigest() == digest
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {count * len(BLOCK)}"
        client.send(request("/files/mine", framing, method="PUT", host="any.test"))
        for _ in range(count):
            client.send(b"10000\r\n%b\r\n" % BLOCK if chunked else BLOCK)
        status, _, body = client.send(b"0\r\n\r\n" if chunked else b"").answer()
    assert (status, json.loads(body)) == (200, {"name": "mine", "by": "ada", "octets": count * len(BLOCK), "sha256": digest})


def test_an_application_that_restarts(gateway: Any, folder: Path) -> None:
    """An application that listens anew on its socket is found again without the gateway's help; meanwhile the answer is 502."""
    path = str(folder / "again")
    running = gateway(f'[[upstream]]\nurl = "unix:{path}"\n')
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--app-dir",
        str(Path(__file__).parent),
        "--uds",
        path,
        "--log-level",
        "error",
        "foreign_app:app",
    ]
    asked = request("/events?count=1")

    def status() -> int:
        with Client(running.address) as client:
            return client.send(asked).answer()[0]

    assert status() == 502
    for _ in range(2):
        with subprocess.Popen(command, env={"PATH": os.environ["PATH"]}) as process:
            eventually(lambda: status() == 200)
            process.kill()
        assert status() == 502
