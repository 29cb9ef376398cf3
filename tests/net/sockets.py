# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Sockets of this process in the laboratory's namespaces, and what ss says about them.

A socket belongs to the namespace it was opened in, whoever uses it. So a test holds both ends of a connection.
"""

import concurrent.futures
import contextlib
import ctypes
import errno
import hashlib
import os
import re
import socket
import struct

import lab

CLONE_NEWNET = 0x40000000
SECONDS = 5  # what takes longer has failed

_libc = ctypes.CDLL(None, use_errno=True)


def _enter(namespace):
    if _libc.setns(namespace.fileno(), CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def inside(host):
    """What this thread opens meanwhile belongs to the host's namespace."""
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{host.namespace}") as there:
        _enter(there)
        try:
            yield
        finally:
            _enter(home)


def listen(host, family, address=None, port=0, options=(), protocol=0, backlog=128):
    """A listener on the host's address, or another one; options are (level, name, value)."""
    with inside(host):
        listener = socket.socket(family.af, socket.SOCK_STREAM, protocol)
    try:
        listener.settimeout(SECONDS)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family.af == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in options:
            listener.setsockopt(*option)
        listener.bind((address or family.address(host), port))
        listener.listen(backlog)
    except BaseException:
        listener.close()
        raise
    return listener


def connect(host, family, to, source_port=0, options=(), timeout=SECONDS, protocol=0):
    """A connection from the host to an (address, port); options are set before."""
    with inside(host):
        client = socket.socket(family.af, socket.SOCK_STREAM, protocol)
    try:
        client.settimeout(timeout)
        for option in options:
            client.setsockopt(*option)
        if source_port:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.bind((family.any, source_port))
        client.connect(to[:2])
    except BaseException:
        client.close()
        raise
    return client


def begin_to_connect(host, family, to, source_port=0):
    """A socket of the host's that has sent its SYN, and waits for nothing."""
    with inside(host):
        client = socket.socket(family.af, socket.SOCK_STREAM)
    client.settimeout(0)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind((family.any, source_port))
    error = client.connect_ex(to)
    assert error == errno.EINPROGRESS, os.strerror(error)
    client.settimeout(SECONDS)
    return client


@contextlib.contextmanager
def connected(net, family, listener, **options):
    """A client's socket and the listener's, of one connection."""
    with connect(net.client, family, (family.address(net.server), port_of(listener)), **options) as client:
        server = listener.accept()[0]
        server.settimeout(SECONDS)
        with server:
            yield client, server


def add_address(host, family, peer):
    """Gives the host one more address on its device, which the peer knows, and returns it."""
    address = {"ipv4": "10.99.0.22", "ipv6": "2001:db8:99::22"}[family.name]
    only = ("dev", host.device, "nodad") if family.af == socket.AF_INET6 else ("dev", host.device)
    host.run("ip", "addr", "add", f"{address}/{32 if family.af == socket.AF_INET else 128}", *only)
    peer.run("ip", "neigh", "replace", address, "lladdr", host.mac, "dev", peer.device)
    return address


def port_of(sock):
    return sock.getsockname()[1]


def reset(sock):
    """Closes with a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


# --- data ----------------------------------------------------------------------------------------------------------


def read_exactly(sock, size):
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise EOFError(f"the connection ended after {len(data)} of {size} bytes")
        data += piece
    return bytes(data)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def exchange(left, right, size=2 << 20):
    """Sends so many random bytes both ways at once; what arrives must be what was sent."""
    rightward, leftward = os.urandom(size), os.urandom(size)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        at_right, at_left = pool.submit(read_exactly, right, size), pool.submit(read_exactly, left, size)
        sent = pool.submit(left.sendall, rightward), pool.submit(right.sendall, leftward)
    for done in sent:
        done.result()
    assert digest(at_right.result()) == digest(rightward)
    assert digest(at_left.result()) == digest(leftward)


# --- ss ------------------------------------------------------------------------------------------------------------


def _ss(family, host, port, peer_port):
    """The words of ss about a socket. The same ports may be in use by the other family."""
    only = "-4" if family.af == socket.AF_INET else "-6"
    return host.run("ss", only, "-HtaniOo", f"sport = :{port} and dport = :{peer_port}").stdout.split()


def kernel_state(family, host, port, peer_port):
    """The state of the host's socket in the words of ss, or None if there is none."""
    words = _ss(family, host, port, peer_port)
    return words[0] if words else None


def negotiated(family, host, port, peer_port):
    """What the host's socket has of the handshake's options."""
    words = _ss(family, host, port, peer_port)
    assert words and words[0] == "ESTAB", f"no such connection: {words}"
    numbers = dict(re.findall(r"\b(wscale|mss|advmss):([\d,]+)", " ".join(words)))
    return {"timestamps": "ts" in words, "sack": "sack" in words, "ecn": "ecn" in words,
            "wscale": numbers.get("wscale"), "mss": int(numbers["mss"]), "advmss": int(numbers["advmss"])}


def wait_for_state(family, host, port, peer_port, state):
    lab.wait_until(lambda: kernel_state(family, host, port, peer_port) == state, f"{state} of port {peer_port}")
