"""The messages as octets: compatible with Envoy's by number and type, and never an answer that Envoy could not read."""

from __future__ import annotations

import subprocess
import sys
from binascii import a2b_base64
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from hypothesis import given
from hypothesis import strategies as st

import cognito_guard.gateway.ext_authz as package
from cognito_guard.gateway.ext_authz.descriptor import DESCRIPTOR
from cognito_guard.gateway.ext_authz.messages import allowed, denied, read_check
from cognito_guard.web.problem import Challenge, problem


def test_the_descriptor_is_what_the_proto_compiles_to(tmp_path: Path) -> None:
    """`ext_authz.proto` compiled again with grpcio-tools gives the checked-in descriptor."""
    source = Path(package.__file__).parent
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{source}",
        f"--descriptor_set_out={tmp_path / 'set'}",
        "ext_authz.proto",
    ]
    subprocess.run(command, check=True, timeout=60)
    (compiled,) = FileDescriptorSet.FromString((tmp_path / "set").read_bytes()).file
    assert FileDescriptorProto.FromString(a2b_base64(DESCRIPTOR)) == compiled


def field(number: int, content: bytes | int) -> bytes:
    """One field of a protobuf message, encoded by hand: length-delimited, or a varint."""
    if isinstance(content, int):
        return bytes([number << 3]) + varint(content)
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(value: int) -> bytes:
    octets = b""
    while value > 127:
        octets += bytes([value & 127 | 128])
        value >>= 7
    return octets + bytes([value])


def check(http: bytes) -> bytes:
    """CheckRequest.attributes (1).request (4).http (2), with a source peer (1) and extensions (10) beside it, as Envoy sends them."""
    others = field(1, field(1, field(1, field(2, b"127.0.0.1")))) + field(10, field(1, b"k") + field(2, b"v"))
    return field(1, others + field(4, field(1, field(1, 1700000000)) + field(2, http)))


BASE = field(1, b"id-1") + field(2, b"GET") + field(4, b"/a?b") + field(5, b"h") + field(7, b"http") + field(10, b"HTTP/1.1")


def test_a_map_of_headers_is_read() -> None:
    """`headers` (3) is a protobuf map: repeated entries of key (1) and value (2); unknown members are passed over."""
    asked = read_check(check(BASE + field(3, field(1, b"cookie") + field(2, b"a=1,b=2")) + field(3, field(1, b"empty"))))
    assert asked is not None
    assert (asked.method, asked.path, asked.host, asked.raw) == (b"GET", b"/a?b", b"h", False)
    assert asked.fields == [(b"cookie", b"a=1,b=2"), (b"empty", b"")]


def test_raw_headers_are_read() -> None:
    """`header_map` (13) holds a list (1) of key (1), value (2), raw_value (3); octets that are not UTF-8 included, and in order."""
    pairs = [field(1, b"cookie") + field(3, b"a=1"), field(1, b"cookie") + field(3, b"\xff"), field(1, b"x") + field(2, b"text")]
    asked = read_check(check(BASE + field(13, b"".join(field(1, pair) for pair in pairs))))
    assert asked is not None
    assert asked.raw
    assert asked.fields == [(b"cookie", b"a=1"), (b"cookie", b"\xff"), (b"x", b"text")]


@pytest.mark.parametrize("octets", [b"", b"\xff", b"\x0a\xff", check(b""), check(field(4, b"/a")), field(1, b"")])
def test_what_is_no_question_about_http(octets: bytes) -> None:
    """Nothing, garbage, a cut message, a TCP check: None, for a denial."""
    assert read_check(octets) is None


@given(st.binary(max_size=200))
def test_any_octets_in(octets: bytes) -> None:
    """A value or None, whatever is sent."""
    read_check(octets)
    read_check(check(BASE + octets))


def test_an_allowing_answer_on_the_wire() -> None:
    """status (1).code (1) 0; ok_response (3): headers (2), each with append (2) false and append_action (3) OVERWRITE; to remove (5)."""
    header = field(1, field(1, b"x-a") + field(2, b"v")) + field(2, b"") + field(3, 2)
    empty = field(1, field(1, b"x-b")) + field(2, b"") + field(3, 2)
    expected = field(1, b"") + field(3, field(2, header) + field(2, empty) + field(5, b"x.a") + field(5, b"x.b"))
    assert allowed([(b"x-a", b"v"), (b"x-b", b"")], [b"x.a", b"x.b"]) == expected


def test_a_denying_answer_on_the_wire() -> None:
    """status (1).code (1) PERMISSION_DENIED; denied_response (2): status (1).code (1), headers (2) without Content-Length, body (3)."""
    answer = problem(403, "forbidden", "c", "t")
    pairs = [
        field(1, field(1, name) + field(2, value)) + field(2, b"") + field(3, 2)
        for name, value in answer.headers
        if name != b"content-length"
    ]
    inner = field(1, field(1, 403)) + b"".join(field(2, pair) for pair in pairs) + field(3, answer.body)
    assert denied(answer) == field(1, field(1, 7)) + field(2, inner)


@pytest.mark.parametrize("value", [b"a\r\nb", b"a\nb", b"\x00", b"\x7f", b"\xff", b"a\xe9", b"\xc3\xa9\n"])
def test_a_value_that_envoy_could_not_read_is_never_sent(value: bytes) -> None:
    """T2, T20: Envoy's `string` must be UTF-8, and a broken answer would be an error of the call. The error does not tell the value."""
    with pytest.raises(ValueError, match=r"^the value of x-a cannot be sent$"):
        allowed([(b"x-a", value)])
    assert value not in denied(Challenge(401, "c", ((b"x-a", value),), b""))


def test_utf_8_is_sent_and_a_body_that_is_none_is_not() -> None:
    """An error page may hold any octets."""
    assert "é".encode() in allowed([(b"x-a", "é".encode())])
    assert b"\xff" not in denied(Challenge(401, "c", (), b"<p>\xff</p>"))
    assert "é".encode() in denied(Challenge(401, "c", (), "é".encode()))
