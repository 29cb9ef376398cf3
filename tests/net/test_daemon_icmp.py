# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""ICMP errors about the daemon's segments, as routers send them and as attackers do: path MTU discovery (RFC 1191,
RFC 8201), source quench (RFC 6633), soft and hard errors (RFC 9293, 3.9.2.2), all judged by RFC 5927."""

import socket
import subprocess

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded
from scapy.packet import Raw

import daemon as daemons
import lab
import sockets
import wire
from family import IPV4
from shield import shielded

CHARGEN = 19
PEER_MSS = 1400
TIMESTAMPS_BYTES = 12
SMALLEST_MTU = {"ipv4": 552, "ipv6": 1280}
SYN = "SEC"  # it asks for ECN
SOFT, HARD = "host unreachable", "port unreachable"
only_ipv4 = pytest.mark.parametrize("family", [IPV4], ids=["ipv4"])
REFUSED = 3  # exit status


@pytest.fixture(scope="module")
def shield():
    spec = f"*:{CHARGEN},owner=daemon,app=chargen,policy=off"  # a cookie keeps no MSS to the byte
    with shielded() as own, daemons.serving(own, spec) as own.daemon:
        yield own


def error_of(family, kind, mtu=0):
    """An ICMP error without its quotation."""
    if family is IPV4:
        return {"too big": ICMP(type=3, code=4, nexthopmtu=mtu), "quench": ICMP(type=4), SOFT: ICMP(type=3, code=1),
                HARD: ICMP(type=3, code=3), "time exceeded": ICMP(type=11)}[kind]
    return {"too big": ICMPv6PacketTooBig(mtu=mtu), SOFT: ICMPv6DestUnreach(code=3), HARD: ICMPv6DestUnreach(code=4),
            "time exceeded": ICMPv6TimeExceeded()}[kind]


def send_error(peer, tcp, error, seq=None, **header):
    """A router at the peer's address says it about a segment that came; seq: as if it had had that number."""
    tcp = tcp.copy()
    if seq is not None:
        tcp.seq = seq
    quoted = bytes(tcp)[:8]
    if peer.family is IPV4:
        ip = IP(src=peer.header.dst, dst=peer.header.src, proto=socket.IPPROTO_TCP, len=1500, flags="DF")
    else:
        ip = peer.family.header(src=peer.header.dst, dst=peer.header.src, nh=socket.IPPROTO_TCP, plen=1440)
    for name, value in header.items():
        setattr(error, name, value)
    peer.socket.send(bytes(peer.frame / peer.header / error / Raw(bytes(ip) + quoted)))


@pytest.fixture
def stream(net, family):
    """A peer that chargen sends to, and the first segment, which it has not acknowledged."""
    with wire.Peer(net, family, CHARGEN, mss=PEER_MSS) as peer:
        peer.open()
        first = peer.receive("A")
        assert len(first[Raw].load) == PEER_MSS - TIMESTAMPS_BYTES
        peer.receive_for(0.05)  # the rest of the initial window
        yield peer, first
        peer.send("R", seq=peer.snd_nxt)


def texts(segments):
    return [len(tcp[Raw].load) for tcp in segments if Raw in tcp]


def text_of_mtu(family, mtu):
    return mtu - family.header_bytes - 20 - TIMESTAMPS_BYTES


def wait_for_verdict(shield, before, name):
    lab.wait_until(lambda: (shield.daemon.counters() - before)[name], f"the verdict {name}")


@pytest.mark.parametrize("mtu", [1280, 600, 68])
def test_too_big_sends_all_again_in_smaller_segments(shield, family, stream, mtu):
    """Less than the family's links must carry is not believed."""
    peer, first = stream
    before = shield.daemon.counters()
    send_error(peer, first, error_of(family, "too big", mtu))
    again = [tcp for tcp in peer.receive_for(0.2) if tcp.seq == first.seq][-1]
    size = text_of_mtu(family, max(mtu, SMALLEST_MTU[family.name]))
    assert again[Raw].load == first[Raw].load[:size]
    peer.take(again)
    peer.send("A")
    assert set(texts(peer.receive_for(0.1))) <= set(range(size + 1))
    wait_for_verdict(shield, before, "ICMP_TAKEN")


@pytest.mark.parametrize("distance", [-1, -100000, 1 << 20, 1 << 31])
def test_too_big_about_what_is_not_in_flight_is_ignored(shield, family, stream, distance):
    peer, first = stream
    before = shield.daemon.counters()
    send_error(peer, first, error_of(family, "too big", 1280), seq=(first.seq + distance) % 2**32)
    wait_for_verdict(shield, before, "ICMP_IGNORED")
    peer.take(first)
    peer.send("A")
    assert max(texts(peer.receive_for(0.1))) == PEER_MSS - TIMESTAMPS_BYTES


def test_too_big_with_a_wrong_checksum_is_ignored(shield, family, stream):
    peer, first = stream
    before = shield.daemon.counters()
    name = "chksum" if family is IPV4 else "cksum"
    send_error(peer, first, error_of(family, "too big", 1280), **{name: 0x1234})
    wait_for_verdict(shield, before, "BAD_CHECKSUM")
    peer.take(first)
    peer.send("A")
    assert max(texts(peer.receive_for(0.1))) == PEER_MSS - TIMESTAMPS_BYTES


@only_ipv4  # ICMPv6 has none
def test_source_quench_changes_nothing(shield, family, stream):
    peer, first = stream
    before = shield.daemon.counters()
    send_error(peer, first, error_of(family, "quench"))
    wait_for_verdict(shield, before, "ICMP_IGNORED")


@pytest.mark.parametrize("kind", [SOFT, HARD, "time exceeded"])
def test_connection_that_stands_outlives_errors(shield, family, stream, kind):
    """Departs from RFC 9293, SHLD-26, with RFC 5461."""
    peer, first = stream
    before = shield.daemon.counters()
    send_error(peer, first, error_of(family, kind))
    wait_for_verdict(shield, before, "ICMP_TAKEN")
    peer.take(first)
    peer.send("A")
    assert texts(peer.receive_for(0.1))


# --- a connection that does not stand yet --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unserved():
    """A shield whose device nobody serves, as synkeep connect wants it."""
    with shielded() as own:
        own.load("*:80")
        own.net.client.send_through_queue()
        yield own


@pytest.fixture
def opening(unserved, family):
    """`synkeep connect` to a scripted peer: its process, the peer, and the SYN that came."""
    with wire.Peer(unserved.net, family, None, source_port=4000) as peer:
        command = unserved.command("connect", family.endpoint(family.peer, peer.port))
        client = unserved.net.server.start(*command[2:], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        yield client, peer, peer.meet(SYN)
        unserved.net.server.end_processes()


def test_hard_error_refuses_what_is_being_opened(opening, family):
    client, peer, syn = opening
    send_error(peer, syn, error_of(family, HARD))
    assert client.wait(timeout=sockets.SECONDS) == REFUSED


def test_soft_error_does_not_end_what_is_being_opened(opening, family):
    client, peer, syn = opening
    send_error(peer, syn, error_of(family, SOFT))
    peer.take(peer.receive(SYN, timeout=2))
    peer.send("SA")
    assert peer.receive("A").ack == peer.snd_nxt
    assert client.poll() is None


def test_hard_error_about_another_segment_does_not_end_what_is_being_opened(opening, family):
    client, peer, syn = opening
    send_error(peer, syn, error_of(family, HARD), seq=(syn.seq + 1) % 2**32)
    peer.take(peer.receive(SYN, timeout=2))
    assert client.poll() is None
