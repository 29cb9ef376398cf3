# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""From the measurements to the tables that are printed: what is net of what, and which ratio says something."""

import defences
import measure
import steps
from memory import SLABS
from table import median, print_table, show

# What a record may take: bytes of kernel memory.
MEMORY_AIMS = {"flows4": 192, "flows6": 232, "tw4": 112, "tw6": 144}
NF_CONNTRACK_BUCKET_BYTES = 8  # at its default size, a bucket for each entry


def _net_cost_ns(rounds, generator_ns):
    """Nanoseconds of CPU an answer, less what making and carrying every frame that was sent costs anyway."""
    return median([(r["cpu_seconds"] * 1e9 - r["sent"] * generator_ns) / r["answered"] if r["answered"] else None
                   for r in rounds])


def print_answers(results):
    """results: {defence's name: [round]}, each round a measure.packet_cost()."""
    if "drop" not in results:
        return
    generator_ns = median([r["cpu_seconds"] * 1e9 / r["sent"] for r in results["drop"]])
    net = {name: _net_cost_ns(rounds, generator_ns) for name, rounds in results.items() if name != "drop"}
    floor, kernel = net.get("swap"), net.get("kernel")
    rows = []
    for defence in defences.COST:
        ns = net.get(defence.name)
        if ns is None:
            continue
        answered = median([r["answered"] / r["sent"] for r in results[defence.name]])
        rows.append([defence.label, f"{ns:,.0f}", show(1e3 / ns, ".2f"), f"{answered:.1%}",
                     show(ns / floor if floor else None, ".1f"), show(kernel / ns if kernel else None, ".1f")])
    print_table("A SYN answered: CPU time on one core, net of generator and wire "
                f"({generator_ns:.0f} ns a SYN that is only dropped)",
                ["", "ns", "million/s", "answered", "this : floor", "kernel : this"], rows)


_PACKETS = {"syn": "SYN, answered", "received": "segment received", "sent": "segment sent",
            **{kind: f"{kind.upper()} of nobody's" for kind in ("ack", "syn-ack", "rst", "fin", "psh-ack")},
            "illegal": "FIN and RST at once"}


def _pattern(subject):
    if subject["packet"] not in ("received", "sent"):
        return "any peer"
    return "one flow" if subject["flows"] == 1 else f"{subject['flows']:,} at random"


def _rounds_by_target(subjects):
    """{(packet, pattern): {target: nanoseconds of each round}}."""
    rounds = {}
    for s in subjects:
        rounds.setdefault((s["packet"], _pattern(s)), {})[s["target"]] = s["ns"]
    return rounds


def _beyond(rounds, target, other):
    """Nanoseconds of one target beyond another, which ran in the same round; None: there is no such target."""
    if target not in rounds or other not in rounds:
        return None
    return median([ns - without for ns, without in zip(rounds[target], rounds[other])])


def print_programs(subjects):
    """subjects: what the cost tool printed."""
    rounds = _rounds_by_target(subjects)
    pairs = (("synkeep", "nothing"), ("touch", "nothing"), ("synkeep", "touch"), ("lock", "touch"))
    rows = [[f"{_PACKETS[packet]}, {pattern}", *(show(_beyond(targets, *pair), ".0f") for pair in pairs)]
            for (packet, pattern), targets in rounds.items()]
    print_table("The loaded programs alone: nanoseconds a packet, beside a bare look-up in the same table with one "
                f"write to\nthe record, and what its lock adds to that; {defences.FLOWS:,} flows in the table",
                ["", "synkeep", "look-up and touch", "above it", "lock alone"], rows)
    _print_steps(subjects, {key: _beyond(targets, "synkeep", "nothing") for key, targets in rounds.items()})


def _print_steps(subjects, net):
    sampled = [s for s in subjects if "samples" in s]
    if not sampled:
        return
    columns = []
    for s in sampled:
        ns = net[s["packet"], _pattern(s)]
        columns.append({step: share * ns for step, share in steps.shares(s["samples"]).items()})
    rows = [[step, *(show(column.get(step), ".0f") for column in columns)]
            for step in steps.NAMES if any(column.get(step, 0) >= 0.5 for column in columns)]
    print_table("Where they go: nanoseconds by step, from samples of the CPU clock by source line",
                ["", *(f"{s['packet']}, {_pattern(s)}" for s in sampled)], rows)


