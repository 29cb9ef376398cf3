# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Frames: what a device sent and received, and a TCP endpoint that is driven by hand."""

import dataclasses
import itertools
import socket
import struct
import time

from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from sockets import inside

ETH_P_ALL = 3
PACKET_OUTGOING = 4
SO_RCVBUFFORCE = 33
SOL_PACKET, PACKET_AUXDATA = 263, 8
TPACKET_AUXDATA = struct.Struct("IIIHHHH")  # status, lengths and offsets, the tag's TCI and type
TP_STATUS_VLAN_VALID = 1 << 4
SO_TIMESTAMPNS = 35
TIMESPEC = struct.Struct("qq")

_source_ports = itertools.count(20000)


def packet_socket(host):
    """A raw socket on the host's device."""
    with inside(host):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        sock.bind((host.device, ETH_P_ALL))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    return sock


def turn_off_offloads(host):
    """From now on a packet of the socket buffer is a packet of the wire."""
    host.run("ethtool", "-K", host.device, "tso", "off", "gso", "off", "gro", "off", "tx", "off")


@dataclasses.dataclass
class Frame:
    seconds: float  # when the device had it, monotonic
    is_outgoing: bool
    data: bytes

    def tcp(self):
        """scapy's TCP header, or None."""
        return Ether(self.data).getlayer(TCP)

    def source(self):
        """The IP address that it comes from."""
        return Ether(self.data).payload.src


def _put_tag_back(data, ancillary):
    """The frame as it was on the wire: the kernel takes the outermost VLAN tag out before anybody sees it."""
    for level, kind, value in ancillary:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, *_, tci, type_ = TPACKET_AUXDATA.unpack(value)
            if status & TP_STATUS_VLAN_VALID:
                return data[:12] + struct.pack("!HH", type_, tci) + data[12:]
    return data


def _captured_at(ancillary):
    """When the kernel had a frame, by the monotonic clock."""
    seconds, ns = next(TIMESPEC.unpack(value) for level, kind, value in ancillary
                       if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS))
    return seconds + ns * 1e-9 - time.time() + time.monotonic()


class Capture:
    """What goes in and out of a host's device while it is open; a frame that XDP takes is not seen."""

    def __init__(self, host):
        self.socket = packet_socket(host)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setblocking(False)
        self.seen = []

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.socket.close()

    def frames(self):
        """All frames so far."""
        while True:
            try:
                data, ancillary, _flags, address = self.socket.recvmsg(1 << 18, 128)
            except BlockingIOError:
                return self.seen
            data = _put_tag_back(data, ancillary)
            self.seen.append(Frame(_captured_at(ancillary), address[2] == PACKET_OUTGOING, data))

    def segments(self, port):
        """The TCP headers with this port at either end, each with its frame: a list of (frame, tcp)."""
        pairs = ((frame, frame.tcp()) for frame in self.frames())
        return [(frame, tcp) for frame, tcp in pairs if tcp and port in (tcp.sport, tcp.dport)]


def option(tcp, name):
    """The value of a TCP option of a scapy header, or None."""
    return dict(tcp.options).get(name)


class Peer:
    """One end of a hand-made TCP connection with the server, at an address behind the client that no kernel has.

    It sends what it is told, and keeps count: snd_nxt moves with what is sent, rcv_nxt with what is taken. Without mss
    its SYN carries neither that option nor window scale nor SACK. With port None it waits to be met, at source_port.
    """

    def __init__(self, net, family, port, source_port=None, timestamps=True, mss=1400, isn=1000):
        self.family = family
        self.frame = Ether(src=net.client.mac, dst=net.server.mac)
        self.header = family.header(src=family.peer, dst=family.address(net.server))
        self.ports = {"sport": source_port or next(_source_ports), "dport": port}
        self.timestamps = timestamps
        self.mss = mss
        self.snd_nxt = isn
        self.rcv_nxt = 0
        self.ts_recent = 0
        self.clock_lag_ms = 0  # how far its TSval lies behind
        self.socket = packet_socket(net.client)

    @property
    def port(self):
        return self.ports["sport"]

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.socket.close()

    def _tsval(self):
        return (int(time.monotonic() * 1000) - self.clock_lag_ms) & 0xffffffff

    def _options(self, flags):
        options = []
        if "S" in flags and self.mss:
            options += [("MSS", self.mss), ("WScale", 7), ("SAckOK", b"")]
        if self.timestamps:
            options += [("NOP", None), ("NOP", None)] if "S" not in flags else []
            options += [("Timestamp", (self._tsval(), self.ts_recent))]
        return options

    def send(self, flags, payload=b"", seq=None, ack=None):
        """Sends a segment; without seq it is the next one, and counts."""
        tcp = TCP(**self.ports, flags=flags, seq=self.snd_nxt if seq is None else seq,
                  ack=(self.rcv_nxt if ack is None else ack) if "A" in flags else 0, window=1000,
                  options=self._options(flags))
        if seq is None:
            self.snd_nxt += len(payload) + ("S" in flags) + ("F" in flags)
        self.socket.send(bytes(self.frame / self.header / tcp / Raw(payload)))

    def _answers(self, timeout):
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data, address = self.socket.recvfrom(1 << 17)
            except TimeoutError:
                return
            if address[2] == PACKET_OUTGOING or self.port.to_bytes(2, "big") not in data:
                continue  # scapy takes long, and this may be a flood
            tcp = Ether(data).getlayer(TCP)
            if tcp and tcp.underlayer.dst == self.header.src and tcp.dport == self.port and \
                    self.ports["dport"] in (None, tcp.sport):
                yield tcp

    def receive(self, flags, timeout=3):
        """Waits for the server's next segment with exactly these flags, and does not count it."""
        others = []
        for tcp in self._answers(timeout):
            if timestamps := option(tcp, "Timestamp"):
                self.ts_recent = timestamps[0]
            if str(tcp.flags) == flags:
                return tcp
            others.append(str(tcp.flags))
        raise TimeoutError(f"no segment with flags {flags} came in {timeout} s; others: {others}")

    def receive_for(self, seconds):
        """All segments that come in so long; none is counted."""
        return list(self._answers(seconds))

    def stays_silent(self, timeout=0.3):
        """Whether the server sends nothing for so long."""
        return next(self._answers(timeout), None) is None

    def take(self, tcp):
        """Counts a segment that came: the next one sent acknowledges it."""
        payload = tcp[Raw].load if Raw in tcp else b""  # not Ethernet's padding
        self.rcv_nxt = tcp.seq + len(payload) + ("S" in tcp.flags) + ("F" in tcp.flags)
        return payload

    def meet(self, flags="S"):
        """Waits for a SYN, whose sender is the other end from now on; returns it, counted."""
        syn = self.receive(flags)
        self.ports["dport"] = syn.sport
        self.take(syn)
        return syn

    def ask(self):
        """SYN; returns the SYN-ACK, which is counted."""
        self.send("S")
        syn_ack = self.receive("SA")
        self.take(syn_ack)
        return syn_ack

    def open(self):
        """The whole handshake; returns the SYN-ACK."""
        syn_ack = self.ask()
        self.send("A")
        return syn_ack
