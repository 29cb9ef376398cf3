#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What an answered SYN costs, and what real clients get under a flood, for Synkeep and what it is compared with.

Everything runs in throw-away network namespaces on this machine. Scenarios are interleaved and medians over the rounds
are printed, so a neighbour's load hits all alike; scenarios with conntrack come last, for its table is one for all
namespaces and outlives them. Needs root and two CPUs.
"""

import argparse
import json
import os
import pathlib
import platform
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import defences
import lab
import measure
import table

RATES = (0, 100_000, 200_000, 300_000)
PARTS = ("cost", "flood")


def parse_arguments():
    names = sorted({defence.name for defence in defences.COST + defences.FLOOD})
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, help="rounds (5 of the cost, 3 under flood)")
    parser.add_argument("--seconds", type=float, help="of each measurement (1 of the cost, 2 under flood)")
    parser.add_argument("--quick", action="store_true", help="one short round, and only the outermost rates")
    parser.add_argument("--only", action="append", default=[], choices=(*PARTS, *names), metavar="WORD",
                        help=f"a part or a scenario, may be repeated: {', '.join((*PARTS, *names))}")
    parser.add_argument("--json", action="store_true", help="print every measurement as JSON")
    return parser.parse_args()


def plan(arguments):
    """The measurements of each part: (part, defence, rate) and how many rounds, seconds."""
    parts = [word for word in arguments.only if word in PARTS] or PARTS
    names = [word for word in arguments.only if word not in PARTS]
    quick = arguments.quick

    def wanted(defence):
        return not names or defence.name in names or defence is defences.DROP  # what is subtracted from the others

    steps = []
    if "cost" in parts:
        todo = [("cost", defence, None) for defence in defences.COST if wanted(defence)]
        steps.append((todo, arguments.rounds or (1 if quick else 5), arguments.seconds or (0.5 if quick else 1)))
    if "flood" in parts:
        rates = (RATES[0], RATES[-1]) if quick else RATES
        todo = [("flood", defence, rate) for rate in rates for defence in defences.FLOOD if wanted(defence)]
        steps.append((todo, arguments.rounds or (1 if quick else 3), arguments.seconds or (1 if quick else 2)))
    return steps


def measure_one(part, defence, rate, seconds):
    if part == "cost":
        return measure.answer_cost(defence, seconds)
    return measure.connections(defence, rate, seconds)


def measure_all(steps):
    """Returns {(part, name, rate): [a result a round]} and {name: why it could not run}."""
    results, broken = {}, {}
    for conntrack in (False, True):
        for todo, rounds, seconds in steps:
            for number in range(rounds):
                for part, defence, rate in todo:
                    if defence.conntrack != conntrack or defence.name in broken:
                        continue
                    at = f" under {rate:,}/s" if rate is not None else ""
                    print(f"{part}, round {number + 1} of {rounds}: {defence.name}{at}", file=sys.stderr)
                    try:
                        result = measure_one(part, defence, rate, seconds)
                    except (lab.CommandFailed, TimeoutError) as error:
                        broken[defence.name] = str(error)
                    else:
                        results.setdefault((part, defence.name, rate), []).append(result)
    return results, broken


def main():
    arguments = parse_arguments()
    if os.geteuid() != 0:
        sys.exit("bench: needs root, for namespaces and BPF")
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench: needs two CPUs: one for clients and flood, one for the server")
    lab.end_on_signals()
    lab.take_precedence()
    results, broken = measure_all(plan(arguments))
    if arguments.json:
        json.dump({"kernel": platform.release(), "broken": broken,
                   "results": [{"part": part, "scenario": name, "rate": rate, "rounds": rounds}
                               for (part, name, rate), rounds in results.items()]}, sys.stdout, indent=1)
        print()
    else:
        table.print_tables(results)
    for name, why in broken.items():
        print(f"bench: {name} could not be measured: {why}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
