# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Floods at many services at once, in pulses, at a shield that is young; connections that complete and stay silent, or
offer a window of a byte."""

import contextlib

import pytest

import daemon as daemons
import floods
import lab
import sockets
import web
from shield import shielded

CONNECTIONS = 50
SILENT = 400  # connections that are begun
ECHO, OTHER_ECHO, SILENT_PORT, LIMITED_PORT = 7, 8, 2000, 2001
BACKLOG, OPEN_LIMIT = 64, 20
PORTS = range(3000, 3016)
HOLD_S = 10  # of the first flood
SMALL_TABLE = 256  # connections; a quarter of them may be half-open
STRANGERS = ("STRANGER", "UNVERIFIED_OVER_BUDGET")


@pytest.fixture(scope="module")
def shield():
    """One of both owners, whose client's device counts and drops what is sent to the floods' addresses."""
    with shielded() as own, web.WebServer(own.net.server):
        own.net.client.attach("count")
        with daemons.serving(own, *(f"*:{port},owner=daemon,app=echo,policy=always" for port in (ECHO, OTHER_ECHO)),
                             f"*:{web.PORT},policy=always", f"*:{SILENT_PORT},policy=always",
                             f"*:{LIMITED_PORT},policy=always,open={OPEN_LIMIT},source=/24/64",
                             *(f"*:{port},policy=auto" for port in PORTS)) as own.daemon:
            yield own


def flood(net, family, *options):
    return net.client.read_json(*net.client.flood_command(net.server, "--source", "paced", *options,
                                                          address=family.address(net.server)))


def fetch(net, family, port, *options):
    outcome = net.client.read_json(lab.tool("fetch"), "--port", port, "--count", CONNECTIONS, "--parallel", 8,
                                   "--seconds", 25, "--timeout", 20, *options, family.address(net.server))
    assert outcome["succeeded"] == outcome["begun"] == CONNECTIONS, outcome


@contextlib.contextmanager
def completing(net, *options):
    """Meanwhile every SYN-ACK to the floods' addresses is answered, and nothing that comes behind it."""
    net.client.detach()
    net.client.attach("complete", *options)
    try:
        yield
    finally:
        net.client.detach()
        net.client.attach("count")


def established(net, family, port):
    """The server's sockets on the port that have a connection."""
    only = "-4" if family.name == "ipv4" else "-6"
    return len(net.server.run("ss", only, "-Htn", "state", "established", f"sport = :{port}").stdout.splitlines())


def test_silent_connections_fill_their_own_queue_only(shield, net, family):
    with sockets.listen(net.server, family, port=SILENT_PORT) as listener, completing(net):
        listener.listen(BACKLOG)
        before = shield.counters()
        flood(net, family, "--port", SILENT_PORT, "--rate", 2000, "--seconds", SILENT / 2000)
        lab.wait_until(lambda: established(net, family, SILENT_PORT) > BACKLOG, "a full queue")
        counted = shield.counters() - before
        assert counted["SYN_QUEUE_FULL"]
        # A connection that found the queue full between its cookie and its ACK has a record, and no socket.
        assert established(net, family, SILENT_PORT) == BACKLOG + 1
        assert len(shield.flows(source=floods.SPOOFED[family.name])) == counted["COOKIE_ACK"]
        assert counted["COOKIE_ACK"] + counted["SYN_QUEUE_FULL"] <= SILENT + 16
        fetch(net, family, web.PORT)
        fetch(net, family, ECHO, "--echo")


def test_silent_connections_of_a_prefix_that_is_limited_leave_room_in_the_queue(shield, net, family):
    with sockets.listen(net.server, family, port=LIMITED_PORT) as listener, completing(net):
        listener.listen(BACKLOG)
        sent = flood(net, family, "--port", LIMITED_PORT, "--rate", 2000, "--seconds", SILENT / 2000, "--sources",
                     256)["sent"]
        assert sent > BACKLOG
        lab.wait_until(lambda: established(net, family, LIMITED_PORT) >= OPEN_LIMIT, "as many as are allowed")
        with sockets.connect(net.client, family, (family.address(net.server), LIMITED_PORT)):
            lab.wait_until(lambda: established(net, family, LIMITED_PORT) == OPEN_LIMIT + 1, "a client's, too")


@pytest.mark.parametrize("window, options", [(65535, ()), (1, ("--text",)), (0, ("--text",))],
                         ids=["silent", "window-1", "window-0"])
def test_daemon_serves_others_beside_connections_that_take_nothing(shield, net, family, window, options):
    before = shield.counters()["DAEMON_COOKIE_ACK"]
    with completing(net, "--window", window, *options):
        sent = flood(net, family, "--port", ECHO, "--rate", 2000, "--seconds", SILENT / 2000)["sent"]
        lab.wait_until(lambda: shield.counters()["DAEMON_COOKIE_ACK"] - before == sent, "the connections")
        fetch(net, family, ECHO, "--echo")
        fetch(net, family, OTHER_ECHO, "--echo")
        lab.wait_until(lambda: shield.daemon.status()["connections"] >= sent, "the silent ones, still there")


