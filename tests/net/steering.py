# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""An eBPF program that chooses the socket of a SO_REUSEPORT group (tests/lib/steer.bpf.c)."""

import contextlib
import ctypes
import os
import shutil
import socket
import struct

import lab
from shield import BPFTOOL

SO_ATTACH_REUSEPORT_EBPF = 52
SYS_BPF = 321  # x86-64
BPF_MAP_UPDATE_ELEM, BPF_OBJ_GET = 2, 7

_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, attributes):
    result = _libc.syscall(SYS_BPF, command, attributes, len(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command})")
    return result


def _open_pin(path):
    name = ctypes.create_string_buffer(str(path).encode())
    return _bpf(BPF_OBJ_GET, struct.pack("=QIIII", ctypes.addressof(name), 0, 0, 0, 0))


def _put(map_fd, index, sock):
    key = ctypes.create_string_buffer(struct.pack("=I", index))
    value = ctypes.create_string_buffer(struct.pack("=Q", sock.fileno()))
    _bpf(BPF_MAP_UPDATE_ELEM,
         struct.pack("=IIQQQ", map_fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0))


@contextlib.contextmanager
def steered(net, chosen):
    """All connections of the group that this listener is in come to it."""
    pins = net.pin_root.with_name(f"{net.pin_root.name}-steer")
    pins.mkdir()
    try:
        lab.run(BPFTOOL, "prog", "loadall", lab.BUILD / "tests/lib/steer.bpf.o", pins, "pinmaps", pins)
        program, sockets = _open_pin(pins / "steer"), _open_pin(pins / "chosen")
        try:
            chosen.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, program)
            _put(sockets, 0, chosen)
            yield
        finally:
            os.close(program)
            os.close(sockets)
    finally:
        shutil.rmtree(pins)
