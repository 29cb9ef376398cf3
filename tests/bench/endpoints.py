# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What it costs to end connections: the daemon's TCP beside the kernel's, serving the same clients.

Server CPU is what the server's process ran, and what the kernel thread ran in which its device's packets are processed:
everything that comes for it. What leaves is carried to the client's device by whoever sends it, which is the one or the
other. The clients' side has a thread of its own on the other CPU. So nothing is counted that neighbours do. What a
sender's TCP does when the other end frees a frame would be counted there; pacing is set so high that no socket waits
for that. The profile (profile.py) says of each server whether it holds: it knows both sides' functions.
"""

import collections
import contextlib
import json
import pathlib
import re
import subprocess
import time

import defences
import lab
import profile

PORTS = {"echo": 7, "discard": 9, "daytime": 13, "chargen": 19}
DIRECTIONS = {"received": ("send", "discard"), "sent": ("receive", "chargen")}  # the server's: the client's, service
IDLE = 1_000_000
TIME_WAIT = 500_000
WARM_UP = 10_000  # connections after which every frame of the rings has been used
IDLE_SOCKETS = 15_000  # a process may not have many more descriptors everywhere
PROBES = 1000
PROBE_INTERVAL_S = 1  # a connection answers what is out of its window only so often (RFC 5961, 7)
_TIME_WAIT_SLAB = re.compile(r"^tw_sock_TCP\w* +\d+ +\d+ +\d+ +\d+ +(\d+) .* slabdata +\d+ +(\d+)", re.M)
_PAGE_BYTES = 4096
_TOOLS = lab.BUILD / "tests" / "bench"

End = collections.namedtuple("End", "name label start conntrack", defaults=(False,))


def start_plain_server(net):
    """The process, which serves."""
    server = net.server.start("taskset", "-c", 1, _TOOLS / "plain_server")
    lab.wait_until(lambda: net.server.listens(PORTS["chargen"]), "plain_server")
    return server


def _start_kernel(net):
    net.server.attach("pass")
    return start_plain_server(net)


def _start_daemon(net):
    services = [word for app, port in PORTS.items()
                for word in ("--service", f"{net.server.ipv4}:{port},owner=daemon,app={app},policy=always")]
    net.synkeep("load", net.server.device, "--flows", defences.FLOWS_ROOM, *services)
    server = net.server.start("taskset", "-c", 1, lab.SYNKEEP, "run", "--pin-root", net.pin_root, net.server.device)
    if "serving" not in server.stdout.readline():
        raise lab.CommandFailed("synkeep run does not serve")
    return server


KERNEL = End("sockets", "kernel, epoll", _start_kernel)
DAEMON = End("daemon", "synkeep run", _start_daemon)
ENDS = (KERNEL, DAEMON)


class Stage:
    """A lab with a server; each side's packets are processed in a thread of its own."""

    def __init__(self, net, server):
        self.net, self.server = net, server
        net.server.thread_napi(1)
        net.client.thread_napi(0)
        self.threads = [net.server.find_napi_thread(), net.client.find_napi_thread()]

    def tasks(self, server=None):
        """What the tools are to time: the server's process, this or another one, its packets, the clients' packets."""
        return [word for pid in ((server or self.server).pid, *self.threads) for word in ("--task", pid)]


@contextlib.contextmanager
def on_stage(end):
    """A lab with a server."""
    with lab.Lab() as net:
        for host in (net.client, net.server):
            host.sysctl(net__ipv4__tcp_pacing_ss_ratio=1000, net__ipv4__tcp_pacing_ca_ratio=1000,
                        net__core__somaxconn=4096, net__ipv4__tcp_max_tw_buckets=1 << 20)
        net.client.send_through_queue()  # AF_XDP sees whole checksums only
        net.client.attach("pass")
        yield Stage(net, end.start(net))


def _server_seconds(result):
    return sum(result["cpu_seconds"][:2])


def bulk_command(stage, direction, seconds, *options):
    """The bulk tool, one connection as fast as it goes; options as the tool has them."""
    client, service = DIRECTIONS[direction]
    return (_TOOLS / "bulk", client, "--seconds", seconds, "--cpu", 0, *stage.tasks(), *options,
            stage.net.server.ipv4, PORTS[service])


def bulk(end, direction, seconds):
    """One connection as fast as it goes."""
    with on_stage(end) as stage:
        result = stage.net.client.read_json(*bulk_command(stage, direction, seconds))
    return {"bytes": result["bytes"], "cpu_seconds": _server_seconds(result)}


