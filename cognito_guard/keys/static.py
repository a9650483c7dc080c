"""Static keys: a bundled file or a document that was given. Nothing is fetched, and nothing ever changes.

Decides whether the document can serve at all, once, when a Guard is built.
"""

from __future__ import annotations

from math import inf

from cognito_guard.errors import CognitoGuardError, ConfigurationError, TokenRejected
from cognito_guard.jose.jwk import VerificationKey, parse_jwk_set
from cognito_guard.keys.documents import MAX_BYTES
from cognito_guard.keys.ring import Held
from cognito_guard.keys.status import KeyStatus
from cognito_guard.pool import JwksDocument, JwksFile


class StaticKeys:
    """A key source like `KeyRing`, over keys that were given. A file is read now, and never again.

    Raises `ConfigurationError` when the file cannot be read, is no JWK Set or holds no usable key: correct the file or the path.
    """

    __slots__ = ("held", "url")

    def __init__(self, source: JwksFile | JwksDocument, *, algorithms: tuple[str, ...]) -> None:
        problem = ""
        self.url = "jwks="
        document = b""
        if isinstance(source, JwksFile):
            self.url = source.path
            document, problem = _read(source.path)
        else:
            document = source.text.encode("utf-8", "surrogatepass")
        if not problem:
            try:
                jwks = parse_jwk_set(document, algorithms)
            except ValueError as reason:
                problem = f"{reason}; give the JWK Set as the issuer publishes it under /.well-known/jwks.json"
        if problem:
            raise ConfigurationError("StaticKeys", [f"jwks: {self.url.removesuffix('=')}: {problem}"])
        self.held = Held(
            keys=jwks.keys,
            refused=jwks.refused,
            fresh_until=inf,
            usable_until=inf,
            source="static",
            left_out=jwks.left_out,
        )

    def find(self, kid: str) -> VerificationKey:
        """The key, at once. Raises `TokenRejected`: no other keys will come."""
        key = self.held.keys.get(kid)
        if key is None:
            raise TokenRejected("key_refused" if kid in self.held.refused else "key_unknown", "kid")
        return key

    def key(self, kid: str) -> VerificationKey:
        """`find`."""
        return self.find(kid)

    async def key_async(self, kid: str) -> VerificationKey:
        """`find`."""
        return self.find(kid)

    def renew(self) -> None:
        """Nothing to do."""

    def load(self) -> CognitoGuardError | None:
        """None: the keys are here."""
        return None

    async def load_async(self) -> CognitoGuardError | None:
        """None: the keys are here."""
        return None

    def status(self) -> KeyStatus:
        """What this source shows of itself."""
        return KeyStatus(self.url, self.held, 0.0)


def _read(path: str) -> tuple[bytes, str]:
    try:
        with open(path, "rb") as file:
            document = file.read(MAX_BYTES + 1)
    except OSError as error:
        return b"", f"the file cannot be read ({error.strerror}); give the path of a JWK Set file"
    except ValueError:  # a NUL in the path
        return b"", "this is no path; give the path of a JWK Set file"
    if len(document) > MAX_BYTES:
        return b"", f"the file is longer than {MAX_BYTES} bytes, which no JWK Set is; give the path of a JWK Set file"
    return document, ""
