"""Sockets to listen on, and how a mistake in an address is told."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.listening import address_of, bound


def test_addresses() -> None:
    """A name or an address and a port; IPv6 in brackets; no host is every interface."""
    assert address_of("127.0.0.1:8080") == ("127.0.0.1", 8080)
    assert address_of("[::1]:0") == ("::1", 0)
    assert address_of(":80") == ("0.0.0.0", 80)
    with pytest.raises(ConfigurationError):
        address_of("nonsense")


def test_a_port_that_is_taken_is_told_under_its_setting() -> None:
    """With the address and the reason, and nothing is left open."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigurationError) as told:
            bound(address, "server.bind")
    assert told.value.problems == (
        f"server.bind: {address} cannot be used (Address already in use); name another address, or free this one",
    )


def test_a_unix_socket_is_for_owner_and_group(tmp_path: Path) -> None:
    """0660, whatever the umask."""
    path = tmp_path / "guard.sock"
    with bound(f"unix:{path}", "server.bind"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_an_abandoned_unix_socket_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    """What a crashed process left makes way; a socket in use, and a file, stay."""
    path = tmp_path / "guard.sock"
    bound(f"unix:{path}", "server.bind").close()
    with bound(f"unix:{path}", "server.bind"), pytest.raises(ConfigurationError, match="already in use"):
        bound(f"unix:{path}", "server.bind")
    file = tmp_path / "file"
    file.write_text("precious")
    with pytest.raises(ConfigurationError):
        bound(f"unix:{file}", "server.bind")
    assert file.read_text() == "precious"
    with pytest.raises(ConfigurationError):
        bound(f"unix:{tmp_path}/{'x' * 200}", "server.bind")
    assert sorted(os.listdir(tmp_path)) == ["file", "guard.sock"]
