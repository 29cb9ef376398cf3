# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A host behind the laboratory's client, which is its router: it can go down, be cut off or boot again while the
server's own link stays as it is, and the router's device shows what is sent to it."""

import contextlib
import socket

import lab
import sockets

PREFIXES = {"ipv4": ("198.51.100.", 24), "ipv6": ("2001:db8:100::", 64)}
ROUTER, HOST = 1, 9
TCP_REPAIR = 19  # linux/tcp.h


class Far(lab.Host):
    """The host; its router forwards for it."""

    def __init__(self, net):
        super().__init__(f"{net.client.namespace}-far", f"{net.client.device[:-1]}f", HOST)
        self.net = net
        self.router_device = f"{net.client.device[:-1]}r"
        self.ipv4, self.ipv6 = (f"{PREFIXES[family][0]}{HOST}" for family in ("ipv4", "ipv6"))

    def make(self):
        """The namespace, and the link to the router."""
        router = self.net.client
        mac = f"{self.mac[:-2]}aa"
        lab.run("ip", "netns", "add", self.namespace)
        router.run("ip", "link", "add", self.router_device, "address", mac, "type", "veth", "peer", "name", self.device,
                   "address", self.mac, "netns", self.namespace)
        for host, device, number in ((router, self.router_device, ROUTER), (self, self.device, HOST)):
            addresses = [f"addr add {prefix}{number}/{length} dev {device}" + " nodad" * (":" in prefix)
                         for prefix, length in PREFIXES.values()]
            host.run("ip", "-batch", "-", input="\n".join((f"link set {device} up", *addresses)) + "\n")
        for prefix, _ in PREFIXES.values():
            router.run("ip", "neigh", "replace", f"{prefix}{HOST}", "lladdr", self.mac, "dev", self.router_device)
            self.run("ip", "neigh", "replace", f"{prefix}{ROUTER}", "lladdr", mac, "dev", self.device)
            self.run("ip", "route", "add", "default", "via", f"{prefix}{ROUTER}")
        self.run("ethtool", "-K", self.device, "tx", "off")  # AF_XDP sees whole checksums only
        self.forward(True)

    def forward(self, does):
        """Whether the router forwards; what it does not, it drops without a word."""
        value = int(does)
        self.net.client.sysctl(net__ipv4__ip_forward=value, net__ipv6__conf__all__forwarding=value)

    @contextlib.contextmanager
    def cut_off(self):
        """Nothing comes to the host meanwhile, and nothing from it."""
        self.forward(False)
        try:
            yield
        finally:
            self.forward(True)

    def go_down(self):
        self.run("ip", "link", "set", self.device, "down")

    @contextlib.contextmanager
    def connected(self, family, listener):
        """A socket of the host's and the listener's, of one connection."""
        server = self.net.server
        with sockets.connect(self, family, (family.address(server), sockets.port_of(listener))) as client:
            accepted = listener.accept()[0]
            accepted.settimeout(sockets.SECONDS)
            with accepted:
                yield client, accepted


def forget(sock):
    """Ends a socket without a word, as when its host boots again."""
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    sock.close()


@contextlib.contextmanager
def far_host(net):
    host = Far(net)
    try:
        host.make()
        yield host
    finally:
        host.end_processes()
        lab.run("ip", "netns", "del", host.namespace, check=False)
