"""`cognito-guard verify`: the contract of DESIGN section 2, in this process and as a process with pipes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import sys
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.cli import main
from cognito_guard.cli.verify import lines
from cognito_guard.keys import Fetched, FetchFailed, HttpFetch
from cognito_guard.testing import LocalUserPool


def verdicts(ran):
    return [(answer["verdict"], answer["code"]) for answer in ran.answers]


# --- what it answers


def test_a_person_s_access_token(cli, call, pool):
    """A granted token's answer holds the whole Principal, without the raw claims."""
    token = pool.access(
        username="ada", scopes=["openid", "orders/read"], groups=["staff"], issued_at=int(time.time()), acr="urn:cognito:loa:3", amr=["pwd", "otp"],
        actor={"sub": "assistant"}, claims={"custom:secret": "not shown"},
    )  # fmt: skip
    ran = cli(*call, token)
    assert ran.status == 0
    [answer] = ran.answers
    assert list(answer) == ["verdict", "code", "principal"]
    assert (answer["verdict"], answer["code"]) == ("granted", "granted")
    principal = answer["principal"]
    assert "not shown" not in ran.out
    assert list(principal) == [
        "subject", "client_id", "username", "scopes", "groups", "issuer", "token_use", "issued_at", "expires_at", "auth_time",
        "acr", "amr", "jti", "origin_jti", "actor", "is_machine",
    ]  # fmt: skip
    assert principal["username"] == "ada"
    assert principal["scopes"] == ["openid", "orders/read"]
    assert principal["groups"] == ["staff"]
    assert principal["client_id"] == pool.client
    assert principal["issuer"] == pool.issuer
    assert principal["amr"] == ["pwd", "otp"]
    assert principal["actor"] == {"sub": "assistant"}
    assert principal["is_machine"] is False
    assert principal["expires_at"] == principal["issued_at"] + 3600


def test_a_machine_s_token(cli, call, pool):
    """A machine is told from a person."""
    [answer] = cli(*call, pool.machine()).answers
    assert answer["principal"]["is_machine"] is True
    assert answer["principal"]["username"] is None


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        ("access", ["granted", "rejected"]),
        ("id", ["rejected", "granted"]),
        ("any", ["granted", "granted"]),
    ],
)
def test_token_use(cli, call, pool, use, expected):
    """--token-use chooses between access tokens (the default), ID tokens and both."""
    stdin = f"{pool.access()}\n{pool.id()}\n".encode()
    ran = cli(*call, "--token-use", use, stdin=stdin)
    assert [answer["verdict"] for answer in ran.answers] == expected
    assert ran.status == (0 if use == "any" else 1)


def test_several_pools_and_clients(cli, tmp_path):
    """--pool and --client may be repeated: each client counts for each pool, and nothing else does."""
    one, two, three = (LocalUserPool(f"eu-west-1_Several{at}") for at in "123")
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": one.jwks()["keys"] + two.jwks()["keys"] + three.jwks()["keys"]}))
    tokens = [
        one.access(client="web"),
        two.access(client="web"),
        two.access(client="mobile"),
        two.access(client="other"),
        three.access(client="web"),
    ]
    ran = cli(
        "verify", "--pool", one.user_pool.id, "--client", "web", "--pool", two.user_pool.id, "--client", "mobile", "--pool", one.user_pool.id,
        "--jwks", str(keys), stdin="\n".join(tokens).encode(),
    )  # fmt: skip
    granted = ("granted", "granted")
    assert verdicts(ran) == [granted, granted, granted, ("rejected", "client_refused"), ("rejected", "issuer_unknown")]
    assert ran.status == 1


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ((), ("rejected", "expired")),
        (("--now", "1500"), ("granted", "granted")),
        (("--now", "1999.5"), ("granted", "granted")),
        (("--now", "2000"), ("rejected", "expired")),
        (("--now", "2000", "--leeway", "1"), ("granted", "granted")),
        (("--now", "2002.5", "--leeway", "2.5"), ("rejected", "expired")),
        (("--now", "100"), ("rejected", "issued_in_future")),
    ],
)
def test_now_and_leeway(cli, call, pool, more, expected):
    """--now judges as of another time, for audits; --leeway is for exp and nbf; both take fractions."""
    token = pool.access(issued_at=1000, expires_in=1000)
    assert verdicts(cli(*call, *more, token)) == [expected]


