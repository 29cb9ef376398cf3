# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The measurements with packets, each in a lab of its own. They return what json can print."""

import contextlib
import json
import os
import time

import defences
import lab
import web

PARALLEL = 32
TIMEOUT_S = 2.5  # a lost SYN is repeated after 1 s, so one loss is no failure
SETTLE_S = 0.3


@contextlib.contextmanager
def _stage(defence, cpu=None):
    """A lab with a web server behind a defence."""
    with lab.Lab() as net, web.WebServer(net.server, cpu=cpu):
        net.client.attach(defence.role)
        defence.raise_in(net)
        yield net


@contextlib.contextmanager
def full_table():
    """A lab with a web server and a loaded device whose table is full; gives the lab and the directory of the pins."""
    with lab.Lab() as net, web.WebServer(net.server):
        yield net, defences.load_synkeep_full(net)


def answer_cost(defence, seconds):
    """CPU time of a closed loop on one core: live frames, the server's way through, the answer, the sink."""
    with _stage(defence) as net:
        flood = net.client.read_json(*net.client.flood_command(net.server, "--cpu", 0, "--seconds", seconds))
        answered = net.client.counters()["syn_ack"]
    return {"sent": flood["sent"], "answered": answered, "cpu_seconds": flood["cpu_seconds"]}


def _fetch(net, seconds):
    return net.client.read_json(lab.tool("fetch"), "--cpu", 0, "--seconds", seconds, "--parallel", PARALLEL,
                                "--timeout", TIMEOUT_S, net.server.ipv4)


def _verdicts(net):
    """How often Synkeep came to each verdict."""
    devices = json.loads(net.synkeep("counters", net.server.device, "--json").stdout)
    return {counter["name"]: counter["packets"] for counter in devices[0]["counters"]}


def connections(defence, rate, seconds):
    """Real connections under a paced flood: generator and clients on CPU 0, web server and its NAPI on CPU 1."""
    with _stage(defence, cpu=1) as net:
        net.client.sysctl(net__ipv4__ip_local_port_range="1024 65535")
        net.client.send_through_queue()
        net.server.thread_napi(1)
        result = {"flood_per_second": 0, "answered": None}
        if rate:
            flood = net.client.start(*net.client.flood_command(
                net.server, "--source", "paced", "--cpu", 0, "--rate", rate, "--seconds", 600))
            time.sleep(SETTLE_S)
        result |= _fetch(net, seconds)
        if rate:
            flood.terminate()
            sent = json.loads(flood.communicate()[0])
            result["flood_per_second"] = sent["per_second"]
            result["answered"] = net.client.counters()["syn_ack"] / sent["sent"]
        if defence is defences.SYNKEEP:
            result["verdicts"] = _verdicts(net)
    return result


def programs(rounds, profile_seconds):
    """What a run of the loaded programs costs, by the cost tool: a list with the rounds of each packet and target."""
    with full_table() as (net, pins):
        return net.server.read_json(
            lab.BUILD / "tests" / "bench" / "cost", "--local", net.server.ipv4, "--port", web.PORT,
            "--flows", defences.FLOWS, "--rounds", rounds, "--profile", profile_seconds, "--cpu", 1, pins, timeout=300)


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
