"""Against the real nginx and the real uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import threading

import pytest
import uvicorn

from cognito_guard.gateway.upstream import Address, Upstream, UpstreamFailed

pytestmark = pytest.mark.anyio

HOST = [(b"host", b"app.test")]
BIG = 8 << 20


async def whole(answer):
    pieces = [answer.body]
    while not answer.complete:
        pieces.append(await answer.read())
    return b"".join(pieces)


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    """nginx on a unix socket, serving a file of 8 MiB, short answers, and a keep-alive that ends after three requests."""
    if shutil.which("nginx") is None:
        sentence = "nginx is not installed: apt-get install nginx"
        pytest.fail(sentence) if os.environ.get("COGNITO_GUARD_CI") else pytest.skip(sentence)
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "big").write_bytes(os.urandom(1 << 16) * (BIG >> 16))
    scratch = "".join(f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"""worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log; {"user root;" if os.geteuid() == 0 else ""}
        events {{ worker_connections 64; }}
        http {{ access_log off; {scratch} client_max_body_size 1m; keepalive_requests 3;
          server {{ listen unix:{folder}/sock; root {folder};
            location /short {{ return 200 "short"; }}
            location /none {{ return 204; }} }} }}"""
    )
    with subprocess.Popen(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL) as running:
        try:
            _listening(f"{folder}/sock")
            yield f"{folder}/sock", (folder / "big").read_bytes()
        finally:
            running.terminate()


def _listening(path):
    for _ in range(500):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as trial:
            trial.connect(path)
            return
        threading.Event().wait(0.01)
    raise AssertionError("nginx did not start")


async def test_nginx(nginx):
    """HEAD, 204, 304, 404, ranges, a large file, an early 413, and connections that nginx ends after three requests: all as sent."""
    path, big = nginx
    upstream = Upstream(Address(f"unix:{path}"))
    for _ in range(7):
        assert await whole(await upstream.exchange(b"GET", b"/short", HOST)) == b"short"
    head = await upstream.exchange(b"HEAD", b"/big", HOST)
    assert (head.complete, dict(head.headers)[b"content-length"]) == (True, b"%d" % BIG)
    assert (await upstream.exchange(b"GET", b"/none", HOST)).status == 204
    since = [*HOST, (b"if-none-match", dict(head.headers)[b"etag"])]
    assert (await upstream.exchange(b"GET", b"/big", since)).status == 304
    assert (await upstream.exchange(b"GET", b"/absent", HOST)).status == 404
    ranged = await upstream.exchange(b"GET", b"/big", [*HOST, (b"range", b"bytes=5-9")])
    assert (ranged.status, await whole(ranged)) == (206, big[5:10])
    assert await whole(await upstream.exchange(b"GET", b"/big", HOST)) == big
    too_large = [*HOST, (b"content-length", b"%d" % (9 << 20))]

    async def endless():
        while True:
            yield b"x" * 65536

    with contextlib.suppress(UpstreamFailed):  # nginx may close before its 413 is read; then it is `closed`
        refused = await upstream.exchange(b"PUT", b"/big", too_large, endless(), length=9 << 20)
        assert refused.status == 413
        refused.abort()
    assert (await upstream.exchange(b"GET", b"/short", HOST)).body == b"short"
    await upstream.close()


async def test_nginx_under_load(nginx):
    """Thirty-two at once, over connections that nginx ends all the time: every answer is whole."""
    path, big = nginx
    upstream = Upstream(Address(f"unix:{path}"), connections=8)
    expected = {b"/short": hashlib.sha256(b"short").digest(), b"/big": hashlib.sha256(big).digest()}

    async def client(number):
        for step in range(12):
            target = b"/big" if (number + step) % 12 == 0 else b"/short"
            body = await whole(await upstream.exchange(b"GET", target, HOST))
            assert hashlib.sha256(body).digest() == expected[target]

    await asyncio.gather(*(client(number) for number in range(32)))
    assert len(upstream._connections) <= 8
    await upstream.close()


async def _app(scope, receive, send):
    """Echoes the body, chunked and with the request's framing in its head; `/cut` fails in the middle."""
    assert scope["type"] in {"http", "lifespan"}
    if scope["type"] == "lifespan":
        return
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"x-framing", _framing(scope)), (b"set-cookie", b"a=1")] * 2}
    )
    while True:
        message = await receive()
        await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": True})
        if scope["path"] == "/cut":
            raise RuntimeError("as the test wants it")
        if not message.get("more_body"):
            break
    await send({"type": "http.response.body", "body": b""})


def _framing(scope):
    return b",".join(name for name, _ in scope["headers"] if name in {b"content-length", b"transfer-encoding"})


@pytest.fixture(scope="module", params=["httptools", "h11"])
def uvicorn_address(request):
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(_app, http=request.param, log_config=None, lifespan="off", timeout_graceful_shutdown=2)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield Address(f"http://127.0.0.1:{listening.getsockname()[1]}")
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


async def test_uvicorn(uvicorn_address):
    """Bodies of every kind there and back, under both of its parsers; an application that breaks off is not taken for whole."""
    upstream = Upstream(uvicorn_address)

    sent = b"".join(b"%d" % number * 100 for number in range(20))
    answer = await upstream.exchange(b"POST", b"/", [*HOST, (b"content-length", b"5")], b"hello", length=5)
    assert [value for name, value in answer.headers if name == b"x-framing"] == [b"content-length"] * 2
    assert [name for name, _ in answer.headers].count(b"set-cookie") == 2
    assert await whole(answer) == b"hello"
    chunked = await upstream.exchange(b"POST", b"/", HOST, sent)
    assert dict(chunked.headers)[b"x-framing"] == b"transfer-encoding"
    assert await whole(chunked) == sent
    assert await whole(await upstream.exchange(b"GET", b"/", HOST)) == b""
    assert (await upstream.exchange(b"HEAD", b"/", HOST)).complete
    with pytest.raises(UpstreamFailed) as caught:
        await whole(await upstream.exchange(b"POST", b"/cut", [*HOST, (b"content-length", b"5")], b"hello", length=5))
    assert caught.value.kind == "closed"
    await upstream.close()
