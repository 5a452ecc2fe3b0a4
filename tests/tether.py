"""Processes that do not outlive the test run, even one that ``kill -9`` ends.

Run as a program, this module becomes another program that is killed with the process that started it.
(Popen's ``preexec_fn`` is no alternative: it is not safe with threads.) It works on Linux only; on other
systems such processes are left behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tethered(*command: str) -> list[str]:
    """Return the command to start instead of ``command``, so that it ends with this process.

    A process that changes its user loses the tether.
    """
    if sys.platform != "linux":
        return [*command]
    # Isolated, and without site-packages: it starts in 20 ms.
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def tether(parent: int) -> None:
    """Have this process killed when ``parent``, which started it, ends."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent ended before prctl() took effect
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    tether(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
