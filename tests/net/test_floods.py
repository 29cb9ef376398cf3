# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every flood that a TCP service meets: each packet has its verdict, none is answered by more than came, nothing is
stored for it, clients connect and connections go on."""

import pytest

import floods
import lab
import traffic

GUARDS = [(owner, policy) for owner in ("kernel", "daemon") for policy in ("always", "auto")]
CONNECTIONS = 50


@pytest.fixture(scope="module", params=GUARDS, ids="-".join)
def stage(request):
    with floods.staged(*request.param) as own:
        yield own


@pytest.mark.parametrize("flood", floods.FLOODS, ids=str)
def test_flood_meets_its_verdicts_and_gets_no_more_than_it_sent(stage, family, flood):
    heard, expected = stage.daemon and stage.daemon.counters(), stage.expected(flood)
    came, arrived = stage.send(family, "--kind", flood.kind, *flood.options, verdicts=expected)

    assert sum(came.of(expected).values()) == arrived, came
    assert came.ledger_in["packets"] == arrived
    half_open = stage.half_open_at_most()
    repeated = 2 * half_open  # SYN-ACKs of the owner's in either family, from before it was a flood
    assert came.answers["packets"] <= arrived + repeated
    assert came.answers["bytes"] <= sum(came.bytes[name] for name in expected) + repeated * floods.SYN_ACK_BYTES
    assert abs(came.ledger_out["packets"] - came.answers["packets"]) <= repeated
    assert abs(came.ledger_out["bytes"] - came.answers["bytes"]) <= repeated * floods.SYN_ACK_BYTES
    assert came.packets["SYN_CALM"] + came.packets["DAEMON_SYN"] <= half_open
    assert len(stage.shield.flows(source=floods.SPOOFED[family.name])) <= half_open
    assert len(stage.sockets_of(family)) <= half_open
    if stage.daemon and stage.policy == "auto":
        assert stage.daemon.status()["connections"] <= 2 * half_open
    elif stage.daemon:
        assert stage.daemon.counters() == heard


@pytest.mark.parametrize("flood", floods.FLOODS, ids=str)
def test_clients_connect_and_a_transfer_goes_on(stage, family, flood):
    with stage.connection(family) as ends, traffic.Transfer(*ends).going_on() as transfer, \
            stage.flooded(family, flood):
        begun = transfer.rounds
        outcome = stage.fetch(family, CONNECTIONS)
        lab.wait_until(lambda: transfer.rounds > begun + 2, "the transfer to go on", timeout=20)
    assert outcome["succeeded"] == outcome["begun"] == CONNECTIONS, outcome
