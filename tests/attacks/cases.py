"""The cases of the corpus, read from the JSON files of this directory."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SURFACES = (
    *("token", "tenant", "login", "refresh", "guard", "cookies"),
    *("localhost", "throttle", "sessions", "jwks", "client", "config"),
)

CaseT = t.TypeVar("CaseT")


class MalformedCaseError(ValueError):
    """A case does not follow the format; the message names the case."""


@dataclass(frozen=True)
class Case:
    """One case.

    :param id: its name, unique in the corpus.
    :param source: an RFC section, a CVE, an advisory of a project, or "own".
    :param surface: the part of the package that is attacked; it chooses the player.
    :param expect: what must happen; for each request, if there are several.
    :param token: the recipe of a token; see ``recipes.py``.
    :param request: the requests in their order; their form depends on the surface.
    :param tokens: recipes of tokens that the requests name in braces.
    :param config: changes of the app's config.
    :param note: why it is expected, or the CWE of the weakness, if the source does not say so.
    """

    id: str
    source: str
    surface: str
    expect: tuple[Mapping[str, t.Any], ...]
    token: Mapping[str, t.Any] | None = None
    request: tuple[Mapping[str, t.Any], ...] = ()
    tokens: Mapping[str, Mapping[str, t.Any]] | None = None
    config: Mapping[str, t.Any] | None = None
    note: str | None = None


def parse(kind: type[CaseT], members: Mapping[str, t.Any], where: str) -> CaseT:
    """Make a dataclass of the members of a JSON object.

    :param where: the place of the object, for the error.
    :raises MalformedCaseError: if a member is unknown or missing.
    """
    try:
        return kind(**members)
    except TypeError as error:
        raise MalformedCaseError(f"{where}: {error}") from None


def parse_case(members: Mapping[str, t.Any], where: str) -> Case:
    """Parse one case.

    :raises MalformedCaseError: if it does not follow the format.
    """
    where = f"{where}: {members.get('id')!r}"
    several = {name: _several(members[name]) for name in ("expect", "request") if name in members}
    case = parse(Case, {**members, **several}, where)
    if case.surface not in SURFACES:
        raise MalformedCaseError(f"{where}: the surface is none of {', '.join(SURFACES)}")
    if not (case.id and case.source and case.expect):
        raise MalformedCaseError(f"{where}: id, source and expect must not be empty")
    if case.token is not None and case.request:
        raise MalformedCaseError(f"{where}: has both a token and a request")
    if case.request and len(case.expect) != len(case.request):
        raise MalformedCaseError(f"{where}: each request needs its expect")
    return case


def load() -> tuple[Case, ...]:
    """Load all cases.

    :raises MalformedCaseError: if a case does not follow the format, or has the id of another case.
    """
    cases: dict[str, Case] = {}
    for path in sorted(HERE.glob("*.json")):
        for members in json.loads(path.read_text()):
            case = parse_case(members, path.name)
            if case.id in cases:
                raise MalformedCaseError(f"{path.name}: two cases have the id {case.id!r}")
            cases[case.id] = case
    return tuple(cases.values())


def _several(value: t.Any) -> tuple[t.Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)
