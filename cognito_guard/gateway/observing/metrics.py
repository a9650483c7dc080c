"""Counters, gauges and the histogram of the gateway, for Prometheus.

Decides names, labels and bounds. Requests only add to plain numbers of this process; `publish` hands these to prometheus_client, whose
own counters cost ten times as much, more so with several workers. No label holds anything that a client chooses.
"""

from __future__ import annotations

import os
import platform
from bisect import bisect_left
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from cognito_guard import __version__
from cognito_guard.decision import Decision
from cognito_guard.keys import KeyStatus

BUCKETS = (1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Upper bounds of the verify histogram in seconds: a remembered token costs a few microseconds, a new one tens, a key fetch the rest."""


class Metrics:
    """What the gateway counts. Build one in each process that serves; use it from its loop only.

    - `key_status`: asked at each `publish`, for the key sources; a Guard's `key_status`. `lines_dropped`: likewise, how many lines of the
      access log were lost since this process began.
    - `in_flight`, `websockets` (open now), `octets_received`, `octets_sent` (from and to clients) are plain numbers: add to them.
    - `reload_successful`: set it to whether the last reload of the settings was.

    With several workers (`PROMETHEUS_MULTIPROC_DIR` is set, see `shared`) call `publish` in each every second or so, and once before it
    ends: any of them then shows the sums of all, and the worst of their key sources.
    """

    def __init__(self, *, key_status: Callable[[], Iterable[KeyStatus]] = tuple, lines_dropped: Callable[[], int] = int) -> None:
        self.in_flight = 0
        self.websockets = 0
        self.octets_received = 0
        self.octets_sent = 0
        self.reload_successful = True
        self._key_status = key_status
        self._lines_dropped = lines_dropped
        self._is_shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self._registry = registry = CollectorRegistry()
        self._decisions = _Tally("decisions", "Requests judged.", ("verdict", "code", "route", "mode"), registry)
        self._answers = _Tally("upstream_answers", "Answers of upstreams.", ("upstream", "class"), registry)
        self._failures = _Tally("upstream_failures", "Exchanges that an upstream failed.", ("upstream", "kind"), registry)
        self._totals = _Totals(registry)
        seconds = Histogram(
            "cognito_guard_verify_seconds",
            "Time to judge a request; hit: its token was known from before.",
            ("seen",),
            buckets=BUCKETS,
            registry=registry,
        )
        self._hit = _Timings(seconds.labels("hit"))
        self._miss = _Timings(seconds.labels("miss"))
        gauge = _gauges(registry)
        self._in_flight = gauge("requests_in_flight", "Requests being served.", "livesum")
        self._websockets = gauge("websockets_open", "Websockets that are open.", "livesum")
        self._reload = gauge("reload_successful", "1 if the last reload of the settings was taken.", "livemin")
        self._usable = gauge("keys_usable", "1 if tokens can be verified without a fetch.", "livemin", "source")
        self._held = gauge("keys_held", "Keys that are trusted.", "livemin", "source")
        self._age = gauge("keys_age_seconds", "Time since the keys were fetched.", "livemax", "source")
        gauge("build_info", "The version that runs.", "livemax", "version", "python").labels(
            __version__, platform.python_version()
        ).set(1)
        if self._is_shared:
            self._shown = CollectorRegistry()
            MultiProcessCollector(self._shown)  # type: ignore[no-untyped-call]
        else:
            self._shown = registry
            ProcessCollector(registry=registry)

    def decided(self, decision: Decision) -> None:
        """Count a decision; fits `on_decision`."""
        self._decisions.add((decision.verdict, decision.code, decision.route, decision.enforced))

    def judged(self, seconds: float, *, seen: bool) -> None:
        """Count the time that judging a request took; `seen`: its token was known from before."""
        (self._hit if seen else self._miss).add(seconds)

    def upstream_answered(self, upstream: str, status: int) -> None:
        """Count an upstream's answer. `upstream` is its name in the settings, never a word of the client's."""
        self._answers.add((upstream, status // 100))

    def upstream_failed(self, upstream: str, kind: str) -> None:
        """Count an exchange that an upstream failed, by the kind of failure."""
        self._failures.add((upstream, kind))

    def publish(self) -> None:
        """Hand over what was counted since the last time, and look at the key sources."""
        self._decisions.publish(_decision_labels)
        self._answers.publish(_answer_labels)
        self._failures.publish(_as_text)
        self._hit.publish()
        self._miss.publish()
        self._in_flight.set(self.in_flight)
        self._websockets.set(self.websockets)
        self._reload.set(self.reload_successful)
        self._totals.publish("octets", ("received",), self.octets_received)
        self._totals.publish("octets", ("sent",), self.octets_sent)
        self._totals.publish("dropped", (), self._lines_dropped())
        self._publish_keys()

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """The body of a scrape and its media type, by the scraper's `Accept`. Publishes first."""
        self.publish()
        encode, media_type = choose_encoder(accept)
        return encode(self._shown), media_type

    def _publish_keys(self) -> None:
        if not self._is_shared:  # prometheus_client cannot take series back where processes share them
            for gauge in (self._usable, self._held, self._age):
                gauge.clear()
        for status in self._key_status():
            self._usable.labels(status.url).set(status.usable)
            self._held.labels(status.url).set(status.keys)
            if status.age is not None:
                self._age.labels(status.url).set(status.age)
            self._totals.publish("fetches", (status.url,), status.fetches)
            self._totals.publish("fetch_failures", (status.url,), status.failures)


class _Tally:
    """Counts by label sets, in a plain dict until they are published. At most `_SERIES` sets; beyond, the rest of a name is "(other)"."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...], registry: CollectorRegistry) -> None:
        self._counter = Counter(f"cognito_guard_{name}", text, labels, registry=registry)
        self._counts: dict[tuple[object, ...], int] = {}

    def add(self, key: tuple[object, ...]) -> None:
        try:
            self._counts[key] += 1
        except KeyError:
            if len(self._counts) >= _SERIES:
                key = tuple("(other)" if isinstance(part, str) else part for part in key)
            self._counts[key] = self._counts.get(key, 0) + 1

    def publish(self, labels: Callable[[tuple[object, ...]], tuple[str, ...]]) -> None:
        for key, count in self._counts.items():
            if count:
                self._counter.labels(*labels(key)).inc(count)
                self._counts[key] = 0


def _decision_labels(key: tuple[object, ...]) -> tuple[str, ...]:
    verdict, code, route, enforced = key
    return str(verdict), str(code), "" if route is None else str(route), "enforce" if enforced else "report-only"


def _answer_labels(key: tuple[object, ...]) -> tuple[str, ...]:
    return str(key[0]), f"{key[1]}xx"


def _as_text(key: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(map(str, key))


class _Timings:
    """One child of the histogram, filled by whole buckets: its `observe` is for single values, and there are thousands a second."""

    def __init__(self, child: Histogram) -> None:
        self._child = child
        self._counts = [0] * (len(BUCKETS) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(BUCKETS, seconds)] += 1
        self._sum += seconds

    def publish(self) -> None:
        for at, count in enumerate(self._counts):
            if count:
                self._child._buckets[at].inc(count)  # noqa: SLF001 - there is no public way to add more than one
                self._counts[at] = 0
        self._child._sum.inc(self._sum)  # noqa: SLF001
        self._sum = 0.0


class _Totals:
    """Counters of numbers that are kept elsewhere as totals. One that went down was begun anew, and counts from zero."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"cognito_guard_{name}", text, labels, registry=registry)

        self._counters = {
            "octets": counter("client_octets", "Octets of requests and answers.", "direction"),
            "dropped": counter("access_log_lines_dropped", "Lines of the access log that were lost."),
            "fetches": counter("key_fetches", "Key fetches begun.", "source"),
            "fetch_failures": counter("key_fetch_failures", "Key fetches failed.", "source"),
        }
        self._last: dict[tuple[str, tuple[str, ...]], int] = {}

    def publish(self, name: str, labels: tuple[str, ...], total: int) -> None:
        last = self._last.get((name, labels), 0)
        counter = self._counters[name]
        child = counter.labels(*labels) if labels else counter
        child.inc(total - last if total >= last else total)
        self._last[name, labels] = total


def _gauges(registry: CollectorRegistry) -> Callable[..., Gauge]:
    def gauge(name: str, text: str, mode: str, *labels: str) -> Gauge:
        # the mode says how the values of several workers become one
        return Gauge(f"cognito_guard_{name}", text, labels, registry=registry, multiprocess_mode=mode)  # type: ignore[arg-type]

    return gauge


_SERIES = 2000
