# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An MTU of 9000: native XDP gets frames in several buffers, and the records count what was on the wire."""

import pytest

import sockets
import wire

PORT = 8000
MTU = 9000
BYTES = 4 << 20
ETH_BYTES = 14
TIMESTAMPS_BYTES = 12


@pytest.fixture
def jumbo(shield):
    for host in (shield.net.client, shield.net.server):
        host.run("ip", "link", "set", host.device, "mtu", MTU)
    shield.load(f"*:{PORT}", xdp="native")
    return shield


def weigh(capture, port, is_outgoing):
    """Packets and bytes of IP that the capture saw of the port's connection in one direction, but for SYNs."""
    lengths = [len(frame.data) - ETH_BYTES for frame, tcp in capture.segments(port)
               if frame.is_outgoing == is_outgoing and "S" not in tcp.flags]
    return {"packets": len(lengths), "bytes": sum(lengths)}


def test_bulk_transfer_is_whole_and_counted_as_on_the_wire(jumbo, net, family):
    own_mss = MTU - family.header_bytes - 20
    with sockets.listen(net.server, family, port=PORT) as listener:
        with wire.Capture(net.client) as from_client, wire.Capture(net.server) as from_server:
            with sockets.connected(net, family, listener) as (client, server):
                sockets.exchange(client, server, BYTES)
                port = sockets.port_of(client)
                for host, ports in ((net.client, (port, PORT)), (net.server, (PORT, port))):
                    assert sockets.negotiated(family, host, *ports)["mss"] == own_mss - TIMESTAMPS_BYTES
                flow = jumbo.flow(family, port)
                received, sent = weigh(from_client, port, True), weigh(from_server, port, True)
    assert max(len(frame.data) for frame in from_client.seen) == MTU + ETH_BYTES
    assert (flow["rx_packets"], flow["rx_bytes"]) == (received["packets"], received["bytes"])
    assert (flow["tx_packets"], flow["tx_bytes"]) == (sent["packets"], sent["bytes"])
    assert not jumbo.counters().keys() & jumbo.drops()
