# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The applications of the daemon, as the kernel's clients see them."""

import concurrent.futures
import contextlib
import os
import re
import socket
import time

import pytest

import daemon as daemons
import lab
import sockets
import wire
from shield import shielded

ECHO, DISCARD, DAYTIME, CHARGEN = 7, 9, 13, 19
PORTS = {"echo": ECHO, "discard": DISCARD, "daytime": DAYTIME, "chargen": CHARGEN}
FIN = 1
PRINTING = bytes(range(0x20, 0x7f))
LINE_CHARACTERS = 72
HELD_UP_SECONDS = 1


@pytest.fixture(scope="module")
def shield():
    with shielded() as own:
        specs = [f"*:{port},owner=daemon,app={app}" for app, port in PORTS.items()]
        with daemons.serving(own, *specs, options=("--msl", "100ms")) as own.daemon:
            yield own


@contextlib.contextmanager
def connected(net, family, port):
    with sockets.connect(net.client, family, (family.address(net.server), port)) as client:
        yield client


def read_to_end(client):
    return b"".join(iter(lambda: client.recv(1 << 16), b""))


def wait_for_no_connection(shield):
    lab.wait_until(lambda: shield.daemon.status()["connections"] == 0, "the end of all connections")


def test_echo_returns_what_comes(net, family):
    data = os.urandom(4 << 20)
    with connected(net, family, ECHO) as client, concurrent.futures.ThreadPoolExecutor(1) as pool:
        back = pool.submit(read_to_end, client)
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert sockets.digest(back.result()) == sockets.digest(data)


def test_echo_closes_behind_its_peer(shield, net, family):
    with connected(net, family, ECHO) as client:
        client.sendall(b"last words")
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == b"last words"
    wait_for_no_connection(shield)


def test_echo_reads_no_more_than_its_peer_does(net, family):
    data = os.urandom(64 << 20)
    with connected(net, family, ECHO) as client:
        client.settimeout(HELD_UP_SECONDS)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < len(data):
                sent += client.send(data[sent:sent + (1 << 16)])
        client.settimeout(sockets.SECONDS)
        client.shutdown(socket.SHUT_WR)
        assert sockets.digest(read_to_end(client)) == sockets.digest(data[:sent])


def test_discard_says_nothing(shield, net, family):
    with connected(net, family, DISCARD) as client:
        client.sendall(os.urandom(4 << 20))
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == b""
    wait_for_no_connection(shield)


def test_daytime_is_a_line_and_a_fin_in_one_segment(net, family):
    with wire.Capture(net.client) as capture, connected(net, family, DAYTIME) as client:
        line = read_to_end(client)
        assert re.fullmatch(rb"\w+day, \w+ \d\d, \d{4} \d\d:\d\d:\d\d-UTC\r\n", line), line
        segments = [frame.tcp() for frame in capture.frames() if not frame.is_outgoing and frame.tcp()]
        with_text = [segment for segment in segments if bytes(segment.payload).startswith(line)]
        assert len(with_text) == 1
        assert with_text[0].flags & FIN


def test_daytime_waits_for_its_peer_to_close(shield, net, family):
    with connected(net, family, DAYTIME) as client:
        read_to_end(client)
        client.sendall(b"thank you")
    wait_for_no_connection(shield)


def expected_lines(count):
    lines = ((PRINTING * 2)[i % 95:i % 95 + LINE_CHARACTERS] for i in range(count))
    return b"".join(line + b"\r\n" for line in lines)


def test_chargen_rotates_for_ever(shield, net, family):
    expected = expected_lines(20000)
    with connected(net, family, CHARGEN) as client:
        assert sockets.read_exactly(client, len(expected)) == expected
    wait_for_no_connection(shield)


def is_quiet(shield):
    """Whether the daemon sends nothing for a moment, or at most a probe."""
    before = shield.daemon.counters()["FRAMES_SENT"]
    time.sleep(0.3)
    return shield.daemon.counters()["FRAMES_SENT"] - before <= 2


def test_chargen_waits_for_its_peer(shield, net, family):
    expected = expected_lines(200000)
    with connected(net, family, CHARGEN) as client:
        client.recv(1)
        lab.wait_until(lambda: is_quiet(shield), "the sender to wait")
        assert sockets.read_exactly(client, len(expected) - 1) == expected[1:]
    wait_for_no_connection(shield)
