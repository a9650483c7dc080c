"""Managed login: whether its domain answers, and whether an app client may use the code grant with PKCE and a redirect URI.

Decides what the authorize endpoint's answers mean (Amazon Cognito developer guide, "The redirect and authorization endpoint";
RFC 6749 section 4.1.2.1). Follows no redirect, and signs nobody in.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from cognito_guard.doctor.finding import Finding
from cognito_guard.doctor.network import Answer, Network, NoAnswer, advice_for


def domain_finding(domain: str, network: Network) -> Finding:
    """Whether managed login answers at all: a bare request to its authorize endpoint, which it refuses politely."""
    answer = network.get(f"{domain}/oauth2/authorize")
    if isinstance(answer, NoAnswer):
        return Finding("domain", "failed", f"{domain}: {answer}", advice_for(answer))
    if answer.status == 404 or answer.status >= 500:
        return Finding(
            "domain",
            "failed",
            f"{domain}: /oauth2/authorize answered {answer.status}",
            "Check the domain's spelling under App integration > Domain; one that was made just now takes some minutes",
        )
    return Finding("domain", "ok", f"{domain}: it answers")


def client_finding(domain: str, client: str, redirect_uri: str, network: Network, *, challenge: str, state: str) -> Finding:
    """Whether a browser that is sent to managed login by `client` gets to a login page.

    `challenge` is an S256 code challenge, `state` any string; both are made for this one question and used for nothing else. That the
    client has a secret, which a browser cannot keep, does not show here.
    """
    asked = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    url = f"{domain}/oauth2/authorize?{urlencode(asked)}"
    answer = network.get(url)
    who = f"app client {client}"
    if isinstance(answer, NoAnswer):
        return Finding("app client", "failed", f"{who}: {answer}", advice_for(answer))
    if answer.status == 200:
        return Finding("app client", "ok", f"{who}: the code grant with PKCE is let in, to a login page")
    if answer.status not in (301, 302, 303, 307, 308):
        return Finding(
            "app client", "failed", f"{who}: the authorize endpoint answered {answer.status}", _advice("", client, redirect_uri)
        )
    return _redirected(url, answer, who, client, redirect_uri)


def _redirected(url: str, answer: Answer, who: str, client: str, redirect_uri: str) -> Finding:
    location = answer.field("location")
    try:
        parts = urlsplit(urljoin(url, location) if location else "")
    except ValueError:
        parts = urlsplit("")
    parameters = {**parse_qs(parts.fragment), **parse_qs(parts.query)}
    error = _shown(parameters.get("error", [""])[0])
    is_here = (parts.scheme, parts.netloc) == urlsplit(url)[:2]
    if error or (is_here and parts.path.endswith("/error")):
        described = _shown(parameters.get("error_description", [""])[0])
        told = f"{who}: managed login refuses: {error or 'it shows its error page'}" + (f" ({described})" if described else "")
        return Finding("app client", "failed", told, _advice(error, client, redirect_uri))
    if not parts.scheme:
        return Finding("app client", "failed", f"{who}: a redirect to nowhere", _advice("", client, redirect_uri))
    where = "to the login page" if is_here else f"straight to the identity provider at {_shown(parts.netloc)}"
    return Finding("app client", "ok", f"{who}: the code grant with PKCE is let in, {where}")


def _advice(error: str, client: str, redirect_uri: str) -> str:
    settings = f"App clients > {client} > Login pages > Edit"
    match error:
        case "redirect_mismatch":
            return f"Put {redirect_uri} among the allowed callback URLs, letter by letter, with port and final slash ({settings})"
        case "unauthorized_client":
            return (
                f"Switch the authorization code grant on ({settings} > OAuth 2.0 grant types; AllowedOAuthFlows=code and "
                "AllowedOAuthFlowsUserPoolClient=true)"
            )
        case "invalid_scope":
            return f"Allow the client at least one scope, such as openid ({settings} > OpenID Connect scopes; AllowedOAuthScopes)"
        case "server_error" | "temporarily_unavailable":
            return "Try again; if it stays, look at AWS's health page, and at the Lambda triggers of the pool"
        case "login_required" | "access_denied":
            return f"Managed login asks for nothing like that by itself; look at what stands between, and at {settings}"
    return (
        f"Check that {client} is an app client of the pool that this domain belongs to, that {redirect_uri} is one of its callback URLs, "
        f"that the authorization code grant is on, and that it has an identity provider ({settings})"
    )


def _shown(text: str) -> str:
    """What somebody else's server says, fit for a terminal and short."""
    return re.sub(r"[^\x20-\x7e]+", " ", text)[:120].strip()
