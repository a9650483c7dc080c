"""What can be looked into before a token is refused: the pool's endpoints, the clock, managed login, and the way to them.

    pool = UserPool("eu-west-1_AbC123xyz")
    for finding in examine(Subject((PoolSubject(pool.id, pool.issuers),)), HttpNetwork(), os.environ):
        print(finding.status, finding.name, finding.found, finding.advice)

Each check is a function that answers a `Finding`; whatever it asks of the world is an argument.
"""

from __future__ import annotations

from cognito_guard.doctor.asking import HttpNetwork
from cognito_guard.doctor.examine import PoolSubject, Subject, examine
from cognito_guard.doctor.finding import Finding, Status
from cognito_guard.doctor.network import Answer, Connected, Network, NoAnswer, UpstreamSubject

__all__ = [
    "examine",
    "Subject",
    "PoolSubject",
    "UpstreamSubject",
    "Finding",
    "Status",
    "Network",
    "HttpNetwork",
    "Answer",
    "NoAnswer",
    "Connected",
]
