# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Policy auto, the default: in calm the owner sees its SYNs, under flood cookies answer them, and then it is calm again.

The rules packet by packet are in tests/bpf/test_auto.c; here are real owners, clients and floods.
"""

import contextlib
import json

import pytest

import daemon as daemons
import lab
import sockets
import wire

PORT, ECHO, DAYTIME = 80, 7, 13
HALF_OPEN = 256  # by default
HOLD_SECONDS = 10
CONNECTIONS = 300


def sentry(shield, port=PORT):
    """What status says of the service's calm or flood."""
    services = shield.read_json("status", shield.device)[0]["services"]
    return next(service["auto"] for service in services if service["service"].endswith(f":{port}"))


def events(shield):
    """The journal."""
    return [json.loads(line) for line in shield.run("events", shield.device, "--json").stdout.splitlines()]


def flood(net, family, rate=20_000, seconds=0.2, port=PORT):
    """SYNs from spoofed sources."""
    net.client.run(*net.client.flood_command(net.server, "--source", "paced", "--rate", rate, "--seconds", seconds,
                                             "--port", port, address=family.address(net.server)))


def talk(net, family, listener):
    with sockets.connected(net, family, listener) as (client, server):
        sockets.exchange(client, server, 10000)


@pytest.fixture
def listener(shield, net, family):
    """The kernel's, behind a service that names no policy. It has room for all handshakes that half-open= lets pass."""
    with sockets.listen(net.server, family, port=PORT, backlog=16 * HALF_OPEN) as listening:
        shield.load(f"*:{PORT}", policy=None)
        yield listening


def test_calm_syns_are_the_owners(shield, net, family, listener):
    for _ in range(20):
        talk(net, family, listener)
    counted = shield.counters()
    assert (counted["SYN_CALM"], counted["HALF_OPEN_ACK"], counted["SYN_COOKIE"]) == (20, 20, 0), counted
    assert not counted.keys() & shield.drops(), counted
    assert (sentry(shield)["state"], sentry(shield)["under_way"], events(shield)) == ("calm", 0, [])


def test_busy_service_stays_calm(shield, net, family, listener):
    """More connections than half-open= allows handshakes, one after the other: each is completed."""
    for _ in range(2 * HALF_OPEN):
        sockets.connect(net.client, family, (family.address(net.server), PORT)).close()
        listener.accept()[0].close()
    state = sentry(shield)
    assert (state["floods"], state["cause"]) == (0, None)
    assert shield.counters()["SYN_CALM"] == 2 * HALF_OPEN


def test_flood_is_answered_until_it_is_over(shield, net, family, listener):
    flood(net, family)
    counted = shield.counters()
    assert counted["SYN_CALM"] <= HALF_OPEN + 1 and counted["SYN_COOKIE"] > 100, counted
    state = sentry(shield)
    assert (state["state"], state["floods"], state["cause"]) == ("flood", 1, "half-open"), state
    talk(net, family, listener)
    assert shield.counters()["HANDOVER"] == 1
    shield.advance_clock(HOLD_SECONDS + 1)
    assert sentry(shield)["state"] == "calm"
    talk(net, family, listener)
    counted = shield.counters()
    assert (counted["HANDOVER"], counted["HALF_OPEN_ACK"]) == (1, 1), counted
    began, ended = events(shield)
    assert (began["event"], ended["event"]) == ("flood-began", "flood-ended")
    assert began["service"] == ended["service"] == f"*:{PORT}"
    assert began["cause"] == "half-open"
    assert ended["lasted_ms"] >= HOLD_SECONDS * 1000


