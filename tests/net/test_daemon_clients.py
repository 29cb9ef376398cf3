# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The daemon's TCP against the kernel's, as clients use it: their tools, their sockets' options, their habits."""

import concurrent.futures
import os
import socket
import struct

import pytest

import daemon as daemons
import lab
import sockets
from shield import shielded

PORTS = {"echo": 7, "discard": 9, "daytime": 13, "chargen": 19}
MANY = 3000  # connections one after the other
DATA = os.urandom(300000)


@pytest.fixture(scope="module")
def shield():
    specs = [f"*:{port},owner=daemon,app={app},policy=always" for app, port in PORTS.items()]
    specs += [f"*:{port + 1000},owner=daemon,app={app},policy=off" for app, port in PORTS.items()]
    with shielded() as own, daemons.serving(own, *specs, options=("--msl", "1s")) as own.daemon:
        yield own


@pytest.fixture(params=[0, 1000], ids=["always", "off"])
def echo(request):
    """The port of echo."""
    return PORTS["echo"] + request.param


@pytest.fixture(autouse=True)
def nothing_is_left(shield):
    yield
    lab.wait_until(lambda: shield.daemon.status()["connections"] == 0, "the end of all connections")


def connect(net, family, port, **options):
    return sockets.connect(net.client, family, (family.address(net.server), port), **options)


def read_to_end(client):
    return b"".join(iter(lambda: client.recv(1 << 16), b""))


def echoes(client, data):
    """Sends and reads at once, closes its direction, and has all back."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        back = pool.submit(read_to_end, client)
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert sockets.digest(back.result()) == sockets.digest(data)


# --- tools ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["nc", "socat"])
def test_tools_have_their_input_back(net, family, echo, tool):
    address = family.address(net.server)
    words = {"nc": ("nc", "-N", address, echo),
             "socat": ("socat", "-t", "5", "-", f"TCP:{family.endpoint(address, echo)}")}
    done = net.client.run(*words[tool], input="question\n" * 20000)
    assert done.stdout == "question\n" * 20000


def test_nc_reads_the_time(net, family):
    assert net.client.run("nc", "-d", family.address(net.server), PORTS["daytime"]).stdout.endswith("-UTC\n")


# --- how they end --------------------------------------------------------------------------------------------------


def test_linger_0_ends_both_sides(shield, net, family, echo):
    client = connect(net, family, echo)
    client.sendall(DATA)
    before = shield.daemon.counters()["RESET"]
    sockets.reset(client)
    lab.wait_until(lambda: shield.daemon.counters()["RESET"] > before, "the RST")


def test_shutdown_of_reading_then_of_writing(net, family, echo):
    with connect(net, family, echo) as client:
        client.sendall(b"one")
        assert sockets.read_exactly(client, 3) == b"one"
        client.shutdown(socket.SHUT_RD)
        client.sendall(b"two")
        client.shutdown(socket.SHUT_WR)


def test_shutdown_of_both_at_once(net, family, echo):
    with connect(net, family, echo) as client:
        client.sendall(b"one")
        client.shutdown(socket.SHUT_RDWR)


def test_shutdown_before_anything_was_said(net, family, echo):
    with connect(net, family, echo) as client:
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""


def test_close_with_text_unread_resets(shield, net, family, echo):
    with connect(net, family, echo) as client:
        client.sendall(DATA)
        client.recv(1, socket.MSG_PEEK)
        before = shield.daemon.counters()["RESET"]
    lab.wait_until(lambda: shield.daemon.counters()["RESET"] > before, "the RST")


# --- how they send -------------------------------------------------------------------------------------------------


def test_urgent_data_is_read_with_the_rest(net, family, echo):
    """RFC 6093: an application that does not ask for it has it in the stream."""
    with connect(net, family, echo) as client:
        for part, flags in ((b"before ", 0), (b"!", socket.MSG_OOB), (b" after", 0)):
            client.send(part, flags)
        assert sockets.read_exactly(client, 14) == b"before ! after"


def test_one_byte_at_a_time(net, family, echo):
    with connect(net, family, echo, options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]) as client:
        for byte in DATA[:3000]:
            client.send(bytes([byte]))
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == DATA[:3000]


OPTIONS = {
    "tiny receive buffer": [(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)],
    "tiny send buffer": [(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)],
    "tiny buffers": [(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048), (socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)],
    "small segments": [(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 600)],
    "smallest segments": [(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)],
    "small window": [(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, 3000)],
    "reno": [(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")],
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_options_of_sockets(net, family, echo, options):
    with connect(net, family, echo, options=options) as client:
        client.settimeout(20)
        echoes(client, DATA)


@pytest.mark.parametrize("name, value", [("timestamps", 0), ("sack", 0), ("window_scaling", 0), ("ecn", 1)])
def test_options_of_hosts(net, family, echo, name, value):
    sysctl = f"net__ipv4__tcp_{name}"
    before = int(net.client.run("sysctl", "-n", f"net.ipv4.tcp_{name}").stdout)
    net.client.sysctl(**{sysctl: value})
    try:
        with connect(net, family, echo) as client:
            echoes(client, DATA)
    finally:
        net.client.sysctl(**{sysctl: before})


# --- one after the other -------------------------------------------------------------------------------------------


@pytest.fixture(params=["client", "daemon"])
def closing_app(request):
    """An application, by who of the two ends a connection of it first."""
    return {"client": "discard", "daemon": "daytime"}[request.param]


@pytest.mark.parametrize("more", [0, 1000], ids=["always", "off"])
def test_port_is_used_again_at_once(shield, net, family, closing_app, more):
    """Where the daemon closed first, its TIME-WAIT gives way to the new SYN (RFC 6191)."""
    before = shield.daemon.counters()["TIME_WAIT_REUSED"]
    port = PORTS[closing_app] + more
    for _ in range(10):
        with connect(net, family, port, source_port=45000) as client:
            if closing_app == "daytime":
                assert read_to_end(client).endswith(b"-UTC\r\n")
            else:
                client.sendall(b"x")
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        lab.wait_until(lambda: not sockets.kernel_state(family, net.client, 45000, port), "the port")
    reused = 9 if closing_app == "daytime" else 0
    lab.wait_until(lambda: shield.daemon.counters()["TIME_WAIT_REUSED"] == before + reused, "the count")


def test_thousands_one_after_the_other(shield, net, family, echo):
    before = shield.daemon.counters()

    def run(count):
        for number in range(count):
            with connect(net, family, echo) as client:
                client.sendall(number.to_bytes(4, "big"))
                assert sockets.read_exactly(client, 4) == number.to_bytes(4, "big")
                if number % 2:
                    sockets.reset(client)

    def opened():
        counted = shield.daemon.counters() - before
        return counted["ACCEPTED"] + counted["SYN_RECEIVED"]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(run, MANY // 4) for _ in range(4)]:
            done.result()
    lab.wait_until(lambda: opened() >= MANY, "the count")
    assert opened() == MANY
