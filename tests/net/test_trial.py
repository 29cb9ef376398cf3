# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""load --try: unless someone keeps it in time it unloads by itself, whatever becomes of terminals and processes."""

import os
import pathlib
import pty
import re
import signal
import subprocess
import time

import pytest

import lab
import sockets
import wire

PORT = 8000
COOKIE_SECONDS = 133  # how long after its last one a cookie may come back


@pytest.fixture
def listener(net, family):
    with sockets.listen(net.server, family, port=PORT) as sock:
        yield sock


def status_of(shield):
    return shield.read_json("status", shield.device)[0]


def wait_for_the_end(shield):
    lab.wait_until(lambda: status_of(shield)["phase"] == "draining", "the end of the trial")


def wait_until_gone(shield):
    lab.wait_until(shield.is_gone, "the unload", timeout=20)
    lab.wait_until(lambda: not shield.guards(), "the guard to end")


def connect_and_count(shield, family, listener):
    """A connection that works, and the verdicts of its handshake."""
    before = shield.counters()
    with sockets.connected(shield.net, family, listener) as (client, server):
        sockets.exchange(client, server, 1000)
    return shield.counters() - before


def test_it_unloads_by_itself_and_breaks_nothing(shield, net, family, listener):
    with sockets.connected(net, family, listener) as before:
        shield.load(f"*:{PORT}", try_for="60s")
        assert len(shield.guards()) == 1
        assert 0 < status_of(shield)["try_left_ms"] <= 60_000
        assert "synkeep keep" in shield.run("status", shield.device).stdout
        with sockets.connected(net, family, listener) as during:
            assert shield.counters()["HANDOVER"] == 1
            shield.advance_clock(60)
            wait_for_the_end(shield)
            counted = connect_and_count(shield, family, listener)
            assert (counted["SYN_DRAINING"], counted["SYN_COOKIE"]) == (1, 0), counted
            shield.advance_clock(61 + COOKIE_SECONDS)
            wait_until_gone(shield)
            with sockets.connected(net, family, listener) as after:
                for client, server in (before, during, after):
                    sockets.exchange(client, server, 10000)


def test_without_a_cookie_it_is_gone_at_once(shield):
    shield.load("*:*", policy="off", try_for="60s")
    shield.advance_clock(61)
    wait_until_gone(shield)  # which waits for less than a cookie lives


def test_kept_in_time_it_stays(shield, family, listener):
    shield.load(f"*:{PORT}", try_for="60s")
    assert "kept" in shield.run("keep", shield.device).stdout
    lab.wait_until(lambda: not shield.guards(), "the guard to end")
    assert status_of(shield)["try_left_ms"] is None
    assert "synkeep keep" not in shield.run("status", shield.device).stdout
    shield.advance_clock(61)
    counted = connect_and_count(shield, family, listener)
    assert (counted["SYN_COOKIE"], counted["HANDOVER"]) == (1, 1), counted


def test_without_its_guard_it_still_lets_go_in_time(shield, net, family, listener):
    shield.load(f"*:{PORT}", try_for="60s")
    guard, = shield.guards()
    os.kill(guard, signal.SIGKILL)
    with wire.Peer(net, family, PORT) as peer, wire.Peer(net, family, PORT) as stranger:
        peer.ask()
        shield.advance_clock(61)
        counted = connect_and_count(shield, family, listener)
        assert (counted["SYN_DRAINING"], counted["SYN_COOKIE"]) == (1, 0), counted
        peer.send("PA", b"hello")  # its cookie is still good
        with listener.accept()[0] as server:
            assert sockets.read_exactly(server, 5) == b"hello"
        shield.advance_clock(200)  # nobody is a stranger for having come with the load
        stranger.send("A")
        stranger.receive("R")
    notes = status_of(shield)["notes"]
    assert any("nobody kept it" in note for note in notes), notes
    shield.unload("--now")
    assert shield.is_gone()


def test_terminal_that_hangs_up_takes_nothing_along(shield):
    leader, terminal = pty.openpty()
    load = shield.command("load", *shield.load_arguments("*:*", policy="off", try_for="2s"))
    words = " ".join(str(word) for word in load)
    shell = subprocess.Popen(["setsid", "--ctty", "sh", "-c", f"{words}; sleep 60"], stdin=terminal, stdout=terminal,
                             stderr=terminal)
    os.close(terminal)
    lab.wait_until(shield.guards, "the guard")
    os.close(leader)
    assert shell.wait(timeout=5) != 0, "the shell was to lose its terminal"
    assert shield.guards()
    wait_until_gone(shield)


