# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How soon the maps say what the daemon's TCP knows: a state within 10 ms, numbers within a second."""

import ctypes
import os
import platform
import statistics
import struct
import time

import pytest

import daemon as daemons
import lab
import sockets
import wire
from shield import shielded

BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}[platform.machine()]
BPF_MAP_LOOKUP, BPF_MAP_GET_NEXT_KEY, BPF_OBJ_GET = 1, 4, 7
STATE_OFFSET = 8  # in struct flow
STATES = {"ESTABLISHED": 4, "CLOSE_WAIT": 7}  # enum tcp_state
STATE_SECONDS, NUMBERS_SECONDS = 0.010, 1
ECHO, CHARGEN = 7, 19
TEXT = bytes(100)
TRIES = 15

_libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(scope="module")
def shield():
    specs = [f"*:{port},owner=daemon,app={app},policy=off" for app, port in (("echo", ECHO), ("chargen", CHARGEN))]
    with shielded() as own, daemons.serving(own, *specs) as own.daemon:
        yield own


class Flows:
    """The pinned map of a family's flows, read without bpftool, which takes longer than what is measured."""

    def __init__(self, shield, family):
        path = ctypes.create_string_buffer(str(shield.pins / f"flows{family.suffix}").encode())
        self.fd = self._bpf(BPF_OBJ_GET, struct.pack("QII", ctypes.addressof(path), 0, 0))
        self.key, self.value = ctypes.create_string_buffer(64), ctypes.create_string_buffer(256)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        os.close(self.fd)

    def _bpf(self, command, attributes):
        result = _libc.syscall(BPF_SYSCALL, command, attributes, len(attributes))
        return result if result >= 0 else -ctypes.get_errno()

    def state(self):
        """That of the only flow there is; None: there is none."""
        key, value = ctypes.addressof(self.key), ctypes.addressof(self.value)
        if self._bpf(BPF_MAP_GET_NEXT_KEY, struct.pack("IIQQ", self.fd, 0, 0, key)) < 0 or \
                self._bpf(BPF_MAP_LOOKUP, struct.pack("IIQQQ", self.fd, 0, key, value, 0)) < 0:
            return None
        return self.value.raw[STATE_OFFSET]

    def wait_for(self, state):
        """How many seconds it took until the flow had this state."""
        began = time.monotonic()
        while self.state() != state:
            assert time.monotonic() < began + 1, f"the state is {self.state()}"
            time.sleep(0.0003)
        return time.monotonic() - began


def test_state_is_shown_within_10_ms(shield, net, family):
    """A quarter of the times at least: the rest may be how long the daemon and this process wait for a busy machine."""
    established, close_wait, gone = [], [], []
    with Flows(shield, family) as flows:
        for _ in range(TRIES):
            with wire.Peer(net, family, CHARGEN) as peer:
                peer.ask()
                peer.send("A")
                established.append(flows.wait_for(STATES["ESTABLISHED"]))
                peer.send("FA")
                close_wait.append(flows.wait_for(STATES["CLOSE_WAIT"]))
                peer.send("R")
                gone.append(flows.wait_for(None))
    for delays in (established, close_wait, gone):
        assert statistics.quantiles(delays, n=4)[0] < STATE_SECONDS, sorted(delays)


def test_numbers_are_never_older_than_a_second(shield, net, family):
    with sockets.connect(net.client, family, (family.address(net.server), ECHO)) as client:
        lab.wait_until(lambda: shield.flows(state="ESTABLISHED"), "the flow")
        history, until = [(time.monotonic(), 0)], time.monotonic() + 3 * NUMBERS_SECONDS
        while time.monotonic() < until:
            client.sendall(TEXT)
            assert sockets.read_exactly(client, len(TEXT)) == TEXT
            history.append((time.monotonic(), history[-1][1] + len(TEXT)))
            time.sleep(0.01)
            asked = time.monotonic()
            flow, = shield.flows(state="ESTABLISHED")
            old = [moved for when, moved in history if when < asked - NUMBERS_SECONDS]
            assert min(flow["rx_bytes"], flow["tx_bytes"]) >= (old[-1] if old else 0)
        assert old[-1] > 10 * len(TEXT)
    lab.wait_until(lambda: not shield.flows(state="connected"), "the end of the flow")
