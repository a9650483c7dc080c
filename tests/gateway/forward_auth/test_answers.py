"""How each kind of proxy is answered (THREATS section 6.2)."""

from __future__ import annotations

from typing import Any

import pytest

from cognito_guard.errors import REJECTIONS, CredentialsRefused, TokenRejected, Unavailable
from cognito_guard.gateway.forward_auth.answers import Answers
from cognito_guard.gateway.forward_auth.kinds import KIND_NAMES
from cognito_guard.web.challenge import challenge
from cognito_guard.web.paths import TwoFaced
from cognito_guard.web.problem import PHRASES, problem


def identity(principal: Any) -> list[tuple[bytes, bytes]]:
    return [(b"x-cognito-subject", b"" if principal is None else b"jane"), (b"x-cognito-groups", b"")]


NOBODY: Any = None
JANE: Any = object()
REFUSALS = {
    400: challenge(CredentialsRefused("credentials_ambiguous", "twice"), realm="api"),
    401: challenge(TokenRejected("expired", REJECTIONS["expired"]), realm="api"),
    403: problem(403, "insufficient_scope", "insufficient_scope", "text", (b"www-authenticate", b'Bearer realm="api"')),
    503: challenge(Unavailable("keys_unavailable", "text", retry_after=3), realm="api"),
}


@pytest.mark.parametrize("name", KIND_NAMES)
def test_every_managed_header_is_there(name: Any) -> None:
    """T2: empty where there is nothing to say, so that whoever sets what it finds overwrites what a client sent."""
    for principal, subject in ((NOBODY, b""), (JANE, b"jane")):
        pairs = Answers(name, identity).allow(principal, ())
        assert [pair for pair in pairs if pair[0].startswith(b"x-cognito-")] == [
            (b"x-cognito-subject", subject),
            (b"x-cognito-groups", b""),
        ]
        assert (b"cache-control", b"no-store") in pairs
        assert (b"content-length", b"0") in pairs


def test_envoy_is_told_what_to_remove() -> None:
    """T1: the usual aliases always, since Envoy shows only what it is told to; the seen ones each once; never a field of ours."""
    removal = dict(Answers("envoy", identity).allow(JANE, (b"x_forwarded_uri", b"x_cognito_subject")))[
        b"x-envoy-auth-headers-to-remove"
    ]
    usual = b"x_cognito_subject,x.cognito.subject,x_cognito_groups,x.cognito.groups"
    assert removal == usual + b",x_forwarded_uri"
    assert dict(Answers("envoy", identity).allow(NOBODY, ()))[b"x-envoy-auth-headers-to-remove"] == usual
    assert b"x-envoy-auth-headers-to-remove" not in dict(Answers("envoy", lambda _: []).allow(NOBODY, ()))


@pytest.mark.parametrize("name", ["nginx", "traefik", "caddy"])
def test_only_envoy_is_told(name: Any) -> None:
    """The others have no such word, and would hand it on."""
    assert b"x-envoy-auth-headers-to-remove" not in dict(Answers(name, identity).allow(JANE, (b"x_forwarded_uri",)))


def test_what_is_appended_is_not_in_the_shared_list() -> None:
    """`identity` may hand out one list for ever."""
    shared = [(b"x-cognito-subject", b"jane")]
    answers = Answers("envoy", lambda _: shared)
    assert answers.allow(JANE, ()) == answers.allow(JANE, ())
    assert shared == [(b"x-cognito-subject", b"jane")]


@pytest.mark.parametrize("name", ["traefik", "caddy", "envoy"])
@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_as_it_is(name: Any, status: int) -> None:
    """These three hand status, fields and body on; Envoy's 503 is ours, and no client's fault."""
    assert Answers(name, identity).deny(REFUSALS[status]) is REFUSALS[status]


@pytest.mark.parametrize(("status", "heard"), [(400, 401), (401, 401), (403, 403), (503, 503)])
def test_a_refusal_for_nginx(status: int, heard: int) -> None:
    """401 and 403 are what nginx can hand on: 400 becomes 401 with its challenge, and 503 stays an error, never a 401."""
    answer = Answers("nginx", identity).deny(REFUSALS[status])
    assert (answer.status, answer.code) == (heard, REFUSALS[status].code)
    assert dict(answer.headers).get(b"www-authenticate") == dict(REFUSALS[status].headers).get(b"www-authenticate")
    assert dict(answer.headers)[b"content-length"] == b"%d" % len(answer.body)
    assert bool(answer.body) == (status == heard)


def test_every_status_for_nginx() -> None:
    """Whatever the status, nginx hears 401, 403 or a 5xx, and never a success."""
    for status in PHRASES:
        assert Answers("nginx", identity).deny(problem(status, "e", "c", "t")).status in (
            {401, 403} if status < 500 else {status}
        )


@pytest.mark.parametrize("name", KIND_NAMES)
def test_no_refusal_is_an_allow(name: Any) -> None:
    """RFC 9728's document is an answer with status 200 or 204, which a proxy would take for "let it pass"."""
    for status in (200, 204, 302):
        answer = Answers(name, identity).deny(problem_like(status))
        assert (answer.status, answer.code) == (403, "metadata_elsewhere")


def problem_like(status: int) -> Any:
    made = problem(400, "e", "c", "t")
    return type(made)(status, "document", ((b"x-cognito-subject", b"forged"),), b"{}")


def test_two_readings_have_no_challenge() -> None:
    """A target with two readings is 401 to nginx, without a challenge: no credentials would help."""
    answer = Answers("nginx", identity).deny(challenge(TwoFaced("/", "a backslash"), realm="api"))
    assert answer.status == 401
    assert b"www-authenticate" not in dict(answer.headers)
