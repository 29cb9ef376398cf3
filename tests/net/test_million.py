# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A million records, of which a tenth expires at once: these go, and no other, with a daemon and without."""

import contextlib

import pytest

import daemon as daemons
import lab
from shield import shielded

PORT = 80
ROOM, RECORDS, EXPIRING = 1 << 20, 1_000_000, 100_000
LIFETIME_MS = 6000  # longer than it takes to write them


def live(shield):
    return shield.read_json("flows", "--count")["count"]


def fill(shield, *options):
    shield.net.server.run(lab.tool("fill"), "--local", shield.net.server.ipv4, "--port", PORT, *options, shield.pins)


def expired(shield):
    return shield.counters()["FLOW_EXPIRED"]


# The sweep looks every few seconds, and rests for a hundred times as long as it took.
@pytest.mark.parametrize("keeper, seconds", [("daemon", 2), ("sweep", 60)])
def test_a_tenth_of_a_million_expires_alone(keeper, seconds):
    with shielded() as shield, contextlib.ExitStack() as stack:
        shield.load(f"*:{PORT},policy=off,msl=1s", flows=ROOM)
        fill(shield, "--first", EXPIRING, "--flows", RECORDS - EXPIRING)
        fill(shield, "--flows", EXPIRING, "--lifetime", LIFETIME_MS)
        if keeper == "daemon":
            stack.enter_context(daemons.serving(shield))
        assert live(shield) == RECORDS and expired(shield) == 0
        lab.wait_until(lambda: live(shield) == RECORDS - EXPIRING, "their deadline", timeout=LIFETIME_MS / 1000)
        lab.wait_until(lambda: expired(shield) == EXPIRING, "the last of them", timeout=seconds)
        assert live(shield) == RECORDS - EXPIRING
