# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The kinds of floods that defences are measured under: a row each."""

import collections

import defences
import family
import web
import wire

# options: of the flood tool. prepare(net): what has to be done before, which returns them. seconds: so long it needs to
# show itself.
Flood = collections.namedtuple("Flood", "name label options prepare seconds", defaults=((), None, 0))


def _replayed_cookie(net):
    """The ACK of a handshake, whose connection has been reset since."""
    with wire.Capture(net.client) as capture, wire.Peer(net, family.IPV4, web.PORT) as peer:
        peer.open()
        ack = [frame.data for frame in capture.frames() if frame.is_outgoing][-1]
        peer.send("RA")
    return "--replay", ack.hex()


def _kind(name, label):
    return Flood(name, label, ("--kind", name))


SYN = _kind("syn", "SYN")

# What differs in the packets.
PACKETS = (
    SYN,
    _kind("syn-nops", "SYN, costly options"),
    _kind("ack", "ACK"),
    _kind("syn-ack", "SYN-ACK"),
    _kind("rst", "RST"),
    _kind("fin", "FIN"),
    _kind("psh-ack", "PSH-ACK, data"),
    _kind("first-fragment", "first fragment"),
    _kind("later-fragment", "later fragment"),
    _kind("illegal", "illegal flags"),
    Flood("replay", "replayed cookie", prepare=_replayed_cookie),
)
# And in how they come.
ALL = (
    *PACKETS,
    Flood("services", f"SYN, {defences.PORTS} services", ("--ports", defences.PORTS)),
    Flood("pulses", "SYN, 1 s on, 1 s off", ("--pulse", "1000/1000"), seconds=4),
)


def options(flood, net, defence):
    """The flood tool's options. What a control drops by its prefix needs no handshake before."""
    if not flood.prepare:
        return flood.options
    if defence in (defences.DROP, defences.CONTROL):
        return "--kind", "ack", "--sources", 1
    return flood.prepare(net)
