# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The ledger where the owner answers by itself: what came from sources that are not verified, and all that left for them.

Under policy always every flood of test_floods.py is held against it.
"""

import time

import pytest

import floods
import lab

RATE = 1000
ANSWER_OF = {"syn": "syn_ack", "ack": "rst", "psh-ack": "rst", "rst": None}
SYN_BYTES = {"ipv4": 74, "ipv6": 94}  # with the options of Linux


@pytest.fixture(scope="module", params=["kernel", "daemon"])
def stage(request):
    with floods.staged(request.param, "off") as own:
        yield own


def settled(stage):
    """A look while nothing is under way: the daemon tells once in a second what it sent."""
    def quiet_look():
        look = stage.look()
        time.sleep(1.2)
        return look if stage.look() == look else None

    return lab.wait_until(quiet_look, "a second without packets", timeout=30)


@pytest.mark.parametrize("kind", ANSWER_OF)
def test_what_the_owner_answers_is_in_the_ledger(stage, family, kind):
    client = stage.net.client
    before, answers_before = settled(stage), client.counters()
    sent = client.read_json(*stage.command(family, 0.2, "--kind", kind, "--rate", RATE))["sent"]
    assert sent >= RATE // 10

    def all_is_told():
        """SYN-ACKs are sent again meanwhile."""
        came = stage.look().since(before)
        return came if came.ledger_out == came.answers and came.ledger_in["packets"] >= sent else None

    came = lab.wait_until(all_is_told, "the ledger to be what the client's device received")
    answers = {name: count - answers_before[name] for name, count in client.counters().items()}
    assert came.ledger_in["packets"] == sent
    assert answers["rst"] == (sent if ANSWER_OF[kind] == "rst" else 0)
    if kind == "syn":
        assert answers["syn_ack"] >= sent and came.ledger_in["bytes"] == sent * SYN_BYTES[family.name]


def test_verified_peers_are_not_in_it(stage, family):
    with stage.connection(family) as (client, server):
        lab.wait_until(lambda: stage.shield.flows(service=family.endpoint(family.any, "*")), "its record")
        before = stage.look()
        for _ in range(20):
            client.sendall(b"x" * 100)
            assert server.recv(100)
        came = stage.look().since(before)
    assert came.ledger_in["packets"] == 0, came
