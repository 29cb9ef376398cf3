# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The tables are full, and no process runs: every connection is served, and followed while there is room."""

import contextlib
import socket

import lab
import sockets
import web
import wire
from test_handover_batch import undisturbed

PORT = 80
TABLE = 256
SMALL_TABLE = 64  # the least that can be asked for
STRANGERS_WELCOME_S = 128  # after the load


@contextlib.contextmanager
def held(net, family, listener, count):
    """So many connections, open at once: pairs of the client's socket and the server's."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(sockets.connected(net, family, listener)) for _ in range(count)]


def chat(client, server):
    client.sendall(b"question")
    assert sockets.read_exactly(server, 8) == b"question"
    server.sendall(b"answer")
    assert sockets.read_exactly(client, 6) == b"answer"


def close(client, server):
    """The server's socket is CLOSED after it: its record is gone at once."""
    client.close()
    assert server.recv(1) == b""
    server.close()


def followed(shield, family):
    """The ports of the peers that have a live record."""
    return {key["remote_port"] for key, _ in shield.dump(f"flows{family.suffix}")}


def test_four_tables_of_connections_one_after_the_other_are_all_followed(shield, net, family):
    count = 4 * TABLE
    shield.load(f"*:{PORT}", policy="always", flows=TABLE)
    with web.WebServer(net.server, PORT):
        outcome = net.client.read_json(lab.tool("fetch"), "--port", PORT, "--count", count, "--parallel", 16,
                                       "--seconds", 20, "--timeout", 15, family.address(net.server))
    assert (outcome["begun"], outcome["succeeded"]) == (count, count), outcome
    counted = shield.counters()
    # A port that is used again is in TIME-WAIT here, and the server answers its SYN itself.
    assert counted["COOKIE_ACK"] + counted["HALF_OPEN_ACK"] == count, counted
    assert not counted["FLOWS_FULL"] and not counted["NO_FLOW"], counted
    lab.wait_until(lambda: not followed(shield, family), "the last records to end")


def test_ended_records_make_room_for_the_newest(shield, net, family):
    shield.load(f"*:{PORT}", policy="always", flows=SMALL_TABLE)
    ports = []
    with sockets.listen(net.server, family, port=PORT) as listener:
        for _ in range(4 * SMALL_TABLE):
            with sockets.connected(net, family, listener) as (client, server):
                server.close()  # first: TIME-WAIT is here
                assert client.recv(1) == b""
                ports.append(sockets.port_of(client))
    ended = {key["remote_port"]: value["state"] for key, value in shield.dump(f"tw{family.suffix}")}
    assert len(ended) <= SMALL_TABLE
    assert ended.get(ports[-1]) == "TCPS_TIME_WAIT", "the newest is not there"
    assert not shield.counters()["FLOWS_FULL"]


def test_last_acknowledgement_of_a_forgotten_connection_leaves_no_live_record(shield, net, family):
    """It is sent before the socket is in TIME-WAIT, when its ended record may have made room for another already."""
    shield.load(f"*:{PORT}", policy="always", flows=SMALL_TABLE)
    with sockets.listen(net.server, family, port=PORT) as listener, \
            sockets.connected(net, family, listener) as (client, server):
        server.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
        peer_port = sockets.port_of(client)
        sockets.wait_for_state(family, net.server, PORT, peer_port, "FIN-WAIT-2")
        net.server.run("ip", "link", "set", "dev", net.server.device, "xdp", "off")  # the FIN is not seen
        shield.forget(family, peer_port)
        client.close()
        assert server.recv(1) == b""
    sockets.wait_for_state(family, net.server, PORT, peer_port, "TIME-WAIT")
    name, record = shield.record(family, peer_port)
    assert (name, record["state"]) == ("tw", "TCPS_TIME_WAIT")


def test_more_connections_than_records_are_served_and_followed_when_there_is_room(shield, net, family):
    beyond = SMALL_TABLE // 2
    shield.load(f"*:{PORT}", policy="always", flows=SMALL_TABLE)
    with sockets.listen(net.server, family, port=PORT) as listener, \
            held(net, family, listener, SMALL_TABLE + beyond) as connections:
        for connection in connections:
            chat(*connection)
        inside, outside = connections[:SMALL_TABLE], connections[SMALL_TABLE:]
        assert followed(shield, family) == {sockets.port_of(client) for client, _ in inside}
        counted = shield.counters()
        assert counted["COOKIE_ACK"] >= len(connections) and counted["HANDOVER"] == len(connections), counted
        assert counted["FLOWS_FULL"] >= beyond and not counted["NO_FLOW"], counted
        for connection in inside[:beyond]:
            close(*connection)
        for connection in outside:
            chat(*connection)
        assert followed(shield, family) >= {sockets.port_of(client) for client, _ in outside}
        counted = shield.counters()
        assert counted["ADOPTED"] + counted["OWN_ADOPTED"] == beyond, counted


def test_data_right_behind_the_ack_is_not_lost_when_the_table_is_full(shield, net, family):
    data = [b"request %d" % number for number in range(5)]
    shield.load(f"*:{PORT}", policy="always", flows=SMALL_TABLE)
    shield.advance_clock(STRANGERS_WELCOME_S + 1)
    net.server.thread_napi(0)
    with sockets.listen(net.server, family, port=PORT) as listener, \
            held(net, family, listener, SMALL_TABLE), wire.Peer(net, family, PORT) as peer:
        peer.ask()
        with undisturbed(0):
            peer.send("A")
            for piece in data:
                peer.send("PA", piece)
        with listener.accept()[0] as server:
            server.settimeout(1)  # the peer repeats nothing
            assert sockets.read_exactly(server, 9 * len(data)) == b"".join(data)
    counted = shield.counters()
    assert counted["FLOWS_FULL"] and not counted["NO_FLOW"] and not counted["HANDOVER_EARLY"], counted


def test_a_stranger_to_a_full_table_gets_no_answer(shield, net, family):
    """It waits for a connection that never comes, and ends there: the listener sends it no reset."""
    shield.load(f"*:{PORT}", policy="always", flows=SMALL_TABLE)
    shield.advance_clock(STRANGERS_WELCOME_S + 1)
    with sockets.listen(net.server, family, port=PORT) as listener, \
            held(net, family, listener, SMALL_TABLE + 1), wire.Peer(net, family, PORT) as stranger:
        stranger.send("PA", b"who is there", seq=1, ack=1)
        assert stranger.stays_silent()
    counted = shield.counters()
    assert (counted["STRANGER"], counted["HANDOVER_EARLY"]) == (1, 1), counted
