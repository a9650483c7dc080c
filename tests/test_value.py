"""Frozen, slotted values: equal by type and public slots, hashable, printed as written, copied as themselves, pickled whole."""

from __future__ import annotations

import copy
import pickle

import pytest

from cognito_guard.value import Value


class Point(Value):
    __slots__ = ("x", "y")
    x: int
    y: int

    def __init__(self, x: int, y: int) -> None:
        self._set(x=x, y=y)


class Point3(Point):
    __slots__ = ("z", "_cache")
    z: int
    _cache: str

    def __init__(self, x: int, y: int, z: int) -> None:
        super().__init__(x, y)
        self._set(z=z, _cache="private")


class Twin(Value):
    __slots__ = ("x", "y")

    def __init__(self, x: int, y: int) -> None:
        self._set(x=x, y=y)


class ByName(Value):
    __slots__ = ("name", "rest")
    _names = ("name",)

    def __init__(self, name: str, rest: object) -> None:
        self._set(name=name, rest=rest)


class Nothing(Value):
    __slots__ = ()


def test_equal_by_type_and_fields() -> None:
    """Same type and fields: equal, and of one hash; another type with the same fields, a subclass too, is another value."""
    assert Point(1, 2) == Point(1, 2)
    assert hash(Point(1, 2)) == hash(Point(1, 2))
    assert Point(1, 2) != Point(2, 1)
    assert Point(1, 2) != Twin(1, 2)
    assert Point(1, 2) != Point3(1, 2, 3)
    assert Point(1, 2) != (1, 2)
    assert Nothing() == Nothing()
    assert len({Point(1, 2), Point(1, 2), Twin(1, 2)}) == 2


def test_subclasses_add_their_slots_and_private_ones_do_not_count() -> None:
    """Fields come in the order of the bases; a name with an underscore is nobody's business."""
    one, other = Point3(1, 2, 3), Point3(1, 2, 3)
    object.__setattr__(other, "_cache", "different")
    assert one == other
    assert repr(one) == "Point3(x=1, y=2, z=3)"
    assert Point3(1, 2, 3) != Point3(1, 2, 4)


def test_a_class_may_say_what_it_is_compared_by() -> None:
    """Where a field is no part of the identity (a closure, say), `_names` leaves it out of equality, hash and print."""
    assert ByName("a", []) == ByName("a", {})
    assert hash(ByName("a", [])) == hash(ByName("a", {}))
    assert repr(ByName("a", [])) == "ByName(name='a')"


@pytest.mark.parametrize("name", ["x", "y", "z", "_names", "__class__"])
def test_immutable(name: str) -> None:
    """Nothing can be set or deleted, fields that do not exist included."""
    point = Point(1, 2)
    with pytest.raises(AttributeError, match="immutable"):
        setattr(point, name, 3)
    with pytest.raises(AttributeError, match="immutable"):
        delattr(point, name)
    assert not hasattr(point, "__dict__")


def test_copies_are_the_value_itself() -> None:
    """What cannot change need not be copied."""
    point = Point(1, 2)
    assert copy.copy(point) is point
    assert copy.deepcopy([point])[0] is point


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", [Point(1, 2), Point3(1, 2, 3), Nothing(), ByName("a", [1])], ids=repr)
def test_pickles(value: Value, protocol: int) -> None:
    """A value crosses to another process whole, private slots included, and stays immutable there."""
    back = pickle.loads(pickle.dumps(value, protocol))
    assert back == value
    assert [getattr(back, name) for name in value.__slots__] == [getattr(value, name) for name in value.__slots__]
    with pytest.raises(AttributeError):
        back.x = 1


def test_unhashable_fields_make_an_unhashable_value() -> None:
    """As with tuples: a value that holds a list has no hash, and says so when asked."""
    with pytest.raises(TypeError):
        hash(Point([], 1))  # type: ignore[arg-type]
