"""Lines of keys, which tomllib does not tell."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognito_guard.gateway.settings.locating import locate


def test_tables_and_keys():
    """Keys stand under their table; a table is known by its header's line; comments and blank lines count as lines."""
    lines = locate('# first\nrealm = "api" # = x\n\n[server]\n bind = "[x] = 1"\n[log.deep]\nlevel = 1\n')
    assert lines == {
        ("realm",): 2, ("server",): 4, ("server", "bind"): 5, ("log",): 6, ("log", "deep"): 6, ("log", "deep", "level"): 7,
    }  # fmt: skip


def test_arrays_of_tables():
    """Each table of an array is known by its position, and tables below belong to the last one."""
    lines = locate("[[route]]\npath = 1\n[[route]]\npath = 2\n[route.more]\nx = 1\n[[route.sub]]\ny = 1\n[[route]]\n")
    assert lines[("route",)] == lines["route", 0] == 1
    assert lines["route", 0, "path"] == 2
    assert lines["route", 1] == 3
    assert lines["route", 1, "path"] == 4
    assert lines["route", 1, "more", "x"] == 6
    assert lines["route", 1, "sub", 0, "y"] == 8
    assert lines["route", 2] == 9


def test_long_strings():
    """What stands inside a string of several lines is no key, and its lines count."""
    lines = locate('a = """\n[x]\nb = 1\n\\""" " ""\n"""""\nc = \'\'\'\nd = 1\n\'\'\'\ne = """"""\nf = 1\n')
    assert lines == {("a",): 1, ("c",): 6, ("e",): 9, ("f",): 10}


def test_arrays_over_several_lines():
    """Elements of an array have lines of their own, nested ones and tables among them too."""
    lines = locate(
        'a = [\n  "x", # one, two ]\n  [1,\n   2],\n  {k = 1, l.m = [\n  3]},\n]\nb = []\nc = 1.5\nd = 1979-05-27 07:32:00.5\n'
    )
    assert lines == {
        ("a",): 1, ("a", 0): 2, ("a", 1): 3, ("a", 1, 0): 3, ("a", 1, 1): 4, ("a", 2): 5, ("a", 2, "k"): 5, ("a", 2, "l"): 5,
        ("a", 2, "l", "m"): 5, ("a", 2, "l", "m", 0): 6, ("b",): 8, ("c",): 9, ("d",): 10,
    }  # fmt: skip


def test_quoted_and_dotted_keys():
    """A key is what TOML reads: quotation marks and escapes are gone, dots part keys outside of quotation marks only."""
    lines = locate('"a.b".c = 1\n\'x\\y\' = 2\n"q\\"\\u00e9" = 3\n[ a . "b c" ]\nd=1\n')
    assert lines == {
        ("a.b",): 1, ("a.b", "c"): 1, ("x\\y",): 2, ('q"é',): 3, ("a",): 4, ("a", "b c"): 4, ("a", "b c", "d"): 5,
    }  # fmt: skip


@given(st.text(alphabet="ab.=[]{},\"'\\\n #1", max_size=60))
def test_never_raises(text):
    """Whatever the text, an answer comes, with lines that there are."""
    lines = locate(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


def _places(tree, place=()):
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield (*place, key)
            yield from _places(value, (*place, key))
    if isinstance(tree, list):
        for at, value in enumerate(tree):
            yield (*place, at)
            yield from _places(value, (*place, at))


@given(st.text(alphabet="ab.=[]{},\"'\n #1", max_size=30))
def test_every_place_of_what_is_toml(text):
    """Where tomllib reads the text, every key and element that it finds has a line, and nothing else has."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(locate(text)) == set(_places(tree))


_KEYS = st.sampled_from(["a", "b", '"c d"', "'e'", '"\\u0041"'])
_VALUES = st.recursive(
    st.sampled_from(["1", "true", "1.5", '"x = [1]"', "'#'", '"""\nk = 1\n"""', "'''\n[t]'''", "1979-05-27 07:32:00"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: "[" + ", # c\n".join(each) + "\n]"),
        st.dictionaries(_KEYS, inner.filter(lambda value: "\n" not in value), max_size=2).map(
            lambda each: "{" + ", ".join(f"{key} = {value}" for key, value in each.items()) + "}"
        ),
    ),
    max_leaves=5,
)
_PATHS = st.lists(_KEYS, min_size=1, max_size=3).map(".".join)
_LINES = st.lists(
    st.one_of(
        st.tuples(_PATHS, _VALUES).map(lambda pair: f"{pair[0]} = {pair[1]}"),
        _PATHS.map(lambda path: f"[{path}]"),
        _PATHS.map(lambda path: f"[[{path}]]"),
        st.just("# comment"),
    ),
    max_size=6,
)


@given(_LINES)
def test_every_place_of_larger_texts(lines):
    """The same for texts that are mostly TOML."""
    text = "\n".join(lines)
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(locate(text)) == set(_places(tree))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "a = " + "[" * 50_000,
        "a = " + "{b=" * 20_000,
        '"' * 30_001,
        "a.\n" * 9_999,
        "a." * 50_000 + "b = 1",
        "[" + "a." * 50_000 + "b]\nc = 1",
    ],
)
def test_deep_and_long(text):
    """Depth and length are no reason to fail."""
    locate(text)
