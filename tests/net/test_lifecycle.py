# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Loading, changing and unloading under traffic resets no connection; unload waits for the cookies that are out."""

import contextlib
import fcntl
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

import family as families
import lab
import sockets
import traffic
import wire

WEB, PORT = 80, 8000
SERVICES_MAX = 1024
RETRANSMISSION_SECONDS = 0.5  # in which a client repeats what followed a lost ACK: 200 ms, and time to spare
COOKIE_SECONDS = 133  # how long after its last one a cookie may come back


@pytest.fixture
def listener(net, family):
    with sockets.listen(net.server, family, port=PORT) as sock:
        yield sock


def assert_gone(shield):
    assert shield.is_gone(), (shield.attached(), shield.pins.exists())


def start_unload(shield):
    """An unload under way, which has something to wait for."""
    process = shield.net.server.start(*shield.command("unload", shield.device)[2:], stderr=subprocess.PIPE)
    lab.wait_until(lambda: shield.read_json("status", shield.device)[0]["phase"] == "draining", "the unload")
    return process


# --- under traffic -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["now", "waits"])
def test_nothing_breaks_under_traffic(shield, net, family, listener, how):
    with traffic.stream_of_connections(net, family, WEB, seconds=4 if how == "waits" else 3), \
            traffic.in_use(traffic.Transfer, net, family, listener), \
            traffic.in_use(traffic.Chat, net, family, listener, count=4):
        time.sleep(0.2)
        shield.load(f"*:{PORT}")
        shield.add_service(f"*:{WEB}")
        with traffic.in_use(traffic.Chat, net, family, listener, count=4):
            time.sleep(0.2)
            shield.delete_service(f"*:{WEB}")
            shield.delete_service(f"*:{PORT}")
            time.sleep(0.1)
            shield.add_service(family.spec(net.server, WEB), family.spec(net.server, PORT))
            lab.wait_until(lambda: shield.counters()["HANDOVER"] > 8, "handovers")  # more than the chats'
            assert not shield.counters()["HANDOVER_REFUSED"]
            if how == "now":
                shield.add_service(f"{family.spec(net.server, WEB)},policy=off")
                time.sleep(RETRANSMISSION_SECONDS)
                shield.unload("--now")
            else:
                shield.delete_service(f"{family.spec(net.server, WEB)}")
                shield.advance_clock(COOKIE_SECONDS - 2)
                assert "may come back" in shield.unload().stderr
            assert_gone(shield)
            time.sleep(0.2)


def test_loading_again_and_again_breaks_nothing(shield, net, family, listener):
    with traffic.stream_of_connections(net, family, WEB, seconds=4), \
            traffic.in_use(traffic.Transfer, net, family, listener):
        for _ in range(4):
            shield.load("*:*")
            time.sleep(0.1)
            shield.add_service("*:*,policy=off")  # the cookies that are out come back; then nobody waits for one
            time.sleep(RETRANSMISSION_SECONDS)
            shield.unload("--now")
            assert_gone(shield)


def keys_by_epoch(shield):
    """The cookies' keys of each CPU that has any: a set of (epoch, keys)."""
    clocks = json.loads(shield.bpftool("-j", "map", "dump", "pinned", shield.pins / "clocks").stdout)
    cookies = [cpu["value"]["cookie"] for cpu in clocks[0]["formatted"]["values"]]
    return {(cookie["epoch"], str(cookie["keys"])) for cookie in cookies if cookie["has_keys"]}


def test_keys_are_those_of_the_load(shield, net, family):
    # The first packet finds the program before the loader has written the key. No CPU may keep what it had till then.
    seen = []
    with traffic.stream_of_connections(net, family, WEB, seconds=2):
        for _ in range(3):
            shield.load(f"*:{WEB}", policy="off")
            lab.wait_until(lambda: keys_by_epoch(shield), "keys")
            time.sleep(0.1)
            keys = keys_by_epoch(shield)
            assert len(keys) == len({epoch for epoch, _ in keys}), "CPUs that do not take each other's cookies"
            seen.append(keys)
            shield.unload("--now")
    assert not seen[0] & seen[1] and not seen[1] & seen[2], "loads with keys of their own derived the same"


# --- connections from before, and after ----------------------------------------------------------------------------


