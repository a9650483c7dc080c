"""The corpus: good tokens, and families of mutations of them, seeded so that a failure comes again. Knows no verifier."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cognito_guard import UserPool

POOL, CLIENT, KID = "eu-west-1_AbC123xyz", "3n4b5urk1ft4fl3mg5e62d9ado", "k+/="
ISSUERS = [issuer.url for issuer in UserPool(POOL).issuers]
NOW = 1_795_000_000  # seconds; every judge is told that it is now
HEADER = {"kid": KID, "alg": "RS256"}
ACCESS: dict[str, Any] = {
    "sub": "jane", "cognito:groups": ["staff"], "iss": ISSUERS[0], "version": 2, "client_id": CLIENT, "origin_jti": "o", "event_id": "e", "token_use": "access",
    "scope": "openid orders/read", "auth_time": NOW - 100, "exp": NOW + 3600, "iat": NOW - 100, "jti": "j", "username": "jane",
}  # fmt: skip
ID: dict[str, Any] = {
    "sub": "jane", "iss": ISSUERS[1], "aud": CLIENT, "token_use": "id", "exp": NOW + 3600, "iat": NOW - 100, "cognito:username": "jane", "email_verified": True,
    "cognito:groups": ["staff"], "jti": "j", "auth_time": NOW - 100,
}  # fmt: skip
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


# --- tokens


@cache
def private(at: int = 0) -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@cache
def jwks() -> dict[str, Any]:
    modulus = private().public_key().public_numbers().n.to_bytes(256, "big")
    return {"keys": [{"kty": "RSA", "kid": KID, "use": "sig", "alg": "RS256", "e": "AQAB", "n": segment(modulus)}]}


def segment(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def text(document: object) -> bytes:
    """JSON as Cognito spells it; octets as they are."""
    if isinstance(document, bytes):
        return document
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).replace("/", "\\/").encode("utf-8", "surrogatepass")


def sign_rs256(signing_input: bytes) -> bytes:
    return private().sign(signing_input, PKCS1v15(), hashes.SHA256())


def token(header: object, payload: object, sign: Callable[[bytes], bytes] = sign_rs256) -> str:
    signing_input = (
        f"{segment(json.dumps(header).encode() if isinstance(header, dict) else text(header))}.{segment(text(payload))}"
    )
    return f"{signing_input}.{segment(sign(signing_input.encode()))}"


# --- mutations, in families; each is seeded, so that a failure comes again


VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1.5,
    "",
    "x",
    " ",
    "\u00e9",
    [],
    ["x"],
    {},
    {"x": 1},
    [None],
    2**64,
    1e300,
    NOW,
    str(NOW),
    CLIENT,
    "access",
    "id",
    [CLIENT],
]


def good() -> Iterator[str]:
    """Tokens as Cognito mints them, and in JSON's other spellings."""
    machine = {
        name: ACCESS[name] for name in ("iss", "version", "client_id", "token_use", "scope", "auth_time", "exp", "iat", "jti")
    }
    for claims in (
        ACCESS,
        ID,
        machine,
        {**machine, "sub": CLIENT},
        {**ACCESS, "iss": ISSUERS[1]},
        {**ACCESS, "aud": "https://api"},
        {**ACCESS, "aud": ["https://api", "b"]},
    ):
        for payload in (
            text(claims),
            json.dumps(claims).encode(),
            json.dumps(claims, indent=1).encode(),
            json.dumps({**claims, "name": "J\u00e9 😀"}).encode(),
        ):
            yield token(HEADER, payload)
    for typ in ("JWT", "jwt", "application/JWT"):
        yield token({**HEADER, "typ": typ}, ACCESS)
    yield token({**HEADER, "typ": "at+jwt"}, ACCESS)
    yield token({**HEADER, "unknown": [1], "jku": "https://evil.example", "jwk": jwks()["keys"][0]}, ACCESS)
    yield token(HEADER, {**ACCESS, "iat": NOW + 30})
    yield token(HEADER, {**ACCESS, "exp": NOW + 3600.5, "iat": NOW - 0.5, "nbf": NOW - 1})


