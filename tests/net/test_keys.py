# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""synkeep key: the cookies' key of a loaded shield, rotated, exported and imported."""

import os
import pathlib
import pty
import re
import time

import pytest

import lab
import sockets
import traffic
import wire
from shield import CONFIG_TEST_ADVANCE

PORT = 8000
EPOCH_SECONDS, SKEW_SECONDS = 64, 5
PLAIN = "000102030405060708090a0b0c0d0e0f"
EXPORTED = re.compile(r"synkeep-key 1\nmaster [0-9a-f]{32}\nformer [0-9a-f]{32}\nfrom-epoch \d{10}\n"
                      r"checksum [0-9a-f]{16}\n")


def keys(shield):
    """What the programs have: the keys and their epoch, and whether they are shared; not the generation."""
    config = shield.dump("config")[0][1]
    return {name: str(value) for name, value in config["keys"].items() if name != "generation"}, \
        config["key_is_shared"]


def status(shield):
    return shield.read_json("status", shield.device)[0]["key"]


def rotate(shield, *options, **choices):
    return shield.run("key", "rotate", shield.device, *options, **choices)


def advance_to_epoch(shield, epoch, seconds):
    """So many seconds after an epoch begins; cookies' time is UTC."""
    ahead = epoch * EPOCH_SECONDS + seconds - time.time()
    shield.write_config(CONFIG_TEST_ADVANCE, int(ahead * 10**9).to_bytes(8, "little"))


def key_events(shield):
    """The epochs of the journal's events that tell of a key."""
    events = shield.dump("journal")[0][1]["events"]
    return [event["value"] for event in sorted(events, key=lambda event: event["number"])
            if event["kind"] == "JOURNAL_KEY_CHANGED"]


def assert_refused(done, complaint, code=1):
    assert done.returncode == code and complaint in done.stderr, done
    assert not done.stdout


# --- rotate --------------------------------------------------------------------------------------------------------


def test_rotation_under_a_stream_of_connections_loses_none(shield, net, family):
    shield.load(f"*:{PORT}", policy="always")
    epoch = status(shield)["from_epoch"] + 2
    advance_to_epoch(shield, epoch, 40)
    with traffic.stream_of_connections(net, family, PORT, seconds=9):
        for turn in range(2):
            rotate(shield)
            begins = status(shield)["from_epoch"]
            assert status(shield)["pending"]
            for seconds in (-1, 1, EPOCH_SECONDS + SKEW_SECONDS + 1):
                time.sleep(0.3)
                advance_to_epoch(shield, begins, seconds)
                if seconds == -1:
                    time.sleep(1.5)  # the clock goes over the boundary by itself
            assert not status(shield)["pending"]
    counted = shield.counters()
    assert counted["COOKIE_ACK"] > 100 and not counted["NO_FLOW"] and not counted["STRANGER"], counted


def test_cookie_sent_before_a_rotation_is_good_for_its_time(shield, net, family):
    shield.load(f"*:{PORT}", policy="always")
    with sockets.listen(net.server, family, port=PORT) as listener, \
            wire.Peer(net, family, PORT) as peer, wire.Peer(net, family, PORT) as late:
        first = status(shield)["from_epoch"] + 2
        advance_to_epoch(shield, first, 10)
        peer.ask()
        late.ask()
        rotate(shield)
        assert status(shield)["from_epoch"] == first + 1
        advance_to_epoch(shield, first + 2, -4)
        peer.send("PA", b"hello")
        with listener.accept()[0] as server:
            assert sockets.read_exactly(server, 5) == b"hello"
        advance_to_epoch(shield, first + 2, 1)
        late.send("A")
        lab.wait_until(lambda: shield.counters()["NO_FLOW"] + shield.counters()["STRANGER"], "the refusal")
        assert shield.counters()["COOKIE_ACK"] == 1


