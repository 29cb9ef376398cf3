# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The bad link that other tests stand on does what it was asked for, and nothing else."""

import socket
import time

import pytest

import impaired
import sockets
import wire

FRAMES = 20000
HOLD_MS = 20
RATES = {"drop": 2, "duplicate": 3, "hold": 5}


def number_frames(net, protocol, count):
    """Sends frames from the client, each with its number, and returns those that came, in order."""
    mac = bytes.fromhex(net.server.mac.replace(":", "") + net.client.mac.replace(":", ""))
    header = mac + b"\x08\x00" + b"\x45" + bytes(8) + bytes([protocol]) + bytes(30)
    came = []
    with wire.packet_socket(net.client) as out, wire.packet_socket(net.server) as into:
        into.settimeout(0.2)
        for number in range(count):
            out.send(header + number.to_bytes(4, "big"))
            if number % 500 == 499:
                time.sleep(0.01)  # slower than what can be carried
        while True:
            try:
                data, address = into.recvfrom(2048)
            except TimeoutError:
                return came
            if address[2] != wire.PACKET_OUTGOING and data[14] == 0x45 and data[23] == protocol:
                came.append(int.from_bytes(data[-4:], "big"))


def test_rates_are_those_that_were_asked_for():
    with impaired.ImpairedLab(hold_ms=HOLD_MS, **RATES) as net:
        came = number_frames(net, socket.IPPROTO_TCP, FRAMES)
        counts, back = net.end_impairment()
    lost = FRAMES - len(set(came))
    doubled = len(came) - len(set(came))
    overtaken = sum(later < earlier for earlier, later in zip(came, came[1:]))
    assert counts["segments"] == FRAMES and counts["overrun"] == 0 and back["segments"] == 0
    assert (lost, doubled) == (counts["dropped"], counts["duplicated"])
    assert lost == pytest.approx(FRAMES * RATES["drop"] / 100, rel=0.25)
    assert doubled == pytest.approx(FRAMES * RATES["duplicate"] / 100, rel=0.25)
    assert counts["held"] == pytest.approx(FRAMES * RATES["hold"] / 100, rel=0.25)
    assert overtaken > counts["held"] / 50  # held frames leave one behind the other: many in one gap


def test_other_protocols_are_carried_untouched():
    with impaired.ImpairedLab(drop=50, duplicate=50, hold=50) as net:
        assert number_frames(net, socket.IPPROTO_UDP, 200) == list(range(200))


def test_same_seed_makes_the_same_choices():
    came = []
    for seed in (7, 7, 8):
        with impaired.ImpairedLab(drop=30, seed=seed) as net:
            came.append(number_frames(net, socket.IPPROTO_TCP, 400))
    assert came[0] == came[1] != came[2]


def test_kernels_talk_through_it(family):
    with impaired.ImpairedLab(drop=1, duplicate=1, hold=1) as net:
        with sockets.listen(net.server, family) as listener, \
                sockets.connected(net, family, listener) as (client, server):
            sockets.exchange(client, server, 4 << 20)
        counts = net.end_impairment()
    for way in counts:
        assert way["dropped"] and way["duplicated"] and way["held"] and not way["overrun"]
