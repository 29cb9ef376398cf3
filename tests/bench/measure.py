# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The measurements with packets, each in a lab of its own. They return what json can print."""

import collections
import contextlib
import json
import os
import time

import defences
import flood_kinds
import lab
import web

PARALLEL = 32
TIMEOUT_S = 2.5  # a lost SYN is repeated after 1 s, so one loss is no failure
SETTLE_S = 0.3
FLOOD_PER_SECOND = 300_000


@contextlib.contextmanager
def on_stage(defence, cpu=None):
    """A lab with a web server behind a defence."""
    with lab.Lab() as net, web.WebServer(net.server, cpu=cpu, ports=defences.PORTS):
        net.client.attach(defence.role)
        defence.raise_in(net)
        yield net


@contextlib.contextmanager
def full_table():
    """A lab with a web server and a loaded device whose table is full; gives the lab and the directory of the pins."""
    with lab.Lab() as net, web.WebServer(net.server):
        yield net, defences.load_synkeep_full(net)


def packet_cost(defence, seconds, flood=flood_kinds.SYN):
    """CPU time of a closed loop on one core: live frames, the server's way through, the answer, the sink."""
    with on_stage(defence) as net:
        sent = net.client.read_json(*net.client.flood_command(
            net.server, "--cpu", 0, "--seconds", seconds, *flood_kinds.options(flood, net, defence)))
        answered = net.client.counters()["syn_ack"]
        verdict = count_verdicts(net, notes=False).most_common(1)[0][0] if defence in defences.COUNTING else None
    return {"sent": sent["sent"], "answered": answered, "cpu_seconds": sent["cpu_seconds"], "verdict": verdict}


def _fetch(net, seconds):
    return net.client.read_json(lab.tool("fetch"), "--cpu", 0, "--seconds", seconds, "--parallel", PARALLEL,
                                "--timeout", TIMEOUT_S, net.server.ipv4)


def count_verdicts(net, notes=True):
    """How often Synkeep came to each verdict; without notes only those by which a packet left."""
    device, = json.loads(net.synkeep("counters", net.server.device, "--json").stdout)
    return collections.Counter({counter["name"]: counter["packets"] for counter in device["counters"]
                                if notes or counter["action"] != "note"})


def fate(result):
    """What became of the connections of a connections() under a defence that counts: each is verified once, by its
    cookie, or by the owner's own handshake where that is the owner's to make."""
    verified = sum(result["verdicts"].get(name, 0) for name in ("COOKIE_ACK", "KERNEL_COOKIE_ACK", "HALF_OPEN_ACK"))
    return {"verified": verified, "succeeded": result["succeeded"], "lost": verified - result["succeeded"]}


def connections(defence, rate, seconds, flood=flood_kinds.SYN):
    """Real connections under a paced flood: generator and clients on CPU 0, web server and its NAPI on CPU 1."""
    with on_stage(defence, cpu=1) as net:
        net.client.sysctl(net__ipv4__ip_local_port_range="1024 65535")
        net.client.send_through_queue()
        net.server.thread_napi(1)
        result = {"flood_per_second": 0, "answered": None}
        if rate:
            process = net.client.start(*net.client.flood_command(
                net.server, "--source", "paced", "--cpu", 0, "--rate", rate, "--seconds", 600,
                *flood_kinds.options(flood, net, defence)))
            time.sleep(SETTLE_S)
        before = count_verdicts(net) if defence in defences.COUNTING else None
        result |= _fetch(net, max(seconds, flood.seconds))
        if rate:
            process.terminate()
            sent = json.loads(process.communicate()[0])
            result["flood_per_second"] = sent["per_second"]
            result["answered"] = net.client.counters()["syn_ack"] / sent["sent"]
        if before is not None:
            result["verdicts"] = count_verdicts(net) - before
    return result


def programs(rounds, profile_seconds):
    """What a run of the loaded programs costs, by the cost tool: a list with the rounds of each packet and target."""
    with full_table() as (net, pins):
        return net.server.read_json(
            lab.BUILD / "tests" / "bench" / "cost", "--local", net.server.ipv4, "--port", web.PORT,
            "--flows", defences.FLOWS, "--rounds", rounds, "--profile", profile_seconds, "--cpu", 1, pins, timeout=300)


def flood_programs(rounds):
    """What a packet of each kind of flood costs in the loaded XDP program, by the flood_cost tool."""
    kinds = [flood.name for flood in flood_kinds.PACKETS if not flood.prepare]
    with full_table() as (net, pins):
        return net.server.read_json(lab.BUILD / "tests" / "bench" / "flood_cost", "--to", net.server.ipv4, "--port",
                                    web.PORT, "--rounds", rounds, "--cpu", 1, pins, *kinds, timeout=300)


LISTINGS = {"table": (), "--count": ("--count",), "--json": ("--json",)}


def listings(rounds):
    """Seconds that `synkeep flows` takes over the full table: {output: [(elapsed, CPU) of each round]}."""
    results = {name: [] for name in LISTINGS}
    with full_table() as (net, _pins):
        for _ in range(rounds):
            for name, options in LISTINGS.items():
                started, before = time.monotonic(), os.times()
                lab.run("sh", "-c", 'exec "$@" >/dev/null', "sh", lab.SYNKEEP, "flows", "--pin-root", net.pin_root,
                        *options)
                spent = os.times()
                results[name].append({
                    "seconds": time.monotonic() - started,
                    "cpu_seconds": spent.children_user + spent.children_system
                                   - before.children_user - before.children_system})
    return results


def timers(rounds, count):
    """What operations on one of count timers cost: {"count", "rounds": [{subject: {operation: nanoseconds}}]}."""
    tool = lab.BUILD / "tests" / "bench" / "timers"
    return {"count": count, "rounds": [json.loads(lab.run(tool, "--timers", count, "--cpu", 1, timeout=300).stdout)
                                       for _ in range(rounds)]}
