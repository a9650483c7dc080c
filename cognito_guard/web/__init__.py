"""HTTP words without a framework: credentials, routes, challenges, and the decision that joins them."""

from __future__ import annotations

from cognito_guard.web.routes import EncodedSlash, Identify, Protect, Public

__all__ = ["EncodedSlash", "Identify", "Protect", "Public"]
