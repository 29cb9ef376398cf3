# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The daemon's ager: records go at their deadlines, in all tables, whatever becomes of the daemon meanwhile; and probes
are spread."""

import signal
import struct
import time

import pytest

import daemon as daemons
import lab
import sockets
from family import IPV4

WEB = 80
MSL = "250ms"  # so that the tables are read every 250 ms
LATE_SECONDS = 0.1  # behind a deadline
TRIES = 5  # the least of them counts: the rest may be how long the daemon and this process wait for a busy machine
TABLES = {"half": "EXPIRED_HALF_OPEN", "flows": "EXPIRED_FLOWS", "tw": "EXPIRED_ENDED"}
ESTABLISHED, SYN_RECEIVED, TIME_WAIT = 4, 3, 10  # enum tcp_state


def value_of(name, deadline_ns):
    """A record of the kernel's that expires then: struct half_open, flow or ended."""
    if name == "half":
        return struct.pack("<Q26xB5x", deadline_ns, SYN_RECEIVED)
    if name == "flows":
        return struct.pack("<8xB55xQ56x", ESTABLISHED, deadline_ns)
    return struct.pack("<I16xB3x", deadline_ns // 10**6 % 2**32, TIME_WAIT)


def put(shield, family, name, port, seconds):
    """Puts a record that expires so many seconds from now. Returns its deadline."""
    address = b"".join(bytes([n]) * (4 if family.suffix == "4" else 16) for n in (7, 9))
    deadline = time.monotonic() + seconds
    key = address + struct.pack("<HH", port, WEB)
    shield.bpftool("map", "update", "pinned", shield.pins / f"{name}{family.suffix}", "key", *key,
                   "value", *value_of(name, int(deadline * 1e9)))
    return deadline


def count(shield, family, name):
    return len(shield.dump(name + family.suffix))


def seconds_late(shield, family, name, seconds=0.7):
    """How long behind its deadline, which is so many seconds ahead, a record is gone."""
    deadline = put(shield, family, name, 1, seconds)
    assert count(shield, family, name) == 1
    lab.wait_until(lambda: not count(shield, family, name), "the record's end")
    late = time.monotonic() - deadline
    assert late > 0
    return late


@pytest.mark.parametrize("name", TABLES)
def test_record_is_gone_at_its_deadline(shield, family, name):
    shield.load(f"*:{WEB},policy=off", msl=MSL)
    with daemons.serving(shield) as daemon:
        tries = []
        while not tries or (min(tries) > LATE_SECONDS and len(tries) < TRIES):
            tries.append(seconds_late(shield, family, name))
        assert min(tries) <= LATE_SECONDS
        counted = daemon.ager_counters()
        assert {expired: counted[expired] for expired in TABLES.values() if counted[expired]} == \
            {TABLES[name]: len(tries)}
        assert counted["LATE_MS_MAX"] < max(tries) * 1000


def test_record_that_is_met_shortly_before_its_deadline_wakes_the_ager(shield):
    """By its own clock it looks twice a second."""
    shield.load(f"*:{WEB},policy=off", msl=MSL)
    with daemons.serving(shield):
        late = sorted(seconds_late(shield, IPV4, "flows", 0.3) for _ in range(16))
        assert late[len(late) // 2] <= LATE_SECONDS


def test_time_wait_ends_behind_two_msl(shield, net, family):
    shield.load(f"*:{WEB},policy=off", msl=MSL)
    with daemons.serving(shield) as daemon, sockets.listen(net.server, family, port=WEB) as listener:
        for _ in range(10):
            with sockets.connected(net, family, listener) as (client, server):
                server.close()
                assert client.recv(1) == b""
        lab.wait_until(lambda: daemon.ager_counters()["EXPIRED_ENDED"] == 10, "the ends", timeout=3)
        assert count(shield, family, "tw") == 0


def test_twenty_thousand_at_once_are_gone_at_once(shield, net):
    records = 20000
    shield.load(f"*:{WEB},policy=off", msl=MSL, flows=65536)
    with daemons.serving(shield) as daemon:
        net.server.run(lab.tool("fill"), "--local", net.server.ipv4, "--port", WEB, "--flows", records,
                       "--lifetime", 3000, shield.pins)
        assert shield.counters()["FLOW_EXPIRED"] == 0
        lab.wait_until(lambda: daemon.ager_counters()["EXPIRED_FLOWS"], "their deadline")
        lab.wait_until(lambda: daemon.ager_counters()["EXPIRED_FLOWS"] == records, "the last of them", timeout=1)
        assert shield.counters()["FLOW_EXPIRED"] == records
        assert daemon.ager()["late_p99_ms"] <= 1000 * 2 * LATE_SECONDS


# --- whatever becomes of the daemon ------------------------------------------------------------------------------------


def test_daemon_killed_the_next_finds_what_fell_due(shield, family):
    """Within a second of their deadlines: behind that the sweep takes them, too."""
    shield.load(f"*:{WEB},policy=off", msl=MSL)
    with daemons.serving(shield) as daemon:
        daemon.end(signal.SIGKILL)
    for name in TABLES:
        put(shield, family, name, 1, 0)
        put(shield, family, name, 2, 2)
    with daemons.serving(shield) as daemon:
        for name, expired in TABLES.items():
            lab.wait_until(lambda: daemon.ager_counters()[expired] == 2, f"the end of what is in {name}", timeout=4)
            assert count(shield, family, name) == 0


def test_daemon_stopped_what_fell_due_goes_behind_it_and_it_knows(shield, family):
    shield.load(f"*:{WEB},policy=off", msl=MSL)
    with daemons.serving(shield) as daemon:
        lab.wait_until(lambda: daemon.ager()["scans"] >= 2, "the scanner")
        before = daemon.ager_counters()["STANDSTILLS"]
        daemon.process.send_signal(signal.SIGSTOP)
        for name in TABLES:
            put(shield, family, name, 1, 1.7)
        time.sleep(2)
        assert [count(shield, family, name) for name in TABLES] == [1, 1, 1]
        daemon.process.send_signal(signal.SIGCONT)
        for name in TABLES:
            lab.wait_until(lambda: not count(shield, family, name), f"the end of what is in {name}", timeout=1)
        assert [daemon.ager_counters()[expired] for expired in TABLES.values()] == [1, 1, 1]
        lab.wait_until(lambda: daemon.ager_counters()["STANDSTILLS"] > before, "its word")


def test_daemon_ends_the_commands_say_so(shield):
    shield.load(f"*:{WEB},policy=off", msl=MSL)
    assert "ager" not in shield.run("status").stdout
    with daemons.serving(shield) as daemon:
        assert "0 services" in daemon.first_line and "ageing 1 service of the kernel's" in daemon.first_line
        lab.wait_until(lambda: daemon.ager()["scans"] >= 2, "the scanner")
        assert "  ager     reads the tables every " in shield.run("status").stdout
    assert "  ager     gone" in shield.run("status").stdout
    assert shield.read_json("status", shield.device)[0]["ager"] is None
    lines = shield.run("counters").stdout.splitlines()
    section = next(number for number, line in enumerate(lines) if line.startswith("AGER"))
    assert any(line.startswith("SCANS ") for line in lines[section:])


@pytest.mark.parametrize("program", ["attend", "upcoming_tw6", "probe_over"])
def test_device_loaded_without_the_programs_is_refused(shield, program):
    shield.load()
    (shield.pins / program).unlink()
    done = shield.run("run", shield.device, check=False)
    assert done.returncode == 1
    assert "was loaded without the programs that age records: unload it, and load it anew" in done.stderr


def test_service_with_shorter_times_the_tables_are_read_at_once(shield):
    shield.load(f"*:{WEB},policy=off")
    with daemons.serving(shield) as daemon:
        lab.wait_until(lambda: daemon.ager()["period_ms"] == 30000, "the first scan")
        shield.add_service(f"*:81,policy=off,msl={MSL}")
        lab.wait_until(lambda: daemon.ager()["period_ms"] < 2000, "shorter times", timeout=2)
        shield.delete_service("*:81")
        lab.wait_until(lambda: daemon.ager()["period_ms"] == 30000, "longer times", timeout=2)


def test_clock_that_is_set_forward_expires_at_once(shield, family):
    shield.load(f"*:{WEB},policy=off")
    with daemons.serving(shield) as daemon:
        put(shield, family, "half", 1, 100)
        shield.advance_clock(120)
        lab.wait_until(lambda: daemon.ager_counters()["EXPIRED_HALF_OPEN"] == 1, "the record's end", timeout=2)


# --- probes -------------------------------------------------------------------------------------------------------------


def test_many_silent_peers_are_probed_at_their_prefix_rate(shield, net, family):
    """All of one client's: a prefix of its own."""
    connections, per_prefix = 40, 5
    shield.load(f"*:{WEB},policy=off,keepalive=1s/60s/3")
    with daemons.serving(shield, options=("--probes-per-prefix", per_prefix)) as daemon, \
            sockets.listen(net.server, family, port=WEB) as listener:
        pairs = [sockets.connected(net, family, listener) for _ in range(connections)]
        for pair in pairs:
            client, server = pair.__enter__()
            server.sendall(b"x")  # its way is known from what it sends
            assert client.recv(1) == b"x"
        lab.wait_until(lambda: daemon.ager_counters()["PROBES_SENT"], "the first probe")
        began, sent = time.monotonic(), daemon.ager_counters()["PROBES_SENT"]
        time.sleep(2)
        counted, seconds = daemon.ager_counters(), time.monotonic() - began
        assert per_prefix <= counted["PROBES_SENT"] - sent <= per_prefix * seconds + 2
        assert counted["PROBES_PUT_OFF"] >= connections - 2 * per_prefix
        lab.wait_until(lambda: daemon.ager_counters()["PROBES_SENT"] == connections, "the last probe", timeout=12)
        assert daemon.cpu_seconds() < 2  # nobody spins meanwhile
        assert shield.counters()["PROBE_ANSWERED"] == connections
        assert daemon.ager_counters()["PROBES_UNANSWERED"] == 0
        for pair in pairs:
            pair.__exit__(None, None, None)


def test_owner_that_never_sent_is_not_probed_for(shield, net):
    """Nothing is known of where it sends to: nobody is counted dead for it, and it takes nobody's turn."""
    shield.load(f"*:{WEB},policy=off,keepalive=100ms/100ms/6")
    with daemons.serving(shield) as daemon:
        net.server.run(lab.tool("fill"), "--local", net.server.ipv4, "--port", WEB, "--flows", 10, shield.pins)
        scans = daemon.ager()["scans"]
        lab.wait_until(lambda: daemon.ager()["scans"] >= scans + 4, "scans")
        assert not {name for name in daemon.ager_counters() if name.startswith(("PROBES", "DEAD"))}
        assert all(flow["probes"] == 0 for flow in shield.flows())


@pytest.mark.parametrize("option", ["--probes-per-second", "--probes-per-prefix"])
@pytest.mark.parametrize("value", ["0", "100001", "fast"])
def test_rate_that_can_not_be_is_refused(shield, option, value):
    done = shield.run("run", shield.device, option, value, check=False)
    assert done.returncode == 2
    assert f"{option} {value}: a number from 1 to 100000 is wanted" in done.stderr
