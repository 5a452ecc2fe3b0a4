"""Run the code blocks of docs/index.md, and check its claims."""

from __future__ import annotations

import re

from .blocks import PAGES, Page


def test_user_of_the_app_logs_in(page: Page) -> None:
    page.run("app")
    client = page["app"].test_client()
    assert client.get("/api/v3/process").status_code == 401
    login = client.post("/api/login", json={"username": "admin", "password": "correct-horse"})
    assert set(login.json) == {"access_token", "refresh_token"}
    header = {"Authorization": f"Bearer {login.json['access_token']}"}
    assert client.get("/api/v3/process", headers=header).json == {"user": "admin"}


def test_index_links_to_each_page_outside_the_toctree_too(page: Page) -> None:
    pages = {path.name for path in PAGES} - {"README.md", "index.md"}
    assert set(re.findall(r"^- \[.+\]\((.+)\): ", page.text, re.MULTILINE)) == pages
