# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A daemon that is killed, and the next one: what stands beside it goes on, what was its own is reset in order, and
what the maps keep is still true."""

import contextlib
import signal

import pytest

import daemon as daemons
import lab
import sockets
import traffic
import wire

ECHO, DAYTIME = 7, 13
COUNT = 50


@pytest.fixture(params=["always", "off"])
def policy(request):
    return request.param


def services(policy):
    return [f"*:{port},owner=daemon,app={app},policy={policy}" for app, port in (("echo", ECHO), ("daytime", DAYTIME))]


def connect(net, family, **options):
    client = sockets.connect(net.client, family, (family.address(net.server), ECHO), **options)
    client.sendall(b"here")
    assert sockets.read_exactly(client, 4) == b"here"
    return client


def kill(shield, daemon):
    """Kills it, after all that it knows is in the maps."""
    lab.wait_until(lambda: len(shield.flows()) == daemon.status()["connections"], "the records")
    daemon.end(signal.SIGKILL)


def test_kernel_service_beside_it_never_notices(shield, net, family):
    with daemons.serving(shield, *services("always"), "*:8000", "*:8001") as daemon, \
            sockets.listen(net.server, family, port=8000) as listener, \
            traffic.in_use(traffic.Chat, net, family, listener), \
            traffic.in_use(traffic.Transfer, net, family, listener), \
            traffic.stream_of_connections(net, family, 8001, 2):
        connect(net, family).close()
        daemon.end(signal.SIGKILL)
        with pytest.raises(TimeoutError):
            connect(net, family, timeout=0.5)
        with daemons.serving(shield), connect(net, family):
            pass


def test_each_of_its_connections_is_reset_by_its_next_segment(shield, net, family, policy):
    with contextlib.ExitStack() as stack:
        with daemons.serving(shield, *services(policy)) as daemon:
            clients = [stack.enter_context(connect(net, family)) for _ in range(COUNT)]
            kill(shield, daemon)
        lost = clients[0]
        lost.sendall(b"said while nobody was there")
        lab.wait_until(lambda: shield.counters()["DAEMON_GONE"], "the segment")
        with daemons.serving(shield) as daemon:
            for client in clients:
                if client is not lost:  # which repeats what it has said
                    client.sendall(b"anybody?")
                with pytest.raises(ConnectionResetError):
                    client.recv(1)
            lab.wait_until(lambda: not shield.flows(state="connected"), "the end of their records")
            assert daemon.status()["connections"] == 0
            connect(net, family).close()


def test_reset_has_the_number_that_the_peer_expects(shield, net, family, policy):
    with wire.Peer(net, family, ECHO) as peer:
        with daemons.serving(shield, *services(policy)) as daemon:
            peer.open()
            kill(shield, daemon)
        with daemons.serving(shield):
            peer.send("PA", b"anybody?")
            assert peer.receive("R").seq == peer.rcv_nxt


def test_port_of_a_lost_connection_can_be_used_again(shield, net, family, policy):
    with daemons.serving(shield, *services(policy)) as daemon:
        client = connect(net, family, source_port=40000)
        kill(shield, daemon)
        sockets.reset(client)  # which nobody hears
    with daemons.serving(shield), connect(net, family, source_port=40000):
        pass


def test_handshake_that_was_lost_is_begun_anew(shield, net, family):
    with wire.Peer(net, family, ECHO) as peer:
        with daemons.serving(shield, *services("off")) as daemon:
            peer.ask()
            lab.wait_until(shield.flows, "the record")
            daemon.end(signal.SIGKILL)
        with daemons.serving(shield):
            peer.send("A")
            peer.receive("R")
            lab.wait_until(lambda: not shield.flows(), "the end of the record")
            peer.open()
            peer.send("PA", b"now")
            assert peer.take(peer.receive("PA")) == b"now"


def test_cookie_whose_handshake_was_on_its_way_is_taken_by_the_next(shield, net, family):
    with wire.Peer(net, family, ECHO) as peer:
        with daemons.serving(shield, *services("always")) as daemon:
            peer.ask()
            daemon.end(signal.SIGKILL)
        with daemons.serving(shield):
            peer.send("A")
            peer.send("PA", b"made by its key, not by the daemon")
            assert peer.take(peer.receive("PA")) == b"made by its key, not by the daemon"


def test_cookie_that_was_used_up_stays_so(shield, net, family):
    with wire.Peer(net, family, ECHO) as peer:
        with daemons.serving(shield, *services("always")) as daemon:
            peer.open()
            peer.send("FA")
            peer.take(peer.receive("FA"))
            peer.send("A")
            lab.wait_until(lambda: [flow["state"] for flow in shield.flows()] == ["CLOSED"], "the end")
            daemon.end(signal.SIGKILL)
        with daemons.serving(shield):
            peer.send("A", seq=peer.snd_nxt - 1, ack=peer.rcv_nxt - 1)
            lab.wait_until(lambda: shield.counters()["COOKIE_REPLAY"] == 1, "the verdict")
            assert [flow["state"] for flow in shield.flows()] == ["CLOSED"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "ended"])
def test_time_wait_outlives_it(shield, net, family, policy, number):
    def acknowledges_a_fin_again():
        peer.send("FA", seq=peer.snd_nxt - 1)
        again = peer.receive("A")
        return (again.seq, again.ack) == (peer.rcv_nxt, peer.snd_nxt)

    with wire.Peer(net, family, DAYTIME) as peer:
        with daemons.serving(shield, *services(policy)) as daemon:
            peer.open()
            peer.take(peer.receive("FPA"))
            peer.send("FA")
            peer.receive("A")
            lab.wait_until(lambda: [flow["state"] for flow in shield.flows()] == ["TIME-WAIT"], "TIME-WAIT")
            daemon.end(number)
        assert acknowledges_a_fin_again()
        with daemons.serving(shield):
            assert acknowledges_a_fin_again()
            peer.snd_nxt += 1
            peer.open()
            assert peer.take(peer.receive("FPA")).endswith(b"-UTC\r\n")
