# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a source may have of a service, and a service of the flow table: real clients from several addresses, both
owners; and that all counts are back at nothing when everything has ended."""

import contextlib
import signal
import socket
import time

import pytest

import daemon as daemons
import lab
import sockets
import wire
from family import IPV4

PORT, OTHER_PORT = 80, 81
SILENCE_S = 0.4  # a SYN that is not answered: the next one comes a second after it
SWEEP_S = 15

# Two of one /24 or /48, each another /32 and /64, and one of another.
NEIGHBOURS = {"ipv4": ("203.0.113.101", "203.0.113.102"), "ipv6": ("2001:db8:100:1::1", "2001:db8:100:2::1")}
STRANGER = {"ipv4": "203.0.114.101", "ipv6": "2001:db8:101:1::1"}


@pytest.fixture(params=["kernel", "daemon"])
def owner(request):
    return request.param


@pytest.fixture(params=["always", "auto"])
def policy(request):
    return request.param


@pytest.fixture
def addresses(net, family):
    """More addresses of the client's: two neighbours and a stranger."""
    found = (*NEIGHBOURS[family.name], STRANGER[family.name])
    for address in found:
        words = ("dev", net.client.device, "nodad") if family is not IPV4 else ("dev", net.client.device)
        net.client.run("ip", "addr", "add", f"{address}/{32 if family is IPV4 else 128}", *words)
    return found


@contextlib.contextmanager
def serving(shield, net, family, owner, *keys, port=PORT):
    """A service that takes connections and answers what is said; its daemon, or None."""
    if owner == "daemon":
        with daemons.serving(shield, daemons.spec(family, net, port, "echo", *keys)) as daemon:
            yield daemon
        return
    shield.load(",".join((family.spec(net.server, port), *keys)))
    with sockets.listen(net.server, family, port=port):
        yield None


def connect(net, family, source, port=PORT):
    """A connection from one of the client's addresses; TimeoutError: nobody answers."""
    with sockets.inside(net.client):
        client = socket.socket(family.af, socket.SOCK_STREAM)
    client.settimeout(SILENCE_S)
    try:
        client.bind((source, 0))
        client.connect((family.address(net.server), port))
    except BaseException:
        client.close()
        raise
    client.settimeout(sockets.SECONDS)
    return client


def is_refused(net, family, source, port=PORT):
    """Whether nobody answers a SYN."""
    try:
        connect(net, family, source, port).close()
    except TimeoutError:
        return True
    return False


def open_counts(shield):
    """What each known source has open."""
    return sorted(account["open"] for _, account in shield.dump("source_accounts"))


def records(shield):
    """How many records count for services."""
    return sum(sentry["flows"] for _, sentry in shield.dump("sentries"))


def wait_for_nothing(shield, timeout=5):
    lab.wait_until(lambda: not any(open_counts(shield)) and not records(shield), "the counts to be nothing", timeout)


# --- new connections a second ----------------------------------------------------------------------------------------


def test_rate_is_a_sources_own(shield, net, family, owner, policy, addresses):
    near, _, far = addresses
    with serving(shield, net, family, owner, "new=3", f"policy={policy}"), contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connect(net, family, near))
        assert is_refused(net, family, near)
        stack.enter_context(connect(net, family, far))
        assert shield.counters()["SYN_SOURCE_RATE"] >= 1
        time.sleep(1)
        for _ in range(2):
            stack.enter_context(connect(net, family, near))


# --- open connections ------------------------------------------------------------------------------------------------


def test_open_connections_of_a_prefix_up_and_down(shield, net, family, owner, policy, addresses):
    first, second, far = addresses
    with serving(shield, net, family, owner, "open=2", "source=/24/48", f"policy={policy}"):
        clients = [connect(net, family, source) for source in (first, second)]
        assert is_refused(net, family, first)
        assert open_counts(shield) == [2]
        stranger = connect(net, family, far)
        assert open_counts(shield) == [1, 2]
        sockets.reset(clients.pop())
        lab.wait_until(lambda: open_counts(shield) == [1, 1], "the reset connection's end")
        clients.append(connect(net, family, second))
        assert is_refused(net, family, second)
        for client in (*clients, stranger):
            sockets.reset(client)
        wait_for_nothing(shield)
        assert shield.counters()["SYN_SOURCE_OPEN"] >= 2


