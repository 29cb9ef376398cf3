# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What load does when something is wrong, and that load and unload leave everything else as it was."""

import os
import pathlib
import shutil
import signal
import tempfile
import time
import warnings

import pytest

import family as families
import lab
import sockets
import wire
from shield import CONFIG_PHASE, PHASE_LOADING

PORT = 8000
OURS = ["xdp driver", "clsact/ingress tc_ingress", "clsact/egress tc_egress", "clsact"]


def assert_works(shield, family):
    before = shield.counters()
    with sockets.listen(shield.net.server, family) as listener:
        with sockets.connected(shield.net, family, listener) as (client, server):
            sockets.exchange(client, server, 100000)
    counted = shield.counters() - before
    assert (counted["SYN_COOKIE"], counted["HANDOVER"]) == (1, 1), counted


def assert_refused(done, status, *words):
    assert done.returncode == status, done
    assert done.stderr.startswith("synkeep load: "), done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


# --- wrong ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, word", [
    (["--service", "*:80,colour=red"], "colour"),
    (["--service", "*:80,policy=auto,half-open=0"], "half-open"),
    (["--service", "*:80,owner=gateway"], "not there yet"),
    (["--service", "*:80,owner=daemon"], "needs app=NAME"),
    (["--policy", "monitor", "--service", "*:7,owner=daemon,app=echo"], "always or off"),
    (["--service", "*:80,policy=sometimes"], "sometimes"),
    (["--service", "*:70000"], "70000"),
    (["--service", "10.0.0.300:80"], "10.0.0.300"),
    (["--service", "2001:db8::1:80"], "brackets"),
    (["--service", "10.0.0.2"], "port"),
    (["--xdp", "magic"], "magic"),
    (["--flows", "some"], "some"),
    (["--service", "*:80", "--service", "*:80,policy=off"], "twice"),
    (["--try", "60"], "60s or 5m"),
    (["--try", "0s"], "from 1s"),
    (["--try", "366d"], "365d"),
])
def test_wrong_usage_loads_nothing(shield, arguments, word):
    assert_refused(shield.run("load", shield.device, *arguments, check=False), 2, word)
    assert shield.is_gone()


def test_wrong_device(shield):
    assert_refused(shield.run("load", "nosuch0", "--service", "*:80", check=False), 1, "nosuch0")
    assert not shield.net.pin_root.exists()


def test_loopback_device(shield):
    before = shield.net.server.run("tc", "qdisc", "show").stdout
    assert_refused(shield.run("load", "lo", "--service", "*:80", check=False), 1, "lo is the loopback device")
    assert not shield.net.pin_root.exists()
    assert shield.net.server.run("tc", "qdisc", "show").stdout == before


def test_veth_is_attached_without_a_warning(shield):
    with sockets.listen(shield.net.server, families.IPV4):  # a service that nothing listens for is warned of
        assert not shield.load("*:*").stderr


def test_missing_device_and_unknown_option(shield):
    assert shield.run("load", check=False).returncode == 2
    assert shield.run("load", shield.device, "--sevrice", "*:80", check=False).returncode == 2
    assert shield.is_gone()


@pytest.mark.parametrize("command", ["load", "unload"])
def test_no_root(shield, command):
    # The build tree may be out of another user's reach: he gets a copy.
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        program = shutil.copy(lab.SYNKEEP, directory)
        done = shield.net.server.run("setpriv", "--reuid", 65534, "--regid", 65534, "--clear-groups", program, command,
                                     "--pin-root", shield.net.pin_root, shield.device, check=False)
    assert done.returncode == 1 and "root" in done.stderr, done
    assert shield.is_gone()


@pytest.mark.parametrize("command", ["status", "flows", "counters", "unload"])
def test_not_loaded(shield, command):
    done = shield.run(command, shield.device, check=False)
    assert done.returncode == 1 and "not loaded" in done.stderr, done


def test_pin_root_that_is_no_bpffs(shield, tmp_path):
    done = shield.net.server.run(lab.SYNKEEP, "load", "--pin-root", tmp_path, shield.device, check=False)
    assert_refused(done, 1, "BPF file system")
    assert shield.is_gone()


