"""Callables that users hand in: whether one answers at once, or would have to be awaited. Calls none of them."""

from __future__ import annotations

from functools import partial

_CO_COROUTINE = 0x80  # inspect.CO_COROUTINE, without the import of inspect


def is_plain_callable(hook: object) -> bool:
    """Whether it can be called and, as far as can be seen, answers without being awaited."""
    if isinstance(hook, partial):
        return is_plain_callable(hook.func)
    code = getattr(hook, "__code__", None) or getattr(getattr(type(hook), "__call__", None), "__code__", None)  # noqa: B004
    return callable(hook) and not getattr(code, "co_flags", 0) & _CO_COROUTINE
