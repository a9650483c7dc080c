"""Through which proxy keys are fetched, and which authorities are trusted on the way: by option, or by the environment.

Decides what counts, by the rules of `keys.HttpFetch` and httpx. Opens no socket; the files that are named are read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from cognito_guard.doctor.finding import Finding
from cognito_guard.urls import is_loopback

_OTHERS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "PIP_CERT")


class Way(NamedTuple):
    """How a URL is asked: `url` of the proxy without its user, or "" for directly; `because` is the variable that says so, or ""."""

    url: str
    because: str


def proxy_of(url: str, environment: Mapping[str, str]) -> Way:
    """The proxy that the environment names for a URL. Loopback addresses have none."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if is_loopback(host):
        return Way("", "")
    name, proxy = next(filter(lambda each: each[1], (_read(environment, word) for word in (parts.scheme, "all"))), ("", ""))
    if not proxy:
        return Way("", "")
    excluding, listed = _read(environment, "no")
    if any(_excludes(entry.strip().lower(), host) for entry in listed.split(",")):
        return Way("", excluding)
    return Way(without_user(proxy if "://" in proxy else f"http://{proxy}"), name)


def without_user(url: str) -> str:
    """A proxy's URL without user name, password and path: fit to be shown."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}"


def proxy_finding(given: str | None, environment: Mapping[str, str], urls: Sequence[str]) -> Finding:
    """Which proxy counts for the `urls` that will be asked. Whether it works shows where they are."""
    if given is not None:
        set_aside = sorted(name for name in environment if name.lower() in ("https_proxy", "http_proxy", "all_proxy"))
        told = (
            f"; {', '.join(set_aside)} of the environment {'does' if len(set_aside) == 1 else 'do'} not count"
            if set_aside
            else ""
        )
        return Finding("proxy", "ok", f"{without_user(given)} for everything that is fetched, as given{told}")
    ways: dict[Way, list[str]] = {}
    for url in urls:
        ways.setdefault(proxy_of(url, environment), []).append(urlsplit(url).hostname or "")
    told = "; ".join(f"{_described(way)} for {_names(hosts)}" for way, hosts in ways.items())
    return Finding("proxy", "ok", told or "none is needed: nothing is fetched")


def authorities_finding(ca: str | None, environment: Mapping[str, str]) -> Finding:
    """Which authorities count when a certificate is verified."""
    if ca is not None:
        return Finding("authorities", "ok", f"those of {ca}, as given, and no others")
    for name, is_there, kind in (("SSL_CERT_FILE", os.path.isfile, "file"), ("SSL_CERT_DIR", os.path.isdir, "directory")):
        path = environment.get(name)
        if path and not is_there(path):
            return Finding(
                "authorities",
                "failed",
                f"{name} names {path}, which is no {kind}: no https address can be asked",
                f"Correct {name}, or take it out of the environment",
            )
        if path and kind == "file" and (problem := _unreadable(path)):
            return Finding(
                "authorities",
                "failed",
                f"{name} names {path}, which {problem}: no https address can be asked",
                f"Let {name} name a PEM file of '-----BEGIN CERTIFICATE-----' blocks",
            )
        if path:
            return Finding("authorities", "ok", f"those of {path}, by {name}")
    others = [name for name in _OTHERS if environment.get(name)]
    if others:
        return Finding(
            "authorities",
            "warning",
            f"the usual ones; {', '.join(others)}, which other programs follow, {'does' if len(others) == 1 else 'do'} not count here",
            "If this network inspects TLS, set SSL_CERT_FILE to the same file, or give --ca",
        )
    return Finding("authorities", "ok", "the usual ones")


def _read(environment: Mapping[str, str], word: str) -> tuple[str, str]:
    """A variable's name and value; in lower case it counts before the one in upper case, even where it is empty."""
    for name in (f"{word}_proxy", f"{word}_proxy".upper()):
        if name in environment:
            return name, environment[name]
    return "", ""


def _excludes(entry: str, host: str) -> bool:
    if entry == "*":
        return True
    suffix = entry.removeprefix("*").removeprefix(".")
    if not suffix:
        return False
    return host.endswith(f".{suffix}") or (host == suffix and entry == suffix)


def _described(way: Way) -> str:
    if way.url:
        return f"{way.url}, by {way.because},"
    return f"none, by {way.because}," if way.because else "none"


def _names(hosts: list[str]) -> str:
    return ", ".join(dict.fromkeys(hosts))


def _unreadable(path: str) -> str:
    import ssl

    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        return "holds no PEM certificate"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return ""
