# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Peers that fall silent, with sockets at both ends: who is asked, when, and what becomes of whom.

Applications here do not know of any of it, but where a test says so.
"""

import contextlib
import errno
import signal
import socket
import struct
import time

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6
from scapy.layers.l2 import Ether

import daemon as daemons
import family as families
import lab
import sockets
import wire
from far import far_host, forget
from shield import shielded

IDLE, INTERVAL, PROBES = 0.5, 0.2, 10
FEW = 3  # probes of services that are not for the whole story
LATE = 0.15  # for a machine with other work
PORT, PORT_FEW, PORT_REPORT, PORT_OFF, PORT_UNPROTECTED, ECHO = 8000, 8001, 8002, 8003, 8004, 7

TCP_INFO_SEGS_IN = 140  # offset in struct tcp_info


def keepalive(probes):
    """The service's key."""
    return f"keepalive={IDLE * 1000:.0f}ms/{INTERVAL * 1000:.0f}ms/{probes}"


def dead_after(probes):
    """Seconds from the peer's last segment to the end."""
    return IDLE + probes * INTERVAL


@pytest.fixture(scope="module")
def shield():
    services = (f"*:{PORT},{keepalive(PROBES)}", f"*:{PORT_FEW},{keepalive(FEW)}",
                f"*:{PORT_REPORT},{keepalive(FEW)},dead=report", f"*:{PORT_OFF}",
                f"*:{PORT_UNPROTECTED},policy=off,{keepalive(FEW)}",
                f"*:{ECHO},owner=daemon,app=echo,{keepalive(PROBES)}")
    with shielded() as own, far_host(own.net) as own.far, \
            daemons.serving(own, *services, options=("--probes-per-prefix", 1000)) as own.daemon:
        yield own


@pytest.fixture
def far(shield):
    """The host that peers are on, which may be gone for a test."""
    return shield.far


@contextlib.contextmanager
def connected(shield, family, port=PORT):
    """A peer on the far host and the socket that was accepted of it; the peer has said something."""
    with sockets.listen(shield.net.server, family, port=port) as listener:
        with shield.far.connected(family, listener) as (peer, server):
            peer.sendall(b"I am here")
            sockets.read_exactly(server, 9)
            yield peer, server


def segments_in(sock):
    """How many segments a socket has received."""
    return struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), TCP_INFO_SEGS_IN)[0]


def record(shield, family, peer):
    return shield.flow(family, sockets.port_of(peer))


def wait_for_record(shield, family, peer, condition, what, timeout=5):
    """Waits until the record of a connection is so."""
    def find():
        flow = record(shield, family, peer)
        return flow and condition(flow) and flow

    return lab.wait_until(find, what, timeout)


def is_probe(frame, tcp, flow):
    """Whether it is SEQ=SND.NXT-1 without text, from the server."""
    bare = len(tcp.payload) == 0 or wire.Raw not in tcp
    return not frame.is_outgoing and str(tcp.flags) == "A" and bare and tcp.seq == (flow["snd_nxt"] - 1) % 2**32


def probes(capture, flow):
    """Those that the router's device has had: [(seconds, tcp)]."""
    return [(frame.seconds, tcp) for frame, tcp in capture.segments(flow["remote_port"]) if is_probe(frame, tcp, flow)]


def about(seconds):
    """What passes for so long: rather more on a machine with other work."""
    return pytest.approx(seconds + LATE, abs=2 * LATE)


def check_times(times, idle_from):
    """The first an idle time after the last segment, the others an interval after the one before."""
    assert times[0] - idle_from == about(IDLE)
    assert all(later - earlier == about(INTERVAL) for earlier, later in zip(times, times[1:]))


def receive_error(sock, timeout):
    """The error that the application gets where it waits for text."""
    sock.settimeout(timeout)
    with pytest.raises(OSError) as raised:
        sock.recv(1)
    return raised.value.errno


def counted(shield, since, *names):
    """By how much counters have gone up since then."""
    return [(shield.counters() - since)[name] for name in names]


# --- the story -----------------------------------------------------------------------------------------------------


