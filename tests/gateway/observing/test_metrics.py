"""What is counted, under which names, and that no label grows with what clients send."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cognito_guard import ConfigurationError, Unavailable
from cognito_guard.gateway.observing.metrics import BUCKETS, Metrics
from cognito_guard.gateway.observing.shared import share_metrics
from cognito_guard.testing import LocalUserPool

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scraped(body: bytes) -> Samples:
    families = text_string_to_metric_families(body.decode())
    return {
        (sample.name.removeprefix("cognito_guard_"), tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def seen(metrics: Metrics) -> Samples:
    return scraped(metrics.exposition()[0])


def test_decisions_by_verdict_code_route_and_mode(decide: Callable[..., Any], pool: LocalUserPool) -> None:
    """One series for each kind of outcome; counted once, however often it is scraped."""
    metrics = Metrics()
    token = pool.access(scopes=["orders/read"])
    for path, sent in (
        ("/orders/1", token),
        ("/orders/2", token),
        ("/orders/1", pool.access()),
        ("/open", None),
        ("/x", "junk"),
        ("/a/%2e", None),
    ):
        metrics.decided(decide(path, sent))
    for _ in range(2):
        samples = seen(metrics)
        decisions = {
            tuple(dict(labels)[name] for name in ("verdict", "code", "route", "mode")): value
            for (name, labels), value in samples.items()
            if name == "decisions_total"
        }
        assert decisions == {
            ("granted", "granted", "/orders/*", "enforce"): 2,
            ("denied", "insufficient_scope", "/orders/*", "enforce"): 1,
            ("open", "public", "/open", "enforce"): 1,
            ("rejected", "not_a_jwt", "/*", "enforce"): 1,
            ("refused", "target_ambiguous", "", "enforce"): 1,
        }
    metrics.decided(decide("/open"))
    assert (
        seen(metrics)["decisions_total", (("code", "public"), ("mode", "enforce"), ("route", "/open"), ("verdict", "open"))] == 2
    )


def test_times_fall_into_their_buckets() -> None:
    """As prometheus_client's own `observe` counts them: bounds are inclusive, and the sum is exact. Guards the use of its insides."""
    metrics = Metrics()
    times = [0.0, 1e-6, 1.1e-6, 3e-5, 0.02, 1.0, 5.0]
    for seconds in times:
        metrics.judged(seconds, seen=True)
    metrics.judged(4e-5, seen=False)
    for _ in range(2):
        samples = seen(metrics)
        for bound in BUCKETS:
            label = next(
                dict(labels)["le"]
                for name, labels in samples
                if name == "verify_seconds_bucket" and float(dict(labels)["le"]) == bound
            )
            hit = samples["verify_seconds_bucket", (("le", label), ("seen", "hit"))]
            assert hit == sum(seconds <= bound for seconds in times)
        assert samples["verify_seconds_count", (("seen", "hit"),)] == len(times)
        assert samples["verify_seconds_sum", (("seen", "hit"),)] == pytest.approx(sum(times))
        assert samples["verify_seconds_count", (("seen", "miss"),)] == 1


def test_upstreams_gauges_and_octets() -> None:
    """Classes of statuses, kinds of failures, what is open now, and what went through."""
    metrics = Metrics()
    for status in (200, 204, 302, 503):
        metrics.upstream_answered("http://127.0.0.1:8000", status)
    metrics.upstream_failed("http://127.0.0.1:8000", "connect_timeout")
    metrics.in_flight += 3
    metrics.websockets += 2
    metrics.octets_received += 10
    metrics.octets_sent += 200
    seen(metrics)
    metrics.in_flight -= 1
    metrics.octets_sent += 50
    metrics.reload_successful = False
    samples = seen(metrics)
    upstream = ("upstream", "http://127.0.0.1:8000")
    assert {dict(labels)["class"]: value for (name, labels), value in samples.items() if name == "upstream_answers_total"} == {
        "2xx": 2,
        "3xx": 1,
        "5xx": 1,
    }
    assert samples["upstream_failures_total", (("kind", "connect_timeout"), upstream)] == 1
    assert samples["requests_in_flight", ()] == 2
    assert samples["websockets_open", ()] == 2
    assert samples["client_octets_total", (("direction", "received"),)] == 10
    assert samples["client_octets_total", (("direction", "sent"),)] == 250
    assert samples["reload_successful", ()] == 0
    assert any(name == "build_info" for name, _ in samples)
    assert any(name == "process_open_fds" for name, _ in samples)


def test_key_sources_are_looked_at_when_scraped() -> None:
    """Age, usability, fetches and failures by key source; an outage shows, and so does the end of it."""
    pool = LocalUserPool()
    now = [1000.0]
    guard = pool.guard(monotonic=lambda: now[0])
    metrics = Metrics(key_status=guard.key_status)
    url = next(status.url for status in guard.key_status())
    source = (("source", url),)
    samples = seen(metrics)
    assert samples["keys_usable", source] == 0
    assert ("keys_age_seconds", source) not in samples
    with pool.outage(), pytest.raises(Unavailable):
        guard.warm_up()
    now[0] += 100
    guard.warm_up()
    now[0] += 40
    samples = seen(metrics)
    assert (samples["keys_usable", source], samples["keys_held", source], samples["keys_age_seconds", source]) == (1, 2, 40)
    assert samples["key_fetch_failures_total", source] == 1
    assert samples["key_fetches_total", source] == 2
    now[0] += 2 * 86400
    assert seen(metrics)["keys_usable", source] == 0


