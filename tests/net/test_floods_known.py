# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Floods that know something: a connection's addresses and ports, its handshake, or come from an address that is there.
"""

import contextlib
import socket

import pytest

import floods
import lab
import sockets
import wire

CONNECTIONS = 50
OTHER_FRAMES = 100  # that a host may send besides: neighbour discovery, a challenge now and then
REPEATED = {"kernel": "OUT_OF_WINDOW", "daemon": "DAEMON_SEGMENT"}  # a segment that came before
JUDGED_BY_THE_OWNER = ("SEGMENT", "OUT_OF_WINDOW", "CHALLENGED", "BAD_ACK", "NO_ACK_BIT", "SYN_LIVE", "DAEMON_SEGMENT",
                       "DAEMON_SYN", "UNVERIFIED_OVER_BUDGET")


@pytest.fixture(scope="module", params=["kernel", "daemon"])
def stage(request):
    with floods.staged(request.param, "always") as own:
        own.net.client.send_through_queue()  # what is captured there has its checksums
        yield own


class Received:
    """Frames that the client's device has been sent, however they came."""

    def __init__(self, host):
        self.host = host
        self.before = self._count()

    def _count(self):
        return self.host.read_json("ip", "-j", "-s", "link", "show", self.host.device)[0]["stats64"]["rx"]["packets"]

    def count(self):
        return self._count() - self.before


def still_talk(client, server):
    client.sendall(b"question")
    assert sockets.read_exactly(server, 8) == b"question"


def wait_for_end(stage, family, port):
    lab.wait_until(lambda: not stage.shield.flow(family, port) or
                   stage.shield.flow(family, port)["state"] == "CLOSED", "the end of the connection")


# --- who knows the tuple -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["syn", "ack", "ack-timestamps", "syn-ack", "rst", "rst-ack", "fin", "psh-ack", "urg"])
def test_flood_on_a_connection_is_its_owners_to_judge_and_ends_nothing(stage, family, kind):
    with stage.connection(family) as (client, server):
        still_talk(client, server)
        received = Received(stage.net.client)
        came, arrived = stage.send(family, "--kind", kind, "--port", client.getpeername()[1], "--sources", 1,
                                   "--from", family.address(stage.net.client), "--from-port", sockets.port_of(client))
        assert sum(came.of(JUDGED_BY_THE_OWNER).values()) >= arrived, came
        assert received.count() <= arrived + OTHER_FRAMES
        assert stage.shield.flow(family, sockets.port_of(client))["state"] == "ESTABLISHED"
        still_talk(client, server)


# --- who knows the handshake ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def opened(stage, family):
    """Both ends of a connection, and the frame of its handshake's ACK in hexadecimal digits."""
    with wire.Capture(stage.net.client) as capture, stage.connection(family) as (client, server):
        port = sockets.port_of(client)
        ack = next(frame for frame, tcp in capture.segments(port) if tcp.sport == port and tcp.flags == "A")
        yield client, server, ack.data.hex()


def test_cookie_that_is_replayed_makes_no_second_connection(stage, family):
    with opened(stage, family) as (client, server, ack):
        still_talk(client, server)
        received = Received(stage.net.client)
        came, arrived = stage.send(family, "--replay", ack)
        assert came.of(JUDGED_BY_THE_OWNER) == {REPEATED[stage.owner]: arrived}, came
        assert received.count() <= OTHER_FRAMES
        still_talk(client, server)


@pytest.mark.parametrize("end", [socket.socket.close, sockets.reset], ids=["closed", "reset"])
def test_cookie_of_a_connection_that_has_ended_is_no_cookie(stage, family, end):
    with opened(stage, family) as (client, server, ack):
        port = sockets.port_of(client)
        end(client)
        if server is not client:
            server.close()
        wait_for_end(stage, family, port)
        received = Received(stage.net.client)
        came, arrived = stage.send(family, "--replay", ack)
        assert came.of(("COOKIE_REPLAY",)) == {"COOKIE_REPLAY": arrived}, came
        assert received.count() <= OTHER_FRAMES


@pytest.mark.parametrize("stage", ["kernel"], indirect=True)
def test_cookie_of_a_connection_that_the_server_reset_is_reset_within_the_budget(stage, family):
    with opened(stage, family) as (client, server, ack):
        sockets.reset(server)
        wait_for_end(stage, family, sockets.port_of(client))
        received = Received(stage.net.client)
        came, arrived = stage.send(family, "--replay", ack)
        assert sum(came.of(("ENDED_SEGMENT", "UNVERIFIED_OVER_BUDGET")).values()) == arrived, came
        assert received.count() <= came.packets["ENDED_SEGMENT"] + OTHER_FRAMES


# --- who is there --------------------------------------------------------------------------------------------------


def test_flood_from_a_clients_own_address_keeps_it_from_nothing(stage, family):
    """Its kernel resets what was never asked for; neither is answered by more than came."""
    flood = floods.Flood("syn", floods.ANSWERED, ("--from", family.address(stage.net.client), "--sources", 1))
    with stage.flooded(family, flood) as report:
        outcome = stage.fetch(family, CONNECTIONS)
    assert outcome["succeeded"] == outcome["begun"] == CONNECTIONS, outcome
    assert report["sent"] > CONNECTIONS
    assert not stage.shield.flows(state="SYN_RECEIVED")
