# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What time costs, as tables."""

from table import median, print_table

TIMER_AIM_NS = 150


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
