"""Snapshots on disk: cold starts without the network, and which files are not worth trusting."""

from __future__ import annotations

import json
import os
import stat
import threading
from hashlib import sha256

import pytest

from cognito_guard import errors
from cognito_guard.keys import Fetched, KeyRing
from cognito_guard.pool import JwksUrl

URL = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC123xyz/.well-known/jwks.json"
SAVED_AT = 1_800_000_000.0


@pytest.fixture
def start(endpoint, clock, tmp_path):
    """`start(after=seconds)`: a ring of a new process, so many seconds after the wall clock's SAVED_AT."""

    def start(after: float = 0.0, url: str = URL, directory=tmp_path / "kept") -> KeyRing:
        return KeyRing(
            JwksUrl(url),
            algorithms=("RS256",),
            fetch=endpoint,
            monotonic=clock,
            clock=lambda: SAVED_AT + after,
            snapshots=directory,
        )

    return start


@pytest.fixture
def file(tmp_path):
    """Where the snapshot of URL lies."""
    return tmp_path / "kept" / f"{sha256(URL.encode()).hexdigest()}.json"


def settled() -> None:
    for thread in threading.enumerate():
        if thread.name == "cognito-guard-keys":
            thread.join(10)


def test_a_good_fetch_is_kept_before_anybody_gets_the_key(start, file, jwks) -> None:
    """One private file per URL, written whole: a program that ends with its first token has its snapshot."""
    start().key("a")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert os.listdir(file.parent) == [file.name]
    assert json.loads(file.read_text()) == {"version": 1, "url": URL, "saved_at": SAVED_AT, "body": jwks(a=0, b=1).decode()}


def test_a_cold_start_trusts_it_at_once_and_renews_behind(start, endpoint, clock, jwks) -> None:
    """No wait for the first token; the first question starts the renewal, which takes away what was withdrawn."""
    start().key("a")
    endpoint.publish(jwks(a=0))
    endpoint.open.clear()
    ring = start(after=3600)
    status = ring.status()
    assert (status.source, status.keys, status.age, status.fresh_for, status.usable_for) == ("snapshot", 2, 3600, 0, 82800)
    first = ring.find("a")
    assert first.kid == "a"
    assert ring.find("b").kid == "b"
    endpoint.open.set()
    settled()
    assert endpoint.fetches == 2
    assert ring.find("a") is first
    assert (ring.status().source, ring.status().keys) == ("network", 1)


def test_it_carries_a_start_through_an_outage_until_usable(start, endpoint, clock) -> None:
    """Its age counts: 24 hours after the fetch the keys are trusted no longer, restart or not."""
    start().key("a")
    endpoint.answer = Fetched(500, b"")
    ring = start(after=86000)
    assert ring.load() is None
    assert ring.find("a").kid == "a"
    clock.advance(400)
    with pytest.raises(errors.Unavailable):
        ring.key("a")
    assert start(after=86400).status().source == "none"


def test_a_failed_fetch_keeps_the_snapshot(start, endpoint, file, clock) -> None:
    """Only a good answer is written."""
    ring = start()
    ring.key("a")
    before = file.read_bytes()
    endpoint.answer = Fetched(200, b"<html>")
    clock.advance(3600)
    ring.load()
    assert file.read_bytes() == before


def test_a_clock_that_is_a_little_behind_is_no_problem(start) -> None:
    """Up to a minute in the future counts as now."""
    start().key("a")
    assert start(after=-60).status().age == 0
    late = start(after=-61).status()
    assert (late.source, "future" in late.snapshot_problem) == ("none", True)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"url": "https://elsewhere.example/jwks.json"}, "another URL"),
        ({"version": 2}, "version"),
        ({"body": None}, "version"),
        ({"body": "<html>"}, "not JSON"),
        ({"body": '{"keys":[]}'}, "no usable key"),
        ({"saved_at": "1800000000"}, "no time"),
        ({"saved_at": True}, "no time"),
        ({"saved_at": 1e308}, "future"),
        ({"saved_at": -1e308}, "too old"),
        ({"saved_at": SAVED_AT - 86400}, "too old"),
    ],
)
def test_a_file_that_does_not_fit_is_ignored_and_reported(start, endpoint, file, change, says) -> None:
    """It is no failure: the ring starts cold, fetches, and writes a good one over it."""
    start().key("a")
    document = json.loads(file.read_text())
    file.write_text(json.dumps(document | change))
    ring = start()
    assert ring.status().source == "none"
    assert says in ring.status().snapshot_problem
    assert ring.key("a").kid == "a"
    assert ring.status().snapshot_problem is None
    assert start().status().source == "snapshot"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"version":1,"version":1}', b"0" * 4_000_000])
def test_a_broken_file_is_ignored(start, file, content) -> None:
    """Half-written, foreign or huge."""
    file.parent.mkdir()
    file.write_bytes(content)
    file.chmod(0o600)
    status = start().status()
    assert (status.source, status.snapshot_problem is None) == ("none", False)


def test_a_file_that_others_can_write_is_ignored(start, file) -> None:
    """Whoever can write it chooses whom we trust."""
    start().key("a")
    for mode, source in ((0o620, "none"), (0o602, "none"), (0o644, "snapshot"), (0o600, "snapshot")):
        file.chmod(mode)
        assert start().status().source == source, oct(mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_ignored(start, file) -> None:
    """Somebody else's file, even a private one, is somebody else's keys."""
    start().key("a")
    os.chown(file, 12345, 12345)
    status = start().status()
    assert (status.source, "another user" in status.snapshot_problem) == ("none", True)


def test_links_pipes_and_folders_are_ignored(start, file, tmp_path) -> None:
    """Only a regular file is read: no link is followed and no pipe holds up the start."""
    start().key("a")
    real = tmp_path / "real.json"
    file.rename(real)
    file.symlink_to(real)
    assert start().status().source == "none"
    file.unlink()
    os.mkfifo(file, 0o600)
    assert "regular" in start().status().snapshot_problem
    file.unlink()
    file.mkdir()
    assert start().status().source == "none"


def test_a_write_that_fails_is_reported_and_fails_nothing(start, tmp_path) -> None:
    """The keys are served; the status says what went wrong with the disk."""
    (tmp_path / "file").write_text("")
    ring = start(directory=tmp_path / "file" / "below")
    assert ring.key("a").kid == "a"
    assert "Not a directory" in ring.status().snapshot_problem


def test_a_replace_that_fails_leaves_no_temporary_file(start, file) -> None:
    """A folder in the snapshot's place: the temporary file is taken away again."""
    file.mkdir(parents=True)
    ring = start()
    ring.key("a")
    assert "not written" in ring.status().snapshot_problem
    assert os.listdir(file.parent) == [file.name]


def test_each_url_has_its_own(start, tmp_path) -> None:
    """Two rings share the folder, and nothing else."""
    other = "https://other.example/jwks.json"
    start().key("a")
    assert start(url=other).status().source == "none"
    start(url=other).key("a")
    assert len(os.listdir(tmp_path / "kept")) == 2
