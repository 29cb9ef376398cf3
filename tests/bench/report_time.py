# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What time costs, as tables."""

import ageing
import endpoints
from table import median, print_table, show

TIMER_AIM_NS = 150
TIME_WAIT_AIM = 112
IDLE_AIM = 0.01  # of a core
LATE_AIM_MS = 100


def _timer_row(name, rounds, operations):
    """Of all the operations together."""
    wheel, heap = ([sum(r[subject][o] for o in operations) for r in rounds] for subject in ("wheel", "heap"))
    ratio = median([h / w for h, w in zip(heap, wheel)])
    aim = str(TIMER_AIM_NS) if len(operations) == 1 else "-"
    return [name, f"{median(wheel):.0f}", aim, f"{median(heap):.0f}", f"{ratio:.1f}"]


def print_timers(timers):
    """timers: what measure.timers() returned."""
    rounds = timers["rounds"]
    rows = [_timer_row(operation, rounds, [operation]) for operation in rounds[0]["wheel"]]
    rows.append(_timer_row("arm, move and fire together", rounds, ["arm", "move", "fire"]))
    print_table(f"A timer among {timers['count']:,}: nanoseconds, beside a binary heap",
                ["", "wheel", "aim", "heap", "heap : wheel"], rows)
    horizon = [[f"{median([r['horizon'][what] for r in rounds]):.{digits}f}" for what, digits in
                (("add", 0), ("take", 0), ("bytes", 1))]]
    print_table(f"A key among {timers['count']:,} of IPv4 that are due within a minute: nanoseconds, and bytes of memory",
                ["add", "take", "bytes"], horizon)


def print_time_wait(results):
    """results: {end's name: [round]}, each round an endpoints.time_wait()."""
    rows = []
    for end in endpoints.ENDS:
        rounds = results[end.name]
        parts = [median([r[part] for r in rounds]) for part in ("user", "slab", "record")]
        rows.append([end.label, *(f"{part:,.0f}" for part in (*parts, sum(parts))), f"{rounds[-1]['found']:,}"])
    print_table(f"Connections in TIME-WAIT: bytes of each (at most {TIME_WAIT_AIM} are wanted of the daemon)",
                ["", "process", "slabs", "record", "in all", "listed"], rows)


def print_idle(results):
    """results: {what is wished: [round]}, each round an ageing.idle()."""
    rows = [[wish, *(f"{median([r[i] for r in rounds]):.2%}" for i in (0, 1))] for wish, rounds in results.items()]
    print_table(f"{ageing.FLOWS:,} idle flows kept aged: of a core (of the daemon's at most {IDLE_AIM:.0%} is wanted)",
                ["", "daemon", "kernel's workers"], rows)


def print_expiry(results):
    """results: {"lag": [round], "at once": [round]}, of ageing.lag() and ageing.at_once()."""
    rows = [[label, *(show(median([r[part] for r in results[name]]), ",.0f") for part in ("p50", "p99", "max")),
             f"{sum(r['left'] for r in results[name]):,}"]
            for name, label in (("lag", f"{ageing.CLOSES_PER_SECOND:,} a second"), ("at once", f"{ageing.FLOWS:,} at once"))]
    print_table("How late behind their deadlines records are taken away, ms (p99 of the first: at most "
                f"{LATE_AIM_MS} wanted)",
                ["", "p50", "p99", "last", "never"], rows)
    print(f"CPU of the first: {median([r['cpu'] for r in results['lag']]):.0%} of a core\n")
    rows = [[label, *(f"{median([r[when][part] for r in results['at once']]):,.0f}" for part in ("sent", "answered"))]
            for when, label in (("before", "the seconds before"), ("meanwhile", "until the last record is gone"))]
    print_table(f"SYNs under which {ageing.FLOWS:,} records expire at once, a second", ["", "sent", "answered"], rows)