def test_bpffs_missing_in_a_mount_namespace_of_its_own(shield):
    load = " ".join((lab.SYNKEEP, "load", "--pin-root", str(shield.net.pin_root), shield.device))
    done = shield.net.server.run("unshare", "--mount", "sh", "-c", f"umount /sys/fs/bpf && exec {load}", check=False)
    assert_refused(done, 1, "nsenter")
    assert shield.is_gone()


# --- twice, and half -----------------------------------------------------------------------------------------------


def test_twice(shield, family):
    shield.load("*:*")
    assert_works(shield, family)
    assert_refused(shield.load("*:1", check=False), 1, "already loaded")
    assert_works(shield, family)


def test_half_load_says_so_and_is_cleared_by_load(shield, family):
    shield.load("*:*")
    shield.write_config(CONFIG_PHASE, bytes([PHASE_LOADING]))
    done = shield.run("flows", shield.device, check=False)
    assert done.returncode == 1 and "half-loaded" in done.stderr
    assert "half-loaded" in shield.run("status").stdout
    assert "cleared" in shield.load("*:*").stderr
    assert shield.attached() == OURS
    assert_works(shield, family)


def test_half_load_is_cleared_by_unload(shield):
    shield.load("*:*")
    shield.write_config(CONFIG_PHASE, bytes([PHASE_LOADING]))
    shield.net.server.run("tc", "filter", "del", "dev", shield.device, "ingress")
    shield.unload("--now")
    assert shield.is_gone()


@pytest.mark.parametrize("then", ["load", "unload"])
def test_load_killed_anywhere(shield, family, then):
    load = shield.command("load", *shield.load_arguments("*:*"))[2:]
    begun = time.monotonic()
    shield.net.server.run(*load)
    whole = time.monotonic() - begun
    shield.unload("--now")
    half_loads = 0
    for part in range(8):
        process = shield.net.server.start(*load)
        time.sleep(whole * part / 8)
        process.send_signal(signal.SIGKILL)
        process.wait()
        half = shield.pins.exists() and shield.run("status", shield.device, check=False).returncode != 0
        half_loads += half
        if then == "load" and half:
            shield.load("*:*")
            assert shield.attached() == OURS, f"killed after {part}/8"
            assert_works(shield, family)
        if shield.pins.exists():
            shield.unload("--now")
        assert shield.is_gone(), f"killed after {part}/8"
    assert half_loads, "no kill met a load under way"


def test_unload_without_descriptors_keeps_the_pins_of_what_is_attached(shield):
    # One more each time, so every step of an unload is the one that fails.
    shield.load("*:*")
    failures = 0
    for descriptors in range(4, 64):
        unload = shield.command("unload", shield.device, "--now")
        done = lab.run("prlimit", f"--nofile={descriptors}", *unload, check=False)
        if done.returncode == 0:
            break
        failures += 1
        assert shield.pins.exists() and list(shield.pins.iterdir()), done
    assert shield.is_gone() and failures > 3


# --- what else is there --------------------------------------------------------------------------------------------


def test_nothing_is_left_after_unload(shield, family):
    before = shield.net.server.run("tc", "qdisc", "show").stdout
    shield.load("*:*")
    assert shield.attached() == OURS
    assert_works(shield, family)
    shield.unload("--now")
    assert shield.is_gone() and not shield.net.pin_root.exists()
    assert shield.net.server.run("tc", "qdisc", "show").stdout == before


def test_other_filters_stay(shield, family):
    shield.net.server.attach("count-tc")
    others = shield.attached()
    assert len(others) == 2 and "clsact" in others
    shield.load("*:*")
    assert_works(shield, family)
    assert set(others) < set(shield.attached())
    shield.unload("--now")
    assert shield.attached() == others


def test_filter_added_later_keeps_the_qdisc(shield):
    shield.load("*:*")
    shield.net.server.attach("count-tc")
    shield.unload("--now")
    assert shield.attached() == ["clsact/ingress count_tc", "clsact"]


