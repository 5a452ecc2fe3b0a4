"""Validation of the access tokens of Auth0 tenants and other OpenID providers."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from authlib.oauth2.rfc6750 import BearerTokenValidator
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jws import CompactSignature, JWSRegistry, validate_compact

from .. import jws
from ..errors import ForbiddenError
from ..identity import Admitted, Identity, is_subject
from .jwks import TenantKeys, UnknownKeyError

if t.TYPE_CHECKING:
    from joserfc.jwa import JWSAlgModel
    from joserfc.jwk import Key

    from ..config import Auth0Tenant


class _Registry(JWSRegistry):
    # joserfc's own registry reads an empty list as its defaults, HS256 among them. It also warns at each
    # token with EdDSA (RFC 9864 deprecates the name), which an app allowed by name.
    def get_alg(self, name: str) -> JWSAlgModel:
        if not self.allowed or name not in self.allowed or name not in self.algorithms:
            raise UnsupportedAlgorithmError(f"Algorithm {name} is not allowed")
        return self.algorithms[name]


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A parsed token; its signature is not verified yet.

    :param parsed: the parts of the token.
    :param claims: the token's payload.
    """

    parsed: jws.ParsedToken = field(repr=False)
    claims: Mapping[str, t.Any] = field(repr=False)


def parse_token(token: str) -> UnverifiedToken:
    """Parse a bearer token.

    :raises ForbiddenError: if it is not a signed JWT; the detail says why.
    """
    try:
        parsed = jws.parse(token)
    except jws.MalformedTokenError as error:
        raise ForbiddenError(str(error)) from None
    try:
        return UnverifiedToken(parsed, jws.load_object(parsed.payload))
    except (ValueError, RecursionError):
        raise ForbiddenError("The token's payload is not a JSON object") from None


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token whose signature is valid; its claims are not validated yet.

    :param header: the protected header (RFC 7515, 4).
    :param claims: the token's payload.
    """

    header: Mapping[str, t.Any]
    claims: Mapping[str, t.Any]


class Problem(t.NamedTuple):
    """A check that a token fails.

    :param check: the name of the check, as ``flask core-auth explain`` shows it.
    :param detail: the reason, a sentence for the client and the log.
    """

    check: str
    detail: str


class Auth0Validator(BearerTokenValidator):
    """Validates the access tokens of one tenant (RFC 7519, RFC 9068).

    Authlib's own validators for JWTs require all claims of RFC 9068, which Auth0's default tokens do not
    have.

    :param tenant: the tenant.
    """

    def __init__(self, tenant: Auth0Tenant) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tenant = tenant
        self._keys = TenantKeys(tenant.jwks_uri)
        self._registry = _Registry(algorithms=tenant.algorithms, strict_check_header=False)

    def validate(self, token: UnverifiedToken) -> Admitted:
        """Validate an access token.

        :raises ForbiddenError: if it is rejected; the detail says why.
        :raises ServiceUnavailableError: if the tenant's keys cannot be fetched.
        """
        signed = self._verify_signature(token)
        self.validate_token(signed)
        return Admitted(
            Identity(
                subject=signed.claims["sub"],
                idp=self.tenant.domain,
                scopes=self.scopes_of(signed.claims),
                claims=signed.claims,
            )
        )

    def authenticate_token(self, token_string: str) -> SignedToken:
        """Parse a token and verify its signature, for Authlib's resource protector.

        The payload is parsed first, so its error comes before an error of the signature.

        :raises ForbiddenError: if it is not valid.
        :raises ServiceUnavailableError: if the tenant's keys cannot be fetched.
        """
        return self._verify_signature(parse_token(token_string))

    def _verify_signature(self, token: UnverifiedToken) -> SignedToken:
        """Verify a token's signature; the first half of :meth:`validate`.

        The key is one of the tenant's own, chosen by ``kid``. The header's ``jwk``, ``jku``, ``x5c`` and
        ``x5u`` are ignored, since anybody can write them (RFC 8725, 3.10).

        :raises ForbiddenError: if it is not valid.
        :raises ServiceUnavailableError: if the tenant's keys cannot be fetched.
        """
        for problem in self.signature_problems(token):
            raise ForbiddenError(problem.detail)
        return SignedToken(token.parsed.header, token.claims)

    def signature_problems(self, token: UnverifiedToken) -> Iterator[Problem]:
        """Yield every problem of a token's header and signature; none if the signature is valid.

        :raises ServiceUnavailableError: if the tenant's keys cannot be fetched.
        """
        signed = token.parsed
        algorithm, kid = signed.header.get("alg"), signed.header.get("kid")
        is_algorithm = isinstance(algorithm, str) and algorithm in self.tenant.algorithms
        if not is_algorithm:
            yield Problem("alg", "The token is signed with an algorithm that is not accepted")
        if not isinstance(kid, str) or not kid:
            yield Problem("kid", "The token does not name its key (kid)")
        elif is_algorithm:
            yield from self._key_problems(signed, kid, t.cast(str, algorithm))

    def _key_problems(self, signed: jws.ParsedToken, kid: str, algorithm: str) -> Iterator[Problem]:
        try:
            keys = self._keys.find(kid, algorithm)
        except UnknownKeyError:
            yield Problem("kid", "The token's key (kid) is not one of its tenant's")
            return
        try:
            verified = any(self._is_signed_with(key, signed) for key in keys)
        except JoseError:
            yield Problem("form", "The token's header is malformed")
            return
        if not verified:
            yield Problem("signature", "The token's signature does not match")

    def _is_signed_with(self, key: Key, signed: jws.ParsedToken) -> bool:
        signature = CompactSignature(signed.header, signed.payload)
        header, payload = signed.message.split(b".")
        signature.segments = {"header": header, "payload": payload, "signature": signed.signature}
        return validate_compact(signature, key, registry=self._registry)

    def validate_token(
        self, token: SignedToken, scopes: Sequence[str] | None = None, request: object = None
    ) -> None:
        """Validate the claims; the second half of :meth:`validate`.

        :param token: the result of :meth:`authenticate_token`.
        :param scopes: Authlib's parameter: one of them must be granted. Each is one scope, or several with
            spaces between.
        :param request: not used.
        :raises ForbiddenError: if the token is rejected.
        """
        for problem in self.claim_problems(token.header, token.claims):
            raise ForbiddenError(problem.detail)
        granted = tuple(self.scopes_of(token.claims)) if scopes else ()
        if self.scope_insufficient(granted, scopes):  # type: ignore[no-untyped-call]
            raise ForbiddenError("The token lacks a scope that is required")

    def claim_problems(self, header: Mapping[str, t.Any], claims: Mapping[str, t.Any]) -> Iterator[Problem]:
        """Yield every problem of a token's claims and of its header's ``typ``."""
        now = time.time()
        if claims.get("iss") != self.tenant.issuer:
            yield Problem("iss", "The token is of another issuer (iss)")
        if "aud" not in claims:
            yield Problem("aud", "The token has no audience (aud)")
        elif not _names_audience(claims["aud"], self.tenant.audience):
            yield Problem("aud", "The token is for another audience (aud)")
        if "exp" not in claims:
            yield Problem("exp", "The token has no expiry (exp)")
        latest = now + jws.LEEWAY_SECONDS
        for name in ("exp", "nbf", "iat"):
            if name not in claims:
                continue
            if not jws.is_time(claims[name]):
                yield Problem(name, f"The token has a malformed time ({name})")
            elif name == "exp" and claims["exp"] + jws.LEEWAY_SECONDS <= now:
                yield Problem("exp", "The token has expired")
            elif name == "nbf" and claims["nbf"] > latest:
                yield Problem("nbf", "The token is not valid yet (nbf)")
            elif name == "iat" and claims["iat"] > latest:
                yield Problem("iat", "The token was issued in the future (iat)")
        # Auth0 names this claim azp, RFC 9068 client_id.
        client = claims["azp"] if "azp" in claims else claims.get("client_id")
        if self.tenant.clientid and client != self.tenant.clientid:
            yield Problem("client", "The token was issued to another client (azp)")
        yield from _kind_problems(header, claims)
        if not is_subject(claims.get("sub")):
            yield Problem("user", "The token has no subject (sub)")
        elif not self.tenant.admits(claims["sub"]):
            yield Problem("user", "The user is not admitted")

    def scopes_of(self, claims: Mapping[str, t.Any]) -> frozenset[str]:
        """Return the token's scopes that the tenant's config copies. Others are ignored, ``"*"``
        included."""
        scope, permissions = claims.get("scope"), claims.get("permissions")
        granted = scope.split() if isinstance(scope, str) else []
        if isinstance(permissions, list):
            granted += (permission for permission in permissions if isinstance(permission, str))
        return self.tenant.scopes.intersection(granted)


def _kind_problems(header: Mapping[str, t.Any], claims: Mapping[str, t.Any]) -> Iterator[Problem]:
    if "typ" in header and not _is_access_token(header["typ"]):
        yield Problem("kind", "The token is of a type (typ) that is not accepted")
    # RFC 9449, 6 and RFC 8705, 3.1: only the holder of a key may use the token, and no key is proven here.
    if "cnf" in claims:
        yield Problem(
            "bound", "The token is bound to a key (cnf): request a bearer token without DPoP or mTLS"
        )
    # Amazon Cognito writes "id" into ID tokens.
    if claims.get("token_use", "access") != "access":
        yield Problem("kind", "The token is no access token (token_use)")
    # Keycloak writes "ID" or "Refresh". An audience mapper can put the API into an ID token's aud.
    if "typ" in claims and not _is_bearer_type(claims["typ"]):
        yield Problem("kind", "The token is no access token (the claim typ is not Bearer)")
    # RFC 8417, 2.2: a security event token.
    if "events" in claims:
        yield Problem("kind", "The token is a security event token (events), no access token")


@dataclass(frozen=True, slots=True)
class TenantToken:
    """A token with the tenant that it names; its signature is not verified yet.

    :param validator: the validator of the tenant.
    :param token: the parsed token.
    """

    validator: Auth0Validator
    token: UnverifiedToken = field(repr=False)

    def validate(self) -> Admitted:
        """Verify the token, as :meth:`Auth0Validator.validate` does."""
        return self.validator.validate(self.token)


class Auth0Validators:
    """The validators of all tenants.

    :param tenants: the tenants; each has an issuer of its own.
    """

    def __init__(self, tenants: Iterable[Auth0Tenant]) -> None:
        self._validators = {tenant.issuer: Auth0Validator(tenant) for tenant in tenants}

    def find(self, token: str) -> TenantToken | None:
        """Parse a token, and return it with the tenant that it names; None if no tenant matches.

        :param token: any string.
        """
        try:
            parsed = parse_token(token)
        except ForbiddenError:
            return None
        issuer = parsed.claims.get("iss")
        validator = self._validators.get(issuer) if isinstance(issuer, str) else None
        return None if validator is None else TenantToken(validator, parsed)


def _names_audience(aud: object, audience: str) -> bool:
    # RFC 7519, 4.1.3: one string, or several.
    if isinstance(aud, list):
        return audience in aud and all(isinstance(element, str) for element in aud)
    return aud == audience


def _is_bearer_type(typ: object) -> bool:
    return isinstance(typ, str) and typ.lower() == "bearer"


def _is_access_token(typ: object) -> bool:
    # RFC 9068, 2.1, and RFC 7515, 4.1.9: a media type, case-insensitive, "application/" may be left out.
    return isinstance(typ, str) and typ.lower().removeprefix("application/") in ("jwt", "at+jwt")
