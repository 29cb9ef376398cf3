# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""No option of the handshake is lost: the server's socket has what it would have without the shield, as ss tells.

Each connection is made twice: through the shield, and to a port that no service names, which is how the kernel does it.
"""

import collections
import itertools
import socket
import time

import pytest

import negotiation
import sockets
import wire
from negotiation import PORTS, SHIELDED, advertised_mss, negotiate
from shield import shielded

# Linux offers the least scale that its clamp needs (TCP_WINDOW_CLAMP, which <socket> does not name).
TCP_WINDOW_CLAMP = 10
CLAMP_OF_WSCALE = {0: 1 << 15, 3: 1 << 18, 6: 1 << 21}
RMEM_OF_WSCALE_14 = "4096 131072 1073741824"


@pytest.fixture(scope="module")
def shield():
    with shielded() as own:
        own.load(f"*:{SHIELDED}", policy="always")
        yield own


@pytest.fixture(autouse=True)
def sysctls(net):
    with negotiation.usual_sysctls(net):
        yield


def both_agree(shield, net, family, **options):
    """negotiate(), which must be alike; returns what the server's socket has."""
    before = shield.counters()
    shielded_ends, plain_ends = negotiate(net, family, **options)
    counted = shield.counters() - before
    assert (counted["SYN_COOKIE"], counted["HANDOVER"]) == (1, 1), counted
    assert shielded_ends == plain_ends
    return shielded_ends[0]


@pytest.mark.parametrize("timestamps, wscale, sack, ecn", itertools.product([1, 0], repeat=4))
def test_each_combination_survives(shield, net, family, timestamps, wscale, sack, ecn):
    net.client.sysctl(net__ipv4__tcp_timestamps=timestamps, net__ipv4__tcp_window_scaling=wscale,
                      net__ipv4__tcp_sack=sack, net__ipv4__tcp_ecn=ecn)
    net.server.sysctl(net__ipv4__tcp_ecn=1)
    has = both_agree(shield, net, family)
    assert (has["timestamps"], has["wscale"] is not None, has["sack"], has["ecn"]) == \
        (bool(timestamps), bool(wscale), bool(sack), bool(ecn))


@pytest.mark.parametrize("switched_off", ["timestamps", "window_scaling", "sack", "ecn"])
def test_server_switched_it_off(shield, net, family, switched_off):
    net.client.sysctl(net__ipv4__tcp_ecn=1)
    net.server.sysctl(**{f"net__ipv4__tcp_{switched_off}": 0})
    has = both_agree(shield, net, family)
    named = {"window_scaling": "wscale"}.get(switched_off, switched_off)
    assert not has[named]


@pytest.mark.parametrize("timestamps", [1, 0])
@pytest.mark.parametrize("wscale", [0, 3, 6, 14])
def test_window_scale_both_ways(shield, net, family, wscale, timestamps):
    net.client.sysctl(net__ipv4__tcp_timestamps=timestamps)
    options = []
    if wscale == 14:
        net.client.sysctl(net__ipv4__tcp_rmem=RMEM_OF_WSCALE_14)
    else:
        options = [(socket.IPPROTO_TCP, TCP_WINDOW_CLAMP, CLAMP_OF_WSCALE[wscale])]
    has = both_agree(shield, net, family, options=options)
    assert has["wscale"].startswith(f"{wscale},")


# IPv6 headers are 20 bytes longer, and so are the steps of what a cookie keeps (docs/cookie.md).
@pytest.mark.parametrize("mss", [1460, 1452, 1440, 1400, 1360, 1300])
def test_mss_kept_with_timestamps(shield, net, family, mss):
    mss -= family.header_bytes - 20
    with advertised_mss(net, family, mss):
        assert both_agree(shield, net, family)["mss"] == mss - 12  # the timestamps take 12 bytes of each segment


@pytest.mark.parametrize("mss", [1460, 1440, 1300])
def test_mss_kept_without_timestamps(shield, net, family, mss):
    net.client.sysctl(net__ipv4__tcp_timestamps=0)
    mss -= family.header_bytes - 20
    with advertised_mss(net, family, mss):
        assert both_agree(shield, net, family)["mss"] == mss


@pytest.mark.parametrize("timestamps, offered, kept", [(1, 1430, 1400), (1, 1299, 536), (0, 1430, 1300)])
def test_mss_between_steps_is_rounded_down(shield, net, family, timestamps, offered, kept):
    net.client.sysctl(net__ipv4__tcp_timestamps=timestamps)
    shorter = family.header_bytes - 20
    kept = 1220 if kept == 536 and shorter else kept - shorter
    with advertised_mss(net, family, offered - shorter):
        through_shield, plain = negotiate(net, family)
    assert through_shield[0]["mss"] == kept - 12 * timestamps
    assert plain[0]["mss"] == offered - shorter - 12 * timestamps


