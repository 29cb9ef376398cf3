# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The states of connections after each step of their lives: `synkeep flows`, bpftool and ss say the same.

Names: "opened", "server_closes" and so on are what was done; the peer is hand-made where a state must be held that two
kernels would pass through at once.
"""

import socket

import pytest

import lab
import sockets
import wire
from shield import shielded

PORT = 8000

# What ss calls a state; a connection that has ended has no socket.
IN_SS = {"ESTABLISHED": "ESTAB", "CLOSED": None, "SYN-RECEIVED": "SYN-RECV"}


@pytest.fixture(scope="module")
def shield():
    with shielded() as own:
        own.load(f"*:{PORT}")
        yield own


@pytest.fixture
def listener(net, family):
    with sockets.listen(net.server, family, port=PORT) as sock:
        yield sock


@pytest.fixture
def peer(net, family):
    with wire.Peer(net, family, PORT) as hand_made:
        yield hand_made


def opened(listener, peer):
    """A connection of the hand-made peer, established; the server's socket."""
    peer.open()
    server = listener.accept()[0]
    server.settimeout(sockets.SECONDS)
    return server


def states(shield, family, peer_port):
    """The connection's state as flows, bpftool and ss have it."""
    flow = shield.flow(family, peer_port)
    _, record = shield.record(family, peer_port)
    return (flow and flow["state"], record and record["state"],
            sockets.kernel_state(family, shield.net.server, PORT, peer_port))


def assert_state(shield, family, peer_port, state):
    """All three agree; the last packet may be under way for a moment."""
    expected = (state, "TCPS_" + state.replace("-", "_"), IN_SS.get(state, state))
    try:
        lab.wait_until(lambda: states(shield, family, peer_port) == expected, state, timeout=1)
    except TimeoutError:
        assert states(shield, family, peer_port) == expected


# --- lives of a hand-made peer -------------------------------------------------------------------------------------


def test_opened(shield, family, listener, peer):
    with opened(listener, peer):
        assert_state(shield, family, peer.port, "ESTABLISHED")
        name, record = shield.record(family, peer.port)
        assert name == "flows"
        assert record["irs"] == 1000 and record["iss"] == peer.rcv_nxt - 1


def test_data_both_ways(shield, family, listener, peer):
    with opened(listener, peer) as server:
        peer.send("PA", b"question")
        assert server.recv(100) == b"question"
        server.sendall(b"the answer")
        assert peer.take(peer.receive("PA")) == b"the answer"
        peer.send("A")
        assert_state(shield, family, peer.port, "ESTABLISHED")
        flow = shield.flow(family, peer.port)
        assert (flow["rcv_nxt"], flow["snd_nxt"]) == (peer.snd_nxt, peer.rcv_nxt)


def test_server_closes(shield, family, listener, peer):
    with opened(listener, peer) as server:
        server.shutdown(socket.SHUT_WR)
        fin = peer.receive("FA")
        assert_state(shield, family, peer.port, "FIN-WAIT-1")
        peer.take(fin)
        peer.send("A")
        assert_state(shield, family, peer.port, "FIN-WAIT-2")
        peer.send("PA", b"more")  # half-closed: the other way stays open
        assert server.recv(10) == b"more"
        assert_state(shield, family, peer.port, "FIN-WAIT-2")
        peer.send("FA")
        assert_state(shield, family, peer.port, "TIME-WAIT")


def test_server_closes_fin_and_ack_together(shield, family, listener, peer):
    with opened(listener, peer) as server:
        server.shutdown(socket.SHUT_WR)
        peer.take(peer.receive("FA"))
        peer.send("FA")
        assert_state(shield, family, peer.port, "TIME-WAIT")


def test_client_closes(shield, family, listener, peer):
    with opened(listener, peer) as server:
        peer.send("FA")
        assert_state(shield, family, peer.port, "CLOSE-WAIT")
        server.sendall(b"more")  # half-closed
        assert peer.take(peer.receive("PA")) == b"more"
        peer.send("A")
        assert_state(shield, family, peer.port, "CLOSE-WAIT")
        server.shutdown(socket.SHUT_WR)
        fin = peer.receive("FA")
        assert_state(shield, family, peer.port, "LAST-ACK")
        peer.take(fin)
        peer.send("A")
        assert_state(shield, family, peer.port, "CLOSED")  # kept until its cookie is stale


