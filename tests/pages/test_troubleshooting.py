"""``docs/troubleshooting.md`` has each rejection, each reason in the log, and each error at the start."""

from __future__ import annotations

import ast
import logging
import re
import typing as t
from pathlib import Path

import pytest
from flask import Flask

from flask_core_auth import CoreAuth, auth_required
from flask_core_auth.rejections import Reason

from ..apps import PASSWORD, SECRET, USERNAME, Clock, bearer, log_in
from .blocks import PAGES, Page, blocks_of
from .tables import read, rows

if t.TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = read("troubleshooting.md")
PACKAGE = Path(__file__).parents[2] / "flask_core_auth"
GAP = "\0"
#: Errors with details for the client, or with the text of a detail.
REJECTIONS = {
    *("BadRequestError", "ForbiddenError", "ContentTooLargeError", "TooManyRequestsError"),
    *("ServiceUnavailableError", "MalformedTokenError", "MalformedBearerError", "Problem"),
}
#: Modules whose ``ValueError`` is a problem with a setting.
CHECKS = {"passwords.py", "throttle.py", "sessions/__init__.py", "sessions/redis.py", "sessions/sql.py"}
#: Not about a request: Authlib's resource protector may ask for scopes, flask-core-auth does not.
UNREACHABLE = {"The token lacks a scope that is required"}


def snippets(*header: str) -> list[str]:
    """Return the texts in the first column of the tables with this header."""
    return [text for row in rows(PAGE, *header) for text in re.findall(r"`([^`]+)`", row[0])]


def templates(node: ast.expr | None) -> Iterator[str]:
    """Yield each text that an expression can be, with a gap for each part that differs."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
        yield "".join(map(str, parts))
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from templates(value)
    elif isinstance(node, ast.IfExp):
        yield from templates(node.body)
        yield from templates(node.orelse)
    elif isinstance(node, ast.Tuple):
        yield from templates(node.elts[-1])


def has_words(template: str) -> bool:
    """Tell whether a text says more than that a value must be another value."""
    return re.search(r"[a-z]{2}", re.sub(r"must be|not", "", template)) is not None


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith("client/"):
            yield name, ast.parse(path.read_text())


def called(node: ast.AST) -> str | None:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None


def rejections() -> Iterator[str]:
    for _, module in modules():
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and called(node) in REJECTIONS:
                yield from templates(node.args[-1] if node.args else None)


def start_up_errors() -> Iterator[str]:
    for name, module in modules():
        for node in ast.walk(module):
            is_check = called(node) == "ValueError" and name in CHECKS
            if isinstance(node, ast.Call) and (called(node) == "SettingError" or is_check):
                yield from templates(node.args[0])
            elif isinstance(node, ast.Yield) and name in ("config/__init__.py", "jwt_extended.py"):
                yield from templates(node.value)
            elif isinstance(node, ast.FunctionDef) and node.name == "_url_problem":
                for part in ast.walk(node):
                    if isinstance(part, ast.Return):
                        yield from templates(part.value)
            elif isinstance(node, ast.Call) and called(node) in ("parse_mapping", "parse_sequence"):
                yield from (f"must be {text}" for text in templates(node.args[1]))


def matches(snippet: str, template: str) -> bool:
    """Tell whether a text of the page is a text of the code, or begins in it; ``...`` matches anything."""
    parts = [part.strip() for part in snippet.split("...") if part.strip()]
    at = 0
    for part in parts:
        at = template.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


def missing(texts: t.Iterable[str], listed: list[str]) -> list[str]:
    return [text for text in texts if has_words(text) and not any(matches(one, text) for one in listed)]


def all_details() -> list[str]:
    details = [row[0] for row in rows(read("auth0.md"), "detail", "fix")]
    return snippets("text in `details`") + details


def test_each_detail_of_a_rejection_is_listed() -> None:
    texts = [text.replace(f"{GAP} bytes", "16384 bytes") for text in rejections()]
    # Two texts have a number in the place of a gap.
    texts = [
        text.replace("The token is larger than 16384", "The token is larger than 8192") for text in texts
    ]
    assert len(texts) > 40
    assert set(missing(texts, all_details())) == UNREACHABLE


def test_each_error_at_the_start_is_listed() -> None:
    texts = list(start_up_errors())
    assert len(texts) > 60
    assert missing(texts, snippets("problem")) == []


def test_no_text_of_the_page_is_out_of_date() -> None:
    source = "".join(ast.unparse(module) for _, module in modules())
    known = [*rejections(), *start_up_errors(), *re.findall(r"['\"](.*?)['\"]", source)]
    known = [re.sub(rf"{GAP}(?= bytes)", "16384", text) for text in known]
    known += [text.replace("16384", "8192") for text in known]
    listed = [*snippets("text in `details`"), *snippets("problem")]
    assert [
        text for text in listed if text.strip(". ") and not any(matches(text, one) for one in known)
    ] == []


def test_each_reason_in_the_log_is_listed() -> None:
    listed = snippets("reason in the DEBUG line")
    assert sorted(listed) == sorted(reason.value for reason in Reason)


def test_text_that_is_not_listed_is_found() -> None:
    listed = all_details()
    assert missing(["The body is not valid JSON"], listed) == []
    assert missing(["The body is not valid YAML", f"No {GAP} at all"], listed) == [
        "The body is not valid YAML",
        f"No {GAP} at all",
    ]


@pytest.fixture
def app() -> Flask:
    app = Flask("troubled")
    app.config.update(API_AUTH_USERNAME=USERNAME, API_AUTH_PASSWORD=PASSWORD, API_AUTH_JWT_SECRET=SECRET)
    app.register_blueprint(CoreAuth())
    app.add_url_rule("/me", "me", auth_required(lambda: "me"))
    return app


def test_debug_lines_go_to_standard_error(
    page: Page, app: Flask, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    logger = logging.getLogger("flask_core_auth")
    monkeypatch.setattr(logger, "level", logger.level)
    try:
        page.run("debug")
        app.test_client().get("/me", headers=bearer("x"))
    finally:
        logger.setLevel(logging.NOTSET)  # also empties the logger's cache
    assert re.search(
        r"^DEBUG:flask_core_auth:Token rejected: it is malformed$", capsys.readouterr().err, re.MULTILINE
    )


def test_explain_names_the_reason_of_the_log(
    page: Page, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    (quickstart,) = (path for path in PAGES if path.stem == "quickstart")
    Path("app.py").write_text(blocks_of(quickstart)["app.py"].code)
    monkeypatch.setenv("CORE_API_AUTH_JWT_SECRET", f"another {SECRET}")
    monkeypatch.setenv("ACCESS_TOKEN", log_in(app)["access_token"])
    page.run("explain")


def test_challenge_tells_whether_a_token_arrived(app: Flask, clock: Clock) -> None:
    client, token = app.test_client(), log_in(app)["access_token"]
    assert "error" not in client.get("/me").headers["WWW-Authenticate"]
    assert "error" in client.get("/me", headers=bearer("x")).headers["WWW-Authenticate"]
    clock.move(600)
    expired = client.get("/me", headers=bearer(token))
    assert expired.json is not None
    assert f"`{expired.json['details'][0]}`" in PAGE
