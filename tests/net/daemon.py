# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`synkeep run` in a laboratory: started, waited for, asked, ended."""

import collections
import contextlib
import os
import pathlib
import signal
import subprocess

import lab
from shield import FLOWS, answered

SECONDS = 5


class Daemon:
    """A daemon that serves the shield's device."""

    def __init__(self, shield, process, first_line):
        self.shield = shield
        self.process = process
        self.first_line = first_line

    def status(self):
        """What `synkeep status` says of the daemon; None: there is none."""
        return self.shield.read_json("status", self.shield.device)[0]["daemon"]

    def counters(self):
        """What its TCP and its rim have counted, by name."""
        counted = self.shield.read_json("counters", self.shield.device)[0]["daemon"]
        return collections.Counter({counter["name"]: counter["count"] for counter in counted})

    def ager(self):
        """What `synkeep status` says of its ager; None: there is none."""
        return self.shield.read_json("status", self.shield.device)[0]["ager"]

    def ager_counters(self):
        """What its ager has counted, by name."""
        counted = self.shield.read_json("counters", self.shield.device)[0]["ager"]
        return collections.Counter({counter["name"]: counter["count"] for counter in counted})

    def cpu_seconds(self):
        """The processor time that it has used."""
        ticks = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """What is in its own memory."""
        process, found = pathlib.Path("/proc", str(self.process.pid)), b""
        with open(process / "mem", "rb", buffering=0) as memory:
            for line in (process / "maps").read_text().splitlines():
                addresses, access = line.split()[:2]
                begin, end = (int(address, 16) for address in addresses.split("-"))
                if access.startswith("rw-p"):
                    memory.seek(begin)
                    found += memory.read(end - begin)
        return found

    def end(self, number=signal.SIGTERM):
        """Ends it by a signal and returns its status and what it said."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, errors


def start(shield, *specs, options=(), flows=FLOWS):
    """Starts a daemon with these services, and waits until it serves. Where no policy is named, it is always."""
    words = [word for spec in specs for word in ("--service", answered(spec))]
    command = shield.command("run", shield.device, "--flows", flows, *words, *options)
    process = shield.net.server.start(*command[2:], stderr=subprocess.PIPE)
    for line in process.stdout:
        if "serving" in line:
            return Daemon(shield, process, line)
    raise lab.CommandFailed(f"the daemon does not serve: {process.stderr.read()}")


@contextlib.contextmanager
def serving(shield, *specs, options=(), flows=FLOWS):
    """The same, ended behind the block if it still runs. What the client sends has its checksums."""
    shield.net.client.send_through_queue()
    daemon = start(shield, *specs, options=options, flows=flows)
    try:
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.end()


def spec(family, net, port, app, *keys):
    """A service of the daemon's on the server's address."""
    return ",".join((family.spec(net.server, port), "owner=daemon", f"app={app}", *keys))
