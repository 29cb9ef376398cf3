# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a service says of time: its MSL, or the device's; and keepalive of connections of both owners."""

import contextlib
import time

import pytest

import daemon as daemons
import lab
import sockets
import wire

PORT, ECHO, DAYTIME = 8000, 7, 13
FOLLOWS_SECONDS = 1.5  # until a daemon has seen that services changed


@contextlib.contextmanager
def in_time_wait(shield, net, family, port):
    """A connection that the server's kernel closed first."""
    with sockets.listen(net.server, family, port=port) as listener, wire.Peer(net, family, port) as peer:
        peer.open()
        server = listener.accept()[0]
        server.close()
        peer.take(peer.receive("FA"))
        peer.send("FA")
        yield lab.wait_until(lambda: (flow := shield.flow(family, peer.port)) and flow["state"] == "TIME-WAIT" and flow,
                             "TIME-WAIT")


def device_msl_ms(shield):
    return shield.read_json("status")[0]["msl_ms"]


def test_time_wait_lasts_two_msl_of_the_device_or_the_service(shield, net, family):
    shield.load(f"*:{PORT},policy=off", f"*:{PORT + 1},policy=off,msl=400ms", msl="20s")
    with in_time_wait(shield, net, family, PORT) as common, in_time_wait(shield, net, family, PORT + 1) as own:
        assert 35000 < common["left_ms"] <= 40000 and 0 < own["left_ms"] <= 800
        lab.wait_until(lambda: not shield.flow(family, own["remote_port"]), "its end", timeout=2)
        assert shield.flow(family, common["remote_port"])


def test_msl_that_is_changed_counts_from_the_next_time_wait_on(shield, net, family):
    shield.load(f"*:{PORT},policy=off")
    with in_time_wait(shield, net, family, PORT) as before:
        assert 110000 < before["left_ms"] <= 120000
    shield.add_service(f"*:{PORT},policy=off,msl=5s")
    with in_time_wait(shield, net, family, PORT) as after:
        assert 0 < after["left_ms"] <= 10000


def test_msl_of_the_device_is_shown(shield):
    shield.load("*:1", msl="90s")
    assert device_msl_ms(shield) == 90000
    assert "  msl      90s, " in shield.run("status").stdout


@pytest.mark.parametrize("msl", ["60", "0s", "3601s"])
def test_msl_out_of_bounds(shield, msl):
    done = shield.load(msl=msl, check=False)
    assert done.returncode == 2 and f"--msl {msl}: a time from 1ms to 1h" in done.stderr


def lasts(daemon, net, family, port):
    """For how long a connection that the daemon closed first is in TIME-WAIT, seconds."""
    with sockets.connect(net.client, family, (family.address(net.server), port)) as client:
        while client.recv(100):
            pass
    began = time.monotonic()
    lab.wait_until(lambda: daemon.shield.flows(state="TIME-WAIT"), "TIME-WAIT")
    lab.wait_until(lambda: not daemon.shield.flows(state="TIME-WAIT"), "its end")
    return time.monotonic() - began


def test_daemon_has_the_devices_msl(shield, net, family):
    shield.load(msl="300ms")
    with daemons.serving(shield, daemons.spec(family, net, DAYTIME, "daytime")) as daemon:
        assert device_msl_ms(shield) == 300
        assert 0.5 < lasts(daemon, net, family, DAYTIME) < 1.5


def test_daemon_that_is_told_an_msl_sets_the_devices(shield, net, family):
    shield.load(msl="20s")
    options = ("--msl", "300ms")
    with daemons.serving(shield, daemons.spec(family, net, DAYTIME, "daytime"), options=options) as daemon:
        assert device_msl_ms(shield) == 300
        assert 0.5 < lasts(daemon, net, family, DAYTIME) < 1.5


def test_msl_of_the_daemons_service_counts_before_the_devices(shield, net, family):
    shield.load(msl="20s")
    with daemons.serving(shield, daemons.spec(family, net, DAYTIME, "daytime", "msl=300ms")) as daemon:
        assert 0.5 < lasts(daemon, net, family, DAYTIME) < 1.5


# --- keepalive ------------------------------------------------------------------------------------------------------


def receive_probes(peer, count):
    """When so many probes came, seconds from now."""
    began, times = time.monotonic(), []
    for _ in range(count):
        probe = peer.receive("A")
        times.append(time.monotonic() - began)
        assert (probe.seq, probe.ack) == (peer.rcv_nxt - 1, peer.snd_nxt)
    return times


@contextlib.contextmanager
def greeted(shield, family, *keys):
    """A connection of a server that spoke first: the hand-made peer, silent from now on, and the server's socket."""
    shield.load(",".join((f"*:{PORT}", *keys)))
    with sockets.listen(shield.net.server, family, port=PORT) as listener, daemons.serving(shield):
        with wire.Peer(shield.net, family, PORT) as peer:
            peer.open()
            with listener.accept()[0] as server:
                server.settimeout(sockets.SECONDS)
                server.sendall(b"hello")
                peer.take(peer.receive("PA"))
                peer.send("A")
                yield peer, server


