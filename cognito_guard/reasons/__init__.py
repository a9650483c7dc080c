"""What each stable code means, why it happens with Cognito, and what to do: the texts behind `cognito-guard explain CODE`.

Decides wording only. Every code that an error, a challenge or the gateway can carry stands here; nothing of a request does.
"""

from __future__ import annotations

from cognito_guard.reasons.gateway import GATEWAY_REASONS
from cognito_guard.reasons.reason import Reason
from cognito_guard.reasons.tokens import TOKEN_REASONS

__all__ = ["REASONS", "Reason"]

REASONS: dict[str, Reason] = {**TOKEN_REASONS, **GATEWAY_REASONS}
"""By code. The codes of challenges, logs and metrics are the same."""
