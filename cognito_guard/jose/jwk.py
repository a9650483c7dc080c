"""JWK and JWK Set (RFC 7517): from a published document to keys that can verify.

Decides which members of a set are usable, and leaves out the others with a reason; one bad member never spoils the set. Knows
nothing of where the document came from. Key objects and their checks are `cryptography`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cognito_guard.jose import algorithms, strict_json
from cognito_guard.value import Value

MAX_KID = 256


class VerificationKey(Value):
    """One public key under one `kid`, bound to exactly one algorithm. Equal when kid, algorithm and key material are.

    `verify(signature, signing_input)` answers whether the signature (bytes) is this key's over the input (bytes).
    """

    __slots__ = ("kid", "alg", "material", "verify")
    _names = ("kid", "alg", "material")
    kid: str
    alg: str
    material: tuple[int, ...]
    verify: Callable[[bytes, bytes], bool]

    def __init__(self, kid: str, alg: str, material: tuple[int, ...], verify: Callable[[bytes, bytes], bool]) -> None:
        self._set(kid=kid, alg=alg, material=material, verify=verify)

    def __repr__(self) -> str:
        return f"VerificationKey(alg={self.alg!r})"


class JwkSet(Value):
    """The usable keys of a document by `kid`; `left_out` says which members are not used, and why (`keys[1]: ...`).

    A kid in `refused` was published but cannot be trusted: two different keys share it.
    """

    __slots__ = ("keys", "refused", "left_out")
    keys: Mapping[str, VerificationKey]
    refused: frozenset[str]
    left_out: tuple[str, ...]

    def __init__(
        self, keys: Mapping[str, VerificationKey], refused: frozenset[str] = frozenset(), left_out: tuple[str, ...] = ()
    ) -> None:
        self._set(keys=keys, refused=refused, left_out=left_out)


def parse_jwk_set(document: bytes, allowed: Iterable[str]) -> JwkSet:
    """The keys of a JWK Set document that serve an algorithm of `allowed`.

    Raises `ValueError`, whose text is safe to log, when the document is not a JWK Set or holds no usable key at all: what came is
    then no answer, and keys that are held stay.
    """
    members = strict_json.parse_object(document).get("keys")
    if not isinstance(members, list):
        raise ValueError("the document is not a JWK Set: it has no 'keys' array")  # noqa: TRY004
    wanted = tuple(allowed)
    keys: dict[str, VerificationKey] = {}
    refused: set[str] = set()
    left_out: list[str] = []
    for at, member in enumerate(members):
        try:
            key = _verification_key(member, wanted)
        except ValueError as reason:
            left_out.append(f"keys[{at}]: {reason}")
            continue
        if keys.setdefault(key.kid, key) != key:
            refused.add(key.kid)
            left_out.append(f"keys[{at}]: another key has the same kid; neither is trusted")
    for kid in refused:
        del keys[kid]
    if not keys:
        raise ValueError(f"the JWK Set holds no usable key ({'; '.join(left_out[:3]) or 'it is empty'})")
    return JwkSet(keys, frozenset(refused), tuple(left_out))


def _verification_key(member: Any, allowed: tuple[str, ...]) -> VerificationKey:
    if not isinstance(member, dict):
        raise ValueError("not an object")  # noqa: TRY004
    kid = member.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID:
        raise ValueError(f"kid is not a string of 1 to {MAX_KID} characters")
    if member.keys() & _PRIVATE:
        raise ValueError("it publishes a private or symmetric part")
    if member.get("use", "sig") != "sig":
        raise ValueError("use is not 'sig'")
    operations = member.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise ValueError("key_ops does not hold 'verify'")
    fitting = [name for name in allowed if algorithms.ALGORITHMS[name].key_type == member.get("kty")]
    if not fitting:
        raise ValueError("kty is not one that the allowed algorithms use")
    alg = member.get("alg", fitting[0] if len(fitting) == 1 else None)
    if alg not in fitting:
        raise ValueError(f"alg is not {' or '.join(fitting)}")
    material, verify = algorithms.ALGORITHMS[alg].load(member)
    return VerificationKey(kid, alg, material, verify)


_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
