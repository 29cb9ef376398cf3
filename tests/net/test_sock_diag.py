# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The socket of a peer that was found dead: it is closed if it has not heard from the peer, and no other is."""

import contextlib
import errno
import socket
import time

import pytest

import family as families
import lab
import sockets

LONG_MS = 3600000  # for as long no socket here has been silent
MAPPED = [(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)]


@pytest.fixture(scope="module")
def net():
    with lab.Lab() as made:
        yield made


def ifindex(host):
    return host.read_json("ip", "-j", "link", "show", host.device)[0]["ifindex"]


def ask(net, family, port, peer_port, silent_ms, *before):
    """What became of the server's socket."""
    return net.server.run(*before, lab.tool("silent"), family.address(net.server), port, family.address(net.client),
                          peer_port, ifindex(net.server), silent_ms).stdout.strip()


def ends(server):
    """The ports of a server's socket, both."""
    return server.getsockname()[1], server.getpeername()[1]


def assert_lives(client, server):
    client.sendall(b"ping")
    assert server.recv(4) == b"ping"


@contextlib.contextmanager
def silent_since(net, family, seconds, listener_options=(), address=None):
    """A connection that was used once, and then not for so long."""
    with sockets.listen(net.server, family if not listener_options else families.IPV6, address=address,
                        options=listener_options) as listener:
        with sockets.connected(net, family, listener) as (client, server):
            assert_lives(client, server)
            time.sleep(seconds)
            yield client, server


def assert_destroyed(net, family, client, server):
    port, peer_port = ends(server)
    assert ask(net, family, port, peer_port, 500) == "destroyed"
    with pytest.raises(OSError) as caught:
        server.recv(1)
    assert caught.value.errno == errno.ECONNABORTED
    assert sockets.kernel_state(family, net.server, port, peer_port) is None
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert ask(net, family, port, peer_port, 500) == "none"


def test_silent_socket_is_destroyed(net, family):
    with silent_since(net, family, 0.7) as (client, server):
        assert_destroyed(net, family, client, server)


def test_socket_of_a_listener_for_both_families_is_destroyed(net):
    with silent_since(net, families.IPV4, 0.7, MAPPED, "::") as (client, server):
        assert server.family == socket.AF_INET6
        assert_destroyed(net, families.IPV4, client, server)


def test_socket_that_is_bound_to_the_device_is_destroyed(net, family):
    bound = [(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, net.server.device.encode())]
    with sockets.listen(net.server, family, options=bound) as listener:
        with sockets.connected(net, family, listener) as (client, server):
            time.sleep(0.7)
            assert_destroyed(net, family, client, server)


def test_socket_that_has_heard_from_its_peer_is_left(net, family):
    with silent_since(net, family, 0) as (client, server):
        assert ask(net, family, *ends(server), LONG_MS) == "heard"
        assert_lives(client, server)


def test_socket_that_has_heard_nothing_but_an_acknowledgement_is_left(net, family):
    with silent_since(net, family, 1.2) as (client, server):
        server.sendall(b"pong")
        assert client.recv(4) == b"pong"
        assert ask(net, family, *ends(server), 1000) == "heard"
        assert_lives(client, server)


def test_listener_is_not_taken_for_its_connection(net, family):
    with sockets.listen(net.server, family) as listener:
        time.sleep(0.7)
        assert ask(net, family, sockets.port_of(listener), 40000, 0) == "none"
        with sockets.connected(net, family, listener) as (client, server):
            assert_lives(client, server)


def test_connection_in_time_wait_is_left(net, family):
    with silent_since(net, family, 0) as (client, server):
        port, peer_port = ends(server)
        server.close()
        client.close()
        sockets.wait_for_state(family, net.server, port, peer_port, "TIME-WAIT")
        assert ask(net, family, port, peer_port, 0) == "none"
        assert sockets.kernel_state(family, net.server, port, peer_port) == "TIME-WAIT"


def test_other_connections_of_the_listener_live(net, family):
    with sockets.listen(net.server, family) as listener:
        with contextlib.ExitStack() as stack:
            pairs = [stack.enter_context(sockets.connected(net, family, listener)) for _ in range(5)]
            time.sleep(0.7)
            assert_destroyed(net, family, *pairs.pop(2))
            for client, server in pairs:
                assert_lives(client, server)


def test_failure_says_why(net, family):
    with silent_since(net, family, 0.7) as (client, server):
        without = ("setpriv", "--bounding-set", "-net_admin")
        assert ask(net, family, *ends(server), 500, *without) == "failed: Operation not permitted"
        assert_lives(client, server)
