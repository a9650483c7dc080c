"""Own cookies taken out, the others' octets left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.errors import ConfigurationError
from cognito_guard.gateway.rewriting.cookies import OwnCookies

OWN = OwnCookies(["__Host-cg"], ["cg."])


@pytest.mark.parametrize(
    ("field", "left"),
    [
        (b"", b""),
        (b"a=1; b=2", b"a=1; b=2"),
        (b"__Host-cg=x", b""),
        (b"__Host-cg=x;", b""),
        (b" __Host-cg = x ", b""),
        (b"__Host-cg", b""),
        (b"a=1; __Host-cg=x", b"a=1"),
        (b"__Host-cg=x; a=1", b"a=1"),
        (b"a=1; __Host-cg=x; b=2", b"a=1; b=2"),
        (b"a=1;__Host-cg=x;b=2", b"a=1;b=2"),
        (b"a=1;\t__Host-cg=x;  b=2", b"a=1;  b=2"),
        (b"cg.0=x; cg.1=y; cgx=z", b"cgx=z"),
        (b"__Host-cg=x; __Host-cg=y; a=1", b"a=1"),
        (b"a=__Host-cg; b=cg.0=1", b"a=__Host-cg; b=cg.0=1"),
        (b"__host-cg=x", b"__host-cg=x"),
        (b"x__Host-cg=x", b"x__Host-cg=x"),
        (b'a="b; __Host-cg=x"; c=\xff\xfe', b'a="b; c=\xff\xfe'),
        (b"a=b==; ;; c", b"a=b==; ;; c"),
    ],
)
def test_own_cookies_go(field, left):
    """Names are compared exactly; separators are `;` alone, also inside quotation marks, as browsers and RFC 6265 §5.4 have it."""
    assert OWN.without(field) == left


def _name(part: bytes) -> bytes:
    return part.partition(b"=")[0].strip(b" \t")


@given(
    st.lists(
        st.binary(max_size=12).map(lambda part: part.replace(b";", b"")) | st.sampled_from([b"__Host-cg=1", b" cg.7=2", b"a=1"])
    )
)
def test_the_others_are_untouched(parts):
    """Nothing of ours is left, and every other cookie stands there with its octets, in order."""
    left = OWN.without(b";".join(parts))
    kept = [part for part in parts if not (_name(part) == b"__Host-cg" or _name(part).startswith(b"cg."))]
    if len(kept) == len(parts):
        assert left == b";".join(parts)
    else:
        joined = b";".join(kept).strip(b" \t")
        assert left == (joined if joined.strip(b"; \t") else b"")
    assert OWN.without(left) == left


def test_none_and_several():
    """Without names nothing is looked for; two sets join."""
    assert not OwnCookies()
    assert OwnCookies().without(b"a=1") == b"a=1"
    assert (OWN | OwnCookies(["t"])).without(b"t=1; __Host-cg=2; cg.1=3; u=4") == b"u=4"
    assert OWN.without(b"t=1") == b"t=1", "joining changes neither"


def test_mistakes():
    """A name that no cookie can have, and a prefix that would take all of them, are mistakes."""
    with pytest.raises(ConfigurationError) as refused:
        OwnCookies(["a b", "a;"], [""])
    assert [problem.partition(":")[0] for problem in refused.value.problems] == ["names[0]", "names[1]", "prefixes[0]"]
