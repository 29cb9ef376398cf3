# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The tables of floods of every kind, of the switch-over, and of calm."""

import calm
import defences
import flood_kinds
import measure
import switch_over
from table import median, median_interval, print_table, show

# What is wanted.
OF_CONTROL_AIM = 0.8
OF_KERNEL_AIM = 30  # times, under SYNs
NO_TABLE_AIM_NS = 150
NO_FLOW_AIM_NS = 350
SWITCH_AIM_MS = 10
CALM_AIM = 0.08


# The defences, as columns are headed.
_SHORT = {defences.CONTROL.name: "control", defences.SYNKEEP.name: "always", defences.SYNKEEP_AUTO.name: "auto",
          defences.KERNEL_SHIPPED.name: "kernel =1", defences.KERNEL.name: "kernel =2",
          defences.NFT_SYNPROXY.name: "synproxy"}


def _ratios(rounds, others, value):
    """A figure by that of another defence in the same round."""
    return [value(r) / value(o) if value(o) else None for r, o in zip(rounds, others)]


def _per_second(result):
    return result["per_second"]


def _of_all(results, flood, value, form):
    """A cell for each defence: the median of a figure."""
    return [show(median([value(r) for r in results.get((flood.name, defence.name), [])]), form)
            for defence in defences.KINDS]


def _clients_row(results, flood):
    sent = [r["flood_per_second"] for r in results.get((flood.name, defences.CONTROL.name), [])]
    return [flood.label, show(median(sent), ",.0f"), *_of_all(results, flood, _per_second, ",.0f")]


# What is compared with what.
_PAIRS = [(this, other) for other in (defences.CONTROL, defences.KERNEL_SHIPPED, defences.NFT_SYNPROXY)
          for this in (defences.SYNKEEP, defences.SYNKEEP_AUTO)]


def _ratios_row(results, flood):
    ratios = [median(_ratios(*(results.get((flood.name, defence.name), []) for defence in pair), _per_second))
              for pair in _PAIRS]
    return [flood.label, *(show(ratio, ",.2f") for ratio in ratios)]


def _time_cell(rounds):
    times = [r["total_ms"] for r in rounds if r["total_ms"]]
    return " / ".join(show(median([t[part] for t in times]), ",.1f") for part in ("p50", "p99"))


def print_clients(results):
    """results: {(flood's name, defence's name): [round]}, each round a measure.connections()."""
    there = [flood for flood in flood_kinds.ALL if any(name == flood.name for name, _defence in results)]
    names = [_SHORT[defence.name] for defence in defences.KINDS]
    print_table("Connections a second of real clients under each kind of flood, "
                f"{measure.FLOOD_PER_SECOND:,} packets a second",
                ["", "sent", *names], [_clients_row(results, flood) for flood in there])
    print_table(f"The same, by those of others in the same round (wanted: {OF_CONTROL_AIM} of the control; under SYNs "
                f"{OF_KERNEL_AIM} times the kernel)",
                ["", *(f"{_SHORT[this.name]} : {_SHORT[other.name]}" for this, other in _PAIRS)],
                [_ratios_row(results, flood) for flood in there])
    print_table("The part of the clients' connections that succeeded", ["", *names],
                [[flood.label, *_of_all(results, flood, lambda r: r["succeeded"] / r["begun"], ".1%")]
                 for flood in there])
    print_table("And how long these took: p50 / p99, ms", ["", *names],
                [[flood.label, *(_time_cell(results.get((flood.name, defence.name), []))
                                 for defence in defences.KINDS)] for flood in there])
    _print_fates(results, there)


def _print_fates(results, there):
    columns = [(defence, part) for defence in defences.COUNTING for part in ("verified", "succeeded", "lost")]

    def total(flood, defence, part):
        return sum(measure.fate(r)[part] for r in results.get((flood.name, defence.name), []))

    print_table("The same connections, counted by Synkeep: verified, by a cookie or by the owner's own handshake, "
                "succeeded,\nand the difference: lost behind XDP; all rounds together",
                ["", *(f"{part}, {_SHORT[defence.name]}" for defence, part in columns)],
                [[flood.label, *(f"{total(flood, *column):,}" for column in columns)] for flood in there])