def test_both_close_at_once(shield, family, listener, peer):
    with opened(listener, peer) as server:
        server.shutdown(socket.SHUT_WR)
        fin = peer.receive("FA")
        peer.send("FA")  # does not acknowledge the server's FIN: the two have crossed
        assert_state(shield, family, peer.port, "CLOSING")
        peer.take(fin)
        peer.send("A")
        assert_state(shield, family, peer.port, "TIME-WAIT")


def test_fin_with_data(shield, family, listener, peer):
    with opened(listener, peer) as server:
        peer.send("FPA", b"the end")
        assert sockets.read_exactly(server, 7) == b"the end"
        assert_state(shield, family, peer.port, "CLOSE-WAIT")


def test_fin_ahead_of_missing_data(shield, family, listener, peer):
    with opened(listener, peer) as server:
        at = peer.snd_nxt
        peer.send("FA", seq=at + 5)
        assert_state(shield, family, peer.port, "ESTABLISHED")
        peer.send("A", b"12345", seq=at)
        assert sockets.read_exactly(server, 5) == b"12345"
        assert_state(shield, family, peer.port, "CLOSE-WAIT")


def test_retransmission_changes_nothing(shield, family, listener, peer):
    with opened(listener, peer) as server:
        at = peer.snd_nxt
        peer.send("PA", b"once")
        peer.send("PA", b"once", seq=at)
        assert sockets.read_exactly(server, 4) == b"once"
        assert_state(shield, family, peer.port, "ESTABLISHED")
        assert shield.flow(family, peer.port)["rcv_nxt"] == peer.snd_nxt
        peer.send("FA")
        peer.send("FA", seq=peer.snd_nxt - 1)
        assert_state(shield, family, peer.port, "CLOSE-WAIT")


def test_out_of_window_changes_nothing(shield, family, listener, peer):
    with opened(listener, peer):
        before = shield.counters()
        peer.send("FA", seq=peer.snd_nxt + (1 << 30))
        peer.send("RA", seq=peer.snd_nxt + 1000)  # in the window, but not exactly next (RFC 5961, 3.2)
        assert_state(shield, family, peer.port, "ESTABLISHED")
        counted = shield.counters() - before
        assert (counted["OUT_OF_WINDOW"], counted["CHALLENGED"]) == (1, 1), counted


def test_client_resets(shield, family, listener, peer):
    with opened(listener, peer) as server:
        peer.send("R")
        assert_state(shield, family, peer.port, "CLOSED")
        with pytest.raises(ConnectionResetError):
            server.recv(1)


def test_client_resets_after_closing(shield, family, listener, peer):
    with opened(listener, peer):
        peer.send("FA")
        assert_state(shield, family, peer.port, "CLOSE-WAIT")
        peer.send("R")
        assert_state(shield, family, peer.port, "CLOSED")


def test_client_resets_behind_what_is_missing(shield, family, listener, peer):
    with opened(listener, peer) as server:
        at = peer.snd_nxt
        peer.send("A", b"second", seq=at + 5)
        peer.receive("A")  # with a SACK block
        peer.send("R", seq=at + 11)
        assert_state(shield, family, peer.port, "CLOSED")
        with pytest.raises(ConnectionResetError):
            server.recv(1)


def test_segment_of_long_ago_changes_nothing(shield, family, listener, peer):
    with opened(listener, peer) as server:
        peer.send("PA", b"today")
        assert sockets.read_exactly(server, 5) == b"today"
        peer.clock_lag_ms = 60000
        before = shield.counters()
        peer.send("FPA", b"and then", seq=peer.snd_nxt)
        peer.receive("A")  # the socket does not take it either (PAWS)
        assert (shield.counters() - before)["OUT_OF_WINDOW"] == 1
        assert_state(shield, family, peer.port, "ESTABLISHED")
        peer.clock_lag_ms = 0
        peer.send("FPA", b"bye")
        assert sockets.read_exactly(server, 3) == b"bye"
        assert_state(shield, family, peer.port, "CLOSE-WAIT")


def test_server_resets(shield, family, listener, peer):
    sockets.reset(opened(listener, peer))
    peer.receive("RA")
    assert_state(shield, family, peer.port, "CLOSED")


def test_fin_again_restarts_time_wait(family):
    with shielded() as shield:
        shield.load(f"*:{PORT}")
        with sockets.listen(shield.net.server, family, port=PORT) as listener:
            with wire.Peer(shield.net, family, PORT) as peer, opened(listener, peer) as server:
                server.shutdown(socket.SHUT_WR)
                peer.take(peer.receive("FA"))
                peer.send("FA")
                assert_state(shield, family, peer.port, "TIME-WAIT")
                assert 110000 < shield.flow(family, peer.port)["left_ms"] <= 120000
                shield.advance_clock(100)
                assert shield.flow(family, peer.port)["left_ms"] <= 20000
                peer.send("FA", seq=peer.snd_nxt - 1)
                peer.receive("A")
                assert 110000 < shield.flow(family, peer.port)["left_ms"] <= 120000


