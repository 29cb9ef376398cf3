# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The bench still runs. What it measures is judged by nobody here."""

import json
import os

import pytest

import lab

BENCH = lab.REPOSITORY / "tests" / "bench" / "bench.py"
PARTS = ("switch-over", "calm")  # the shortest


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="the bench needs two CPUs")
def test_bench_runs():
    tool = lab.BUILD / "tests" / "bench" / "bulk"
    if not tool.exists():
        pytest.fail(f"{tool} is not built: make tests")
    words = [word for part in PARTS for word in ("--only", part)]
    measured = json.loads(lab.run("/usr/bin/python3", BENCH, *words, "--rounds", 1, "--seconds", 0.05, "--json",
                                  timeout=240).stdout)
    assert not measured["broken"]
    assert all(measured["results"][part] for part in PARTS)
