# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Bulk over a bad link: what the daemon's TCP receives and sends is, byte for byte, what was sent.

SYNKEEP_BULK_BYTES=1073741824 makes each transfer a GiB.
"""

import concurrent.futures
import hashlib
import itertools
import os
import socket
import subprocess
import time

import pytest

import daemon as daemons
import impaired
import sockets
from shield import Shield

BYTES = int(os.environ.get("SYNKEEP_BULK_BYTES", 64 << 20))
LIMIT_SECONDS = 20 + BYTES / (4 << 20)
STALLED_SECONDS = 15  # nothing has come for so long
RATES = {"drop": 1, "duplicate": 1, "hold": 1}  # per cent; what is held back is overtaken
ECHO, CHARGEN = 7, 19
BLOCK = os.urandom(1 << 20)
LINE_CHARACTERS, PRINTING = 72, bytes(range(0x20, 0x7f))


@pytest.fixture
def net():
    with impaired.ImpairedLab(**RATES) as own:
        yield own
        counts = own.end_impairment()
    for way in counts:
        assert way["dropped"] and way["duplicated"] and way["held"] and not way["overrun"]


def blocks():
    """BYTES bytes, none of which look like those at another place."""
    for number in range(BYTES // len(BLOCK)):
        yield number.to_bytes(8, "big") + BLOCK[8:]


def lines():
    """What chargen says, for ever (RFC 864)."""
    for first in itertools.count():
        yield (PRINTING * 2)[first % len(PRINTING):][:LINE_CHARACTERS] + b"\r\n"


def send_all(write):
    """Writes all blocks, and returns their digest."""
    digest = hashlib.sha256()
    for block in blocks():
        write(block)
        digest.update(block)
    return digest.hexdigest()


def receive_all(read, size=BYTES):
    """The digest of so many bytes, which must come within the time that is allowed."""
    digest, left, until = hashlib.sha256(), size, time.monotonic() + LIMIT_SECONDS
    while left:
        piece = read(min(left, 1 << 18))
        assert piece, f"the end came {left} bytes too early"
        assert time.monotonic() < until, f"{left} of {size} bytes have not come in {LIMIT_SECONDS} s"
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest()


def connect(net, family, port):
    return sockets.connect(net.client, family, (family.address(net.server), port), timeout=STALLED_SECONDS)


def test_echo_returns_all(net, family):
    spec = daemons.spec(family, net, ECHO, "echo", "policy=always")
    with daemons.serving(Shield(net), spec), connect(net, family, ECHO) as client, \
            concurrent.futures.ThreadPoolExecutor(1) as pool:
        back = pool.submit(receive_all, client.recv)
        sent = send_all(client.sendall)
        client.shutdown(socket.SHUT_WR)
        assert back.result() == sent
        assert client.recv(1) == b""


def test_chargen_skips_nothing(net, family):
    spec = daemons.spec(family, net, CHARGEN, "chargen", "policy=off")
    period = b"".join(itertools.islice(lines(), len(PRINTING)))
    size = BYTES - BYTES % len(period)
    expected = hashlib.sha256()
    for _ in range(size // len(period)):
        expected.update(period)
    with daemons.serving(Shield(net), spec), connect(net, family, CHARGEN) as client:
        assert receive_all(client.recv, size) == expected.hexdigest()


@pytest.fixture
def client_and_server(net, family):
    """`synkeep connect` and the kernel's socket that it has reached."""
    with sockets.listen(net.client, family) as listener:
        command = Shield(net).command("connect", family.endpoint(family.address(net.client), sockets.port_of(listener)))
        client = net.server.start(*command[2:], stdin=subprocess.PIPE, text=False)
        with listener.accept()[0] as server:
            server.settimeout(STALLED_SECONDS)
            yield client, server


def test_connect_sends_all(client_and_server):
    client, server = client_and_server
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        there = pool.submit(receive_all, server.recv)
        sent = send_all(client.stdin.write)
        client.stdin.close()
        assert there.result() == sent
        assert server.recv(1) == b""
    server.close()
    assert client.wait(timeout=STALLED_SECONDS) == 0


def test_connect_receives_all(client_and_server):
    client, server = client_and_server
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        here = pool.submit(receive_all, client.stdout.read)
        sent = send_all(server.sendall)
        assert here.result() == sent
    server.close()
    client.stdin.close()
    assert client.wait(timeout=STALLED_SECONDS) == 0
