"""Sockets to listen on, bound before anything else starts: an address that is taken is a mistake of the call, told at once.

Decides how a bind address is read, and whose a unix socket is. Accepts nothing.
"""

from __future__ import annotations

import logging
import os
import re
import resource
import socket
import stat
from contextlib import suppress

from cognito_guard.errors import ConfigurationError


def bound(address: str, setting: str) -> socket.socket:
    """A listening socket for `host:port`, `[v6]:port` or `unix:/path`.

    A unix socket is open to its owner and group (0660), and takes the place of one that nobody listens on any more. Raises
    `ConfigurationError`, under the setting's name, where that cannot be had; correct the setting or free the address.
    """
    if address.startswith("unix:"):
        return _unix(address.removeprefix("unix:"), setting)
    host, port = address_of(address)
    reason = ""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = _told(error)
    raise ConfigurationError("proxy", [f"{setting}: {address} cannot be used ({reason}); name another address, or free this one"])


def address_of(address: str) -> tuple[str, int]:
    """Host and port of `host:port`; settings have judged its form."""
    found = re.fullmatch(r"(?:\[([^\]]+)\]|([^:]*)):([0-9]+)", address)
    if found is None:
        raise ConfigurationError("proxy", [f"{address}: write 'host:port', '[IPv6]:port' or 'unix:/path'"])
    return found[1] or found[2] or "0.0.0.0", int(found[3])  # noqa: S104 - ":8080" is everywhere, as everywhere else


def address_of_socket(listener: socket.socket) -> str:
    """The address in the form that `bound` takes, with the port that port 0 came to."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{name}"
    return f"[{name[0]}]:{name[1]}" if listener.family == socket.AF_INET6 else f"{name[0]}:{name[1]}"


def want_descriptors(clients: int, upstreams: int) -> None:
    """Take as many file descriptors as this process may have: the usual 1024 are spent long before `limits.connections` counts."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # a system may promise more than it gives
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        allowed = most
    needed = clients + upstreams + 64
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        _log.warning(
            "limits.connections: %d clients and %d connections to upstreams need %d file descriptors, and this process may have %d",
            clients,
            upstreams,
            needed,
            allowed,
        )


def _unix(path: str, setting: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    reason = ""
    try:
        if _is_abandoned(path):
            os.unlink(path)
        mask = os.umask(0o117)
        try:
            listener.bind(path)
        finally:
            os.umask(mask)
        listener.listen(2048)
        return listener
    except OSError as error:
        listener.close()
        reason = _told(error)
    raise ConfigurationError("proxy", [f"{setting}: unix:{path} cannot be used ({reason}); name another path, or free this one"])


def _told(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


def _is_abandoned(path: str) -> bool:
    """Whether there is a socket at `path` that refuses connections. Anything else that is there stays."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return False
    except OSError:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


_log = logging.getLogger("cognito_guard.gateway")