def print_memory(memory):
    """memory: what memory.measure() returned."""
    rows = [[name, str(t["key"]), str(t["value"]), f"{t['bytes']:.1f}", f"{t['said']:.1f}", str(MEMORY_AIMS[name])]
            for name, t in memory["tables"].items()]
    rows.append(["presence filter", "-", "-", "-", f"{memory['presence']:.1f}", "-"])
    for name, size in memory["slabs"].items():
        if size:
            total = size + NF_CONNTRACK_BUCKET_BYTES if name == "nf_conntrack" else size
            rows.append([SLABS[name], "-", str(size), str(total), "-", "-"])
    print_table("Kernel memory: bytes a record in a table of 2^20, pages counted and as the kernel says",
                ["", "key", "value", "counted", "said", "aim"], rows)


def print_listings(listings):
    """listings: what measure.listings() returned."""
    rows = [[f"synkeep flows, {name}", f"{median([r['seconds'] for r in rounds]):.2f}",
             f"{median([r['cpu_seconds'] for r in rounds]):.2f}"] for name, rounds in listings.items()]
    print_table(f"Reading {defences.FLOWS:,} flows, output to /dev/null", ["", "s", "s of CPU"], rows)


def _ratios(rounds, control):
    """Connections a second, by those of the control in the same round at the same rate."""
    return [r["per_second"] / c["per_second"] if c["per_second"] else None for r, c in zip(rounds, control or [])]


def _connection_row(defence, rate, rounds, control):
    def of(value):
        return median([value(r) for r in rounds])

    answered = None if defence is defences.CONTROL else of(lambda r: r["answered"])
    return [defence.label, f"{rate:,}", f"{of(lambda r: r['flood_per_second']):,.0f}",
            f"{of(lambda r: r['per_second']):,.0f}", show(median(_ratios(rounds, control)), ".0%"),
            f"{of(lambda r: r['succeeded'] / r['begun']):.1%}",
            show(of(lambda r: r["total_ms"] and r["total_ms"]["p50"]), ",.1f"),
            show(of(lambda r: r["total_ms"] and r["total_ms"]["p99"]), ",.1f"), show(answered, ".1%")]


def print_connections(results):
    """results: {(defence's name, rate): [round]}, each round a measure.connections().

    A SYN that takes up a tuple in TIME-WAIT is the owner's to answer; all others get a cookie.
    """
    rows = [_connection_row(defence, rate, rounds, results.get((defences.CONTROL.name, rate)))
            for defence in defences.FLOOD for (name, rate), rounds in results.items() if name == defence.name]
    print_table(f"Real connections under a paced flood: {measure.PARALLEL} clients at a time, each SYN to FIN, nginx on one "
                "core",
                ["", "SYNs/s wanted", "sent", "connections/s", "of control", "success", "p50 ms", "p99 ms",
                 "SYNs answered"], rows)
    rows = [_fate_row(rate, rounds) for (name, rate), rounds in results.items() if name == defences.SYNKEEP.name]
    if rows:
        print_table("The same connections, counted by Synkeep: all rounds together",
                    ["SYNs/s wanted", "begun", "cookie came back", "handed over", "owner's own handshake",
                     "succeeded", "lost behind XDP"], rows)


def _fate_row(rate, rounds):
    def total(value):
        return sum(value(r) for r in rounds)

    def counted(verdict):
        return total(lambda r: r["verdicts"].get(verdict, 0))

    return [f"{rate:,}", f"{total(lambda r: r['begun']):,}", f"{counted('COOKIE_ACK'):,}", f"{counted('HANDOVER'):,}",
            f"{counted('HALF_OPEN_ACK'):,}", f"{total(lambda r: r['succeeded']):,}",
            f"{total(lambda r: measure.fate(r)['lost']):,}"]