def test_require(cli, call, pool):
    """--require denies a good token that lacks the right, still shows whose it is, and counts as not granted."""
    tokens = [pool.access(scopes=["orders/read"], groups=["staff"]), pool.access(username="bob", scopes=["orders/read"])]
    ran = cli(*call, "--require", "scope:orders/read and group:staff", stdin="\n".join(tokens).encode())
    assert verdicts(ran) == [("granted", "granted"), ("denied", "insufficient_scope")]
    assert ran.answers[1]["principal"]["username"] == "bob"
    assert ran.status == 1


def test_require_a_newer_sign_in(cli, call, pool):
    """A rule about the sign-in is judged as of --now and denied under a code of its own."""
    token = pool.access(issued_at=1000, auth_time=1000)
    arguments = (*call, "--require", "authenticated-within:60", token)
    assert verdicts(cli(*arguments, "--now", "1060")) == [("granted", "granted")]
    assert verdicts(cli(*arguments, "--now", "1061")) == [("denied", "insufficient_user_authentication")]


def test_unavailable(cli, pool, monkeypatch):
    """When keys cannot be had the verdict is `unavailable`, never a rejection, and the exit status 1."""

    def outage(_self, _url):
        raise FetchFailed("timeout", "the endpoint was silent")

    monkeypatch.setattr(HttpFetch, "__call__", outage)
    ran = cli("verify", "--pool", pool.user_pool.id, "--client", pool.client, stdin=f"{pool.access()}\njunk\n".encode())
    assert verdicts(ran) == [("unavailable", "keys_unavailable"), ("rejected", "not_a_jwt")]
    assert ran.answers[0]["principal"] is None
    assert ran.status == 1


def test_without_jwks_the_pool_is_asked(cli, pool, monkeypatch):
    """Keys come from the address that AWS publishes them at, once for all tokens."""
    asked = []

    def fetch(_self, url):
        asked.append(url)
        return Fetched(200, json.dumps(pool.jwks()).encode())

    monkeypatch.setattr(HttpFetch, "__call__", fetch)
    ran = cli(
        "verify", "--pool", pool.user_pool.id, "--client", pool.client, stdin=f"{pool.access()}\n{pool.access()}\n".encode()
    )
    assert ran.status == 0
    assert asked == [f"https://cognito-idp.eu-west-1.amazonaws.com/{pool.user_pool.id}/.well-known/jwks.json"]


# --- how it reads


def test_every_line_gets_an_answer(cli, call, pool):
    """Blank lines, CRLF, any octets, no newline at the end: one answer a line, in order."""
    good = pool.access().encode()
    stdin = b"\n" + good + b"\r\n\xff\x00\xfe\n\r\n" + good + b" \n" + good
    ran = cli(*call, stdin=stdin)
    rejected = ("rejected", "not_a_jwt")
    assert verdicts(ran) == [rejected, ("granted", "granted"), rejected, rejected, rejected, ("granted", "granted")]
    assert ran.status == 1


def test_no_lines(cli, call):
    """Nothing in, nothing out: none was not granted."""
    assert cli(*call) == (0, "", "")


@given(st.lists(st.binary(max_size=40)), st.booleans())
def test_lines_of_any_octets(parts, ends):
    """Lines are cut at LF only, and lose one CR before it."""
    octets = b"\n".join(parts) + (b"\n" if ends else b"")
    expected = octets.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    assert list(lines(io.BytesIO(octets))) == [line.removesuffix(b"\r") for line in expected]


def test_a_long_line_is_not_held(cli, call, pool):
    """A line of 10 MB is refused in a small fraction of that memory, and the next line is judged."""
    good = pool.access()

    class Endless(io.RawIOBase):
        left = 10_000_000

        def readable(self):
            return True

        def readinto(self, into):
            if self.left == 0:
                return 0
            size = min(len(into), self.left)
            into[:size] = b"a" * size
            self.left -= size
            return size

    stream = io.BufferedReader(Endless())
    tracemalloc.start()
    try:
        [kept] = lines(stream)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert 64 * 1024 < len(kept) < 1_000_000
    ran = cli(*call, stdin=b"a" * 10_000_000 + b"\n" + good.encode() + b"\n")
    assert verdicts(ran) == [("rejected", "token_too_large"), ("granted", "granted")]


