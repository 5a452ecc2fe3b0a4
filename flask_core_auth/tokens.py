"""Our own tokens: flask-jwt-extended issues them, and what is accepted as one is decided here."""

from __future__ import annotations

import hmac
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
from joserfc.util import urlsafe_b64encode

from . import compact
from .errors import ServiceUnavailableError, UnauthorizedError
from .host_code import RETRY_AFTER, host_code
from .identity import Identity, is_subject
from .token_pair import TokenPair

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .config import AuthConfig
    from .jwt_extended import Loaders

logger = logging.getLogger("flask_core_auth")

Use = t.Literal["access", "refresh"]

#: So many verified access tokens are remembered, the oldest forgotten first ...
REMEMBERED_TOKENS = 4096
#: ... and none longer than this, in bytes. With what is kept of it, a token of the usual 400 bytes takes
#: 3 KiB (measured), so that the memory of one process stays under 12 MiB, and under 100 MiB if an app's
#: own claims fill every token to the limit.
REMEMBERED_TOKEN_BYTES = 4096
#: Claims that are ours to set; an app's additional claims cannot replace or add them.
RESERVED_CLAIMS = frozenset(
    (
        "iss",
        "sub",
        "usefor",
        "type",
        "iat",
        "exp",
        "exi",
        "jti",
        "fresh",
        "idp",
        "scope",
        "sid",
        "cred",
        "csrf",
    )
)
#: The same of the header: with others than ours, the token would not be accepted here.
RESERVED_HEADERS = frozenset(("alg", "b64", "crit"))


class VerifiedToken(t.NamedTuple):
    """A token of ours whose signature and claims held. It is shared between requests.

    :param identity: whom it stands for, without its claims.
    :param expires: when it expires, in seconds since the epoch.
    :param fresh: whether it was issued straight after a login.
    :param claims: gives its claims, a new copy at each call.
    :param header: gives its JOSE header, a new copy at each call.
    """

    identity: Identity
    expires: float
    fresh: bool
    claims: Callable[[], dict[str, t.Any]]
    header: Callable[[], dict[str, t.Any]]


_NESTING = frozenset((dict, list))


def _copier(members: dict[str, t.Any]) -> Callable[[], dict[str, t.Any]]:
    # What one view does to its claims, nested ones included, must not be seen by another request. A flat
    # dictionary copies in 0.1 microseconds; a nested one in 5 by way of JSON, in 15 by copy.deepcopy().
    if _NESTING.isdisjoint(map(type, members.values())):
        return members.copy
    return partial(json.loads, json.dumps(members))


class Additions(t.NamedTuple):
    """What the app's loaders add to a subject's tokens.

    :param claims: to their claims; none of them is one of :data:`RESERVED_CLAIMS`.
    :param headers: to their headers; none of them is one of :data:`RESERVED_HEADERS`.
    """

    claims: Mapping[str, t.Any]
    headers: Mapping[str, t.Any]


@lru_cache(maxsize=1024)
def _named(subject: str, idp: str, scope: str) -> Identity:
    # The same for all tokens of a user; to make one takes 2 of the 16 microseconds of verifying a token.
    return Identity(subject, idp, frozenset(scope.split()))


