# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A veth gives generic XDP the packets that its peer's TCP would have had a network card cut: the record counts what the
card would have sent. Nothing is merged on the way in: the kernel does no GRO where generic XDP is."""

import pytest

import sockets
import wire

PORT = 8000
BYTES = 4 << 20
ETH_BYTES = 14
TCP_BYTES = 32  # with timestamps; without SACK that is all
BIG = 180000  # beyond what an IP header's length can say
JUMBO_HEADER_BYTES = 8  # the kernel's own, in such a packet of IPv6
HOP_BY_HOP = 0
SYN = 2


@pytest.fixture
def generic(shield):
    for host in (shield.net.client, shield.net.server):
        host.sysctl(net__ipv4__tcp_sack=0)
    shield.load(f"*:{PORT}", xdp="generic")
    return shield


def read(frame, family):
    """Destination port, flags and payload of a TCP frame; scapy takes no frame that is beyond the length field."""
    tcp = ETH_BYTES + family.header_bytes
    if family.name == "ipv6" and frame.data[ETH_BYTES + 6] == HOP_BY_HOP:
        tcp += JUMBO_HEADER_BYTES
    return int.from_bytes(frame.data[tcp + 2:tcp + 4]), frame.data[tcp + 13], len(frame.data) - tcp - TCP_BYTES


def transfer(shield, family):
    """Sends BYTES each way; returns the flow, and the payload of each frame that left the client."""
    net = shield.net
    with sockets.listen(net.server, family, port=PORT) as listener, wire.Capture(net.client) as capture:
        with sockets.connected(net, family, listener) as (client, server):
            sockets.exchange(client, server, BYTES)
            flow = shield.flow(family, sockets.port_of(client))
            sent = [read(frame, family) for frame in capture.frames() if frame.is_outgoing]
    return flow, [payload for port, flags, payload in sent if port == PORT and not flags & SYN]


def assert_counted(flow, payloads, family):
    segment_bytes = family.own_mss - 12
    packets = sum(max(1, -(-payload // segment_bytes)) for payload in payloads)
    assert packets > len(payloads)
    assert flow["rx_packets"] == packets
    assert flow["rx_bytes"] == sum(payloads) + packets * (family.header_bytes + TCP_BYTES)


def test_packets_still_to_be_cut_count_their_segments(generic, family):
    flow, payloads = transfer(generic, family)
    assert_counted(flow, payloads, family)


def test_packets_beyond_the_length_field_count_their_segments(generic, family):
    for host in (generic.net.client, generic.net.server):
        host.run("ip", "link", "set", host.device, "gso_max_size", BIG)
    flow, payloads = transfer(generic, family)
    if family.name == "ipv6":  # IPv4 has a limit of its own, which not every ip(8) can set
        assert max(payloads) > 1 << 16
    assert_counted(flow, payloads, family)
