"""Processes that the test run starts end with it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from .tether import tethered

#: Starts a process that sleeps, prints its ID, and waits.
RUN = """
import subprocess, sys
from tests.tether import tethered
sleep = "import time; print('up', flush=True); time.sleep(600)"
child = subprocess.Popen(tethered(sys.executable, "-c", sleep))
print(child.pid, flush=True)
child.wait()
"""


def test_tethered_command_runs_unchanged(tmp_path: Path) -> None:
    command = ["sh", "-c", 'printf %s "$0 $1 $X"; exit 3', "a b", "*"]
    done = subprocess.run(tethered(*command), env={**os.environ, "X": "y"}, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("a b * y", 3)


@pytest.mark.skipif(sys.platform != "linux", reason="the tether is Linux's")
def test_tethered_process_ends_when_its_test_run_is_killed() -> None:
    with subprocess.Popen(
        tethered(sys.executable, "-c", RUN), stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]
    ) as run:
        assert run.stdout is not None
        lines = {run.stdout.readline().strip() for _ in range(2)}
        assert b"up" in lines
        run.kill()
        # The child has the pipe open, too: the pipe ends when both processes have ended.
        assert select.select([run.stdout], [], [], 600)[0]
        assert run.stdout.read() == b""