def encodings() -> Iterator[str]:
    """Characters changed, added and taken away in good compact forms."""
    chance = random.Random("encodings")
    for original in (token(HEADER, ACCESS), token(HEADER, {**ID, "pad": "x"}), token({**HEADER, "x": 1}, {**ACCESS, "p": ""})):
        parts = original.split(".")
        for at in range(3):
            for change in (
                lambda part: part + "=", lambda part: part + "==", lambda part: part + "=" * (-len(part) % 4), lambda part: part + "\n", lambda part: "\n" + part,
                lambda part: part[:9] + " " + part[9:], lambda part: part[:-1], lambda part: part + "A", lambda part: part + "AA", lambda part: "", lambda part: part * 2,
                lambda part: part + "\u00e9", lambda part: part + "\x00", lambda part: part.replace("-", "+").replace("_", "/") + "/", lambda part: part + ",", lambda part: part[:8] + "%3D",
                lambda part: part.swapcase(), lambda part: part + "!", lambda part: part[:8] + "=" + part[8:],
            ):  # fmt: skip
                yield ".".join(change(part) if place == at else part for place, part in enumerate(parts))
            for last in chance.sample(LETTERS, 12):
                yield ".".join(part[:-1] + last if place == at else part for place, part in enumerate(parts))
        yield from (
            original + ".",
            "." + original,
            original + "..",
            original + "." + parts[2],
            original + "\n",
            " " + original,
            "Bearer " + original,
            original + "=",
            f'"{original}"',
            ".".join(parts[:2]),
        )
        for _ in range(25):
            at = chance.randrange(len(original))
            yield original[:at] + chance.choice(LETTERS + ".=+/ ") + original[at + 1 :]


def headers() -> Iterator[str]:
    """Headers with members added, changed and missing, signed by the right key."""
    for name in ("alg", "kid", "typ", "cty", "crit", "b64", "zip", "enc", "jwk", "x5c"):
        for value in VALUES:
            yield token({**HEADER, name: value}, ACCESS)
    for value in ("none", "HS256", "RS384", "RS512", "PS256", "ES256", "rs256", "NONE"):
        yield token({**HEADER, "alg": value}, ACCESS)
    for typ in ("JOSE", "at+jwt", "JWS", "jwt ", "dpop+jwt", "application/at+jwt", "secevent+jwt", "id+jwt"):
        yield token({**HEADER, "typ": typ}, ACCESS)
        yield token({**HEADER, "typ": typ}, ID)
    for crit in (["exp"], ["b64"], ["x"], "b64", [], ["alg"]):
        yield token({**HEADER, "crit": crit, "x": 1}, ACCESS)
        yield token({**HEADER, "crit": crit, "b64": True}, ACCESS)
    yield token({"alg": "RS256"}, ACCESS)
    yield token({"kid": KID}, ACCESS)
    yield token({}, ACCESS)
    yield token({**HEADER, "kid": "k" * 300}, ACCESS)


def payloads() -> Iterator[str]:
    """Claims of other types, missing, and at awkward times, signed by the right key."""
    for claims in (ACCESS, ID):
        for name in (
            "iss",
            "sub",
            "aud",
            "client_id",
            "token_use",
            "exp",
            "nbf",
            "iat",
            "jti",
            "username",
            "cognito:groups",
            "scope",
            "auth_time",
            "acr",
            "amr",
        ):
            for value in VALUES:
                yield token(HEADER, {**claims, name: value})
            yield token(HEADER, {other: claim for other, claim in claims.items() if other != name})
    for name in ("exp", "nbf", "iat"):
        for value in (
            NOW - 30,
            NOW + 30,
            NOW + 200,
            NOW * 1000,
            NOW + 10**10,
            253402300799,
            253402300800,
            -NOW,
            float(NOW + 30),
            f"{NOW + 30}",
            f" {NOW + 3600} ",
            "1e12",
            1e18,
        ):
            yield token(HEADER, {**ACCESS, name: value})
    yield token(HEADER, {**ACCESS, "exp": NOW + 20, "iat": NOW + 20})
    yield token(HEADER, {**ACCESS, "iat": NOW + 30, "exp": NOW + 20})
    for issuer in (
        ISSUERS[0] + "/",
        ISSUERS[0][:-1],
        ISSUERS[0].upper(),
        "http" + ISSUERS[0][5:],
        ISSUERS[0].replace("eu-west-1", "eu-west-2"),
        [ISSUERS[0]],
        ISSUERS,
        ISSUERS[0] + "\x00",
    ):
        yield token(HEADER, {**ACCESS, "iss": issuer})
    for client in (CLIENT.upper(), CLIENT[:-1], CLIENT + " ", [CLIENT], [CLIENT, "x"], ["x"], {CLIENT: 1}):
        yield token(HEADER, {**ACCESS, "client_id": client})
        yield token(HEADER, {**ID, "aud": client})
        yield token(HEADER, {**ACCESS, "client_id": "x", "aud": client})
    for use in ("refresh", "ID", "access ", "Access"):
        yield token(HEADER, {**ACCESS, "token_use": use})
    yield token(HEADER, {**ACCESS, "token_use": "id"})
    yield token(HEADER, {**ID, "token_use": "access"})
    for payload in (b"", b"null", b"[]", b'"x"', b"1", b"{}", b"not json"):
        yield token(HEADER, payload)
    yield token(HEADER, {**ACCESS, "long": "x" * 60_000})
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    yield token(HEADER, {**ACCESS, "deep": deep})


