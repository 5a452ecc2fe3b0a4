"""Texts with names in braces, which stand for values that are known only at run time."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

_NAME = re.compile(
    r"\{repeat:(?P<text>[^{}]+?):(?P<times>[0-9]+)\}|\{(?P<name>(?:[0-9]+\.)?[a-z][\w.-]*)\}"
)


class UnknownNameError(ValueError):
    """A text has a name in braces that stands for no value."""


def fill(value: t.Any, values: Mapping[str, str]) -> t.Any:
    """Replace ``{name}`` by its value and ``{repeat:x:3}`` by ``xxx``, in every string of a JSON value.

    :raises UnknownNameError: if a name has no value: a misspelled case would be rejected for nothing.
    """
    if isinstance(value, str):
        return _NAME.sub(lambda match: _replacement(match, values), value)
    if isinstance(value, Mapping):
        return {fill(name, values): fill(member, values) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [fill(element, values) for element in value]
    return value


def _replacement(match: re.Match[str], values: Mapping[str, str]) -> str:
    if match["name"] is None:
        return match["text"] * int(match["times"])
    if match["name"] not in values:
        raise UnknownNameError(f"{match['name']!r} is none of {sorted(values)}")
    return values[match["name"]]


def raw(text: str) -> bytes:
    """Encode a text as UTF-8; the character U+DC80 and those up to U+DCFF stand for the bytes 80 to FF."""
    return text.encode("utf-8", "surrogateescape")
