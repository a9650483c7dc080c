"""The server as a context manager, and keys that last."""

from __future__ import annotations

import os
import socket
import stat
import sys
import threading

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from cognito_guard import ConfigurationError, Guard, UserPool
from cognito_guard.local_pool import Client, Settings, User, kept_pool, serve
from cognito_guard.testing import LocalUserPool


def settings(**changed):
    return Settings(**{"port": 0, "users": [User("ada")], "clients": [Client("web", grants=["password"])]} | changed)


def problems(call, *arguments, **keywords):
    with pytest.raises(ConfigurationError) as raised:
        call(*arguments, **keywords)
    return raised.value.problems


def signed_in(served, username="ada", client="web"):
    """The API's answer to that user's password."""
    answer = httpx.post(
        served.url,
        json={
            "AuthFlow": "USER_PASSWORD_AUTH",
            "ClientId": client,
            "AuthParameters": {"USERNAME": username, "PASSWORD": served.settings.user(username).password},
        },
        headers={"X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth"},
        trust_env=False,
        verify=False,
    )
    return answer.json()["AuthenticationResult"]


def test_serve_alone():
    """Without arguments: the built-in pool on a free port, whose own guard accepts what it issues, over HTTP."""
    with serve() as served:
        assert served.issuer == f"{served.url}/local_1"
        token = signed_in(served, "staff")["AccessToken"]
        guard = served.pool.guard()
        principal = guard.authenticate(token)
        assert (principal.username, principal.groups) == ("staff", {"staff"})
        [status] = guard.key_status()
        assert (status.url, status.source) == (f"{served.issuer}/.well-known/jwks.json", "network")
    with pytest.raises(httpx.ConnectError):
        httpx.get(served.url, trust_env=False, verify=False)


def test_serve_a_pool_of_a_test():
    """Keys, clock and client are the given pool's; its id may look like AWS's, the issuer is this machine's."""
    pool = LocalUserPool(clock=lambda: 1_700_000_000.0)
    with serve(pool) as served:
        assert served.issuer == f"{served.url}/{pool.user_pool.id}"
        token = signed_in(served, client=pool.client, username="reader")["AccessToken"]
        principal = served.pool.guard().authenticate(token)
        assert (principal.client_id, principal.issued_at) == (pool.client, 1_700_000_000)
        assert served.pool.jwks() == pool.jwks()
        minted = served.pool.access(username="eve", scopes=["orders/read"])  # beside the server, by hand
        assert served.pool.guard().authenticate(minted).username == "eve"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_hosts(host):
    """The name stands in the issuer; the socket is on loopback."""
    if host == "::1":
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
    with serve(settings=settings(host=host)) as served:
        bracketed = "[::1]" if host == "::1" else host
        assert served.url.startswith(f"http://{bracketed}:")
        pool = UserPool("local_1", issuer=served.issuer)
        Guard(pool.access_tokens(client="web")).authenticate(signed_in(served)["AccessToken"])


def test_a_port_in_use():
    """A sentence, not a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        [told] = problems(serve(settings=settings(port=port)).__enter__)
    assert told.startswith(f"port: {port} cannot be used (Address already in use)")


def test_two_pools_in_one_call():
    """A pool of one id and settings of another cannot both be meant."""
    [told] = problems(serve(LocalUserPool(), settings=settings()).__enter__)
    assert told.startswith("settings: pool_id")


def test_without_the_extra(monkeypatch):
    """What to install."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    [told] = problems(serve().__enter__)
    assert "pip install 'cognito-guard[local-pool]'" in told


def test_a_hanging_outage_does_not_hold_the_end():
    """Whoever waits for keys is let go when the block ends."""
    with serve(settings=settings()) as served:
        served.pool.outage("hang")
        asking = threading.Thread(target=_ask, args=[f"{served.issuer}/.well-known/jwks.json"])
        asking.start()
        served.pool.wait_until_fetched()
    asking.join(10)
    assert not asking.is_alive()


def _ask(url):
    try:
        httpx.get(url, timeout=30, trust_env=False, verify=False)
    except httpx.HTTPError:
        pass


