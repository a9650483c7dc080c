"""Frozen, slotted values with written-out constructors.

Our constructors judge their arguments, so they are written by hand anyway; what is left (freezing, equality, hashing, printing) is
this page. It stands in for `dataclasses`, whose import and generated code would cost more than all of the core's own modules.
"""

from __future__ import annotations

from typing import Any, ClassVar, Never, Self


class Value:
    """An immutable value: equal when its type and its public slots are; hashable where those are; printed as it is written.

    A subclass names `__slots__`, annotates them, and sets them in its own `__init__` by `self._set(name=...)`.
    """

    __slots__ = ()
    _names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "_names" in cls.__dict__:
            return  # the class says what it is compared by
        cls._names = tuple(
            name for part in reversed(cls.__mro__) for name in getattr(part, "__slots__", ()) if not name.startswith("_")
        )

    def _set(self, **fields: object) -> None:
        for name, field in fields.items():
            object.__setattr__(self, name, field)

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._names)

    def __setattr__(self, name: str, field: object) -> Never:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __delattr__(self, name: str) -> Never:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash((type(self), self._fields()))

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={field!r}" for name, field in zip(self._names, self._fields(), strict=True))
        return f"{type(self).__name__}({inside})"

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        self._set(**state[1])  # unpickling: what pickle does by itself would meet __setattr__

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self
