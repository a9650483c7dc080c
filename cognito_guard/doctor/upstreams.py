"""Whether the application behind the gateway takes connections. Sends no request: what it would do is the application's business."""

from __future__ import annotations

from cognito_guard.doctor.finding import Finding
from cognito_guard.doctor.network import Network, NoAnswer, UpstreamSubject

_ADVICE = {
    "name": "Check the host name; within a container network it is the service's name, and only there",
    "refused": (
        "Start the application, and check the port: in a container, 127.0.0.1 is that container alone, and the application must then listen "
        "on 0.0.0.0 or share its network"
    ),
    "timeout": "Something drops the packets: check security groups, network policies and the address",
    "tls": (
        "Name the authority that signed its certificate as ca under [[upstream]], the certificate's name as sni where it is not the URL's "
        "host; where the application speaks plain http, write http://"
    ),
    "authorities": "Correct the file that is named under [[upstream]]",
}


def upstream_finding(upstream: UpstreamSubject, network: Network) -> Finding:
    """One upstream, over TCP and TLS as the gateway would reach it."""
    told = network.connect(upstream)
    if isinstance(told, NoAnswer):
        advice = _ADVICE.get(told.reason, "Look at what the application and the system log say of this")
        return Finding("upstream", "failed", f"{upstream.url}: {told}", advice)
    return Finding("upstream", "ok", f"{upstream.url}: {told.text}")
