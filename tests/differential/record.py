#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Records real conversations, a capture file each, for test_differential to replay.

    record.py DIRECTORY

Client and server are the kernel's own TCP, in two network namespaces that this makes and takes away. What is recorded is
what passes the server's device, both ways.
"""

import contextlib
import pathlib
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "lib"), str(TESTS / "net")]

import family as families
import lab
import sockets

ETH_P_ALL = 3
MAGIC, VERSION, LONGEST, ETHERNET = 0xA1B2C3D4, (2, 4), 65535, 1
KEEPALIVE_S = 1  # the shortest that the kernel has


class Recorder(threading.Thread):
    """Writes a host's frames to a file, until it is told to end."""

    def __init__(self, host, path):
        super().__init__()
        with sockets.inside(host):
            self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.tap.bind((host.device, 0))
        self.tap.settimeout(0.05)
        self.path = path
        self.ends = threading.Event()

    def run(self):
        with self.tap, open(self.path, "wb") as file:
            file.write(struct.pack("=IHHIIII", MAGIC, *VERSION, 0, 0, LONGEST, ETHERNET))
            while True:
                try:
                    frame = self.tap.recv(LONGEST)
                except TimeoutError:
                    if self.ends.is_set():
                        return
                    continue
                file.write(struct.pack("=IIII", int(time.time()), 0, len(frame), len(frame)) + frame)

    @contextlib.contextmanager
    def going_on(self):
        self.start()
        try:
            yield
        finally:
            self.ends.set()
            self.join()


def ask(client, server, size=3000):
    client.sendall(b"q" * size)
    sockets.read_exactly(server, size)
    server.sendall(b"a" * size)
    sockets.read_exactly(client, size)


# --- the conversations; each gets the connection's two ends --------------------------------------------------------

def server_closes_first(_net, client, server):
    ask(client, server)
    server.close()
    client.recv(1)
    client.close()


def client_closes_first(_net, client, server):
    ask(client, server)
    client.close()
    server.recv(1)
    server.close()


def half_closed_for_long(_net, client, server):
    client.shutdown(socket.SHUT_WR)
    for _ in range(20):
        server.sendall(b"x" * 2000)
        sockets.read_exactly(client, 2000)
    server.close()
    client.recv(1)
    client.close()


def both_close_at_once(_net, client, server):
    ask(client, server)
    barrier = threading.Barrier(2)

    def close(end):
        barrier.wait()
        end.shutdown(socket.SHUT_WR)

    closers = [threading.Thread(target=close, args=(end,)) for end in (client, server)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join()
    client.recv(1)
    server.recv(1)


def client_resets(_net, client, server):
    ask(client, server)
    sockets.reset(client)


def server_resets_with_data_unread(_net, client, server):
    client.sendall(b"unread")
    time.sleep(0.05)
    server.close()
    time.sleep(0.05)


def client_asks_for_life(_net, client, server):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_S)
    time.sleep(KEEPALIVE_S + 0.3)
    ask(client, server)


CONVERSATIONS = (server_closes_first, client_closes_first, half_closed_for_long, both_close_at_once, client_resets,
                 server_resets_with_data_unread, client_asks_for_life)


def converse(net, family, conversation):
    with sockets.listen(net.server, family) as listener, sockets.connected(net, family, listener) as (client, server):
        for end in (client, server):
            end.settimeout(20)
        conversation(net, client, server)


def reuse_a_port(net, family, _conversation):
    """The server is in TIME-WAIT when the client opens the same tuple again."""
    with sockets.listen(net.server, family) as listener:
        for _ in range(3):
            with sockets.connected(net, family, listener, source_port=40000) as (client, server):
                server_closes_first(net, client, server)


def record(net, directory):
    # Frames as they are on a wire: no segments longer than that, and checksums in them.
    for host in (net.client, net.server):
        host.run("ethtool", "-K", host.device, "tso", "off", "gso", "off", "tx", "off")
    for family in (families.IPV4, families.IPV6):
        for conversation in (*CONVERSATIONS, reuse_a_port):
            way = reuse_a_port if conversation is reuse_a_port else converse
            with Recorder(net.server, directory / f"{conversation.__name__}.{family.name}.pcap").going_on():
                way(net, family, conversation)
                time.sleep(0.05)  # what still flies


def main():
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    lab.end_on_signals()
    with lab.Lab() as net:
        record(net, directory)


if __name__ == "__main__":
    main()
