# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What Synkeep costs while nothing is wrong: CPU time of connections and of text, beside the same veth pair with an XDP
program that does nothing.

Both ends are counted, the two processes and the two threads that process packets, each end on its own CPU, and the
server's alone beside it. A pair is one run with Synkeep and one without, one behind the other, which are first in turn.
Both labs stand meanwhile, and are made anew now and then, for where in memory things come to lie is chance.
"""

import contextlib
import functools

import endpoints
import lab
import web

PARALLEL = 32
PAIRS_OF_A_LAB = 5
_PORTS = (web.PORT, *endpoints.PORTS.values())


def _start_shielded(net):
    services = [word for port in _PORTS for word in ("--service", f"{net.server.ipv4}:{port},policy={POLICY}")]
    net.synkeep("load", net.server.device, *services)
    return endpoints.start_plain_server(net)


POLICY = "auto"
BARE = endpoints.KERNEL
SHIELDED = endpoints.End("shielded", f"synkeep, policy={POLICY}", _start_shielded)


def _cost(result, amount):
    """Seconds of CPU for one of amount."""
    return {"both ends": sum(result["cpu_seconds"]) / amount, "server": sum(result["cpu_seconds"][:2]) / amount}


class _Scene:
    """A lab with both servers."""

    def __init__(self, stage, web_server):
        self.stage, self.web_server = stage, web_server

    def run(self, *command):
        return self.stage.net.client.read_json(*command)


@contextlib.contextmanager
def _scene(end):
    with endpoints.on_stage(end) as stage, web.WebServer(stage.net.server, cpu=1) as web_server:
        yield _Scene(stage, web_server)


def _connection(scene, seconds):
    """What a connection costs."""
    fetched = scene.run(lab.tool("fetch"), "--seconds", seconds, "--parallel", PARALLEL, "--cpu", 0,
                        *scene.stage.tasks(scene.web_server.process), "--task", 0, scene.stage.net.server.ipv4)
    return _cost(fetched, fetched["succeeded"])


def _gib(direction, scene, seconds):
    """What a GiB costs, which the server receives or sends."""
    moved = scene.run(*endpoints.bulk_command(scene.stage, direction, seconds, "--task", 0))
    return _cost(moved, moved["bytes"] / 2**30)


WORKS = {"connection": _connection,
         **{direction: functools.partial(_gib, direction) for direction in endpoints.DIRECTIONS}}


def pairs(count, seconds):
    """[{work: {end's name: cost}}], a dict for each pair of runs."""
    results = []
    while len(results) < count:
        with contextlib.ExitStack() as stack:
            scenes = [(end.name, stack.enter_context(_scene(end))) for end in (BARE, SHIELDED)]
            for _ in range(min(PAIRS_OF_A_LAB, count - len(results))):
                results.append({work: {name: run(scene, seconds) for name, scene in scenes}
                                for work, run in WORKS.items()})
                scenes.reverse()
    return results