def test_connections_from_before_are_there_at_once(shield, net, family, listener):
    with contextlib.ExitStack() as stack:
        ends = [stack.enter_context(sockets.connected(net, family, listener)) for _ in range(10)]
        shield.load(f"*:{PORT}")
        for client, server in ends:
            flow = shield.flow(family, sockets.port_of(client))
            assert (flow["state"], flow["adopted"], flow["cookie"]) == ("ESTABLISHED", True, False)
            sockets.exchange(client, server, 10000)
            assert shield.flow(family, sockets.port_of(client))["state"] == "ESTABLISHED"


def test_connections_from_before_their_service_are_there_at_once(shield, net, family, listener):
    shield.load("*:1")
    with sockets.connected(net, family, listener) as (client, server):
        assert shield.flow(family, sockets.port_of(client)) is None
        shield.add_service(f"*:{PORT}")
        flow = shield.flow(family, sockets.port_of(client))
        assert (flow["state"], flow["adopted"]) == ("ESTABLISHED", True)
        sockets.exchange(client, server, 10000)


@pytest.mark.parametrize("speaker, verdict", [("client", "ADOPTED"), ("server", "OWN_ADOPTED")])
def test_connection_without_record_is_adopted_with_its_next_segment(shield, net, family, listener, speaker, verdict):
    shield.load(f"*:{PORT}")
    with sockets.connected(net, family, listener) as (client, server):
        shield.forget(family, sockets.port_of(client))
        assert shield.flow(family, sockets.port_of(client)) is None
        (client if speaker == "client" else server).sendall(b"hello")
        assert sockets.read_exactly(server if speaker == "client" else client, 5) == b"hello"
        assert shield.counters()[verdict] == 1
        flow = shield.flow(family, sockets.port_of(client))
        assert (flow["state"], flow["adopted"]) == ("ESTABLISHED", True)
        of_socket = sockets.negotiated(family, net.server, PORT, sockets.port_of(client))
        assert of_socket["wscale"] == f"{flow['snd_wscale']},{flow['rcv_wscale']}"
        sockets.exchange(client, server, 10000)


def test_half_closed_connection_from_before(shield, net, family, listener):
    with sockets.connected(net, family, listener) as (client, server):
        client.shutdown(sockets.socket.SHUT_WR)
        assert server.recv(1) == b""
        shield.load(f"*:{PORT}")
        assert shield.flow(family, sockets.port_of(client))["state"] == "CLOSE-WAIT"
        server.sendall(b"x" * 1000)
        assert sockets.read_exactly(client, 1000) == b"x" * 1000
        server.close()
        # A connection without a cookie leaves no trace: nothing of it could be replayed.
        lab.wait_until(lambda: shield.flow(family, sockets.port_of(client)) is None, "the end")


def test_handshake_under_way_while_loading(shield, net, family, listener):
    with wire.Peer(net, family, PORT) as peer:
        peer.ask()
        shield.load(f"*:{PORT}")
        peer.send("A")
        with listener.accept()[0] as server:
            peer.send("PA", b"hello")
            assert sockets.read_exactly(server, 5) == b"hello"


def test_connections_by_cookie_outlive_the_shield(shield, net, family, listener):
    shield.load(f"*:{PORT}")
    with contextlib.ExitStack() as stack:
        ends = [stack.enter_context(sockets.connected(net, family, listener)) for _ in range(10)]
        assert shield.counters()["HANDOVER"] == 10
        shield.unload("--now")
        assert_gone(shield)
        for client, server in ends:
            sockets.exchange(client, server, 10000)


# --- commands that cross --------------------------------------------------------------------------------------------


def stop(process):
    """It stands still, and waits for no lock, when this returns."""
    process.send_signal(signal.SIGSTOP)
    lab.wait_until(lambda: pathlib.Path(f"/proc/{process.pid}/stat").read_text().split(") ")[1][0] == "T", "the stop")


def has_to_wait_for_lock(process):
    waiting = [line.split() for line in pathlib.Path("/proc/locks").read_text().splitlines() if "->" in line]
    return str(process.pid) in (words[5] for words in waiting)