def test_connections_that_close_count_down(shield, net, family, addresses):
    shield.load(family.spec(net.server, PORT) + ",open=4")
    with sockets.listen(net.server, family, port=PORT) as listener:
        for server_first in (True, False):
            for _ in range(4):
                client = connect(net, family, addresses[0])
                server = listener.accept()[0]
                for end in (server, client) if server_first else (client, server):
                    end.close()
        wait_for_nothing(shield)


def test_connections_of_the_daemon_that_close_count_down(shield, net, family, addresses):
    with serving(shield, net, family, "daemon", "open=4", "new=1000"):
        for _ in range(12):
            with connect(net, family, addresses[0]) as client:
                client.sendall(b"here")
                assert sockets.read_exactly(client, 4) == b"here"
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1) == b""
            lab.wait_until(lambda: not records(shield), "the record's end")
        wait_for_nothing(shield)


@pytest.mark.parametrize("expires", [True, False], ids=["expired", "next-daemon"])
def test_killed_daemons_connections_count_down(shield, net, family, addresses, expires):
    with contextlib.ExitStack() as stack:
        with serving(shield, net, family, "daemon", "open=3") as daemon:
            clients = [stack.enter_context(connect(net, family, addresses[0])) for _ in range(3)]
            for client in clients:
                client.sendall(b"x")
                assert client.recv(1) == b"x"
            lab.wait_until(lambda: daemon.status()["connections"] == 3, "the connections")
            daemon.end(signal.SIGKILL)
        assert open_counts(shield) == [3]
        if expires:
            shield.advance_clock(6 * 86400)
            wait_for_nothing(shield, SWEEP_S)
            return
        with daemons.serving(shield):
            for client in clients:
                client.sendall(b"anybody?")
                with pytest.raises(ConnectionResetError):
                    client.recv(1)
            wait_for_nothing(shield)


# --- who is not counted ----------------------------------------------------------------------------------------------


def test_forged_packets_use_up_nobodys_limit(shield, net, family, addresses):
    """SYNs and ACKs with the victim's address, and with many others."""
    victim = addresses[0]
    shield.load(family.spec(net.server, PORT) + ",new=1,open=1")
    shield.advance_clock(200)  # strangers are not welcome any more
    with sockets.listen(net.server, family, port=PORT), wire.packet_socket(net.client) as raw:
        for flags in ("S", "A"):
            for number in range(50):
                source = victim if number % 2 else family.peer
                raw.send(forged(net, family, source, 1024 + number, flags))
        lab.wait_until(lambda: shield.counters()["NO_FLOW"] >= 50, "the ACKs")
        assert open_counts(shield) == []
        with connect(net, family, victim):
            assert open_counts(shield) == [1]


def forged(net, family, source, port, flags):
    from scapy.layers.inet import TCP
    from scapy.layers.l2 import Ether
    return bytes(Ether(src=net.client.mac, dst=net.server.mac) /
                 family.header(src=source, dst=family.address(net.server)) /
                 TCP(sport=port, dport=PORT, seq=1, ack=1, flags=flags))


def test_monitor_counts_and_nobody_is_refused(shield, net, family, owner, addresses):
    with serving(shield, net, family, owner, "new=1", "open=1", "limits=monitor"), contextlib.ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(connect(net, family, addresses[0]))
        if owner == "daemon":
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        counted = shield.counters()
        assert counted["SOURCE_MONITORED"] == 2, counted
        assert not shield.drops() & {name for name in counted if "SOURCE" in name}, counted
        assert open_counts(shield) == [3]


def test_allowed_source_is_not_refused(shield, net, family, addresses):
    shield.load(family.spec(net.server, PORT) + ",open=1")
    shield.run("allow", "add", shield.device, addresses[0])
    with sockets.listen(net.server, family, port=PORT), contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connect(net, family, addresses[0]))
        stack.enter_context(connect(net, family, addresses[1]))
        assert is_refused(net, family, addresses[1])


