"""What the address of a list of items asks for."""

from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

from schemas.errors import QueryError
from streams.page.store.filters import Filter, Human, Kind, Order, PageRequest, Verdict

PAGE_SIZE = 50
_ENUMS: dict[str, type[StrEnum]] = {"verdict": Verdict, "kind": Kind, "human": Human}
_NUMBERS = ("min_score", "max_score")
_TYPED = ("text", "source", "release")
"""What people type. Other values are chosen, and have the blanks that the topics have."""
_FIELDS = tuple(field.name for field in fields(Filter))
_Enum = TypeVar("_Enum", bound=StrEnum)


def read_query(query: Mapping[str, str]) -> tuple[Filter, PageRequest]:
    """The filter and the page of an address. What is empty is not asked for. Raises QueryError."""
    given: dict[str, object] = {}
    for name in _FIELDS:
        value = query.get(name, "")
        if not value.strip():
            continue
        if name in _ENUMS:
            given[name] = _one_of(_ENUMS[name], name, value)
        elif name in _NUMBERS:
            given[name] = _number(name, value)
        elif name in _TYPED:
            given[name] = value.strip()
        else:
            given[name] = value
    order = _one_of(Order, "order", query.get("order") or Order.NEWEST)
    after = query.get("after") or None
    return Filter(**given), PageRequest(PAGE_SIZE, after, order)  # type: ignore[arg-type]


def address(filter: Filter, order: Order = Order.NEWEST, after: str | None = None) -> str:
    """The query of the address that asks for this, without a question mark."""
    asked = {name: getattr(filter, name) for name in _FIELDS}
    asked |= {"order": None if order is Order.NEWEST else order, "after": after}
    return urlencode({name: value for name, value in asked.items() if value is not None})


def item_address(id: str, **more: str) -> str:
    """The address of an item. An id may be any text, and only a query can hold any text."""
    return "/item?" + urlencode({"id": id, **more})


def act_address(id: str, action: str) -> str:
    """The address that a form about an item is sent to."""
    return f"/item/{action}?" + urlencode({"id": id})


def _one_of(kind: type[_Enum], name: str, value: str) -> _Enum:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(kind)
        raise QueryError(f"{name} is {value!r}, and can be {known}") from None


def _number(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not -1000 < number < 1000:
        raise QueryError(f"{name} is {value!r}, which is not a number from 1 to 5")
    return number
