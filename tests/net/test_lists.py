# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sources that are denied or allowed: what clients meet, and what the commands do to the list."""

import contextlib
import ipaddress
import json
import time

import pytest

import lab
import sockets
from family import IPV4, IPV6

PORT = 80
NETWORK = {"ipv4": "10.99.0.0/24", "ipv6": "2001:db8:99::/64"}  # of the client and the server
ELSEWHERE = {"ipv4": "192.0.2.0/24", "ipv6": "2001:db8:ffff::/48"}
SPOOFED = {"ipv4": lab.SPOOFED_IPV4, "ipv6": lab.SPOOFED_IPV6}
RATE = 50_000  # SYNs a second, paced
MILLION = 1_000_000


def change(shield, command, action, *words, check=True, **options):
    return shield.run(command, action, shield.device, *words, check=check, **options)


def listed(shield, command):
    """The list as {prefix: (action, seconds left or None)}."""
    return {entry["prefix"]: (entry["action"], entry.get("left_s"))
            for entry in shield.read_json(command, "list", shield.device)}


def lists(shield):
    return listed(shield, "deny"), listed(shield, "allow")


def filter_has(shield, address):
    """Whether the filter's bit for the /24 of an IPv4 address is set."""
    part = int(ipaddress.ip_address(address)) >> 8
    key = (part // 64).to_bytes(4, "little")
    found = json.loads(shield.bpftool("-j", "map", "lookup", "pinned", shield.pins / "source_filter", "key",
                                      *key).stdout)
    return int.from_bytes([int(byte, 16) for byte in found["value"]], "little") >> part % 64 & 1


def has_list(shield):
    """Whether a packet has to look at anything."""
    return bool(json.loads(shield.bpftool("-j", "map", "dump", "pinned", shield.pins / "source_lists").stdout))


@contextlib.contextmanager
def served(shield, family, policy="always"):
    shield.load(f"*:{PORT}", policy=policy)
    with sockets.listen(shield.net.server, family, port=PORT) as listener:
        yield listener


def assert_connects(net, family, listener):
    with sockets.connected(net, family, listener) as (client, server):
        sockets.exchange(client, server, 1000)


def assert_denied(net, family):
    with pytest.raises(TimeoutError):
        sockets.connect(net.client, family, (family.address(net.server), PORT), timeout=0.5)


# --- what clients meet ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["always", "auto"])
def test_denied_client_gets_no_answer_until_it_is_deleted(shield, net, family, policy):
    with served(shield, family, policy) as listener:
        change(shield, "deny", "add", NETWORK[family.name])
        before = shield.counters()
        assert_denied(net, family)
        assert set(shield.counters() - before) <= {"DENIED", "NO_SERVICE", "OTHER"}
        assert (shield.counters() - before)["DENIED"] >= 1
        change(shield, "deny", "del", NETWORK[family.name])
        assert_connects(net, family, listener)


def test_live_connection_goes_on_when_its_source_is_denied(shield, net, family):
    with served(shield, family) as listener:
        with sockets.connected(net, family, listener) as (client, server):
            change(shield, "deny", "add", NETWORK[family.name])
            sockets.exchange(client, server)
            assert_denied(net, family)
            shield.forget(family, sockets.port_of(client))  # its record gone, it is met by its socket
            sockets.exchange(client, server)
            client.shutdown(1)
            assert server.recv(1) == b""
        assert shield.counters()["ADOPTED"] >= 1


def test_allowed_client_inside_a_denied_network_connects(shield, net, family):
    with served(shield, family) as listener:
        change(shield, "deny", "add", NETWORK[family.name])
        change(shield, "allow", "add", family.address(net.client))
        assert_connects(net, family, listener)
        change(shield, "allow", "del", family.address(net.client))
        assert_denied(net, family)


def test_denied_with_monitor_counted_and_connects(shield, net, family):
    with served(shield, family) as listener:
        change(shield, "deny", "add", NETWORK[family.name], "--monitor")
        assert_connects(net, family, listener)
        counted = shield.counters()
    assert counted["DENY_MONITORED"] >= 2 and not counted["DENIED"], counted  # the SYN, and the cookie's ACK


def test_denied_client_connects_when_its_time_is_over(shield, net, family):
    with served(shield, family) as listener:
        change(shield, "deny", "add", NETWORK[family.name], "--timeout", "1h")
        change(shield, "deny", "add", ELSEWHERE[family.name])
        shield.advance_clock(3590)
        assert_denied(net, family)
        assert listed(shield, "deny")[NETWORK[family.name]][1] in range(1, 11)
        shield.advance_clock(3601)
        assert_connects(net, family, listener)
        assert set(listed(shield, "deny")) == {ELSEWHERE[family.name]}


# --- the list ------------------------------------------------------------------------------------------------------


def test_prefixes_are_added_changed_and_deleted_all_or_none(shield):
    shield.load(f"*:{PORT}")
    change(shield, "deny", "add", "10.0.0.0/8", "2001:db8::/32", "192.0.2.7")
    change(shield, "deny", "add", "192.0.2.7/32", "--monitor")
    change(shield, "allow", "add", "10.1.0.0/16", "--timeout", "1h")
    assert lists(shield) == ({"10.0.0.0/8": ("deny", None), "192.0.2.7": ("monitor", None),
                              "2001:db8::/32": ("deny", None)}, {"10.1.0.0/16": ("allow", 3600)})
    change(shield, "allow", "add", "10.0.0.0/8")  # said last
    before = lists(shield)
    assert set(before[0]) == {"192.0.2.7", "2001:db8::/32"} and set(before[1]) == {"10.0.0.0/8", "10.1.0.0/16"}
    for words in (("deny", "add", "192.0.2.0/24", "10.0.0.1/8"), ("deny", "del", "192.0.2.7", "10.1.0.0/16"),
                  ("allow", "del", "10.1.0.0/16", "192.0.2.7"),
                  ("allow", "del", "10.1.0.0/16", "10.2.0.0/16")):
        done = change(shield, *words, check=False)
        assert done.returncode in (1, 2) and not done.stdout and words[3] in done.stderr, done
        assert lists(shield) == before
    change(shield, "deny", "del", "192.0.2.7", "2001:db8::/32")
    assert has_list(shield)
    change(shield, "allow", "del", "10.0.0.0/8", "10.1.0.0/16")
    assert lists(shield) == ({}, {}) and not has_list(shield)


def test_load_replaces_its_own_half_and_save_writes_it_back(shield, tmp_path):
    shield.load(f"*:{PORT}")
    change(shield, "deny", "add", "10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16")
    change(shield, "allow", "add", "10.3.0.0/16", "10.4.0.0/16")
    text = "192.0.2.0/24 monitor\n2001:db8::/32 timeout 1h\n10.4.0.0/16 # not allowed any more\n"
    change(shield, "deny", "load", "-", input=text)
    assert lists(shield) == ({"10.4.0.0/16": ("deny", None), "192.0.2.0/24": ("monitor", None),
                              "2001:db8::/32": ("deny", 3600)}, {"10.3.0.0/16": ("allow", None)})
    shield.advance_clock(600)
    saved = tmp_path / "saved"
    saved.write_text("what was there before")
    change(shield, "deny", "save", saved)
    assert saved.read_text() == change(shield, "deny", "save").stdout
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]
    change(shield, "deny", "load", "-", input="# nobody\n")
    assert lists(shield) == ({}, {"10.3.0.0/16": ("allow", None)})
    change(shield, "deny", "load", saved)
    left = listed(shield, "deny")["2001:db8::/32"][1]
    assert 2900 < left <= 3000
    assert set(listed(shield, "deny")) == {"10.4.0.0/16", "192.0.2.0/24", "2001:db8::/32"}
    change(shield, "allow", "load", "-", input="192.0.2.128/25\n192.0.2.0/24\n")
    assert set(listed(shield, "deny")) == {"10.4.0.0/16", "2001:db8::/32"}


