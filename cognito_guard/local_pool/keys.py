"""Signing keys that outlive the process: two PEM files in a directory, readable by their owner alone.

Decides when a kept key may be used. What is kept signs for a development pool only; nothing is ever shipped with a key.
"""

from __future__ import annotations

import os
import stat
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from time import time

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from cognito_guard.errors import ConfigurationError
from cognito_guard.pool import TokenUse
from cognito_guard.testing import DEFAULT_CLIENT, LocalUserPool, SigningKey
from cognito_guard.testing.publishing import Publication

_LONGEST = 64 * 1024


def kept_pool(pool_id: str, directory: str, *, client: str = DEFAULT_CLIENT, clock: Callable[[], float] = time) -> LocalUserPool:
    """A pool that signs with the keys in `directory`; makes the directory (0700) and the files (0600) where they are missing.

    Raises `ConfigurationError` for a directory or file that cannot be used, or that others may read or replace; correct it.
    """
    problems: list[str] = []
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        if not _is_ours(os.stat(directory), 0o022):
            problems.append(
                "keys: the directory belongs to somebody else, or others may write to it; chmod 700 it, or name another"
            )
    except OSError as error:
        problems.append(f"keys: the directory cannot be used ({error.strerror})")
    if problems:
        raise ConfigurationError("local-pool", problems)
    kept: dict[TokenUse, SigningKey] = {}
    for use in _USES:
        path = os.path.join(directory, f"{use}.pem")
        try:
            kept[use] = _kept(path)
        except OSError as error:
            problems.append(f"keys: {use}.pem cannot be used ({error.strerror})")
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            problems.append(
                f"keys: {use}.pem {error if isinstance(error, _Refused) else 'is no unencrypted private key'}; remove it"
            )
    if problems:
        raise ConfigurationError("local-pool", problems)
    return _KeptPool(pool_id, kept, client, clock)


def seed_of(pool: LocalUserPool) -> bytes:
    """What passwords are made up from: secret where the signing key is, and as lasting."""
    key = pool.key("access").private
    return sha256(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).digest()


class _Refused(ValueError):
    """A file whose key is not to be used, and why."""


class _KeptPool(LocalUserPool):
    def __init__(self, pool_id: str, kept: dict[TokenUse, SigningKey], client: str, clock: Callable[[], float]) -> None:
        # an issuer stands in until the pool is served: its id need not begin with a region
        super().__init__(pool_id, client=client, clock=clock, issuer=f"http://127.0.0.1/{pool_id}")
        self._publication = _KeptPublication(pool_id, kept)


class _KeptPublication(Publication):
    """Its first keys are those that were kept; a rotation makes further ones, for this process only."""

    def __init__(self, pool_id: str, kept: dict[TokenUse, SigningKey]) -> None:
        super().__init__(pool_id, (), (), "public, max-age=86400")
        self._kept = kept

    def _of_generation(self, generation: int) -> dict[TokenUse, SigningKey]:
        return dict(self._kept) if generation == 0 else super()._of_generation(generation)


def _kept(path: str) -> SigningKey:
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    made = generate_private_key(public_exponent=65537, key_size=2048)
    beside = f"{path}.{os.getpid()}"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        try:
            os.link(beside, path)  # whole or not at all; another process may have been quicker, and its key is as good
        except FileExistsError:
            pass
    finally:
        os.unlink(beside)
    return _read(path)


def _read(path: str) -> SigningKey:
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        told = os.fstat(file.fileno())
        if not stat.S_ISREG(told.st_mode) or not _is_ours(told, 0o077):
            raise _Refused("is not this user's own, or others may read it; chmod 600 it, or")
        key = load_pem_private_key(file.read(_LONGEST), None)
    if not isinstance(key, RSAPrivateKey) or key.key_size != 2048:
        raise _Refused("is no RSA key of 2048 bits")
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return SigningKey(b64encode(sha256(public).digest()).decode(), key)


def _is_ours(told: os.stat_result, forbidden: int) -> bool:
    return told.st_uid == os.geteuid() and not told.st_mode & forbidden


_USES: tuple[TokenUse, ...] = ("id", "access")
