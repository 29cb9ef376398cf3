# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Real clients, real listeners, policy=always: the SYN is answered by a cookie, its ACK becomes the listener's
connection, and data is whole both ways, whoever speaks first and whichever packet brings the cookie back."""

import concurrent.futures
import contextlib
import functools
import http.server
import json
import os
import socket
import threading

import pytest

import lab
import sockets
import wire
from shield import shielded

FILE_BYTES = 4 << 20


@pytest.fixture(scope="module")
def shield():
    with shielded() as own:
        own.load("*:*", policy="always")
        yield own


@contextlib.contextmanager
def expect_handovers(shield, count):
    """So many connections are made by cookie meanwhile, none of them by the kernel's own SYN-ACK, and no packet of
    theirs is dropped."""
    before = shield.counters()
    yield
    counted = shield.counters() - before
    assert [counted[name] for name in ("SYN_COOKIE", "COOKIE_ACK", "HANDOVER")] == [count] * 3, counted
    assert counted["OWN_SYN_ACK"] == 0, counted
    assert not counted.keys() & shield.drops(), counted


@pytest.fixture
def file(tmp_path):
    """A few MB to be sent."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(FILE_BYTES))
    return path


@contextlib.contextmanager
def web_server(listener, directory):
    """Serves a directory's files at the listener."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=directory)
    server = http.server.ThreadingHTTPServer(listener.getsockname()[:2], handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


def test_curl_fetches_a_file(shield, net, family, file):
    fetched = file.with_name("fetched")
    with sockets.listen(net.server, family) as listener, web_server(listener, file.parent):
        url = f"http://{family.spec(net.server, sockets.port_of(listener))}/{file.name}"
        with expect_handovers(shield, 1):
            net.client.run("curl", "-sSf", "--noproxy", "*", "-o", fetched, url)
    assert sockets.digest(fetched.read_bytes()) == sockets.digest(file.read_bytes())


@pytest.mark.parametrize("direction", ["up", "down"])
def test_nc_sends_a_file(shield, net, family, file, direction):
    # One way at a time: nc itself loses what is under way to it when it has sent all.
    received = file.with_name("received")
    sender, receiver = (["-N"], []) if direction == "up" else ([], ["-N"])
    address = family.address(net.server)
    with file.open("rb") as source, received.open("wb") as sink, open(os.devnull, "rb+") as nothing:
        at_sender, at_receiver = {"stdin": source, "stdout": nothing}, {"stdin": nothing, "stdout": sink}
        at_client, at_server = (at_sender, at_receiver) if direction == "up" else (at_receiver, at_sender)
        server = net.server.start("nc", "-l", *receiver, address, 9000, **at_server)
        lab.wait_until(lambda: net.server.listens(9000), "nc")
        with expect_handovers(shield, 1):
            client = net.client.start("nc", *sender, address, 9000, **at_client)
            assert client.wait(timeout=20) == 0
            assert server.wait(timeout=20) == 0
    assert sockets.digest(received.read_bytes()) == sockets.digest(file.read_bytes())


@pytest.mark.parametrize("direction", ["up", "down"])
def test_iperf3_runs(shield, net, family, direction):
    server = net.server.start("iperf3", "-s", "-1", "-B", family.address(net.server))
    lab.wait_until(lambda: net.server.listens(5201), "iperf3")
    reverse = ["-R"] if direction == "down" else []
    with expect_handovers(shield, 2):  # the control connection and the data's
        report = json.loads(net.client.run("iperf3", "-J", "-t", 1, *reverse, "-c", family.address(net.server)).stdout)
        assert server.wait(timeout=10) == 0
    assert report["end"]["sum_received"]["bytes"] > 10 << 20


def test_python_sockets_exchange_data(shield, net, family):
    with sockets.listen(net.server, family) as listener, expect_handovers(shield, 1):
        with sockets.connected(net, family, listener) as (client, server):
            sockets.exchange(client, server, 8 << 20)


def test_many_connections_at_once(shield, net, family):
    with sockets.listen(net.server, family) as listener, contextlib.ExitStack() as stack, expect_handovers(shield, 64):
        to = (family.address(net.server), sockets.port_of(listener))
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            clients = list(pool.map(lambda _: sockets.connect(net.client, family, to), range(64)))
        for client in clients:
            stack.enter_context(client).sendall(b"%d" % sockets.port_of(client))
        for _ in clients:
            server, address = listener.accept()
            stack.enter_context(server).settimeout(sockets.SECONDS)
            assert server.recv(10) == b"%d" % address[1]


def test_server_speaks_first(shield, net, family):
    with sockets.listen(net.server, family) as listener, expect_handovers(shield, 1):
        with sockets.connected(net, family, listener) as (client, server):
            server.sendall(b"220 ready\r\n")
            assert sockets.read_exactly(client, 11) == b"220 ready\r\n"
            sockets.exchange(client, server)


def test_client_speaks_first(shield, net, family):
    with sockets.listen(net.server, family) as listener, expect_handovers(shield, 1):
        with sockets.connected(net, family, listener) as (client, server):
            client.sendall(b"HELO\r\n")
            assert sockets.read_exactly(server, 6) == b"HELO\r\n"
            sockets.exchange(client, server)


def test_listener_that_defers_accept(shield, net, family):
    defers = (socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
    with sockets.listen(net.server, family, options=[defers]) as listener, expect_handovers(shield, 1):
        to = (family.address(net.server), sockets.port_of(listener))
        with sockets.connect(net.client, family, to) as client:
            client.sendall(b"now")
            with listener.accept()[0] as server:
                assert sockets.read_exactly(server, 3) == b"now"


def test_ack_carries_data(shield, net, family):
    # A client that is to defer holds the handshake's ACK back until it has data (tcp(7), TCP_DEFER_ACCEPT).
    defers = (socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
    with sockets.listen(net.server, family) as listener, wire.Capture(net.client) as capture:
        to = (family.address(net.server), sockets.port_of(listener))
        with expect_handovers(shield, 1), sockets.connect(net.client, family, to, options=[defers]) as client:
            client.sendall(b"x" * 1000)
            with listener.accept()[0] as server:
                assert sockets.read_exactly(server, 1000) == b"x" * 1000
                second = [tcp for frame, tcp in capture.segments(sockets.port_of(listener)) if frame.is_outgoing][1]
                assert len(second.payload) == 1000, "the client's second segment was to carry the data"
                sockets.exchange(client, server)


def test_crafted_ack_carries_data(shield, net, family):
    with sockets.listen(net.server, family) as listener, expect_handovers(shield, 1):
        with wire.Peer(net, family, sockets.port_of(listener)) as peer:
            peer.ask()
            peer.send("PA", b"at once")
            with listener.accept()[0] as server:
                assert sockets.read_exactly(server, 7) == b"at once"
                assert peer.receive("A").ack == peer.snd_nxt


@contextlib.contextmanager
def pure_acks_lost(host):
    """The host's segments without data do not leave it; yields a function that says how many did not."""
    host.run("nft", "add table inet lost; add chain inet lost out { type filter hook output priority 0; };"
             "add rule inet lost out tcp flags == ack meta length < 100 counter drop")

    def count():
        listing = host.read_json("nft", "-j", "list", "table", "inet", "lost")["nftables"]
        rule, = (item["rule"] for item in listing if "rule" in item)
        return next(part["counter"]["packets"] for part in rule["expr"] if "counter" in part)

    try:
        yield count
    finally:
        host.run("nft", "delete", "table", "inet", "lost")


