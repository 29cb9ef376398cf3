# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the reading commands say, in words and in JSON, of a shield that has work."""

import json
import re
import subprocess

import pytest

import lab
import sockets
from shield import BPFTOOL, shielded

PORT = 8000
COMMANDS = ["load", "keep", "unload", "service", "status", "flows", "counters", "deny", "allow",
            "explain", "doctor", "run", "connect"]


@pytest.fixture(scope="module")
def shield():
    with shielded() as own:
        own.load(f"*:{PORT}", f"{own.net.server.ipv4}:443,policy=off")
        yield own


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command):
    done = lab.run(lab.SYNKEEP, command, "--help")
    assert done.stdout.startswith(f"Usage: synkeep {command}") and not done.stderr
    assert lab.run(lab.SYNKEEP, command, "-h").stdout == done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_unknown_option(command):
    done = lab.run(lab.SYNKEEP, command, "--colour", check=False)
    assert done.returncode == 2 and not done.stdout
    assert f"synkeep {command} --help" in done.stderr


def test_without_and_with_an_unknown_command():
    assert lab.run(lab.SYNKEEP, "--help").returncode == 0
    assert all(command in lab.run(lab.SYNKEEP, "--help").stdout for command in COMMANDS)
    for words in ([], ["fly"]):
        done = lab.run(lab.SYNKEEP, *words, check=False)
        assert done.returncode == 2 and not done.stdout and done.stderr


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("load", "--help"), ("status",), ("status", "--json"),
                                   ("flows",), ("flows", "--json"), ("counters",), ("service", "list")])