def test_silent_peer_of_the_kernels_is_asked_and_its_socket_closed(shield, family):
    with greeted(shield, family, "keepalive=500ms/300ms/3") as (peer, server):
        assert receive_probes(peer, 3) == pytest.approx([0.5, 0.8, 1.1], abs=0.2)
        with pytest.raises(ConnectionAbortedError):
            server.recv(1)


def test_dead_peer_that_is_only_reported_stays_and_may_come_back(shield, family):
    with greeted(shield, family, "keepalive=400ms/200ms/2", "dead=report") as (peer, server):
        receive_probes(peer, 2)
        lab.wait_until(lambda: shield.flow(family, peer.port)["peer_dead"], "that the peer is shown as dead")
        assert peer.stays_silent(1)
        peer.send("PA", b"I am back")
        assert server.recv(100) == b"I am back"
        flow = shield.flow(family, peer.port)
        assert (flow["probes"], flow["peer_dead"]) == (0, False)


def test_keepalive_that_is_changed_is_of_the_kernels_connections_at_once(shield, family):
    with greeted(shield, family) as (peer, _server):
        assert peer.stays_silent(1)
        shield.add_service(f"*:{PORT},keepalive=300ms/300ms/255")
        receive_probes(peer, 2)
        shield.add_service(f"*:{PORT}")
        peer.receive_for(0.5)  # one may be on its way
        assert peer.stays_silent(1)


def test_keepalive_of_the_kernels_connections_needs_a_daemon(shield, net, family):
    shield.load(f"*:{PORT},keepalive=on")

    def is_missed():
        return any("silent peers" in problem for problem in shield.read_json("status")[0]["problems"])

    with sockets.listen(net.server, family, port=PORT):
        assert is_missed()
        with daemons.serving(shield):
            assert not is_missed()
        assert is_missed()


# --- keepalive of the daemon's connections ---------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["always", "off"])
def test_silent_peer_of_the_daemons_is_asked_and_given_up(shield, net, family, policy):
    spec = daemons.spec(family, net, ECHO, "echo", f"policy={policy}", "keepalive=400ms/200ms/3")
    with daemons.serving(shield, spec) as daemon, wire.Peer(net, family, ECHO) as peer:
        peer.open()
        assert receive_probes(peer, 3) == pytest.approx([0.4, 0.6, 0.8], abs=0.15)
        peer.receive("RA")
        lab.wait_until(lambda: daemon.status()["connections"] == 0, "the end of the connection")
        assert shield.flow(family, peer.port) is None or shield.flow(family, peer.port)["state"] == "CLOSED"


def test_answer_to_the_last_probe_keeps_the_connection(shield, net, family):
    with daemons.serving(shield, daemons.spec(family, net, ECHO, "echo", "keepalive=400ms/200ms/3")) as daemon:
        with wire.Peer(net, family, ECHO) as peer:
            peer.open()
            receive_probes(peer, 3)
            peer.send("A")
            assert receive_probes(peer, 1) == pytest.approx([0.4], abs=0.15)
            assert daemon.status()["connections"] == 1


def test_probes_are_shown_until_one_is_answered(shield, net, family):
    with daemons.serving(shield, daemons.spec(family, net, ECHO, "echo", "keepalive=1200ms/1s/9")):
        with wire.Peer(net, family, ECHO) as peer:
            peer.open()
            receive_probes(peer, 2)
            flow = lab.wait_until(lambda: (flow := shield.flow(family, peer.port))["probes"] == 2 and flow, "two probes")
            assert flow["idle_ms"] >= 1000 and not flow["probe_refused"] and not flow["peer_dead"]
            head, row = (line.split() for line in shield.run("flows").stdout.splitlines())
            assert row[head.index("PROBES")] == "2"
            peer.send("A")
            lab.wait_until(lambda: shield.flow(family, peer.port)["probes"] == 0, "none in flows")
            head, row = (line.split() for line in shield.run("flows").stdout.splitlines())
            assert row[head.index("PROBES")] == "-"


def test_peer_that_closed_its_end_and_vanished_is_given_up(shield, net, family):
    """The daemon waits for the FIN of a peer that is there no more: half-closed, only keepalive ends it."""
    with daemons.serving(shield, daemons.spec(family, net, DAYTIME, "daytime", "keepalive=400ms/200ms/2")) as daemon:
        with wire.Peer(net, family, DAYTIME) as peer:
            peer.open()
            peer.take(peer.receive("FPA"))
            peer.send("A")
            lab.wait_until(lambda: shield.flow(family, peer.port)["state"] == "FIN-WAIT-2", "FIN-WAIT-2")
            receive_probes(peer, 2)
            lab.wait_until(lambda: daemon.status()["connections"] == 0, "the end of the connection")


def test_changed_keepalive_is_of_new_connections(shield, net, family):
    spec = daemons.spec(family, net, ECHO, "echo")
    with daemons.serving(shield, spec), wire.Peer(net, family, ECHO) as old, wire.Peer(net, family, ECHO) as new:
        old.open()
        shield.add_service(f"{spec},keepalive=300ms/300ms/9")
        time.sleep(FOLLOWS_SECONDS)
        new.open()
        receive_probes(new, 2)
        assert old.stays_silent()
