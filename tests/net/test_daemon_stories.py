# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Why TCP opens in three steps and closes in four, on the wire: what is lost, late or crosses, with a peer that is
scripted where no kernel would send it. Each story with cookies (policy always) and with SYN-RECEIVED (off)."""

import contextlib
import signal
import socket
import subprocess
import time

import pytest

import daemon as daemons
import lab
import sockets
import wire
from shield import shielded

MSL_SECONDS = 0.5
APPS = {"echo": 7, "daytime": 13, "chargen": 19}
PORT_OFF = 1000  # from the port with policy always to the one with policy off


@pytest.fixture(scope="module")
def shield():
    specs = [f"*:{port + more},owner=daemon,app={app},policy={policy}"
             for app, port in APPS.items() for policy, more in (("always", 0), ("off", PORT_OFF))]
    options = ("--msl", f"{int(MSL_SECONDS * 1000)}ms")
    with shielded() as own, daemons.serving(own, *specs, options=options) as own.daemon:
        yield own


@pytest.fixture(params=["always", "off"])
def policy(request):
    return request.param


def port_of(app, policy):
    return APPS[app] + (PORT_OFF if policy == "off" else 0)


def peer_of(net, family, app, policy, **options):
    return wire.Peer(net, family, port_of(app, policy), **options)


def states_of(shield, port):
    """What `synkeep flows` says of a connection: one state, none, or two while it moves on to another table."""
    return [flow["state"] for flow in shield.flows() if flow["remote_port"] == port]


def wait_for_state(shield, port, *states):
    lab.wait_until(lambda: states_of(shield, port) == list(states), f"{states or 'the end'} of port {port}")


def no_connections(shield):
    lab.wait_until(lambda: shield.daemon.status()["connections"] == 0, "the end of all connections")


def echoes(peer, text=b"are you there?"):
    """Sends text, and has it back."""
    peer.send("PA", text)
    assert peer.take(peer.receive("PA")) == text
    peer.send("A")


def hang_up(shield, peer):
    """Ends a scripted connection at once."""
    peer.send("RA")
    no_connections(shield)


# --- three steps ---------------------------------------------------------------------------------------------------


def test_off_is_syn_received_until_the_last_ack_comes(shield, net, family):
    with peer_of(net, family, "echo", "off") as peer:
        peer.ask()
        wait_for_state(shield, peer.port, "SYN-RECEIVED")
        peer.send("A")
        wait_for_state(shield, peer.port, "ESTABLISHED")
        echoes(peer)
        hang_up(shield, peer)


def test_always_keeps_nothing_until_the_last_ack_comes(shield, net, family):
    with peer_of(net, family, "echo", "always") as peer:
        peer.ask()
        assert states_of(shield, peer.port) == []
        assert shield.daemon.status()["connections"] == 0
        peer.send("A")
        wait_for_state(shield, peer.port, "ESTABLISHED")
        echoes(peer)
        hang_up(shield, peer)


def test_off_repeats_a_syn_ack_that_was_lost_after_one_second_then_two(shield, net, family):
    with peer_of(net, family, "echo", "off") as peer:
        first = peer.ask()
        times = [time.monotonic()]
        for _ in range(2):
            again = peer.receive("SA", timeout=4)
            times.append(time.monotonic())
            assert (again.seq, again.ack) == (first.seq, first.ack)
        assert [later - earlier for earlier, later in zip(times, times[1:])] == pytest.approx([1, 2], abs=0.4)
        peer.send("A")
        echoes(peer)
        hang_up(shield, peer)


def test_always_answers_the_syn_again_where_its_syn_ack_was_lost(shield, net, family):
    with peer_of(net, family, "echo", "always") as peer:
        peer.ask()
        assert peer.stays_silent(1.2)  # one SYN, one answer: nothing is kept that could repeat it
        peer.snd_nxt -= 1
        peer.open()
        echoes(peer)
        hang_up(shield, peer)


def test_off_speaks_first_though_the_last_ack_was_lost(shield, net, family):
    with peer_of(net, family, "daytime", "off") as peer:
        peer.ask()
        peer.receive("SA", timeout=2)  # which tells that the ACK has not come
        peer.send("A")
        assert peer.take(peer.receive("FPA")).endswith(b"-UTC\r\n")
        hang_up(shield, peer)


def test_always_learns_of_a_lost_last_ack_from_data_alone(shield, net, family):
    with peer_of(net, family, "daytime", "always") as peer:
        peer.ask()  # now the peer is ESTABLISHED, and its ACK is lost
        peer.send("A", seq=peer.snd_nxt - 1)
        assert peer.stays_silent(1.2)  # to a keepalive, too: what cookies can not do
        assert states_of(shield, peer.port) == []
        peer.send("PA", b"anybody?")
        assert peer.take(peer.receive("FPA")).endswith(b"-UTC\r\n")
        hang_up(shield, peer)


def test_old_syn_that_comes_late_opens_no_ghost(shield, net, family, policy):
    with peer_of(net, family, "echo", policy) as peer:
        answer = peer.ask()  # of a connection that is long over
        if policy == "off":
            wait_for_state(shield, peer.port, "SYN-RECEIVED")
        peer.send("R", seq=answer.ack)
        wait_for_state(shield, peer.port)
        no_connections(shield)


def test_old_syn_before_the_new_one_is_refused_by_the_peer(shield, net, family):
    """RFC 9293, 3.5, figure 8."""
    with peer_of(net, family, "echo", "off") as peer:
        old = peer.ask()
        peer.send("R", seq=old.ack)
        peer.snd_nxt += 100000
        new = peer.open()
        assert new.ack == peer.snd_nxt
        echoes(peer)
        hang_up(shield, peer)


def test_old_syn_within_a_connection_is_challenged(shield, net, family, policy):
    with peer_of(net, family, "echo", policy) as peer:
        peer.open()
        echoes(peer)
        peer.send("S", seq=500)
        challenge = peer.receive("A")
        assert (challenge.seq, challenge.ack) == (peer.rcv_nxt, peer.snd_nxt)
        echoes(peer, b"nothing has happened")
        hang_up(shield, peer)


def test_peer_that_has_forgotten_its_connection_gets_a_new_one(shield, net, family, policy):
    """RFC 9293, 3.5.1, figure 9, by RFC 5961, 4: the challenge tells the peer, and its RST tells us."""
    with peer_of(net, family, "echo", policy) as peer:
        peer.open()
        echoes(peer)
        peer.send("S", seq=700000)
        challenge = peer.receive("A")
        peer.send("R", seq=challenge.ack)
        no_connections(shield)
        peer.snd_nxt = 700000
        peer.open()
        echoes(peer)
        hang_up(shield, peer)


# --- the other end of them: synkeep connect ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unserved():
    """A shield whose device nobody serves, as synkeep connect wants it."""
    with shielded() as own:
        own.load("*:80")
        own.net.client.send_through_queue()
        yield own


SYN = "SEC"  # it asks for ECN (RFC 3168, 6.1.1)


def port_for(family, port):
    """A peer's port: `states_of()` is not to see what the other family's connection has left."""
    return port + (100 if family.name == "ipv6" else 0)


def connect(shield, family, port):
    """`synkeep connect` to a scripted peer."""
    command = shield.command("connect", family.endpoint(family.peer, port))
    return shield.net.server.start(*command[2:], stdin=subprocess.PIPE)


def test_connect_is_syn_sent_until_its_answer_comes(unserved, family):
    with wire.Peer(unserved.net, family, None, source_port=port_for(family, 4000)) as peer:
        client = connect(unserved, family, peer.port)
        first = peer.meet(SYN)
        wait_for_state(unserved, peer.port, "SYN-SENT")
        again = peer.receive(SYN, timeout=2)  # as if the first had been lost
        assert again.seq == first.seq
        peer.send("SA")
        assert peer.receive("A").ack == peer.snd_nxt
        wait_for_state(unserved, peer.port, "ESTABLISHED")
        peer.send("FPA", b"hello\n")
        client.stdin.close()
        peer.take(peer.receive("FA"))
        peer.send("A")
        assert client.stdout.read() == "hello\n"
        assert client.wait(timeout=3) == 0


def test_connect_meets_a_syn_that_crosses_its_own(unserved, family):
    """RFC 9293, 3.5, figure 7: simultaneous open."""
    with wire.Peer(unserved.net, family, None, source_port=port_for(family, 4001)) as peer:
        client = connect(unserved, family, peer.port)
        syn = peer.meet(SYN)
        isn = peer.snd_nxt
        peer.send("S")
        syn_ack = peer.receive("SA")
        assert (syn_ack.seq, syn_ack.ack) == (syn.seq, isn + 1)
        wait_for_state(unserved, peer.port, "SYN-RECEIVED")
        peer.send("SA", seq=isn)
        wait_for_state(unserved, peer.port, "ESTABLISHED")
        client.stdin.write("one connection")
        client.stdin.close()
        assert peer.take(peer.receive("PA")) == b"one connection"
        peer.take(peer.receive("FA"))
        peer.send("FA")
        assert client.wait(timeout=3) == 0


def test_connect_resets_an_old_syn_ack_and_goes_on(unserved, family):
    with wire.Peer(unserved.net, family, None, source_port=port_for(family, 4002)) as peer:
        connect(unserved, family, peer.port)
        syn = peer.meet(SYN)
        peer.send("SA", seq=77, ack=syn.seq - 5)
        assert peer.receive("R").seq == syn.seq - 5
        peer.send("SA")
        assert peer.receive("A").ack == peer.snd_nxt
        peer.send("R")


# --- four steps ----------------------------------------------------------------------------------------------------


def connected(net, family, app, policy):
    return sockets.connect(net.client, family, (family.address(net.server), port_of(app, policy)))


def read_to_end(client):
    return b"".join(iter(lambda: client.recv(1 << 16), b""))


def test_data_flows_on_in_close_wait(shield, net, family, policy):
    size = 1 << 20
    data = bytes(range(256)) * (size // 256)
    with connected(net, family, "echo", policy) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        port = sockets.port_of(client)
        wait_for_state(shield, port, "CLOSE-WAIT")
        assert sockets.kernel_state(family, net.client, port, port_of("echo", policy)) == "FIN-WAIT-2"
        assert sockets.digest(read_to_end(client)) == sockets.digest(data)
    no_connections(shield)


def test_data_is_taken_in_fin_wait_2(shield, net, family, policy):
    with connected(net, family, "daytime", policy) as client:
        assert read_to_end(client).endswith(b"-UTC\r\n")
        port = sockets.port_of(client)
        wait_for_state(shield, port, "FIN-WAIT-2")
        client.sendall(bytes(1 << 20))
        assert states_of(shield, port) == ["FIN-WAIT-2"]
    wait_for_state(shield, port, "TIME-WAIT")


def test_passive_closer_is_gone_before_the_active_one(shield, net, family, policy):
    with connected(net, family, "echo", policy) as client:
        port = sockets.port_of(client)
        wait_for_state(shield, port, "ESTABLISHED")
    wait_for_state(shield, port, *(["CLOSED"] if policy == "always" else []))  # its cookie may be replayed
    no_connections(shield)
    assert sockets.kernel_state(family, net.client, port, port_of("echo", policy)) == "TIME-WAIT"


def test_fin_again_where_nothing_is_left_is_reset(shield, net, family, policy):
    with peer_of(net, family, "echo", policy) as peer:
        peer.open()
        echoes(peer)
        peer.send("FA")
        peer.take(peer.receive("FA"))
        peer.send("A")
        no_connections(shield)
        peer.send("FA", seq=peer.snd_nxt - 1)
        assert peer.receive("R").seq == peer.rcv_nxt


def test_fin_of_ours_that_is_lost_goes_again(shield, net, family, policy):
    with peer_of(net, family, "daytime", policy) as peer:
        peer.open()
        lost = peer.receive("FPA")
        again = peer.receive("FPA", timeout=2)
        assert (again.seq, again.load) == (lost.seq, lost.load)
        peer.take(again)
        peer.send("FA")
        peer.receive("A")
        wait_for_state(shield, peer.port, "TIME-WAIT")


def in_time_wait(shield, net, family, policy, **options):
    """A peer whose FIN has followed ours."""
    peer = peer_of(net, family, "daytime", policy, **options)
    peer.open()
    peer.take(peer.receive("FPA"))
    peer.send("FA")
    assert peer.receive("A").ack == peer.snd_nxt
    wait_for_state(shield, peer.port, "TIME-WAIT")
    return peer


def test_fin_again_is_acknowledged_in_time_wait_which_begins_anew(shield, net, family, policy):
    with in_time_wait(shield, net, family, policy) as peer:
        first_deadline = shield.record(family, peer.port)[1]["deadline_ms"]
        time.sleep(MSL_SECONDS)
        peer.send("FA", seq=peer.snd_nxt - 1)
        again = peer.receive("A")
        assert (again.seq, again.ack) == (peer.rcv_nxt, peer.snd_nxt)
        lab.wait_until(lambda: shield.record(family, peer.port)[1]["deadline_ms"] >
                       first_deadline + MSL_SECONDS / 2 * 1e3, "a later end")
        began = time.monotonic()
        lab.wait_until(lambda: "TIME-WAIT" not in states_of(shield, peer.port), "the end of TIME-WAIT")
        assert time.monotonic() - began > MSL_SECONDS


@contextlib.contextmanager
def standing_still(shield):
    """The daemon is stopped: whatever is answered is answered by XDP."""
    shield.daemon.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        shield.daemon.process.send_signal(signal.SIGCONT)


def test_time_wait_needs_no_daemon(shield, net, family, policy):
    with in_time_wait(shield, net, family, policy) as peer, standing_still(shield):
        peer.send("R")
        peer.send("A")
        assert peer.stays_silent(2 * MSL_SECONDS - 0.4)
        before = shield.counters()
        peer.send("FA", seq=peer.snd_nxt - 1)  # shortly before the end
        again = peer.receive("A")
        assert (again.seq, again.ack, again.window) == (peer.rcv_nxt, peer.snd_nxt, 0)
        assert wire.option(again, "Timestamp") and shield.counters()["TIME_WAIT_ACK"] == before["TIME_WAIT_ACK"] + 1
        time.sleep(2 * MSL_SECONDS - 0.3)
        assert states_of(shield, peer.port) == ["TIME-WAIT"]
        lab.wait_until(lambda: "TIME-WAIT" not in states_of(shield, peer.port), "the end of TIME-WAIT")


def test_reset_does_not_end_time_wait(shield, net, family, policy):
    """RFC 1337."""
    with in_time_wait(shield, net, family, policy) as peer:
        for seq in (peer.snd_nxt, peer.snd_nxt - 1):
            peer.send("R", seq=seq)
        assert peer.stays_silent(0.2)
        assert states_of(shield, peer.port) == ["TIME-WAIT"]


def test_old_syn_is_acknowledged_in_time_wait(shield, net, family, policy):
    with in_time_wait(shield, net, family, policy) as peer:
        peer.clock_lag_ms = 10_000
        for seq in (peer.snd_nxt - 1000, peer.snd_nxt + 1000):  # whatever its number
            peer.send("S", seq=seq)
            answer = peer.receive("A")
            assert (answer.seq, answer.ack) == (peer.rcv_nxt, peer.snd_nxt)
        assert states_of(shield, peer.port) == ["TIME-WAIT"]


@pytest.mark.parametrize("timestamps, ahead", [(False, 1), (True, -1000)], ids=["number", "timestamp"])
def test_new_syn_ends_time_wait(shield, net, family, policy, timestamps, ahead):
    """RFC 9293, 3.6.1, MAY-2: by its number; RFC 6191: by its timestamp, whatever the number."""
    with in_time_wait(shield, net, family, policy, timestamps=timestamps) as peer:
        old = peer.rcv_nxt
        peer.snd_nxt += ahead
        answer = peer.open()
        assert answer.ack == peer.snd_nxt and (answer.seq - old) % 2**32 < 2**31
        assert peer.take(peer.receive("FPA")).endswith(b"-UTC\r\n")
        hang_up(shield, peer)


def test_fins_that_cross_lead_through_closing(shield, net, family, policy):
    """RFC 9293, 3.6, figure 13: simultaneous close."""
    with peer_of(net, family, "daytime", policy) as peer:
        peer.open()
        theirs = peer.receive("FPA")
        line = peer.take(theirs)
        peer.send("FA", ack=theirs.seq + len(line))
        assert peer.receive("A").ack == peer.snd_nxt
        wait_for_state(shield, peer.port, "CLOSING")
        peer.send("A")
        wait_for_state(shield, peer.port, "TIME-WAIT")
