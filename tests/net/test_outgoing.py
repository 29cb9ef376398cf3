# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Connections that the server opens, with `load --track-outgoing` and without it: `synkeep flows`, bpftool and ss agree.

The peer is hand-made where a state must be held, a kernel where the terms of a connection matter. Names as in
test_states.py.
"""

import contextlib
import itertools
import socket

import pytest

import lab
import sockets
import wire
from shield import CONFIG_PHASE, PHASE_ACTIVE, PHASE_LOADING, shielded

PORT = 8000  # of a service
REMOTE = 443  # of none
IN_SS = {"CLOSED": None, "ESTABLISHED": "ESTAB", "SYN-RECEIVED": "SYN-RECV"}

_local_ports = itertools.count(30000)


@pytest.fixture(scope="module")
def shield():
    with shielded() as own:
        own.load(f"*:{PORT}", track_outgoing=True)
        yield own


@pytest.fixture
def peer(net, family):
    """The hand-made end that the server connects to."""
    with wire.Peer(net, family, next(_local_ports), source_port=REMOTE) as hand_made:
        yield hand_made


@contextlib.contextmanager
def asked(net, family, peer):
    """The server has sent its SYN, which the peer has counted."""
    with sockets.begin_to_connect(net.server, family, (family.peer, REMOTE), peer.ports["dport"]) as client:
        peer.take(peer.receive("S"))
        yield client


@contextlib.contextmanager
def opened(net, family, peer):
    with asked(net, family, peer) as client:
        peer.send("SA")
        peer.receive("A")
        yield client


def flow(shield, family, peer):
    """The connection of the peer's as `synkeep flows` has it, or None."""
    found = [flow for flow in shield.flows(source=family.peer) if flow["local_port"] == peer.ports["dport"]]
    assert len(found) <= 1, f"more than one record: {found}"
    return found[0] if found else None


def states(shield, family, peer):
    """The connection's state as flows, bpftool and ss have it."""
    shown = flow(shield, family, peer)
    local = peer.ports["dport"]
    records = [value["state"] for name in ("half", "flows", "tw") for key, value in shield.dump(name + family.suffix)
               if key["local_port"] == local]
    return (shown and shown["state"], records[0] if records else None,
            sockets.kernel_state(family, shield.net.server, local, REMOTE))


def assert_state(shield, family, peer, state):
    """All three agree; the last packet may be under way for a moment. None: there is nothing."""
    expected = (state, state and "TCPS_" + state.replace("-", "_"), IN_SS.get(state, state))
    try:
        lab.wait_until(lambda: states(shield, family, peer) == expected, state, timeout=1)
    except TimeoutError:
        assert states(shield, family, peer) == expected


# --- the handshake -------------------------------------------------------------------------------------------------


def test_asked_and_answered(shield, net, family, peer):
    with asked(net, family, peer) as client:
        assert_state(shield, family, peer, "SYN-SENT")
        assert flow(shield, family, peer)["direction"] == "out"
        peer.send("SA")
        assert_state(shield, family, peer, "ESTABLISHED")
        client.sendall(b"question")
        assert peer.take(peer.receive("PA")) == b"question"
        peer.send("PA", b"the answer")
        assert sockets.read_exactly(client, 10) == b"the answer"
        assert_state(shield, family, peer, "ESTABLISHED")
        shown = flow(shield, family, peer)
        assert (shown["rcv_nxt"], shown["snd_nxt"]) == (peer.snd_nxt, peer.rcv_nxt)
        assert (shown["direction"], shown["cookie"], shown["adopted"]) == ("out", False, False)


def test_refused(shield, net, family, peer):
    with asked(net, family, peer) as client:
        peer.send("RA", seq=0)
        assert_state(shield, family, peer, None)
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def test_forged_answers_change_nothing(shield, net, family, peer):
    with asked(net, family, peer):
        peer.send("R", seq=0)
        peer.send("RA", seq=0, ack=peer.rcv_nxt + 1)
        peer.send("SA", seq=7, ack=peer.rcv_nxt + 7)
        peer.receive("R")  # the socket's to the last of them
        assert_state(shield, family, peer, "SYN-SENT")
        peer.send("SA")
        assert_state(shield, family, peer, "ESTABLISHED")