def test_time_wait_that_is_over_is_closed_until_its_cookie_is_stale(family):
    with shielded() as shield:
        shield.load(f"*:{PORT}", msl="20s")
        with sockets.listen(shield.net.server, family, port=PORT) as listener:
            with wire.Peer(shield.net, family, PORT) as peer, opened(listener, peer) as server:
                server.shutdown(socket.SHUT_WR)
                peer.take(peer.receive("FA"))
                peer.send("FA")
                assert_state(shield, family, peer.port, "TIME-WAIT")
                shield.advance_clock(41)
                flow = shield.flow(family, peer.port)
                assert flow["state"] == "CLOSED" and 60000 < flow["left_ms"] < 140000, flow
                shield.advance_clock(180)
                assert shield.flow(family, peer.port) is None


def test_replayed_cookie_of_a_closed_connection_is_dropped(shield, family, listener, peer):
    with opened(listener, peer):
        peer.send("R")
        assert_state(shield, family, peer.port, "CLOSED")
        before = shield.counters()
        peer.send("A", seq=peer.snd_nxt)
        assert peer.stays_silent()
        assert (shield.counters() - before)["COOKIE_REPLAY"] == 1
        assert_state(shield, family, peer.port, "CLOSED")


def test_peer_that_has_not_heard_the_reset_is_reset_again(shield, family, listener, peer):
    sockets.reset(opened(listener, peer))
    peer.receive("RA")
    before = shield.counters()
    peer.send("A", ack=peer.rcv_nxt)  # the handshake's ACK once more: its cookie makes no connection
    peer.receive("R")
    assert (shield.counters() - before)["ENDED_SEGMENT"] == 1
    assert_state(shield, family, peer.port, "CLOSED")


# --- lives of two kernels ------------------------------------------------------------------------------------------


def test_kernel_client_closes_first(shield, net, family, listener):
    with sockets.connected(net, family, listener) as (client, server):
        port = sockets.port_of(client)
        sockets.exchange(client, server, 10000)
        assert_state(shield, family, port, "ESTABLISHED")
        client.shutdown(socket.SHUT_WR)
        assert_state(shield, family, port, "CLOSE-WAIT")
        server.close()
        assert_state(shield, family, port, "CLOSED")
        assert sockets.kernel_state(family, net.client, port, PORT) == "TIME-WAIT"


def test_kernel_server_closes_first(shield, net, family, listener):
    with sockets.connected(net, family, listener) as (client, server):
        port = sockets.port_of(client)
        server.shutdown(socket.SHUT_WR)
        assert_state(shield, family, port, "FIN-WAIT-2")
        client.sendall(b"x" * 1000)
        assert sockets.read_exactly(server, 1000) == b"x" * 1000
        client.close()
        assert_state(shield, family, port, "TIME-WAIT")


def test_kernel_client_resets(shield, net, family, listener):
    with sockets.connected(net, family, listener) as (client, _server):
        port = sockets.port_of(client)
        sockets.reset(client)
        assert_state(shield, family, port, "CLOSED")


def test_handshake_of_the_kernels_own(shield, net, family):
    # policy=off: the listener answers itself, so the handshake has a state of its own.
    shield.add_service(f"*:{PORT + 1},policy=off")
    with sockets.listen(net.server, family, port=PORT + 1) as listener, wire.Peer(net, family, PORT + 1) as peer:
        peer.ask()
        name, record = shield.record(family, peer.port)
        assert (name, record["state"]) == ("half", "TCPS_SYN_RECEIVED")
        assert shield.flow(family, peer.port)["state"] == "SYN-RECEIVED"
        peer.send("A")
        with listener.accept()[0]:
            name, record = shield.record(family, peer.port)
            assert (name, record["state"]) == ("flows", "TCPS_ESTABLISHED")
            assert not shield.flow(family, peer.port)["cookie"]


# --- what the commands show ----------------------------------------------------------------------------------------


def test_bpftool_prints_states_by_name(shield, family, listener, peer):
    with opened(listener, peer):
        dump = shield.bpftool("map", "dump", "pinned", shield.pins / f"flows{family.suffix}").stdout
        assert "TCPS_ESTABLISHED" in dump


