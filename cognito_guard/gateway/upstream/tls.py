"""How an upstream's certificate is verified, and which one we show (THREATS T19, T53). Reads the files once, opens no connection.

Verification is always on: `ca` says by whom, `sni` under which name, and nothing here switches it off.
"""

from __future__ import annotations

import ssl

from cognito_guard.errors import ConfigurationError


def client_context(*, ca: str | None = None, client_cert: str | None = None, client_key: str | None = None) -> ssl.SSLContext:
    """A context that verifies the upstream's certificate and name, with TLS 1.2 or newer.

    `ca` is a PEM file of the only authorities to trust (None: those of the system); `client_cert` a PEM file with our certificate and
    its chain, `client_key` its unencrypted key (None: it stands in `client_cert`). The files are read now: after a change, build anew.
    Raises `ConfigurationError` for every file that is missing, unreadable, empty or does not fit.
    """
    problems: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # requires a certificate and checks its name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _trust(context, ca, problems)
    if client_cert is not None:
        _show(context, client_cert, client_key, problems)
    elif client_key is not None:
        problems.append("client_key: a key without client_cert is of no use; name the certificate, or leave the key out")
    if problems:
        raise ConfigurationError("client_context", problems)
    return context


def _trust(context: ssl.SSLContext, ca: str | None, problems: list[str]) -> None:
    if ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    try:
        context.load_verify_locations(cafile=ca)
    except ssl.SSLError:
        problems.append(f"ca: {ca!r} holds no certificate in PEM form")
    except OSError as failure:
        problems.append(f"ca: {ca!r} cannot be read ({failure.strerror})")


def _show(context: ssl.SSLContext, cert: str, key: str | None, problems: list[str]) -> None:
    unreadable = [
        f"{argument}: {path!r} cannot be read ({reason})"
        for argument, path in (("client_cert", cert), ("client_key", key))
        if path is not None and (reason := _unreadable(path))
    ]
    if unreadable:
        problems += unreadable
        return
    try:
        context.load_cert_chain(cert, key, password=lambda: b"")  # without it OpenSSL would ask on the terminal
    except (ssl.SSLError, ValueError):
        named = repr(cert) if key is None else f"{cert!r} and {key!r}"
        problems.append(f"client_cert: {named} are no PEM certificate with its own, unencrypted key")


def _unreadable(path: str) -> str:
    try:
        with open(path, "rb"):
            return ""
    except OSError as failure:
        return failure.strerror or type(failure).__name__
