"""The codes of errors and challenges: what is wrong with a token, with the credentials, or with what their holder may do. Wording only."""

from __future__ import annotations

from cognito_guard.errors import REJECTIONS
from cognito_guard.reasons.reason import Reason

# of a rejection: why, and what to do; its meaning is the text that the error carries
_REJECTED: dict[str, tuple[str, str]] = {
    "token_too_large": (
        "Cognito's own tokens stay below 20 kB even with 100 groups and custom claims; something else was sent.",
        (
            "Send the access token itself. If a pre-token-generation trigger really adds that much, raise max_token_size, and the limit of "
            "every proxy on the way."
        ),
    ),
    "not_a_jwt": (
        (
            "The value was cut off or decorated (quotation marks, a line break, padding), or it is an authorization code, an API key or an "
            "AWS credential."
        ),
        "Send the access_token member of the token endpoint's answer, or AuthenticationResult.AccessToken, exactly as it was received.",
    ),
    "encrypted_token": (
        "Cognito's refresh tokens are encrypted and are for Cognito alone.",
        "Exchange the refresh token at /oauth2/token (or by GetTokensFromRefreshToken), and send the access token that comes back.",
    ),
    "header_malformed": (
        "Cognito always writes a plain JSON object. A token that was edited, or put together by hand, need not have one.",
        "Sign in again, and look for what changes the token on its way.",
    ),
    "header_parameter_refused": (
        "Cognito never sends crit, b64, zip, enc or cty; a verifier that overlooked them could be misled.",
        "The token is not Cognito's. Find out who issued it.",
    ),
    "algorithm_refused": (
        (
            "User pools sign with RS256 and nothing else. 'none' and HS256 are what forged tokens try; load balancers use ES256 for the "
            "tokens that they add."
        ),
        "Send the user pool's own access or ID token.",
    ),
    "kid_refused": (
        "Every token of Cognito names its key; without a kid nobody can tell which key is meant.",
        "The token is not Cognito's, or was edited. Sign in again.",
    ),
    "payload_malformed": (
        "Cognito writes strict JSON. Duplicate names or broken text come from a token that was put together by hand.",
        "Sign in again, and look for what changes the token on its way.",
    ),
    "issuer_unknown": (
        (
            "The token is from another user pool, another region or an identity pool. A pool has two issuer forms, and both are accepted; "
            "but an issuer whose keys answer 403 or 404 is unknown as well, as with a pool id that does not exist."
        ),
        "Compare the token's iss claim with the pool that is configured here. For several pools name several.",
    ),
    "key_unknown": (
        (
            "Pools keep two keys, one for ID tokens and one for access tokens, and seldom change them. A foreign token that borrows your "
            "issuer's name has a kid of its own; an emulator makes new keys at each start."
        ),
        "Sign in again. If it stays, compare the token's kid with the pool's jwks.json; bundled keys (jwks=) may be out of date.",
    ),
    "key_refused": (
        (
            "Cognito publishes one RSA key of 2048 bits under each kid. Two different keys under one kid, or a key for another algorithm, "
            "cannot be trusted."
        ),
        "Look at the JWK Set that is used here, above all where jwks= or a proxy of your own stands in between.",
    ),
    "signature_invalid": (
        "Header or claims were changed after Cognito signed them, the signature was cut, or the token was signed by somebody else.",
        "Sign in again. If it stays, the token is altered on its way, or forged.",
    ),
    "type_refused": (
        "Cognito's access tokens have no typ, or JWT; anything else marks a token made for another purpose.",
        "Send the user pool's own access or ID token.",
    ),
    "token_use_refused": (
        "Mostly an ID token was sent where an access token is asked for: SDKs return both, side by side.",
        "Send the access token to APIs. If this application is meant to take ID tokens, add pool.id_tokens(client=...).",
    ),
    "client_refused": (
        "Every app client of a pool gets tokens signed by the same keys. This one was issued to an app client that is not listed here.",
        "If that client may call this application, add its id; access tokens name it as client_id, ID tokens as aud.",
    ),
    "resource_refused": (
        (
            "The client did not ask for this resource (resource= at the authorize endpoint, RFC 8707), so Cognito bound the token to "
            "another one, or to none."
        ),
        "Ask for the token with resource= set to this application's identifier; that needs managed login and a matching resource server.",
    ),
    "claim_missing": (
        (
            "Every token of Cognito carries these claims; the one named in brackets is missing. Other issuers, and triggers that suppress "
            "claims, leave them out."
        ),
        "Check who issued the token, and what a pre-token-generation trigger removes.",
    ),
    "claim_invalid": (
        "The claim named in brackets has a type or value that Cognito never gives it, such as a date in milliseconds.",
        "Check who issued the token, and what a pre-token-generation trigger writes.",
    ),
    "expired": (
        "Access and ID tokens live for an hour unless the app client says otherwise (5 minutes to a day).",
        "Refresh the token before it expires. If the token is new, the clock here is ahead: cognito-guard doctor compares it.",
    ),
    "not_yet_valid": (
        "Cognito sets no nbf of its own; a trigger may. Otherwise the clock here is behind.",
        "Check the clock, or give a leeway of a few seconds.",
    ),
    "issued_in_future": (
        "The token's iat lies more than a minute ahead: the clock here is behind.",
        "Synchronise the clock (chrony, or the hypervisor's); cognito-guard doctor compares it with AWS.",
    ),
    "revoked": (
        "The user signed out everywhere, was disabled, or the token was put on your deny list.",
        "Sign in again. Cognito itself does not tell verifiers of this: the hook is_revoked of this application does.",
    ),
}