def test_rotation_now_makes_cookies_void(shield, net, family):
    shield.load(f"*:{PORT}", policy="always")
    with sockets.listen(net.server, family, port=PORT) as listener, \
            wire.Peer(net, family, PORT) as peer, wire.Peer(net, family, PORT) as late:
        shield.advance_clock(130)  # strangers are not welcome any more
        peer.ask()
        done = rotate(shield, "--now")
        assert "cookies that are out are void" in done.stdout and not status(shield)["pending"]
        time.sleep(0.1)  # a CPU reads the key once a jiffy
        peer.send("A")
        assert peer.stays_silent()
        counted = shield.counters()
        assert (counted["COOKIE_ACK"], counted["NO_FLOW"]) == (0, 1), counted
        late.open()  # by the new key
        listener.accept()[0].close()
        assert shield.counters()["COOKIE_ACK"] == 1


def test_rotation_changes_the_key_and_keeps_the_former(shield):
    shield.load(f"*:{PORT}")
    (before, _), events = keys(shield), key_events(shield)
    assert before["master"] == before["former"] and events == []
    rotate(shield)
    after, shared = keys(shield)
    assert after["former"] == before["master"] != after["master"] and not shared
    assert key_events(shield) == [int(after["from_epoch"])]


def test_rotation_while_another_is_needed_is_refused(shield):
    shield.load(f"*:{PORT}")
    rotate(shield)
    had = keys(shield)
    begins = status(shield)["from_epoch"]
    assert_refused(rotate(shield, check=False), "a new key begins in")
    advance_to_epoch(shield, begins, 1)
    assert_refused(rotate(shield, check=False), "cookies of the former one are still good")
    assert keys(shield) == had
    advance_to_epoch(shield, begins, EPOCH_SECONDS + SKEW_SECONDS + 1)
    rotate(shield)
    assert keys(shield)[0]["former"] == had[0]["master"]
    rotate(shield, "--now")
    now, _ = keys(shield)
    assert now["master"] == now["former"] != had[0]["master"]


def test_rotation_in_a_while(shield):
    shield.load(f"*:{PORT}")
    rotate(shield, "--in", "10m")
    key = status(shield)
    assert key["pending"] and 600_000 < key["begins_in_ms"] <= (600 + EPOCH_SECONDS + SKEW_SECONDS) * 1000
    assert "a new one in 10m" in shield.run("status", shield.device).stdout or \
        "a new one in 11m" in shield.run("status", shield.device).stdout


def test_other_commands_leave_a_rotation_alone(shield):
    shield.load(f"*:{PORT}", try_for="60s")
    rotate(shield)
    shield.run("key", "export", shield.device)
    had = keys(shield)
    assert had[1]
    shield.add_service("*:9,policy=off")
    shield.delete_service("*:9")
    shield.run("keep", shield.device)
    assert keys(shield) == had


# --- export and import ---------------------------------------------------------------------------------------------


@pytest.fixture
def exported(shield, tmp_path):
    """A file of the key of a shield that is loaded, and that has another key by now."""
    path = tmp_path / "exported"
    shield.load(f"*:{PORT}")
    rotate(shield)
    shield.run("key", "export", shield.device, path)
    rotate(shield, "--now")
    return path


def test_exported_file_brings_the_key_back(shield, tmp_path):
    shield.load(f"*:{PORT}")
    rotate(shield)
    assert not status(shield)["shared"]
    done = shield.run("key", "export", shield.device, tmp_path / "file")
    had = keys(shield)
    assert status(shield)["shared"], "cookies of who imports it will come here"
    assert (tmp_path / "file").stat().st_mode & 0o7777 == 0o600
    text = (tmp_path / "file").read_text()
    assert EXPORTED.fullmatch(text) and not re.search("[0-9a-f]{32}", done.stdout + done.stderr)
    rotate(shield, "--now")
    assert keys(shield) != had and not status(shield)["shared"]
    done = shield.run("key", "import", shield.device, tmp_path / "file")
    assert keys(shield) == had and "void" in done.stdout and f"it changes from epoch" in done.stdout
    shield.unload("--now")
    shield.load(f"*:{PORT}", key_file=tmp_path / "file")
    assert keys(shield) == had


