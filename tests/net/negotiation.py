# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The same connection made twice: through the shield, and to a port that no service names, as the kernel does it."""

import contextlib
import socket

import sockets

SHIELDED, PLAIN = 8000, 8001
PORTS = {"shielded": SHIELDED, "plain": PLAIN}

DEFAULTS = {"net__ipv4__tcp_timestamps": 1, "net__ipv4__tcp_sack": 1, "net__ipv4__tcp_window_scaling": 1,
            "net__ipv4__tcp_ecn": 2}


@contextlib.contextmanager
def usual_sysctls(net):
    """What is changed meanwhile is as before afterwards."""
    rmem = {host: host.run("sysctl", "-n", "net.ipv4.tcp_rmem").stdout.strip() for host in (net.client, net.server)}
    yield
    for host, value in rmem.items():
        host.sysctl(**DEFAULTS, net__ipv4__tcp_rmem=value)


def negotiate(net, family, options=(), listener_options=()):
    """The same connection through the shield and without: what the server's socket, and the client's, have of it."""
    result = {}
    for name, port in PORTS.items():
        with sockets.listen(net.server, family, port=port, options=listener_options) as listener:
            with sockets.connected(net, family, listener, options=options) as (client, server):
                sockets.exchange(client, server, 10000)
                result[name] = (sockets.negotiated(family, net.server, port, sockets.port_of(client)),
                                sockets.negotiated(family, net.client, sockets.port_of(client), port))
    return result["shielded"], result["plain"]


@contextlib.contextmanager
def advertised_mss(net, family, mss):
    """The client's SYNs to the server carry this MSS."""
    ip = ("ip", "-6") if family.af == socket.AF_INET6 else ("ip",)
    route = (family.address(net.server), "dev", net.client.device)
    net.client.run(*ip, "route", "add", *route, "advmss", mss)
    try:
        yield
    finally:
        net.client.run(*ip, "route", "del", *route)
