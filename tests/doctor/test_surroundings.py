"""Which proxy and which authorities count: the options, else the environment, as httpx reads it."""

from __future__ import annotations

import pytest

from cognito_guard.doctor.surroundings import authorities_finding, proxy_finding, proxy_of

HOST = "cognito-idp.eu-west-1.amazonaws.com"
URL = f"https://{HOST}/eu-west-1_A/.well-known/jwks.json"
PROXY = "http://proxy.internal:3128"


@pytest.mark.parametrize(
    ("environment", "way"),
    [
        ({}, ("", "")),
        ({"HTTPS_PROXY": PROXY}, (PROXY, "HTTPS_PROXY")),
        ({"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, (PROXY, "https_proxy")),
        ({"https_proxy": "", "HTTPS_PROXY": PROXY}, ("", "")),
        ({"ALL_PROXY": PROXY}, (PROXY, "ALL_PROXY")),
        ({"HTTP_PROXY": PROXY}, ("", "")),
        ({"HTTPS_PROXY": "proxy.internal:3128"}, (PROXY, "HTTPS_PROXY")),
        ({"HTTPS_PROXY": "http://jane:hunter2@proxy.internal:3128/x"}, (PROXY, "HTTPS_PROXY")),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, ("", "NO_PROXY")),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "localhost, amazonaws.com"}, ("", "NO_PROXY")),
        ({"HTTPS_PROXY": PROXY, "no_proxy": ".amazonaws.com"}, ("", "no_proxy")),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": HOST}, ("", "NO_PROXY")),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": f".{HOST}"}, (PROXY, "HTTPS_PROXY")),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "naws.com,,"}, (PROXY, "HTTPS_PROXY")),
    ],
)
def test_the_way_to_a_url(environment, way, monkeypatch):
    """By its scheme; lower case first; NO_PROXY last. httpx, asked itself, takes the same way."""
    assert proxy_of(URL, environment) == way
    for word in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{word}_proxy", raising=False)
        monkeypatch.delenv(f"{word}_proxy".upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    import httpx

    with httpx.Client() as client:
        transport = client._transport_for_url(httpx.URL(URL))
        assert (transport is not client._transport) == bool(way[0])


def test_loopback_is_asked_directly():
    """Whatever the environment says."""
    assert proxy_of("http://127.0.0.1:9229/local_1", {"ALL_PROXY": PROXY}).url == ""


def test_the_proxy_as_it_is_told():
    """Where it comes from, for which hosts, and what does not count; never a password."""
    assert proxy_finding(None, {}, [URL, URL]).found == f"none for {HOST}"
    assert proxy_finding(None, {}, []).found == "none is needed: nothing is fetched"
    environment = {"HTTPS_PROXY": "http://jane:hunter2@proxy.internal:3128", "NO_PROXY": "keys.example"}
    found = proxy_finding(None, environment, [URL, "https://keys.example/jwks.json"])
    assert found.found == f"{PROXY}, by HTTPS_PROXY, for {HOST}; none, by NO_PROXY, for keys.example"
    found = proxy_finding("http://jane:hunter2@other:1", environment, [URL])
    assert found.found == "http://other:1 for everything that is fetched, as given; HTTPS_PROXY of the environment does not count"


def test_authorities(certificate, tmp_path):
    """--ca before SSL_CERT_FILE before SSL_CERT_DIR before the usual ones."""
    everything = {"SSL_CERT_FILE": certificate, "SSL_CERT_DIR": str(tmp_path)}
    assert authorities_finding("ca.pem", everything).found == "those of ca.pem, as given, and no others"
    assert authorities_finding(None, everything).found == f"those of {certificate}, by SSL_CERT_FILE"
    assert authorities_finding(None, {"SSL_CERT_DIR": str(tmp_path)}).found == f"those of {tmp_path}, by SSL_CERT_DIR"
    assert authorities_finding(None, {"SSL_CERT_FILE": ""}).found == "the usual ones"


def test_variables_that_name_nothing(tmp_path):
    """A variable that names no readable bundle breaks every https address: failed, with the variable's name."""
    (tmp_path / "empty.pem").write_text("nothing")
    for environment, told in (
        ({"SSL_CERT_FILE": str(tmp_path / "missing.pem")}, "which is no file"),
        ({"SSL_CERT_FILE": str(tmp_path / "empty.pem")}, "which holds no PEM certificate"),
        ({"SSL_CERT_DIR": str(tmp_path / "missing")}, "which is no directory"),
    ):
        found = authorities_finding(None, environment)
        assert (found.status, told in found.found, next(iter(environment)) in found.advice) == ("failed", True, True)


def test_variables_of_other_programs():
    """What curl and boto3 follow does not count here; where nothing else is set, that is worth a warning."""
    found = authorities_finding(None, {"AWS_CA_BUNDLE": "a.pem", "REQUESTS_CA_BUNDLE": "a.pem"})
    assert (found.status, "REQUESTS_CA_BUNDLE, AWS_CA_BUNDLE" in found.found) == ("warning", True)
    assert "SSL_CERT_FILE" in found.advice