def test_answer_with_text(shield, net, family, peer):
    with asked(net, family, peer) as client:
        at = peer.snd_nxt
        peer.send("SA", b"too early", seq=at)
        peer.snd_nxt = at + 1
        assert peer.receive("A").ack == at + 1
        assert flow(shield, family, peer)["rcv_nxt"] == at + 1
        peer.send("PA", b"now")
        assert sockets.read_exactly(client, 3) == b"now"
        assert_state(shield, family, peer, "ESTABLISHED")


def test_both_open_at_once(shield, net, family, peer):
    with asked(net, family, peer) as client:
        peer.send("S")
        assert_state(shield, family, peer, "SYN-RECEIVED")
        syn_ack = peer.receive("SA")
        assert syn_ack.ack == peer.snd_nxt
        peer.send("SA", seq=peer.snd_nxt - 1)
        assert_state(shield, family, peer, "ESTABLISHED")
        peer.send("PA", b"crossed")
        assert sockets.read_exactly(client, 7) == b"crossed"
        assert flow(shield, family, peer)["rcv_nxt"] == peer.snd_nxt


# --- from there on like any flow -----------------------------------------------------------------------------------


def test_server_closes(shield, net, family, peer):
    with opened(net, family, peer) as client:
        client.shutdown(socket.SHUT_WR)
        fin = peer.receive("FA")
        assert_state(shield, family, peer, "FIN-WAIT-1")
        peer.take(fin)
        peer.send("A")
        assert_state(shield, family, peer, "FIN-WAIT-2")
        peer.send("FA")
        assert_state(shield, family, peer, "TIME-WAIT")
        shield.advance_clock(100)
        peer.send("FA", seq=peer.snd_nxt - 1)  # restarts the 2MSL
        peer.receive("A")
        assert 110000 < flow(shield, family, peer)["left_ms"] <= 120000
        shield.advance_clock(0)


def test_peer_closes(shield, net, family, peer):
    with opened(net, family, peer) as client:
        peer.send("FA")
        assert_state(shield, family, peer, "CLOSE-WAIT")
        client.shutdown(socket.SHUT_WR)
        fin = peer.receive("FA")
        assert_state(shield, family, peer, "LAST-ACK")
        peer.take(fin)
        peer.send("A")
        assert_state(shield, family, peer, None)  # no cookie made it: there is nothing to replay


def test_both_close_at_once(shield, net, family, peer):
    with opened(net, family, peer) as client:
        client.shutdown(socket.SHUT_WR)
        fin = peer.receive("FA")
        peer.send("FA")
        assert_state(shield, family, peer, "CLOSING")
        peer.take(fin)
        peer.send("A")
        assert_state(shield, family, peer, "TIME-WAIT")


def test_reset_either_way(shield, net, family, peer):
    with opened(net, family, peer) as client:
        peer.send("R", seq=peer.snd_nxt + 100)
        peer.receive("A")  # the challenge (RFC 5961, 3.2)
        assert_state(shield, family, peer, "ESTABLISHED")
        peer.send("R")
        assert_state(shield, family, peer, None)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_server_resets(shield, net, family, peer):
    with opened(net, family, peer) as client:
        sockets.reset(client)
        peer.receive("RA")
        assert_state(shield, family, peer, "CLOSED")  # it may have to be told again


def test_same_ports_again_from_time_wait(shield, net, family, peer):
    net.server.sysctl(net__ipv4__tcp_tw_reuse=1, net__ipv4__tcp_tw_reuse_delay=1)
    with opened(net, family, peer) as client:
        client.shutdown(socket.SHUT_WR)
        peer.take(peer.receive("FA"))
        peer.send("FA")
        assert_state(shield, family, peer, "TIME-WAIT")
    with asked(net, family, peer):
        assert_state(shield, family, peer, "SYN-SENT")
        peer.send("SA")
        assert_state(shield, family, peer, "ESTABLISHED")


# --- two kernels ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def outward(net, family, options=()):
    """A connection of the server's to a listener of the client's: both sockets."""
    with sockets.listen(net.client, family) as listener:
        with sockets.connect(net.server, family, listener.getsockname(), options=options) as own:
            other = listener.accept()[0]
            other.settimeout(sockets.SECONDS)
            with other:
                yield own, other


