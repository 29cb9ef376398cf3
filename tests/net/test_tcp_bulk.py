# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Much text over a bad link, both ways at once, and many connections at once.

SYNKEEP_BULK_BYTES says how much text; a GiB (1073741824) is what it was tried with.
"""

import contextlib
import hashlib
import os
import resource
import selectors
import socket
import threading
import time

import daemon as daemons
import family as families
import impaired
import lab
import sockets
from shield import Shield, shielded

ECHO = 7
BULK_BYTES = int(os.environ.get("SYNKEEP_BULK_BYTES", 48 << 20))
LEAST_BYTES_PER_SECOND = 1 << 20
CHUNK = 1 << 18
CONNECTIONS = 10_000


def digest_of_stream(size, give):
    """Gives pieces of a stream of so many bytes, and returns its digest."""
    digest, block = hashlib.sha256(), os.urandom(CHUNK)
    for start in range(0, size, CHUNK):
        piece = start.to_bytes(8, "big") + block[8:]
        piece = piece[:size - start]
        digest.update(piece)
        give(piece)
    return digest.digest()


def digest_of_echo(client, size):
    """Sends so many bytes while it reads them back; returns the digests of both."""
    sent, received = [], hashlib.sha256()

    def send():
        sent.append(digest_of_stream(size, client.sendall))
        client.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    while piece := client.recv(CHUNK):
        received.update(piece)
    sender.join()
    return sent[0], received.digest()


@contextlib.contextmanager
def over_bad_link(family, **rates):
    """A daemon that echoes behind a bad link."""
    with impaired.ImpairedLab(**rates) as net:
        shield = Shield(net)
        with daemons.serving(shield, daemons.spec(family, net, ECHO, "echo", "policy=off")) as daemon:
            yield net, daemon


def test_bulk_over_a_bad_link_arrives_both_ways(family):
    with over_bad_link(family, drop=1, duplicate=1, hold=1) as (net, daemon):
        began = time.monotonic()
        with sockets.connect(net.client, family, (family.address(net.server), ECHO),
                             timeout=BULK_BYTES / LEAST_BYTES_PER_SECOND) as client:
            sent, received = digest_of_echo(client, BULK_BYTES)
        seconds = time.monotonic() - began
        assert sent == received
        assert daemon.counters()["BAD_CHECKSUM"] == 0
        there, back = net.end_impairment()
    print(f"{BULK_BYTES * 8 / seconds / 1e9:.2f} Gbit/s each way; {there}, {back}")
    for way in (there, back):
        assert way["dropped"] and way["duplicated"] and way["held"]
    assert BULK_BYTES / seconds > LEAST_BYTES_PER_SECOND


def test_ten_thousand_connections_are_held_and_each_is_served():
    family = families.IPV4
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CONNECTIONS + 1000), max(hard, CONNECTIONS + 1000)))
    with shielded() as shield, contextlib.ExitStack() as clients:
        net = shield.net
        net.client.sysctl(net__ipv4__ip_local_port_range="10000 65000")
        with daemons.serving(shield, daemons.spec(family, net, ECHO, "echo"), flows=4 * CONNECTIONS) as daemon:
            to = (family.address(net.server), ECHO)
            connected = [clients.enter_context(sockets.connect(net.client, family, to)) for _ in range(CONNECTIONS)]
            lab.wait_until(lambda: daemon.status()["connections"] == CONNECTIONS, "all connections")
            assert_all_echo(connected)
        # the daemon is gone in order: every client hears of it
        assert all(is_reset(client) for client in connected[::100])


def assert_all_echo(connected):
    selector = selectors.DefaultSelector()
    for number, client in enumerate(connected):
        client.sendall(number.to_bytes(4, "big"))
        selector.register(client, selectors.EVENT_READ, number)
    waiting, deadline = len(connected), time.monotonic() + 30
    while waiting and time.monotonic() < deadline:
        for key, _ in selector.select(1):
            assert key.fileobj.recv(4) == key.data.to_bytes(4, "big")
            selector.unregister(key.fileobj)
            waiting -= 1
    assert not waiting


def is_reset(client):
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