def test_five_thousand_lines_one_by_one(call, pool, monkeypatch, capsys):
    """No line is read before the line above it was answered."""
    good = pool.access().encode() + b"\n"

    class Source:
        given = 0

        def readline(self, _limit):
            # every answer so far is out when the next line is asked for
            assert written.getvalue().count("\n") == self.given
            if self.given == 5000:
                return b""
            self.given += 1
            return good if self.given % 50 == 0 else b"junk\n"

    class Stdin:
        buffer = Source()

        def isatty(self):
            return False

    written = io.StringIO()
    monkeypatch.setattr(sys, "stdin", Stdin())
    with contextlib.redirect_stdout(written):
        assert main(call) == 1
    answers = [json.loads(line)["verdict"] for line in written.getvalue().splitlines()]
    assert answers == (["rejected"] * 49 + ["granted"]) * 100
    assert capsys.readouterr().err == ""


def test_at_a_terminal_it_says_what_it_waits_for(spawn, call):
    """Somebody who forgot the TOKEN is told why nothing happens, on standard error; Ctrl-D ends it."""
    keyboard, terminal = os.openpty()
    process = spawn(*call, stdin=terminal)
    os.close(terminal)
    assert process.stderr.readline() == b"Reading tokens, one a line, until Ctrl-D.\n"
    os.write(keyboard, b"junk\n\x04")
    out, _ = process.communicate(timeout=20)
    os.close(keyboard)
    assert json.loads(out)["verdict"] == "rejected"


# --- as a process


def test_it_answers_before_the_input_ends(spawn, call, pool):
    """A program on the other side of two pipes gets each answer before it sends the next line."""
    process = spawn(*call)
    for token, verdict in ((pool.access(), "granted"), ("", "rejected"), (pool.access(), "granted")):
        process.stdin.write(token.encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["verdict"] == verdict
    process.stdin.write(pool.access().encode())  # the last line without its end
    out, err = process.communicate(timeout=20)
    assert json.loads(out)["verdict"] == "granted"
    assert (process.returncode, err) == (1, b"")


def test_interrupted(spawn, call):
    """Ctrl-C ends it without a traceback."""
    process = spawn(*call)
    process.stdin.write(b"junk\n")
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[1] == b""
    assert process.returncode == 130


def test_the_reader_goes_away(spawn, call):
    """`| head -1`: it stops, says nothing, and does not claim that all were granted."""
    process = spawn(*call)
    process.stdin.write(b"junk\n")
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(b"junk\n" * 10)
    assert process.communicate(timeout=20)[1] == b""
    assert process.returncode == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
def test_a_full_disk(spawn, call):
    """Answers that could not be written are a failure with a sentence, neither 0 nor 1."""
    with open("/dev/full", "wb") as full:
        process = spawn(*call, "junk", stdout=full)
    err = process.communicate(timeout=20)[1].decode()
    assert process.returncode == 2
    assert "No space left on device" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("descriptor", "told"), [(0, "standard input is closed"), (1, "standard output is closed")])
def test_closed_standard_streams(spawn, call, descriptor, told):
    """A closed standard stream is a mistake in the call, not a traceback and not silence."""
    process = spawn(*call, preexec_fn=lambda: os.close(descriptor))
    err = process.communicate(timeout=20)[1].decode()
    assert process.returncode == 2
    assert told in err
    assert "Traceback" not in err


def test_help_into_a_closed_pipe(spawn):
    """`--help | true` leaves no complaint of the interpreter."""
    reading, writing = os.pipe()
    os.close(reading)
    process = spawn("verify", "--help", stdout=writing)
    os.close(writing)
    assert process.communicate(timeout=20)[1] == b""


# --- mistakes in the call


def test_every_mistake_at_once(cli, tmp_path):
    """Each wrong option has a sentence under the name that the user typed, and none hides another."""
    ran = cli(
        "verify", "--pool", "x", "--pool", "cn-north-1_abc", "--client", "a b", "--client", "ok", "--token-use", "both", "--jwks", str(tmp_path),
        "--now", "soon", "--leeway", "-1", "--require", "group:staff and", "--fast", "--quick=yes", "one", "two",
    )  # fmt: skip
    assert (ran.status, ran.out) == (2, "")
    told = [
        line.removeprefix("cognito-guard verify: ") for line in ran.err.splitlines() if line.startswith("cognito-guard verify: ")
    ]
    assert told == [
        "--fast: there is no such option",
        "--quick: there is no such option",
        "arguments: 1 too many, which nothing here takes",
        *(line for line in told if line.startswith("--require: character 16: ")),
        "--pool: 'x': write the pool's id as the console shows it, such as 'eu-west-1_AbC123xyz'",
        "--pool: 'cn-north-1_abc': the China regions have no user pools; for an emulator give --issuer",
        "--client: 'a b' is no app client id (1 to 128 letters, digits, '_' and '+')",
        "--token-use: write access, id or any; not 'both'",
        "--now: write seconds, such as 60 or 1767225600; not 'soon'",
        "--leeway: write seconds, such as 60 or 1767225600; not '-1'",
        f"--jwks: {tmp_path}: the file cannot be read (Is a directory); give the path of a JWK Set file",
    ]
    assert ran.err.endswith("'cognito-guard verify --help' explains.\n")


