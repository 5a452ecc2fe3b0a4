"""Logins with the access tokens of Auth0 tenants, or of other OpenID providers."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from authlib.oauth2.rfc6750 import BearerTokenValidator
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jws import CompactSignature, JWSRegistry, validate_compact

from .. import compact
from ..config import Auth0Tenant
from ..errors import ForbiddenError
from ..identity import Identity, is_subject
from .jwks import TenantKeys, UnknownKeyError

if t.TYPE_CHECKING:
    from joserfc.jwa import JWSAlgModel
    from joserfc.jwk import Key


class _Registry(JWSRegistry):
    # joserfc's own takes an empty list for its defaults, HS256 among them, and warns at each token that is
    # signed with EdDSA (the name is deprecated by RFC 9864): no news to an app that allowed it by name.
    def get_alg(self, name: str) -> JWSAlgModel:
        if not self.allowed or name not in self.allowed or name not in self.algorithms:
            raise UnsupportedAlgorithmError(f"Algorithm {name} is not allowed")
        return self.algorithms[name]


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token whose signature holds; its claims are yet to be validated.

    :param header: its protected header (RFC 7515, 4).
    :param claims: its payload.
    """

    header: Mapping[str, t.Any]
    claims: Mapping[str, t.Any]


class Auth0Validator(BearerTokenValidator):
    """Validates the access tokens of one tenant (RFC 7519, RFC 9068).

    Authlib's own validators for JWTs ask for all that RFC 9068 demands, which Auth0's default tokens do
    not carry.

    :param tenant: whose tokens they are.
    """

    def __init__(self, tenant: Auth0Tenant) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tenant = tenant
        self._keys = TenantKeys(tenant.jwks_uri)
        self._registry = _Registry(algorithms=tenant.algorithms, strict_check_header=False)

    def validate(self, token: str) -> Identity:
        """Whose access token this is.

        :raises ForbiddenError: if it is not admitted; the detail says why.
        :raises ServiceUnavailableError: if the tenant's keys cannot be had.
        """
        signed = self.authenticate_token(token)
        self.validate_token(signed)
        return Identity(
            subject=signed.claims["sub"],
            idp=self.tenant.domain,
            scopes=self._scopes(signed.claims),
            claims=signed.claims,
        )

    def authenticate_token(self, token_string: str) -> SignedToken:
        """Take the token apart and verify its signature; the first half of :meth:`validate`.

        Keys are the tenant's own, by ``kid``: what the header may say of other ones (``jwk``, ``jku``,
        ``x5c``, ``x5u``) is for whoever trusts the token already (RFC 8725, 3.10).

        :raises ForbiddenError: if it does not hold.
        :raises ServiceUnavailableError: if the tenant's keys cannot be had.
        """
        try:
            signed = compact.parse(token_string)
        except compact.MalformedTokenError as error:
            raise ForbiddenError(str(error)) from None
        algorithm, kid = signed.header.get("alg"), signed.header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self.tenant.algorithms:
            raise ForbiddenError("The token is signed with an algorithm that is not accepted")
        if not isinstance(kid, str) or not kid:
            raise ForbiddenError("The token does not name its key (kid)")
        try:
            keys = self._keys.find(kid, algorithm)
        except UnknownKeyError:
            raise ForbiddenError("The token's key (kid) is not one of its tenant's") from None
        try:
            verified = any(self._is_signed_with(key, signed) for key in keys)
        except JoseError:
            raise ForbiddenError("The token's header is malformed") from None
        if not verified:
            raise ForbiddenError("The token's signature does not match")
        try:
            claims = compact.load_object(signed.payload)
        except (ValueError, RecursionError):
            raise ForbiddenError("The token's payload is not a JSON object") from None
        return SignedToken(signed.header, claims)

    def _is_signed_with(self, key: Key, signed: compact.ParsedToken) -> bool:
        signature = CompactSignature(signed.header, signed.payload)
        header, payload = signed.message.split(b".")
        signature.segments = {"header": header, "payload": payload, "signature": signed.signature}
        return validate_compact(signature, key, registry=self._registry)

    def validate_token(
        self, token: SignedToken, scopes: Sequence[str] | None = None, request: object = None
    ) -> None:
        """Validate the claims; the second half of :meth:`validate`.

        :param token: what :meth:`authenticate_token` has returned.
        :param scopes: as Authlib has it: one of these must be granted, each being one scope or several
            with spaces between.
        :param request: not used.
        :raises ForbiddenError: if the token is not admitted.
        """
        claims, now = token.claims, time.time()
        if claims.get("iss") != self.tenant.issuer:
            raise ForbiddenError("The token is of another issuer (iss)")
        if "aud" not in claims:
            raise ForbiddenError("The token has no audience (aud)")
        if not _is_for(self.tenant.audience, claims["aud"]):
            raise ForbiddenError("The token is for another audience (aud)")
        if "exp" not in claims:
            raise ForbiddenError("The token has no expiry (exp)")
        for name in ("exp", "nbf", "iat"):
            if name in claims and not compact.is_time(claims[name]):
                raise ForbiddenError(f"The token has a malformed time ({name})")
        if claims["exp"] + compact.LEEWAY <= now:
            raise ForbiddenError("The token has expired")
        if claims.get("nbf", now) > now + compact.LEEWAY:
            raise ForbiddenError("The token is not valid yet (nbf)")
        if claims.get("iat", now) > now + compact.LEEWAY:
            raise ForbiddenError("The token was issued in the future (iat)")
        # Auth0 calls it azp, RFC 9068 client_id.
        client = claims["azp"] if "azp" in claims else claims.get("client_id")
        if self.tenant.clientid and client != self.tenant.clientid:
            raise ForbiddenError("The token was issued to another client (azp)")
        if "typ" in token.header and not _is_access_token(token.header["typ"]):
            raise ForbiddenError("The token is of a type (typ) that is not accepted")
        if not is_subject(claims.get("sub")):
            raise ForbiddenError("The token has no subject (sub)")
        if not self.tenant.admits(claims["sub"]):
            raise ForbiddenError("The user is not admitted")
        if self.scope_insufficient(tuple(self._scopes(claims)), scopes):  # type: ignore[no-untyped-call]
            raise ForbiddenError("The token lacks a scope that is required")

    def _scopes(self, claims: Mapping[str, t.Any]) -> frozenset[str]:
        """Those that are taken over. What a tenant writes into its tokens beyond them means nothing here,
        a ``"*"`` least of all."""
        scope, permissions = claims.get("scope"), claims.get("permissions")
        granted = scope.split() if isinstance(scope, str) else []
        if isinstance(permissions, list):
            granted += (permission for permission in permissions if isinstance(permission, str))
        return self.tenant.scopes.intersection(granted)


class Auth0Validators:
    """The validators of all tenants.

    :param tenants: no two of them with the same issuer.
    """

    def __init__(self, tenants: Iterable[Auth0Tenant]) -> None:
        self._validators = {tenant.issuer: Auth0Validator(tenant) for tenant in tenants}

    def find(self, token: str) -> Auth0Validator | None:
        """The validator whose tenant's the token says it is, which proves nothing yet.

        :param token: any string.
        """
        try:
            issuer = compact.load_object(compact.parse(token).payload).get("iss")
        except (compact.MalformedTokenError, ValueError, RecursionError):
            return None
        return self._validators.get(issuer) if isinstance(issuer, str) else None


def _is_for(audience: str, aud: object) -> bool:
    # RFC 7519, 4.1.3: one string, or several.
    if isinstance(aud, list):
        return audience in aud and all(isinstance(element, str) for element in aud)
    return aud == audience


def _is_access_token(typ: object) -> bool:
    # RFC 9068, 2.1, and RFC 7515, 4.1.9: a media type, case-insensitive, "application/" may be left out.
    return isinstance(typ, str) and typ.lower().removeprefix("application/") in ("jwt", "at+jwt")
