# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""From the measurements to what is printed: medians, and what is net of the generator."""

import os
import platform
import statistics

import defences


def _median(values):
    """Of the values that there are; None if there are none."""
    there = [value for value in values if value is not None]
    return statistics.median(there) if there else None


def _show(value, form, scale=1):
    return "-" if value is None else format(value * scale, form)


def _print_rows(header, rows):
    """The first column to the left, the numbers to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, ["-" * width for width in widths], *rows]:
        print("  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]))


def _cpu_model():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as cpuinfo:
        for line in cpuinfo:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def _net_cost_ns(rounds, generator_ns):
    """Nanoseconds of CPU an answer, less what making and carrying every frame that was sent costs anyway."""
    return _median([(r["cpu_seconds"] * 1e9 - r["sent"] * generator_ns) / r["answered"] if r["answered"] else None
                    for r in rounds])


def _print_cost(results):
    costs = {name: rounds for (part, name, _rate), rounds in results.items() if part == "cost"}
    if "drop" not in costs:
        return
    generator_ns = _median([r["cpu_seconds"] * 1e9 / r["sent"] for r in costs["drop"]])
    net = {name: _net_cost_ns(rounds, generator_ns) for name, rounds in costs.items() if name != "drop"}
    floor, kernel = net.get("swap"), net.get("kernel")
    rows = []
    for defence in defences.COST:
        ns = net.get(defence.name)
        if ns is None:
            continue
        answered = _median([r["answered"] / r["sent"] for r in costs[defence.name]])
        rows.append([defence.label, f"{ns:,.0f}", _show(1e3 / ns, ".2f"), f"{answered:.1%}",
                     _show(ns / floor if floor else None, ".1f"), _show(kernel / ns if kernel else None, ".1f")])
    print("A SYN answered: CPU time on one core, net of generator and wire "
          f"({generator_ns:.0f} ns a SYN that is only dropped)\n")
    _print_rows(["", "ns", "million/s", "answered", "this : floor", "kernel : this"], rows)
    print()


def _connection_row(defence, rate, rounds):
    def median(of):
        return _median([of(r) for r in rounds])

    answered = None if defence is defences.CONTROL else median(lambda r: r["answered"])
    return [defence.label, f"{rate:,}", f"{median(lambda r: r['flood_per_second']):,.0f}",
            f"{median(lambda r: r['per_second']):,.0f}", f"{median(lambda r: r['succeeded'] / r['begun']):.1%}",
            _show(median(lambda r: r["total_ms"] and r["total_ms"]["p50"]), ",.1f"),
            _show(median(lambda r: r["total_ms"] and r["total_ms"]["p99"]), ",.1f"), _show(answered, ".1%")]


def _print_connections(results):
    rows = [_connection_row(defence, rate, rounds)
            for defence in defences.FLOOD for (part, name, rate), rounds in results.items()
            if part == "flood" and name == defence.name]
    if not rows:
        return
    print("Real connections under a paced flood: 32 clients at a time, each SYN to FIN, nginx on one core\n")
    _print_rows(["", "SYNs/s wanted", "sent", "connections/s", "success", "p50 ms", "p99 ms", "SYNs answered"], rows)
    print()


def print_tables(results):
    print(f"Linux {platform.release()}, {_cpu_model()}, {os.cpu_count()} CPUs; medians\n")
    _print_cost(results)
    _print_connections(results)
