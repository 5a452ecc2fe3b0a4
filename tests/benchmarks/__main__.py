"""Run every benchmark: ``make bench``."""

from __future__ import annotations

from .bench_client import bench_client
from .bench_protected import bench_auth0, bench_protected
from .bench_sessions import bench_sessions
from .bench_storm import bench_storm

BENCHMARKS = (bench_client, bench_protected, bench_auth0, bench_sessions, bench_storm)

if __name__ == "__main__":
    for benchmark in BENCHMARKS:
        print(f"== {benchmark.__name__}", flush=True)
        benchmark()
