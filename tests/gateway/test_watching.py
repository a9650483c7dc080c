"""Files watched for change."""

from __future__ import annotations

from pathlib import Path

from cognito_guard.gateway.watching import Watch


def test_a_change_is_seen_once(tmp_path: Path) -> None:
    """Content, absence, return, and a link that is turned round, as mounted configuration is."""
    file, link = tmp_path / "a.toml", tmp_path / "link"
    file.write_text("1")
    link.symlink_to(file)
    watch = Watch([str(link)])
    assert not watch.changed()
    file.write_text("22")
    assert watch.changed()
    assert not watch.changed()
    other = tmp_path / "b.toml"
    other.write_text("22")
    link.unlink()
    assert watch.changed()
    link.symlink_to(other)
    assert watch.changed()
    assert not watch.changed()
