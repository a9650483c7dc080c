from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import jwt
import pytest

from cognito_guard.testing.octets import payload_of

WITHIN = 10


def get(served, path="/.well-known/jwks.json"):
    with httpx2.Client(trust_env=False, timeout=WITHIN) as client:
        return client.get(served.issuer + path)


def test_the_jwk_set_over_http(pool):
    """The published set, as JSON, on a loopback port; counted under its own URL."""
    with pool.serve_jwks() as served:
        answer = get(served)
        assert answer.json() == pool.jwks() == served.jwks()
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "public, max-age=86400"
        assert get(served, "/other").status_code == 404
    assert pool.fetches == {f"{served.issuer}/.well-known/jwks.json": 1, f"{served.issuer}/other": 1}


def test_tokens_of_a_served_pool_name_its_address(pool):
    """What an application configured with the loopback issuer needs: its tokens, its keys, its pool."""
    with pool.serve_jwks() as served:
        assert served.issuer.startswith("http://127.0.0.1:")
        assert served.issuer.endswith("/eu-west-1_Local0001")
        assert served.user_pool.issuers[0].url == served.issuer
        assert json.loads(payload_of(served.access()))["iss"] == served.issuer
        assert json.loads(payload_of(pool.access()))["iss"] == pool.issuer
        keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(get(served).json()).keys}
        token = served.access()
        key = keys[jwt.get_unverified_header(token)["kid"]]
        assert jwt.decode(token, key, algorithms=["RS256"], issuer=served.issuer)["username"] == "jane"


def test_a_rotation_shows_over_http(pool):
    """Served or in process, it is one pool: keys and outages are shared both ways."""
    with pool.serve_jwks() as served:
        served.rotate()
        assert len(get(served).json()["keys"]) == len(pool.jwks()["keys"]) == 4
        with pool.outage("status_500"):
            assert get(served).status_code == 500


@pytest.mark.parametrize("kind", ["refused", "timeout"])
def test_network_failures_over_http(pool, kind):
    """The connection closes without an answer."""
    with pool.serve_jwks() as served, pool.outage(kind), pytest.raises(httpx2.RemoteProtocolError):
        get(served)


def test_a_redirect_over_http_names_a_target(pool):
    """A client that follows redirects would leave for another host; this one shows where to."""
    with pool.serve_jwks() as served, pool.outage("redirect"):
        answer = get(served)
    assert (answer.status_code, answer.headers["location"]) == (302, "https://keys.attacker.example/jwks.json")


def test_a_hang_over_http_ends_with_recovery(pool):
    """A client that waits is answered when the pool recovers."""
    with pool.serve_jwks() as served, ThreadPoolExecutor(1) as threads:
        pool.outage("hang")
        answer = threads.submit(get, served)
        pool.wait_until_fetched(1, within=WITHIN)
        pool.recover()
        assert answer.result(WITHIN).status_code == 200


def test_closing_lets_waiting_clients_go(pool):
    """The server's end releases hanging answers, and leaves no thread behind."""
    before = threading.active_count()
    with ThreadPoolExecutor(1) as threads:
        with pool.serve_jwks() as served:
            pool.outage("hang")
            answer = threads.submit(get, served)
            pool.wait_until_fetched(1, within=WITHIN)
        with pytest.raises(httpx2.RemoteProtocolError):
            answer.result(WITHIN)
    assert threading.active_count() == before


def test_a_client_that_hangs_up_disturbs_nothing(pool, capfd):
    """A broken connection prints no traceback, and the next client is served."""
    with pool.serve_jwks() as served:
        pool.outage("hang")
        with pytest.raises(httpx2.ReadTimeout), httpx2.Client(trust_env=False, timeout=0.05) as client:
            client.get(f"{served.issuer}/.well-known/jwks.json")
        pool.recover()
        assert get(served).status_code == 200
    assert capfd.readouterr() == ("", "")
