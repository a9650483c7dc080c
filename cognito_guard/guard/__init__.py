"""The Guard and what belongs to it."""

from cognito_guard.guard.guard import Guard
from cognito_guard.guard.revocation import DenyList, IsRevoked, IsRevokedAsync

__all__ = ["DenyList", "Guard", "IsRevoked", "IsRevokedAsync"]
