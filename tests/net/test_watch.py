# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""`synkeep flows --watch`: connections while they change, of both owners, for several watchers at once."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import time

import pytest

import daemon as daemons
import lab
import sockets
import wire
from family import IPV4
from shield import shielded

PORT, OTHER, ECHO = 8000, 8001, 7
SECONDS = 5
LEASE_SECONDS = 3
WATCHERS = 4
LINE = re.compile(r"\d\d:\d\d:\d\d\.\d{3} (\[\w+\]) +([A-Z0-9-]+) +(in|out) +(\S+) +(\S+) +(kernel|daemon) ?(.*)\n")


def leases(shield):
    """Whose leases the watchers' slots have: nanoseconds, CLOCK_MONOTONIC; 0: nobody has taken the slot."""
    (_, watch), = shield.dump("watch")
    return [slot["lease_ns"] for slot in watch["slots"]]


@contextlib.contextmanager
def alarm(seconds):
    """What hangs in the block ends as an error."""
    def late(*_):
        raise TimeoutError("the watcher prints no more lines")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Watcher:
    """A running `synkeep flows --watch`."""

    def __init__(self, shield, *options):
        before = leases(shield)
        command = shield.command("flows", shield.device, "--watch", *options)
        self.process = shield.net.server.start(*command[2:], stderr=subprocess.PIPE)
        lab.wait_until(lambda: any(now > then for now, then in zip(leases(shield), before)) or
                       self.process.poll() is not None, "the watcher has a slot")

    def lines(self, count):
        """So many lines, as they come."""
        with alarm(SECONDS):
            return [self.process.stdout.readline() for _ in range(count)]

    def events(self, count):
        return [json.loads(line) for line in self.lines(count)]

    def end(self, number=signal.SIGINT):
        """Ends it; status, what else it printed, what it said."""
        self.process.send_signal(number)
        printed, said = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, printed, said


@contextlib.contextmanager
def watching(shield, *options):
    watcher = Watcher(shield, *options)
    try:
        yield watcher
    finally:
        if watcher.process.poll() is None:
            watcher.end()


@pytest.fixture(scope="module")
def shield():
    with shielded() as own, daemons.serving(own, f"*:{PORT}", f"*:{OTHER}",
                                            f"*:{ECHO},owner=daemon,app=echo") as own.daemon:
        yield own


@pytest.fixture
def peer(net, family):
    with wire.Peer(net, family, PORT) as hand_made:
        yield hand_made


def steps(events):
    return [(event["event"], event["state"], event.get("cause")) for event in events]


def test_server_closes(shield, net, family, peer):
    with sockets.listen(net.server, family, port=PORT) as listener, watching(shield, "--json") as watcher:
        peer.open()
        with listener.accept()[0] as server:
            server.shutdown(socket.SHUT_WR)
            peer.take(peer.receive("FA"))
            peer.send("A")
            peer.send("FA")
            events = watcher.events(5)
    assert steps(events) == [("new", "SYN-RECEIVED", None), ("update", "ESTABLISHED", None),
                             ("update", "FIN-WAIT-1", None), ("update", "FIN-WAIT-2", None),
                             ("end", "TIME-WAIT", "closed")]
    assert [event["before"] for event in events] == ["CLOSED", *(event["state"] for event in events[:-1])]
    assert {event["owner"] for event in events} == {"kernel"}
    assert {(event["local_address"], event["local_port"]) for event in events} == {(family.address(net.server), PORT)}
    assert {(event["remote_address"], event["remote_port"]) for event in events} == {(family.peer, peer.port)}
    assert events[-1]["rx_packets"] >= 3 and events[-1]["tx_packets"] >= 1
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    assert abs(time.time() - time.mktime(time.strptime(events[0]["time"][:19], "%Y-%m-%dT%H:%M:%S")) +
               time.timezone) < 60


def test_text(shield, net, family, peer):
    with sockets.listen(net.server, family, port=PORT) as listener, watching(shield) as watcher:
        peer.open()
        with listener.accept()[0]:
            peer.send("RA")
            lines = watcher.lines(3)
    both = family.endpoint(family.address(net.server), PORT), family.endpoint(family.peer, peer.port)
    found = [LINE.fullmatch(line).groups() for line in lines]
    assert [words[:2] for words in found] == [("[NEW]", "SYN-RECEIVED"), ("[UPDATE]", "ESTABLISHED"),
                                              ("[END]", "CLOSED")]
    assert {words[2:6] for words in found} == {("in", *both, "kernel")}
    assert found[-1][6].startswith("reset by the peer, rx ")