def test_client_that_vanished_is_asked_ten_times_and_closed(family):
    """Its interface goes down; neither end's application ever heard of keepalive."""
    with shielded() as shield, far_host(shield.net) as shield.far, \
            daemons.serving(shield, f"*:{PORT},{keepalive(PROBES)}") as daemon:
        with connected(shield, family) as (peer, server), wire.Capture(shield.net.client) as capture:
            last_heard = time.monotonic()
            shield.far.go_down()
            flow = record(shield, family, peer)
            wait_for_record(shield, family, peer, lambda now: 3 <= now["probes"] < PROBES, "probes that are out")
            assert receive_error(server, timeout=2 * dead_after(PROBES)) == errno.ECONNABORTED
            assert time.monotonic() - last_heard == pytest.approx(dead_after(PROBES), abs=3 * LATE)
            sent = probes(capture, flow)
            assert len(sent) == PROBES
            check_times([seconds for seconds, _ in sent], last_heard)
            assert not shield.flows(state="ESTABLISHED")
            assert sockets.kernel_state(family, shield.net.server, PORT, sockets.port_of(peer)) is None
            ager = daemon.ager_counters()
            assert (ager["PROBES_SENT"], ager["DEAD_CLOSED"]) == (PROBES, 1)


@contextlib.contextmanager
def unknown_neighbour(shield, family):
    """The server does not know its router's link address meanwhile, nor does the router tell."""
    router, server = shield.net.client, shield.net.server
    address = family.address(router)
    router.run("ip", "link", "set", router.device, "arp", "off")
    server.run("ip", "neigh", "del", address, "dev", server.device)
    try:
        yield
    finally:
        server.run("ip", "neigh", "replace", address, "lladdr", router.mac, "dev", server.device, "nud", "permanent")
        router.run("ip", "link", "set", router.device, "arp", "on")


@contextlib.contextmanager
def replaced_router(shield, family, mac="02:00:00:00:99:5a"):
    """The router has another MAC address meanwhile, and the server knows."""
    router, server = shield.net.client, shield.net.server

    def change(to):
        router.run("ip", "link", "set", router.device, "address", to)
        server.run("ip", "neigh", "replace", family.address(router), "lladdr", to, "dev", server.device,
                   "nud", "permanent")

    change(mac)
    try:
        yield
    finally:
        change(router.mac)


def test_peer_whose_router_was_replaced_lives(shield, family):
    """The owner sends nothing that would tell the record where to."""
    with connected(shield, family) as (peer, server), replaced_router(shield, family):
        flow = record(shield, family, peer)
        time.sleep(dead_after(PROBES))
        now = record(shield, family, peer)
        assert now["state"] == "ESTABLISHED" and now["snd_nxt"] == flow["snd_nxt"] and now["probes"] < 3
        sockets.exchange(peer, server, 1000)


def test_record_goes_with_the_socket_whose_rst_nobody_sees(shield, family, far):
    """It would stay for days, of a connection that nobody has."""
    with connected(shield, family, PORT_FEW) as (peer, server), far.cut_off(), unknown_neighbour(shield, family):
        assert receive_error(server, timeout=2 * dead_after(FEW)) == errno.ECONNABORTED
        lab.wait_until(lambda: not shield.flows(state="ESTABLISHED", service=f"*:{PORT_FEW}"), "the record's end")


@pytest.mark.parametrize("port", [PORT_FEW, PORT_UNPROTECTED])
def test_client_that_never_spoke_is_asked_and_closed(shield, family, far, port):
    """It connected and vanished; the server waits for it to speak first, and has never sent a segment itself."""
    before = shield.counters()["PROBE_ANSWERED"]
    with sockets.listen(shield.net.server, family, port=port) as listener, \
            far.connected(family, listener) as (_, server):
        lab.wait_until(lambda: shield.counters()["PROBE_ANSWERED"] > before, "the answer to a probe")
        with far.cut_off():
            assert receive_error(server, timeout=4 * dead_after(FEW)) == errno.ECONNABORTED


