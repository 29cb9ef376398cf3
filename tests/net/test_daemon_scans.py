# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What nmap and hping3 see of the daemon's services, by which verdicts, and that it serves on as before."""

import re

import pytest

import daemon as daemons
import lab
import sockets
from family import IPV4
from shield import shielded

ALWAYS, OFF, CLOSED = 7, 1007, 9999  # the last one is no service: its answers are the kernel's
only_ipv4 = pytest.mark.parametrize("family", [IPV4], ids=["ipv4"])
SECONDS = 30  # that a scan may take
DIFFICULT = 200  # of nmap's index; 260 and above it calls "good luck"


@pytest.fixture(scope="module")
def shield():
    specs = [f"*:{port},owner=daemon,app=echo,policy={policy}" for port, policy in ((ALWAYS, "always"), (OFF, "off"))]
    with shielded() as own, daemons.serving(own, *specs) as own.daemon:
        yield own


@pytest.fixture(autouse=True)
def serves_on(shield, net, family):
    yield
    for port in (ALWAYS, OFF):
        with sockets.connect(net.client, family, (family.address(net.server), port)) as client:
            client.sendall(b"still there?")
            assert sockets.read_exactly(client, 12) == b"still there?"
    lab.wait_until(lambda: shield.daemon.status()["connections"] == 0, "the end of all connections")


def nmap(net, family, *words):
    """Starts a scan; returns its process."""
    only = ("-6",) if family is not IPV4 else ()
    return net.client.start("nmap", "-n", "-Pn", "--max-retries", "2", "--initial-rtt-timeout", "100ms",
                            "--max-rtt-timeout", "100ms", *only, *words, family.address(net.server))


def said(process):
    return process.communicate(timeout=SECONDS)[0]


def states_in(process):
    """What it says of each port, in the order of the ports."""
    return re.findall(r"\d+/([a-z|]+)/tcp", said(process))


def all_counters(shield):
    """The verdicts of the programs and of the daemon's TCP."""
    return shield.counters() + shield.daemon.counters()


def wait_for_verdicts(shield, before, names):
    lab.wait_until(lambda: names <= set(all_counters(shield) - before), f"the verdicts {sorted(names)}")


SCANS = {
    "-sS": ["open", "open", "closed"],
    "-sT": ["open", "open", "closed"],
    "-sA": ["filtered", "unfiltered", "unfiltered"],
    "-sN": ["open|filtered", "open|filtered", "closed"],
    "-sF": ["open|filtered", "open|filtered", "closed"],
    "-sX": ["open|filtered", "open|filtered", "closed"],
}


def test_scans_see_what_tcp_shows(shield, net, family):
    before = all_counters(shield)
    running = {scan: nmap(net, family, scan, "-p", f"{ALWAYS},{OFF},{CLOSED}", "-oG", "-") for scan in SCANS}
    assert {scan: states_in(process) for scan, process in running.items()} == SCANS
    wait_for_verdicts(shield, before, {"SYN_COOKIE", "SYN_RECEIVED", "ACCEPTED", "RESET",  # -sS, -sT
                                       "NO_FLOW", "NO_CONNECTION", "BAD_FLAGS"})  # the others


@only_ipv4  # nmap's neighbour discovery has bad checksums, too
def test_bad_checksums_are_not_answered_but_with_cookies(shield, net, family):
    """XDP looks at no checksum: what it sends for one keeps nothing and opens nothing."""
    before = all_counters(shield)
    scan = nmap(net, family, "-sS", "--badsum", "-p", f"{ALWAYS},{OFF},{CLOSED}", "-oG", "-")
    assert states_in(scan) == ["open", "filtered", "filtered"]
    wait_for_verdicts(shield, before, {"SYN_COOKIE", "BAD_CHECKSUM"})


@only_ipv4  # nmap measures this for IPv4
@pytest.mark.parametrize("port", [ALWAYS, OFF], ids=["always", "off"])
def test_fingerprint_finds_numbers_that_can_not_be_guessed(net, family, port):
    found = said(nmap(net, family, "-O", "-v", "--max-os-tries", "1", "-p", f"{port},{CLOSED}"))
    assert int(re.search(r"TCP Sequence Prediction: Difficulty=(\d+)", found)[1]) >= DIFFICULT
    assert "IP ID Sequence Generation: All zeros" in found


@pytest.mark.parametrize("words, port, answer, verdict", [
    (("-S",), ALWAYS, "SA", "SYN_COOKIE"),
    (("-S",), OFF, "SA", "SYN_RECEIVED"),
    (("-S", "-X", "-Y"), OFF, "SAX", "SYN_RECEIVED"),  # ECN's handshake
    (("-S", "-F"), ALWAYS, None, "BAD_FLAGS"),
    (("-A",), ALWAYS, None, "NO_FLOW"),
    (("-A",), OFF, "R", "NO_CONNECTION"),
    (("-R",), OFF, None, "RESET_IGNORED"),
    (("-S", "-b"), OFF, None, "BAD_CHECKSUM"),
    (("-S", "-O", "12"), ALWAYS, None, "MALFORMED"),
    (("-S", "-f", "-d", "64"), ALWAYS, None, "DAEMON_FRAGMENT"),
])
@only_ipv4  # as hping3 is
def test_hping_is_answered(shield, net, family, words, port, answer, verdict):
    before = all_counters(shield)
    answers = net.client.run("hping3", "-n", "-c", "2", "-i", "u10000", "-p", port, *words, family.address(net.server),
                             check=False).stdout
    assert re.findall(r"flags=(\w+)", answers) == ([answer] * 2 if answer else [])
    lab.wait_until(lambda: (all_counters(shield) - before)[verdict] >= 2, f"the verdict {verdict}")
