"""The blueprint: the set-up of an app at registration, and the methods that an app calls."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import replace

from flask import Blueprint, Flask

from . import jwt_extended
from .callbacks import REJECTIONS, HostCallbacks
from .concurrency import PasswordChecks
from .config import AuthConfig, unknown_keys
from .errors import ConfigError, UnauthorizedError
from .grants import Grants
from .identity import Admitted, Identity, is_subject
from .protection import authorize_request, check_active
from .rejections import log_rejection
from .routes import add_routes
from .signals import logged_out, send
from .state import KEY, State
from .throttle import LoginThrottle
from .token_pair import TokenPair
from .tokens import Tokens
from .validators import Validators
from .validators.host import HostValidator, PasswordVerifier

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from flask.sansio.app import App

    from .sessions import Session, Sessions

logger = logging.getLogger("flask_core_auth")

VerifierT = t.TypeVar("VerifierT", bound=PasswordVerifier)


class CoreAuth(Blueprint):
    """The login of the datarhei Core API, as a blueprint.

    ::

        app = Flask(__name__)
        load_env(app.config)
        app.register_blueprint(CoreAuth())

    The registration reads and checks the app's config (:data:`.SETTINGS`) and does all the set-up. The
    registration fetches nothing and opens no connection. One object serves any number of apps, each with
    its own config.

    :param name: the blueprint's name, the first part of its endpoints.
    :param url_prefix: the prefix of the routes ``POST <prefix>/login`` and ``GET <prefix>/login/refresh``.
        ``API_AUTH_ABOUT`` adds ``GET <prefix>``. ``API_AUTH_OPENAPI`` adds ``GET <prefix>/openapi.json``.
        ``API_AUTH_SESSIONS`` and ``API_AUTH_COOKIES`` each add ``POST <prefix>/logout``. Sessions also add
        ``GET`` and ``DELETE <prefix>/sessions`` and ``DELETE <prefix>/sessions/<id>``.
    """

    def __init__(self, name: str = "core_auth", *, url_prefix: str | None = "/api") -> None:
        if not isinstance(name, str):
            raise TypeError("CoreAuth takes no app: app.register_blueprint(CoreAuth())")
        super().__init__(name, __name__, url_prefix=url_prefix)
        self._host = HostValidator()

    def register(self, app: App, options: dict[str, t.Any]) -> None:
        """Set up ``app``; :meth:`flask.Flask.register_blueprint` calls this.

        :raises ConfigError: with every problem in the app's config, before anything is changed.
        """
        app = t.cast(Flask, app)
        if KEY in app.extensions:
            raise ConfigError([("CoreAuth", "is registered on this app already")])
        config = _read_config(app)
        validators = Validators(config, self._host)
        # Before any change: Flask rejects a blueprint whose name is taken.
        super().register(app, options)
        setup = self.make_setup_state(app, options)
        add_routes(setup, config)
        sessions = _make_sessions(app, config)
        manager = jwt_extended.ensure_manager(app, config, prefix=setup.url_prefix or "/")
        callbacks = HostCallbacks(
            manager, realm=config.realm, own_verification=jwt_extended.own_verification(manager)
        )
        tokens = Tokens(config, validators, jwt_extended.accepted_audience(app))
        app.extensions[KEY] = State(
            blueprint=f"{options.get('name_prefix', '')}.{options.get('name', self.name)}".lstrip("."),
            config=config,
            callbacks=callbacks,
            validators=validators,
            tokens=tokens,
            grants=Grants(
                config.realm,
                callbacks=callbacks,
                validators=validators,
                tokens=tokens,
                sessions=sessions,
            ),
            throttle=LoginThrottle(config.login_limit, config.limit_storage),
            password_checks=PasswordChecks(config.login_concurrency),
            sessions=sessions,
        )

    def password_verifier(self, verifier: VerifierT) -> VerifierT:
        """Register the function that validates the credentials of the app's own users.

        ::

            @core_auth.password_verifier
            def verify(username, password):
                user = User.query.filter_by(name=username).first()
                stored = user.password_hash if user else DUMMY_HASH  # an unknown name takes as long
                return str(user.id) if check_password_hash(stored, password) and user else None

        flask-core-auth calls the function with the username and the password of a login, unless the config
        has a user of that name. The function returns the subject (a string), an :class:`Identity` with
        scopes, or None to reject the login. The function may be a coroutine function.
        """
        self._host.verifier = verifier
        return verifier

    def protect(self, scaffold: Flask | Blueprint) -> None:
        """Protect every route of an app, or of a blueprint and the blueprints nested in it.

        Views with :func:`.auth_exempt` and this blueprint's own views are excepted. Functions that were
        registered with ``before_request`` earlier run first.
        """
        scaffold.before_request(authorize_request)

    def issue(self, subject: str, *, scopes: Iterable[str] = (), fresh: bool = False) -> TokenPair:
        """Issue tokens for a subject that the app itself has identified, such as after a sign-up.

        With sessions, open a session. Outside a request, the session has no client address and no
        user agent.

        :param subject: the subject of the tokens.
        :param scopes: the scopes of the tokens.
        :param fresh: whether a login has just succeeded.
        :raises ValueError: if the subject or a scope cannot be used.
        :raises ServiceUnavailableError: if the session store is down.
        """
        if not is_subject(subject):
            raise ValueError(f"{subject!r} is no subject: a string that is not empty")
        if isinstance(scopes, str):  # an iterable of letters, each of which could be a scope
            raise ValueError(f"scopes must be a collection of strings, not {scopes!r}")
        identity = Identity(subject, scopes=frozenset(scopes))
        grant = State.current().grants.issue(Admitted(identity), fresh=fresh)
        for session in grant.displaced:
            send(logged_out, subject=subject, idp=identity.idp, session=session)
        return TokenPair(**grant.tokens)

    def revoke(self, subject: str, *, idp: str | None = None) -> int:
        """End every session of a subject, such as after a new password or at the end of an account.

        The sessions with every identity provider end: with the config, the app itself and the configured
        tenants. The subject's refresh tokens are no longer accepted. The access tokens are accepted until
        they expire, unless ``API_AUTH_SESSION_CHECK`` is ``"always"``.

        :param subject: the subject.
        :param idp: end only the sessions with this identity provider: ``"local"``, ``"host"`` or the domain
            of a tenant. The tenant need not be configured any longer.
        :return: the number of sessions that were ended.
        :raises RuntimeError: without sessions: set ``API_AUTH_SESSIONS``.
        :raises ServiceUnavailableError: if the session store is down.
        """
        sessions = _sessions_or_error()
        return sum(map(sessions.end_all, State.current().validators.identities_of(subject, idp)))

    def sessions_of(self, subject: str, *, idp: str | None = None) -> list[Session]:
        """Return the sessions of a subject, most recently used first.

        Return the sessions with every identity provider, at most 1,000 for each.

        :param subject: the subject.
        :param idp: list only the sessions with this identity provider, as in :meth:`revoke`.
        :raises RuntimeError: without sessions: set ``API_AUTH_SESSIONS``.
        :raises ServiceUnavailableError: if the session store is down.
        """
        sessions = _sessions_or_error()
        identities = State.current().validators.identities_of(subject, idp)
        listed = [session for identity in identities for session in sessions.list(identity)]
        return sorted(listed, key=lambda session: session.last_used_at, reverse=True)

    def verify(self, token: str | None) -> Identity:
        """Verify an access token outside a view: for a WebSocket, in a worker.

        :param token: the token; None, as from a missing field, is rejected like a request without a token.
        :raises UnauthorizedError: if the token is not accepted.
        :raises ServiceUnavailableError: if ``API_AUTH_SESSION_CHECK`` is ``"always"`` and the store is
            down.
        """
        state = State.current()
        try:
            if token is None:
                raise UnauthorizedError.missing(state.config.realm)
            verified = state.tokens.verify(token, "access")
            del (
                token
            )  # the app's callbacks may fail, and an error tracker stores the variables of this frame
            claims, _ = check_active(state, verified)
        except REJECTIONS as error:
            log_rejection(error)
            raise
        return replace(verified.identity, claims=claims)


def _sessions_or_error() -> Sessions:
    sessions = State.current().sessions
    if sessions is None:
        raise RuntimeError("There are no sessions: set API_AUTH_SESSIONS")
    return sessions


def _read_config(app: Flask) -> AuthConfig:
    config: AuthConfig | None = None
    problems: list[tuple[str, str]] = []
    try:
        config = AuthConfig.from_app(app)
    except ConfigError as error:
        problems.extend(error.problems)
    problems.extend(jwt_extended.setting_problems(app, config))
    if config is None or problems:
        raise ConfigError(problems)
    for key, problem in unknown_keys(app.config):
        logger.warning("%s %s", key, problem)
    if config.disable_localhost:
        logger.warning(
            "API_AUTH_DISABLE_LOCALHOST is on: requests from this machine need no token. Behind a"
            " proxy on this machine that cannot be made safe."
        )
    return config


def _make_sessions(app: Flask, config: AuthConfig) -> Sessions | None:
    if config.sessions is None:
        return None
    from .sessions import Sessions, open_store  # Imported late: only needed with sessions.

    return Sessions(
        open_store(config.sessions, directory=app.instance_path),
        realm=config.realm,
        lifetime=config.refresh_expires,
        max_age=config.session_max_age,
        grace=config.refresh_grace,
        limit=config.session_limit,
        rotate=config.refresh_rotation,
        always=config.session_check == "always",
    )
