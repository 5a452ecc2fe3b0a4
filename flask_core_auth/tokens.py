"""Tokens of flask-core-auth: issued by flask-jwt-extended, verified here, and remembered once verified."""

from __future__ import annotations

import itertools
import json
import logging
import threading
import time
import typing as t
import uuid
from datetime import timedelta
from functools import lru_cache, partial

from flask_jwt_extended.config import config as jwt_settings
from flask_jwt_extended.tokens import _encode_jwt

from . import jws
from .errors import ServiceUnavailableError, UnauthorizedError
from .identity import Identity, is_subject
from .rejections import Reason

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .callbacks import Additions
    from .config import AuthConfig
    from .validators import Validators

logger = logging.getLogger("flask_core_auth")

TokenUse = t.Literal["access", "refresh"]

#: The Retry-After of a response if a token would be too long: the app's additional claims may change.
TOO_LONG_RETRY_AFTER_SECONDS = 5
#: Maximum number of remembered access tokens; past it, the oldest are forgotten.
REMEMBERED_TOKENS = 4096
#: Maximum length of a remembered token, in bytes. A usual token of 400 bytes takes 3 KiB with its claims
#: (measured), so the memory of one process stays under 12 MiB; under 100 MiB if an app's own claims fill
#: every token to the limit.
REMEMBERED_TOKEN_BYTES = 4096


class VerifiedToken(t.NamedTuple):
    """A token whose signature and claims are valid. Requests share it.

    :param identity: the identity that it stands for, without claims.
    :param expires: the time of its expiry, in seconds since the epoch.
    :param fresh: whether it was issued straight after a login.
    :param claims: returns its claims, a new copy at each call.
    :param header: returns its JOSE header, a new copy at each call.
    """

    identity: Identity
    expires: float
    fresh: bool
    claims: Callable[[], dict[str, t.Any]]
    header: Callable[[], dict[str, t.Any]]