def flow_of(shield, own):
    found = [flow for flow in shield.flows() if flow["local_port"] == sockets.port_of(own)]
    assert len(found) <= 1, f"more than one record: {found}"
    return found[0] if found else None


def test_terms_are_the_sockets(shield, net, family):
    with outward(net, family) as (own, other):
        sockets.exchange(own, other, 300000)
        local, remote = sockets.port_of(own), sockets.port_of(other)
        shown, of_socket = flow_of(shield, own), sockets.negotiated(family, net.server, local, remote)
        assert of_socket["wscale"] == f"{shown['snd_wscale']},{shown['rcv_wscale']}"
        assert (shown["timestamps"], shown["sack"], shown["ecn"]) == \
            (of_socket["timestamps"], of_socket["sack"], of_socket["ecn"])
        assert (shown["state"], shown["mss"]) == ("ESTABLISHED", family.own_mss)


def test_terms_that_the_peer_does_not_take(shield, net, family):
    net.client.sysctl(net__ipv4__tcp_sack=0, net__ipv4__tcp_window_scaling=0, net__ipv4__tcp_timestamps=0)
    try:
        with outward(net, family) as (own, other):
            sockets.exchange(own, other, 300000)
            shown = flow_of(shield, own)
            assert (shown["timestamps"], shown["sack"], "snd_wscale" in shown) == (False, False, False)
    finally:
        net.client.sysctl(net__ipv4__tcp_sack=1, net__ipv4__tcp_window_scaling=1, net__ipv4__tcp_timestamps=1)


def test_ecn_is_agreed_on(shield, net, family):
    net.server.sysctl(net__ipv4__tcp_ecn=1)
    try:
        with outward(net, family) as (own, _other):
            assert flow_of(shield, own)["ecn"]
    finally:
        net.server.sysctl(net__ipv4__tcp_ecn=2)


def test_direction_filter(shield, net, family):
    with outward(net, family) as (own, _other), sockets.listen(net.server, family, port=PORT) as listener:
        with sockets.connected(net, family, listener) as (client, _server):
            ports = {way: {(flow["local_port"], flow["remote_port"]) for flow in shield.flows(direction=way)}
                     for way in ("in", "out")}
            outgoing, incoming = (sockets.port_of(own), own.getpeername()[1]), (PORT, sockets.port_of(client))
            assert outgoing in ports["out"] and outgoing not in ports["in"]
            assert incoming in ports["in"] and incoming not in ports["out"]
    assert shield.run("flows", "--direction", "up", check=False).returncode == 2


def test_accepted_on_a_port_of_no_service(shield, net, family):
    with sockets.listen(net.server, family) as listener:
        with sockets.connected(net, family, listener) as (client, server):
            sockets.exchange(client, server, 10000)
            assert flow_of(shield, server) is None


def test_status_says_so(shield):
    status, = shield.read_json("status", shield.device)
    assert status["track_outgoing"] is True
    assert "connections that this host opens" in shield.run("status", shield.device).stdout


# --- from before the load, and met in mid-life ----------------------------------------------------------------------


def test_from_before_the_load(family):
    with shielded() as shield, contextlib.ExitStack() as sockets_open:
        net = shield.net
        own, other = sockets_open.enter_context(outward(net, family))
        sockets.exchange(own, other, 1000)
        listener = sockets_open.enter_context(sockets.listen(net.server, family))
        client, accepted = sockets_open.enter_context(sockets.connected(net, family, listener))
        sockets.exchange(client, accepted, 1000)
        at_home = sockets_open.enter_context(sockets.listen(net.server, family))
        local = sockets_open.enter_context(sockets.connect(net.server, family, at_home.getsockname()))
        shield.load(track_outgoing=True)
        shown = flow_of(shield, own)
        assert (shown["state"], shown["direction"], shown["adopted"]) == ("ESTABLISHED", "out", True)
        assert flow_of(shield, accepted) is None, "it came in, and no service names its port"
        assert flow_of(shield, local) is None, "it does not go through the device"
        sockets.exchange(own, other, 100000)
        assert flow_of(shield, own)["rx_packets"] > 0
        shield.unload("--now")
        sockets.exchange(own, other, 1000)


