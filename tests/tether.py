"""Processes that do not outlive the test run, however it ends: ``kill -9`` leaves it no time to end them.

Run as a program, this becomes another one, and is killed with the process that started it. (Not by way of
Popen's ``preexec_fn``, which may not be used where there are threads.) It works on Linux; elsewhere, what
is left behind is.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tethered(*command: str) -> list[str]:
    """What to start instead of ``command``, so that it ends with this process.

    A command that becomes another user on its way is no longer tethered.
    """
    if sys.platform != "linux":
        return [*command]
    # Isolated, and without site-packages: it starts in 20 ms.
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def tether(parent: int) -> None:
    """Have this process killed when ``parent`` ends, which has started it."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it had ended before
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    tether(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