def test_status_names_a_filter_that_ends_the_chain(shield, net, family):
    shield.load("*:*")
    before = shield.read_json("status", shield.device)[0]
    assert not any("tc_ingress" in sentence for sentence in before["problems"] + before["notes"]), before
    net.server.run("tc", "filter", "add", "dev", shield.device, "ingress", "pref", 1,
                   "bpf", "bytecode", "1,6 0 0 4294967295,", "classid", "1:1")  # takes every packet, and is the last
    assert any("before tc_ingress" in note for note in shield.read_json("status", shield.device)[0]["notes"])
    with sockets.listen(net.server, family, port=PORT), wire.Peer(net, family, PORT) as peer:
        peer.ask()
        peer.send("A")
        lab.wait_until(lambda: shield.counters()["COOKIE_ACK"], "the cookie")
    problems = shield.read_json("status", shield.device)[0]["problems"]
    assert any("ends the chain before tc_ingress" in problem for problem in problems), problems


def test_qdisc_from_before_stays(shield):
    shield.net.server.run("tc", "qdisc", "add", "dev", shield.device, "clsact")
    shield.load("*:*")
    shield.unload("--now")
    assert shield.attached() == ["clsact"]


@pytest.mark.parametrize("xdp", [None, "native", "generic"])
def test_other_xdp_program_stays(shield, xdp):
    shield.net.server.attach("pass")
    others = shield.attached()
    done = shield.load("*:*", xdp=xdp, check=False)
    if done.returncode == 0:  # libxdp's dispatcher, where the kernel has what it needs
        shield.unload("--now")
    else:
        assert_refused(done, 1, "XDP")
        warnings.warn(f"libxdp's dispatcher was not tried: {done.stderr.strip()}")
    assert shield.attached() == others
    assert not shield.pins.exists()


@pytest.mark.parametrize("xdp", ["native", "generic"])
def test_both_modes_work(shield, family, xdp):
    done = shield.load("*:*", xdp=xdp)
    assert f"XDP {xdp}" in done.stdout
    assert shield.attached()[0] == {"native": "xdp driver", "generic": "xdp generic"}[xdp]
    assert shield.read_json("status", shield.device)[0]["xdp"]["mode"] == xdp
    assert_works(shield, family)
    with sockets.listen(shield.net.server, family, port=PORT) as listener:
        with wire.Peer(shield.net, family, PORT) as peer:  # the shortest SYN, the longest
            peer.open()
            listener.accept()[0].close()
        with wire.Peer(shield.net, family, PORT, timestamps=False, mss=None) as peer:
            peer.open()
            listener.accept()[0].close()
    shield.unload("--now")
    assert shield.is_gone()


def test_native_that_the_driver_refuses_falls_back_to_generic_and_says_why(shield, family):
    net = shield.net
    net.client.run("ethtool", "-L", net.client.device, "tx", 2)  # veth: more queues than the one that XDP would serve
    refused = shield.load("*:*", xdp="native", check=False)
    assert refused.returncode == 1 and "native" in refused.stderr
    assert shield.is_gone()
    done = shield.load("*:*")
    assert "XDP generic (native: " in done.stdout
    assert shield.attached()[0] == "xdp generic"
    assert shield.read_json("status", shield.device)[0]["xdp"]["mode"] == "generic"
    assert_works(shield, family)


def test_device_that_goes_takes_the_shield_along(shield):
    shield.load("*:*")
    lab.run("ip", "-n", shield.net.server.namespace, "link", "del", shield.device)
    for change in (("service", "add", shield.device, "*:1"), ("service", "del", shield.device, "*:*"),
                   ("keep", shield.device)):
        done = shield.run(*change, check=False)
        assert done.returncode == 1 and "device is gone" in done.stderr, done
    done = shield.unload("--now")
    assert "gone" in done.stdout
    assert not shield.pins.exists()


def test_namespace_that_goes_takes_the_shield_along(shield):
    host = lab.Host(f"{shield.net.server.namespace}-away", "eth0", 3)
    command = [lab.SYNKEEP, "status", "--pin-root", shield.net.pin_root, host.device]
    lab.run("ip", "netns", "add", host.namespace)
    try:
        host.run("ip", "link", "add", host.device, "type", "veth", "peer", "name", "peer0")
        host.run(lab.SYNKEEP, "load", "--pin-root", shield.net.pin_root, host.device, "--flows", 64, "--service", "*:1")
        assert "another network namespace" in lab.run(*command).stdout
    finally:
        lab.run("ip", "netns", "del", host.namespace)
    status = lab.run(*command).stdout
    assert "PROBLEM  the device is gone" in status and "all well" not in status, status
    lab.run(lab.SYNKEEP, "unload", "--pin-root", shield.net.pin_root, host.device, "--now")
    assert not (shield.net.pin_root / host.device).exists()


