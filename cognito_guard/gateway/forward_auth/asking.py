"""What both ways of being asked share, over HTTP and over gRPC: who may ask, and the refusals that are about the asker.

Decides which arguments make sense. Judges no request.
"""

from __future__ import annotations

import re
from typing import Final

from cognito_guard.front import Front
from cognito_guard.web.problem import problem


def asking_problems(front: object, trusts: object, identity: object, secret: object, on_answer: object) -> list[str]:
    """What is wrong with the arguments that `ForwardAuth` and `ExtAuthz` have in common."""
    problems = []
    if not callable(front) and not isinstance(front, Front):
        problems.append("front: give a Front, or a function from the original host to one")
    problems += [
        f"{name}: give a callable" for name, given in (("trusts", trusts), ("identity", identity)) if not callable(given)
    ]
    if secret is not None and not (isinstance(secret, bytes) and _SECRET.fullmatch(secret)):
        problems.append("secret: give 16 to 1024 visible ASCII characters, as octets; leave it out to need none")
    if on_answer is not None and not callable(on_answer):
        problems.append("on_answer: give a callable")
    return problems


STRANGER: Final = problem(
    403, "forbidden", "asker_refused", "who asks here must be trusted, and know the secret where there is one"
)
NOT_SENDABLE: Final = problem(
    403, "forbidden", "identity_not_sendable", "a claim of the token cannot be written into a header field as it is configured"
)
_SECRET = re.compile(rb"[!-~]{16,1024}")
