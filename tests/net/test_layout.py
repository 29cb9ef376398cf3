# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Pins of another layout: every command refuses them and says what to do; none reads or changes anything of them."""

import json
import re

import pytest

import lab
import sockets

PORT = 8000
LAYOUT_VERSION = int(re.search(r"map layout (\d+)", lab.run(lab.SYNKEEP, "--version").stdout)[1])
OTHER_VERSION = (99).to_bytes(4, "little")
MAPS = ["config", "services", "ports", "counters", "clocks", "budgets", "monitored", "flows4", "flows6", "half4", "half6", "tw4",
        "tw6"]
REMEDY = "another map layout; unload it with that version, or with `synkeep unload"

# What is to be refused; in place of DEV stands the device.
COMMANDS = [
    ["load", "DEV", "--service", "*:1"],
    ["keep", "DEV"],
    ["unload", "DEV"],
    ["service", "add", "DEV", "*:1"],
    ["service", "del", "DEV", f"*:{PORT}"],
    ["service", "list", "DEV"],
    ["service", "list", "DEV", "--json"],
    ["status", "DEV"],
    ["status", "DEV", "--json"],
    ["flows", "DEV"],
    ["flows", "DEV", "--json"],
    ["flows", "DEV", "--count"],
    ["counters", "DEV"],
    ["counters", "DEV", "--json"],
]
READING = [["service", "list"], ["flows"], ["counters"]]  # all devices, where none is named


def contents(shield):
    """The bytes of the pinned maps that only commands write."""
    return [shield.bpftool("-j", "map", "dump", "pinned", shield.pins / name).stdout
            for name in ("config", "services", "ports")]


def replace_map(shield, name):
    """Pins a map whose values are longer in the place of one of the shield's."""
    pin = shield.pins / name
    known = json.loads(shield.bpftool("-j", "map", "show", "pinned", pin).stdout)
    value_bytes = known["bytes_value"] + 8
    pin.unlink()
    shield.bpftool("map", "create", pin, "type", "array" if name == "config" else "hash", "key", known["bytes_key"],
                   "value", value_bytes, "entries", known["max_entries"], "name", name)
    if name == "config":
        value = LAYOUT_VERSION.to_bytes(4, "little") + bytes(value_bytes - 4)
        shield.bpftool("map", "update", "pinned", pin, "key", 0, 0, 0, 0, "value", *value)


@pytest.fixture
def other_layout(shield):
    """A shield that stands, and says that it is of another layout."""
    shield.load(f"*:{PORT}")
    shield.write_config(0, OTHER_VERSION)
    return shield


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_command_refuses_and_says_what_to_do(other_layout, words):
    before = contents(other_layout), other_layout.attached()
    done = other_layout.run(*(other_layout.device if word == "DEV" else word for word in words), check=False)
    assert done.returncode == 1 and not done.stdout, done
    assert REMEDY in done.stderr, done.stderr
    assert (contents(other_layout), other_layout.attached()) == before


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_command_for_all_devices_leaves_it_out_and_says_why(other_layout, words):
    done = other_layout.run(*words, check=False)
    assert done.returncode == 1 and not done.stdout and REMEDY in done.stderr, done


def test_status_of_all_devices_has_it_as_a_problem(other_layout):
    words = other_layout.run("status").stdout
    assert words.startswith(f"{other_layout.device}: not readable") and "PROBLEM" in words and REMEDY in words
    status, = other_layout.read_json("status")
    assert status["phase"] == "unreadable" and REMEDY in status["problems"][0]


@pytest.mark.parametrize("name", MAPS)
def test_map_of_another_shape_is_not_read(shield, name):
    shield.load(f"*:{PORT}")
    replace_map(shield, name)
    for words in COMMANDS[3:]:
        done = shield.run(*(shield.device if word == "DEV" else word for word in words), check=False)
        assert done.returncode == 1 and not done.stdout and REMEDY in done.stderr, done
    if name != "config":  # by which unload knows its programs
        shield.unload("--now")
        assert set(shield.attached()) <= {"clsact"} and not shield.pins.exists()


def test_what_is_attached_goes_on_and_unload_now_takes_it_away(other_layout, net, family):
    with sockets.listen(net.server, family, port=PORT) as listener:
        with sockets.connected(net, family, listener) as (client, server):
            done = other_layout.unload("--now")
            assert "clsact qdisc stays" in done.stderr
            assert other_layout.attached() == ["clsact"] and not other_layout.pins.exists()
            sockets.exchange(client, server, 10000)
    net.server.run("tc", "qdisc", "del", "dev", other_layout.device, "clsact")
    other_layout.load("*:*")


def test_unload_now_from_another_namespace_leaves_it(other_layout, net):
    attached = other_layout.attached()
    done = net.client.run(lab.SYNKEEP, "unload", "--pin-root", net.pin_root, other_layout.device, "--now", check=False)
    assert done.returncode == 1 and "another network namespace" in done.stderr, done
    assert other_layout.attached() == attached and list(other_layout.pins.iterdir())