def test_client_of_the_daemon_that_vanished_is_asked_ten_times_and_closed(shield, family, far):
    port = (family.address(shield.net.server), ECHO)
    with sockets.connect(far, family, port) as peer, wire.Capture(shield.net.client) as capture:
        peer.sendall(b"I am here")
        sockets.read_exactly(peer, 9)
        last_heard = time.monotonic()
        with far.cut_off():
            flow = wait_for_record(shield, family, peer, lambda now: now["snd_nxt"] - now["iss"] == 10, "its record")
            lab.wait_until(lambda: len(probes(capture, flow)) == PROBES, "the last probe")
            check_times([seconds for seconds, _ in probes(capture, flow)], last_heard)
            lab.wait_until(lambda: shield.daemon.status()["connections"] == 0, "the end")


# --- peers that live -----------------------------------------------------------------------------------------------


def test_silent_peer_that_lives_answers_and_its_socket_does_not_see_it(shield, family):
    """A Linux peer answers every probe: the TSval is one that it takes."""
    with connected(shield, family) as (peer, server), wire.Capture(shield.net.client) as capture:
        before, flow, seen = shield.counters(), record(shield, family, peer), segments_in(server)
        lab.wait_until(lambda: len(probes(capture, flow)) == 3, "three probes")
        time.sleep(LATE)  # for the last answer
        sent = probes(capture, flow)
        assert all(later - earlier == about(IDLE) for (earlier, _), (later, _) in zip(sent, sent[1:]))
        assert counted(shield, before, "PROBE_ANSWER", "PROBE_ANSWERED") == [3, 3]
        assert segments_in(server) == seen
        sockets.exchange(peer, server, 10000)


def test_peer_that_answers_the_ninth_probe_lives(shield, family, far):
    with connected(shield, family) as (peer, server), wire.Capture(shield.net.client) as capture:
        flow = record(shield, family, peer)
        with far.cut_off():
            lab.wait_until(lambda: len(probes(capture, flow)) == 8, "the eighth probe")
        lab.wait_until(lambda: len(probes(capture, flow)) == 10, "the ninth, and one after it")
        *_, ninth, tenth = (seconds for seconds, _ in probes(capture, flow))
        assert tenth - ninth == about(IDLE)
        sockets.exchange(peer, server, 10000)


def test_traffic_either_way_keeps_probes_away(shield, family):
    with connected(shield, family) as (peer, server), wire.Capture(shield.net.client) as capture:
        for sender, receiver in ((peer, server), (server, peer)) * 4:
            sender.sendall(b"some text")
            sockets.read_exactly(receiver, 9)
            time.sleep(IDLE / 2)
        assert not probes(capture, record(shield, family, peer))


def test_applications_own_keepalive_gets_its_answers(shield, family):
    """A Linux peer answers one of two probes within half a second, ours or the socket's: the socket hears of each."""
    with connected(shield, family) as (peer, server):
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT):
            server.setsockopt(socket.IPPROTO_TCP, option, 1)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        before = shield.counters()
        time.sleep(5)
        asked, dropped = counted(shield, before, "PROBE_ANSWERED", "PROBE_ANSWER")
        assert asked >= 2 and not dropped
        sockets.exchange(peer, server, 1000)


# --- peers that do not ---------------------------------------------------------------------------------------------


def test_peer_that_booted_again_resets_the_connection(shield, family):
    with connected(shield, family) as (peer, server), wire.Capture(shield.net.client) as capture:
        flow = record(shield, family, peer)
        forget(peer)
        assert receive_error(server, timeout=IDLE + 5 * LATE) == errno.ECONNRESET
        assert len(probes(capture, flow)) == 1


def test_port_unreachable_that_quotes_the_probe_closes(shield, family, far):
    with connected(shield, family) as (peer, server), wire.Capture(shield.net.client) as capture, far.cut_off():
        flow = record(shield, family, peer)
        lab.wait_until(lambda: probes(capture, flow), "a probe")
        quoted = next(frame for frame, tcp in capture.segments(flow["remote_port"]) if is_probe(frame, tcp, flow))
        error = (IP(src=far.ipv4, dst=shield.net.server.ipv4) / ICMP(type=3, code=3)
                 if family is families.IPV4 else
                 IPv6(src=far.ipv6, dst=shield.net.server.ipv6) / ICMPv6DestUnreach(code=4))
        frame = Ether(src=shield.net.client.mac, dst=shield.net.server.mac) / error / bytes(Ether(quoted.data).payload)
        capture.socket.send(bytes(frame))
        assert receive_error(server, timeout=INTERVAL + 3 * LATE) == errno.ECONNABORTED