@pytest.mark.parametrize("size", [100, 20000], ids=["one-segment", "several-segments"])
def test_first_ack_lost_data_makes_the_connection(shield, net, family, size):
    data = os.urandom(size)
    with sockets.listen(net.server, family) as listener, contextlib.ExitStack() as stack:
        with expect_handovers(shield, 1):
            with pure_acks_lost(net.client) as count:
                to = (family.address(net.server), sockets.port_of(listener))
                client = stack.enter_context(sockets.connect(net.client, family, to))
                assert count() == 1, "the handshake's ACK was to be lost"
                client.sendall(data)
                server = stack.enter_context(listener.accept()[0])
            server.settimeout(sockets.SECONDS)
            assert sockets.read_exactly(server, size) == data
            sockets.exchange(client, server)


def test_data_before_the_cookie_comes_back_is_repeated(shield, net, family):
    before = shield.counters()
    with sockets.listen(net.server, family) as listener, wire.Peer(net, family, sockets.port_of(listener)) as peer:
        peer.ask()
        first = peer.snd_nxt
        peer.send("PA", b"world", seq=first + 6)  # overtakes what acknowledges the cookie
        peer.send("A", b"hello ")
        with listener.accept()[0] as server:
            server.settimeout(sockets.SECONDS)
            peer.send("PA", b"world", seq=first + 6)
            assert sockets.read_exactly(server, 11) == b"hello world"
    assert (shield.counters() - before)["HANDOVER"] == 1
