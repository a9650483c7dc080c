"""Envoy's ext_authz messages as octets, read and written (envoy.service.auth.v3, by the numbers in `ext_authz.proto`).

Decides how an answer stands on the wire, and that no answer is one which Envoy could not read. Knows no request and no front.
The message classes live in a descriptor pool of their own, whatever protobuf version and whatever else the process has loaded.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Iterable
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto  # type: ignore[import-untyped]
from google.protobuf.descriptor_pool import DescriptorPool  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.protobuf.message_factory import GetMessageClass  # type: ignore[import-untyped]

from cognito_guard.gateway.ext_authz.descriptor import DESCRIPTOR
from cognito_guard.web.problem import Challenge
from cognito_guard.web.request import HeaderPair


class Asked:
    """What a CheckRequest tells of an HTTP request, as octets. `path` holds the query.

    `raw` is True where Envoy sent `header_map` (`encode_raw_headers`): every field by itself, as the client sent it. Otherwise fields of
    one name are joined by commas, and what is not UTF-8 has become `!`, in the other members too. Pseudo-fields such as `:path` are among
    the fields.
    """

    __slots__ = ("method", "path", "host", "fields", "raw")

    def __init__(self, method: bytes, path: bytes, host: bytes, fields: list[HeaderPair], *, raw: bool) -> None:
        self.method = method
        self.path = path
        self.host = host
        self.fields = fields
        self.raw = raw


def read_check(octets: bytes) -> Asked | None:
    """What is asked; None for octets that are no CheckRequest, and for one about something other than an HTTP request. Never raises."""
    try:
        http = _CheckRequest.FromString(octets).attributes.request.http
    except DecodeError:
        return None
    method = http.method
    if not method:
        return None
    fields = http.header_map.headers
    if fields:
        # raw_value is what Envoy fills; value is for those who speak the protocol otherwise
        pairs = [(field.key, field.raw_value or field.value) for field in fields]
        return Asked(method, http.path, http.host, pairs, raw=True)
    return Asked(method, http.path, http.host, [(field.key, field.value) for field in http.headers], raw=False)


def allowed(overwritten: Iterable[HeaderPair], removed: Iterable[bytes] = ()) -> bytes:
    """A CheckResponse that lets the request through. Each pair replaces every field of its name, and an empty value stays.

    Raises `ValueError`, which tells the field's name, for a value with control characters or one that is not UTF-8: Envoy could not read it.
    """
    fields = [*overwritten]
    for name, value in fields:
        if not _is_text(value):
            raise ValueError(f"the value of {name.decode('latin-1')} cannot be sent")
    made = _CheckResponse(ok_response={"headers": map(_overwritten, fields), "headers_to_remove": removed})
    return _octets(made, _GRPC_OK)


def denied(answer: Challenge) -> bytes:
    """A CheckResponse with an answer in the application's place. A header or a body that Envoy could not read is left out."""
    pairs = [pair for pair in answer.headers if pair[0] != b"content-length" and _is_text(pair[1])]
    try:
        answer.body.decode()
    except UnicodeDecodeError:
        body = b""
    else:
        body = answer.body
    refused = {"status": {"code": answer.status}, "headers": map(_overwritten, pairs), "body": body}
    return _octets(_CheckResponse(denied_response=refused), _GRPC_PERMISSION_DENIED)


def _overwritten(pair: HeaderPair) -> dict[str, Any]:
    # `append` is what older Envoys know, `append_action` newer ones; without both, some append to what the client sent
    return {"header": {"key": pair[0], "value": pair[1]}, "append": {"value": False}, "append_action": _OVERWRITE_OR_ADD}


def _octets(response: Any, code: int) -> bytes:
    response.status.code = code
    octets: bytes = response.SerializeToString()
    return octets


def _is_text(value: bytes) -> bool:
    if value.isascii():
        return value.translate(None, _CONTROL) == value
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return value.translate(None, _CONTROL) == value


def _message(pool: DescriptorPool, name: str) -> Any:
    return GetMessageClass(pool.FindMessageTypeByName(f"cognito_guard.ext_authz.{name}"))


_pool = DescriptorPool()
_pool.Add(FileDescriptorProto.FromString(a2b_base64(DESCRIPTOR)))
_CheckRequest = _message(_pool, "CheckRequest")
_CheckResponse = _message(_pool, "CheckResponse")
_CONTROL: Final = bytes([*range(0x20), 0x7F])
_OVERWRITE_OR_ADD: Final = 2
_GRPC_OK: Final = 0
_GRPC_PERMISSION_DENIED: Final = 7
