# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How long policy auto takes to answer a flood: from the flood's first SYN to the first cookie, as the client's device
receives it. Until then SYNs are answered by the kernel, whose packets have another time to live here.
"""

import ctypes
import json
import socket
import struct
import time

import defences
import measure
import sockets

# By their labels, the flood tool's options.
FLOODS = {
    **{f"{rate:,}": ("--source", "paced", "--rate", rate) for rate in (10_000, 100_000, 300_000)},
    "as many as go": (),
}
_COOKIE_TTL = 64  # ANSWER_TTL in bpf/answer.bpf.h
_KERNEL_TTL = 63
_PATIENCE_S = 3
_ETH_P_ALL = 3
_SO_ATTACH_FILTER, _SO_TIMESTAMPNS = 26, 35
_TIMESPEC = struct.Struct("qq")
# Classic BPF: takes frames whose bytes at these places, in Ethernet, IPv4 and TCP, are these.
_LOAD_BYTE, _JUMP_IF_EQUAL, _RETURN = 0x30, 0x15, 0x06
_SYN_ACK, _FLAGS_AT, _TTL_AT = 0x12, 47, 22
_FILTER = (
    (_LOAD_BYTE, 0, 0, _TTL_AT),
    (_JUMP_IF_EQUAL, 0, 3, _COOKIE_TTL),
    (_LOAD_BYTE, 0, 0, _FLAGS_AT),
    (_JUMP_IF_EQUAL, 0, 1, _SYN_ACK),
    (_RETURN, 0, 0, 0xffff),
    (_RETURN, 0, 0, 0),
)


class _Cookies:
    """What comes to a host's device by XDP."""

    def __init__(self, host):
        code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _FILTER))
        with sockets.inside(host):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER,
                               struct.pack("HP", len(_FILTER), ctypes.addressof(code)))
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.socket.settimeout(_PATIENCE_S)
        self.socket.bind((host.device, _ETH_P_ALL))

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.socket.close()

    def wait(self):
        """When the first came, by the monotonic clock."""
        _data, ((_level, _kind, value),), _flags, _address = self.socket.recvmsg(64, 64)
        seconds, ns = _TIMESPEC.unpack(value)
        return seconds + ns * 1e-9 - time.time() + time.monotonic()


def switch_over(options):
    """Seconds from the first SYN to the first cookie, and how many SYNs the kernel was given."""
    with measure.on_stage(defences.SYNKEEP_AUTO, cpu=1) as net:
        net.client.attach("pass")
        net.server.thread_napi(1)
        net.server.sysctl(net__ipv4__ip_default_ttl=_KERNEL_TTL)
        with _Cookies(net.client) as cookies:
            flood = net.client.start(*net.client.flood_command(net.server, "--cpu", 0, "--seconds", 2 * _PATIENCE_S,
                                                               *options))
            at = cookies.wait()
        flood.terminate()
        sent = json.loads(flood.communicate()[0])
        return {"seconds": at - sent["began"], "per_second": sent["per_second"],
                "passed": measure.count_verdicts(net)["SYN_CALM"]}