class Tokens:
    """Issues and verifies the tokens of one app.

    :param config: the app's settings.
    :param loaders: the app's own say in the claims.
    """

    def __init__(self, config: AuthConfig, loaders: Loaders) -> None:
        self._config = config
        self._loaders = loaders
        self._secrets = tuple(secret.encode() for secret in config.secrets)
        # Under the whole header's value, which saves taking it apart.
        self._seen: dict[str | None, VerifiedToken] = {}
        self._lock = threading.Lock()

    def issue(
        self,
        identity: Identity,
        *,
        fresh: bool,
        credential: str | None = None,
        session: str | None = None,
        refresh_id: str | None = None,
        not_after: int | None = None,
    ) -> TokenPair:
        """Issue both tokens.

        :param identity: whom they stand for.
        :param fresh: whether a login has just been seen.
        :param credential: the digest of the credential that was used, kept in the refresh token.
        :param session: the ID of the session that they belong to.
        :param refresh_id: the ``jti`` of the refresh token, where it is known already.
        :param not_after: when both have expired at the latest, in seconds since the epoch.
        :raises ServiceUnavailableError: if a loader of the app's fails, or a token would be too long.
        """
        additions = self.additions(identity)
        return TokenPair(
            self.issue_access(
                identity, fresh=fresh, session=session, not_after=not_after, additions=additions
            ),
            self.issue_refresh(
                identity,
                credential=credential,
                session=session,
                jti=refresh_id,
                not_after=not_after,
                additions=additions,
            ),
        )

    def additions(self, identity: Identity) -> Additions:
        """Ask the app's loaders what they add to the tokens of ``identity``.

        :raises ServiceUnavailableError: if one of them fails, or returns what cannot be serialized.
        """
        if identity.subject is None:
            raise ValueError("an anonymous identity has no tokens")
        claims = self._loaders.additional_claims(identity.subject)
        headers = self._loaders.additional_headers(identity.subject)
        with host_code("additional_claims_loader or additional_headers_loader"):
            json.dumps([claims, headers], cls=jwt_settings.json_encoder)
        return Additions(
            {name: value for name, value in claims.items() if name not in RESERVED_CLAIMS},
            {name: value for name, value in headers.items() if name not in RESERVED_HEADERS},
        )

    def issue_access(
        self,
        identity: Identity,
        *,
        fresh: bool,
        session: str | None = None,
        not_after: int | None = None,
        additions: Additions | None = None,
    ) -> str:
        """Issue an access token alone, as :meth:`issue` does."""
        return self._encode(
            identity,
            "access",
            self._config.access_expires,
            additions=additions or self.additions(identity),
            not_after=not_after,
            fresh=fresh,
            sid=session,
        )

    def issue_refresh(
        self,
        identity: Identity,
        *,
        credential: str | None = None,
        session: str | None = None,
        jti: str | None = None,
        not_after: int | None = None,
        additions: Additions | None = None,
    ) -> str:
        """Issue a refresh token alone, as :meth:`issue` does."""
        return self._encode(
            identity,
            "refresh",
            self._config.refresh_expires,
            additions=additions or self.additions(identity),
            not_after=not_after,
            fresh=False,
            sid=session,
            cred=credential,
            jti=jti,
        )

    def _encode(
        self,
        identity: Identity,
        use: Use,
        lifetime: int,
        *,
        additions: Additions,
        not_after: int | None,
        fresh: bool,
        jti: str | None = None,
        **optional: str | None,
    ) -> str:
        subject = identity.subject
        issued = int(time.time())
        if not_after is not None:
            lifetime = min(lifetime, not_after - issued)
        claims = {
            "iss": self._config.realm,
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
        # Not create_access_token(): that adds our claims to the very dictionary that the app's loader
        # returned, asks the app's identity loader (which expects an object of the app's) for a subject,
        # and adds "csrf" to tokens that never travel in a cookie.
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
            issuer=self._config.realm,
            json_encoder=jwt_settings.json_encoder,
            secret=self._config.secrets[0],
            token_type=use,
            nbf=jwt_settings.encode_nbf,
        )
        if len(token) > compact.MAX_TOKEN_BYTES:
            logger.error(
                "The %s token of %r would have %d bytes, too many to be accepted: scopes, claims?",
                use,
                subject,
                len(token),
            )
            raise ServiceUnavailableError("The token would be too long", retry_after=RETRY_AFTER)
        return token

    def recall(self, authorization: str | None) -> VerifiedToken | None:
        """The access token in an ``Authorization`` header, if it was verified before and has not expired.

        What may change between two requests is its expiry, checked here, and what the app's loaders and
        the session say, asked elsewhere; its signature and its claims cannot change.
        """
        token = self._seen.get(authorization)
        return token if token is not None and token.expires > time.time() else None

    def verify(self, token: str, use: Use) -> VerifiedToken:
        """Verify a token of ours, and remember an access token for :meth:`recall`.

        :param use: what it must have been issued for.
        :raises UnauthorizedError: if it is not accepted.
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
        # Only ever filled after the signature held, so that nobody without a token of ours can fill it.
        with self._lock:
            if len(self._seen) >= REMEMBERED_TOKENS:
                # Many at once: finding the oldest key of a dictionary walks over those deleted before it.
                for oldest in list(itertools.islice(self._seen, REMEMBERED_TOKENS // 4)):
                    del self._seen[oldest]
            self._seen[authorization] = verified

    def _verify(self, token: str, use: Use) -> VerifiedToken:
        try:
            signed = compact.parse(token)
            if signed.header.get("alg") != "HS256":
                raise self._refused("it is not signed with HS256")
            if not self._signed_by_us(signed):
                raise self._refused("it is not signed with one of our secrets")
            claims = compact.load_object(signed.payload)
        except (compact.MalformedTokenError, ValueError, RecursionError):
            raise self._refused("it is malformed") from None

        now = time.time()
        expires = claims.get("exp")
        if not compact.is_time(expires):
            raise self._refused("it has no expiry (exp)")
        if expires <= now:
            raise UnauthorizedError.expired(self._config.realm)
        for name in ("iat", "nbf"):
            moment = claims.get(name, now)
            if not compact.is_time(moment) or moment > now + compact.LEEWAY:
                raise self._refused(f"it is not valid yet ({name})")
        if claims.get("iss") != self._config.realm:
            raise self._refused("it is of another realm (iss)")
        if not self._loaders.admit_audience(claims.get("aud")):
            raise self._refused("it is for another audience (aud)")
        if not is_subject(claims.get("sub")):
            raise self._refused("it has no subject (sub)")
        if claims.get("usefor") != use or claims.get("type", use) != use:
            raise self._refused(f"it is no {use} token of ours (usefor)")
        try:
            identity = self._identity(claims)
        except ValueError:  # what stands in scope is none
            raise self._refused("its scope is none") from None

        return VerifiedToken(
            identity=identity,
            expires=expires,
            fresh=claims.get("fresh") is True,
            # What flask-jwt-extended adds for its get_jwt() where a token, such as a Core's, lacks it.
            claims=_copier({"type": use, "fresh": False, "jti": None, **claims}),
            header=_copier(signed.header),
        )

    def _refused(self, reason: str) -> UnauthorizedError:
        # For the app's developer alone: the client is told no more than that it is invalid.
        logger.debug("Token refused: %s", reason)
        return UnauthorizedError.invalid(self._config.realm)

    def _signed_by_us(self, signed: compact.ParsedToken) -> bool:
        # HS256 is this one line of the standard library (RFC 7518, 3.2). By way of joserfc, with its
        # registry and its choice of keys, it takes 9 of the 21 microseconds of verifying; so it takes 3.
        # Comparing the encoded signatures refuses all but the one canonical spelling.
        for secret in self._secrets:
            expected = urlsafe_b64encode(hmac.digest(secret, signed.message, "sha256"))
            if hmac.compare_digest(expected, signed.signature):
                return True
        return False

    def _identity(self, claims: Mapping[str, t.Any]) -> Identity:
        subject: str = claims["sub"]
        idp, scope = claims.get("idp"), claims.get("scope")
        if isinstance(idp, str):
            return _named(subject, idp, scope if isinstance(scope, str) else "")
        # A datarhei Core's token names only the subject: it is whom our own config says it is.
        user = self._config.users.get(subject)
        if user is not None:
            return Identity(subject, "local", user.scopes)
        tenant = next((tenant for tenant in self._config.tenants if tenant.lists(subject)), None)
        return Identity(subject, tenant.domain if tenant else "host")