@pytest.mark.parametrize("command, line, reason", [
    ("deny", "10.0.0.0/33", "32 bits at most"),
    ("deny", "10.0.0.1/8", "is it 10.0.0.0/8?"),
    ("deny", "nobody", '"nobody" is no prefix'),
    ("deny", "192.0.2.0/24 timeout", "is no time-out"),
    ("deny", "192.0.2.0/24", "192.0.2.0/24 is in line 1 already"),
    ("allow", "10.0.0.0/8 monitor", "only what is denied"),
])
def test_bad_line_names_itself_and_nothing_changes(shield, tmp_path, command, line, reason):
    shield.load(f"*:{PORT}")
    change(shield, "deny", "add", "10.0.0.0/8")
    change(shield, "allow", "add", "10.1.0.0/16")
    before = lists(shield)
    bad = tmp_path / "bad"
    bad.write_text(f"192.0.2.0/24\n# a comment\n{line}\n203.0.113.0/24\n")
    done = change(shield, command, "load", bad, check=False)
    assert done.returncode == 1 and not done.stdout
    assert f"{bad}:3: " in done.stderr and reason in done.stderr and "nothing was changed" in done.stderr
    assert lists(shield) == before


def test_filter_follows_a_list_that_is_replaced(shield):
    shield.load(f"*:{PORT}")
    change(shield, "deny", "add", "10.1.2.3", "192.0.2.0/23")
    assert [bool(filter_has(shield, address)) for address in (
        "10.1.1.255", "10.1.2.0", "10.1.3.0", "192.0.2.0", "192.0.3.0", "192.0.4.0")] == [
            False, True, False, True, True, False]
    change(shield, "deny", "load", "-", input="10.1.0.0/16\n")
    assert [bool(filter_has(shield, address)) for address in (
        "10.0.255.0", "10.1.0.0", "10.1.255.0", "10.2.0.0", "192.0.2.0")] == [False, True, True, False, False]
    change(shield, "deny", "load", "-", input="")
    assert not filter_has(shield, "10.1.0.0") and not has_list(shield)


