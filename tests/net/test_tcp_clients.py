# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The kernel's TCP, and what is built on it, as clients of the daemon's; and scanners, which send what clients do not."""

import contextlib
import hashlib
import os
import re
import socket
import threading

import pytest

import daemon as daemons
import family as families
import lab
import sockets
import wire
from shield import shielded

ECHO, DISCARD, DAYTIME, CHARGEN = 7, 9, 13, 19
TEXT = os.urandom(300_000)


@pytest.fixture(scope="module")
def served():
    """A daemon with all services, for the module."""
    apps = ((ECHO, "echo"), (DISCARD, "discard"), (DAYTIME, "daytime"), (CHARGEN, "chargen"))
    with shielded() as own:
        specs = [daemons.spec(family, own.net, port, app, "policy=off") for port, app in apps
                 for family in (families.IPV4, families.IPV6)]
        with daemons.serving(own, *specs, options=("--msl", "1s")) as daemon:
            yield daemon


@pytest.fixture
def shield(served):
    return served.shield


def connect(net, family, port, **options):
    return sockets.connect(net.client, family, (family.address(net.server), port), **options)


def read_to_end(sock):
    return b"".join(iter(lambda: sock.recv(1 << 16), b""))


def assert_serves(net, family):
    with connect(net, family, ECHO) as client:
        client.sendall(b"alive?")
        assert sockets.read_exactly(client, 6) == b"alive?"


# --- programs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", ["nc", "socat"])
def test_programs_get_back_what_they_send(net, family, program):
    to = family.address(net.server)
    words = {"nc": ("nc", "-N", to, ECHO),
             "socat": ("socat", "-t5", "-", f"TCP{6 if ':' in to else 4}:{family.endpoint(to, ECHO)}")}[program]
    process = net.client.start(*words, stdin=-1, text=False)
    assert process.communicate(TEXT, timeout=10)[0] == TEXT
    assert process.returncode == 0


def test_daytime_says_one_line(net, family):
    line = net.client.run("nc", "-N", family.address(net.server), DAYTIME, stdin=-3).stdout
    assert line.count("\n") == 1 and len(line) > 20


# --- closing -------------------------------------------------------------------------------------------------------


def test_linger_0_resets_and_leaves_nothing(shield, net, family):
    client = connect(net, family, ECHO)
    port = sockets.port_of(client)
    lab.wait_until(lambda: shield.record(family, port)[0] == "flows", "the flow")
    sockets.reset(client)
    lab.wait_until(lambda: shield.record(family, port)[0] is None, "the end")


def test_client_that_closes_first_gets_the_rest(net, family):
    with connect(net, family, ECHO) as client:
        sender = threading.Thread(target=lambda: (client.sendall(TEXT), client.shutdown(socket.SHUT_WR)))
        sender.start()
        assert read_to_end(client) == TEXT
        sender.join()


def test_client_that_closes_second_is_listened_to_until_its_end(net, family):
    """daytime has closed, and takes what still comes (RFC 867)."""
    with connect(net, family, DAYTIME) as client:
        assert read_to_end(client).endswith(b"\n")
        client.sendall(TEXT)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""


def test_close_with_unread_text_resets_a_client_that_goes_on(net, family):
    """The client's close() of unread text is a RST too; the daemon survives it in mid-stream."""
    with connect(net, family, CHARGEN) as client:
        sockets.read_exactly(client, 10000)
    assert_serves(net, family)


def test_both_close_at_once(net, family):
    for _ in range(50):
        with connect(net, family, DAYTIME) as client:
            client.shutdown(socket.SHUT_WR)
            read_to_end(client)
    assert_serves(net, family)


# --- options of sockets --------------------------------------------------------------------------------------------


def test_urgent_data_stays_in_the_stream(net, family):
    with connect(net, family, ECHO) as client:
        client.sendall(b"abc")
        client.send(b"!", socket.MSG_OOB)
        client.sendall(b"def")
        assert sockets.read_exactly(client, 7) == b"abc!def"


