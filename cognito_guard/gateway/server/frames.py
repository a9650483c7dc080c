"""Where websocket frames end (RFC 6455 §5.2), and the Close frame that a server may put between two. Decides nothing; reads no payload."""

from __future__ import annotations


class Frames:
    """Follows one direction of a websocket by its frames' lengths alone."""

    __slots__ = ("_begun", "_left")

    def __init__(self) -> None:
        self._begun = b""  # a frame's header so far, while it is not whole
        self._left = 0  # octets of the payload that are still to come

    @property
    def between(self) -> bool:
        """Whether what was followed so far ends where a frame ends."""
        return not self._left and not self._begun

    def follow(self, octets: bytes, *, first: bool = False) -> int:
        """How many of `octets` were followed: all of them, or, with `first`, those before the first place between two frames."""
        at, count = 0, len(octets)
        while at < count and not (first and self.between):
            if self._left:
                taken = min(self._left, count - at)
                self._left -= taken
                at += taken
                continue
            lead = len(self._begun)
            header = self._begun + octets[at : at + 14 - lead]
            size = _header_size(header)
            if len(header) < size:
                self._begun = header
                return count
            self._begun = b""
            at += size - lead
            masked = 4 if header[1] & 0x80 else 0
            length = header[1] & 0x7F
            self._left = int.from_bytes(header[2 : size - masked], "big") if length > 125 else length
        return at


def close_frame(code: int, reason: bytes) -> bytes:
    """A server's Close frame; `reason` is a constant of ours of at most 123 octets."""
    return b"\x88%c%b%b" % (2 + len(reason), code.to_bytes(2, "big"), reason)


def _header_size(header: bytes) -> int:
    if len(header) < 2:
        return 2
    length = header[1] & 0x7F
    return 2 + (2 if length == 126 else 8 if length == 127 else 0) + (4 if header[1] & 0x80 else 0)
