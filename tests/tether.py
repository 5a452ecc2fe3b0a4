"""Processes that end with the test run, even if ``kill -9`` gives it no time to end them.

As a program, this module runs a command, which the kernel kills when the parent process ends. (Popen's
``preexec_fn`` is not safe with threads.) It works on Linux alone; on other systems, the processes of a
killed test run go on.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tethered(*command: str) -> list[str]:
    """Return a command that runs ``command``, and ends with this process.

    A command that changes its user is no longer tethered.
    """
    if sys.platform != "linux":
        return [*command]
    # Isolated and without site-packages, Python starts in 20 ms.
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def tether(parent: int) -> None:
    """Let the kernel kill this process when its parent process ends.

    :param parent: the ID of the parent process.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the call above
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    tether(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
