"""Validators: identify who logs in, and tell whether a subject may still refresh.

Configured users are validated in :mod:`.local`, the app's own users in :mod:`.host`, and the access tokens
of tenants in :mod:`.auth0`. This class knows which of them decides.
"""

from __future__ import annotations

import logging
import typing as t

from ..errors import ForbiddenError
from ..identity import Admitted, Identity
from ..rejections import Reason
from .local import LocalValidator

if t.TYPE_CHECKING:
    from ..config import AuthConfig
    from .auth0 import TenantToken
    from .host import HostValidator

logger = logging.getLogger("flask_core_auth")


class Validators:
    """The validators of one app. No other module compares identity providers (``idp``).

    :param config: the app's config.
    :param host: validates the app's own users.
    """

    def __init__(self, config: AuthConfig, host: HostValidator) -> None:
        self._local = LocalValidator(config.users, config.secrets)
        self._host = host
        self._tenants = {tenant.domain: tenant for tenant in config.tenants}
        self._auth0 = None
        if config.tenants:
            from .auth0 import Auth0Validators  # Imported late: slow, and only needed with tenants.

            self._auth0 = Auth0Validators(config.tenants)

    @property
    def has_passwords(self) -> bool:
        """Whether anybody can log in with a username and a password."""
        return not self._local.is_empty or self._host.verifier is not None

    @property
    def can_log_in(self) -> bool:
        """Whether anybody can log in at all."""
        return self.has_passwords or self._auth0 is not None

    def is_password_costly(self, username: str) -> bool:
        """Tell whether the validation of a user's password computes a hash, or calls the app's
        ``password_verifier``."""
        return self._local.is_costly or not self._is_checked_locally(username)

    def _is_checked_locally(self, username: str) -> bool:
        return self._host.verifier is None or username in self._local.names

    def find_tenant_token(self, bearer: str) -> TenantToken | None:
        """Parse a bearer token, and return it with the tenant that it names; None if no tenant matches.

        The token's signature is not verified yet.
        """
        return None if self._auth0 is None else self._auth0.find(bearer)

    def validate_password(self, username: str, password: str) -> Admitted:
        """Validate a username and a password. A configured user goes before the app's
        ``password_verifier``.

        :raises ForbiddenError: if they are wrong.
        :raises ServiceUnavailableError: if the ``password_verifier`` fails.
        """
        if self._is_checked_locally(username):
            admitted = self._local.validate(username, password)
        else:
            identity = self._host.validate(username, password)
            if identity is not None and self._local.find(t.cast(str, identity.subject)) is not None:
                # Otherwise a verifier that ignores case would answer "ADMIN" with the configured user
                # "admin".
                logger.error(
                    "The password_verifier returned %r, a user of the config: the login is rejected",
                    identity.subject,
                )
                identity = None
            admitted = None if identity is None else Admitted(identity)
        if admitted is None:
            raise ForbiddenError("Wrong username or password")
        return admitted

    def validate_again(self, identity: Identity, claims: t.Mapping[str, t.Any]) -> Admitted | Reason:
        """Validate the identity of a refresh token again: it may have been removed since the login.

        :param identity: the identity of the token.
        :param claims: the claims of the token.
        :return: the identity with the scopes that the config allows now, or the reason of a rejection.
        """
        subject, idp = t.cast(str, identity.subject), identity.idp
        is_core_token = "idp" not in claims
        if idp == "host":
            return Reason.NOT_ALLOWED if is_core_token else Admitted(identity)
        if idp == "local":
            # A Core's token has no digest. Local tokens of flask-core-auth carry one, so a missing one
            # counts as wrong.
            credential = None if is_core_token else (claims.get("cred") or "")
            return self._local.validate_again(subject, credential)
        tenant = self._tenants.get(idp)
        if tenant is None or not tenant.admits(subject):
            return Reason.NOT_ALLOWED
        return Admitted(Identity(subject, idp, tenant.scopes))

    def identify(self, subject: str) -> Identity:
        """Return the identity in a datarhei Core's token, which names only the subject (no ``idp``)."""
        user = self._local.find(subject)
        if user is not None:
            return user
        tenant = next((tenant for tenant in self._tenants.values() if tenant.lists(subject)), None)
        return Identity(subject, tenant.domain if tenant else "host")

    def identities_of(self, subject: str, idp: str | None = None) -> list[Identity]:
        """Return one identity of a subject for each identity provider that may know it.

        :param idp: the only identity provider; it may be a tenant that is no longer configured.
        """
        if idp is not None:
            return [Identity(subject, idp)]
        return [Identity(subject, idp) for idp in dict.fromkeys(("local", "host", *self._tenants))]
