# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The shield as its operator sees it: the commands, and what they and bpftool print.

    with shielded() as shield:
        shield.load("*:80")
        before = shield.counters()
        ...
        assert (shield.counters() - before)["SYN_COOKIE"] == 1
"""

import collections
import contextlib
import json
import os
import pathlib
import shutil

import lab
from family import IPV6

BPFTOOL = shutil.which("bpftool", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
FLOWS = 4096  # records of a kind: quickly made, and more than any test has

# Offsets in struct config, which tests may change under a shield's feet.
CONFIG_PHASE = 16
CONFIG_TEST_ADVANCE = -8
FLOW_PROBES = 108  # in struct flow
PHASE_LOADING, PHASE_ACTIVE = 0, 1


def answered(spec):
    """A SPEC with policy always if it names none: most tests want cookies from the first SYN on."""
    return spec if "policy=" in str(spec) else f"{spec},policy=always"


class Shield:
    """The shield on the server's device, with pins of its own; made without loading anything."""

    def __init__(self, net):
        self.net = net
        self.device = net.server.device
        self.pins = net.pin_root / self.device

    def command(self, name, *arguments):
        """The command line of a synkeep command in the server's namespace."""
        return self.net.server.command(lab.SYNKEEP, name, "--pin-root", self.net.pin_root, *arguments)

    def run(self, name, *arguments, **options):
        return self.net.synkeep(name, *arguments, **options)

    def load_arguments(self, *services, policy="always", xdp=None, handover=None, key_file=None, try_for=None, flows=FLOWS,
                       msl=None, track_outgoing=False):
        """What follows `synkeep load`; policy=None leaves the choice to it."""
        arguments = [self.device, "--flows", flows, *(word for spec in services for word in ("--service", spec))]
        for name, value in (("--policy", policy), ("--xdp", xdp), ("--handover", handover), ("--key-file", key_file),
                            ("--try", try_for), ("--msl", msl)):
            arguments += (name, value) if value else ()
        return arguments + ["--track-outgoing"] * track_outgoing

    def load(self, *services, check=True, **choices):
        """Loads with the services; choices are load_arguments()'s."""
        return self.run("load", *self.load_arguments(*services, **choices), check=check)

    def unload(self, *arguments, **options):
        return self.run("unload", self.device, *arguments, **options)

    def add_service(self, *specs):
        return self.run("service", "add", self.device, *map(answered, specs))

    def delete_service(self, *specs):
        return self.run("service", "del", self.device, *specs)

    def read_json(self, name, *arguments):
        return json.loads(self.run(name, *arguments, "--json").stdout)

    # --- what is there ---

    def verdicts(self):
        """The list that `synkeep counters` prints, with the verdicts that never happened."""
        return self.read_json("counters", self.device, "--all")[0]["counters"]

    def counters(self):
        """Packets by verdict, since the load; without those that never happened."""
        return +collections.Counter({verdict["name"]: verdict["packets"] for verdict in self.verdicts()})

    def drops(self):
        """The verdicts by which packets are dropped."""
        return {verdict["name"] for verdict in self.verdicts() if verdict["action"] == "drop"}

    def flows(self, **filters):
        """Connections; filters are the command's options, as state="ESTABLISHED"."""
        words = [word for name, value in filters.items() for word in (f"--{name}", value)]
        return self.read_json("flows", self.device, *words)

    def flow(self, family, peer_port):
        """The one connection of a peer's port, or None."""
        found = [flow for flow in self.flows(service=family.endpoint(family.any, "*"))
                 if flow["remote_port"] == peer_port]
        assert len(found) <= 1, f"more than one record: {found}"
        return found[0] if found else None

    def bpftool(self, *words):
        return lab.run(BPFTOOL, *words)

    def dump(self, name):
        """A pinned map's elements as bpftool prints them by their types: a list of (key, value)."""
        elements = json.loads(self.bpftool("-j", "map", "dump", "pinned", self.pins / name).stdout)
        return [(element["formatted"]["key"], element["formatted"]["value"]) for element in elements]

    def record(self, family, peer_port):
        """The one record of a peer's port, in whichever map: (name of the map, value), or (None, None).

        The maps are read one after the other, and a connection goes from one to the next: what it has left by then is
        not counted.
        """
        found = [(name, value) for name in ("half", "flows", "tw") for key, value in self.dump(name + family.suffix)
                 if key["remote_port"] == peer_port]
        assert len({name for name, _ in found}) == len(found), f"more than one record: {found}"
        return found[-1] if found else (None, None)

    def record_count(self):
        return sum(len(self.dump(name + suffix)) for name in ("half", "flows", "tw") for suffix in "46")

    # --- what only tests do ---

    def write_config(self, offset, value):
        """Overwrites bytes of the config."""
        element, = json.loads(self.bpftool("-j", "map", "dump", "pinned", self.pins / "config").stdout)
        config = [int(byte, 16) for byte in element["value"]]
        start = offset % len(config)
        config[start:start + len(value)] = value
        self.bpftool("map", "update", "pinned", self.pins / "config", "key", 0, 0, 0, 0, "value", *config)

    def advance_clock(self, seconds):
        """Makes it later by so many seconds, for the programs and the commands."""
        self.write_config(CONFIG_TEST_ADVANCE, int(seconds * 10**9).to_bytes(8, "little"))

    def advance_clock_by(self, seconds):
        """The same, beyond what it was advanced by before."""
        element, = json.loads(self.bpftool("-j", "map", "dump", "pinned", self.pins / "config").stdout)
        advanced_ns = int.from_bytes(bytes(int(byte, 16) for byte in element["value"][CONFIG_TEST_ADVANCE:]), "little")
        self.advance_clock(advanced_ns / 10**9 + seconds)

    def write_probes(self, family, peer_port, probes):
        """Overwrites what the live record of a peer's port knows of keepalive probes."""
        pin = self.pins / ("flows" + family.suffix)
        element, = [element for element in json.loads(self.bpftool("-j", "map", "dump", "pinned", pin).stdout)
                    if element["formatted"]["key"]["remote_port"] == peer_port]
        key, flow = ([int(byte, 16) for byte in element[part]] for part in ("key", "value"))
        flow[FLOW_PROBES:FLOW_PROBES + 4] = probes.to_bytes(4, "little")
        self.bpftool("map", "update", "pinned", pin, "key", *key, "value", *flow)

    def forget(self, family, peer_port):
        """Deletes the live record of a peer's port, as if the table had had no room for it."""
        name = "flows" + family.suffix
        keys = [element["key"] for element in json.loads(
                    self.bpftool("-j", "map", "dump", "pinned", self.pins / name).stdout)
                if element["formatted"]["key"]["remote_port"] == peer_port]
        for key in keys:
            self.bpftool("map", "delete", "pinned", self.pins / name, "key", *(int(byte, 16) for byte in key))

    def is_gone(self):
        """Whether nothing of a shield is left on the device: no pins, no XDP, no filters, no qdisc."""
        return not self.pins.exists() and not self.attached()

    def guards(self):
        """The PIDs of the processes that watch over a trial in the server's namespace."""
        namespace = os.stat(f"/run/netns/{self.net.server.namespace}").st_ino
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                if (process / "comm").read_text() == "synkeep-guard\n" and \
                        (process / "ns/net").stat().st_ino == namespace:
                    found.append(int(process.name))
        return found

    def attached(self):
        """What is on the device: "xdp driver" or "xdp generic", filters as "clsact/ingress NAME", and "clsact"."""
        state = json.loads(self.net.server.run(BPFTOOL, "-j", "net", "show", "dev", self.device).stdout)[0]
        programs = [f"xdp {program['mode']}" for program in state["xdp"]]
        filters = [f"{program['kind']} {program['name'].split(':')[0]}" for program in state["tc"]]
        qdiscs = self.net.server.read_json("tc", "-j", "qdisc", "show", "dev", self.device)
        return programs + filters + [qdisc["kind"] for qdisc in qdiscs if qdisc["kind"] == "clsact"]


@contextlib.contextmanager
def shielded():
    """A shield in a laboratory whose client takes frames that XDP sends; nothing is loaded yet."""
    with lab.Lab() as net:
        net.client.attach("pass")
        net.client.sysctl(net__ipv4__ip_forward=0, net__ipv6__conf__all__forwarding=0)
        net.client.run("ip", "-6", "route", "add", "blackhole", IPV6.peer)  # no ICMP for what hand-made peers get
        yield Shield(net)