class Tokens:
    """Issues and verifies the tokens of one app.

    :param config: the app's config.
    :param validators: names the identity in a datarhei Core's token.
    :param audience: the accepted ``aud`` values, or None for any.
    """

    def __init__(self, config: AuthConfig, validators: Validators, audience: frozenset[str] | None) -> None:
        self._realm = config.realm
        self._lifetimes = {"access": config.access_expires, "refresh": config.refresh_expires}
        self._signing_secret = config.secrets[0]
        self._secrets = tuple(secret.encode() for secret in config.secrets)
        self._validators = validators
        self._audience = audience
        # By the whole value of the header: a remembered token needs no parsing of it.
        self._remembered: dict[str | None, VerifiedToken] = {}
        self._lock = threading.Lock()

    def issue_access(
        self,
        identity: Identity,
        additions: Additions,
        *,
        fresh: bool,
        session: str | None = None,
        not_after: int | None = None,
    ) -> str:
        """Issue an access token.

        :param identity: the identity that the token stands for.
        :param additions: the claims and headers that the app adds.
        :param fresh: whether a login has just succeeded.
        :param session: the ID of its session.
        :param not_after: the latest expiry, in seconds since the epoch.
        :raises ServiceUnavailableError: if the token would be too long.
        """
        return self._encode(identity, "access", additions, not_after=not_after, fresh=fresh, sid=session)

    def issue_refresh(
        self,
        identity: Identity,
        additions: Additions,
        *,
        credential: str | None = None,
        session: str | None = None,
        jti: str | None = None,
        not_after: int | None = None,
    ) -> str:
        """Issue a refresh token.

        :param identity: the identity that the token stands for.
        :param additions: the claims and headers that the app adds.
        :param credential: the digest of the credential that was used at the login.
        :param session: the ID of its session.
        :param jti: the ID of the token, or None for a new ID.
        :param not_after: the latest expiry, in seconds since the epoch.
        :raises ServiceUnavailableError: if the token would be too long.
        """
        return self._encode(
            identity,
            "refresh",
            additions,
            not_after=not_after,
            fresh=False,
            sid=session,
            cred=credential,
            jti=jti,
        )

    def _encode(
        self,
        identity: Identity,
        use: TokenUse,
        additions: Additions,
        *,
        not_after: int | None,
        fresh: bool,
        jti: str | None = None,
        **optional: str | None,
    ) -> str:
        subject = identity.subject
        issued, lifetime = int(time.time()), self._lifetimes[use]
        if not_after is not None:
            lifetime = min(lifetime, not_after - issued)
        claims = {
            "iss": self._realm,
            "usefor": use,
            "iat": issued,
            "exp": issued + lifetime,
            "exi": lifetime,
            "jti": jti or str(uuid.uuid4()),
            "idp": identity.idp,
            "scope": " ".join(sorted(identity.scopes)) or None,
            **optional,
        }
        own_claims = {name: value for name, value in claims.items() if value is not None}
        # Not create_access_token(): it adds these claims to the very dictionary that the app's callback
        # returned, asks the app's identity callback (which expects an object of the app) for a subject, and
        # adds "csrf" to tokens that are never sent in a cookie.
        token: str = _encode_jwt(
            algorithm="HS256",
            audience=jwt_settings.encode_audience,
            claim_overrides={**additions.claims, **own_claims},
            csrf=jwt_settings.jwt_in_cookies and jwt_settings.cookie_csrf_protect,
            expires_delta=timedelta(seconds=lifetime),
            fresh=fresh,
            header_overrides=dict(additions.headers),
            identity=subject,
            identity_claim_key="sub",
            issuer=self._realm,
            json_encoder=jwt_settings.json_encoder,
            secret=self._signing_secret,
            token_type=use,
            nbf=jwt_settings.encode_nbf,
        )
        size = len(token)
        if size <= jws.MAX_TOKEN_BYTES:
            return token
        del token  # from the frame, whose variables an error tracker stores
        logger.error(
            "The %s token of %r would have %d bytes, too many to be accepted: scopes, claims?",
            use,
            subject,
            size,
        )
        raise ServiceUnavailableError(
            "The token would be too long", retry_after=TOO_LONG_RETRY_AFTER_SECONDS
        )

    def recall(self, authorization: str | None) -> VerifiedToken | None:
        """Return the access token of an ``Authorization`` header, if it was verified before.

        The expiry is checked here. :func:`.check_active` checks the session and calls the app's callbacks:
        their results may also change between two requests. The signature and the claims cannot change.
        """
        token = self._remembered.get(authorization)
        return token if token is not None and token.expires > time.time() else None

    def verify(self, token: str, use: TokenUse) -> VerifiedToken:
        """Verify a token, and remember an access token for :meth:`recall`.

        :param use: the use that it must have been issued for.
        :raises UnauthorizedError: if it is not valid.
        """
        if use != "access":
            return self._verify(token, use)
        authorization = f"Bearer {token}"
        verified = self.recall(authorization)
        if verified is None:
            verified = self._verify(token, use)
            if len(token) <= REMEMBERED_TOKEN_BYTES:
                self._remember(authorization, verified)
        return verified

    def _remember(self, authorization: str, verified: VerifiedToken) -> None:
        # Only after the signature is verified: otherwise anybody could fill the memory.
        with self._lock:
            if len(self._remembered) >= REMEMBERED_TOKENS:
                # Many at once: to find its oldest key, a dictionary walks over the keys deleted before it.
                for oldest in list(itertools.islice(self._remembered, REMEMBERED_TOKENS // 4)):
                    del self._remembered[oldest]
            self._remembered[authorization] = verified

    def _verify(self, token: str, use: TokenUse) -> VerifiedToken:
        try:
            signed = jws.parse(token)
            if signed.header.get("alg") != "HS256":
                raise UnauthorizedError.invalid(self._realm, Reason.ALGORITHM)
            if not jws.has_hs256_signature(signed, self._secrets):
                raise UnauthorizedError.invalid(self._realm, Reason.SIGNATURE)
            claims = jws.load_object(signed.payload)
        except (jws.MalformedTokenError, ValueError, RecursionError):
            raise UnauthorizedError.invalid(self._realm, Reason.MALFORMED) from None

        now = time.time()
        expires = claims.get("exp")
        if not jws.is_time(expires):
            raise UnauthorizedError.invalid(self._realm, Reason.NO_EXPIRY)
        if expires <= now:
            raise UnauthorizedError.expired(self._realm)
        for name, reason in _EARLIEST:
            moment = claims.get(name, now)
            if not jws.is_time(moment) or moment > now + jws.LEEWAY_SECONDS:
                raise UnauthorizedError.invalid(self._realm, reason)
        if claims.get("iss") != self._realm:
            raise UnauthorizedError.invalid(self._realm, Reason.REALM)
        if self._audience is not None and not accepts_audience(self._audience, claims.get("aud")):
            raise UnauthorizedError.invalid(self._realm, Reason.AUDIENCE)
        if not is_subject(claims.get("sub")):
            raise UnauthorizedError.invalid(self._realm, Reason.SUBJECT)
        if claims.get("usefor") != use or claims.get("type", use) != use:
            other = Reason.NO_ACCESS_TOKEN if use == "access" else Reason.NO_REFRESH_TOKEN
            raise UnauthorizedError.invalid(self._realm, other)
        try:
            identity = self.identity(claims)
        except ValueError:  # Identity rejects the value of the scope claim
            raise UnauthorizedError.invalid(self._realm, Reason.IDENTITY) from None

        return VerifiedToken(
            identity=identity,
            expires=expires,
            fresh=claims.get("fresh") is True,
            # flask-jwt-extended's get_jwt() has these three claims also for tokens without, such as a
            # Core's.
            claims=_copier({"type": use, "fresh": False, "jti": None, **claims}),
            header=_copier(signed.header),
        )

    def identity(self, claims: Mapping[str, t.Any]) -> Identity:
        """Return the identity in the verified claims of a token.

        :raises ValueError: if its ``idp`` or its scope is invalid.
        """
        subject: str = claims["sub"]
        idp, scope = claims.get("idp"), claims.get("scope")
        if isinstance(idp, str):
            return _identity_of(subject, idp, scope if isinstance(scope, str) else "")
        if idp is not None:
            raise ValueError("idp is not a string")
        return self._validators.identify(subject)  # a datarhei Core's token has no idp


#: The claims that say since when a token is valid, with the reason of a rejection.
_EARLIEST = (("iat", Reason.ISSUED_LATER), ("nbf", Reason.NOT_BEFORE))


@lru_cache(maxsize=1024)
def _identity_of(subject: str, idp: str, scope: str) -> Identity:
    # All tokens of a user share it; making it takes 2 of the 16 microseconds of verifying a token.
    return Identity(subject, idp, frozenset(scope.split()))


def accepts_audience(accepted: frozenset[str], audience: object) -> bool:
    """Tell whether an ``aud`` claim names an accepted audience."""
    # RFC 7519, 4.1.3: one string, or several.
    named = audience if isinstance(audience, list) else [audience]
    return any(isinstance(name, str) and name in accepted for name in named)


_NESTING = frozenset((dict, list))


def _copier(members: dict[str, t.Any]) -> Callable[[], dict[str, t.Any]]:
    # A view may change its claims, nested ones included; no other request may see that. A flat dictionary
    # copies in 0.1 microseconds; a nested one in 5 by way of JSON, in 15 by copy.deepcopy().
    if _NESTING.isdisjoint(map(type, members.values())):
        return members.copy
    return partial(json.loads, json.dumps(members))
