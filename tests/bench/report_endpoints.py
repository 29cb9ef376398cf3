# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The tables of the daemon's TCP beside the kernel's."""

import endpoints
import profile
from table import median, print_table, show

# What is asked of the daemon.
IDLE_AIM = 800


def _gbits_per_core(rounds):
    return [8e-9 * r["bytes"] / r["cpu_seconds"] for r in rounds]


def _us_per_connection(rounds):
    return [1e6 * r["cpu_seconds"] / r["connections"] for r in rounds]


def _row(label, results, work, value, form):
    """A figure of both ends, and the daemon's by the kernel's in the same round."""
    kernel, daemon = (value(results.get((end.name, work), [])) for end in endpoints.ENDS)
    ratio = median([ours / theirs for ours, theirs in zip(daemon, kernel)])
    return [label, show(median(kernel), form), show(median(daemon), form), show(ratio, ".2f")]


def print_endpoints(results):
    """results: {(end's name, work): [round]}."""
    rows = [_row(f"bulk {direction}, Gbit/s per core", results, direction, _gbits_per_core, ".2f")
            for direction in endpoints.DIRECTIONS]
    rows.append(_row("opened, a byte echoed, closed, µs of CPU", results, "short", _us_per_connection, ".1f"))
    print_table("The daemon's TCP beside the kernel's: server CPU, with softirq and copies",
                ["", *(end.label for end in endpoints.ENDS), "daemon : kernel"], rows)


def print_idle(results):
    """results: {end's name: [round]}, each round an endpoints.idle()."""
    rows = []
    for end in endpoints.ENDS:
        rounds = results[end.name]
        parts = [median([r[part] for r in rounds]) for part in ("user", "slab", "record")]
        last = rounds[-1]
        rows.append([end.label, *(f"{part:,.0f}" for part in (*parts, sum(parts))), f"{last['opened']:,}",
                     f"{last['found']:,}", f"{last['answered'] / endpoints.PROBES:.1%}", f"{last['closed']:,}",
                     f"{last['left']:,}"])
    print_table(f"Idle connections: bytes of each (at most {IDLE_AIM} are wanted of the daemon), and whether they are "
                "there",
                ["", "process", "slabs", "record", "in all", "opened", "listed", "probes answered", "closed", "left"],
                rows)


def print_shares(results):
    """results: {(end's name, work): shares}."""
    rows = [[step, *(show(shares.get(step), ".0%") for shares in results.values())]
            for step in profile.NAMES if any(abs(shares.get(step, 0)) >= 0.005 for shares in results.values())]
    print_table("Where the server's CPU time goes",
                ["", *(f"{work}, {name}" for name, work in results)], rows)
