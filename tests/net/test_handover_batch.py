# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The handover when the stack gets the handshake's ACK and what follows it at a stroke.

A NIC hands over what came within some dozens of microseconds together, and a client's request is that close behind its
ACK. The kernel runs tc for the whole of such a batch before TCP sees the first packet of it.
"""

import contextlib
import os

import pytest

import sockets
import wire

PORT = 8000


@contextlib.contextmanager
def undisturbed(cpu):
    """What this thread does meanwhile is done before anything else on the CPU runs."""
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(0, cpus)


@pytest.mark.parametrize("segments", [1, 5])
def test_data_right_behind_the_ack_is_not_lost(shield, net, family, segments):
    cpu = min(os.sched_getaffinity(0))
    data = [b"request %d" % number for number in range(segments)]
    shield.load(f"*:{PORT}")
    net.server.thread_napi(cpu)  # which a veth has since it has a program
    with sockets.listen(net.server, family, port=PORT) as listener, wire.Peer(net, family, PORT) as peer:
        peer.ask()
        with undisturbed(cpu):
            peer.send("A")
            for piece in data:
                peer.send("PA", piece)
        with listener.accept()[0] as server:
            server.settimeout(1)  # the peer repeats nothing
            assert sockets.read_exactly(server, 9 * segments) == b"".join(data)
    counted = shield.counters()
    assert counted["HANDOVER"] == 1 and not counted["HANDOVER_EARLY"], counted


@pytest.mark.parametrize("xdp", ["native", "generic"])
def test_data_that_brings_the_cookie_is_counted_once(shield, net, family, xdp):
    """It finds the listener, goes round once, and in generic mode passes XDP twice by that."""
    shield.load(f"*:{PORT}", xdp=xdp)
    with sockets.listen(net.server, family, port=PORT) as listener, wire.Peer(net, family, PORT) as peer:
        peer.ask()
        peer.send("PA", b"request")  # the ACK before it was lost
        with listener.accept()[0] as server:
            server.settimeout(1)
            assert sockets.read_exactly(server, 7) == b"request"
            flow = shield.flow(family, peer.port)
            assert (flow["rx_packets"], flow["rx_bytes"]) == (1, family.header_bytes + 32 + 7), flow  # TCP with timestamps
    assert shield.counters()["HANDOVER_AGAIN"] == 1