def signatures() -> Iterator[str]:
    """Signatures by other keys, other algorithms, and none."""
    public = private().public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    signers: list[Callable[[bytes], bytes]] = [
        lambda octets: private(1).sign(octets, PKCS1v15(), hashes.SHA256()),
        lambda octets: private().sign(octets, PKCS1v15(), hashes.SHA512()),
        lambda octets: private().sign(octets, PSS(MGF1(hashes.SHA256()), 32), hashes.SHA256()),
        lambda octets: private().sign(octets + b".", PKCS1v15(), hashes.SHA256()),
        lambda octets: sign_rs256(octets)[:-1],
        lambda octets: sign_rs256(octets) + b"\0",
        lambda octets: b"\0" + sign_rs256(octets),
        lambda octets: b"",
        lambda octets: b"\0" * 256,
        lambda octets: b"\xff" * 256,
        lambda octets: sign_rs256(octets)[::-1],
        *(
            (lambda octets, key=key: hmac.digest(key, octets, hashlib.sha256))
            for key in (pem, der, pem.strip(), b"", json.dumps(jwks()["keys"][0]).encode())
        ),
    ]
    for header in (HEADER, *({**HEADER, "alg": alg} for alg in ("HS256", "none", "RS512", "PS256"))):
        for sign in signers:
            yield token(header, ACCESS, sign)
    good_one, other = token(HEADER, ACCESS).split("."), token(HEADER, {**ACCESS, "username": "admin"}).split(".")
    yield ".".join([good_one[0], other[1], good_one[2]])


PIECES = [b",", b":", b'"', b"\\", b"{", b"}", b"[", b"]", b" ", b"\n", b"\x00", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\u0061", b"0", b"-", b"e5", b"NaN", b"null", b"\xc2\xa0", b"\x1f"]  # fmt: skip


def spellings() -> Iterator[str]:
    """Header and payload as texts that are not quite JSON, or not quite unique, signed by the right key."""
    chance = random.Random("spellings")
    header, payload = json.dumps(HEADER).encode(), text(ACCESS)
    inside = payload[1:-1]
    for more in (
        b'"sub":"admin",', b'"\\u0073ub":"admin",', b'"x":NaN,', b'"x":Infinity,', b'"x":-Infinity,', b'"x":1e999,', b'"x":-1e999,', b'"x":"\\ud800",', b'"\\udfff":1,', b'"x":"\xff",',
        b'"x":"\xc3\xa9",', b'"x":"\xed\xa0\x80",', b'"x":"\xc0\xaf",', b'"x":' + b"9" * 4000 + b",", b'"x":' + b"9" * 5000 + b",", b'"x":"\x1f",', b'"x":01,', b'"x":.5,', b"'x':1,",
        b'"x":{"a":1,"a":2},', b'"a\\/b":1,"a/b":2,', b'"x":' + b"[" * 127 + b"]" * 127 + b",", b'"x":' + b"[" * 128 + b"]" * 128 + b",", b'"__proto__":{"exp":1},', b'"constructor":1,', b'"":1,',
    ):  # fmt: skip
        yield token(HEADER, b"{" + more + inside + b"}")
        yield token(b"{" + more + header[1:], payload)
    for outer in (b"\xef\xbb\xbf%b", b" %b\n", b"%b\x00", b"%bx", b"%b,", b"\xc2\xa0%b", b"[%b]", b"%b%b"):
        yield token(HEADER, outer.replace(b"%b", payload))
        yield token(outer.replace(b"%b", header), payload)
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "utf-7"):
        yield token(HEADER, payload.decode().encode(encoding))
        yield token(header.decode().encode(encoding), payload)
    for document, whole in ((header, False), (payload, True)):
        for _ in range(150):
            at = chance.randrange(len(document) + 1)
            changed = document[:at] + chance.choice(PIECES) + document[at + chance.choice([0, 0, 1, 3]) :]
            yield token(HEADER, changed) if whole else token(changed, payload)


FAMILIES = (good, encodings, headers, payloads, signatures, spellings)
