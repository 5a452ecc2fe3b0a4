"""The result of ``flask core-auth explain``, as text and for a program."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, field
from datetime import UTC, datetime

#: The checks, in the order of the report.
CHECKS = (
    *("form", "alg", "kid", "signature", "iss", "aud", "exp", "nbf", "iat"),
    *("client", "kind", "bound", "user", "session"),
)
#: Longer values of a token are cut, in characters.
SHOWN_LENGTH = 100
_UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))

Use = t.Literal["login", "refresh", "routes"]
_ACCEPTED_FOR: t.Mapping[Use | None, str] = {
    "login": "it logs in",
    "refresh": "the refresh exchanges it for an access token",
    "routes": "it opens protected routes",
}


@dataclass(slots=True)
class Check:
    """The result of one check.

    :param name: one of :data:`CHECKS`.
    :param ok: True if the token passes, or if the app does not require the check. None if the result
        is unknown.
    :param detail: the reason, with the expected and the found value.
    """

    name: str
    ok: bool | None = True
    detail: str | None = None


@dataclass(slots=True)
class Explanation:
    """The properties of a token, and every check that it fails.

    :param tenant: the domain of the tenant that issued it; None for a token of flask-core-auth.
    :param use: the use of the token, if it is accepted.
    :param facts: the properties that the token states, each a label and words.
    :param hints: the uses for which an accepted token is not accepted.
    """

    tenant: str | None = None
    use: Use | None = None
    facts: dict[str, str] = field(default_factory=dict)
    hints: list[str] = field(default_factory=list)
    _checks: dict[str, Check] = field(default_factory=lambda: {name: Check(name) for name in CHECKS})

    @property
    def checks(self) -> list[Check]:
        """The results, in the order of :data:`CHECKS`."""
        return list(self._checks.values())

    @property
    def is_accepted(self) -> bool:
        """Whether the token passes every check."""
        return all(check.ok for check in self._checks.values())

    def fail(
        self, check: str, reason: str, *, expected: str | None = None, found: str | None = None
    ) -> None:
        """Note that the token fails a check; a check may fail for several reasons."""
        if expected is not None:
            reason += f": expected {expected}"
        if found is not None:
            reason += f", found {found}"
        failed = self._checks[check]
        failed.detail = reason if failed.detail is None else f"{failed.detail}; {reason}"
        failed.ok = False

    def leave_open(self, *checks: str, detail: str | None = None) -> None:
        """Note that the results of checks are unknown. A check that has failed stays failed."""
        for check in checks:
            if self._checks[check].ok:
                self._checks[check] = Check(check, None, detail)

    def has_passed(self, check: str) -> bool:
        """Tell whether the token passes a check."""
        return self._checks[check].ok is True

    def as_dict(self) -> dict[str, t.Any]:
        """Return the explanation for a program."""
        return {
            "tenant": self.tenant,
            "login": self.is_accepted and self.use == "login",
            "routes": self.is_accepted and self.use == "routes",
            "checks": [
                {"check": check.name, "ok": check.ok, "detail": check.detail} for check in self.checks
            ],
        }

    def as_text(self) -> str:
        """Return the explanation for a person."""
        lines = [f"{label + ':':9} {words}" for label, words in self.facts.items()]
        if self.facts and not self.has_passed("signature"):
            lines.append("The values above may be forged: the signature is not valid, or not checked.")
        if self.is_accepted:
            lines.append(f"accepted: {_ACCEPTED_FOR[self.use]}")
            return "\n".join(lines + self.hints)
        lines += (f"Token rejected: {check.detail}" for check in self.checks if check.ok is False)
        lines += (check.detail for check in self.checks if check.ok is None and check.detail is not None)
        left = [check.name for check in self.checks if check.ok is None and check.detail is None]
        if left:
            lines.append(f"Not checked, because of this: {', '.join(left)}")
        return "\n".join(lines)


def shown(value: object) -> str:
    """Return a value of a token, cut short, on one line and without control characters."""
    if value is None:
        return "nothing"
    try:
        text = ascii(value)
    except RecursionError:
        text = type(value).__name__
    return text if len(text) <= SHOWN_LENGTH else f"{text[: SHOWN_LENGTH - 3]}..."


def when(moment: float) -> str:
    """Return a time in words.

    :param moment: the time, in seconds since the epoch.
    """
    try:
        date = f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        date = f"{moment:.0f} seconds after 1970"
    distance = moment - time.time()
    # Of two units, the one that gives at least 2.
    seconds, unit = next(((size, name) for size, name in _UNITS if abs(distance) >= 2 * size), _UNITS[-1])
    words = f"{abs(distance) // seconds:.0f} {unit}"
    return f"{date}, in {words}" if distance > 0 else f"{date}, {words} ago"