def test_syn_with_a_tiny_mss_is_taken_at_the_least(shield, net, family):
    mss, least = (500, 536) if family.af == socket.AF_INET else (1000, 1220)
    before = shield.counters()
    with advertised_mss(net, family, mss):
        through_shield, plain = negotiate(net, family)
    counted = shield.counters() - before
    assert (counted["SYN_COOKIE"], counted["HANDOVER"]) == (1, 1), counted
    assert (through_shield[0]["mss"], plain[0]["mss"]) == (least - 12, mss - 12)


# --- the SYN-ACK on the wire ---------------------------------------------------------------------------------------


def syn_acks(shield, family, listener_options=()):
    """The SYN-ACK of the shield, and of the kernel, for the same SYN."""
    found, before = [], shield.counters()
    for port in PORTS.values():
        with sockets.listen(shield.net.server, family, port=port, options=listener_options):
            with wire.Peer(shield.net, family, port) as peer:
                found.append(peer.ask())
    assert (shield.counters() - before)["SYN_COOKIE"] == 1
    return found


@pytest.mark.parametrize("buffer", [None, 8192, 65536])
def test_window_of_the_syn_ack_is_the_listeners(shield, family, buffer):
    options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)] if buffer else []
    by_cookie, by_kernel = syn_acks(shield, family, options)
    # Both round down to whole segments, the kernel's being shorter by the timestamps.
    assert by_cookie.window > 0
    assert abs(by_cookie.window - by_kernel.window) < family.own_mss


def test_syn_ack_answers_only_what_the_syn_has(net, family):
    with sockets.listen(net.server, family, port=SHIELDED):
        with wire.Peer(net, family, SHIELDED, timestamps=False, mss=None) as peer:
            assert peer.ask().options == []


@pytest.mark.parametrize("option", ["MSS", "WScale", "SAckOK"])
def test_syn_ack_offers_what_the_kernel_would(shield, family, option):
    by_cookie, by_kernel = (wire.option(syn_ack, option) for syn_ack in syn_acks(shield, family))
    assert by_cookie is not None
    assert by_cookie == by_kernel


# --- timestamps ----------------------------------------------------------------------------------------------------


def tsvals_from_server(capture, port):
    """(when, TSval) of each segment that came to the client from the port, by the client's port."""
    connections = collections.defaultdict(list)
    for frame, tcp in capture.segments(port):
        if not frame.is_outgoing and "R" not in tcp.flags:
            connections[tcp.dport].append((frame.seconds, wire.option(tcp, "Timestamp")[0]))
    return connections


def assert_one_clock(tsvals):
    """Never backwards, and a millisecond a millisecond: the SYN-ACK's is up to 31 ms behind the clock, and the time is
    when the capture was read, a few ms late."""
    values = [value for _, value in tsvals]
    assert values == sorted(values)
    offsets = [value - seconds * 1000 for seconds, value in tsvals]
    assert max(offsets) - min(offsets) <= 31 + 20, offsets


def tick(capture, client, server):
    """A few bytes from the server, and their capture read at once."""
    server.sendall(b"tick")
    sockets.read_exactly(client, 4)
    capture.frames()


def test_tsval_runs_on_from_the_syn_ack(shield, net, family):
    before = shield.counters()
    with sockets.listen(net.server, family, port=SHIELDED) as listener, wire.Capture(net.client) as capture:
        for _ in range(3):
            with sockets.connected(net, family, listener) as (client, server):
                for _ in range(4):
                    tick(capture, client, server)
                    time.sleep(0.05)
        connections = tsvals_from_server(capture, SHIELDED)
        assert [len(tsvals) >= 5 for tsvals in connections.values()] == [True] * 3
        assert (shield.counters() - before)["HANDOVER"] == 3
        for tsvals in connections.values():
            assert_one_clock(tsvals)


def test_tsval_runs_on_over_reuse_of_a_tuple(shield, net, family):
    # With tcp_tw_reuse=1 a client takes its tuple again out of TIME-WAIT, and drops a SYN-ACK whose TSval is older
    # than the last one it saw. A range of one port leaves it no other choice.
    net.client.sysctl(net__ipv4__tcp_tw_reuse=1, net__ipv4__ip_local_port_range="40000 40000")
    try:
        with sockets.listen(net.server, family, port=SHIELDED) as listener, wire.Capture(net.client) as capture:
            before = shield.counters()
            for waits in (0, 1.05, 1.05):  # a second is what a client lets pass (net.ipv4.tcp_tw_reuse_delay)
                time.sleep(waits)
                with sockets.connected(net, family, listener) as (client, server):
                    tick(capture, client, server)
                    client.shutdown(socket.SHUT_WR)
                    assert server.recv(1) == b""
                capture.frames()
            assert (shield.counters() - before)["HANDOVER"] == 3
            assert_one_clock(tsvals_from_server(capture, SHIELDED)[40000])
    finally:
        net.client.sysctl(net__ipv4__tcp_tw_reuse=2, net__ipv4__ip_local_port_range="32768 60999")
