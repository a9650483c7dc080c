"""The settings in force, printed as a file."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.gateway.settings import OPTIONS, printed, read
from cognito_guard.gateway.settings.printing import _toml

FULL = r"""
realm = "shop"
leeway = 2.5
mode = "report-only"
snapshots = "/var/lib/keys"
ca = "ca.pem"
proxy = "http://proxy:3128"
[[pool]]
id = "eu-west-1_AbC123xyz"
token_use = ["access", "id"]
clients = ["abc", "def"]
jwks = "https://keys.example.com/jwks.json"
extra_issuers = ["https://issuer.example.com"]
resource = "https://api.example.com"
[[pool]]
id = "local_1"
clients = "any-client"
issuer = "insecure-http:http://cognito:9229/local_1"
jwks = "keys.json"
[resource]
url = "https://api.example.com"
scopes = ["orders/read"]
name = "Orders \"quoted\" \\ ü"
[[credential]]
cookie = "t"
[[credential]]
subprotocol = true
[[credential]]
header = "X-Token"
[[credential]]
query = "t"
[server]
bind = ["[::1]:8080", "unix:/run/gate.sock"]
admin = ""
workers = 2
trusted_proxies = ["10.0.0.0/8", "unix"]
tls_certificate = "cert.pem"
tls_key = "key.pem"
[limits]
body = "1 GiB"
[timeouts]
idle = "none"
total = 600
[[upstream]]
url = "https://app:8443"
path = "/api/*"
host = "*.example.com"
ca = "ca.pem"
sni = "app.internal"
client_cert = "cert.pem"
health = "/healthz?deep=1"
preserve_host = false
[[upstream]]
url = "unix:/run/app.sock"
[identity]
X-Sub = "sub"
X-Groups = {claim = "cognito:groups", encoding = "base64url"}
[[route]]
path = "/a/*"
host = ["api.example.com", "localhost"]
methods = ["POST", "GET"]
require = '''
scope:orders/write
  and group:"night shift"'''
accepts = "encoded-slash"
authorization = "replace"
authorization_file = "secret"
mode = "report-only"
close_at_expiry = true
[[route]]
path = "/b"
access = "public"
[[route]]
path = "/*"
access = "preflights"
[forward_auth]
kinds = ["nginx", "envoy"]
trusted = "unix"
secret_file = "secret"
grpc = "127.0.0.1:9191"
[assertion]
key_file = "key.pem"
[log]
output = "access.log"
query = true
"""


def test_printed_settings_read_again(small):
    """What is printed reads as the same settings, whichever there are."""
    for text in (small, FULL, small + "[identity]\n"):
        settings = read(text)
        assert read(printed(settings)) == settings
    assert read(small) != read(FULL)


def test_paths_are_printed_resolved(small):
    """A printed file may lie anywhere: its paths start from where the first one lay."""
    settings = read(FULL, base="/etc/gate")
    assert read(printed(settings), base="/elsewhere") == settings


def test_every_key_is_explained(small):
    """Each key stands under what it means, and with the flag and the variable that set it too; each explanation stands once."""
    text = printed(read(FULL))
    for option in OPTIONS:
        assert f"({option.flag}, {option.variable})" in text
    comments = [line for line in text.splitlines() if line.startswith("# ")]
    assert len(comments) > 50
    assert text.count("# the user pool's id") == 1


def test_secrets_are_paths(tmp_path):
    """T29: what stands in a secret's file is never shown, since it is never read."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2hunter2hunter2")
    settings = read(FULL.replace('"secret"', f'"{secret}"'))
    assert str(secret) in printed(settings)
    assert "hunter2" not in printed(settings) + repr(settings)


@given(
    st.recursive(
        st.one_of(
            st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False),
            st.text(st.characters(codec="utf-8")),
        ),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=6,
    )
)  # fmt: skip
def test_values_are_toml(value):
    """Every value is written so that TOML reads it back."""
    assert tomllib.loads(f"x = {_toml(value)}")["x"] == value


@pytest.mark.parametrize("value", [True, 1, 0.1, "none"])
def test_values_keep_their_kind(value):
    """true is not 1."""
    assert type(tomllib.loads(f"x = {_toml(value)}")["x"]) is type(value)