def test_file_that_is_not_there_or_can_not_be_written_told(shield, tmp_path):
    shield.load(f"*:{PORT}")
    change(shield, "deny", "add", "10.0.0.0/8")
    for words in (("load", tmp_path / "missing"), ("load", tmp_path), ("save", tmp_path / "missing" / "file"),
                  ("save", tmp_path), ("save", "/dev/full")):
        done = change(shield, "deny", *words, check=False)
        assert done.returncode == 1 and str(words[1]) in done.stderr, done
    assert not list(tmp_path.iterdir()) and set(listed(shield, "deny")) == {"10.0.0.0/8"}


def test_saved_file_keeps_its_mode_and_the_link_to_it(shield, tmp_path):
    shield.load(f"*:{PORT}")
    change(shield, "deny", "add", "10.0.0.0/8")
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch(mode=0o600)
    link.symlink_to(file)
    change(shield, "deny", "save", link)
    assert link.is_symlink() and file.stat().st_mode & 0o7777 == 0o600 and "10.0.0.0/8" in file.read_text()
    assert sorted(tmp_path.iterdir()) == [file, link]


@pytest.mark.parametrize("words", [
    (), ("fly",), ("add",), ("add", "DEV"), ("add", "DEV", "10.0.0.0/8", "--timeout", "soon"), ("del", "DEV"),
    ("del", "DEV", "10.0.0.0/8", "--timeout", "1h"), ("list", "DEV", "DEV"), ("load", "DEV"),
    ("load", "DEV", "FILE", "FILE"), ("load", "DEV", "FILE", "--monitor"), ("save",), ("save", "DEV", "--json")])
