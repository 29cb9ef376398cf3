# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Connections that the listener's accept queue has room for, and those that it has not."""

import lab
import sockets

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
        with sockets.connect(net.client, family, address), sockets.connect(net.client, family, address) as second:
            flow = lab.wait_until(lambda: shield.flow(family, sockets.port_of(second)), "the record")
            assert flow["handover"] and flow["left_ms"] <= SYN_RECEIVED_MS
            second.sendall(b"is there room?")
            listener.accept()[0].close()
            server, peer = listener.accept()  # by the data sent again
            with server:
                assert peer[1] == sockets.port_of(second)
                assert sockets.read_exactly(server, 14) == b"is there room?"
        assert not shield.counters()["HANDOVER_REFUSED"]
