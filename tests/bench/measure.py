# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The two measurements, each in a lab of its own. They return plain dicts."""

import contextlib
import json
import time

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


def answer_cost(defence, seconds):
    """CPU time of a closed loop on one core: live frames, the server's way through, the answer, the sink."""
    with _stage(defence) as net:
        flood = net.client.read_json(*net.client.flood_command(net.server, "--cpu", 0, "--seconds", seconds))
        answered = net.client.counters()["syn_ack"]
    return {"sent": flood["sent"], "answered": answered, "cpu_seconds": flood["cpu_seconds"]}


def _fetch(net, seconds):
    return net.client.read_json(lab.tool("fetch"), "--cpu", 0, "--seconds", seconds, "--parallel", PARALLEL,
                                "--timeout", TIMEOUT_S, net.server.ipv4)


def connections(defence, rate, seconds):
    """Real connections under a paced flood: generator and clients on CPU 0, web server and its NAPI on CPU 1."""
    with _stage(defence, cpu=1) as net:
        net.client.sysctl(net__ipv4__ip_local_port_range="1024 65535")
        net.client.send_through_queue()
        net.server.thread_napi(1)
        if rate == 0:
            return {**_fetch(net, seconds), "flood_per_second": 0, "answered": None}
        flood = net.client.start(*net.client.flood_command(
            net.server, "--source", "paced", "--cpu", 0, "--rate", rate, "--seconds", 600))
        time.sleep(SETTLE_S)
        result = _fetch(net, seconds)
        flood.terminate()
        sent = json.loads(flood.communicate()[0])
        result["flood_per_second"] = sent["per_second"]
        result["answered"] = net.client.counters()["syn_ack"] / sent["sent"]
    return result
