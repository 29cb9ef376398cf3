#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a packet, a record and a listing cost, and what real clients get under a flood, beside what Synkeep is compared
with. docs/performance.md says how each is measured, and what it came to.

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
for directory in ("net", "lib"):  # the first for what makes segments by hand
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / directory))

import ageing
import calm
import defences
import endpoints
import flood_kinds
import lab
import measure
import memory
import report
import report_endpoints
import report_floods
import report_time
import switch_over
import table

RATES = (0, 100_000, 200_000, measure.FLOOD_PER_SECOND)
TIMERS = 10_000_000
PARTS = ("cost", "programs", "memory", "listing", "timers", "ageing", "tcp", "flood", "kinds", "packets", "switch-over",
         "calm")


def parse_arguments():
    names = sorted({defence.name for defence in defences.COST + defences.FLOOD + defences.KINDS})
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int,
                        help="rounds (60 of the programs, 30 of them under floods, 20 of calm, 1 of the ageing, 3 of "
                             "the listing, the timers, idle sockets, kinds and packets of floods, 5 of the others)")
    parser.add_argument("--seconds", type=float,
                        help="of each measurement (0.3 in calm, 0.5 of a flood's packets, 1 of the cost and under "
                             "kinds of floods, 1.5 under flood, 2 of a profile)")
    parser.add_argument("--quick", action="store_true", help="one short round, and only the outermost rates")
    parser.add_argument("--only", action="append", default=[], choices=(*PARTS, *names), metavar="WORD",
                        help=f"a part or a scenario, may be repeated: {', '.join((*PARTS, *names))}")
    parser.add_argument("--json", action="store_true", help="print every measurement as JSON")
    return parser.parse_args()


class Plan:
    """What is to be measured, by the command line: parts, scenarios, rounds and seconds."""

    def __init__(self, arguments):
        self.parts = [word for word in arguments.only if word in PARTS] or PARTS
        self.names = [word for word in arguments.only if word not in PARTS]
        self.arguments = arguments

    def wants(self, defence):
        # DROP is subtracted from the others, CONTROL they are compared with
        return not self.names or defence.name in self.names or defence in (defences.DROP, defences.CONTROL)

    def rounds(self, usual, quick=1):
        return self.arguments.rounds or (quick if self.arguments.quick else usual)

    def seconds(self, usual, quick):
        return self.arguments.seconds or (quick if self.arguments.quick else usual)

    def scenarios(self):
        """Of the parts that are rounds of scenarios: (part, rounds, [(key, defence, function to call)])."""
        if "cost" in self.parts:
            seconds = self.seconds(1, 0.5)
            yield "cost", self.rounds(5), [
                (defence.name, defence, lambda defence=defence: measure.packet_cost(defence, seconds))
                for defence in defences.COST if self.wants(defence)]
        if "tcp" in self.parts:
            yield "tcp", self.rounds(5), list(self._endpoints(self.seconds(1, 0.5)))
        if "flood" in self.parts:
            seconds = self.seconds(1.5, 1)
            rates = (RATES[0], RATES[-1]) if self.arguments.quick else RATES
            yield "flood", self.rounds(5), [
                ((defence.name, rate), defence,
                 lambda defence=defence, rate=rate: measure.connections(defence, rate, seconds))
                for rate in rates for defence in defences.FLOOD if self.wants(defence)]
        if "kinds" in self.parts:
            seconds = self.seconds(1, 0.5)
            yield "kinds", self.rounds(3), self._kinds(
                flood_kinds.ALL, defences.KINDS,
                lambda defence, flood: measure.connections(defence, measure.FLOOD_PER_SECOND, seconds, flood))
        if "packets" in self.parts:
            seconds = self.seconds(0.5, 0.2)
            yield "packets", self.rounds(3), self._kinds(
                flood_kinds.PACKETS, defences.KINDS_COST,
                lambda defence, flood: measure.packet_cost(defence, seconds, flood))
        if "switch-over" in self.parts:
            yield "switch-over", self.rounds(5), [
                (label, defences.SYNKEEP_AUTO, lambda options=options: switch_over.switch_over(options))
                for label, options in switch_over.FLOODS.items()]

    def _kinds(self, kinds, candidates, call):
        """Scenarios of floods of every kind."""
        return [((flood.name, defence.name), defence, lambda flood=flood, defence=defence: call(defence, flood))
                for flood in kinds for defence in candidates if self.wants(defence)]

    @staticmethod
    def _endpoints(seconds):
        for end in endpoints.ENDS:
            for direction in endpoints.DIRECTIONS:
                yield ((end.name, direction), end,
                       lambda end=end, direction=direction: endpoints.bulk(end, direction, seconds))
        for end in endpoints.ENDS:
            yield (end.name, "short"), end, lambda end=end: endpoints.short(end, seconds)

    def _idle(self):
        """{end's name: [round]}: the kernel's share is of all slabs, which others move, too."""
        counts = {endpoints.KERNEL: [endpoints.IDLE_SOCKETS] * self.rounds(3),
                  endpoints.DAEMON: [100_000 if self.arguments.quick else endpoints.IDLE]}
        return {end.name: [endpoints.idle(end, count) for count in of_end] for end, of_end in counts.items()}

    def _time_wait(self):
        """{end's name: [round]}."""
        count = 100_000 if self.arguments.quick else endpoints.TIME_WAIT
        return {end.name: [endpoints.time_wait(end, count) for _ in range(self.rounds(1))] for end in endpoints.ENDS}

    def _ageing_idle(self):
        """{what is wished: [round]}."""
        return {wish: [ageing.idle(keys) for _ in range(self.rounds(1))] for wish, keys in ageing.WISHES.items()}

    def _expiry(self):
        return {name: [call() for _ in range(self.rounds(1))]
                for name, call in (("lag", ageing.lag), ("at once", ageing.at_once))}

    def _shares(self):
        """{(end's name, work): shares}."""
        return {(end.name, work): endpoints.shares(end, work, self.seconds(1, 0.5))
                for work in (*endpoints.DIRECTIONS, "short") for end in endpoints.ENDS}

    def singles(self):
        """Of the other parts, which keep their own rounds: (part, function to call)."""
        calls = {"programs": lambda: measure.programs(self.rounds(60, 10), self.seconds(2, 0.5)),
                 "memory": memory.measure,
                 "listing": lambda: measure.listings(self.rounds(3)),
                 "timers": lambda: measure.timers(self.rounds(3), 1_000_000 if self.arguments.quick else TIMERS),
                 "calm": lambda: calm.pairs(self.rounds(20, 2), self.seconds(0.3, 0.1))}
        if "packets" in self.parts:
            calls |= {"flood programs": lambda: measure.flood_programs(self.rounds(30, 5))}
        if "ageing" in self.parts:
            calls |= {"time wait": self._time_wait, "ageing idle": self._ageing_idle, "expiry": self._expiry}
        if "tcp" in self.parts:
            calls |= {"idle": self._idle} | ({} if self.arguments.quick else {"shares": self._shares})
        return [(part, call) for part, call in calls.items() if part in self.parts or part not in PARTS]


