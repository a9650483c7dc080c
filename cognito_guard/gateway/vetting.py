"""What would keep a gateway from starting though its settings are well-formed: the certificate, and where the access log goes.

Decides whether they can be used, for `cognito-guard check` and for the start alike. Opens nothing for good.
"""

from __future__ import annotations

import os
import ssl

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.settings import GatewaySettings


def vet(settings: GatewaySettings) -> None:
    """Raises `ConfigurationError` with what cannot be used; correct the setting or the file."""
    problems = [problem for problem in (_certificate_problem(settings), _log_problem(settings)) if problem]
    if problems:
        raise ConfigurationError("proxy", problems)


def _certificate_problem(settings: GatewaySettings) -> str:
    certificate, key = settings.server.tls_certificate, settings.server.tls_key
    if certificate is None:
        return ""
    try:
        # a key under a pass phrase must not make anybody wait for one
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
        return ""
    except ssl.SSLError as error:
        reason = error.reason or "no certificate chain in PEM with its private key"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no private key without a pass phrase"
    return f"server.tls_certificate, server.tls_key: {certificate} and {key or certificate} cannot be used ({reason})"


def _log_problem(settings: GatewaySettings) -> str:
    path = settings.log.output
    if not settings.log.access or path in ("stdout", "stderr"):
        return ""
    if os.path.isdir(path):
        return f"log.output: {path} is a directory; name a file"
    # the file is made at the start, and not by who only asks
    place = path if os.path.lexists(path) else os.path.dirname(path) or "."
    if os.access(place, os.W_OK):
        return ""
    return (
        f"log.output: {path} cannot be opened for writing; name a file that this user may append to, in a directory that is there"
    )