def test_renamed_device_is_named(shield):
    shield.load("*:*")
    for command in (("set", shield.device, "down"), ("set", shield.device, "name", "other0")):
        shield.net.server.run("ip", "link", *command)
    status = shield.run("status", shield.device).stdout
    assert "called other0 now" in status, status
    shield.unload("--now")
    assert not shield.pins.exists()


def test_pins_of_another_program_stay(shield):
    shield.load("*:*")
    others = shield.net.pin_root / "others"
    others.mkdir()
    shield.bpftool("map", "pin", "pinned", shield.pins / "config", others / "theirs")
    try:
        done = shield.run("unload", "others", "--now", check=False)
        assert done.returncode == 1 and "another program" in done.stderr, done
        assert (others / "theirs").exists()
    finally:
        (others / "theirs").unlink()
        others.rmdir()


# --- the key -------------------------------------------------------------------------------------------------------


KEY = "000102030405060708090a0b0c0d0e0f"


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_key_that_others_may_read_is_refused(shield, key_file, mode):
    key_file.chmod(mode)
    assert_refused(shield.load("*:*", key_file=key_file, check=False), 1, "chmod 600")
    assert shield.is_gone()


@pytest.mark.parametrize("text", ["", "too short", KEY[:-1], KEY + "00", KEY[:-1] + "g"])
def test_what_is_no_key_is_refused(shield, key_file, text):
    key_file.write_text(text)
    assert_refused(shield.load("*:*", key_file=key_file, check=False), 1, "hexadecimal")
    assert shield.is_gone()


def test_missing_key_file(shield, tmp_path):
    assert_refused(shield.load("*:*", key_file=tmp_path / "none", check=False), 1, "none")
    assert shield.is_gone()


@pytest.mark.parametrize("timestamps", [True, False], ids=["timestamps", "plain"])
def test_cookie_of_another_load_with_the_same_key_is_taken(shield, net, family, key_file, timestamps):
    shield.load(f"*:{PORT}", key_file=key_file)
    with sockets.listen(net.server, family, port=PORT) as listener:
        with wire.Peer(net, family, PORT, timestamps=timestamps) as peer:
            peer.ask()
            shield.unload("--now")
            shield.load(f"*:{PORT}", key_file=key_file)
            peer.send("PA", b"hello")
            with listener.accept()[0] as server:
                assert sockets.read_exactly(server, 5) == b"hello"
            assert shield.counters()["COOKIE_ACK"] == 1


def test_cookie_of_another_key_is_not(shield, net, family):
    shield.load(f"*:{PORT}")
    with sockets.listen(net.server, family, port=PORT) as listener, wire.Peer(net, family, PORT) as peer:
        peer.ask()
        shield.unload("--now")
        shield.load(f"*:{PORT}")
        peer.send("A")
        assert "R" in str(peer.receive("R").flags)
        counted = shield.counters()
        assert counted["COOKIE_ACK"] == 0 and counted["STRANGER"] == 1, counted
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_forged_ack_is_dropped_once_strangers_are_not_welcome(shield, net, family):
    shield.load(f"*:{PORT}")
    with sockets.listen(net.server, family, port=PORT), wire.Peer(net, family, PORT) as peer:
        peer.ask()
        shield.advance_clock(129)  # cookies that the kernel sent before the load are stale
        peer.send("A", ack=peer.rcv_nxt + 12345)
        assert peer.stays_silent()
        assert shield.counters()["NO_FLOW"] == 1


def test_pins_are_roots_alone(shield):
    shield.load("*:*")
    for path in (pathlib.Path(shield.net.pin_root), shield.pins):
        assert path.stat().st_mode & 0o077 == 0, path
