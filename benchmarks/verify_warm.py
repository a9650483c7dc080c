"""A token that was verified before, from a fresh `str`, with one rule judged: against the bare RSA operation in the same run.

    python benchmarks/verify_warm.py

Goals: at most 0.11 x the bare `cryptography` verification; awaiting it at most 0.015 x more.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from base64 import urlsafe_b64decode

import jwt
from cachetools import TTLCache
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from rounds import show
from tokens import access_tokens

from cognito_guard import Guard, HasScope
from cognito_guard.testing import LocalUserPool

ROUNDS = 21


async def main() -> None:
    pool = LocalUserPool()
    tokens = access_tokens(pool, 2000)
    guard = Guard(pool.user_pool.access_tokens(client=pool.client), fetch=pool.fetch)
    rule = HasScope("orders/read")
    kid = jwt.get_unverified_header(tokens[0])["kid"]
    public_key = next(jwt.PyJWK(key).key for key in pool.jwks()["keys"] if key["kid"] == kid)
    padding, digest = PKCS1v15(), SHA256()
    parts = [(urlsafe_b64decode(token.rpartition(".")[2] + "=="), token.rpartition(".")[0].encode()) for token in tokens]
    raw = [token.encode() for token in tokens]
    peer: TTLCache[str, object] = TTLCache(10_000, 3600)
    for token in tokens:
        assert rule.judge(guard.authenticate(token))
        peer[token] = guard.authenticate(token)

    def fresh() -> list[str]:
        return [token.decode() for token in raw]  # a new str has not hashed itself yet, as in a request

    def bare() -> None:
        for signature, signing_input in parts:
            public_key.verify(signature, signing_input, padding, digest)

    def warm(these: list[str]) -> None:
        for token in these:
            rule.judge(guard.authenticate(token))

    async def warm_async(these: list[str]) -> None:
        for token in these:
            rule.judge(await guard.authenticate_async(token))

    def bounded_dictionary(these: list[str]) -> None:
        for token in these:
            peer[token]

    names = (
        "bare RSA-2048 verification (cryptography)",
        "cognito_guard, warm",
        "cognito_guard, warm, awaited",
        "a look-up in cachetools.TTLCache",
    )
    samples: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(ROUNDS):
        for name in names:
            these = fresh()
            started = time.perf_counter()
            if name == names[0]:
                bare()
            elif name == names[1]:
                warm(these)
            elif name == names[2]:
                await warm_async(these)
            else:
                bounded_dictionary(these)
            samples[name].append((time.perf_counter() - started) / len(tokens) * 1e6)
    medians = {name: statistics.median(of) for name, of in samples.items()}
    show(f"a cached token of {len(tokens[0])} characters, {len(tokens)} distinct", medians, against=names[0])
    print(f"  awaiting costs {(medians[names[2]] - medians[names[1]]) / medians[names[0]]:.3f} x more")


if __name__ == "__main__":
    asyncio.run(main())
