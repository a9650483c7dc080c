"""What our server answers by itself, before any application is asked: problem documents, made once (RFC 9457).

Decides the wording, and not when one is due.
"""

from __future__ import annotations

from cognito_guard.web.problem import Challenge, problem


def _bad(code: str, text: str) -> Challenge:
    return problem(400, "invalid_request", code, text)


BAD_REQUEST_LINE = _bad("request_line_refused", "the request line is not a method, a target and a version of HTTP/1")
BAD_TARGET = _bad("target_refused", "the target must be a path in visible ASCII, with or without a query, and without '#'")
BAD_LINE_END = _bad("line_end_refused", "a line of the head does not end in CR LF")
BAD_FIELD = _bad("field_refused", "a header field is malformed")
BAD_HOST = _bad("host_refused", "send exactly one Host field, with a host name or address, and a port where there is one")
BAD_FRAMING = _bad("framing_refused", "the length of the body can be read in two ways, or in none")
BAD_CHUNK = _bad("chunk_refused", "the chunked body is malformed, or holds what this gateway does not take in one")
BAD_WEBSOCKET = _bad("websocket_refused", "the opening handshake of the websocket is malformed")
WEBSOCKET_VERSION = problem(
    426,
    "invalid_request",
    "websocket_version",
    "this gateway speaks version 13 of the websocket protocol",
    (b"sec-websocket-version", b"13"),
    (b"upgrade", b"websocket"),
)
UNMET_EXPECTATION = problem(417, "invalid_request", "expectation_refused", "the only expectation is 100-continue, and once")
UNSUPPORTED_METHOD = problem(501, "invalid_request", "method_refused", "this gateway does not serve this method")
METHOD_NOT_ASKED_ABOUT = problem(
    405,
    "invalid_request",
    "method_refused",
    "this gateway does not serve this method",
    (b"allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
)
UNSUPPORTED_VERSION = problem(505, "invalid_request", "version_refused", "this gateway speaks HTTP/1.1 and HTTP/1.0")
TOO_MANY_FIELDS = problem(431, "invalid_request", "fields_too_many", "the request has too many header fields")
TOO_SLOW = problem(408, "invalid_request", "request_timeout", "the request did not arrive in time")
TOO_LARGE = problem(413, "invalid_request", "body_too_large", "the body is larger than this gateway takes")
TARGET_TOO_LONG = problem(414, "invalid_request", "target_too_long", "the request line is longer than this gateway takes")
HEAD_TOO_LARGE = problem(431, "invalid_request", "head_too_large", "the header fields are larger than this gateway takes")
FULL = problem(
    503, "temporarily_unavailable", "connections_full", "too many connections are open; try again", (b"retry-after", b"1")
)
FAILED = problem(500, "server_error", "gateway_failed", "the request could not be served")