def test_flows_show_what_was_agreed_on(shield, net, family, listener):
    with sockets.connected(net, family, listener) as (client, server):
        sockets.exchange(client, server, 1000)
        port = sockets.port_of(client)
        flow = shield.flow(family, port)
        ends = {"local_address": family.address(net.server), "local_port": PORT,
                "remote_address": family.address(net.client), "remote_port": port}
        assert {key: flow[key] for key in ends} == ends
        of_socket = sockets.negotiated(family, net.server, PORT, port)
        assert of_socket["wscale"] == f"{flow['snd_wscale']},{flow['rcv_wscale']}"
        assert (flow["timestamps"], flow["sack"], flow["ecn"]) == \
            (of_socket["timestamps"], of_socket["sack"], of_socket["ecn"])
        assert flow["mss"] == family.own_mss
        assert (flow["owner"], flow["cookie"], flow["handover"], flow["adopted"]) == ("kernel", True, False, False)


def test_filters(shield, net, family, listener, peer):
    def ports(**filters):
        return {flow["remote_port"] for flow in shield.flows(**filters)}

    with opened(listener, peer) as held, sockets.connected(net, family, listener) as (client, server):
        mine, other = peer.port, sockets.port_of(client)
        held.shutdown(socket.SHUT_WR)
        assert_state(shield, family, mine, "FIN-WAIT-1")
        assert {mine, other} <= ports()
        assert mine in ports(state="FIN-WAIT-1") and other not in ports(state="FIN-WAIT-1")
        assert other in ports(state="established") and mine not in ports(state="established")
        assert ports(source=family.peer) >= {mine} and other not in ports(source=family.peer)
        prefix = {"ipv4": "10.99.0.0/16", "ipv6": "2001:db8:99::/48"}[family.name]
        assert other in ports(source=prefix) and mine not in ports(source=prefix)
        assert ports(service=family.spec(net.server, PORT)) >= {mine, other}
        assert not ports(service=family.spec(net.server, PORT + 7))
        assert not ports(service=f"*:{PORT}", source=prefix, state="LISTEN")


def test_count(shield, family, listener, peer):
    with opened(listener, peer):
        counted = shield.run("flows", shield.device, "--count", "--source", family.peer).stdout
        assert int(counted) == len(shield.flows(source=family.peer)) >= 1


def test_table_has_a_line_for_each_connection(shield, net, family, listener, peer):
    with opened(listener, peer):
        filters = ("--state", "established", "--source", family.peer)
        lines = shield.run("flows", shield.device, *filters).stdout.splitlines()
        assert lines[0].startswith("STATE")
        assert any(family.endpoint(family.peer, peer.port) in line and "ESTABLISHED" in line for line in lines[1:])


# --- packets and bytes ---------------------------------------------------------------------------------------------


def weigh(capture, port):
    """The connection's packets and bytes of IP each way, but for SYN and SYN-ACK: the record begins with the ACK."""
    weights = {True: [0, 0], False: [0, 0]}
    for frame, tcp in capture.segments(port):
        if "S" not in tcp.flags:
            weights[frame.is_outgoing][0] += 1
            weights[frame.is_outgoing][1] += len(frame.data) - 14
    return weights[True], weights[False]


@pytest.mark.parametrize("segments", ["whole", "cut-by-the-device"])
def test_packets_and_bytes_are_those_of_the_wire(family, segments):
    with shielded() as shield, wire.Capture(shield.net.client) as capture:
        net = shield.net
        wire.turn_off_offloads(net.client)
        if segments == "whole":  # TCP makes segments as the wire has them, and none that a device is to cut
            net.server.run("ip", "link", "set", net.server.device, "gso_max_segs", 1)
        shield.load(f"*:{PORT}")
        with sockets.listen(net.server, family, port=PORT) as listener:
            with sockets.connected(net, family, listener) as (client, server):
                port = sockets.port_of(client)
                sockets.exchange(client, server, 300000)
                ends = f"sport = :{PORT} and dport = :{port}"
                lab.wait_until(lambda: "unacked" not in net.server.run("ss", "-HtinO", ends).stdout, "the last ACK")
                flow = shield.flow(family, port)
                (rx_packets, rx_bytes), (tx_packets, tx_bytes) = weigh(capture, port)
    assert (flow["rx_packets"], flow["rx_bytes"]) == (rx_packets, rx_bytes)
    assert (flow["tx_packets"], flow["tx_bytes"]) == (tx_packets, tx_bytes)