def test_tiny_buffers_get_all(net, family):
    options = ((socket.SOL_SOCKET, socket.SO_RCVBUF, 1), (socket.SOL_SOCKET, socket.SO_SNDBUF, 1))
    with connect(net, family, ECHO, options=options) as client:
        sender = threading.Thread(target=lambda: (client.sendall(TEXT), client.shutdown(socket.SHUT_WR)))
        sender.start()
        assert hashlib.sha256(read_to_end(client)).digest() == hashlib.sha256(TEXT).digest()
        sender.join()


def test_small_mss_is_kept(net, family):
    mss = 300
    with wire.Capture(net.client) as capture, \
            connect(net, family, CHARGEN, options=((socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss),)) as client:
        port = sockets.port_of(client)
        sockets.read_exactly(client, 50000)
        lengths = [len(bytes(tcp.payload)) for frame, tcp in capture.segments(port) if not frame.is_outgoing]
        sockets.reset(client)
    assert max(lengths) + 12 == mss  # less timestamps


def test_slow_reader_closes_the_window_and_gets_all(net, family):
    size = 3 << 20
    with connect(net, family, CHARGEN, options=((socket.SOL_SOCKET, socket.SO_RCVBUF, 8192),)) as client:
        lines = sockets.read_exactly(client, 74 * 10)
        threading.Event().wait(1.5)  # probes of the closed window
        lines += sockets.read_exactly(client, size)
        sockets.reset(client)
    ring = "".join(map(chr, range(32, 127)))
    for number, line in enumerate(lines.decode().split("\r\n")[:-1]):
        start = number % len(ring)
        assert line == (ring + ring)[start:start + 72]


def test_same_port_connects_again_and_again(net, family):
    """The daemon closes first, so each new SYN finds its tuple in TIME-WAIT (RFC 6191)."""
    for _ in range(20):
        with connect(net, family, DAYTIME, source_port=45000) as client:
            assert read_to_end(client).endswith(b"\n")
        lab.wait_until(lambda: sockets.kernel_state(family, net.client, 45000, DAYTIME) is None, "LAST-ACK's end")


def test_same_port_after_a_reset_connects_again(net, family):
    for _ in range(20):
        client = connect(net, family, ECHO, source_port=45001)
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        sockets.reset(client)


# --- scanners ------------------------------------------------------------------------------------------------------


def scan(net, *options):
    """What nmap finds on the port of echo: its state."""
    out = net.client.run("nmap", "-n", "-Pn", "-p", ECHO, "--max-retries", 1, "--host-timeout", "20s", *options,
                         net.server.ipv4).stdout
    return re.search(rf"^{ECHO}/tcp\s+(\S+)", out, re.MULTILINE).group(1)


@pytest.mark.parametrize("options, found", [
    (("-sS",), "open"),
    (("-sA",), "unfiltered"),  # RFC 9293, 3.10.7.2: an ACK is reset
    (("-sN",), "open|filtered"),  # no flags, FIN, FIN with URG and PSH: dropped in LISTEN
    (("-sF",), "open|filtered"),
    (("-sX",), "open|filtered"),
    (("-sS", "--badsum"), "filtered"),
], ids=lambda value: "".join(value).replace("-", "") if isinstance(value, tuple) else None)
def test_nmap_finds(net, served, options, found):
    net.client.send_through_queue()
    assert scan(net, *options) == found
    assert_serves(net, families.IPV4)


def test_nmap_guesses_the_system_and_harms_nothing(net, served):
    net.client.run("nmap", "-n", "-Pn", "-O", "-p", f"{ECHO},{DAYTIME},81", "--host-timeout", "30s", net.server.ipv4,
                   check=False, timeout=60)
    assert_serves(net, families.IPV4)


@pytest.mark.parametrize("flags", ["-S", "-A", "-F", "-R", "-FSRPAU", "-SF", "-X", "-Y"])
def test_hping3_harms_nothing(net, served, flags):
    with contextlib.closing(connect(net, families.IPV4, ECHO)) as standing:
        net.client.run("hping3", "-q", "-c", 200, "-i", "u200", flags, "-p", ECHO, "-d", 40, net.server.ipv4, check=False)
        standing.sendall(b"still here")
        assert sockets.read_exactly(standing, 10) == b"still here"
    assert_serves(net, families.IPV4)
