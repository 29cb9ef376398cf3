# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Which listener gets a connection, and which service a packet belongs to."""

import contextlib
import json
import socket

import pytest

import family as families
import lab
import sockets
import wire

PORT = 8000
COOKIE_SECONDS = 133  # how long after its last one a cookie may come back


def counted_connection(shield, family, listener, **options):
    """What was counted for one connection, through which data went."""
    before = shield.counters()
    with sockets.connected(shield.net, family, listener, **options) as (client, server):
        sockets.exchange(client, server, 10000)
    return shield.counters() - before


def assert_by_cookie(counted):
    assert (counted["SYN_COOKIE"], counted["HANDOVER"], counted["OWN_SYN_ACK"]) == (1, 1, 0), counted


def named_in_ports(shield, port):
    """Whether the map "ports" says that a service may name the port."""
    key = port.to_bytes(4, "little")
    words = ["-j", "map", "lookup", "pinned", shield.pins / "ports", "key", *key]
    return int(json.loads(shield.bpftool(*words).stdout)["value"][0], 16) != 0


def assert_untouched(counted):
    assert counted["NO_SERVICE"] >= 3 and not counted["SYN_COOKIE"] and not counted["HANDOVER"], counted


@pytest.mark.parametrize("service", ["specific", "wildcard"])
@pytest.mark.parametrize("listens_on", ["specific", "wildcard"])
def test_specific_and_wildcard(shield, net, family, service, listens_on):
    shield.load(family.spec(net.server, PORT) if service == "specific" else f"*:{PORT}")
    address = family.any if listens_on == "wildcard" else None
    with sockets.listen(net.server, family, address=address, port=PORT) as listener:
        assert_by_cookie(counted_connection(shield, family, listener))


def test_dual_stack_listener(shield, net, family):
    shield.load(f"*:{PORT}")
    both = [(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)]
    with sockets.listen(net.server, families.IPV6, address="::", port=PORT, options=both) as listener:
        assert_by_cookie(counted_connection(shield, family, listener))


def test_service_of_one_family_only(shield, net):
    shield.load(families.IPV4.endpoint("0.0.0.0", PORT))
    both = [(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)]
    with sockets.listen(net.server, families.IPV6, address="::", port=PORT, options=both) as listener:
        assert_by_cookie(counted_connection(shield, families.IPV4, listener))
        assert_untouched(counted_connection(shield, families.IPV6, listener))


def test_reuseport_group_shares_the_connections(shield, net, family):
    shield.load(f"*:{PORT}")
    reuse = [(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)]
    with contextlib.ExitStack() as stack:
        group = [stack.enter_context(sockets.listen(net.server, family, port=PORT, options=reuse)) for _ in range(4)]
        clients = [stack.enter_context(sockets.connect(net.client, family, (family.address(net.server), PORT)))
                   for _ in range(64)]
        for client in clients:
            client.sendall(b"%5d" % sockets.port_of(client))
        accepted = [0] * len(group)
        for number, listener in enumerate(group):
            listener.settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                while True:
                    server, address = listener.accept()
                    stack.enter_context(server).settimeout(sockets.SECONDS)
                    assert sockets.read_exactly(server, 5) == b"%5d" % address[1]
                    accepted[number] += 1
        assert sum(accepted) == 64
        assert all(accepted), f"64 connections over 4 listeners: {accepted}"
        assert shield.counters()["HANDOVER"] == 64


def test_several_services(shield, net, family):
    shield.load(family.spec(net.server, PORT), f"*:{PORT + 1}", f"{family.spec(net.server, PORT + 2)},policy=off")
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(sockets.listen(net.server, family, port=PORT + i)) for i in range(4)]
        counted = [counted_connection(shield, family, listener) for listener in listeners]
    assert_by_cookie(counted[0])
    assert_by_cookie(counted[1])
    assert (counted[2]["SYN_OFF"], counted[2]["OWN_SYN_ACK"], counted[2]["HALF_OPEN_ACK"]) == (1, 1, 1), counted[2]
    assert not counted[2]["SYN_COOKIE"]
    assert_untouched(counted[3])


def test_service_of_any_port(shield, net, family):
    shield.load(family.endpoint(family.address(net.server), "*"))
    for port in (PORT, 0, 0):
        with sockets.listen(net.server, family, port=port) as listener:
            assert_by_cookie(counted_connection(shield, family, listener))


def test_the_most_specific_service_counts(shield, net, family):
    shield.load(f"*:{PORT},policy=off", "*:*,policy=off", f"{family.spec(net.server, PORT)},policy=always")
    with sockets.listen(net.server, family, port=PORT) as named, sockets.listen(net.server, family) as other:
        assert_by_cookie(counted_connection(shield, family, named))
        assert counted_connection(shield, family, other)["SYN_OFF"] == 1