def test_output_that_is_lost_is_an_error(shield, words):
    with open("/dev/full", "w") as full:
        place = ["--pin-root", shield.net.pin_root] if "-" not in words[0] and "--help" not in words else []
        done = subprocess.run([str(word) for word in (lab.SYNKEEP, *words, *place)], stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "could not be written" in done.stderr, done


def test_memory_is_that_of_all_maps(shield):
    shown = [lab.run(BPFTOOL, "-j", "map", "show", "pinned", pin, check=False) for pin in shield.pins.iterdir()]
    maps = [json.loads(done.stdout) for done in shown if done.returncode == 0]  # the others are programs
    assert len(maps) > 14
    assert shield.read_json("status", shield.device)[0]["memory_bytes"] == sum(found["bytes_memlock"] for found in maps)


def test_every_verdict_has_its_sentence(shield):
    verdicts = shield.verdicts()
    assert len(verdicts) > 40
    for verdict in verdicts:
        assert verdict["sentence"] and verdict["action"] in ("pass", "answer", "drop", "daemon", "note"), verdict
    table = shield.run("counters", shield.device, "--all").stdout
    assert all(verdict["name"] in table and verdict["sentence"] in table for verdict in verdicts)


def test_counters_leave_out_what_never_happened(shield, net, family):
    with sockets.listen(net.server, family, port=PORT) as listener:
        with sockets.connected(net, family, listener):
            pass
    table = shield.run("counters", shield.device).stdout
    assert "SYN_COOKIE" in table and "IMPOSSIBLE_ADDRESS" not in table


def test_status_in_words(shield, net, family):
    with sockets.listen(net.server, family, port=PORT):
        status = shield.run("status", shield.device).stdout
    assert status.startswith(f"{shield.device}: active")
    for word in ("native", "attached", f"*:{PORT}", "always", f"{net.server.ipv4}:443", "off"):
        assert word in status, status


def test_commands_that_are_suggested_name_the_pin_root(shield):
    place = f"{shield.device} --pin-root {shield.net.pin_root}"
    assert f"`synkeep service add {place} SPEC`" in shield.load("*:1", check=False).stderr
    done = shield.run("service", "del", shield.device, "*:2", check=False)
    assert f"`synkeep service list {place}`" in done.stderr
    assert f"`synkeep load nosuch0 --pin-root {shield.net.pin_root} " in shield.run("keep", "nosuch0", check=False).stderr


def test_status_as_json(shield):
    status, = shield.read_json("status", shield.device)
    assert (status["device"], status["phase"], status["xdp"]["mode"]) == (shield.device, "active", "native")
    services = {service["service"]: service["policy"] for service in status["services"]}
    assert services == {f"*:{PORT}": "always", f"{shield.net.server.ipv4}:443": "off"}


@pytest.mark.parametrize("command", ["status", "counters"])
def test_all_devices_where_none_is_named(shield, command):
    assert [device["device"] for device in shield.read_json(command)] == [shield.device]


@pytest.mark.parametrize("command", ["status", "flows", "counters"])
def test_a_device_that_is_not_loaded(shield, command):
    done = shield.run(command, "nosuch0", check=False)
    assert done.returncode == 1 and "nosuch0 is not loaded" in done.stderr


def test_no_line_ends_in_spaces(shield, net, family):
    with sockets.listen(net.server, family, port=PORT) as listener:
        with sockets.connected(net, family, listener):
            for command in ("status", "flows", "counters"):
                lines = shield.run(command, shield.device).stdout.splitlines()
                assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize("probes, shown, refused, dead", [
    (0x000, "-", False, False), (0x103, "3", False, False), (0x201, "1 refused", True, False),
    (0x40a, "10 dead", False, True), (0x601, "1 refused dead", True, True)])
def test_probes_of_a_flow(shield, net, family, probes, shown, refused, dead):
    with sockets.listen(net.server, family, port=PORT) as listener:
        with sockets.connected(net, family, listener) as (client, _server):
            shield.write_probes(family, sockets.port_of(client), probes)
            flow = shield.flow(family, sockets.port_of(client))
            assert (flow["probes"], flow["probe_refused"], flow["peer_dead"]) == (probes & 0xff, refused, dead)
            lines = shield.run("flows", "--source", family.address(net.client)).stdout.splitlines()
            head, *rows = (re.split("  +", line) for line in lines)
            end = family.endpoint(family.address(net.client), sockets.port_of(client))
            assert [row[head.index("PROBES")] for row in rows if end in row] == [shown]


@pytest.mark.parametrize("arguments", [("--state", "HAPPY"), ("--source", "10.0.0.0/33"), ("--source", "everywhere"),
                                       ("--service", "nowhere")])
def test_filters_that_mean_nothing(shield, arguments):
    done = shield.run("flows", *arguments, check=False)
    assert done.returncode == 2 and arguments[1] in done.stderr


KEEPALIVE = {"idle_ms": 7200000, "interval_ms": 75000, "probes": 10, "dead": "report"}


def services_of(shield, command):
    """A service's members by its name, as `service list` or `status` has them in JSON."""
    found = shield.read_json("service", "list") if command == "service" else shield.read_json("status")[0]["services"]
    return {service["service"]: service for service in found}


def generation(shield):
    (_, config), = shield.dump("config")
    return config["services_generation"]


def test_times_of_a_service_are_shown_wherever_it_is(shield):
    shield.add_service("*:5432,keepalive=7200s/75s/10,dead=report,msl=90s")
    for command in ("service", "status"):
        shown = services_of(shield, command)
        assert (shown["*:5432"]["keepalive"], shown["*:5432"]["msl_ms"]) == (KEEPALIVE, 90000), shown
        assert (shown[f"*:{PORT}"]["keepalive"], shown[f"*:{PORT}"]["msl_ms"]) == (None, None), shown
    for words in (("service", "list"), ("status",)):
        lines = [line.split() for line in shield.run(*words).stdout.splitlines()]
        heads = next(line for line in lines if "KEEPALIVE" in line)
        rows = {word: line for line in lines for word in line if word in ("*:5432", f"*:{PORT}")}
        assert [rows["*:5432"][heads.index(head)] for head in ("KEEPALIVE", "DEAD", "MSL")] == ["2h/75s/10", "report", "90s"]
        assert [rows[f"*:{PORT}"][heads.index(head)] for head in ("KEEPALIVE", "DEAD", "MSL")] == ["off", "-", "-"]
    shield.delete_service("*:5432")


def test_the_spec_that_is_listed_gives_the_same_service(shield):
    shield.add_service("*:5432,md5=pass,keepalive=on,dead=report,msl=90s")
    before = services_of(shield, "service")["*:5432"]
    shield.delete_service("*:5432")
    shield.add_service(before["spec"])
    assert services_of(shield, "service")["*:5432"] == before
    shield.delete_service("*:5432")


def test_changed_times_count_at_once_and_for_both_families(shield):
    shield.add_service("*:5432")
    for spec, expected in (("*:5432,keepalive=on", (7200000, 0, 0)), ("*:5432,keepalive=1s/1s/3,dead=report", (1000, 1, 0)),
                           ("*:5432,msl=5s", (0, 0, 5000))):
        before = generation(shield)
        shield.add_service(spec)
        assert generation(shield) != before
        values = [value for key, value in shield.dump("services") if key["port"] == 5432]
        assert [(value["keepalive"]["idle_ms"], ["DEAD_CLOSE", "DEAD_REPORT"].index(value["keepalive"]["dead"]),
                 value["msl_ms"]) for value in values] == [expected] * 2
    shield.delete_service("*:5432")


@pytest.mark.parametrize("change", ["keepalive=2s/1s/3", "keepalive=1s/2s/3", "keepalive=1s/1s/4",
                                    "keepalive=1s/1s/3,dead=report", "keepalive=1s/1s/3,msl=1s"])
def test_families_that_differ_in_times_are_two_services(shield, change):
    shield.add_service("*:5432,keepalive=1s/1s/3")
    shield.add_service(f"0.0.0.0:5432,{change}")
    found = set(services_of(shield, "service"))
    shield.delete_service("*:5432")
    assert {"0.0.0.0:5432", "[::]:5432"} <= found and "*:5432" not in found


@pytest.mark.parametrize("key, complaint", [("keepalive=often", "off, on or IDLE/INTERVAL/PROBES"),
                                            ("dead=report", "dead goes with keepalive"), ("msl=2h", "1ms to 1h")])
def test_times_that_mean_nothing(shield, key, complaint):
    for words in (("service", "add", shield.device), ("load", "nosuch0", "--service"), ("run", "nosuch0", "--service")):
        done = shield.run(*words, f"*:5432,{key}", check=False)
        assert done.returncode == 2 and complaint in done.stderr, done
