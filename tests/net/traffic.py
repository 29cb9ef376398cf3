# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Traffic that goes on while a test does something to the shield, and says afterwards whether it was disturbed."""

import contextlib
import hashlib
import json
import os
import threading

import lab
import sockets
import web

PAUSE_SECONDS = 0.002  # leaves the machine to what is tested
CHUNK = os.urandom(1 << 16)


class Background(threading.Thread):
    """Does step() again and again until it is told to end; an exception ends it too, and is kept."""

    def __init__(self):
        super().__init__()
        self.ends = threading.Event()
        self.error = None
        self.rounds = 0

    def run(self):
        try:
            while not self.ends.wait(PAUSE_SECONDS):
                self.step()
                self.rounds += 1
        except Exception as error:  # the test fails of it, in end()
            self.error = error

    def end(self):
        self.ends.set()
        self.join()
        if self.error:
            raise self.error

    @contextlib.contextmanager
    def going_on(self):
        self.start()
        try:
            yield self
        except BaseException:
            self.ends.set()
            self.join()
            raise
        self.end()


class Chat(Background):
    """Question and answer on a connection."""

    def __init__(self, client, server):
        super().__init__()
        self.client, self.server = client, server

    def step(self):
        self.client.sendall(b"question")
        assert sockets.read_exactly(self.server, 8) == b"question"
        self.server.sendall(b"answer")
        assert sockets.read_exactly(self.client, 6) == b"answer"


class Transfer(Background):
    """A bulk transfer from the server; the client's digest of it must be the server's in the end."""

    def __init__(self, client, server):
        super().__init__()
        self.client, self.server = client, server
        self.sent, self.received = hashlib.sha256(), hashlib.sha256()

    def step(self):
        sender = threading.Thread(target=self.server.sendall, args=(CHUNK,))
        sender.start()
        self.received.update(sockets.read_exactly(self.client, len(CHUNK)))
        sender.join()
        self.sent.update(CHUNK)

    def end(self):
        super().end()
        assert self.received.digest() == self.sent.digest()


@contextlib.contextmanager
def in_use(kind, net, family, listener, count=1):
    """So many connections of the listener's, each in use as the kind says."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(sockets.connected(net, family, listener)) for _ in range(count)]
        yield [stack.enter_context(kind(*ends).going_on()) for ends in connections]


@contextlib.contextmanager
def stream_of_connections(net, family, port, seconds):
    """Short connections to a web server on the port, for at least so long; none of them may fail."""
    with web.WebServer(net.server, port):
        process = net.client.start(lab.tool("fetch"), "--port", port, "--parallel", 2, "--seconds", seconds,
                                   "--timeout", 15, family.address(net.server))
        yield process
        outcome = json.loads(process.communicate(timeout=seconds + 20)[0])
    lost = {name: outcome[name] for name in ("refused", "reset", "cut_short", "timed_out") if outcome[name]}
    assert not lost and outcome["succeeded"] > 100, outcome