class Crowd:
    """The crowd tool, which takes commands until it is told to end."""

    def __init__(self, stage, service="echo"):
        net = stage.net
        self.process = net.client.start(_TOOLS / "crowd", "--to", net.server.ipv4, "--to-mac", net.server.mac, "--port",
                                        PORTS[service], "--cpu", 0, *stage.tasks(), net.client.device,
                                        stdin=subprocess.PIPE)

    def tell(self, command, argument):
        print(command, argument, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise lab.CommandFailed(f"crowd ended at: {command} {argument}")
        return json.loads(line)


def short(end, seconds):
    """Connections that are opened, send a byte, get it back and close."""
    with on_stage(end) as stage:
        result = Crowd(stage).tell("echo", seconds)
    return {"connections": result["done"], "lost": result["begun"] - result["done"],
            "cpu_seconds": _server_seconds(result)}


def _user_bytes(server):
    text = pathlib.Path(f"/proc/{server.pid}/status").read_text()
    return 1024 * int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1))


def _slab_bytes():
    return 1024 * int(re.search(r"Slab:\s+(\d+) kB", pathlib.Path("/proc/meminfo").read_text()).group(1))


def _record_bytes(stage, table):
    """What a slot of the table takes; 0: there is no such table."""
    pin = stage.net.pin_root / stage.net.server.device / table
    if not pin.exists():
        return 0
    shown = json.loads(lab.run("bpftool", "map", "show", "pinned", pin, "--json").stdout)
    return shown["bytes_memlock"] / shown["max_entries"]


def _count_flows(stage, end, state="established"):
    """How many connections are in a state, as the server's side lists them."""
    if end is DAEMON:
        return int(stage.net.synkeep("flows", "--state", state, "--count").stdout)
    return stage.net.server.run("ss", "-Htn", "state", state).stdout.count("\n")


def idle(end, count):
    """Connections that stand and do nothing: what they take, whether each is there, and whether they go."""
    with on_stage(end) as stage:
        crowd = Crowd(stage)
        crowd.tell("echo", 0.1)  # whatever the first ones bring with them
        time.sleep(PROBE_INTERVAL_S)  # until the last of them have gone
        user, slab = _user_bytes(stage.server), _slab_bytes()
        opened = crowd.tell("open", count)
        user, slab = _user_bytes(stage.server) - user, _slab_bytes() - slab
        found = _count_flows(stage, end)
        answered = crowd.tell("probe", PROBES)["done"]
        time.sleep(PROBE_INTERVAL_S)
        closed = crowd.tell("close", count)
        time.sleep(PROBE_INTERVAL_S)  # the last ones' records follow
        left = _count_flows(stage, end)
        return {"opened": min(opened["done"], count), "user": user / count, "slab": slab / count,
                "record": _record_bytes(stage, "flows4"), "found": found, "answered": answered,
                "closed": min(closed["done"], count), "left": left}


def _time_wait_slab_bytes():
    """What the kernel's own connections in TIME-WAIT take, of all namespaces."""
    found = _TIME_WAIT_SLAB.findall(pathlib.Path("/proc/slabinfo").read_text())
    return sum(int(pages) * int(slabs) * _PAGE_BYTES for pages, slabs in found)


def time_wait(end, count):
    """Connections in TIME-WAIT: what they take, and whether they are there."""
    with on_stage(end) as stage:
        crowd = Crowd(stage, "daytime")
        crowd.tell("take", WARM_UP)
        user, slab = _user_bytes(stage.server), _time_wait_slab_bytes()
        closed = crowd.tell("take", count)
        user, slab = _user_bytes(stage.server) - user, _time_wait_slab_bytes() - slab
        return {"closed": closed["done"], "user": user / count, "slab": slab / count,
                "record": _record_bytes(stage, "tw4"), "found": _count_flows(stage, end, "time-wait")}


def shares(end, work, seconds):
    """Where the server's CPU time goes: {step: 0..1}; work is a direction of bulk(), or "short"."""
    with on_stage(end) as stage:
        with profile.Profile(stage.server.pid, stage.threads) as samples:
            if work in DIRECTIONS:
                stage.net.client.read_json(*bulk_command(stage, work, seconds))
            else:
                Crowd(stage).tell("echo", seconds)
        return samples.shares(server_sends=work != "received")