TOKEN_REASONS: dict[str, Reason] = {
    **{code: Reason(f"{text[0].upper()}{text[1:]}.", *_REJECTED[code]) for code, text in REJECTIONS.items()},
    "keys_unavailable": Reason(
        "The issuer's keys cannot be fetched, and none that are held may still be trusted.",
        "The network, DNS, a proxy or a firewall keeps this machine from cognito-idp.<region>.amazonaws.com; rarely AWS itself fails.",
        "Let cognito-guard doctor look. Tokens are judged again by themselves once the keys can be had; snapshots or bundled keys bridge "
        "restarts.",
    ),
    "revocation_unavailable": Reason(
        "Your revocation hook raised or answered with no truth value, so nobody knows whether the token still counts.",
        "The store behind the hook cannot be reached.",
        "Mend the store; the exception of the hook is the cause of the error. Nothing passes meanwhile.",
    ),
    "resolve_unavailable": Reason(
        "Your resolve hook raised, so nobody knows whether the token's issuer is one of your tenants.",
        "The list of tenants cannot be reached.",
        "Mend it; the exception of the hook is the cause of the error. Nothing passes meanwhile.",
    ),
    "credentials_missing": Reason(
        "The request carries no Bearer token.",
        "Nobody signed in, the client forgot the field, or a proxy on the way removed it. A cookie counts for changes only from this "
        "very origin.",
        "Send 'Authorization: Bearer' and the access token.",
    ),
    "credentials_ambiguous": Reason(
        "The request carries more than one credential, so that two readers could take different ones.",
        "A proxy added a second Authorization field instead of replacing the first, or a cookie stands twice.",
        "Send one credential, and once.",
    ),
    "credentials_malformed": Reason(
        "What follows 'Bearer' is not one token.",
        "The token is missing, quoted, or broken over lines; or two values were joined by a comma.",
        "Send 'Authorization: Bearer', one space, and the token as it was received.",
    ),
    "insufficient_scope": Reason(
        "The token is good, but its holder lacks a scope, a group or another right that the route asks for.",
        "Custom scopes appear only in access tokens from managed login or client credentials, never from SDK sign-in (USER_SRP_AUTH, "
        "USER_PASSWORD_AUTH). Groups appear in tokens issued after the user joined.",
        "Ask for the scope at the authorize endpoint, allow it for the app client, or add the user to the group; then get a new token.",
    ),
    "insufficient_user_authentication": Reason(
        "The token is good, but the sign-in behind it is too weak or too long ago for the route (RFC 9470).",
        "A refreshed token keeps the time and the strength of the first sign-in.",
        "Sign in anew, with acr_values or max_age as the challenge names them.",
    ),
    "target_ambiguous": Reason(
        "The path of the request can be read in two ways, and the routes would treat them differently.",
        "It holds '//', a dot segment, an encoded slash, a backslash, ';' or a double encoding: what attacks on gateways look like, and "
        "now and then a careless client.",
        "Send the plain path. Where an application needs encoded slashes, the route says accepts=EncodedSlash.",
    ),
}
