# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Where a connection does not simply reach the one listener: several of them, none, one that is gone or elsewhere, a
firewall in between. docs/handover.md has the table."""

import contextlib
import socket

import pytest

import lab
import sockets
import steering
import wire

PORT = 8000
WAYS = ("kfunc", "helper")
ANSWERED = {"kfunc": "SYN_COOKIE", "helper": "SYN_KERNEL_COOKIE"}
REUSE_PORT = [(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)]
SO_BINDTODEVICE = 25


@pytest.fixture(params=WAYS)
def way(request, net):
    """The tests are of both ways that cookies go."""
    net.server.sysctl(net__ipv4__tcp_syncookies=2)
    return request.param


def handovers(shield):
    """How the listeners of the only service get their connections, and why."""
    service, = shield.read_json("status", shield.device)[0]["services"]
    return [(each["way"], each["listeners"], each["reason"]) for each in service["handover"]]


def problems(shield):
    return "\n".join(shield.read_json("status", shield.device)[0]["problems"])


def asked_and_answered(client, listener):
    """Whether the listener is the one that gets the client's connection."""
    client.sendall(b"who?")
    with listener.accept()[0] as server:
        server.settimeout(sockets.SECONDS)
        return sockets.read_exactly(server, 4) == b"who?"


# --- which way -----------------------------------------------------------------------------------------------------


def test_best_way_is_the_default(shield, net, family):
    done = shield.load(f"*:{PORT}")
    assert "nothing listens there" in done.stderr and done.returncode == 0
    assert handovers(shield) == []
    with sockets.listen(net.server, family, port=PORT):
        assert handovers(shield) == [("kfunc", 1, None)]
        assert not problems(shield)


def test_forced_pass_leaves_everything_to_the_kernel(shield, net, family):
    shield.load(f"*:{PORT}", handover="pass")
    with sockets.listen(net.server, family, port=PORT) as listener:
        with sockets.connected(net, family, listener) as (client, server):
            sockets.exchange(client, server)
            assert sockets.negotiated(family, net.server, PORT, sockets.port_of(client))["timestamps"]
        counted = shield.counters()
        assert (counted["SYN_UNANSWERED"], counted["OWN_SYN_ACK"], counted["HALF_OPEN_ACK"]) == (1, 1, 1), counted
        assert handovers(shield) == [("pass", 1, "loaded with --handover pass")]
        assert "SYNs are passed to the kernel: load it without --handover" in problems(shield)


def test_no_syncookies_is_told_by_load_and_status(shield, net, family):
    net.server.sysctl(net__ipv4__tcp_syncookies=0)
    with sockets.listen(net.server, family, port=PORT):
        assert "net.ipv4.tcp_syncookies is 0" in shield.load(f"*:{PORT}").stderr
        assert handovers(shield) == [("pass", 1, "net.ipv4.tcp_syncookies is 0")]


def test_unknown_way_is_wrong_usage(shield):
    done = shield.load(f"*:{PORT}", handover="magic", check=False)
    assert done.returncode == 2 and "kfunc, helper or pass" in done.stderr
    assert shield.is_gone()


# --- which listener ------------------------------------------------------------------------------------------------


def test_listener_gone_resets_the_peer(shield, net, family, way):
    shield.load(f"*:{PORT}", handover=way)
    with wire.Peer(net, family, PORT, timestamps=way == "kfunc") as peer:
        with sockets.listen(net.server, family, port=PORT):
            peer.ask()
        peer.send("A")
        assert peer.receive("R").seq == peer.rcv_nxt
    assert shield.counters()["HANDOVER_NO_LISTENER"] == (way == "kfunc")


def test_specific_and_wildcard_listeners_side_by_side(shield, net, family, way):
    other = sockets.add_address(net.server, family, net.client)
    shield.load(f"*:{PORT}", handover=way)
    with sockets.listen(net.server, family, address=family.any, port=PORT, options=REUSE_PORT) as wildcard, \
            sockets.listen(net.server, family, port=PORT, options=REUSE_PORT) as specific:
        for address, listener in ((family.address(net.server), specific), (other, wildcard)):
            with sockets.connect(net.client, family, (address, PORT)) as client:
                assert asked_and_answered(client, listener)
    assert shield.counters()[ANSWERED[way]] == 2


