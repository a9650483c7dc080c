"""What one token in the verified-token cache takes: against the estimate that bounds the cache, and against a cachetools.TTLCache of claims.

    python benchmarks/memory.py

The cache is bounded by the sum of its entries' estimates, so an estimate must not lie below what is measured, nor far above it. Measured
by tracemalloc over many distinct tokens: the token's text (as a request would bring it), the entry, the Principal and its claims. A
Principal grows when it is first read, so it is measured both ways.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
import uuid
from collections.abc import Callable

import jwt
from cachetools import TTLCache
from tokens import access_tokens, id_tokens, large_tokens

from cognito_guard import Guard, Principal
from cognito_guard.testing import LocalUserPool

_PROPERTIES = [name for name, member in vars(Principal).items() if not name.startswith("_") and not callable(member)]


def grown(raw: list[bytes], keep: Callable[[str], object]) -> float:
    """Bytes per token that `keep` leaves behind, the token's text included."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for token in raw:
        keep(token.decode())
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / len(raw)


def measure(kind: str, pool: LocalUserPool, tokens: list[str]) -> float:
    """Prints one table. Answers how many times the estimate is what was measured at most."""
    raw = [token.encode() for token in tokens]

    def make() -> Guard:
        profiles = (pool.user_pool.access_tokens(client=pool.client), pool.user_pool.id_tokens(client=pool.client))
        # twice the count: the young entries have half of it, and none of the tokens may fall out
        fresh = Guard(*profiles, fetch=pool.fetch, cache_tokens=2 * len(raw), cache_bytes=1 << 40)
        fresh.authenticate(tokens[0])
        fresh.forget_tokens()
        return fresh

    unread, read, claims_of = make(), make(), TTLCache[str, dict[str, object]](2 * len(raw), 3600)

    def keep_and_read(token: str) -> None:
        principal = read.authenticate(token)
        for name in _PROPERTIES:
            getattr(principal, name)

    def keep_claims(token: str) -> None:
        claims_of[token] = jwt.decode(token, options={"verify_signature": False})

    measured = {
        "cognito_guard, cached": grown(raw, unread.authenticate),
        "cognito_guard, cached and every property read": grown(raw, keep_and_read),
        "cachetools.TTLCache of claims": grown(raw, keep_claims),
    }
    caches = [guard._cache for guard in (unread, read)]  # noqa: SLF001 - what it counts is not public
    assert len(caches[0]) == len(caches[1]) == len(claims_of) == len(raw)
    estimate = caches[1]._bytes / len(raw)  # noqa: SLF001
    print(f"\n{kind}: {sum(map(len, raw)) / len(raw):.0f} characters, {len(raw)} distinct")
    for name, octets in (measured | {"the cache's own estimate": estimate}).items():
        print(f"  {octets:10.0f} bytes a token  {octets / estimate:6.2f} x the estimate  {name}")
    return measured["cognito_guard, cached and every property read"] / estimate


def main() -> None:
    pool = LocalUserPool()
    print(f"Python {sys.version.split()[0]}; {len(_PROPERTIES)} properties of a Principal")
    custom = {
        "300 small claims": {f"custom:{at:03}": "x" for at in range(300)},
        "nested objects": {"tree": [{"a": [at], "b": {"c": [{}, [], at]}} for at in range(300)]},
        "a list of numbers": {"numbers": list(range(1000, 4000))},
        "a list of lists": {"lists": [[at] for at in range(1000, 3000)]},
    }
    highest = [
        measure("access tokens", pool, access_tokens(pool, 10_000)),
        measure("ID tokens", pool, id_tokens(pool, 2_000)),
        measure("access tokens with 100 groups", pool, large_tokens(pool, 500)),
    ]
    for kind, claims in custom.items():
        tokens = [pool.access(username=str(uuid.uuid4()), claims=claims) for _ in range(100)]
        highest.append(measure(f"access tokens with {kind}", pool, tokens))
    print(f"\nat most {max(highest):.2f} x the estimate: {'the bound holds' if max(highest) <= 1 else 'the estimate is TOO LOW'}")


if __name__ == "__main__":
    main()