def test_many_services_are_defended_each_by_itself(shield, net, family):
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(sockets.listen(net.server, family, port=port)) for port in PORTS]
        before = shield.counters()
        process = net.client.start(*net.client.flood_command(
            net.server, "--source", "paced", "--rate", floods.RATE, "--seconds", 30, "--port", PORTS[0],
            "--ports", len(PORTS), address=family.address(net.server)))
        limit = len(PORTS) * floods.HALF_OPEN_AT_MOST
        lab.wait_until(lambda: (shield.counters() - before)["SYN_COOKIE"] > limit, "the flood of all", timeout=20)
        for listener in listeners:
            with sockets.connected(net, family, listener, timeout=20) as (client, server):
                sockets.exchange(client, server, 1000)
        process.terminate()
        process.wait()
        assert (shield.counters() - before)["SYN_CALM"] <= limit
        assert len(shield.flows(source=floods.SPOOFED[family.name])) <= limit


def test_slow_flood_that_fills_the_daemons_room_for_handshakes_is_one(family):
    """Fewer SYNs a second than policy auto takes for a flood; but each keeps its place for a minute."""
    with floods.staged("daemon", "auto", flows=SMALL_TABLE) as stage:
        slow = floods.Flood("syn", floods.ANSWERED, ("--rate", 50))
        with stage.flooded(family, slow):
            lab.wait_until(lambda: stage.look().packets["SYN_COOKIE"], "a SYN that is answered by a cookie")
            assert stage.fetch(family, CONNECTIONS)["succeeded"] == CONNECTIONS
        assert stage.daemon.status()["half_open"] < SMALL_TABLE // 4, "there is no room left"


# --- a flood that comes and goes -----------------------------------------------------------------------------------


class Pulses:
    """A stage with policy auto, whose clock is moved by hand."""

    def __init__(self, stage, family):
        self.stage, self.family = stage, family
        self.seconds = floods.STRANGERS_WELCOME_S + 1

    def send(self):
        """How many SYNs of a pulse the owner has seen."""
        came, _ = self.stage.send(self.family, verdicts=floods.ANSWERED + floods.IN_CALM)
        return came.packets["SYN_CALM"]

    def wait(self, seconds):
        self.seconds += seconds
        self.stage.shield.advance_clock(self.seconds)

    def sentry(self):
        """The one that has seen most floods: the other is of the other family."""
        return max((value for _, value in self.stage.shield.dump("sentries")), key=lambda value: value["floods"])


@pytest.fixture
def pulses(family):
    with floods.staged("kernel", "auto") as stage:
        yield Pulses(stage, family)


def test_flood_in_pulses_finds_the_shield_up(pulses):
    assert 0 < pulses.send() <= floods.HALF_OPEN_AT_MOST
    for _ in range(4):
        pulses.wait(HOLD_S // 2)
        assert pulses.send() == 0
    assert pulses.sentry()["floods"] == 1
    pulses.wait(HOLD_S + 1)
    assert 0 < pulses.send() <= floods.HALF_OPEN_AT_MOST  # and this time for longer
    pulses.wait(HOLD_S + 1)
    assert pulses.send() == 0
    assert (pulses.sentry()["floods"], pulses.sentry()["hold_s"]) == (2, 2 * HOLD_S)
    assert pulses.stage.fetch(pulses.family, CONNECTIONS)["succeeded"] == CONNECTIONS


def test_clients_connect_between_pulses_and_in_them(pulses):
    with pulses.stage.flooded(pulses.family, floods.Flood("syn", floods.ANSWERED, ("--pulse", "100/100"))):
        for _ in range(3):
            assert pulses.stage.fetch(pulses.family, CONNECTIONS)["succeeded"] == CONNECTIONS
            before = pulses.stage.look()
            lab.wait_until(lambda: pulses.stage.look().since(before).packets["SYN_COOKIE"], "the next pulse")
    assert pulses.sentry()["floods"] == 1
    assert pulses.stage.look().packets["SYN_CALM"] <= floods.HALF_OPEN_AT_MOST


# --- a shield that is young ----------------------------------------------------------------------------------------


def test_strangers_to_a_young_shield_are_reset_within_the_budget(family):
    with shielded() as shield, web.WebServer(shield.net.server):
        net = shield.net
        net.client.attach("count")
        shield.load(f"*:{web.PORT},policy=always")
        sent = flood(net, family, "--kind", "ack", "--port", web.PORT, "--rate", floods.RATE, "--seconds", 0.2)["sent"]
        lab.wait_until(lambda: sum(shield.counters()[name] for name in STRANGERS) == sent, "all of them")
        counted, answers = shield.counters(), net.client.counters()
        assert answers["rst"] == counted["STRANGER"] > 0
        assert answers["syn_ack"] == answers["other"] == answers["not_tcp"] == 0
