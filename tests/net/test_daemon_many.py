# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Ten thousand connections at once: each is served, shown, and gone afterwards."""

import collections
import contextlib
import resource
import selectors
import socket
import time

import pytest

import daemon as daemons
import lab
import sockets
from family import IPV4, IPV6
from shield import shielded

COUNT = 10000
UNDER_WAY = 500  # that are being opened at a time: as many handshakes as a burst of real clients has
LIMIT_SECONDS = 60
ECHO = 7


@pytest.fixture(autouse=True)
def enough_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, COUNT + 1000), max(hard, COUNT + 1000)))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def clients():
    with contextlib.ExitStack() as stack:
        yield stack


class Crowd:
    """Sockets of the client's that wait for one event each."""

    def __init__(self, stack, net, family):
        self.stack, self.net, self.family = stack, net, family
        self.selector = stack.enter_context(selectors.DefaultSelector())
        self.until = time.monotonic() + LIMIT_SECONDS
        self.sockets = []

    def open(self, count):
        """Opens so many connections."""
        to = (self.family.address(self.net.server), ECHO)
        with sockets.inside(self.net.client):
            for _ in range(count):
                client = self.stack.enter_context(socket.socket(self.family.af, socket.SOCK_STREAM))
                client.setblocking(False)
                client.connect_ex(to)
                self.sockets.append(client)
                self.selector.register(client, selectors.EVENT_WRITE)
                while len(self.selector.get_map()) >= UNDER_WAY:
                    self._take_ready()
        while self.selector.get_map():
            self._take_ready()

    def _take_ready(self):
        ready = self.selector.select(timeout=5)
        assert ready and time.monotonic() < self.until, f"{len(self.selector.get_map())} have not opened"
        for key, _ in ready:
            error = key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            assert not error, f"connection {len(self.sockets)}: {error}"
            self.selector.unregister(key.fileobj)

    def read_all(self, size):
        """What each socket reads next, in the order of the sockets."""
        texts = []
        for client in self.sockets:
            client.settimeout(sockets.SECONDS)
            texts.append(sockets.read_exactly(client, size) if size else client.recv(1))
        return texts


@pytest.mark.parametrize("family, policy", [(IPV4, "always"), (IPV6, "off")], ids=["ipv4-always", "ipv6-off"])
def test_ten_thousand_echo_and_leave_nothing(clients, family, policy):
    with shielded() as shield:
        shield.load(daemons.spec(family, shield.net, ECHO, "echo", f"policy={policy}"), flows=2 * COUNT)
        with daemons.serving(shield) as daemon:
            crowd = Crowd(clients, shield.net, family)
            crowd.open(COUNT)
            lab.wait_until(lambda: daemon.status()["connections"] == COUNT, "all connections")
            lab.wait_until(lambda: shield.run("flows", "--state", "ESTABLISHED", "--count").stdout.strip() ==
                           str(COUNT), "their records")

            texts = [number.to_bytes(4, "big") for number in range(COUNT)]
            for client, text in zip(crowd.sockets, texts):
                client.send(text)
            assert crowd.read_all(4) == texts

            for client in crowd.sockets:
                client.shutdown(socket.SHUT_WR)
            assert crowd.read_all(0) == [b""] * COUNT
            lab.wait_until(lambda: daemon.status()["connections"] == 0, "the end of all connections")
            left = {"CLOSED": COUNT} if policy == "always" else {}  # whose cookies may be replayed
            lab.wait_until(lambda: collections.Counter(flow["state"] for flow in shield.flows()) == left, "the records")
            counted = daemon.counters()
            assert counted["ACCEPTED" if policy == "always" else "SYN_RECEIVED"] == COUNT
            assert counted["NO_ROOM"] == counted["RESETS_SENT"] == 0
            assert shield.counters()["DAEMON_COOKIE_ACK" if policy == "always" else "DAEMON_SYN"] == COUNT