def _packet_cost_ns(rounds, drops):
    """Nanoseconds of CPU a packet, less what one costs in the same round that is dropped by its prefix."""
    def ns(result):
        return result["cpu_seconds"] * 1e9 / result["sent"]

    return median([ns(r) - ns(drop) for r, drop in zip(rounds, drops)])


def print_packets(results):
    """results: {(flood's name, defence's name): [round]}, each round a measure.packet_cost()."""
    rows = []
    for flood in flood_kinds.PACKETS:
        drops = results.get((flood.name, defences.DROP.name), [])
        mine = results.get((flood.name, defences.SYNKEEP.name), [])
        if drops:
            rows.append([flood.label, mine[-1]["verdict"] if mine else "-",
                         *(show(_packet_cost_ns(results.get((flood.name, defence.name), []), drops), ",.0f")
                           for defence in defences.KINDS_COST if defence is not defences.DROP)])
    print_table("A packet of each kind of flood: nanoseconds of CPU on one core, net of generator, wire and drop",
                ["", "Synkeep's verdict",
                 *(_SHORT[defence.name] for defence in defences.KINDS_COST if defence is not defences.DROP)], rows)


def print_programs(subjects):
    """subjects: what the flood_cost tool printed."""
    labels = {flood.name: flood.label for flood in flood_kinds.PACKETS}
    print_table(f"The loaded XDP program alone, {defences.FLOWS:,} flows in the table: nanoseconds a packet (at most "
                f"{NO_TABLE_AIM_NS} for\nverdicts that need no table, {NO_FLOW_AIM_NS} for an ACK without a flow)",
                ["", "verdict", "ns"],
                [[labels[s["kind"]], s["verdict"], show(median(s["ns"]), ".0f")] for s in subjects])


def print_switch_over(results):
    """results: {flood's label: [round]}, each round a switch_over.switch_over()."""
    rows = []
    for label in switch_over.FLOODS:
        if rounds := results.get(label):
            ms = [1e3 * r["seconds"] for r in rounds]
            rows.append([label, f"{median([r['per_second'] for r in rounds]):,.0f}", f"{median(ms):.1f}",
                         f"{max(ms):.1f}", f"{median([r['passed'] for r in rounds]):,.0f}"])
    print_table(f"Policy auto: from a flood's first SYN to the first cookie (at most {SWITCH_AIM_MS} ms wanted)",
                ["SYNs/s wanted", "sent", "ms", "the worst", "SYNs before it"], rows)


# How what costs of calm are printed: label, unit, scale from seconds.
_CALM_WORKS = {"connection": ("a connection", "µs", 1e6), "received": ("a GiB received", "ms", 1e3),
               "sent": ("a GiB sent", "ms", 1e3)}


def _calm_row(pairs, work, ends):
    label, unit, scale = _CALM_WORKS[work]
    bare, shielded = ([pair[work][end.name][ends] for pair in pairs] for end in (calm.BARE, calm.SHIELDED))
    more = [s / b - 1 for b, s in zip(bare, shielded)]
    interval = median_interval(more)
    return [f"{label}, {ends}", unit, show(median(bare), ",.1f", scale), show(median(shielded), ",.1f", scale),
            show(median(more), "+.1%"), " to ".join(f"{end:+.1%}" for end in interval) if interval else "-"]


def print_calm(pairs):
    """pairs: what calm.pairs() returned."""
    print_table(f"Calm: CPU time with Synkeep, policy={calm.POLICY}, beside an XDP program that passes everything; the "
                f"median of {len(pairs)}\npairs, and where it lies with 95 % (of both ends at most {CALM_AIM:.0%} more "
                "is wanted)",
                ["", "unit", "XDP_PASS", "synkeep", "more", "interval"],
                [_calm_row(pairs, work, ends) for work in calm.WORKS for ends in ("both ends", "server")])