def test_guard_leaves_another_load_alone(shield):
    shield.load("*:*", policy="off", try_for="2s")
    first, = shield.guards()
    shield.unload("--now")
    shield.load("*:*", policy="off", try_for="60s")
    lab.wait_until(lambda: len(shield.guards()) == 1 and first not in shield.guards(), "the first guard to end")
    shield.advance_clock(3)
    time.sleep(1)
    assert status_of(shield)["phase"] == "active"


def test_interrupted_unload_after_the_trial_says_that_it_goes_on(shield, net, family, listener):
    shield.load(f"*:{PORT}", try_for="60s")
    with sockets.connected(net, family, listener):
        unload = net.server.start(*shield.command("unload", shield.device)[2:], stderr=subprocess.PIPE)
        wait_for_the_end(shield)
        shield.advance_clock(61)
        unload.send_signal(signal.SIGINT)
        complaint = unload.communicate(timeout=5)[1]
        assert unload.returncode == 1
        assert "unloads by itself" in complaint and "answers again" not in complaint, complaint


def test_nothing_is_promised_for_a_shield_that_is_being_unloaded(shield, net, family, listener):
    shield.load(f"*:{PORT}", try_for="60s")
    with sockets.connected(net, family, listener):
        shield.advance_clock(61)
        assert "no SYN is answered" in shield.add_service("*:1").stderr
    shield.unload("--now")
    shield.load(f"*:{PORT}")
    with sockets.connected(net, family, listener):
        unload = net.server.start(*shield.command("unload", shield.device)[2:])
        wait_for_the_end(shield)
        done = shield.run("keep", shield.device, check=False)
        assert done.returncode == 1 and "too late" in done.stderr
        unload.send_signal(signal.SIGINT)
        assert unload.wait(timeout=5) == 1


def plain_key(_shield, path):
    path.write_text(os.urandom(16).hex())
    path.chmod(0o600)


def exported_keys(shield, path):
    shield.load("*:*")
    shield.run("key", "rotate", shield.device)
    shield.run("key", "export", shield.device, path)
    shield.unload("--now")


@pytest.mark.parametrize("write_file", [plain_key, exported_keys])
def test_guard_does_not_know_the_key(shield, tmp_path, write_file):
    key_file = tmp_path / "key"
    write_file(shield, key_file)
    shield.load("*:*", key_file=key_file, try_for="60s")
    guard, = shield.guards()
    time.sleep(0.1)  # it looks at the config, too
    keys = re.findall("[0-9a-f]{32}", key_file.read_text())
    words = [word for key in keys for word in (bytes.fromhex(key), key.encode())]
    assert words
    with open(f"/proc/{guard}/mem", "rb") as memory:
        for line in pathlib.Path(f"/proc/{guard}/maps").read_text().splitlines():
            start, end = (int(number, 16) for number in line.split()[0].split("-"))
            if line.split()[1].startswith("rw"):
                memory.seek(start)
                content = memory.read(end - start)
                assert not [word for word in words if word in content], line


def test_unload_ends_a_trial(shield):
    shield.load("*:*", policy="off", try_for="60s")
    shield.unload()
    assert shield.is_gone()
    lab.wait_until(lambda: not shield.guards(), "the guard to end")


def test_nothing_to_keep(shield):
    done = shield.run("keep", shield.device, check=False)
    assert done.returncode == 1 and "not loaded" in done.stderr
    shield.load("*:*")
    done = shield.run("keep", shield.device, check=False)
    assert done.returncode == 1 and "nothing to keep" in done.stderr
    assert shield.run("keep", check=False).returncode == 2


def test_keep_that_comes_too_late(shield, net, family, listener):
    shield.load(f"*:{PORT}", try_for="60s")
    with sockets.connected(net, family, listener):
        shield.advance_clock(61)
        done = shield.run("keep", shield.device, check=False)
        assert done.returncode == 1 and "too late" in done.stderr
        assert "being unloaded" in shield.load("*:*", check=False).stderr
    shield.unload("--now")