def test_another_address_is_no_service(shield, net, family):
    other = sockets.add_address(net.server, family, net.client)
    shield.load(family.spec(net.server, PORT))
    with sockets.listen(net.server, family, address=other, port=PORT) as listener:
        with sockets.connect(net.client, family, (other, PORT)) as client, listener.accept()[0] as server:
            sockets.exchange(client, server, 1000)
    counted = shield.counters()
    assert not counted["SYN_COOKIE"] and not counted["HANDOVER"], counted


def test_services_come_and_go(shield, net, family):
    shield.load(f"*:{PORT}")
    with sockets.listen(net.server, family, port=PORT) as old, sockets.listen(net.server, family) as new:
        spec = family.spec(net.server, sockets.port_of(new))
        assert_untouched(counted_connection(shield, family, new))
        shield.add_service(spec)
        assert_by_cookie(counted_connection(shield, family, new))
        assert_by_cookie(counted_connection(shield, family, old))
        shield.add_service(f"{spec},policy=off")  # takes over the policy
        assert counted_connection(shield, family, new)["SYN_OFF"] == 1
        shield.delete_service(spec)
        assert not counted_connection(shield, family, new)["SYN_COOKIE"]
        shield.advance_clock(COOKIE_SECONDS + 1)  # till then its last cookie may come back
        assert_untouched(counted_connection(shield, family, new))
        assert_by_cookie(counted_connection(shield, family, old))


def test_deleting_a_service_leaves_its_connections(shield, net, family):
    shield.load(f"*:{PORT}")
    with sockets.listen(net.server, family, port=PORT) as listener:
        with sockets.connected(net, family, listener) as (client, server):
            sockets.exchange(client, server, 1000)
            shield.delete_service(f"*:{PORT}")
            sockets.exchange(client, server)


def test_deleting_a_service_leaves_handshakes_under_way(shield, net, family):
    # Whatever the policy is by then: its cookies are out.
    shield.load(f"*:{PORT}")
    with sockets.listen(net.server, family, port=PORT) as listener, wire.Peer(net, family, PORT) as peer:
        peer.ask()
        shield.add_service(f"*:{PORT},policy=off")
        shield.delete_service(f"*:{PORT}")
        assert not shield.read_json("service", "list", shield.device)
        peer.send("PA", b"hello")
        with listener.accept()[0] as server:
            assert sockets.read_exactly(server, 5) == b"hello"
        assert shield.counters()["HANDOVER"] == 1


def test_deleted_service_leaves_the_maps_when_its_cookies_are_stale(shield):
    shield.load(f"*:{PORT}", f"*:{PORT + 1},policy=off")
    shield.delete_service(f"*:{PORT}", f"*:{PORT + 1}")
    assert {key["port"] for key, _ in shield.dump("services")} == {PORT}  # the other never sent any
    shield.advance_clock(COOKIE_SECONDS + 1)
    shield.add_service("*:80")
    assert {key["port"] for key, _ in shield.dump("services")} == {80}
    assert named_in_ports(shield, 80) and not named_in_ports(shield, PORT)


def test_service_that_is_added_again_stays(shield, net, family):
    shield.load(f"*:{PORT}")
    shield.delete_service(f"*:{PORT}")
    shield.add_service(f"*:{PORT}")
    shield.advance_clock(COOKIE_SECONDS + 1)
    shield.add_service("*:80")
    with sockets.listen(net.server, family, port=PORT) as listener:
        assert_by_cookie(counted_connection(shield, family, listener))


def test_deleting_what_is_no_service_fails(shield):
    shield.load(f"*:{PORT}")
    done = shield.run("service", "del", shield.device, f"*:{PORT + 1}", check=False)
    assert done.returncode == 1
    assert "is not a service" in done.stderr


def test_list_names_each_service(shield):
    shield.load(f"*:{PORT}", "[2001:db8:99::2]:443,policy=off", "10.99.0.2:*,md5=pass")
    services = shield.read_json("service", "list", shield.device)
    listed = {service["service"]: (service["policy"], service["md5"]) for service in services}
    assert listed == {f"*:{PORT}": ("always", "drop"), "[2001:db8:99::2]:443": ("off", "drop"),
                      "10.99.0.2:*": ("always", "pass")}
    table = shield.run("service", "list").stdout
    assert all(spec in table for spec in listed)


def test_connection_from_the_server_is_untouched(shield, net, family):
    # The server is a client too: the answers to its own SYNs come from a port that a service may name.
    shield.load(f"*:{PORT}")
    with sockets.listen(net.client, family, port=PORT) as listener:
        with sockets.connect(net.server, family, (family.address(net.client), PORT)) as client:
            with listener.accept()[0] as server:
                sockets.exchange(client, server)


def test_connection_from_the_server_under_any_port_service(shield, net, family):
    shield.load("*:*")
    with sockets.listen(net.client, family) as listener:
        to = (family.address(net.client), sockets.port_of(listener))
        with sockets.connect(net.server, family, to) as client, listener.accept()[0] as server:
            sockets.exchange(client, server)
            flow = lab.wait_until(lambda: shield.flow(family, sockets.port_of(listener)), "the connection's record")
            assert flow["state"] == "ESTABLISHED" and not flow["cookie"]
