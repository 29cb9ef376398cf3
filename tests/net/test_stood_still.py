# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A daemon that was stopped for a while (SIGSTOP): the time in which it did not run does not count for its
connections."""

import contextlib
import signal
import subprocess
import time

import pytest

import daemon as daemons
import lab
import sockets
import wire
from shield import shielded

ECHO, DAYTIME, PROBED = 7, 13, 8007
MSL_SECONDS = 20
STOPPED_SECONDS = 3
COUNT = 50
SYN = "SEC"  # it asks for ECN (RFC 3168, 6.1.1)


@contextlib.contextmanager
def stopped(process, seconds=STOPPED_SECONDS):
    """The process stands still for so long, or as long as the block takes."""
    process.send_signal(signal.SIGSTOP)
    until = time.monotonic() + seconds
    try:
        yield
        time.sleep(max(0, until - time.monotonic()))
    finally:
        process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def shield():
    specs = [f"*:{port},owner=daemon,app={app}" for port, app in ((ECHO, "echo"), (DAYTIME, "daytime"))]
    specs.append(f"*:{PROBED},owner=daemon,app=echo,keepalive=1s/1s/2")
    with shielded() as own, daemons.serving(own, *specs, options=("--msl", f"{MSL_SECONDS}s")) as own.daemon:
        yield own


def echoes(client, text=b"still there"):
    client.sendall(text)
    return sockets.read_exactly(client, len(text)) == text


def test_daemon_that_has_nothing_to_do_runs(shield):
    before = shield.daemon.counters()["STOOD_STILL"]
    time.sleep(3.5)
    assert shield.daemon.counters()["STOOD_STILL"] == before


def test_connections_live_on_and_nothing_is_made_up_for(shield, net, family):
    to = (family.address(net.server), ECHO)
    with contextlib.ExitStack() as stack, wire.Peer(net, family, ECHO) as peer:
        clients = [stack.enter_context(sockets.connect(net.client, family, to)) for _ in range(COUNT)]
        assert all(map(echoes, clients))
        peer.open()
        peer.send("PA", b"unanswered")
        in_flight = peer.receive("PA")
        before, cpu_seconds = shield.daemon.counters()["STOOD_STILL"], shield.daemon.cpu_seconds()
        with wire.Capture(net.client) as capture:
            with stopped(shield.daemon.process):
                pass
            again = [tcp for tcp in peer.receive_for(1.5) if "P" in tcp.flags]
            sent = [tcp for _, tcp in capture.segments(ECHO) if tcp.sport == ECHO]
        assert shield.daemon.counters()["STOOD_STILL"] - before == 1
        assert len(sent) == len(again), "one connection has something to send again"
        assert shield.daemon.cpu_seconds() - cpu_seconds < 0.5, "it waits for that"
        assert 1 <= len(again) <= 4 and again[0].seq == in_flight.seq
        peer.take(in_flight)
        peer.send("A")
        assert all(map(echoes, clients))
        peer.send("RA")


def test_probed_connections_live_on_and_no_probe_is_made_up_for(shield, net, family):
    to = (family.address(net.server), PROBED)
    with contextlib.ExitStack() as stack, wire.Capture(net.client) as capture:
        clients = [stack.enter_context(sockets.connect(net.client, family, to)) for _ in range(COUNT)]
        assert all(map(echoes, clients))
        lab.wait_until(lambda: shield.daemon.counters()["KEEPALIVES_ANSWERED"] >= COUNT, "a probe of each")
        with stopped(shield.daemon.process):
            pass
        resumed = time.monotonic()
        before = len(capture.segments(PROBED))
        time.sleep(1)
        probes = [tcp for frame, tcp in capture.segments(PROBED)[before:] if tcp.sport == PROBED]
        assert len(probes) <= COUNT * (time.monotonic() - resumed + 1)
        assert all(map(echoes, clients))
        counters = shield.daemon.counters()
        assert counters["KEEPALIVES_IN_VAIN"] == 0 and counters["KEEPALIVES_SENT"] >= counters["KEEPALIVES_ANSWERED"]


def test_what_came_meanwhile_is_answered(shield, net, family):
    to = (family.address(net.server), ECHO)
    with sockets.connect(net.client, family, to) as client:
        with stopped(shield.daemon.process):
            client.sendall(b"early")
        assert sockets.read_exactly(client, 5) == b"early"


def test_records_have_the_time_of_all(shield, net, family):
    with stopped(shield.daemon.process):
        pass
    with wire.Peer(net, family, ECHO) as peer:
        peer.open()
        peer.send("PA", b"one")
        peer.take(peer.receive("PA"))
        now = time.monotonic()
        lab.wait_until(lambda: shield.record(family, peer.port)[1]["snd_packets"], "the daemon's record")
        record = shield.record(family, peer.port)[1]
        assert now - 2 <= record["born_s"] <= now
        assert 0 <= now * 1000 - record["rcv_seen_ms"] % 2**32 < 1000
        peer.send("RA")
    with wire.Peer(net, family, DAYTIME) as peer:
        peer.open()
        peer.take(peer.receive("FPA"))
        peer.send("FA")
        peer.receive("A")
        now_ms = time.monotonic() * 1000
        lab.wait_until(lambda: shield.record(family, peer.port)[0].startswith("tw"), "TIME-WAIT")
        left_ms = shield.record(family, peer.port)[1]["deadline_ms"] - now_ms
        assert abs(left_ms - 2000 * MSL_SECONDS) < 1000


@pytest.fixture(scope="module")
def unserved():
    """A shield whose device nobody serves, as synkeep connect wants it."""
    with shielded() as own:
        own.load("*:80")
        own.net.client.send_through_queue()
        yield own


def test_connection_that_was_being_opened_is_not_given_up(unserved, family):
    with wire.Peer(unserved.net, family, None, source_port=4000) as peer:
        command = unserved.command("connect", family.endpoint(family.peer, peer.port), "--timeout", "3s")
        client = unserved.net.server.start(*command[2:], stdin=subprocess.PIPE)
        first = peer.meet(SYN)
        with stopped(client, seconds=5):
            pass
        assert peer.receive(SYN, timeout=2).seq == first.seq
        peer.send("SA")
        assert peer.receive("A").ack == peer.snd_nxt
        peer.send("FPA", b"hello\n")
        client.stdin.close()
        peer.take(peer.receive("FA"))
        peer.send("A")
        assert client.stdout.read() == "hello\n"
        assert client.wait(timeout=3) == 0
