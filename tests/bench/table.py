# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How tables look, and what goes into them from many rounds: medians."""

import math
import os
import platform
import statistics


def median(values):
    """Of the values that there are; None if there are none."""
    there = [value for value in values if value is not None]
    return statistics.median(there) if there else None


def median_interval(values, confidence=0.95):
    """Where the median lies of what the values are a sample of, from order statistics, which ask nothing of their
    distribution: (low, high); None: the values are too few."""
    count, outside, rank = len(values), 2 * 0.5 ** len(values), 0
    while outside <= 1 - confidence:
        rank += 1
        outside += 2 * math.comb(count, rank) * 0.5 ** count
    return (sorted(values)[rank - 1], sorted(values)[count - rank]) if rank else None


def show(value, form, scale=1):
    return "-" if value is None else format(value * scale, form)


def print_table(title, header, rows):
    """The first column to the left, the numbers to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    print(f"{title}\n")
    for row in [header, ["-" * width for width in widths], *rows]:
        print("  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]))
    print()


def _cpu_model():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as cpuinfo:
        for line in cpuinfo:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def print_machine():
    print(f"Linux {platform.release()}, {_cpu_model()}, {os.cpu_count()} CPUs; medians\n")
