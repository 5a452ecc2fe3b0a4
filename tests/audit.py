"""Look up the resolved requirements of the package, its extras included, in OSV, a database of known
vulnerabilities: ``make audit``.

It fails on a finding. If the database cannot be reached, it says "not checked" and passes. In both cases,
pip-audit exits with 1; only the report tells them apart.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: The extras that an app may install; ``all`` is all of them.
PROJECT = f"{ROOT}[all]"
#: The end of pip-audit's error if the database did not respond, or not with its own response.
NOT_REACHED = re.compile(
    r"^(requests\.exceptions\.\w+"  # no connection, a read that timed out, a response that is no JSON
    r"|pip_audit\.\S*\.(ServiceError|ConnectionError)"  # a status such as 503 or 407
    r"|ERROR:\S*?:(Could not connect to|Tip: your network))",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Audit:
    """The result of an audit.

    :param findings: the vulnerabilities, a line each.
    :param unchecked: the requirements that were not looked up, with the reason.
    """

    findings: list[str]
    unchecked: list[str]


class AuditError(Exception):
    """pip-audit failed for another reason than its database."""


def resolve(project: str = PROJECT) -> list[str]:
    """Return the requirements of a project, and theirs, as pip resolves them today: ``name==version``."""
    command = ["install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-", project]
    report = subprocess.run(
        [sys.executable, "-m", "pip", *command], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return sorted(
        f"{item['metadata']['name']}=={item['metadata']['version']}"
        for item in json.loads(report)["install"]
        if "dir_info" not in item["download_info"]  # the project itself
    )


def audit(requirements: list[str], *, options: t.Sequence[str] = ()) -> Audit:
    """Look up requirements.

    :param requirements: each is ``name==version``.
    :param options: further options of pip-audit.
    :raises AuditError: if pip-audit fails for another reason than its database.
    """
    with tempfile.TemporaryDirectory() as directory:
        pins, report = Path(directory, "requirements.txt"), Path(directory, "report.json")
        pins.write_text("\n".join(requirements))
        command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv"]
        command += ["--requirement", str(pins), "--no-deps", "--disable-pip", "--progress-spinner", "off"]
        command += ["--format", "json", "--output", str(report), "--cache-dir", directory, *options]
        run = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        if not report.exists():
            if run.returncode == 1 and NOT_REACHED.search(run.stderr):
                reason = run.stderr.strip().rpartition("\n")[2][:200]
                return Audit([], [f"{requirement}: {reason}" for requirement in requirements])
            raise AuditError(run.stderr)
        dependencies = json.loads(report.read_text())["dependencies"]
    found = Audit(
        [
            f"{found['name']} {found['version']}: {known['id']}, fixed in {known['fix_versions']}"
            for found in dependencies
            for known in found.get("vulns", ())
        ],
        [f"{found['name']}: {found['skip_reason']}" for found in dependencies if "skip_reason" in found],
    )
    if bool(run.returncode) != bool(found.findings) or len(dependencies) != len(requirements):
        raise AuditError(run.stderr)
    return found


def main() -> int:
    """Print the result; the exit status is 1 if there is a finding."""
    requirements = resolve()
    found = audit(requirements)
    checked = len(requirements) - len(found.unchecked)
    print(f"pip-audit: {checked} of {len(requirements)} requirements checked")
    for line in found.unchecked if checked else found.unchecked[:1]:
        print(f"  not checked: {line}")
    for line in found.findings:
        print(f"  vulnerable: {line}")
    return 1 if found.findings else 0


if __name__ == "__main__":
    sys.exit(main())
