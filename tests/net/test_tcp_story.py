# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What TCP is there for, on the wire: why a handshake has three ways, why a close has four, and what TIME-WAIT is for.

What cookies can not do, under policy always: where the last ACK is lost, a server that speaks first does not know that
there is a connection, and says nothing until the client does.
"""

import time

import pytest

import daemon as daemons
import lab
import sockets
import wire

ECHO, DAYTIME = 7, 13
MSL_MS = 500
RECORD_SECONDS = 0.3


@pytest.fixture
def off(shield, net, family):
    """A daemon whose TCP sees the SYNs itself."""
    specs = [daemons.spec(family, net, ECHO, "echo", "policy=off"),
             daemons.spec(family, net, DAYTIME, "daytime", "policy=off")]
    with daemons.serving(shield, *specs, options=("--msl", f"{MSL_MS}ms")) as daemon:
        yield daemon


@pytest.fixture
def peer(net, family, off):
    with wire.Peer(net, family, ECHO) as echo_peer:
        yield echo_peer


@pytest.fixture
def daytime_peer(net, family, off):
    with wire.Peer(net, family, DAYTIME, timestamps=False) as by_hand:
        yield by_hand


def wait_for_state(shield, family, port, state):
    lab.wait_until(lambda: (shield.record(family, port)[1] or {}).get("state") == state, state)


def echoes(peer, text=b"hello"):
    peer.send("PA", text)
    assert peer.take(peer.receive("PA")) == text
    peer.send("A")


# --- three ways ----------------------------------------------------------------------------------------------------


def test_lost_syn_ack_is_sent_again(shield, family, peer):
    first = peer.ask()
    again = peer.receive("SA", timeout=2)
    assert (again.seq, again.ack) == (first.seq, first.ack)
    peer.send("A")
    wait_for_state(shield, family, peer.port, "TCPS_ESTABLISHED")
    echoes(peer)


def test_lost_last_ack_does_not_silence_a_server_that_speaks_first(daytime_peer):
    daytime_peer.ask()  # and our ACK is lost
    daytime_peer.receive("SA", timeout=2)
    daytime_peer.send("A")
    line = daytime_peer.receive("FPA")
    assert daytime_peer.take(line).endswith(b"\n")


def test_lost_last_ack_is_made_good_by_text(peer):
    peer.ask()
    echoes(peer)


def test_old_syn_opens_no_ghost(shield, family, peer):
    peer.ask()  # of long ago: the client knows nothing of it
    wait_for_state(shield, family, peer.port, "TCPS_SYN_RECEIVED")
    peer.send("R")
    lab.wait_until(lambda: shield.record(family, peer.port)[0] is None, "the end of the ghost")


def test_old_syn_does_not_disturb_a_connection(peer):
    peer.open()
    echoes(peer)
    peer.send("S", seq=(peer.snd_nxt - 5000) % 2**32)
    challenge = peer.receive("A")
    assert challenge.ack == peer.snd_nxt
    echoes(peer)


def test_lost_last_ack_behind_a_cookie_waits_for_the_client(shield, net, family):
    """The limit of cookies: nobody but the client knows."""
    with daemons.serving(shield, daemons.spec(family, net, DAYTIME, "daytime", "policy=always")), \
            wire.Peer(net, family, DAYTIME) as client:
        client.ask()
        assert client.stays_silent(1.5)
        client.send("A")
        assert client.take(client.receive("FPA")).endswith(b"\n")


def test_active_open_is_syn_sent_and_its_syn_is_sent_again(shield, net, family):
    net.client.send_through_queue()
    to = family.endpoint(family.peer, ECHO)
    with wire.Capture(net.client) as capture:
        net.server.start(*shield.command("connect", to)[2:])
        lab.wait_until(lambda: len(capture.segments(ECHO)) >= 2, "two SYNs")
        (_, first), (_, second) = capture.segments(ECHO)[:2]
        assert (str(first.flags) in ("S", "SEC")) and second.seq == first.seq
        lab.wait_until(lambda: shield.record(family, ECHO)[1], "the record")
        assert shield.record(family, ECHO)[1]["state"] == "TCPS_SYN_SENT"


def test_simultaneous_open_establishes(shield, net, family):
    net.client.send_through_queue()
    with wire.Capture(net.client) as capture:
        process = net.server.start(*shield.command("connect", family.endpoint(family.peer, ECHO))[2:])
        lab.wait_until(lambda: capture.segments(ECHO), "a SYN")
        syn = capture.segments(ECHO)[0][1]
        with wire.Peer(net, family, syn.sport, source_port=ECHO, timestamps=False) as other:
            other.send("S")
            answer = other.receive("SA")
            assert (answer.seq, answer.ack) == (syn.seq, other.snd_nxt)
            other.take(answer)
            other.send("A")
            other.send("FPA", b"good day\n")
            lab.wait_until(lambda: process.stdout.readline() == "good day\n", "the text")


# --- four ways -----------------------------------------------------------------------------------------------------


def test_data_flows_on_in_close_wait(shield, net, family, off):
    text = bytes(range(256)) * 5
    with wire.Peer(net, family, ECHO, timestamps=False, mss=None) as peer:  # no scale: its window is 1000
        peer.open()
        peer.send("FA", text)
        received, begin = bytearray(), peer.rcv_nxt

        def receive():
            """A segment, whose text may be one that has come already: a late answer is asked for again."""
            segment = next(peer._answers(3))
            at = (segment.seq - begin) % 2**32
            part = peer.take(segment)
            received[at:at + len(part)] = part
            return segment

        while not received:
            receive()
        wait_for_state(shield, family, peer.port, "TCPS_CLOSE_WAIT")
        assert len(received) < len(text)
        peer.send("A")
        while "F" not in receive().flags:
            peer.send("A")
        assert received == text
        wait_for_state(shield, family, peer.port, "TCPS_LAST_ACK")
        peer.send("A")
        lab.wait_until(lambda: (shield.record(family, peer.port)[0]) is None, "the end")


def close_from_both_ends(peer):
    peer.open()
    line = peer.receive("FPA")
    peer.take(line)
    peer.send("FA")
    return peer.receive("A")


def test_time_wait_acknowledges_a_fin_again_and_starts_anew(shield, family, off, daytime_peer):
    last = close_from_both_ends(daytime_peer)
    wait_for_state(shield, family, daytime_peer.port, "TCPS_TIME_WAIT")
    time.sleep(MSL_MS / 1000)
    daytime_peer.send("FA", seq=daytime_peer.snd_nxt - 1)
    again = daytime_peer.receive("A")
    began = time.monotonic()
    assert (again.seq, again.ack) == (last.seq, last.ack)
    lab.wait_until(lambda: not shield.flows(state="TIME-WAIT"), "the end of TIME-WAIT")
    assert time.monotonic() - began > 2 * MSL_MS / 1000 - 0.1


def test_rst_does_not_assassinate_time_wait(shield, family, off, daytime_peer):
    close_from_both_ends(daytime_peer)
    daytime_peer.send("R")
    time.sleep(RECORD_SECONDS)
    assert shield.record(family, daytime_peer.port)[1]["state"] == "TCPS_TIME_WAIT"


def test_passive_closer_is_gone_before_the_active_one(shield, net, family, off):
    with sockets.connect(net.client, family, (family.address(net.server), ECHO)) as client:
        port = sockets.port_of(client)
        wait_for_state(shield, family, port, "TCPS_ESTABLISHED")
    sockets.wait_for_state(family, net.client, port, ECHO, "TIME-WAIT")
    lab.wait_until(lambda: shield.record(family, port)[0] is None, "the end of the passive closer")
    assert sockets.kernel_state(family, net.client, port, ECHO) == "TIME-WAIT"


# --- what an open chooses ------------------------------------------------------------------------------------------


def test_opens_choose_address_port_and_number(shield, net, family):
    """The address is that of the route (MUST-44), the port can not be foretold (RFC 6056)."""
    net.client.send_through_queue()
    syns = []
    for _ in range(5):
        with wire.Capture(net.client) as capture:
            process = net.server.start(*shield.command("connect", family.endpoint(family.peer, ECHO))[2:])
            lab.wait_until(lambda: capture.segments(ECHO), "a SYN")
            frame, syn = capture.segments(ECHO)[0]
            assert frame.source() == family.address(net.server)
            syns.append(syn)
            process.terminate()
            process.wait()
    steps = {(later.sport - earlier.sport) for earlier, later in zip(syns, syns[1:])}
    assert len(steps) == 4 and max(map(abs, steps)) > 100
    assert len({syn.seq >> 16 for syn in syns}) == 5