# --- keys that last


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path / "deep" / "keys")


def test_kept_keys(directory):
    """Made 0600 in a directory of 0700, and the same at the next start; so are the passwords that were made up."""
    first = kept_pool("local_1", directory)
    again = kept_pool("local_1", directory)
    assert first.jwks() == again.jwks()
    assert first.key("access") != first.key("id")
    assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
    assert sorted(os.listdir(directory)) == ["access.pem", "id.pem"]
    assert {stat.S_IMODE(os.stat(os.path.join(directory, name)).st_mode) for name in os.listdir(directory)} == {0o600}
    with serve(first, settings=settings()) as one, serve(again, settings=settings()) as two:
        assert one.settings.users == two.settings.users
        assert one.pool.jwks() == two.pool.jwks() == first.jwks()
        token = signed_in(one)["AccessToken"]
        assert one.pool.guard(one.pool.user_pool.access_tokens(client="web")).authenticate(token).username == "ada"


def test_kept_keys_differ(directory):
    """Another directory has other keys, also within one process, and other passwords."""
    one, two = kept_pool("local_1", directory), kept_pool("local_1", directory + "2")
    assert one.jwks() != two.jwks()
    with serve(one, settings=settings()) as first, serve(two, settings=settings()) as second:
        assert first.settings.users != second.settings.users


def test_a_rotation_of_kept_keys(directory):
    """New keys stand beside the kept ones, for this process."""
    pool = kept_pool("local_1", directory)
    before = pool.jwks()["keys"]
    pool.rotate()
    assert pool.jwks()["keys"][:2] == before
    assert len(pool.jwks()["keys"]) == 4
    assert kept_pool("local_1", directory).jwks()["keys"] == before


def _pem(key, encryption=None):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (lambda: b"", "is no unencrypted private key"),
        (lambda: b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "is no unencrypted private key"),
        (lambda: _pem(generate_ec(SECP256R1())), "is no RSA key of 2048 bits"),
        (lambda: _pem(generate_private_key(65537, 1024)), "is no RSA key of 2048 bits"),
        (lambda: _pem(generate_private_key(65537, 2048), BestAvailableEncryption(b"x")), "is no unencrypted private key"),
    ],
    ids=["empty", "junk", "ec", "small", "encrypted"],
)
def test_files_that_are_no_key(directory, content, told):
    """Told in a sentence; the file is left as it is."""
    os.makedirs(directory, 0o700)
    path = os.path.join(directory, "id.pem")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(content())
    assert problems(kept_pool, "local_1", directory)[0].startswith(f"keys: id.pem {told}")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_keys_that_others_can_reach(directory, mode):
    """A private key that others may read or write is not used."""
    kept_pool("local_1", directory)
    os.chmod(os.path.join(directory, "access.pem"), mode)
    [told] = problems(kept_pool, "local_1", directory)
    assert told.startswith("keys: access.pem is not this user's own, or others may read it; chmod 600 it")


def test_links_and_pipes_are_no_keys(directory, tmp_path):
    """A symbolic link is not followed, a pipe does not hang the start."""
    kept_pool("local_1", directory)
    elsewhere = tmp_path / "elsewhere.pem"
    os.rename(os.path.join(directory, "id.pem"), elsewhere)
    os.symlink(elsewhere, os.path.join(directory, "id.pem"))
    os.unlink(os.path.join(directory, "access.pem"))
    os.mkfifo(os.path.join(directory, "access.pem"), 0o600)
    assert [told.partition(".pem")[0] for told in problems(kept_pool, "local_1", directory)] == ["keys: id", "keys: access"]


def test_a_directory_of_others(directory, tmp_path):
    """One that others may write to, or that is none."""
    os.makedirs(directory)
    os.chmod(directory, 0o777)
    assert problems(kept_pool, "local_1", directory)[0].startswith("keys: the directory belongs to somebody else")
    (tmp_path / "file").write_text("")
    assert problems(kept_pool, "local_1", str(tmp_path / "file"))[0].startswith("keys: the directory cannot be used")