def test_met_in_mid_life(family):
    with shielded() as shield:
        shield.load(track_outgoing=True)
        with outward(shield.net, family) as (own, other):
            sockets.exchange(own, other, 1000)
            shield.advance_clock(6 * 86400)  # the record has expired
            assert flow_of(shield, own) is None
            sockets.exchange(own, other, 1000)
            shown = flow_of(shield, own)
            assert (shown["state"], shown["direction"], shown["adopted"]) == ("ESTABLISHED", "out", True)


def test_answer_that_the_programs_missed(shield, net, family, peer):
    with asked(net, family, peer) as client:
        shield.write_config(CONFIG_PHASE, bytes([PHASE_LOADING]))  # the programs look away
        peer.send("SA")
        peer.receive("A")
        shield.write_config(CONFIG_PHASE, bytes([PHASE_ACTIVE]))
        client.sendall(b"hello")
        assert peer.take(peer.receive("PA")) == b"hello"
        assert_state(shield, family, peer, "ESTABLISHED")
        assert flow(shield, family, peer)["adopted"]


def test_services_of_every_port_come_and_go(shield, net, family):
    spec = family.spec(net.server, "*")
    shield.add_service(spec)
    shield.delete_service(spec)
    with outward(net, family) as (own, _other):
        assert flow_of(shield, own)["direction"] == "out"


# --- whose SYN it is -----------------------------------------------------------------------------------------------


def test_forwarded_syn_is_not_ours(shield, net, family, peer):
    """The server is a router for it: it leaves by the device, and this host did not open it."""
    forwarding = {"ipv4": "net.ipv4.conf.all.forwarding", "ipv6": "net.ipv6.conf.all.forwarding"}[family.name]
    net.server.run("sysctl", "-qw", f"{forwarding}=1")
    before = shield.counters()
    try:
        elsewhere = {"ipv4": "198.51.100.9", "ipv6": "2001:db8:9::9"}[family.name]
        peer.header = family.header(src=family.peer, dst=elsewhere)
        with wire.Capture(net.client) as capture:
            peer.send("S")
            lab.wait_until(lambda: [frame for frame, _ in capture.segments(peer.port) if not frame.is_outgoing],
                           "the forwarded SYN")
    finally:
        net.server.run("sysctl", "-qw", f"{forwarding}=0")
    assert (shield.counters() - before)["OWN_SYN"] == 0
    assert not shield.flows(source=elsewhere)


@pytest.mark.parametrize("spec", ["{address}:*", "*:{port}"])
def test_without_the_option_crossing_syns_of_a_service_pass(family, spec):
    """The peer's SYN on a tuple that the server opens is its socket's, though the policy is always."""
    with shielded() as shield:
        net, local = shield.net, next(_local_ports)
        address = {"ipv4": net.server.ipv4, "ipv6": f"[{net.server.ipv6}]"}[family.name]
        shield.load(spec.format(address=address, port=local))
        with wire.Peer(net, family, local, source_port=REMOTE) as peer, asked(net, family, peer) as client:
            assert_state(shield, family, peer, "SYN-SENT")
            peer.send("S")
            peer.receive("SA")
            assert_state(shield, family, peer, "SYN-RECEIVED")
            peer.send("SA", seq=peer.snd_nxt - 1)
            assert_state(shield, family, peer, "ESTABLISHED")
            peer.send("PA", b"crossed")
            assert sockets.read_exactly(client, 7) == b"crossed"
            assert flow(shield, family, peer)["direction"] == "out"
            counted = shield.counters()
            assert (counted["SYN_LIVE"], counted["SYN_COOKIE"], counted["SYN_ACK"]) == (1, 0, 1)


def test_without_the_option_nothing_of_no_service_is_tracked(family):
    with shielded() as shield:
        shield.load(f"*:{PORT}")
        with outward(shield.net, family) as (own, other):
            sockets.exchange(own, other, 100000)
            assert shield.record_count() == 0
            assert set(shield.counters()) <= {"NO_SERVICE", "OTHER"}, shield.counters()
        status, = shield.read_json("status", shield.device)
        assert status["track_outgoing"] is False