def test_daemon_connection(shield, net, family):
    with wire.Peer(net, family, ECHO) as peer, watching(shield, "--json") as watcher:
        peer.open()
        peer.send("PA", b"echo")
        assert peer.take(peer.receive("PA")) == b"echo"
        peer.send("FA")
        peer.take(peer.receive("FA"))
        peer.send("A")
        events = watcher.events(4)
    assert steps(events) == [("new", "ESTABLISHED", None), ("update", "CLOSE-WAIT", None), ("update", "LAST-ACK", None),
                             ("end", "CLOSED", "closed")]
    assert {event["owner"] for event in events} == {"daemon"}
    assert events[-1]["before"] == "LAST-ACK"
    assert events[-1]["rx_packets"] >= 3 and events[-1]["rx_bytes"] >= len(b"echo")


def test_daemon_connection_reset_by_peer(shield, net, family):
    with wire.Peer(net, family, ECHO) as peer, watching(shield, "--json") as watcher:
        peer.open()
        peer.send("PA", b"echo")
        peer.take(peer.receive("PA"))
        peer.send("RA")
        assert steps(watcher.events(2)) == [("new", "ESTABLISHED", None), ("end", "CLOSED", "reset by the peer")]


def test_filters(shield, net, family):
    with sockets.listen(net.server, family, port=PORT) as listener, wire.Peer(net, family, PORT) as peer, \
            wire.Peer(net, family, ECHO) as other, \
            watching(shield, "--json", "--service", family.endpoint(family.any, ECHO)) as of_service, \
            watching(shield, "--json", "--state", "CLOSED") as of_state, \
            watching(shield, "--json", "--direction", "out") as outgoing, \
            watching(shield, "--json", "--source", "192.0.2.200") as of_source:
        peer.open()
        with listener.accept()[0]:
            peer.send("RA")
            assert [event["remote_port"] for event in of_state.events(1)] == [peer.port]
        other.open()
        assert [event["local_port"] for event in of_service.events(1)] == [ECHO]
        other.send("RA")
        of_state.events(1)
        for silent in (outgoing, of_source):
            assert silent.end() == (0, "", "")


def test_as_many_as_can_watch_see_the_same(shield, net, family, peer):
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(sockets.listen(net.server, family, port=PORT))
        watchers = [stack.enter_context(watching(shield, "--json")) for _ in range(WATCHERS)]
        refused = shield.run("flows", shield.device, "--watch", check=False)
        assert refused.returncode == 1 and f"{WATCHERS} watchers of {shield.device} are there already" in refused.stderr
        peer.open()
        with listener.accept()[0]:
            seen = [watcher.events(2) for watcher in watchers]
        assert steps(seen[0]) == [("new", "SYN-RECEIVED", None), ("update", "ESTABLISHED", None)]
        for other in seen[1:]:
            assert steps(other) == steps(seen[0])
            assert [event["remote_port"] for event in other] == [event["remote_port"] for event in seen[0]]
        assert [watcher.end(number)[0] for watcher, number in
                zip(watchers, (signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGHUP))] == [0] * WATCHERS
    assert leases(shield) == [0] * WATCHERS
    assert shield.dump("watchers") == [] or all(not value for _, value in shield.dump("watchers"))


def test_killed_watcher_gives_its_slot_back(shield, net):
    watchers = [Watcher(shield) for _ in range(WATCHERS)]
    assert watchers[2].end(signal.SIGKILL)[0] == -signal.SIGKILL
    with contextlib.ExitStack() as stack:
        for watcher in watchers[:2] + watchers[3:]:
            stack.callback(watcher.end)
        time.sleep(LEASE_SECONDS + 0.5)
        with watching(shield, "--json") as successor, sockets.listen(net.server, IPV4, port=PORT), \
                wire.Peer(net, IPV4, PORT) as peer:
            peer.open()
            assert steps(successor.events(1)) == [("new", "SYN-RECEIVED", None)]


def test_stopped_watcher_says_what_it_missed(shield, net):
    with watching(shield, "--json") as watcher:
        watcher.process.send_signal(signal.SIGSTOP)
        time.sleep(LEASE_SECONDS + 1)
        watcher.process.send_signal(signal.SIGCONT)
        time.sleep(1.5)
        status, printed, said = watcher.end()
    assert (status, printed) == (0, "")
    assert re.search(r"stood still for \d s: what happened meanwhile is not known", said)


def test_unload_ends_the_watch():
    with shielded() as own:
        own.load(f"*:{PORT}")
        watcher = Watcher(own)
        own.unload("--now")
        assert own.is_gone()
        _, said = watcher.process.communicate(timeout=SECONDS)
        assert watcher.process.returncode == 1
        assert f"{own.device} has been unloaded" in said


def test_count_and_watch_are_refused(shield):
    refused = shield.run("flows", "--count", "--watch", check=False)
    assert refused.returncode == 2 and "--watch" in refused.stderr
