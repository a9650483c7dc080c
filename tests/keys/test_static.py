"""Static keys: bundled files and given documents."""

from __future__ import annotations

import asyncio
import json
from math import inf

import pytest

from cognito_guard import errors
from cognito_guard.keys import StaticKeys
from cognito_guard.pool import JwksDocument, JwksFile


def test_a_file_is_read_once_and_never_again(tmp_path, jwks) -> None:
    """Nothing is fetched, nothing expires, and what happens to the file later does not matter."""
    path = tmp_path / "keys.json"
    path.write_bytes(jwks(a=0))
    keys = StaticKeys(JwksFile(path), algorithms=("RS256",))
    path.unlink()
    key = keys.find("a")
    assert keys.key("a") is key is asyncio.run(keys.key_async("a")) is keys.held.keys["a"]
    assert (keys.held.fresh_until, keys.held.usable_until, keys.held.source) == (inf, inf, "static")
    assert keys.load() is None
    assert asyncio.run(keys.load_async()) is None
    status = keys.status()
    assert (status.url, status.source, status.keys, status.age, status.usable) == (str(path), "static", 1, None, True)


def test_unknown_and_refused_kids(jwk) -> None:
    """There is nobody to ask: an unknown kid is unknown, a kid with two keys is refused."""
    document = json.dumps({"keys": [jwk("a", 0), jwk("b", 0), jwk("b", 1)]})
    keys = StaticKeys(JwksDocument(document), algorithms=("RS256",))
    for kid, code in (("zzz", "key_unknown"), ("b", "key_refused")):
        with pytest.raises(errors.TokenRejected) as caught:
            keys.find(kid)
        assert (caught.value.code, caught.value.claim) == (code, "kid")
        with pytest.raises(errors.TokenRejected):
            keys.key(kid)
        with pytest.raises(errors.TokenRejected):
            asyncio.run(keys.key_async(kid))
    assert len(keys.status().left_out) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "not JSON"),
        (b"-----BEGIN CERTIFICATE-----", "not JSON"),
        (b'{"kty":"RSA"}', "no 'keys' array"),
        (b'{"keys":[]}', "it is empty"),
        (b'{"keys":[{"kty":"EC","kid":"e"}]}', "no usable key"),
        (b" " * 2_000_000, "longer than"),
    ],
)
def test_a_file_that_cannot_serve_names_its_path_and_the_way_out(tmp_path, content, says) -> None:
    """A mistake of the deployment is found when the Guard is built."""
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(errors.ConfigurationError) as caught:
        StaticKeys(JwksFile(path), algorithms=("RS256",))
    (problem,) = caught.value.problems
    assert says in problem
    assert problem.startswith(f"jwks: {path}: ")
    assert "give the " in problem


@pytest.mark.parametrize("path", ["", ".", "keys\0.json"])
def test_paths_that_are_none(path) -> None:
    """An empty string, a folder, a NUL."""
    with pytest.raises(errors.ConfigurationError, match="give the path"):
        StaticKeys(JwksFile(path), algorithms=("RS256",))


@pytest.mark.parametrize("text", ["", "{}", '{"keys":[]}', "\ud800"])
def test_a_document_that_cannot_serve(text) -> None:
    """Likewise for a mapping that was given in code."""
    with pytest.raises(errors.ConfigurationError, match="jwks"):
        StaticKeys(JwksDocument(text), algorithms=("RS256",))
