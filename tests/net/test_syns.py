# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""SYNs that ask for more than a cookie can keep, from real clients: they get plain TCP, and nothing is lost."""

import socket

import pytest
from scapy.layers.inet import IP, TCP, IPOption_RR
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, PadN

import sockets
import wire

PORT = 8000
QUESTION = b"question" * 100
TFO_CLIENT_WITHOUT_COOKIE = 1 | 4  # net.ipv4.tcp_fastopen: data goes with the first SYN already
TFO_SERVER_WITHOUT_COOKIE = 2 | 0x200 | 0x400
TCP_FASTOPEN_OPTION = 34


@pytest.mark.parametrize("xdp", ["native", "generic"])
def test_fast_open_falls_back_to_plain_tcp(shield, net, family, xdp):
    net.client.sysctl(net__ipv4__tcp_fastopen=TFO_CLIENT_WITHOUT_COOKIE)
    net.server.sysctl(net__ipv4__tcp_fastopen=TFO_SERVER_WITHOUT_COOKIE)
    shield.load(f"*:{PORT}", xdp=xdp)
    with sockets.listen(net.server, family, port=PORT, options=[(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)]) as listener:
        with sockets.inside(net.client):
            client = socket.socket(family.af, socket.SOCK_STREAM)
        with client, wire.Capture(net.client) as capture:
            client.settimeout(sockets.SECONDS)
            assert client.sendto(QUESTION, socket.MSG_FASTOPEN, (family.address(net.server), PORT)) == len(QUESTION)
            server = listener.accept()[0]
            server.settimeout(sockets.SECONDS)
            with server:
                assert sockets.read_exactly(server, len(QUESTION)) == QUESTION
                sockets.exchange(client, server, 10000)
            syn = next(tcp for frame, tcp in capture.segments(PORT) if frame.is_outgoing and tcp.flags & 2)
    assert len(bytes(syn.payload)) > 0  # the client did send data with it
    counted = shield.counters()
    assert (counted["SYN_COOKIE"], counted["HANDOVER"]) == (1, 1), counted
    assert not counted.keys() & shield.drops(), counted


class BehindHeaders(wire.Peer):
    """A peer whose SYN, and nothing else, is behind IP options or extension headers."""

    def send(self, flags, *arguments, **values):
        plain = self.header
        if flags == "S":
            self.header = (IP(src=plain.src, dst=plain.dst, options=[IPOption_RR(length=39, routers=["0.0.0.0"] * 9)])
                           if isinstance(plain, IP) else
                           plain / IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)]) / IPv6ExtHdrDestOpt())
        super().send(flags, *arguments, **values)
        self.header = plain


def test_syn_behind_ip_options_is_answered_without_them(shield, net, family):
    shield.load(f"*:{PORT}")
    with sockets.listen(net.server, family, port=PORT) as listener, BehindHeaders(net, family, PORT) as peer:
        with wire.Capture(net.client) as capture:
            syn_ack = peer.open()
            with listener.accept()[0] as server:
                peer.send("PA", b"hello")
                assert sockets.read_exactly(server, 5) == b"hello"
            question, answer = [frame for frame, tcp in capture.segments(PORT) if "S" in tcp.flags]
    assert wire.option(syn_ack, "MSS") == family.own_mss
    assert len(answer.data) == len(question.data) - (40 if family.name == "ipv4" else 16)
    assert shield.counters()["HANDOVER"] == 1


def checksum_is_right(frame, family):
    packet = family.header(frame.data[14:])
    found = packet[TCP].chksum
    del packet[TCP].chksum
    return family.header(bytes(packet))[TCP].chksum == found


@pytest.mark.parametrize("xdp", ["native", "generic"])
def test_checksums_that_are_left_to_the_hardware_are_not_judged(shield, net, family, xdp):
    shield.load(f"*:{PORT}", xdp=xdp)
    with sockets.listen(net.server, family, port=PORT) as listener, wire.Capture(net.client) as capture:
        with sockets.connected(net, family, listener) as (client, server):
            sockets.exchange(client, server, 1000)
        sent = [frame for frame, _tcp in capture.segments(PORT) if frame.is_outgoing]
    assert not any(checksum_is_right(frame, family) for frame in sent)  # what a veth hands over is partial
    counted = shield.counters()
    assert (counted["SYN_COOKIE"], counted["HANDOVER"]) == (1, 1), counted
    assert not counted.keys() & shield.drops(), counted