def test_orphan_that_the_kernel_gave_up_is_found_by_the_answer(shield, family, far):
    """Its peer, which never closes, is reset; else it would answer for ever, and keep the record."""
    with connected(shield, family) as (peer, server):
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
        server.close()
        assert peer.recv(1) == b""
        wait_for_record(shield, family, peer, lambda now: now["state"] == "FIN-WAIT-2", "the half-closed connection")
        to = sockets.port_of(peer)
        lab.wait_until(lambda: not sockets.kernel_state(family, far, to, PORT), "the peer's reset", timeout=4)
        assert not shield.flows(state="FIN-WAIT-2", service=f"*:{PORT}")


@pytest.mark.parametrize("end", ["peer", "server"])
def test_half_closed_connection_is_asked_and_closed(shield, far, end):
    family = families.IPV4
    with connected(shield, family, PORT_FEW) as (peer, server):
        (peer if end == "peer" else server).shutdown(socket.SHUT_WR)
        state = "CLOSE-WAIT" if end == "peer" else "FIN-WAIT-2"
        wait_for_record(shield, family, peer, lambda now: now["state"] == state, state)
        time.sleep(dead_after(FEW))
        assert record(shield, family, peer)["state"] == state  # it has answered
        with far.cut_off():
            lab.wait_until(lambda: server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNABORTED,
                           "the end")


def test_dead_peer_is_reported_once_and_kept(shield, far):
    family = families.IPV4
    with connected(shield, family, PORT_REPORT) as (peer, server), wire.Capture(shield.net.client) as capture:
        flow = record(shield, family, peer)
        with far.cut_off():
            wait_for_record(shield, family, peer, lambda now: now["peer_dead"], "its death")
            time.sleep(IDLE + INTERVAL)
            assert len(probes(capture, flow)) == FEW
            assert sockets.kernel_state(family, shield.net.server, PORT_REPORT, flow["remote_port"]) == "ESTAB"
        sockets.exchange(peer, server, 1000)  # it was not dead after all
        assert not record(shield, family, peer)["peer_dead"]


# --- who is not asked ----------------------------------------------------------------------------------------------


def stays_unasked(shield, seconds):
    """No probe is sent meanwhile."""
    before = shield.daemon.ager_counters()["PROBES_SENT"]
    time.sleep(seconds)
    return shield.daemon.ager_counters()["PROBES_SENT"] == before


def test_without_keepalive_nothing_is_sent(shield):
    with connected(shield, families.IPV4, PORT_OFF) as (peer, _server), wire.Capture(shield.net.client) as capture:
        port = sockets.port_of(peer)
        time.sleep(LATE)
        before = len(capture.segments(port))
        time.sleep(2 * IDLE)
        assert len(capture.segments(port)) == before


def test_data_in_flight_is_asked_by_retransmission_alone(shield, far):
    family = families.IPV4
    with connected(shield, family) as (peer, server):
        with far.cut_off():
            server.sendall(b"anybody?")
            assert stays_unasked(shield, IDLE + 3 * INTERVAL)
        assert sockets.read_exactly(peer, 8) == b"anybody?"


def test_closed_window_is_asked_by_window_probes_alone(shield):
    family = families.IPV4
    with connected(shield, family) as (peer, server):
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                server.send(bytes(1 << 16))

        def is_closed():
            value = shield.record(family, sockets.port_of(peer))[1]
            return value["snd_wnd"] == 0 and value["snd_una"] == value["snd_nxt"]

        lab.wait_until(is_closed, "a window of 0")
        assert stays_unasked(shield, 5 * IDLE)  # ever longer are the times between the kernel's


# --- who is spared -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def other_way(net):
    """From now on what the router sends to the server's IPv4 address comes in by another device."""
    client, server = f"{net.client.device[:-1]}o", f"{net.server.device[:-1]}w"
    net.client.run("ip", "link", "add", client, "type", "veth", "peer", "name", server, "address", "02:00:00:00:98:02",
                   "netns", net.server.namespace)
    try:
        net.client.run("ip", "link", "set", client, "up")
        net.server.run("ip", "link", "set", server, "up")
        net.client.run("ip", "neigh", "add", net.server.ipv4, "lladdr", "02:00:00:00:98:02", "dev", client)
        net.client.run("ip", "route", "add", f"{net.server.ipv4}/32", "dev", client)
        yield
    finally:
        net.client.run("ip", "link", "del", client)


