"""Verifying a token that was never seen, its key known: us, the bare RSA operation, PyJWT, joserfc and aws-jwt-verify in one run.

    python benchmarks/verify_cold.py

Goals: at most 1.5 x the bare `cryptography` verification, at least 2.7 x faster than `PyJWT.decode`, faster than joserfc.
aws-jwt-verify takes part where Node is present and COGNITO_GUARD_NODE_MODULES names a directory that holds it.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
from base64 import urlsafe_b64decode
from collections.abc import Callable
from pathlib import Path

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt as joserfc_jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from rounds import interleave, show
from tokens import access_tokens, forged, id_tokens, large_tokens, over

from cognito_guard import Guard, TokenRejected
from cognito_guard.testing import LocalUserPool


def contenders(pool: LocalUserPool, tokens: list[str], *, token_use: str = "access") -> dict[str, Callable[[], int]]:
    """Everyone over the same tokens. Peers keep their keys and are asked for issuer, client and dates, as a careful user would."""
    keys = {key["kid"]: jwt.PyJWK(key) for key in pool.jwks()["keys"]}
    kid = jwt.get_unverified_header(tokens[0])["kid"]
    public_key = keys[kid].key
    profile = (
        pool.user_pool.access_tokens(client=pool.client)
        if token_use == "access"
        else pool.user_pool.id_tokens(client=pool.client)
    )
    guard = Guard(profile, fetch=pool.fetch, cache_tokens=0)
    guard.warm_up()
    padding, digest = PKCS1v15(), SHA256()
    parts = []
    for token in tokens:
        signing_input, _, signature = token.rpartition(".")
        parts.append((urlsafe_b64decode(signature + "=="), signing_input.encode()))

    def bare() -> int:
        for signature, signing_input in parts:
            try:
                public_key.verify(signature, signing_input, padding, digest)
            except InvalidSignature:
                pass
        return len(parts)

    def ours(token: str) -> None:
        try:
            guard.authenticate(token)
        except TokenRejected:
            pass

    def pyjwt(token: str) -> None:
        try:
            claims = jwt.decode(
                token,
                keys[kid],
                algorithms=["RS256"],
                issuer=pool.issuer,
                options={"verify_aud": False, "require": ["exp", "iss"]},
            )
        except jwt.InvalidSignatureError:
            return
        assert claims.get("client_id", claims.get("aud")) == pool.client

    key_set = KeySet.import_key_set(pool.jwks())
    registry = joserfc_jwt.JWTClaimsRegistry(iss={"essential": True, "value": pool.issuer}, exp={"essential": True})

    def joserfc(token: str) -> None:
        try:
            decoded = joserfc_jwt.decode(token, key_set, algorithms=["RS256"])
        except JoseError:
            return
        registry.validate(decoded.claims)

    return {
        "bare RSA-2048 verification (cryptography)": bare,
        "cognito_guard": over(tokens, ours),
        "joserfc, key kept": over(tokens, joserfc),
        "PyJWT decode, key kept": over(tokens, pyjwt),
    }


_NODE = """
const { JwtVerifier, CognitoJwtVerifier } = require("aws-jwt-verify");
const { readFileSync } = require("fs");
const { pool, client, use, jwks, tokens, rounds } = JSON.parse(readFileSync(0));
const verifier = CognitoJwtVerifier.create({ userPoolId: pool, clientId: client, tokenUse: use });
verifier.cacheJwks(jwks);
const samples = [];
for (let round = 0; round < rounds; round++) {
  const started = process.hrtime.bigint();
  for (const token of tokens) verifier.verifySync(token);
  samples.push(Number(process.hrtime.bigint() - started) / 1e3 / tokens.length);
}
console.log(JSON.stringify(samples));
"""


def aws_jwt_verify(pool: LocalUserPool, tokens: list[str]) -> float | None:
    """Median microseconds of `verifySync` in Node, or None where it is not present."""
    modules = os.environ.get("COGNITO_GUARD_NODE_MODULES")
    if modules is None or shutil.which("node") is None or not (Path(modules) / "aws-jwt-verify").is_dir():
        return None
    question = {
        "pool": pool.user_pool.id,
        "client": pool.client,
        "use": "access",
        "jwks": pool.jwks(),
        "tokens": tokens,
        "rounds": 15,
    }
    run = subprocess.run(
        ["node", "-e", _NODE],
        input=json.dumps(question),
        env=os.environ | {"NODE_PATH": modules},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return statistics.median(json.loads(run.stdout)[1:])


def main() -> None:
    pool = LocalUserPool()
    bare = "bare RSA-2048 verification (cryptography)"
    tokens = access_tokens(pool, 1000)
    medians = interleave(contenders(pool, tokens))
    node = aws_jwt_verify(pool, tokens)
    if node is not None:
        medians["aws-jwt-verify verifySync (Node)"] = node
    show(f"access token, {len(tokens[0])} characters, {len(tokens)} distinct", medians, against=bare)
    print(f"  cognito_guard is {medians['PyJWT decode, key kept'] / medians['cognito_guard']:.2f} x faster than PyJWT")
    if node is None:
        print("  aws-jwt-verify: not measured (Node or COGNITO_GUARD_NODE_MODULES is missing)")

    tokens = id_tokens(pool, 500)
    show(f"ID token, {len(tokens[0])} characters", interleave(contenders(pool, tokens, token_use="id")), against=bare)
    tokens = large_tokens(pool, 200)
    show(f"access token with 100 groups, {len(tokens[0])} characters", interleave(contenders(pool, tokens)), against=bare)
    tokens = forged(access_tokens(pool, 500))
    show("invalid signature", interleave(contenders(pool, tokens)), against=bare)


if __name__ == "__main__":
    main()