def test_one_listener_for_several_addresses(shield, net, family, way):
    other = sockets.add_address(net.server, family, net.client)
    shield.load(f"*:{PORT}", handover=way)
    with sockets.listen(net.server, family, address=family.any, port=PORT) as listener:
        for address in (family.address(net.server), other):
            with sockets.connect(net.client, family, (address, PORT)) as client, listener.accept()[0] as server:
                assert server.getsockname()[0] == address
                sockets.exchange(client, server, 10000)
    assert shield.counters()[ANSWERED[way]] == 2


@contextlib.contextmanager
def group(net, family, count=4):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(sockets.listen(net.server, family, port=PORT, options=REUSE_PORT))
               for _ in range(count)]


def accept_all(listener):
    """The peers' ports of all connections that wait."""
    ports = []
    listener.settimeout(0.1)
    with contextlib.suppress(TimeoutError):
        while True:
            server, address = listener.accept()
            server.close()
            ports.append(address[1])
    return ports


def connect_many(net, family, stack, count=32):
    to = (family.address(net.server), PORT)
    return [stack.enter_context(sockets.connect(net.client, family, to)) for _ in range(count)]


def test_hashed_reuseport_group_shares(shield, net, family, way):
    shield.load(f"*:{PORT}", handover=way)
    with group(net, family) as listeners, contextlib.ExitStack() as stack:
        connect_many(net, family, stack)
        accepted = [len(accept_all(listener)) for listener in listeners]
        assert sum(accepted) == 32 and all(accepted), accepted
        assert handovers(shield)[0][1] == 4
    assert shield.counters()["HANDOVER"] == 32


def test_steered_reuseport_group_is_steered(shield, net, family, way):
    shield.load(f"*:{PORT}", handover=way)
    with group(net, family) as listeners, steering.steered(net, listeners[2]), contextlib.ExitStack() as stack:
        connect_many(net, family, stack)
        assert [len(accept_all(listener)) for listener in listeners] == [0, 0, 32, 0]
    assert shield.counters()["HANDOVER"] == 32


# --- no listener to be seen ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def container(net, family):
    """A namespace behind the server, to which the server forwards PORT (DNAT); yields the host inside."""
    outside, inside = ("10.98.0.1", "10.98.0.2") if family.af == socket.AF_INET else ("2001:db8:98::1", "2001:db8:98::2")
    host = lab.Host(f"{net.server.namespace}-inside", "eth0", 2)
    host.ipv4 = host.ipv6 = inside
    device = f"{net.server.device[:-1]}d"
    only, length = (["-6"], 64) if family.af == socket.AF_INET6 else ([], 24)
    nodad = ["nodad"] if only else []
    lab.run("ip", "netns", "add", host.namespace)
    try:
        net.server.run("ip", "link", "add", device, "type", "veth", "peer", "name", host.device, "netns", host.namespace)
        net.server.run("ip", "addr", "add", f"{outside}/{length}", "dev", device, *nodad)
        net.server.run("ip", "link", "set", device, "up")
        host.run("ip", "addr", "add", f"{inside}/{length}", "dev", host.device, *nodad)
        host.run("ip", "link", "set", host.device, "up")
        host.run("ip", *only, "route", "add", "default", "via", outside)
        net.server.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        table = "ip6" if only else "ip"
        net.server.run("nft", f"add table {table} nat; add chain {table} nat pre {{ type nat hook prerouting priority "
                       f"dstnat; }}; add rule {table} nat pre tcp dport {PORT} dnat to {inside}")
        yield host
    finally:
        lab.run("ip", "netns", "del", host.namespace)