class Measurements:
    """What came out, and what could not be measured."""

    def __init__(self):
        self.results = {part: {} for part in (*PARTS, "idle", "shares", "time wait", "ageing idle", "expiry",
                                                  "flood programs")}
        self.broken = {}

    def take(self, part, name, call):
        """Calls a measurement; returns what it returned, None if it could not run."""
        if name in self.broken:
            return None
        try:
            return call()
        except (lab.CommandFailed, TimeoutError) as error:
            self.broken[name] = str(error)
            return None

    def run_scenarios(self, plan, conntrack):
        for part, rounds, scenarios in plan.scenarios():
            for number in range(rounds):
                for key, defence, call in scenarios:
                    if defence.conntrack != conntrack:
                        continue
                    print(f"{part}, round {number + 1} of {rounds}: {key}", file=sys.stderr)
                    result = self.take(part, defence.name, call)
                    if result:
                        self.results[part].setdefault(key, []).append(result)

    def run_singles(self, plan):
        for part, call in plan.singles():
            print(part, file=sys.stderr)
            self.results[part] = self.take(part, part, call)


def print_tables(results):
    table.print_machine()
    for part, print_part in (("cost", report.print_answers), ("programs", report.print_programs),
                             ("memory", report.print_memory), ("listing", report.print_listings),
                             ("timers", report_time.print_timers), ("time wait", report_time.print_time_wait),
                             ("ageing idle", report_time.print_idle), ("expiry", report_time.print_expiry),
                             ("tcp", report_endpoints.print_endpoints), ("idle", report_endpoints.print_idle),
                             ("shares", report_endpoints.print_shares),
                             ("flood", report.print_connections), ("kinds", report_floods.print_clients),
                             ("packets", report_floods.print_packets),
                             ("flood programs", report_floods.print_programs),
                             ("switch-over", report_floods.print_switch_over), ("calm", report_floods.print_calm)):
        if results[part]:
            print_part(results[part])


def print_json(measurements):
    def named(results):
        if not isinstance(results, dict):
            return results
        return {key if isinstance(key, str) else " ".join(map(str, key)): value for key, value in results.items()}

    json.dump({"kernel": platform.release(), "broken": measurements.broken,
               "results": {part: named(results) for part, results in measurements.results.items()}},
              sys.stdout, indent=1)
    print()


def main():
    arguments = parse_arguments()
    if os.geteuid() != 0:
        sys.exit("bench: needs root, for namespaces and BPF")
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench: needs two CPUs: one for clients and flood, one for the server")
    lab.end_on_signals()
    lab.take_precedence()
    plan, measurements = Plan(arguments), Measurements()
    measurements.run_singles(plan)
    for conntrack in (False, True):
        measurements.run_scenarios(plan, conntrack)
    if arguments.json:
        print_json(measurements)
    else:
        print_tables(measurements.results)
    for name, why in measurements.broken.items():
        print(f"bench: {name} could not be measured: {why}", file=sys.stderr)
    return 1 if measurements.broken else 0


if __name__ == "__main__":
    sys.exit(main())
