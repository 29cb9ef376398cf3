# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Connections that the listener's accept queue has room for, and those that it has not."""

import concurrent.futures

import lab
import sockets
import wire

SYN_RECEIVED_MS = 128 * 1000  # as long as a record lives whose owner may not have the connection
UNUSED_MS = 900 * 1000  # and one whose owner was handed it with room for it


def test_silent_connection_is_followed_for_a_quarter_of_an_hour(shield, net, family):
    shield.load("*:*")
    with sockets.listen(net.server, family) as listener:
        with sockets.connect(net.client, family, listener.getsockname()[:2]) as client:
            flow = lab.wait_until(lambda: shield.flow(family, sockets.port_of(client)), "the record")
            assert (flow["state"], flow["tx_packets"]) == ("ESTABLISHED", 0)
            assert SYN_RECEIVED_MS < flow["left_ms"] <= UNUSED_MS


def test_connection_beyond_the_queue_is_followed_briefly_and_made_later(shield, net, family):
    shield.load("*:*")
    with sockets.listen(net.server, family) as listener:
        listener.listen(0)  # room for one
        address = listener.getsockname()[:2]
        with wire.Peer(net, family, address[1]) as peer:
            peer.ask()
            with sockets.connect(net.client, family, address):  # takes the room between the cookie and its ACK
                peer.send("A")
                flow = lab.wait_until(lambda: shield.flow(family, peer.ports["sport"]), "the record")
                assert flow["handover"] and flow["left_ms"] <= SYN_RECEIVED_MS
                listener.accept()[0].close()
            peer.send("PA", b"is there room?")
            server, address = listener.accept()
            with server:
                assert address[1] == peer.ports["sport"]
                assert sockets.read_exactly(server, 14) == b"is there room?"
        assert not shield.counters()["HANDOVER_REFUSED"]


def test_client_waits_with_its_syn_while_the_queue_is_full(shield, net, family):
    # Were it answered, a client that waits for the server to speak first would wait for ever.
    shield.load("*:*")
    with sockets.listen(net.server, family) as listener, concurrent.futures.ThreadPoolExecutor() as threads:
        listener.listen(0)  # room for one
        address = listener.getsockname()[:2]
        with sockets.connect(net.client, family, address):
            second = threads.submit(sockets.connect, net.client, family, address)
            lab.wait_until(lambda: shield.counters()["SYN_QUEUE_FULL"], "a SYN that is not answered")
            assert not second.done()
            listener.accept()[0].close()
            with second.result() as client, listener.accept()[0] as server:
                server.sendall(b"220 ready")
                assert sockets.read_exactly(client, 9) == b"220 ready"
