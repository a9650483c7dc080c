"""Where verification keys come from, and for how long they are trusted: fetched, kept on disk, or given.

`ring` decides (pure), `drivers` obeys for threads and event loops, `fetching` fetches. Loads no HTTP client and no event loop by itself.
"""

from __future__ import annotations

from cognito_guard.keys.documents import Fetched
from cognito_guard.keys.drivers import KeyRing
from cognito_guard.keys.fetching import Fetch, FetchFailed, HttpFetch
from cognito_guard.keys.opening import open_rings, warm_up, warm_up_async
from cognito_guard.keys.ring import Held
from cognito_guard.keys.static import StaticKeys
from cognito_guard.keys.status import KeyStatus, LastFailure
from cognito_guard.keys.times import KeyTimes

__all__ = [
    "KeyRing",
    "StaticKeys",
    "Held",
    "KeyTimes",
    "KeyStatus",
    "LastFailure",
    "Fetch",
    "Fetched",
    "FetchFailed",
    "HttpFetch",
    "open_rings",
    "warm_up",
    "warm_up_async",
]