def test_a_new_guard_counts_from_zero() -> None:
    """After a reload the totals go on from where they were, and sources that are gone are not shown any more."""
    old, new = LocalUserPool().guard(), LocalUserPool("eu-west-1_Another99").guard()
    guards = [old]

    def key_status() -> Any:
        return guards[0].key_status()

    metrics = Metrics(key_status=key_status)
    old.warm_up()
    before = seen(metrics)
    guards[0] = LocalUserPool().guard()
    guards[0].warm_up()
    url = guards[0].key_status()[0].url
    assert seen(metrics)["key_fetches_total", (("source", url),)] == before["key_fetches_total", (("source", url),)]
    guards[0] = new
    assert ("keys_usable", (("source", url),)) not in seen(metrics)


def test_no_label_grows_without_end(decide: Callable[..., Any]) -> None:
    """A16: routes of a thousand reloads come to a bounded number of series; what is beyond is counted as "(other)"."""
    metrics = Metrics()
    for number in range(5000):
        metrics.upstream_answered(f"http://127.0.0.1:{number}", 200)
        metrics.upstream_failed(f"http://127.0.0.1:{number}", "closed")
    decision = decide("/open")
    metrics.decided(decision)
    samples = seen(metrics)
    assert sum(name == "upstream_answers_total" for name, _ in samples) <= 2001
    assert samples["upstream_answers_total", (("class", "2xx"), ("upstream", "(other)"))] == 3000
    assert samples["upstream_failures_total", (("kind", "(other)"), ("upstream", "(other)"))] == 3000


def test_no_label_names_a_person(decide: Callable[..., Any], pool: LocalUserPool) -> None:
    """T29: no subject, client, token id, path, host or token in any label."""
    metrics = Metrics()
    token = pool.access(scopes=["orders/read"])
    decision = decide("/orders/secret-path", token)
    metrics.decided(decision)
    body = metrics.exposition()[0].decode()
    for secret in (decision.subject, decision.client_id, decision.jti, "secret-path", *token.split(".")):
        assert secret not in body


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
            "application/openmetrics-text; version=1.0.0",
        ),
        ("text/html", "text/plain; version=0.0.4; charset=utf-8"),
        ("\xff;;,=", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_the_form_is_what_the_scraper_asks_for(accept: str, media_type: str) -> None:
    """Prometheus text, or OpenMetrics."""
    body, given = Metrics().exposition(accept)
    assert given.startswith(media_type)
    assert body.endswith(b"# EOF\n") == given.startswith("application/openmetrics")


def test_counting_costs_little(decide: Callable[..., Any]) -> None:
    """Hot path: what one proxied request counts is far below a microsecond each; the bound here is loose, for busy machines."""
    metrics = Metrics()
    decision = decide("/open")
    best = 1.0
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(2000):
            metrics.decided(decision)
            metrics.judged(3e-6, seen=True)
            metrics.upstream_answered("http://127.0.0.1:8000", 200)
        best = min(best, (time.perf_counter() - began) / 6000)
    assert best < 5e-6


WORKER = """
import sys
from cognito_guard.gateway.observing.metrics import Metrics

class Status:
    url, usable, keys, failures = "https://keys", True, 2, 1
    def __init__(self, age): self.age, self.fetches = age, 3

metrics = Metrics(key_status=lambda: [Status(float(sys.argv[1]))])
metrics.judged(2e-6, seen=True)
metrics.upstream_answered("http://u", 200)
metrics.in_flight += 1
metrics.publish()
print("published", flush=True)
sys.stdin.readline()
"""

SCRAPE = """
import sys
from cognito_guard.gateway.observing.metrics import Metrics
from cognito_guard.gateway.observing.shared import worker_ended
for process in sys.argv[1:]:
    worker_ended(int(process))
sys.stdout.buffer.write(Metrics().exposition()[0])
"""


def test_workers_are_shown_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes: counters and histograms are summed, of key sources the worst is shown; one that was killed and marked takes along
    what it had open, and leaves what it counted."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "is set back by monkeypatch")
    directory = tmp_path / "shared"
    share_metrics(str(directory))
    assert directory.stat().st_mode & 0o077 == 0
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c"]
    workers = [
        subprocess.Popen([*command, WORKER, age], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for age in ("10", "70")
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"published\n"
        source, answers = (("source", "https://keys"),), (("class", "2xx"), ("upstream", "http://u"))
        samples = scraped(subprocess.run([*command, SCRAPE], env=environment, capture_output=True, check=True).stdout)
        assert samples["upstream_answers_total", answers] == 2
        assert samples["verify_seconds_count", (("seen", "hit"),)] == 2
        assert samples["requests_in_flight", ()] == 2
        assert samples["keys_age_seconds", source] == 70
        assert samples["key_fetches_total", source] == 6
        workers[1].kill()
        workers[1].wait()
        marked = [*command, SCRAPE, str(workers[1].pid)]
        samples = scraped(subprocess.run(marked, env=environment, capture_output=True, check=True).stdout)
        assert samples["upstream_answers_total", answers] == 2
        assert samples["requests_in_flight", ()] == 1
        assert samples["keys_age_seconds", source] == 10
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    (directory / "theirs.db").write_bytes(b"")
    share_metrics(str(directory))
    assert os.listdir(directory) == ["theirs.db"]


def test_a_directory_that_cannot_be_used_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told at the start; and nothing is put into the environment then."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        share_metrics(str(tmp_path / "file"))
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ


def test_every_name_is_ours_and_told_what_it_is() -> None:
    """Prometheus' rules: a help text each, counters end in _total, one prefix but for the process's own."""
    text = Metrics().exposition()[0].decode()
    names = set(re.findall(r"^# TYPE (\S+) counter", text, re.MULTILINE))
    assert all(name.endswith("_total") for name in names)
    assert set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)) == set(re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE))
    assert all(name.startswith(("cognito_guard_", "process_")) for name in re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
