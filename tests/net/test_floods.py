# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Every flood that a TCP service meets: each packet has its verdict, none is answered by more than came, nothing is
stored for it, clients connect and connections go on."""

import pytest

import floods
import lab
import traffic

GUARDS = [("kernel", "always"), ("daemon", "always")]
CONNECTIONS = 50


@pytest.fixture(scope="module", params=GUARDS, ids="-".join)
def stage(request):
    with floods.staged(*request.param) as own:
        yield own


@pytest.mark.parametrize("flood", floods.FLOODS, ids=str)
def test_flood_meets_its_verdicts_and_gets_no_more_than_it_sent(stage, family, flood):
    before, lost = stage.look(), stage.lost_on_the_way()
    heard, expected = stage.daemon and stage.daemon.counters(), flood.verdicts_of(stage.owner)

    sent = stage.net.client.read_json(*stage.command(family, flood, seconds=0.2))["sent"]
    arrived = sent - (stage.lost_on_the_way() - lost)
    lab.wait_until(lambda: sum(stage.look().since(before).of(expected).values()) >= arrived,
                   f"{arrived} of {expected}")
    came = stage.look().since(before)

    assert arrived > floods.RATE // 100
    assert sum(came.of(expected).values()) == arrived, came
    assert came.answers["packets"] == came.packets["SYN_COOKIE"] <= arrived
    assert came.answers["bytes"] <= sum(came.bytes[name] for name in expected)
    assert came.ledger_out == came.answers
    assert came.ledger_in["packets"] == arrived
    assert not stage.shield.flows(source=floods.SPOOFED[family.name])
    assert not stage.sockets_of(family)
    assert not stage.daemon or stage.daemon.counters() == heard


@pytest.mark.parametrize("flood", floods.FLOODS, ids=str)
def test_clients_connect_and_a_transfer_goes_on(stage, family, flood):
    with stage.connection(family) as ends, traffic.Transfer(*ends).going_on() as transfer, \
            stage.flooded(family, flood):
        begun = transfer.rounds
        outcome = stage.fetch(family, CONNECTIONS)
        lab.wait_until(lambda: transfer.rounds > begun + 2, "the transfer to go on", timeout=20)
    assert outcome["succeeded"] == outcome["begun"] == CONNECTIONS, outcome
