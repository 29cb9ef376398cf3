# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is for no service comes through byte for byte, and is answered as without the shield."""

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Timestamp, fragment
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

import sockets
import wire

PORT, OTHER_PORT = 8000, 8001
MARK = "02:00:00:00:99:77"  # the source of hand-made frames, so that a capture tells them from the kernels' own


def other_frames(net):
    """One frame of each kind that is not TCP for a service."""
    eth = Ether(src=MARK, dst=net.server.mac)
    ipv4, ipv6 = IP(src="203.0.113.9", dst=net.server.ipv4), IPv6(src="2001:db8:9::9", dst=net.server.ipv6)
    to_other = TCP(sport=1234, dport=OTHER_PORT, seq=7, options=[("MSS", 1400), ("WScale", 5)])
    frames = [
        eth / ipv4 / to_other,
        eth / ipv6 / to_other,
        eth / ipv4 / TCP(sport=1234, dport=OTHER_PORT, flags="A", seq=8, ack=9) / Raw(b"data"),
        eth / ipv6 / TCP(sport=1234, dport=OTHER_PORT, flags="FPU", seq=8),
        eth / ipv4 / TCP(sport=PORT, dport=OTHER_PORT, flags="R", seq=8),
        eth / ipv4 / UDP(sport=1, dport=PORT) / Raw(b"datagram"),
        eth / ipv6 / UDP(sport=1, dport=PORT) / Raw(b"datagram"),
        eth / ipv4 / ICMP() / Raw(b"ping"),
        eth / ipv6 / ICMPv6EchoRequest(data=b"ping"),
        eth / ARP(op=2, psrc="10.99.0.66", hwsrc=MARK, pdst=net.server.ipv4),
        eth / Dot1Q(vlan=7) / ipv4 / to_other,
        eth / Dot1Q(vlan=0, prio=6) / ipv6 / to_other,
        eth / Dot1AD(vlan=8) / Dot1Q(vlan=7) / ipv6 / to_other,
        eth / Dot1AD(vlan=8) / Dot1Q(vlan=7) / ipv4 / UDP(sport=1, dport=PORT) / Raw(b"datagram"),
        eth / Dot1Q(vlan=9) / Dot1Q(vlan=8) / Dot1Q(vlan=7) / ipv4 / to_other,
        eth / Dot1Q(vlan=7) / ARP(op=2, psrc="10.99.0.66", hwsrc=MARK, pdst=net.server.ipv4),
        eth / ipv6 / IPv6ExtHdrDestOpt() / TCP(sport=1234, dport=PORT),
        eth / IP(src="203.0.113.9", dst=net.server.ipv4, options=[IPOption_Timestamp()]) / UDP(sport=1, dport=PORT),
        Ether(src=MARK, dst=net.server.mac, type=0x88b5) / Raw(b"local experiment"),
        Ether(src=MARK, dst=net.server.mac, type=0x0800) / Raw(b"\x45"),  # an IP header cut short
    ]
    frames += [eth / piece for piece in fragment(ipv4 / UDP(sport=1, dport=PORT) / Raw(b"x" * 3000), fragsize=1000)]
    return [bytes(frame) for frame in frames]


def send(net, frames):
    with wire.packet_socket(net.client) as sock:
        for frame in frames:
            sock.send(frame)


def what_arrives(net, frames):
    """The frames as they come out of the server's device."""
    with wire.Capture(net.server) as capture:
        send(net, frames)
        mark = bytes.fromhex(MARK.replace(":", ""))
        return [frame.data for frame in capture.frames() if frame.data[6:12] == mark and not frame.is_outgoing]


@pytest.mark.parametrize("xdp", ["native", "generic"])
def test_frames_for_no_service_arrive_unchanged(shield, net, xdp):
    frames = other_frames(net)
    without = what_arrives(net, frames)
    assert without == frames
    shield.load(f"*:{PORT}", xdp=xdp)
    before = shield.counters()
    assert what_arrives(net, frames) == without
    counted = shield.counters() - before
    assert sum(counted[name] for name in ("OTHER", "NO_SERVICE", "NOT_UNDERSTOOD")) >= len(frames), counted
    assert counted["NO_SERVICE"] >= 8, counted
    assert not counted.keys() & shield.drops(), counted
    assert shield.record_count() == 0


def test_kernel_answers_as_without_the_shield(shield, net, family):
    def answers():
        """What comes back for a SYN to a listener and to a closed port, but for what the kernel draws at random."""
        found = []
        with sockets.listen(net.server, family, port=OTHER_PORT):
            for port in (OTHER_PORT, OTHER_PORT + 1):
                with wire.Peer(net, family, port, timestamps=False) as peer:
                    peer.send("S")
                    tcp = peer.receive("SA" if port == OTHER_PORT else "RA")
                    found.append((str(tcp.flags), tcp.ack, tcp.window, tcp.options))
        return found

    without = answers()
    shield.load(f"*:{PORT}")
    assert answers() == without
    assert shield.counters()["SYN_COOKIE"] == 0


def test_off_only_tracks(shield, net, family):
    shield.load(f"*:{PORT}", policy="off")
    with sockets.listen(net.server, family, port=PORT) as listener:
        with sockets.connected(net, family, listener) as (client, server):
            sockets.exchange(client, server)
            flow = shield.flow(family, sockets.port_of(client))
            assert (flow["state"], flow["cookie"]) == ("ESTABLISHED", False)
    counted = shield.counters()
    assert (counted["SYN_OFF"], counted["OWN_SYN_ACK"], counted["SYN_COOKIE"], counted["HANDOVER"]) == (1, 1, 0, 0)
    assert not counted.keys() & shield.drops(), counted
