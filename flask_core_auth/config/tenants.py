"""Tenants: Auth0 tenants and other identity providers, in every form of ``API_AUTH_AUTH0_TENANTS``."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from ..identity import EVERY_SCOPE
from ..localhost import is_loopback
from .values import SettingError, parse_scopes, parse_sequence, parse_strings, reject_unknown_members

#: Signature algorithms that a tenant may use: the public-key algorithms of RFC 7518 and RFC 8037.
TENANT_ALGORITHMS = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
)
#: Identity providers that are no tenants: configured users and the app's own users.
RESERVED_DOMAINS = frozenset(("local", "host"))
_DOMAIN = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Auth0Tenant:
    """An Auth0 tenant, or another OpenID provider, whose access tokens log users in.

    :param domain: the tenant's domain, with its port where it has one; also the tenant's name.
    :param audience: the ``aud`` that its access tokens must carry.
    :param clientid: the client that its access tokens must have been issued to. Empty for any client.
    :param users: the subjects that may log in; ``"*"`` stands for every subject of the tenant.
    :param issuer: the ``iss`` that its access tokens must carry, compared character by character.
    :param jwks_uri: the URL of its public keys.
    :param algorithms: the signature algorithms that are accepted.
    :param scopes: the scopes that are copied from the tenant's token, if it has them.
    """

    domain: str
    audience: str
    clientid: str
    users: frozenset[str]
    issuer: str
    jwks_uri: str
    algorithms: frozenset[str]
    scopes: frozenset[str]

    def admits(self, subject: str) -> bool:
        """Tell whether ``subject`` is one of the tenant's users."""
        return subject in self.users or "*" in self.users

    def lists(self, subject: str) -> bool:
        """Tell whether ``subject`` is one of the tenant's users by name.

        A datarhei Core's token does not name the identity provider of its subject. If ``"*"`` counted
        here, every subject of that Core would belong to the tenant.
        """
        return subject in self.users - {"*"}


def parse_tenants(value: object) -> tuple[Auth0Tenant, ...]:
    """Parse ``API_AUTH_AUTH0_TENANTS``: a list, natively or as JSON, or the datarhei Core's string forms.

    :raises SettingError: if a tenant cannot be used; the message names it.
    """
    elements: Sequence[object]
    if isinstance(value, str) and not value.lstrip().startswith(("[", "{")):
        # The Core's form: a comma-separated list of URLs or of base64 (which has no comma).
        elements = [element.strip() for element in value.split(",") if element.strip()]
    else:
        elements = parse_sequence(value, "a list of tenants")
    tenants = tuple(_parse_tenant(element, number) for number, element in enumerate(elements, 1))
    for name in ("domain", "issuer"):
        seen: set[str] = set()
        for tenant in tenants:
            # A host name is case-insensitive (RFC 9110, 4.2.3); an issuer is not (RFC 8414, 2).
            unique = tenant.domain.lower() if name == "domain" else tenant.issuer
            if unique in seen:
                raise SettingError(f"has two tenants with the {name} {getattr(tenant, name)!r}")
            seen.add(unique)
    return tenants


def url_problems(tenant: Auth0Tenant, *, local: bool) -> list[str]:
    """Return the problems of a tenant's URLs: each must be valid and use https.

    :param local: whether http to a loopback address is accepted, for development.
    """
    problems = ((name, _url_problem(getattr(tenant, name), local=local)) for name in ("issuer", "jwks_uri"))
    return [f"{tenant.domain}: {name} {problem}" for name, problem in problems if problem]


def _url_problem(url: str, *, local: bool) -> str | None:
    try:
        parts = urlsplit(url)
        scheme, host, _ = parts.scheme, parts.hostname, parts.port
    except ValueError:
        return "is not a valid URL"
    # urlsplit() drops line breaks and leading blanks, so the checked URL would differ from the fetched URL.
    if not host or re.search(r"[^!-~]", url):
        return "is not a valid URL"
    if parts.username is not None:  # RFC 9110, 4.2.4; and messages would show the password
        return "must not contain credentials"
    if scheme == "https":
        return None
    if scheme == "http" and is_loopback(host):
        return None if local else "uses http, which is for loopback in debug or testing only"
    return "must use https"


