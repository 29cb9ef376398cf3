# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Under a flood of spoofed SYNs clients connect, connections go on, and nothing is stored for the flood."""

import contextlib
import json

import lab
import sockets
import traffic
import web

PORT = 80
RATE = 100_000  # SYNs a second, paced
CONNECTIONS = 1000
SPOOFED = {"ipv4": lab.SPOOFED_IPV4, "ipv6": lab.SPOOFED_IPV6}


@contextlib.contextmanager
def flood(net, family, seconds=30):
    """Floods meanwhile; the dict that it yields then has the tool's report."""
    command = net.client.flood_command(net.server, "--source", "paced", "--rate", RATE, "--seconds", seconds,
                                       "--port", PORT, address=family.address(net.server))
    process = net.client.start(*command)
    report = {}
    try:
        yield report
    finally:
        process.terminate()
        report.update(json.loads(process.communicate(timeout=10)[0]))


def segments_in(host):
    """TCP segments that the host's kernel has taken in."""
    text = host.run("nstat", "-asz", "TcpInSegs").stdout
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("TcpInSegs")))


def fetch(net, family):
    """What became of the connections."""
    return net.client.read_json(lab.tool("fetch"), "--port", PORT, "--count", CONNECTIONS, "--parallel", 32,
                                "--seconds", 25, "--timeout", 20, family.address(net.server))


def test_connections_succeed_under_flood(shield, net, family):
    shield.load("*:*", policy="always")
    net.server.sysctl(net__ipv4__tcp_max_syn_backlog=256)
    with web.WebServer(net.server, PORT), sockets.listen(net.server, family) as listener, \
            traffic.in_use(traffic.Chat, net, family, listener, count=8) as chats:
        before, taken_in = shield.counters(), segments_in(net.server)
        with flood(net, family) as report:
            lab.wait_until(lambda: shield.counters()["SYN_COOKIE"] > RATE // 10, "the flood")
            rounds = [chat.rounds for chat in chats]
            outcome = fetch(net, family)
            # What a veth's ring loses under the flood is repeated, in its time.
            lab.wait_until(lambda: all(chat.rounds > then + 10 for chat, then in zip(chats, rounds)),
                           "connections from before the flood to go on", timeout=20)
        counted = shield.counters() - before
        taken_in = segments_in(net.server) - taken_in

    lost = {name: outcome[name] for name in ("refused", "reset", "cut_short", "timed_out") if outcome[name]}
    assert not lost and outcome["succeeded"] == CONNECTIONS, outcome
    # A veth's ring overflows, so not all of the flood arrives; what does is answered, and not seen by the kernel.
    assert counted["SYN_COOKIE"] > report["sent"] // 4, counted
    assert outcome["total_ms"]["p50"] < 1000, outcome  # one in two needed no second SYN
    # A client's port comes back while the server has the last connection of it in TIME-WAIT: that SYN is the kernel's.
    assert counted["HANDOVER"] + counted["HALF_OPEN_ACK"] == CONNECTIONS, counted
    assert counted["HANDOVER"] > 0.9 * CONNECTIONS, counted
    own_segments = sum(counted[name] for name in ("SEGMENT", "COOKIE_ACK", "OUT_OF_WINDOW", "BAD_ACK"))
    assert taken_in <= own_segments + 1000, "the flood's SYNs came through to the kernel"
    assert not shield.flows(source=SPOOFED[family.name])


def test_flood_at_a_port_without_listener_is_the_kernels(shield, net, family):
    shield.load(f"*:{PORT}", policy="always")
    command = net.client.flood_command(net.server, "--source", "paced", "--rate", 1000, "--seconds", 0.2,
                                       "--port", PORT, address=family.address(net.server))
    net.client.run(*command)
    counted = shield.counters()
    assert counted["SYN_NO_LISTENER"] > 0 and counted["SYN_COOKIE"] == 0, counted
    assert shield.record_count() == 0