def test_plain_key_is_imported(shield, tmp_path):
    shield.load(f"*:{PORT}")
    path = tmp_path / "plain"
    path.write_text(PLAIN + "\n")
    path.chmod(0o600)
    shield.run("key", "import", shield.device, path)
    imported, shared = keys(shield)
    shield.unload("--now")
    shield.load(f"*:{PORT}", key_file=path)
    loaded, loaded_shared = keys(shield)
    assert imported["master"] == imported["former"] == loaded["master"] == loaded["former"]
    assert shared and loaded_shared
    assert "changes" not in shield.run("key", "import", shield.device, path).stdout


def test_importing_the_same_key_costs_nothing(shield, tmp_path):
    shield.load(f"*:{PORT}")
    shield.run("key", "export", shield.device, tmp_path / "file")
    assert "void" not in shield.run("key", "import", shield.device, tmp_path / "file").stdout


@pytest.mark.parametrize("spoil, complaint", [
    (lambda text: text[:-1], "damaged"),
    (lambda text: text[:60], "damaged"),
    (lambda text: text.replace("from-epoch 00", "from-epoch 01"), "damaged"),
    (lambda text: text.replace("synkeep-key 1", "synkeep-key 2"), "another version"),
    (lambda text: "", "holds no key"),
])
def test_bad_file_changes_nothing(shield, exported, spoil, complaint):
    exported.write_text(spoil(exported.read_text()))
    had = keys(shield), key_events(shield)
    assert_refused(shield.run("key", "import", shield.device, exported, check=False), complaint)
    assert (keys(shield), key_events(shield)) == had


def test_file_that_others_may_read_changes_nothing(shield, exported):
    exported.chmod(0o644)
    had = keys(shield)
    assert_refused(shield.run("key", "import", shield.device, exported, check=False), "chmod 600")
    assert keys(shield) == had


def test_export_is_not_for_a_terminal(shield):
    shield.load(f"*:{PORT}")
    ours, theirs = pty.openpty()
    try:
        done = lab.subprocess.run(shield.command("key", "export", shield.device), stdout=theirs,
                                  stderr=lab.subprocess.PIPE, text=True, timeout=60)
        os.set_blocking(ours, False)
        with pytest.raises(BlockingIOError):
            os.read(ours, 1)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 1 and "not for a terminal" in done.stderr and not status(shield)["shared"]


def test_export_is_not_for_a_file_that_others_may_read(shield, tmp_path):
    shield.load(f"*:{PORT}")
    path = tmp_path / "open"
    for mode, code in ((0o644, 1), (0o600, 0)):
        path.touch()
        path.chmod(mode)
        with path.open("w") as file:
            done = lab.subprocess.run(shield.command("key", "export", shield.device), stdout=file,
                                      stderr=lab.subprocess.PIPE, text=True, timeout=60)
        assert done.returncode == code and ("mode 0644" in done.stderr) == bool(code), done
        assert bool(EXPORTED.fullmatch(path.read_text())) == (not code)


def test_export_writes_over_nothing(shield, exported):
    text = exported.read_text()
    assert_refused(shield.run("key", "export", shield.device, exported, check=False), "is there already")
    assert exported.read_text() == text and not status(shield)["shared"]


# --- the command line ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words, complaint", [
    ([], "rotate, export or import"),
    (["swap", "eth0"], "\"swap\" is unknown"),
    (["rotate"], "rotate takes DEV"),
    (["rotate", "eth0", "file"], "rotate takes DEV"),
    (["export"], "export takes DEV"),
    (["import", "eth0"], "import takes DEV and FILE"),
    (["rotate", "eth0", "--now", "--in", "5m"], "exclude each other"),
    (["rotate", "eth0", "--in", "soon"], "--in soon"),
    (["export", "eth0", "--now"], "for rotate"),
])
def test_wrong_usage(shield, words, complaint):
    assert_refused(shield.run("key", *words, check=False), complaint, code=2)


def test_device_that_is_not_loaded(shield):
    assert_refused(rotate(shield, check=False), "is not loaded")
    assert not pathlib.Path(shield.pins).exists()