# --- shares ----------------------------------------------------------------------------------------------------------


def test_share_of_one_service_leaves_the_others_room(shield, net, family, addresses):
    shield.load(family.spec(net.server, PORT) + ",share=25%", family.spec(net.server, OTHER_PORT), flows=64)
    with sockets.listen(net.server, family, port=PORT) as greedy, \
            sockets.listen(net.server, family, port=OTHER_PORT), contextlib.ExitStack() as stack:
        for number in range(20):
            client = stack.enter_context(connect(net, family, addresses[0]))
            server = stack.enter_context(greedy.accept()[0])
            client.sendall(b"x")
            assert server.recv(1) == b"x", number
        assert records(shield) == 16
        told = {service["service"]: service["records"]
                for service in shield.read_json("status", shield.device)[0]["services"]}
        share = told[family.spec(net.server, PORT)]
        assert (share["records"], share["max_records"]) == (16, 16) and share["found_full"] >= 4, share
        assert told[family.spec(net.server, OTHER_PORT)] is None
        assert " 16 16 100% " in " ".join(shield.run("status", shield.device).stdout.split())
        assert len(shield.flows(service=family.spec(net.server, PORT))) == 16
        for _ in range(40):
            stack.enter_context(connect(net, family, addresses[0], OTHER_PORT))
        assert len(shield.flows(service=family.spec(net.server, OTHER_PORT))) == 40
        counted = shield.counters()
        assert counted["FLOWS_SHARE"] >= 4 and not counted["FLOWS_FULL"], counted
    wait_for_nothing(shield)


def test_share_used_up_the_daemon_takes_no_more(shield, net, family, addresses):
    with serving(shield, net, family, "daemon", "share=2") as daemon, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(net, family, addresses[0])) for _ in range(3)]
        lab.wait_until(lambda: shield.counters()["DAEMON_NO_ROOM"], "the third")
        lab.wait_until(lambda: daemon.status()["connections"] == 2, "the two to be told")
        sockets.reset(clients[0])
        clients[2].sendall(b"x")  # it believes that it is connected, and repeats what it says
        assert clients[2].recv(1) == b"x"


# --- services that change --------------------------------------------------------------------------------------------


def test_services_are_listed_as_they_were_given(shield, net):
    spec = "*:80,policy=always,new=10,open=500,source=/24/48,limits=monitor,share=10%"
    shield.load(spec, "10.0.0.9:81,share=77")
    listed = {service["service"]: service for service in shield.read_json("service", "list", shield.device)}
    assert listed["*:80"]["spec"] == spec
    assert listed["*:80"]["limits"] == {"new_per_second": 10, "open": 500, "prefix_ipv4": 24, "prefix_ipv6": 48,
                                        "monitor": True}
    assert (listed["*:80"]["share"], listed["10.0.0.9:81"]["share"]) == ("10%", "77")
    assert listed["10.0.0.9:81"]["limits"] is None
    assert "new=10,open=500 per /24/48, monitor" in shield.run("service", "list", shield.device).stdout


@pytest.mark.parametrize("change", ["prefix", "narrower-service"])
def test_changed_service_counts_from_nothing(shield, net, family, addresses, change):
    shield.load(f"*:{PORT},open=2")
    with sockets.listen(net.server, family, port=PORT):
        old = [connect(net, family, addresses[0]) for _ in range(2)]
        assert open_counts(shield) == [2]
        time.sleep(3)  # what is older than the clocks' slack
        if change == "prefix":
            shield.add_service(f"*:{PORT},open=2,source=/24/48")
        else:
            shield.add_service(family.spec(net.server, PORT) + ",open=2")
        assert (open_counts(shield), records(shield)) == ([], 0)
        young = [connect(net, family, addresses[0]) for _ in range(2)]
        assert is_refused(net, family, addresses[0])
        for client in old:
            sockets.reset(client)
        lab.wait_until(lambda: len(shield.flows(state="connected")) == 2, "the old ones' end")
        assert (open_counts(shield), records(shield)) == ([2], 2)
        for client in young:
            sockets.reset(client)
        wait_for_nothing(shield)
