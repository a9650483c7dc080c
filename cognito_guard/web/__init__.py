"""HTTP words without a framework: credentials, routes, challenges, and the decision that joins them."""

from __future__ import annotations

from cognito_guard.web.credentials import FromCookie, FromHeader, FromQuery, FromSubprotocol
from cognito_guard.web.report_only import ReportOnly
from cognito_guard.web.resource import ProtectedResource
from cognito_guard.web.routes import EncodedSlash, Identify, Preflights, Protect, Public

__all__ = [
    "Public",
    "Identify",
    "Protect",
    "Preflights",
    "EncodedSlash",
    "FromCookie",
    "FromHeader",
    "FromQuery",
    "FromSubprotocol",
    "ProtectedResource",
    "ReportOnly",
]