def test_socket_that_hears_its_peer_by_another_way_is_spared(shield):
    family = families.IPV4
    with connected(shield, family, PORT_FEW) as (peer, server), other_way(shield.net):
        while not record(shield, family, peer)["peer_dead"]:
            peer.sendall(b"x")  # by which the record does not see it
            server.recv(1)
            time.sleep(INTERVAL / 4)
        assert sockets.kernel_state(family, shield.net.server, PORT_FEW, sockets.port_of(peer)) == "ESTAB"
        sockets.exchange(peer, server, 1000)


# --- many at a time ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def many_connected(shield, family, count):
    """So many connections, all silent since the same moment; yields [(peer, server)]."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(sockets.listen(shield.net.server, family, port=PORT))
        pairs = [stack.enter_context(shield.far.connected(family, listener)) for _ in range(count)]
        for peer, server in pairs:
            server.sendall(b"welcome")
            sockets.read_exactly(peer, 7)
        yield pairs


def standing(shield):
    return [flow for flow in shield.flows(state="ESTABLISHED") if flow["local_port"] == PORT]


def test_daemon_that_stood_still_kills_nobody_who_answers_then(shield, far):
    count = 20
    with many_connected(shield, families.IPV4, count) as pairs:
        with far.cut_off():
            lab.wait_until(lambda: sum(flow["probes"] >= PROBES - 4 for flow in standing(shield)) == count, "probes")
            shield.daemon.process.send_signal(signal.SIGSTOP)
            time.sleep(2)
            with wire.Capture(shield.net.client) as capture:
                shield.daemon.process.send_signal(signal.SIGCONT)
                resumed = time.monotonic()
                time.sleep(4 * INTERVAL + LATE)  # by probes of before, all would be dead
                assert len(standing(shield)) == count
                sent = [frame.seconds - resumed for frame, _ in capture.segments(PORT) if not frame.is_outgoing]
                assert len(sent) <= 6 * count  # one an interval each, and no more
        time.sleep(2 * INTERVAL)
        assert len(standing(shield)) == count
        for pair in pairs:
            sockets.exchange(*pair, 100)


def test_daemon_that_was_killed_begins_anew_and_ends_in_the_close():
    family = families.IPV4
    with shielded() as shield, far_host(shield.net) as shield.far, \
            daemons.serving(shield, f"*:{PORT},{keepalive(PROBES)}") as daemon, \
            connected(shield, family) as (peer, server), \
            wire.Capture(shield.net.client) as capture, shield.far.cut_off():
        flow = wait_for_record(shield, family, peer, lambda now: now["probes"] >= 4, "some probes")
        daemon.end(signal.SIGKILL)
        before = len(probes(capture, flow))
        with daemons.serving(shield):
            assert receive_error(server, timeout=2 * dead_after(PROBES)) == errno.ECONNABORTED
            assert len(probes(capture, flow)) - before == PROBES


def test_many_that_fall_silent_at_once_are_asked_one_after_the_other():
    count, rate, seconds = 120, 50, 2
    options = ("--probes-per-second", rate, "--probes-per-prefix", 1000)
    with shielded() as shield, far_host(shield.net) as shield.far, \
            daemons.serving(shield, f"*:{PORT},keepalive=1s/60s/3", options=options):
        with wire.Capture(shield.net.client) as capture, many_connected(shield, families.IPV4, count):
            time.sleep(1 + seconds)
            flows = {flow["remote_port"]: flow for flow in shield.flows()}
            times = sorted(frame.seconds for frame, tcp in capture.segments(PORT)
                           if tcp.dport in flows and is_probe(frame, tcp, flows[tcp.dport]))
    within_a_second = [sum(first <= other < first + 1 for other in times) for first in times]
    assert max(within_a_second) <= rate * 1.2 + 2
    assert len(times) >= rate * (seconds - 0.5)
    within_a_tenth = [sum(first <= other < first + 0.1 for other in times) for first in times]
    assert max(within_a_tenth) <= rate / 2  # spread over the second