@pytest.mark.parametrize("policy, verdict", [("always", "SYN_NO_LISTENER"), ("off", "SYN_OFF")])
def test_listener_behind_dnat_is_passed_to(shield, net, family, policy, verdict):
    with container(net, family) as host, sockets.listen(host, family, port=PORT) as listener:
        told = shield.load(f"*:{PORT},policy={policy}").stderr
        with sockets.connect(net.client, family, (family.address(net.server), PORT)) as client:
            with listener.accept()[0] as server:
                sockets.exchange(client, server)
                counted = shield.counters()
                assert counted[verdict] and not counted["SYN_COOKIE"], counted
                assert shield.flow(family, sockets.port_of(client))["state"] == "ESTABLISHED"
        for words in (told, problems(shield)):
            assert ("nothing listens there in this network namespace" in words) == (policy == "always"), words


def test_listener_bound_to_another_device_is_not_seen(shield, net, family):
    # As one that is bound to a VRF, of which the device is no part for the shield; this kernel may have no VRFs.
    bound = [(socket.SOL_SOCKET, SO_BINDTODEVICE, b"lo")]
    with sockets.listen(net.server, family, port=PORT, options=bound):
        assert "nothing listens there in this network namespace" in shield.load(f"*:{PORT}").stderr
        with pytest.raises(ConnectionRefusedError):
            sockets.connect(net.client, family, (family.address(net.server), PORT))
    assert shield.counters()["SYN_NO_LISTENER"] == 1


# --- a firewall in between -----------------------------------------------------------------------------------------

NEW_AND_NO_SYN = "ct state new tcp flags & (fin | syn | rst | ack) != syn drop"
INVALID = "ct state invalid drop"


def firewall(host, rule):
    host.run("nft", "add table inet fw; add chain inet fw in { type filter hook input priority 0; };"
             f"add rule inet fw in {rule}")


@pytest.mark.parametrize("rule, loose", [(NEW_AND_NO_SYN, 1), (INVALID, 0)], ids=["new-and-no-syn", "invalid"])
def test_firewall_that_drops_handovers_is_named(shield, net, family, way, rule, loose):
    net.server.sysctl(net__netfilter__nf_conntrack_tcp_loose=loose)
    firewall(net.server, rule)
    shield.load(f"*:{PORT}", handover=way)
    with sockets.listen(net.server, family, port=PORT) as listener:
        with sockets.connect(net.client, family, (family.address(net.server), PORT)) as client:
            client.sendall(b"hello")
            lab.wait_until(lambda: shield.counters()["HANDOVER_LOST"], "the loss to be noted")
            assert "a firewall on this host drops packets" in problems(shield)
            assert ("nf_conntrack_tcp_loose=1" in problems(shield)) == (not loose)
            # the remedy: ahead of such rules
            net.server.run("nft", f"insert rule inet fw in tcp dport {PORT} accept")
            with listener.accept()[0] as server:
                server.settimeout(sockets.SECONDS)
                assert sockets.read_exactly(server, 5) == b"hello"
                sockets.exchange(client, server)


def test_firewall_that_knows_the_connection_drops_nothing(shield, net, family, way):
    firewall(net.server, INVALID)  # with nf_conntrack_tcp_loose=1 the ACK is new, not invalid
    shield.load(f"*:{PORT}", handover=way)
    with sockets.listen(net.server, family, port=PORT) as listener:
        with sockets.connected(net, family, listener) as (client, server):
            sockets.exchange(client, server)
        assert not shield.counters()["HANDOVER_LOST"] and not problems(shield)


def test_strict_conntrack_in_use_is_told(shield, net, family):
    net.server.sysctl(net__netfilter__nf_conntrack_tcp_loose=0)
    firewall(net.server, INVALID)
    with sockets.listen(net.server, family, port=PORT + 1) as other:
        with sockets.connected(net, family, other):  # conntrack has something to track
            told = shield.load(f"*:{PORT}").stderr
    assert "net.netfilter.nf_conntrack_tcp_loose is 0" in told
