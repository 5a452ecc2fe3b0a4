"""Run the targets under atheris, one process each: ``make fuzz``."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

#: The inputs that reached new code, kept for later runs, and the inputs that found a bug.
DIRECTORY = Path(__file__).parents[2] / ".fuzz"
FINDINGS = DIRECTORY / "findings"
#: A slower input is a finding: seconds. A larger process is one too: MiB.
MAX_SECONDS = 10
MAX_MEBIBYTES = 2048
NAMES = ("tokens", "tenant", "login", "authorization", "jwks", "config", "client")


def main(arguments: list[str]) -> int:
    """Run targets one after another, each in a process of its own: libFuzzer ends its process."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", help=f"of {', '.join(NAMES)}; without one, all")
    parser.add_argument("--time", type=int, default=60, help="seconds for each target")
    parser.add_argument("--play", type=Path, metavar="FILE", help="play one input, such as a finding")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    names = options.target or NAMES
    if not set(names) <= set(NAMES):
        parser.error(f"the targets are {', '.join(NAMES)}")
    if options.play:
        return _play(names[0], options.play)
    try:
        import atheris  # noqa: F401
    except ImportError:
        print(
            "make fuzz needs atheris, which exists for Linux on x86-64 and Python 3.11 to 3.14 only:"
            " pip install '.[fuzz]'",
            file=sys.stderr,
        )
        return 2
    if options.worker:
        return _fuzz(names[0], options.time)
    command = [sys.executable, "-m", "tests.fuzz", "--worker", "--time", str(options.time)]
    failed = [name for name in names if subprocess.run([*command, name]).returncode]
    for name in failed:
        print(f"{name}: see {FINDINGS}, and tests/fuzz/README.md", file=sys.stderr)
    return 1 if failed else 0


def _play(name: str, path: Path) -> int:
    from .targets import TARGETS

    TARGETS[name].run(path.read_bytes())
    print(f"{name}: nothing was found")
    return 0


def _fuzz(name: str, seconds: int) -> int:
    import atheris

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    with atheris.instrument_imports(include=["flask_core_auth"]):
        from .seeds import MAX_BYTES, seeds
        from .targets import TARGETS

        for seed in seeds(name):  # for the modules that are imported late
            TARGETS[name].run(seed)
    corpus = DIRECTORY / name
    corpus.mkdir(parents=True, exist_ok=True)
    FINDINGS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as first:
        for number, seed in enumerate(seeds(name)):
            Path(first, str(number)).write_bytes(seed)
        arguments = [
            f"-max_total_time={seconds}",
            f"-max_len={MAX_BYTES}",
            f"-timeout={MAX_SECONDS}",
            f"-rss_limit_mb={MAX_MEBIBYTES}",
            f"-artifact_prefix={FINDINGS}/{name}-",
            "-print_final_stats=1",
            "-verbosity=0",
            str(corpus),
            first,
        ]
        # A setting may name a file.
        os.chdir(first)
        print(f"== {name}, {seconds} seconds", flush=True)
        atheris.Setup([sys.argv[0], *arguments], TARGETS[name].run)
        atheris.Fuzz()  # never returns
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
