# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the ageing of records costs, and how late it is, with many of them in the table.

Records are those of the fill tool, without sockets. CPU time is what the daemon's threads have run, which is all that
the iterators and the programs take that it has run, and beside it that of the kernel's own workers, where the sweep is.
"""

import contextlib
import json
import pathlib
import time

import defences
import lab
import web

FLOWS = defences.FLOWS
CLOSES_PER_SECOND = 100_000
FLOOD_PER_SECOND = 100_000
LIFETIME_S = 60  # no state has a shorter one, by which the daemon goes: it reads the tables twice meanwhile
WISHES = {"without keepalive": "", "keepalive=on": ",keepalive=on"}
_TOOLS = lab.BUILD / "tests" / "bench"


def _run_ns(pid):
    """What the threads of a process have run."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in pathlib.Path(f"/proc/{pid}/task").iterdir())


def _workers_ns():
    """The same of all of the kernel's workers."""
    total = 0
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if (process / "comm").read_text().startswith("kworker/"):
                total += _run_ns(process.name)
    return total


@contextlib.contextmanager
def _stage(keys="", filled=False):
    """A device with a web server as a service, and a daemon that serves it: gives the lab, the daemon, the pins. If
    wanted the table is full when the daemon begins."""
    with lab.Lab() as net, web.WebServer(net.server):
        net.client.attach("count")
        net.synkeep("load", net.server.device, "--flows", defences.FLOWS_ROOM,
                    "--service", f"{net.server.ipv4}:{web.PORT},policy=always{keys}")
        pins = net.pin_root / net.server.device
        if filled:
            _fill(net, pins)
        daemon = net.server.start(lab.SYNKEEP, "run", "--pin-root", net.pin_root, net.server.device)
        if "serving" not in daemon.stdout.readline():
            raise lab.CommandFailed("synkeep run does not serve")
        yield net, daemon, pins


def _fill(net, pins, *options):
    net.server.run(lab.tool("fill"), "--local", net.server.ipv4, "--port", web.PORT, "--flows", FLOWS, *options, pins)


def _expiry(net, pins, every):
    """The tool that sees records go, started."""
    return net.server.start(_TOOLS / "expiry", "--local", net.server.ipv4, "--port", web.PORT, "--flows", FLOWS,
                            "--every", every, "--cpu", 0, pins / "flows4")


def _scans(net):
    """What the daemon says of its reading of the tables."""
    return json.loads(net.synkeep("status", net.server.device, "--json").stdout)[0]["ager"]


def idle(keys):
    """A full table of which nothing expires: shares of a core that the daemon takes, and the kernel's workers, from one
    reading of the tables to the next."""
    with _stage(keys, filled=True) as (net, daemon, _pins):
        lab.wait_until(lambda: _scans(net)["scans"] == 2, "the second reading", timeout=90)
        seconds = _scans(net)["period_ms"] / 1000
        before = _run_ns(daemon.pid), _workers_ns()
        time.sleep(seconds)
        after = _run_ns(daemon.pid), _workers_ns()
    return [(late - early) * 1e-9 / seconds for early, late in zip(before, after)]


def lag():
    """Records that expire one after the other: how late they went, milliseconds, and the daemon's share of a core."""
    over = FLOWS // CLOSES_PER_SECOND
    with _stage() as (net, daemon, pins):
        _fill(net, pins, "--lifetime", LIFETIME_S * 1000, "--over", over * 1000)
        expiry = _expiry(net, pins, every=100)
        time.sleep(LIFETIME_S / 2)
        before = _run_ns(daemon.pid)
        seen = json.loads(expiry.communicate(timeout=120)[0])
        return seen | {"cpu": (_run_ns(daemon.pid) - before) * 1e-9 / over}


class _Flood:
    """SYNs at a rate, and how many are answered in a stretch of time."""

    def __init__(self, net):
        self.net = net

    def __enter__(self):
        net = self.net
        net.server.thread_napi(1)
        self.process = net.client.start(*net.client.flood_command(
            net.server, "--source", "paced", "--cpu", 0, "--rate", FLOOD_PER_SECOND, "--seconds", 600))
        return self

    def __exit__(self, *_exception):
        self.process.terminate()
        self.process.wait()

    def _counts(self):
        link, = self.net.client.read_json("ip", "-json", "-s", "link", "show", self.net.client.device)
        return link["stats64"]["tx"]["packets"], self.net.client.counters()["syn_ack"]

    def watch(self, call):
        """What became of the SYNs while call() ran, and what it returned."""
        before, started = self._counts(), time.monotonic()
        result = call()
        seconds = time.monotonic() - started
        sent, answered = (late - early for early, late in zip(before, self._counts()))
        return {"sent": sent / seconds, "answered": answered / seconds}, result


def at_once():
    """All records expire at the same time, under flood: how late the last one goes, and SYNs answered a second before
    and meanwhile."""
    with _stage() as (net, _daemon, pins):
        began = time.monotonic()
        _fill(net, pins, "--lifetime", LIFETIME_S * 1000)
        expiry = _expiry(net, pins, every=1000)
        with _Flood(net) as flood:
            time.sleep(1)
            before, _ = flood.watch(lambda: time.sleep(3))
            time.sleep(max(0, began + LIFETIME_S - time.monotonic()))
            meanwhile, seen = flood.watch(lambda: json.loads(expiry.communicate(timeout=120)[0]))
        return seen | {"before": before, "meanwhile": meanwhile}
