"""Looking into tables as they stand in the file, whatever is wrong with them."""

from typing import Any


def table(tables: dict[str, Any], key: str) -> dict[str, Any]:
    """The table at `key`, an empty one if there is none."""
    value = tables.get(key)
    return value if isinstance(value, dict) else {}


def values(tables: dict[str, Any], key: str) -> list[Any]:
    """The list at `key`, an empty one if there is none."""
    value = tables.get(key)
    return value if isinstance(value, list) else []


def dicts(tables: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The tables in the list at `key`."""
    return [value for value in values(tables, key) if isinstance(value, dict)]


def words(tables: dict[str, Any], key: str) -> list[str]:
    """The texts in the list at `key`."""
    return [value for value in values(tables, key) if isinstance(value, str)]
