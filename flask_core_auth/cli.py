"""The commands ``flask core-auth ...``.

Every ``flask`` command loads this module, so the rest of the package is imported where it is used.
"""

from __future__ import annotations

import contextlib
import json
import sys
import typing as t

import click
from flask.cli import ScriptInfo, pass_script_info

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

    from .blueprint import CoreAuth

idp_option = click.option(
    "--idp", help="Only with this identity provider: local, host, or the domain of a (former) tenant."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for a program.")


#: A terminal passes on lines of up to 4,096 characters, the end of the line included, and cuts longer ones.
TERMINAL_LINE = 4096


class _UnusableInput(click.ClickException):
    exit_code = 2


@click.group("core-auth")
def core_auth() -> None:
    """Check the settings of flask-core-auth, and make secrets, hashes and tokens."""


@core_auth.command()
@as_json
@pass_script_info
def check(info: ScriptInfo, as_json: bool) -> None:
    """Show every setting, fetch each tenant's keys, and list errors and warnings.

    The command also connects to the session store and to the limit storage. Run it as the user that the
    app runs as.

    Exits with 1 if there is an error.
    """
    from .check import examine

    report = examine(info.load_app)
    click.echo(json.dumps(report.as_dict(), indent=2) if as_json else report.as_text())
    if report.errors:
        raise SystemExit(1)


@core_auth.command("hash-password")
@click.option(
    "--method",
    type=click.Choice(["scrypt", "argon2"]),
    default="scrypt",
    help="The hash algorithm; argon2 needs the extra of that name.",
)
@click.password_option(help="The password; without this option, a prompt asks for it twice.")
def hash_password(method: str, password: str) -> None:
    """Hash a password, for API_AUTH_PASSWORD or API_AUTH_USERS."""
    from . import passwords

    try:
        click.echo(passwords.hash_password(password, method))
    except ValueError as error:
        raise click.ClickException(str(error)) from None


@core_auth.command("generate-secret")
def generate_secret() -> None:
    """Generate a secret, for API_AUTH_JWT_SECRET."""
    import secrets

    click.echo(secrets.token_urlsafe(48))


@core_auth.command()
@click.argument("subject")
@click.option("--scope", "scopes", multiple=True, help="A scope of the tokens; may be repeated.")
@click.option("--fresh", is_flag=True, help="Make the access token fresh, as after a login.")
@click.option("--force", is_flag=True, help="Make tokens outside debug mode, too.")
@as_json
@pass_script_info
def token(
    info: ScriptInfo, subject: str, scopes: tuple[str, ...], fresh: bool, force: bool, as_json: bool
) -> None:
    """Make an access and a refresh token for SUBJECT, for trials."""
    from dataclasses import asdict

    app, blueprint = _load(info)
    if not (app.debug or force):
        raise click.ClickException(
            "Anybody with these tokens can act as SUBJECT. Outside debug mode, this needs --force"
        )
    with app.app_context(), _click_errors():
        pair = asdict(blueprint.issue(subject, scopes=scopes, fresh=fresh))
    click.echo(
        json.dumps(pair) if as_json else "\n".join(f"{name}: {value}" for name, value in pair.items())
    )


@core_auth.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@as_json
@pass_script_info
@click.pass_context
def explain(context: click.Context, info: ScriptInfo, as_json: bool) -> None:
    """Explain why a token is accepted or rejected.

    Reads one token from standard input: an access token, a refresh token, or a token of an identity
    provider. It shows neither the token nor a secret, and changes nothing.

    Exits with 0 if the token is accepted, with 1 if it is rejected, with 2 if the input is no token.
    """
    from .explain import explain as explain_token
    from .pasted import UnusableInputError, read_pasted

    if context.args:
        # click would show the argument, and the shell's history has it: it may be a token.
        raise _UnusableInput("explain takes no arguments. Give it the token on standard input")
    app, _ = _load(info)
    try:
        pasted = read_pasted(_read_input())
    except UnusableInputError as error:
        raise _UnusableInput(str(error)) from None
    if pasted.removed:
        click.echo(f"Taken off around the token: {', '.join(pasted.removed)}", err=as_json)
    explanation = explain_token(app, pasted.token)
    click.echo(json.dumps(explanation.as_dict(), indent=2) if as_json else explanation.as_text())
    if not explanation.is_accepted:
        raise SystemExit(1)


def _read_input() -> bytes:
    """Read the input of :func:`explain`; on a terminal, ask for it and do not show it."""
    from .pasted import MAX_INPUT_BYTES

    if sys.stdin.isatty():
        text: str = click.prompt("Token", hide_input=True, default="", show_default=False, err=True)
        if len(text) >= TERMINAL_LINE - 1:
            raise _UnusableInput("A terminal cuts a token of this length. Give it through a pipe or a file")
        return text.encode(errors="surrogateescape")
    return sys.stdin.buffer.read(MAX_INPUT_BYTES + 1)


@core_auth.group()
def sessions() -> None:
    """List or end the sessions of a subject. Needs API_AUTH_SESSIONS."""


@sessions.command("list")
@click.argument("subject")
@idp_option
@as_json
@pass_script_info
def list_sessions(info: ScriptInfo, subject: str, idp: str | None, as_json: bool) -> None:
    """List the sessions of SUBJECT, most recently used first."""
    app, blueprint = _load(info)
    with app.app_context(), _click_errors():
        listed = [session.as_json() for session in blueprint.sessions_of(subject, idp=idp)]
    if as_json:
        click.echo(json.dumps(listed, indent=2))
        return
    for session in listed:
        click.echo("  ".join("-" if value is None else ascii(value)[1:-1] for value in session.values()))


@sessions.command()
@click.argument("subject")
@idp_option
@as_json
@pass_script_info
def revoke(info: ScriptInfo, subject: str, idp: str | None, as_json: bool) -> None:
    """End every session of SUBJECT."""
    app, blueprint = _load(info)
    with app.app_context(), _click_errors():
        ended = blueprint.revoke(subject, idp=idp)
    click.echo(json.dumps({"ended": ended}) if as_json else f"Ended: {ended}")


@contextlib.contextmanager
def _click_errors() -> Iterator[None]:
    from .errors import ServiceUnavailableError

    try:
        yield
    except ServiceUnavailableError as error:
        raise click.ClickException("; ".join(error.details)) from None
    except (RuntimeError, ValueError) as error:  # without sessions; an invalid subject or scope
        raise click.ClickException(str(error)) from None


def _load(info: ScriptInfo) -> tuple[Flask, CoreAuth]:
    from .blueprint import CoreAuth
    from .errors import ConfigError

    try:
        app = info.load_app()
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    for blueprint in app.blueprints.values():
        if isinstance(blueprint, CoreAuth):
            return app, blueprint
    raise click.ClickException("No CoreAuth is registered on this app")
