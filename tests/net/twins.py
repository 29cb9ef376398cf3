# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Two servers that have the same addresses, each on a link of its own to the client, as behind a router that spreads
packets over both (ECMP): SYNs to one port go to the first, all other packets to the second.

    with twins() as (first, second):
        first.load(f"*:{PORT}")
        ...
"""

import contextlib
import shutil

import lab
from family import IPV4, IPV6
from shield import Shield

SPREAD_PORT = 8000  # whose SYNs go to the first
MARK = TABLE = 101


class Machine:
    """A laboratory as one of the servers has it: what Shield takes for its net."""

    def __init__(self, client, server, pin_root):
        self.client, self.server, self.pin_root = client, server, pin_root

    def synkeep(self, command, *arguments, **options):
        return self.server.run(lab.SYNKEEP, command, "--pin-root", self.pin_root, *arguments, **options)


class Twins(lab.Lab):
    """The client, and server and twin, which differ in nothing that the client's TCP sees."""

    def __init__(self):
        super().__init__()
        name = self.client.device[:-1]
        self.twin = lab.Host(f"{name}-twin", f"{name}t", 2)
        self.twin.mac = "02:00:00:00:99:12"
        self.to_twin = lab.Host(self.client.namespace, f"{name}d", 1)  # the client's other device
        self.to_twin.mac = "02:00:00:00:99:11"
        self.twin_pin_root = self.pin_root.with_name(f"{self.pin_root.name}-twin")

    def machines(self):
        return Machine(self.client, self.server, self.pin_root), Machine(self.client, self.twin, self.twin_pin_root)

    def _make(self):
        super()._make()
        lab.run("ip", "netns", "add", self.twin.namespace)
        lab.make_veth(self.to_twin, self.twin)
        self.twin.sysctl(net__ipv4__conf__all__rp_filter=0, net__ipv6__conf__all__accept_ra=0)
        self.twin.run("ip", "-batch", "-", input="\n".join((
            "link set lo up",
            f"link set {self.twin.device} up",
            f"addr add {self.twin.ipv4}/24 dev {self.twin.device}",
            f"addr add {self.twin.ipv6}/64 dev {self.twin.device} nodad")) + "\n")
        self.client.run("ip", "link", "set", self.to_twin.device, "up")
        for family in (IPV4, IPV6):
            self._route(family)

    def _route(self, family):
        """What is not marked goes to the twin; a marked SYN to the server, as the address's prefix says."""
        ip, address = f"-{family.suffix}", family.address(self.twin)
        for host, peer in ((self.to_twin, self.twin), (self.twin, self.to_twin)):
            host.run("ip", "neigh", "replace", family.address(peer), "lladdr", peer.mac, "dev", host.device)
        source = ("src", family.address(self.client))
        self.client.run("ip", ip, "route", "add", address, "dev", self.to_twin.device, *source)
        self.client.run("ip", ip, "route", "add", address, "dev", self.client.device, *source, "table", TABLE)
        self.client.run("ip", ip, "rule", "add", "fwmark", MARK, "table", TABLE)
        self.client.run("nft", "-f", "-", input=f"""
            table {'ip' if family is IPV4 else 'ip6'} spread {{
                chain out {{
                    type route hook output priority mangle;
                    tcp dport {SPREAD_PORT} tcp flags & (syn | ack) == syn meta mark set {MARK}
                }}
            }}""")

    def close(self):
        self.twin.end_processes()
        super().close()
        lab.run("ip", "netns", "del", self.twin.namespace, check=False)
        shutil.rmtree(self.twin_pin_root, ignore_errors=True)


@contextlib.contextmanager
def twins():
    """The shields of the two, in this order: where SYNs go, where the rest goes. Nothing is loaded yet."""
    with Twins() as net:
        for device in (net.client, net.to_twin):
            device.attach("pass")
        yield tuple(Shield(machine) for machine in net.machines())