@pytest.mark.parametrize("waiting", [0, HALF_OPEN // 4])
def test_slow_flood_shows_in_the_listeners_queue(shield, net, family, waiting):
    """Fewer handshakes than half-open= allows, and half of what the listener has room for, whoever waits for accept()."""
    shield.load(f"*:{PORT}", policy=None)
    with sockets.listen(net.server, family, port=PORT, backlog=HALF_OPEN // 2) as listener, \
            contextlib.ExitStack() as stack:
        for _ in range(waiting):
            stack.enter_context(sockets.connect(net.client, family, listener.getsockname()[:2]))
        flood(net, family, rate=500, seconds=0.4)
        state = sentry(shield)
        assert (state["state"], state["cause"]) == ("flood", "queue"), state
        assert HALF_OPEN // 4 <= shield.counters()["SYN_CALM"] - waiting < HALF_OPEN // 2
        for _ in range(waiting):
            listener.accept()[0].close()
        talk(net, family, listener)


def test_handshake_under_way_at_the_switch_completes(shield, net, family, listener):
    with wire.Peer(net, family, PORT) as peer:
        peer.ask()
        flood(net, family)
        assert sentry(shield)["state"] == "flood"
        peer.send("A")
        peer.send("PA", b"hello")
        with listener.accept()[0] as server:
            assert sockets.read_exactly(server, 5) == b"hello"
    assert shield.counters()["HALF_OPEN_ACK"] == 1


def test_cookie_that_is_out_is_taken_in_calm(shield, net, family, listener):
    flood(net, family)
    with wire.Peer(net, family, PORT) as peer:
        peer.ask()
        shield.advance_clock(HOLD_SECONDS + 1)
        peer.send("A")
        peer.send("PA", b"hello")
        with listener.accept()[0] as server:
            assert sockets.read_exactly(server, 5) == b"hello"
    assert shield.counters()["HANDOVER"] == 1


def test_flood_that_pulses_within_the_hold_time_finds_the_shield_up(shield, net, family, listener):
    flood(net, family)
    passed = shield.counters()["SYN_CALM"]
    for _ in range(4):
        shield.advance_clock_by(HOLD_SECONDS / 2)
        flood(net, family)
    assert shield.counters()["SYN_CALM"] == passed
    assert sentry(shield)["floods"] == 1


def test_flood_that_comes_again_is_held_longer(shield, net, family, listener):
    flood(net, family)
    passed = shield.counters()["SYN_CALM"]
    shield.advance_clock_by(HOLD_SECONDS + 10)  # the pressure is worked off, too
    flood(net, family)
    counted = shield.counters()
    assert counted["SYN_CALM"] - passed <= HALF_OPEN + 1, counted
    state = sentry(shield)
    assert (state["floods"], state["hold_ms"]) == (2, 2 * HOLD_SECONDS * 1000), state


def test_half_open_of_a_service_is_its_limit(shield, net, family):
    shield.load(f"*:{PORT},half-open=1000", f"*:{PORT + 1},half-open=10", policy=None)
    listed = {service["service"]: service for service in shield.read_json("service", "list")}
    assert (listed[f"*:{PORT}"]["half_open"], listed[f"*:{PORT + 1}"]["half_open"]) == (1000, 10)
    with sockets.listen(net.server, family, port=PORT + 1):
        flood(net, family, rate=1000, seconds=0.05, port=PORT + 1)
        assert sentry(shield, PORT + 1)["state"] == "flood"
        assert shield.counters()["SYN_CALM"] == 10
    assert sentry(shield, PORT)["state"] == "calm"


def test_stranger_is_reset_in_calm_and_dropped_under_flood(shield, net, family, listener):
    shield.advance_clock(300)  # the load is long ago
    with wire.Peer(net, family, PORT) as peer:
        peer.send("A", ack=7)
        assert peer.receive("R").seq == 7
        flood(net, family)
        peer.send("A", ack=9)
        assert peer.stays_silent()
    counted = shield.counters()
    assert (counted["STRANGER"], counted["NO_FLOW"]) == (1, 1), counted


# --- the daemon --------------------------------------------------------------------------------------------------------


@pytest.fixture
def daemon(shield, net, family):
    specs = [daemons.spec(family, net, port, app, "policy=auto") for port, app in ((ECHO, "echo"), (DAYTIME, "daytime"))]
    with daemons.serving(shield, *specs) as serving:
        yield serving


def echoes(net, family):
    with sockets.connect(net.client, family, (family.address(net.server), ECHO)) as client:
        client.sendall(b"hello")
        assert sockets.read_exactly(client, 5) == b"hello"


def test_daemon_in_calm_makes_good_a_lost_last_ack_where_it_speaks_first(net, family, daemon):
    with wire.Peer(net, family, DAYTIME, timestamps=False) as peer:
        first = peer.ask()
        again = peer.receive("SA", timeout=3)  # it does not know that the peer has heard it
        assert (again.seq, again.ack) == (first.seq, first.ack)
        peer.send("A")
        assert peer.take(peer.receive("FPA"))


def test_busy_daemon_stays_calm(shield, net, family, daemon):
    for _ in range(CONNECTIONS):
        echoes(net, family)
    assert sentry(shield, ECHO)["floods"] == 0
    lab.wait_until(lambda: sentry(shield, ECHO)["under_way"] == 0, "the last handshake to be told")
    counted = shield.counters()
    assert counted["SYN_COOKIE"] == 0 and counted["DAEMON_SYN"] >= CONNECTIONS, counted


def test_daemon_under_flood_gets_verified_connections(shield, net, family, daemon):
    flood(net, family, port=ECHO)
    counted = shield.counters()
    assert counted["DAEMON_SYN"] <= HALF_OPEN + 1 and counted["SYN_COOKIE"] > 100, counted
    assert sentry(shield, ECHO)["cause"] == "half-open"
    assert sentry(shield, DAYTIME)["state"] == "calm"
    echoes(net, family)
    assert shield.counters()["DAEMON_COOKIE_ACK"] == 1
    shield.advance_clock(HOLD_SECONDS + 10)
    given = shield.counters()["DAEMON_SYN"]
    echoes(net, family)
    assert shield.counters()["DAEMON_SYN"] == given + 1


def test_daemons_handshake_under_way_at_the_switch_completes(shield, net, family, daemon):
    with wire.Peer(net, family, ECHO) as peer:
        peer.ask()
        lab.wait_until(lambda: shield.record(family, peer.port)[0], "its record")
        flood(net, family, port=ECHO)
        assert sentry(shield, ECHO)["state"] == "flood"
        peer.send("A")
        peer.send("PA", b"hello")
        assert peer.take(peer.receive("PA")) == b"hello"


# --- events ------------------------------------------------------------------------------------------------------------


def test_events_are_followed_until_the_device_is_unloaded(shield, net, family, listener):
    follower = net.server.start(*shield.command("events", shield.device, "--follow", "--json")[2:], stderr=-1)
    flood(net, family)
    assert json.loads(follower.stdout.readline())["event"] == "flood-began"
    shield.unload("--now")
    _, errors = follower.communicate(timeout=5)
    assert follower.returncode == 1 and "unloaded" in errors


def test_events_are_there_for_who_reads_late(shield, net, family, listener):
    """The journal has room for 256; each round leaves two."""
    for _ in range(2):
        flood(net, family)
        shield.advance_clock_by(20 * HOLD_SECONDS)
        talk(net, family, listener)
    assert [(event["number"], event["event"]) for event in events(shield)] == [
        (1, "flood-began"), (2, "flood-ended"), (3, "flood-began"), (4, "flood-ended")]
    text = shield.run("events").stdout.splitlines()
    assert [f"flood at *:{PORT}" in line for line in text] == [True, False, True, False], text