@contextlib.contextmanager
def held_before_the_lock(shield, *command):
    """A command that stands still before it has the lock of the pins; it goes on afterwards."""
    lock = os.open(shield.pins, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = shield.net.server.start(*shield.command(*command)[2:], stderr=subprocess.PIPE)
        lab.wait_until(lambda: has_to_wait_for_lock(process), "the command")
        stop(process)
    finally:
        os.close(lock)
    yield process
    process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def held(process):
    """A process stands still; it goes on afterwards."""
    stop(process)
    yield
    process.send_signal(signal.SIGCONT)


def test_service_added_while_the_load_is_changed_is_of_the_new_load(shield):
    shield.load("*:1")
    with held_before_the_lock(shield, "service", "add", shield.device, f"*:{PORT}") as add:
        shield.unload("--now")
        shield.load("*:2")
    assert "added" in add.communicate(timeout=5)[0]
    assert [service["service"] for service in shield.read_json("service", "list", shield.device)] == \
        ["*:2", f"*:{PORT}"]


def test_keep_while_the_load_is_changed_keeps_the_new_load(shield):
    shield.load("*:1", try_for="60s")
    with held_before_the_lock(shield, "keep", shield.device) as keep:
        shield.unload("--now")
        shield.load("*:1", try_for="60s")
    assert "kept" in keep.communicate(timeout=5)[0]
    assert shield.read_json("status", shield.device)[0]["try_left_ms"] is None


def test_unload_that_has_not_begun_leaves_a_later_load_alone(shield, net, family, listener):
    shield.load(f"*:{PORT}")
    with sockets.connected(net, family, listener):
        with held_before_the_lock(shield, "unload", shield.device) as unload:
            shield.unload("--now")
            shield.load("*:*")
        assert "loaded anew" in unload.communicate(timeout=5)[1] and unload.returncode == 1
        assert shield.read_json("status", shield.device)[0]["phase"] == "active"


def test_unload_that_waits_leaves_a_later_load_alone(shield, net, family, listener):
    shield.load(f"*:{PORT}")
    with sockets.connected(net, family, listener):
        unload = start_unload(shield)
        with held(unload):
            shield.advance_clock(COOKIE_SECONDS)
            shield.unload("--now")
            shield.load("*:*")
        assert "loaded anew" in unload.communicate(timeout=5)[1] and unload.returncode == 1
        assert shield.read_json("status", shield.device)[0]["phase"] == "active"
        assert len(shield.attached()) == 4


def test_unload_that_another_command_finishes_is_done(shield, net, family, listener):
    shield.load(f"*:{PORT}")
    with sockets.connected(net, family, listener):
        unload = start_unload(shield)
        shield.unload("--now")
        output, complaint = unload.communicate(timeout=5)
        assert (unload.returncode, "another command" in output) == (0, True), (output, complaint)
        assert_gone(shield)


def test_unload_ends_when_another_one_is_interrupted(shield, net, family, listener):
    shield.load(f"*:{PORT}")
    with sockets.connected(net, family, listener):
        first, second = start_unload(shield), start_unload(shield)
        first.send_signal(signal.SIGINT)
        assert "answers again" in first.communicate(timeout=5)[1]
        assert "active again" in second.communicate(timeout=5)[1] and second.returncode == 1
        assert shield.read_json("status", shield.device)[0]["phase"] == "active"


def test_unload_outlives_the_reader_of_its_output(shield, net, family, listener):
    shield.load(f"*:{PORT}")
    with sockets.connected(net, family, listener):
        reader, writer = os.pipe()
        os.close(reader)
        unload = net.server.start(*shield.command("unload", shield.device)[2:], stderr=writer)
        os.close(writer)
        lab.wait_until(lambda: shield.read_json("status", shield.device)[0]["phase"] == "draining", "the unload")
        shield.advance_clock(COOKIE_SECONDS)
        assert unload.wait(timeout=10) == 0
        assert_gone(shield)


def test_service_without_room_is_not_half_there(shield):
    shield.load("*:1", policy="off")  # two of the entries
    shield.add_service(*(f"10.0.0.1:{port},policy=off" for port in range(2, SERVICES_MAX - 1)))
    done = shield.run("service", "add", shield.device, "*:5000", check=False)
    assert done.returncode == 1 and "no room" in done.stderr
    services = {service["service"] for service in shield.read_json("service", "list", shield.device)}
    assert len(services) == SERVICES_MAX - 2 and not [text for text in services if text.endswith(":5000")]
    shield.add_service("[::]:5000")  # there is room for one
    shield.run("service", "del", shield.device, "[::]:5000")
    done = shield.run("service", "add", shield.device, "[::]:5001", check=False)
    assert done.returncode == 1 and f"a deleted one for the {COOKIE_SECONDS} s" in done.stderr


# --- without a process ---------------------------------------------------------------------------------------------


def test_expired_records_leave_by_themselves(shield, net):
    shield.load(f"*:{PORT}")
    for family in (families.IPV4, families.IPV6):
        with sockets.listen(net.server, family, port=PORT) as listener:
            with sockets.connected(net, family, listener) as (client, _server):
                sockets.reset(client)
    lab.wait_until(lambda: [flow["state"] for flow in shield.flows()] == ["CLOSED"] * 2, "the resets")
    shield.advance_clock(2 * COOKIE_SECONDS)
    assert not shield.flows()  # absent as soon as their time is over,
    lab.wait_until(lambda: shield.record_count() == 0, "the sweep", timeout=8)  # and their slots come back


# --- unload waits --------------------------------------------------------------------------------------------------


def test_unload_is_immediate_where_no_cookie_was_sent(shield, net, family, listener):
    shield.load(f"*:{PORT}", policy="off")
    with sockets.connected(net, family, listener) as (client, server):
        assert not shield.unload().stderr  # it tells of any wait
        assert_gone(shield)
        sockets.exchange(client, server, 1000)


def test_status_counts_the_time_for_cookies_as_unload_does(shield, net, family, listener):
    shield.load("*:*")
    with wire.Peer(net, family, PORT) as peer:
        peer.ask()
    left_ms = shield.read_json("status", shield.device)[0]["cookies"]["may_return_ms"]
    assert 130_000 < left_ms <= 133_000


def test_unload_takes_the_cookies_that_are_out(shield, net, family, listener):
    shield.load(f"*:{PORT}")
    with wire.Peer(net, family, PORT) as peer:
        peer.ask()
        unload = start_unload(shield)
        with sockets.connected(net, family, listener) as (client, server):  # new ones are the kernel's
            sockets.exchange(client, server, 1000)
        counted = shield.counters()
        assert (counted["SYN_DRAINING"], counted["SYN_COOKIE"]) == (1, 1), counted
        peer.send("PA", b"hello")
        with listener.accept()[0] as server:
            assert sockets.read_exactly(server, 5) == b"hello"
        assert shield.counters()["HANDOVER"] == 1
        assert unload.poll() is None, "it was to wait"
        unload.send_signal(signal.SIGINT)
        assert unload.wait(timeout=5) == 1


@pytest.mark.parametrize("change", ["address deleted", "address added"])
def test_cookie_is_taken_by_the_service_that_takes_its_senders_place(shield, net, family, listener, change):
    address = family.spec(net.server, PORT)
    shield.load(f"*:{PORT}", *([address] if change == "address deleted" else []))
    with wire.Peer(net, family, PORT) as peer:
        peer.ask()
        (shield.delete_service if change == "address deleted" else shield.add_service)(address)
        peer.send("A")
        peer.send("PA", b"hello")
        with listener.accept()[0] as server:
            assert sockets.read_exactly(server, 5) == b"hello"
        assert shield.counters()["COOKIE_ACK"] == 1


def test_unload_waits_as_long_as_a_cookie_lives(shield, net, family, listener):
    shield.load(f"*:{PORT}")
    with sockets.connected(net, family, listener) as (client, server):
        shield.advance_clock(COOKIE_SECONDS - 2)
        assert "cookies may come back for another" in shield.unload().stderr
        assert_gone(shield)
        sockets.exchange(client, server, 1000)


def test_unload_is_immediate_when_all_cookies_are_stale(shield, net, family, listener):
    shield.load(f"*:{PORT}")
    with sockets.connected(net, family, listener):
        shield.advance_clock(COOKIE_SECONDS + 1)
        assert not shield.unload().stderr
        assert_gone(shield)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_unload_leaves_the_shield_standing(shield, net, family, listener, number):
    shield.load(f"*:{PORT}")
    with sockets.connected(net, family, listener):
        unload = start_unload(shield)
        unload.send_signal(number)
        _, complaint = unload.communicate(timeout=5)
        assert unload.returncode == 1
        assert "stays loaded" in complaint
    before = shield.counters()
    with sockets.connected(net, family, listener) as (client, server):
        sockets.exchange(client, server, 1000)
    counted = shield.counters() - before
    assert (counted["SYN_COOKIE"], counted["HANDOVER"]) == (1, 1), counted
