"""The blueprint: its routes, and the set-up of an app at registration."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import replace

from flask import Blueprint, Flask

from . import cookies, jwt_extended, openapi, session_routes
from .about import about
from .config import AuthConfig, unknown_keys
from .errors import ConfigError
from .guard import accept, guard
from .identity import Identity, is_subject
from .login import issue, login, refresh
from .state import KEY, State
from .throttle import LoginThrottle
from .tokens import Tokens
from .validators.host import HostValidator, PasswordVerifier
from .validators.local import LocalValidator

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from flask.blueprints import BlueprintSetupState
    from flask.sansio.app import App

    from .sessions import Sessions
    from .sessions.store import Session
    from .token_pair import TokenPair

logger = logging.getLogger("flask_core_auth")

VerifierT = t.TypeVar("VerifierT", bound=PasswordVerifier)


class CoreAuth(Blueprint):
    """The login of the datarhei Core API, as a blueprint.

    ::

        app = Flask(__name__)
        load_env(app.config)
        app.register_blueprint(CoreAuth())

    Registering it reads and checks the app's config (:data:`.SETTINGS`) and does all the set-up; nothing
    is fetched or connected to. One object serves any number of apps, each with its own config.

    :param name: the blueprint's name, which its endpoints begin with.
    :param url_prefix: where its routes are: ``POST <prefix>/login``, ``GET <prefix>/login/refresh``,
        ``GET <prefix>`` if ``API_AUTH_ABOUT`` is set, ``GET <prefix>/openapi.json`` with
        ``API_AUTH_OPENAPI``, ``POST <prefix>/logout`` with ``API_AUTH_SESSIONS`` or ``API_AUTH_COOKIES``,
        and with sessions ``GET`` and ``DELETE <prefix>/sessions`` and ``DELETE <prefix>/sessions/<id>``.
    """

    def __init__(self, name: str = "core_auth", *, url_prefix: str | None = "/api") -> None:
        if not isinstance(name, str):
            raise TypeError("CoreAuth takes no app: app.register_blueprint(CoreAuth())")
        super().__init__(name, __name__, url_prefix=url_prefix)
        self._host = HostValidator()
        self.add_url_rule("/login", "login", login, methods=["POST"])
        self.add_url_rule("/login/refresh", "refresh", refresh, methods=["GET"])

    def register(self, app: App, options: dict[str, t.Any]) -> None:
        """Set up ``app``; :meth:`flask.Flask.register_blueprint` calls this.

        :raises ConfigError: with every problem in the app's config, before anything is changed.
        """
        app = t.cast(Flask, app)
        if KEY in app.extensions:
            raise ConfigError([("CoreAuth", "is registered on this app already")])
        config: AuthConfig | None = None
        problems: list[tuple[str, str]] = []
        try:
            config = AuthConfig.from_app(app)
        except ConfigError as error:
            problems.extend(error.problems)
        problems.extend(jwt_extended.conflicts(app, config))
        if config is not None and config.cookies:
            problems.extend(cookies.conflicts(app))
        if config is None or problems:
            raise ConfigError(problems)
        for key, problem in unknown_keys(app.config):
            logger.warning("%s %s", key, problem)
        if config.disable_localhost:
            logger.warning(
                "API_AUTH_DISABLE_LOCALHOST is on: requests from this machine need no token. Behind a"
                " proxy on this machine that cannot be made safe."
            )

        auth0 = None
        if config.tenants:
            from .validators.auth0 import Auth0Validators  # slow to import, and not everybody's

            auth0 = Auth0Validators(config.tenants)
        # First, because Flask may refuse it: the name may be taken.
        super().register(app, options)
        setup = self.make_setup_state(app, options)
        _add_configured_routes(setup, config)
        if config.cookies and "flask-jwt-extended" not in app.extensions:
            cookies.set_defaults(app, prefix=setup.url_prefix or "/")
        sessions = _sessions(app, config)
        loaders = jwt_extended.Loaders(app, config, sessions)
        app.extensions[KEY] = State(
            blueprint=f"{options.get('name_prefix', '')}.{options.get('name', self.name)}".lstrip("."),
            config=config,
            loaders=loaders,
            tokens=Tokens(config, loaders),
            throttle=LoginThrottle(config),
            local=LocalValidator(config),
            host=self._host,
            auth0=auth0,
            sessions=sessions,
        )

    def password_verifier(self, verifier: VerifierT) -> VerifierT:
        """Register the check that decides logins of the app's own users.

        ::

            @core_auth.password_verifier
            def verify(username, password):
                user = User.query.filter_by(name=username).first()
                stored = user.password_hash if user else DUMMY_HASH  # an unknown name takes as long
                return str(user.id) if check_password_hash(stored, password) and user else None

        It is called with the user name and the password of a login, unless the name is one of those in
        the config, and returns the subject, a string, or an :class:`Identity` with its scopes, or None to
        refuse. It may be a coroutine function.
        """
        self._host.verifier = verifier
        return verifier

    def protect(self, scaffold: Flask | Blueprint) -> None:
        """Ask for an access token on every route of an app or of a blueprint and those nested in it.

        Views that are marked with :func:`.auth_exempt` and this blueprint's own are excepted. Functions
        that were registered with ``before_request`` before run before.
        """
        scaffold.before_request(guard)

    def issue(self, subject: str, *, scopes: Iterable[str] = (), fresh: bool = False) -> TokenPair:
        """Issue tokens for a subject that the app itself vouches for: after a sign-up, a magic link.

        With sessions, this opens one; outside a request, it has no client address and no user agent.

        :param subject: whom they stand for.
        :param scopes: what it may do.
        :param fresh: whether a login has just been seen.
        :raises ValueError: if the subject or a scope cannot be used.
        :raises ServiceUnavailableError: if the store of sessions is down.
        """
        if not is_subject(subject):
            raise ValueError(f"{subject!r} is no subject: a string that is not empty")
        if isinstance(scopes, str):  # an iterable of letters, each of which could be a scope
            raise ValueError(f"scopes must be a collection of strings, not {scopes!r}")
        identity = Identity(subject, scopes=frozenset(scopes))
        tokens, _ = issue(State.of_app(), identity, fresh=fresh)
        return tokens

    def revoke(self, subject: str) -> int:
        """End every session of a subject: after a new password, at the end of an account.

        The subject is meant whoever vouches for it: the config, the app itself or a configured tenant.
        Its refresh tokens serve no more. Its access tokens live out their minutes, unless
        ``API_AUTH_SESSION_CHECK`` is ``"always"``.

        :return: how many sessions have been ended.
        :raises RuntimeError: without sessions: set ``API_AUTH_SESSIONS``.
        :raises ServiceUnavailableError: if the store of sessions is down.
        """
        sessions = _opened_sessions()
        return sum(session_routes.end_all(sessions, identity) for identity in _identities(subject))

    def sessions_of(self, subject: str) -> list[Session]:
        """The sessions of a subject, whoever vouches for it, the latest used first; at most 1,000 of each.

        :raises RuntimeError: without sessions: set ``API_AUTH_SESSIONS``.
        :raises ServiceUnavailableError: if the store of sessions is down.
        """
        sessions = _opened_sessions()
        listed = [session for identity in _identities(subject) for session in sessions.of(identity)]
        return sorted(listed, key=lambda session: session.last_used_at, reverse=True)

    def verify(self, token: str) -> Identity:
        """Verify an access token outside a view: for a WebSocket, in a worker.

        :raises UnauthorizedError: if it is not accepted.
        :raises ServiceUnavailableError: if ``API_AUTH_SESSION_CHECK`` is ``"always"`` and the store down.
        """
        state = State.of_app()
        verified = state.tokens.verify(token, "access")
        claims, _ = accept(state, verified)
        return replace(verified.identity, claims=claims)


def _opened_sessions() -> Sessions:
    sessions = State.of_app().sessions
    if sessions is None:
        raise RuntimeError("There are no sessions: set API_AUTH_SESSIONS")
    return sessions


def _identities(subject: str) -> list[Identity]:
    """Everybody who has this subject: one for each that may vouch for it."""
    domains = (tenant.domain for tenant in State.of_app().config.tenants)
    return [Identity(subject, idp) for idp in dict.fromkeys(("local", "host", *domains))]


def _sessions(app: Flask, config: AuthConfig) -> Sessions | None:
    if config.sessions is None:
        return None
    from .sessions import Sessions, open_store  # not everybody's, as the tenants

    return Sessions(
        open_store(config.sessions, directory=app.instance_path),
        lifetime=config.refresh_expires,
        max_age=config.session_max_age,
        grace=config.refresh_grace,
        rotate=config.refresh_rotation,
        always=config.session_check == "always",
    )


def _add_configured_routes(setup: BlueprintSetupState, config: AuthConfig) -> None:
    # To this app alone: a rule that is added to a blueprint is there for every app.
    if config.about is not None:
        setup.add_url_rule("" if setup.url_prefix else "/", "about", about)
    if config.openapi:
        setup.add_url_rule("/openapi.json", "openapi", openapi.serve)
    if config.sessions is not None:
        session_routes.add_to(setup)
    if config.sessions is not None or config.cookies:
        setup.add_url_rule("/logout", "logout", session_routes.logout, methods=["POST"])
