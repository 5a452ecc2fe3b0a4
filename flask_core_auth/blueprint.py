"""The blueprint: its routes, and the set-up of an app at registration."""

from __future__ import annotations

import logging
import typing as t
from dataclasses import replace

from flask import Blueprint, Flask, current_app, jsonify, request
from werkzeug.exceptions import Forbidden, Unauthorized

from . import compact, cookies, jwt_extended
from .config import AuthConfig
from .credentials import (
    MalformedBearerError,
    PasswordCredentials,
    bearer_token,
    password_credentials,
    read_body,
)
from .decorators import auth_exempt
from .errors import AuthError, BadRequestError, ConfigError, ForbiddenError, UnauthorizedError
from .guard import guard, sent_token
from .host_code import REFUSALS
from .identity import Identity, is_subject, narrow
from .state import KEY, State
from .throttle import LoginThrottle
from .token_pair import TokenPair
from .tokens import Tokens
from .validators.host import HostValidator, PasswordVerifier
from .validators.local import LocalValidator

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flask import Response
    from flask.blueprints import BlueprintSetupState
    from flask.sansio.app import App

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
    :param url_prefix: where its routes are: ``POST <prefix>/login``, ``GET <prefix>/login/refresh``, and
        ``GET <prefix>`` if ``API_AUTH_ABOUT`` is set.
    """

    def __init__(self, name: str = "core_auth", *, url_prefix: str | None = "/api") -> None:
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
        loaders = jwt_extended.Loaders(app, config)
        app.extensions[KEY] = State(
            blueprint=f"{options.get('name_prefix', '')}.{options.get('name', self.name)}".lstrip("."),
            config=config,
            loaders=loaders,
            tokens=Tokens(config, loaders),
            throttle=LoginThrottle(config),
            local=LocalValidator(config),
            host=self._host,
            auth0=auth0,
        )

    def password_verifier(self, verifier: VerifierT) -> VerifierT:
        """Register the check that decides logins of the app's own users.

        ::

            @core_auth.password_verifier
            def verify(username, password):
                user = User.query.filter_by(name=username).first()
                return user.id if user and user.check_password(password) else None

        It is called with the user name and the password of a login, unless the name is one of those in
        the config, and returns the subject, an :class:`Identity` with its scopes, or None to refuse.
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

        :param subject: whom they stand for.
        :param scopes: what it may do.
        :param fresh: whether a login has just been seen.
        :raises ValueError: if the subject or a scope cannot be used.
        """
        if not is_subject(subject):
            raise ValueError(f"{subject!r} is no subject: a string that is not empty")
        if isinstance(scopes, str):  # an iterable of letters, each of which could be a scope
            raise ValueError(f"scopes must be a collection of strings, not {scopes!r}")
        return State.of_app().tokens.issue(Identity(subject, scopes=frozenset(scopes)), fresh=fresh)

    def verify(self, token: str) -> Identity:
        """Verify an access token outside a view: for a WebSocket, in a worker.

        :raises UnauthorizedError: if it is not accepted.
        """
        state = State.of_app()
        verified = state.tokens.verify(token, "access")
        claims = verified.claims()
        state.loaders.check(verified, claims)
        return replace(verified.identity, claims=claims)


def _add_configured_routes(setup: BlueprintSetupState, config: AuthConfig) -> None:
    # To this app alone: a rule that is added to a blueprint is there for every app.
    if config.about is not None:
        setup.add_url_rule("" if setup.url_prefix else "/", "about", about)
    if config.openapi:
        setup.add_url_rule("/openapi.json", "openapi", describe)


@auth_exempt
def login() -> Response:
    """Exchange credentials for an access and a refresh token."""
    state = State.of_app()
    identity = _log_in(state)
    credential = state.local.credential(identity) if identity.idp == "local" else None
    tokens = state.tokens.issue(identity, fresh=True, credential=credential)
    logger.info("Login of %r (%s) from %s", identity.subject, identity.idp, request.remote_addr)
    return _tokens_answer(state, access_token=tokens.access_token, refresh_token=tokens.refresh_token)


def _log_in(state: State) -> Identity:
    body = read_body(request)
    malformed = None
    try:
        bearer = bearer_token(request.environ.get("HTTP_AUTHORIZATION"))
    except MalformedBearerError as error:
        bearer, malformed = None, str(error)
    validator = state.auth0.find(bearer) if bearer is not None and state.auth0 is not None else None
    if bearer is not None and validator is not None:
        return _decide(state, bearer, lambda: validator.validate(bearer))
    if body:
        credentials = password_credentials(body, request.mimetype)
        return _decide(state, credentials.username, lambda: _by_password(state, credentials))
    if bearer is not None:
        raise _unclaimed(bearer)
    raise BadRequestError(
        malformed
        or "No credentials: send a JSON object with username and password, or an Auth0 access"
        " token as Authorization: Bearer <token>"
    )


def _decide(state: State, name: str, validate: Callable[[], Identity]) -> Identity:
    """Have a login decided, as often as the limit admits.

    :param name: what failures are counted by, besides the client's address.
    """
    address = request.remote_addr
    state.throttle.check(address, name)
    try:
        return validate()
    except (Forbidden, Unauthorized) as refused:  # the app's password_verifier may abort(), too
        logger.warning("Login from %s refused: %s", address, refused.description)
        state.throttle.count(address, name)
        raise


def _by_password(state: State, credentials: PasswordCredentials) -> Identity:
    username, password = credentials.username, credentials.password
    if state.local.knows(username) or state.host.verifier is None:
        identity = state.local.validate(username, password)
    else:
        identity = state.host.validate(username, password)
    if identity is None:
        raise ForbiddenError("Wrong username or password")
    return identity


def _unclaimed(bearer: str) -> AuthError:
    """Why a bearer that belongs to no tenant gets nobody in."""
    try:
        compact.parse(bearer)
    except compact.MalformedTokenError as error:
        return BadRequestError(
            f"{error}. An access token that is requested with the audience of this API is a signed JWT"
        )
    return ForbiddenError("The token's issuer is none of the tenants that are configured here")


@auth_exempt
def refresh() -> Response:
    """Exchange a refresh token for a new access token."""
    state = State.of_app()
    realm = state.config.realm
    sent = sent_token(state, "refresh", request.environ)
    if sent is None:
        raise UnauthorizedError.missing(realm)
    token, _ = sent
    claims = token.claims()
    state.loaders.check(token, claims)
    identity = _still_admitted(state, token.identity, claims)
    if identity is None:
        raise UnauthorizedError.invalid(realm)
    return _tokens_answer(state, access_token=state.tokens.issue_access(identity, fresh=False))


def _still_admitted(state: State, identity: Identity, claims: Mapping[str, t.Any]) -> Identity | None:
    """Ask again whether a subject is admitted, and with which scopes: never more than its token has."""
    subject, idp = t.cast(str, identity.subject), identity.idp
    ours = "idp" in claims
    if idp == "host":
        return identity if ours else None
    if idp == "local":
        # Only a Core's token may come without: in one of ours, none is as good as a wrong one.
        user = state.local.still_admits(subject, (claims.get("cred") or "") if ours else None)
        return user and replace(identity, scopes=narrow(identity.scopes, user.scopes))
    for tenant in state.config.tenants:
        if tenant.domain == idp and tenant.admits(subject):
            return replace(identity, scopes=narrow(identity.scopes, tenant.scopes))
    return None


def _tokens_answer(state: State, **tokens: str) -> Response:
    response = jsonify(tokens)
    response.headers["Cache-Control"] = "no-store"  # RFC 6749, 5.1
    if state.config.cookies:
        cookies.give(response, tokens, state.config)
    return response


@auth_exempt
def about() -> Response:
    """Tell what this API is and how to log in to it; in full to whoever has a valid token."""
    state = State.of_app()
    config = state.config
    everything = config.about or {}
    auths = ["localjwt"] if config.users or state.host.verifier is not None else []
    auths += [
        f"auth0 domain={tenant.domain} audience={tenant.audience} clientid={tenant.clientid}"
        for tenant in config.tenants
    ]
    if not config.enable or _has_valid_token(state):
        return jsonify({**everything, "auths": auths})
    answer: dict[str, t.Any] = {"auths": auths}
    if "app" in everything:
        answer["app"] = everything["app"]
    if everything.get("version"):
        major = everything["version"]["number"].partition(".")[0]
        answer["version"] = {"number": f"{major}.0.0"}
    return jsonify(answer)


@auth_exempt
def describe() -> Response:
    """Describe these routes, as OpenAPI 3.1."""
    from .openapi import spec  # asked for rarely

    return jsonify(spec(current_app))


def _has_valid_token(state: State) -> bool:
    try:
        sent = sent_token(state, "access", request.environ)
        if sent is None:
            return False
        state.loaders.check(sent[0], sent[0].claims())
    except REFUSALS:
        return False
    return True
