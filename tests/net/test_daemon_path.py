# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Services of the daemon's while there is none, and with a socket in place of one: what clients and the command line
see of it. What the daemon makes of what it gets is tested with it."""

import contextlib
import ctypes
import json
import os
import platform
import socket
import struct

import pytest

import lab
from family import IPV4
from sockets import connect

AF_XDP = 44
BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}[platform.machine()]
BPF_MAP_UPDATE, BPF_MAP_DELETE, BPF_OBJ_GET = 2, 3, 7
PORT = 7
ECHO = "owner=daemon,app=echo"


def _bpf(command, attribute):
    result = ctypes.CDLL(None, use_errno=True).syscall(BPF_SYSCALL, command, attribute, len(attribute))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _pointer(buffer):
    return ctypes.addressof(buffer)


@contextlib.contextmanager
def socket_in_queue(shield, queue):
    """An AF_XDP socket that is bound to nothing: XDP gives it frames, and nobody gets them."""
    path = ctypes.create_string_buffer(str(shield.pins / "xsks").encode())
    xsks = _bpf(BPF_OBJ_GET, struct.pack("QII", _pointer(path), 0, 0))
    try:
        with socket.socket(AF_XDP, socket.SOCK_RAW) as xsk:
            key, value = (ctypes.create_string_buffer(struct.pack("I", number)) for number in (queue, xsk.fileno()))
            _bpf(BPF_MAP_UPDATE, struct.pack("IIQQQ", xsks, 0, _pointer(key), _pointer(value), 0))
            yield
            _bpf(BPF_MAP_DELETE, struct.pack("IIQ", xsks, 0, _pointer(key)))
    finally:
        os.close(xsks)


def status(shield):
    return shield.read_json("status", shield.device)[0]


def test_without_a_daemon_syns_are_dropped_and_status_says_so(shield, family):
    shield.load(family.spec(shield.net.server, PORT) + f",{ECHO}")
    with pytest.raises(TimeoutError):
        connect(shield.net.client, family, (family.address(shield.net.server), PORT), timeout=0.5)
    assert shield.counters()["DAEMON_GONE"] >= 1
    told = status(shield)
    assert told["services"][0]["owner"] == "daemon" and told["services"][0]["listener"] == "none"
    assert any(f"`synkeep run {shield.device}" in problem for problem in told["problems"])


def test_without_a_daemon_syns_are_refused_where_wanted(shield, family):
    shield.load(family.spec(shield.net.server, PORT) + f",{ECHO},gone=refuse")
    with pytest.raises(ConnectionRefusedError):
        connect(shield.net.client, family, (family.address(shield.net.server), PORT))
    assert shield.counters()["DAEMON_GONE_REFUSED"] == 1


def test_with_a_socket_syns_are_answered_and_the_flow_is_the_daemons(shield, family):
    shield.load(family.spec(shield.net.server, PORT) + f",{ECHO}")
    with socket_in_queue(shield, 0):
        with connect(shield.net.client, family, (family.address(shield.net.server), PORT)) as client:
            port = client.getsockname()[1]
            lab.wait_until(lambda: shield.counters()["DAEMON_COOKIE_ACK"] == 1, "the cookie's way back")
            assert shield.record(family, port)[1]["owner"] == "FLOW_OWNER_DAEMON"
            flow, = shield.flows()
            assert (flow["state"], flow["owner"]) == ("ESTABLISHED", "daemon")
            client.send(b"x")
            lab.wait_until(lambda: shield.counters()["DAEMON_SEGMENT"] >= 1, "the byte")
            told = status(shield)
            assert told["services"][0]["listener"] == "daemon" and not told["problems"]
    assert status(shield)["problems"]


@pytest.mark.parametrize("queues", (1, 2))
def test_there_is_a_slot_for_each_receive_queue(shield, queues):
    shield.net.server.run("ethtool", "-L", shield.device, "rx", queues, check=False)  # one it has already
    shield.load(f"*:{PORT},{ECHO}")
    xsks = json.loads(shield.bpftool("-j", "map", "show", "pinned", shield.pins / "xsks").stdout)
    assert xsks["max_entries"] == queues
    with socket_in_queue(shield, queues - 1):
        assert any(f"1 of {queues} receive queues" in problem for problem in status(shield)["problems"]) == (queues > 1)


def test_services_are_added_listed_and_deleted(shield):
    shield.load("*:80")
    shield.add_service(f"*:{PORT},{ECHO},policy=off,gone=refuse")
    listed = {service["service"]: service for service in shield.read_json("service", "list")}
    assert (listed["*:7"]["owner"], listed["*:7"]["policy"], listed["*:7"]["gone"]) == ("daemon", "off", "refuse")
    assert listed["*:80"]["owner"] == "kernel"
    shield.delete_service(f"*:{PORT}")
    assert [service["service"] for service in shield.read_json("service", "list")] == ["*:80"]


def test_icmp_error_reaches_the_connection_that_it_is_about(shield, family):
    """Nobody else can tell `synkeep connect`, to whose port no service has ever been."""
    reject = "icmp" if family is IPV4 else "icmpv6"
    client = shield.net.client
    client.run("nft", f"add table inet t; add chain inet t i {{ type filter hook input priority 0; }}; "
                      f"add rule inet t i tcp dport 9999 reject with {reject} type port-unreachable")
    shield.load("*:80")
    done = shield.run("connect", "--timeout", "10s", family.spec(client, 9999), check=False, input="")
    assert done.returncode == 3, done.stderr
    assert shield.counters()["DAEMON_ICMP"] == 1
