"""The directive ``settings``: the reference of all config keys, generated from ``SETTINGS``."""

from __future__ import annotations

import typing as t
from datetime import timedelta

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from flask_core_auth.config import settings

if t.TYPE_CHECKING:
    from sphinx.application import Sphinx

#: The type of a setting, by the name of its parser. A parser that is missing here breaks the build.
TYPES = {
    "parse_boolean": "bool",
    "parse_seconds": "int (seconds) or timedelta",
    "parse_seconds_or_zero": "int (seconds) or timedelta",
    "parse_text": "str",
    "parse_username": "str",
    "parse_secret": "str, at least 32 bytes",
    "parse_secrets": "list of str, at least 32 bytes each",
    "parse_realm": "str",
    "parse_password": "str",
    "parse_users": "dict",
    "parse_tenants": "list of dict, or str",
    "parse_about": "dict",
    "parse_login_limit": "str or None",
    "parse_maximum": "int or None",
    "parse_limit_storage": "str (URI)",
    "parse_sessions": "str (URL)",
    "parse_session_check": '`"refresh"` or `"always"`',
}


class Settings(SphinxDirective):
    """Describe every setting, in the order of :data:`flask_core_auth.config.SETTINGS`."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(settings.__file__)
        described = "\n\n".join(_describe(setting) for setting in settings.SETTINGS)
        return self.parse_text_to_nodes(described)


def _describe(setting: settings.Setting) -> str:
    variables = [f"CORE_{setting.key}"]
    if setting.core_alias:
        variables.append(setting.core_alias)
    lines = [
        f":::{{confval}} {setting.key}",
        f":type: {TYPES[setting.parse.__name__]}",
        f":default: {_default(setting)}",
        "",
        setting.meaning,
        "",
        f"Environment: {', '.join(f'`{variable}`' for variable in variables)}",
        ":::",
    ]
    return "\n".join(lines)


def _default(setting: settings.Setting) -> str:
    default = setting.default
    if setting.default_in_words is not None:
        return setting.default_in_words
    if setting.fallback:
        return f"`{setting.fallback}`"
    if default is None or default == () or default == {}:
        return "not set"
    shown = f"`{default!r}`"
    if setting.parse.__name__ == "parse_seconds" and default >= 60:
        shown += f" ({_span(default)})"
    return shown


def _span(seconds: int) -> str:
    span = timedelta(seconds=seconds)
    if span.seconds == 0:
        return f"{span.days} day{'s' if span.days > 1 else ''}"
    return f"{span.seconds // 60} minutes"


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("settings", Settings)
    return {"parallel_read_safe": True}