def test_what_is_missing(cli):
    """Pool and client have no default."""
    ran = cli("verify")
    assert ran.status == 2
    assert re.findall(r"verify: (--\w+: it is missing)", ran.err) == ["--pool: it is missing", "--client: it is missing"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("missing.json", None, "No such file or directory"),
        ("empty.json", b"", "JWK Set"),
        ("html.json", b"<!doctype html>", "JWK Set"),
        ("no_keys.json", b'{"keys":[]}', "JWK Set"),
    ],
)
def test_a_jwks_file_that_cannot_serve(cli, pool, tmp_path, name, content, told):
    """The file's mistake alone is told too, once, with its path."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    ran = cli("verify", "--pool", pool.user_pool.id, "--client", pool.client, "--token-use", "any", "--jwks", str(path), "junk")
    assert (ran.status, ran.out) == (2, "")
    first, last = ran.err.splitlines()
    assert first.startswith(f"cognito-guard verify: --jwks: {path}: ")
    assert told in first
    assert last == "'cognito-guard verify --help' explains."


@pytest.mark.parametrize("url", ["https://keys.example/jwks.json", "HTTP://keys.example/jwks.json", ""])
def test_jwks_is_a_file(cli, pool, url):
    """A URL, or the empty string of an unset variable, is no file."""
    ran = cli("verify", "--pool", pool.user_pool.id, "--client", pool.client, "--jwks", url, "junk")
    assert (ran.status, ran.out) == (2, "")
    assert "--jwks: give the path of a JWK Set file" in ran.err


@pytest.mark.parametrize("text", ["1e3", "nan", "inf", "1_000", " 5", "+5", "٣", "", "253402300800", "9" * 5000])
def test_seconds_are_digits(cli, call, text):
    """What float() would take and nobody means is refused."""
    ran = cli(*call, "--now", text, "junk")
    assert (ran.status, ran.out) == (2, "")
    assert "--now: write seconds" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("{token}",),
        ("verify", "--pool"),
        ("verify", "--pool", "eu-west-1_AbC123xyz", "--client", "{token}"),
        ("verify", "--pool", "{token}", "--client", "{token}"),
        ("verify", "--pool", "eu-west-1_AbC123xyz", "--client", "web", "{token}", "{token}"),
        ("verify", "--pool", "eu-west-1_AbC123xyz", "--client", "web", "--token={token}"),
        ("verify", "--pool", "eu-west-1_AbC123xyz", "--client", "web", "-{token}"),
        ("verify", "--pool", "eu-west-1_AbC123xyz", "--client", "web", "--now", "{token}"),
        ("verify", "--pool", "eu-west-1_AbC123xyz", "--client", "web", "--require", "{token}"),
    ],
)
def test_a_token_in_the_wrong_place_is_not_repeated(cli, pool, arguments):
    """Standard error ends in CI logs: whatever the mistake, status 2, a sentence, and nothing of a token."""
    token = pool.access()
    ran = cli(*(argument.format(token=token) for argument in arguments))
    assert (ran.status, ran.out) == (2, "")
    assert ran.err
    assert not any(part[:40] in ran.err for part in token.split("."))


def test_abbreviations_are_refused(cli, call):
    """--req is no option: a script must not change its meaning when options are added."""
    ran = cli(*call, "--req", "group:staff", "junk")
    assert ran.status == 2
    assert "--req: there is no such option" in ran.err


# --- help


def test_help_teaches(cli):
    """The help shows the answer's form, the exit statuses, examples, and what is not checked."""
    ran = cli("verify", "--help")
    assert ran.status == 0
    for word in (
        "granted",
        "denied",
        "rejected",
        "unavailable",
        "Exit status",
        "revoked",
        "--require 'group:staff'",
        "< tokens.txt",
    ):
        assert word in ran.out


def test_version(cli):
    """--version is the package's."""
    import cognito_guard

    assert cli("--version").out == f"cognito-guard {cognito_guard.__version__}\n"
