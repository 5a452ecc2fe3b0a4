"""Secrets in stack frames: error trackers store local variables, and mask them by name only."""

from __future__ import annotations

import functools
import re
import traceback
import types
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

from flask import Response
from flask.globals import request
from werkzeug.local import LocalProxy

import flask_core_auth

PACKAGE = str(Path(flask_core_auth.__file__).parent)
#: A signed token in compact serialization; its header begins with {".
TOKEN = re.compile(r"eyJ[\w-]{8,}\.[\w-]*\.[\w-]{20,}", re.ASCII)
#: Trackers mask a variable of this name. WSGI's environ is in Flask's own frames too.
MASKED = ("password", "environ")
#: Error trackers show their ``repr()`` only. A response has the tokens that it returns.
OPAQUE = (Response, LocalProxy, type(request))


def frames_of(error: BaseException) -> Iterator[types.FrameType]:
    """Yield the frames that an error tracker stores: those of an error, its causes and its contexts."""
    chain: BaseException | None = error
    while chain is not None:
        yield from (frame for frame, _ in traceback.walk_tb(chain.__traceback__))
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)


def leaks(frames: Iterable[types.FrameType], secrets: Iterable[str]) -> list[str]:
    """Return the places of secrets, and of texts like a token, in frames of flask-core-auth."""
    return [
        f"{frame.f_code.co_name}(): {place}"
        for frame in frames
        if frame.f_code.co_filename.startswith(PACKAGE)
        for name, value in frame.f_locals.items()
        for place in _places(name, value, tuple(secrets), set())
    ]


def _places(path: str, value: object, secrets: tuple[str, ...], seen: set[int]) -> Iterator[str]:
    if re.split(r"[.\[]", path)[-1].strip("']") in MASKED or id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, str | bytes | bytearray):
        text = value if isinstance(value, str) else bytes(value).decode("latin-1")
        if TOKEN.search(text) or any(secret in text for secret in secrets):
            yield path
        return
    text = repr(value)
    if TOKEN.search(text) or any(secret in text for secret in secrets):
        yield f"repr of {path}"
    for name, member in _members(value):
        yield from _places(f"{path}{name}", member, secrets, seen)


def _members(value: object) -> Iterator[tuple[str, object]]:
    """Yield the parts of a value. Objects that serve the whole app count by their ``repr()`` alone."""
    if isinstance(value, OPAQUE):
        return
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield "[key]", key
            yield f"[{key!r}]", member
    elif isinstance(value, list | tuple | set | frozenset):
        names = getattr(value, "_fields", None)
        for number, member in enumerate(value):
            yield (f".{names[number]}" if names else f"[{number}]"), member
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield f".{field.name}", getattr(value, field.name)
    elif isinstance(value, functools.partial):
        yield ".args", value.args
        yield ".keywords", value.keywords
    elif isinstance(value, types.MethodType | types.BuiltinMethodType):
        yield ".self", value.__self__
    elif isinstance(value, types.FunctionType):
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            yield f".{name}", cell.cell_contents
    elif isinstance(value, BaseException):
        yield ".args", value.args
        yield ".members", vars(value)


def raised_by(call: Callable[[], t.Any]) -> BaseException | None:
    """Call a function, and return the exception that it raises."""
    try:
        call()
    except BaseException as error:
        return error
    return None
