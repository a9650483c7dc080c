"""Header fields between client and upstream: what passes, what is dropped, what is ours to write. Pure: time and entropy are arguments."""

from cognito_guard.gateway.rewriting.assertion import Assertion
from cognito_guard.gateway.rewriting.cookies import OwnCookies
from cognito_guard.gateway.rewriting.folding import Managed, folded, trimmed_fold
from cognito_guard.gateway.rewriting.forwarded import Forwarding, Peers, client_address
from cognito_guard.gateway.rewriting.identity import DEFAULT_IDENTITY, ClaimHeader, IdentityHeaders, NotSendable, header_problem
from cognito_guard.gateway.rewriting.upstream_head import Authorization, Rewriting

__all__ = [
    "Assertion",
    "Authorization",
    "ClaimHeader",
    "DEFAULT_IDENTITY",
    "Forwarding",
    "IdentityHeaders",
    "Managed",
    "NotSendable",
    "OwnCookies",
    "Peers",
    "Rewriting",
    "client_address",
    "folded",
    "header_problem",
    "trimmed_fold",
]