def _parse_tenant(element: object, number: int) -> Auth0Tenant:
    place = f"tenant {number}"
    if isinstance(element, str):
        parse = _parse_url if element.startswith("auth0://") else _parse_base64
        element = parse(element, place)
    if not isinstance(element, Mapping):
        raise SettingError(f"{place}: must be a mapping with domain, audience, clientid and users")
    reject_unknown_members(element, Auth0Tenant.__slots__, place)
    texts: dict[str, str] = {}
    for name in ("domain", "audience", "clientid", "issuer", "jwks_uri"):
        texts[name] = element.get(name) or ""
        if not isinstance(texts[name], str):
            raise SettingError(f"{place}: {name} must be a string, not {element[name]!r}")
    domain = texts["domain"]
    if not _DOMAIN.fullmatch(domain):
        raise SettingError(
            f"{place}: domain must be a host name without scheme and path, such as"
            f" example.eu.auth0.com, not {domain.rpartition('@')[2]!r}"
        )
    if domain.lower() in RESERVED_DOMAINS:
        raise SettingError(
            f"{place}: domain must not be {domain!r}, which is the name of a local identity provider; give"
            " the tenant's host name"
        )
    if not texts["audience"]:
        raise SettingError(f"{domain}: audience is missing: the identifier of your API in the tenant")
    if texts["audience"] == texts["clientid"]:
        raise SettingError(
            f"{domain}: audience and clientid are the same, so that ID tokens would pass as access"
            " tokens; the audience is the identifier of your API"
        )
    try:
        users = frozenset(parse_strings(element.get("users") or (), "users"))
        algorithms = frozenset(parse_strings(element.get("algorithms") or ("RS256",), "algorithms"))
        scopes = parse_scopes(element.get("scopes") or ())
    except SettingError as problem:
        raise SettingError(f"{domain}: {problem}") from None
    if not algorithms <= TENANT_ALGORITHMS:
        raise SettingError(
            f"{domain}: algorithms may be {', '.join(sorted(TENANT_ALGORITHMS))}, not"
            f" {', '.join(sorted(algorithms - TENANT_ALGORITHMS))}"
        )
    if EVERY_SCOPE in scopes:
        raise SettingError(f"{domain}: scopes must be named one by one; '*' would hand out every scope")
    return Auth0Tenant(
        domain=domain,
        audience=texts["audience"],
        clientid=texts["clientid"],
        users=users,
        issuer=texts["issuer"] or f"https://{domain}/",
        jwks_uri=texts["jwks_uri"] or f"https://{domain}/.well-known/jwks.json",
        algorithms=algorithms,
        scopes=scopes,
    )


def _parse_url(url: str, place: str) -> Mapping[str, object]:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise SettingError(f"{place}: is not a valid URL") from None
    clientid, _, domain = parts.netloc.rpartition("@")
    query = parse_qs(parts.query)
    return {
        "domain": domain,
        "audience": query.get("aud", [""])[0],
        "clientid": unquote(clientid),
        "users": query.get("user", []),
    }


def _parse_base64(text: str, place: str) -> Mapping[str, object]:
    try:
        element = json.loads(base64.b64decode(text, validate=True))
    except (ValueError, RecursionError):  # binascii.Error is a ValueError
        raise SettingError(
            f"{place}: must be auth0://CLIENTID@DOMAIN?aud=AUDIENCE&user=SUBJECT, or a JSON object in"
            " base64"
        ) from None
    if not isinstance(element, dict):
        raise SettingError(f"{place}: holds no JSON object")
    return element