@pytest.mark.parametrize("command", ["deny", "allow"])
def test_wrong_usage_told(command, words):
    done = lab.run(lab.SYNKEEP, command, *words, check=False)
    assert done.returncode == 2 and not done.stdout and f"synkeep {command} --help" in done.stderr, done


def test_status_says_how_many_there_are(shield):
    shield.load(f"*:{PORT}")
    assert "sources" not in shield.run("status", shield.device).stdout
    change(shield, "deny", "add", "10.0.0.0/8", "2001:db8::/32")
    change(shield, "deny", "add", "192.0.2.0/24", "--monitor")
    change(shield, "allow", "add", "10.1.0.0/16")
    assert "sources  2 denied, 1 only counted, 1 allowed" in shield.run("status", shield.device).stdout
    sources = shield.read_json("status", shield.device)[0]["sources"]
    assert sources.pop("memory_bytes") > 0 and sources == {"denied": 2, "monitored": 1, "allowed": 1}


def test_list_that_is_replaced_under_a_stream_of_syns_lets_none_through(shield, net, tmp_path):
    """Both files deny both families' streams, each by prefixes of its own."""
    shield.load(f"*:{PORT}", policy="always")
    files = []
    for number, more_bits in enumerate((0, 1)):
        prefixes = [part for spoofed in SPOOFED.values()
                    for part in ipaddress.ip_network(spoofed).subnets(prefixlen_diff=more_bits)]
        prefixes += ipaddress.ip_network("10.0.0.0/8").subnets(new_prefix=20)
        files.append(tmp_path / str(number))
        files[-1].write_text("".join(f"{prefix}\n" for prefix in prefixes))
    change(shield, "deny", "load", files[0])
    streams = [net.client.start(*net.client.flood_command(net.server, "--source", "paced", "--rate", RATE, "--seconds",
                                                          60, "--port", PORT, address=family.address(net.server)))
               for family in (IPV4, IPV6)]
    lab.wait_until(lambda: shield.counters()["DENIED"] > RATE // 10, "the streams")
    for turn in range(1, 21):
        change(shield, "deny", "load", files[turn % 2])
    for stream in streams:
        stream.terminate()
        assert json.loads(stream.communicate(timeout=10)[0])["sent"] > RATE // 10
    counted = shield.counters()
    assert counted["DENIED"] > RATE and set(counted) <= {"DENIED", "OTHER", "NO_SERVICE"}, counted


def test_two_million_prefixes_fill_the_list(shield, net, tmp_path, record_property):
    """A million of each family, those of IPv6 for an hour. Full, it takes no more until some have expired."""
    path = tmp_path / "million"
    step = 2654435761  # odd: a million different addresses, all over the place
    with open(path, "w") as out:
        for i in range(MILLION):
            number = i * step % 2**32
            out.write(f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}\n")
            out.write(f"2a00:{number >> 16:x}:{number & 0xffff:x}::/48 timeout 1h\n")
    with served(shield, IPV4) as listener:
        began = time.monotonic()
        change(shield, "deny", "load", path, timeout=300)
        record_property("seconds", time.monotonic() - began)
        print(f"two million lines in {time.monotonic() - began:.1f} s")
        assert shield.read_json("status", shield.device)[0]["sources"]["denied"] == 2 * MILLION
        assert_connects(net, IPV4, listener)
        done = change(shield, "deny", "add", NETWORK["ipv4"], check=False)
        assert done.returncode == 1 and "room for 2000000 prefixes" in done.stderr and not done.stdout
        assert_connects(net, IPV4, listener)
        change(shield, "deny", "add", "0.0.0.0", "--monitor")  # is there: needs no room
        shield.advance_clock(3601)
        change(shield, "deny", "add", NETWORK["ipv4"], timeout=300)
        assert_denied(net, IPV4)
        sources = shield.read_json("status", shield.device)[0]["sources"]
        assert (sources["denied"], sources["monitored"]) == (MILLION, 1)
