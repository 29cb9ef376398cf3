# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""synkeep explain: what it says of packets is what the device then does with them, and saying it changes nothing."""

import collections
import contextlib
import itertools
import json
import os
import struct

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

import daemon as daemons
import lab
import sockets
from family import IPV4
from shield import FLOWS
from wire import Capture, Peer, packet_socket

PORT = 8000
NOT_OF_ARRIVALS = {"egress", "handover", "record"}
MICROSECONDS, NANOSECONDS = 0xa1b2c3d4, 0xa1b23c4d
NOT_DUMPED = {"xsks", "watchers"}  # their values are kernel objects


# --- asking, and seeing what happens --------------------------------------------------------------------------------


def pcap(frames, order="<", magic=MICROSECONDS, link=1, cut=1 << 16):
    """A capture of the frames, each cut at so many bytes."""
    packets = (struct.pack(order + "IIII", 1700000000, n, min(len(frame), cut), len(frame)) + frame[:cut]
               for n, frame in enumerate(frames))
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link) + b"".join(packets)


def explain_bytes(shield, path, content, *arguments, check=True):
    path.write_bytes(content)
    return shield.run("explain", shield.device, path, *arguments, check=check)


def explain(shield, path, *frames, **shape):
    """What it says of frames that come in this order."""
    return json.loads(explain_bytes(shield, path, pcap(frames, **shape), "--json").stdout)


def describe(shield, peer, flags, *options):
    """What it says of a packet that is described."""
    ends = ("--from", peer.family.endpoint(peer.family.peer, peer.port),
            "--to", peer.family.spec(shield.net.server, peer.ports["dport"]))
    return shield.read_json("explain", shield.device, *ends, "--flags", flags, *options)[0]


def arrivals(shield):
    """What has become of all that came in."""
    return collections.Counter({verdict["name"]: verdict["packets"] for verdict in shield.verdicts()
                                if verdict["group"] not in NOT_OF_ARRIVALS and verdict["action"] != "note"})


def happens(shield, frame, expected):
    """Sends the frame, and returns its verdict; others' packets are OTHER."""
    before = arrivals(shield)
    with packet_socket(shield.net.client) as sock:
        sock.send(frame)

    def verdicts():
        seen = (arrivals(shield) - before).keys()
        return seen if expected == "OTHER" else seen - {"OTHER"}

    seen = lab.wait_until(verdicts, f"a verdict, {expected} was explained")
    assert len(seen) == 1, seen
    return next(iter(seen))


def agree(shield, path, *frames):
    """Asserts that each frame meets what was said of it before, and returns that."""
    explained = explain(shield, path, *frames)
    assert len(explained) == len(frames)
    for frame, said in zip(frames, explained):
        assert happens(shield, frame, said["verdict"]) == said["verdict"]
    return explained


def verdicts(explained):
    return [said["verdict"] for said in explained]


def frame_of(peer, flags, payload=b"", options=(), **fields):
    """A segment of a hand-made peer's, which does not send it."""
    fields = {"seq": peer.snd_nxt, "ack": peer.rcv_nxt if "A" in flags else 0, "window": 1000, **fields}
    return bytes(peer.frame / peer.header / TCP(**{**peer.ports, "flags": flags, "options": list(options), **fields}) /
                 Raw(payload))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "capture.pcap"


@contextlib.contextmanager
def listening(shield, family, *services, **choices):
    """The shield loaded for a listener, and a peer."""
    with sockets.listen(shield.net.server, family, port=PORT) as listener:
        shield.load(*(services or (f"*:{PORT},policy=always",)), **choices)
        with Peer(shield.net, family, PORT, timestamps=False) as peer:
            yield peer, listener


# --- packets that need no story -------------------------------------------------------------------------------------


def with_offset(frame, family, words):
    """Another data offset in the TCP header."""
    at = 14 + family.header_bytes + 12
    return frame[:at] + bytes([words << 4]) + frame[at + 1:]


def fragment_of(peer, family):
    tcp = bytes(TCP(**peer.ports, flags="A", seq=1, ack=1))
    if family.name == "ipv4":
        return bytes(peer.frame / IP(src=family.peer, dst=peer.header.dst, flags="MF", proto=6) / Raw(tcp + bytes(4)))
    return bytes(peer.frame / IPv6(src=family.peer, dst=peer.header.dst) / IPv6ExtHdrFragment(m=1, nh=6) /
                 Raw(tcp + bytes(4)))


STORYLESS = {
    "SYN_COOKIE": lambda peer, family: frame_of(peer, "S", options=[("MSS", 1400), ("SAckOK", b"")]),
    "BAD_FLAGS": lambda peer, family: frame_of(peer, "SF"),
    "MALFORMED": lambda peer, family: with_offset(frame_of(peer, "A"), family, 4),
    "BAD_OPTIONS": lambda peer, family: frame_of(peer, "S", options=[(2, b"")]),
    "SYN_SIGNED_REFUSED": lambda peer, family: frame_of(peer, "S", options=[(19, bytes(16))]),
    "FRAGMENT": fragment_of,
    "STRANGER": lambda peer, family: frame_of(peer, "A", ack=7),
    "OTHER": lambda peer, family: bytes(peer.frame / peer.header / UDP(sport=1, dport=PORT)),
    "IMPOSSIBLE_ADDRESS": lambda peer, family: bytes(
        peer.frame / family.header(src="127.0.0.1" if family.name == "ipv4" else "::1", dst=peer.header.dst) /
        TCP(sport=1024, dport=PORT, flags="S")),
}


def test_packets_without_a_story(shield, family, path):
    with listening(shield, family) as (peer, _listener):
        frames = [make(peer, family) for make in STORYLESS.values()]
        assert verdicts(agree(shield, path, *frames)) == list(STORYLESS)


@pytest.mark.parametrize("expected, service", [
    ("SYN_OFF", f"*:{PORT},policy=off"),
    ("NO_SERVICE", "*:1234,policy=always"),
])
def test_syn_that_passes(shield, family, path, expected, service):
    with listening(shield, family, service) as (peer, _listener):
        said, = agree(shield, path, frame_of(peer, "S"))
        assert (said["verdict"], said["action"]) == (expected, "XDP_PASS")
        assert (said["service"] is None) == (expected == "NO_SERVICE")


def test_service_that_fits_best_decides(shield, family, path):
    best = family.spec(shield.net.server, PORT)
    with listening(shield, family, f"*:{PORT},policy=always", f"{best},policy=off", "*:*,policy=monitor") as (peer, _):
        said, = agree(shield, path, frame_of(peer, "S"))
        assert (said["verdict"], said["service"]["spec"]) == ("SYN_OFF", f"{best},policy=off")


def test_syn_that_nothing_listens_for(shield, family, path):
    shield.load(f"*:{PORT},policy=always")
    with Peer(shield.net, family, PORT) as peer:
        said, = agree(shield, path, frame_of(peer, "S"))
        assert said["verdict"] == "SYN_NO_LISTENER"
        assert said["service"]["listener"] == "nothing listens there"
        assert said["budgets"] == [{"for": "SYNs where nothing listens", "left": 999}]


def test_syns_of_a_flood(shield, family, path):
    """What the twin has heard of a flood, the device has not."""
    with listening(shield, family, f"*:{PORT},policy=auto,half-open=8") as (peer, _listener):
        syns = [frame_of(peer, "S", seq=n) for n in range(20)]
        said = explain(shield, path, *syns)
        assert verdicts(said) == ["SYN_CALM"] * 8 + ["SYN_COOKIE"] * 12
        assert (said[0]["service"]["sentry"]["state"], said[0]["service"]["sentry"]["under_way"]) == ("calm", 1)
        assert said[19]["service"]["sentry"]["state"] == "flood"
        with sockets.connected(shield.net, family, _listener):
            pass
        assert shield.counters()["SYN_COOKIE"] == 0


def test_syn_beyond_the_answers_to_its_prefix(shield, family, path):
    with sockets.listen(shield.net.server, family, port=PORT), Peer(shield.net, family, PORT) as peer:
        shield.run("load", *shield.load_arguments(f"*:{PORT},policy=always"), "--answers-per-prefix", 1)
        said = explain(shield, path, *[frame_of(peer, "S", seq=n) for n in range(4)])
        assert verdicts(said) == ["SYN_COOKIE"] + ["SYN_PREFIX_OVER_BUDGET"] * 3
        assert [one["answers"]["left"] for one in said] == [0] * 4


def test_source_that_is_on_the_list(shield, family, path):
    prefix = {"ipv4": "203.0.113.0/24", "ipv6": "2001:db8:7::/48"}[family.name]
    with listening(shield, family) as (peer, _listener):
        shield.run("deny", "add", shield.device, prefix)
        said, = agree(shield, path, frame_of(peer, "S"))
        assert (said["verdict"], said["listed"]) == ("DENIED", {"prefix": prefix, "action": "denied"})
        shield.run("allow", "add", shield.device, family.peer)
        said, = agree(shield, path, frame_of(peer, "S"))
        assert (said["verdict"], said["listed"]) == ("SYN_COOKIE", {"prefix": family.peer, "action": "allowed"})
        shield.run("allow", "add", shield.device, family.peer, "--timeout", "10s")
        shield.advance_clock(20)
        said, = agree(shield, path, frame_of(peer, "S"))
        assert (said["verdict"], said["listed"]) == ("DENIED", {"prefix": prefix, "action": "denied"})


def test_source_that_has_reached_its_limits(shield, family, path):
    with listening(shield, family, f"*:{PORT},policy=always,open=1,new=5") as (peer, listener):
        assert explain(shield, path, frame_of(peer, "S"))[0]["account"] is None
        peer.open()
        with listener.accept()[0], Peer(shield.net, family, PORT) as other:
            said, = agree(shield, path, frame_of(other, "S"))
            assert said["verdict"] == "SYN_SOURCE_OPEN"
            assert (said["account"]["open"], said["account"]["open_limit"]) == (1, 1)
            assert (said["account"]["new_left"] in (4, 5), said["account"]["new_limit"]) == (True, 5)


def test_syn_that_is_only_monitored(shield, family, path):
    with listening(shield, family, f"*:{PORT},policy=monitor") as (peer, _listener):
        said, = agree(shield, path, frame_of(peer, "S"))
        assert (said["verdict"], said["always"]) == ("MONITORED", "SYN_COOKIE")


def test_stranger_when_strangers_are_not_welcome_any_more(shield, family, path):
    with listening(shield, family) as (peer, _listener):
        shield.advance_clock(200)
        assert verdicts(agree(shield, path, frame_of(peer, "A", ack=7))) == ["NO_FLOW"]


def test_syn_behind_tags(shield, family, path):
    with listening(shield, family) as (peer, _listener):
        for tags in (Dot1Q(vlan=7), Dot1Q(vlan=7) / Dot1Q(vlan=8)):
            said, = agree(shield, path, bytes(peer.frame / tags / peer.header / TCP(**peer.ports, flags="S", seq=5)))
            assert (said["verdict"], said["answer"]["ack"]) == ("SYN_COOKIE", 6)


# --- connections ----------------------------------------------------------------------------------------------------


def test_handshake_in_a_capture_plays_as_it_would(shield, family, path):
    with listening(shield, family) as (peer, listener):
        syn = frame_of(peer, "S")
        syn_ack = peer.ask()
        peer.snd_nxt = syn_ack.ack
        data = frame_of(peer, "PA", b"request")
        said = agree(shield, path, syn, frame_of(peer, "A"), data)
        assert verdicts(said) == ["SYN_COOKIE", "COOKIE_ACK", "SEGMENT"]
        assert said[0]["cookie"]["is"] == "made" and said[0]["behind"] == []
        assert said[1]["cookie"]["is"] == "shown"
        assert said[1]["cookie"]["epoch"] - said[1]["cookie"]["epoch_now"] in (0, -1)
        assert said[1]["before"] == [] and said[1]["behind"][0]["state"] == "ESTABLISHED"
        assert said[2]["behind"][0]["rcv_nxt"] == said[2]["before"][0]["rcv_nxt"] + len(b"request")
        with listener.accept()[0] as server:
            server.settimeout(sockets.SECONDS)
            assert sockets.read_exactly(server, 7) == b"request"


@pytest.mark.parametrize("policy, begins", [
    ("always", ["SYN_COOKIE", None, "COOKIE_ACK"]),
    ("off", ["SYN_OFF", "OWN_SYN_ACK", "HALF_OPEN_ACK"]),
])
def test_whole_conversation_plays_as_it_went(shield, family, path, tmp_path, policy, begins):
    """With what the server sent, as a capture at the client has it."""
    key = tmp_path / "key"
    key.write_text("00112233445566778899aabbccddeeff\n")
    key.chmod(0o600)
    with sockets.listen(shield.net.server, family, port=PORT) as listener, Capture(shield.net.client) as capture:
        shield.load(f"*:{PORT},policy={policy}", key_file=key)
        with sockets.connected(shield.net, family, listener) as (client, server):
            sockets.exchange(client, server, 100000)
            client.close()
            assert server.recv(1) == b""
        lab.wait_until(lambda: shield.counters()["FLOW_CLOSED"], "the end")
        frames = [frame.data for frame, _tcp in capture.segments(PORT)]
        shield.unload("--now")
        shield.load(f"*:{PORT},policy={policy}", key_file=key)
        said = explain(shield, path, *frames)
    assert verdicts(said)[:3] == begins
    assert set(verdicts(said)[3:]) == {"SEGMENT", "OWN_SEGMENT"}
    assert {one["leaves"] for one in said if one["verdict"] == "OWN_SEGMENT"} == {True}
    assert "FLOW_CLOSED" in [note for one in said if one["verdict"] for note in one["noted"]]


def test_long_segment_of_this_host_is_acknowledged(shield, family, path):
    """Segmentation offload cuts it behind the place where captures are made."""
    with listening(shield, family) as (peer, listener):
        peer.open()
        with listener.accept()[0]:
            own = Ether(src=shield.net.server.mac, dst=shield.net.client.mac) / \
                family.header(src=peer.header.dst, dst=family.peer) / \
                TCP(sport=PORT, dport=peer.port, flags="FPA", seq=peer.rcv_nxt, ack=peer.snd_nxt) / Raw(bytes(20000))
            acks = frame_of(peer, "A", ack=peer.rcv_nxt + 20001)
            assert explain(shield, path, acks)[0]["verdict"] == "BAD_ACK"
            said = explain(shield, path, bytes(own), acks)
            assert verdicts(said) == ["OWN_SEGMENT", "SEGMENT"]
            assert said[0]["behind"][0]["snd_nxt"] == peer.rcv_nxt + 20001
            assert said[1]["behind"][0]["state"] == "FIN-WAIT-2"


def test_packets_of_this_host_that_nobody_judges(shield, family, path):
    own = Ether(src=shield.net.server.mac, dst=shield.net.client.mac) / \
        family.header(src=family.address(shield.net.server), dst=family.peer)
    with daemons.serving(shield, daemons.spec(family, shield.net, PORT, "echo")):
        said = explain(shield, path, bytes(own / TCP(sport=PORT, flags="SA")), bytes(own / TCP(sport=1, flags="SA")))
        assert [(one["leaves"], one["verdict"]) for one in said] == [(True, None)] * 2
        lines = shield.run("explain", shield.device, path).stdout.splitlines()
        assert "the daemon's own" in lines[0] and "of no service" in lines[1]


def test_answer_that_is_shown_is_the_one_that_is_sent(shield, family, path):
    with listening(shield, family) as (peer, _listener):
        for _attempt in range(3):  # an epoch may end meanwhile
            before = peer.ask()
            said = explain(shield, path, frame_of(peer, "S", seq=1000, options=[("MSS", 1400), ("WScale", 7),
                                                                                ("SAckOK", b"")]))[0]
            peer.snd_nxt = 1000
            behind = peer.ask()
            peer.snd_nxt = 1000
            if before.seq == behind.seq:
                break
        answer = said["answer"]
        assert (answer["flags"], answer["seq"], answer["ack"]) == ("SA", behind.seq, 1001)
        assert (answer["window"], answer["mss"]) == (behind.window, dict(behind.options)["MSS"])


def test_handshake_while_the_flow_table_is_full(shield, path):
    with listening(shield, IPV4, flows=FLOWS) as (peer, _listener):
        shield.advance_clock(200)
        peer.ask()
        ack = frame_of(peer, "A")
        assert explain(shield, path, ack)[0]["behind"][0]["state"] == "ESTABLISHED"
        shield.net.server.run(lab.tool("fill"), "--local", shield.net.server.ipv4, "--port", 1, "--flows", FLOWS,
                              shield.pins)
        said, = agree(shield, path, ack)
        assert (said["verdict"], said["noted"], said["behind"]) == ("COOKIE_ACK", ["FLOWS_FULL"], [])
        assert shield.counters()["FLOWS_FULL"] == 1
        shield.advance_clock(150)  # so soon behind it strangers may belong to a handshake: a global tells
        assert verdicts(agree(shield, path, frame_of(peer, "A", sport=1, ack=7))) == ["STRANGER"]


def test_cookie_of_an_epoch_that_is_over(shield, family, path):
    with listening(shield, family) as (peer, _listener):
        peer.ask()
        shield.advance_clock(3 * 64)
        said, = agree(shield, path, frame_of(peer, "A"))
        assert said["verdict"] == "NO_FLOW"
        assert said["cookie"]["is"] == "shown" and said["cookie"]["epoch_now"] - said["cookie"]["epoch"] == 3


def test_segments_of_a_live_flow(shield, family, path):
    with listening(shield, family) as (peer, listener):
        peer.open()
        with listener.accept()[0]:
            said = agree(shield, path,
                         frame_of(peer, "PA", b"x", seq=peer.snd_nxt + (1 << 28)),
                         frame_of(peer, "PA", ack=peer.rcv_nxt + 1000),
                         frame_of(peer, "R", seq=peer.snd_nxt + 1),
                         frame_of(peer, "P"),
                         frame_of(peer, "PA", b"x"))
            assert verdicts(said) == ["OUT_OF_WINDOW", "BAD_ACK", "CHALLENGED", "NO_ACK_BIT", "SEGMENT"]
            moves = [one["behind"][0]["rcv_nxt"] - one["before"][0]["rcv_nxt"] for one in said]
            assert moves == [0, 0, 0, 0, 1]


def test_flow_that_is_being_stepped(shield, path):
    """A record that is read while another CPU holds its lock; nobody gives back that of the copy."""
    with listening(shield, IPV4) as (peer, listener):
        peer.open()
        with listener.accept()[0]:
            pin = shield.pins / "flows4"
            (element,) = json.loads(shield.bpftool("-j", "map", "dump", "pinned", pin).stdout)
            key, flow = ([int(byte, 16) for byte in element[part]] for part in ("key", "value"))
            for lock, verdict in ((1, "SEGMENT"), (2, "ADOPTED")):
                flow[0] = lock  # held; dead, which is absent
                shield.bpftool("map", "update", "pinned", pin, "key", *key, "value", *flow)
                assert verdicts(explain(shield, path, frame_of(peer, "PA", b"x"))) == [verdict]


def test_described_segment_is_the_peers_next(shield, family):
    with listening(shield, family) as (peer, listener):
        peer.open()
        with listener.accept()[0]:
            said = describe(shield, peer, "PA", "--payload", 10)
            assert (said["verdict"], said["packet"]["seq"], said["packet"]["ack"]) == \
                ("SEGMENT", peer.snd_nxt, peer.rcv_nxt)
            assert describe(shield, peer, "FA")["behind"][0]["state"] == "CLOSE-WAIT"
            assert describe(shield, peer, "PA", "--seq", peer.snd_nxt + (1 << 28))["verdict"] == "OUT_OF_WINDOW"
            said = describe(shield, peer, "R")
            assert said["verdict"] == "SEGMENT" and "FLOW_RESET" in said["noted"]
            assert {record["map"][:2] for record in said["behind"]} == {"tw"}  # its cookie is good yet


def test_replay_behind_a_reset(shield, family, path):
    with listening(shield, family) as (peer, _listener):
        peer.open()
        ack = frame_of(peer, "A")
        assert verdicts(agree(shield, path, frame_of(peer, "R"), ack)) == ["SEGMENT", "COOKIE_REPLAY"]


def test_handshake_that_the_owner_answers(shield, family, path):
    with listening(shield, family, f"*:{PORT},policy=off") as (peer, _listener):
        peer.ask()
        said, = agree(shield, path, frame_of(peer, "A"))
        assert said["verdict"] == "HALF_OPEN_ACK"
        assert said["before"][0]["state"] == "SYN-RECEIVED" and said["behind"][0]["state"] == "ESTABLISHED"


def test_segment_in_time_wait(shield, family, path):
    with listening(shield, family) as (peer, listener):
        peer.open()
        listener.accept()[0].close()
        peer.take(peer.receive("FA"))
        peer.send("FA")
        lab.wait_until(lambda: shield.flow(family, peer.port)["state"] == "TIME-WAIT", "TIME-WAIT")
        said, = agree(shield, path, frame_of(peer, "FA", seq=peer.snd_nxt - 1))
        assert said["verdict"] == "TIME_WAIT_SEGMENT" and said["before"][0]["map"] == "tw" + family.suffix


# --- the daemon's ---------------------------------------------------------------------------------------------------


def test_handshake_with_the_daemon(shield, family, path):
    with daemons.serving(shield, daemons.spec(family, shield.net, PORT, "echo", "policy=always")):
        with Peer(shield.net, family, PORT, timestamps=False) as peer:
            peer.ask()
            said = agree(shield, path, frame_of(peer, "S", seq=1000), frame_of(peer, "A"))
            assert verdicts(said) == ["SYN_COOKIE", "DAEMON_COOKIE_ACK"]
            assert (said[1]["action"], said[1]["service"]["owner"]) == ("XDP_REDIRECT", "daemon")
            assert said[1]["cookie"]["is"] == "shown" and said[1]["behind"][0]["owner"] == "daemon"
            assert verdicts(agree(shield, path, frame_of(peer, "PA", b"x"))) == ["DAEMON_SEGMENT"]


def test_syn_that_the_daemon_answers(shield, family, path):
    with daemons.serving(shield, daemons.spec(family, shield.net, PORT, "echo", "policy=off")):
        with Peer(shield.net, family, PORT) as peer:
            assert verdicts(agree(shield, path, frame_of(peer, "S"))) == ["DAEMON_SYN"]


def test_syn_while_no_daemon_serves(shield, family, path):
    shield.load(daemons.spec(family, shield.net, PORT, "echo", "policy=always"))
    with Peer(shield.net, family, PORT) as peer:
        assert verdicts(agree(shield, path, frame_of(peer, "S"))) == ["DAEMON_GONE"]


# --- nothing changes ------------------------------------------------------------------------------------------------


def dump(shield):
    """Every pinned map that can be read, as text."""
    maps = {}
    for pin in sorted(shield.pins.iterdir()):
        done = lab.run("/usr/sbin/bpftool", "-j", "map", "dump", "pinned", pin, check=False)
        if done.returncode == 0 and pin.name not in NOT_DUMPED:
            maps[pin.name] = done.stdout
    return maps


def everything(shield, family, peer, other):
    """All that changes records, budgets, counters, sentries, the presence filter; other's connection is new."""
    other.ask()
    return [frame_of(other, "S", seq=1000), frame_of(other, "A"), frame_of(other, "PA", b"x"),
            frame_of(peer, "PA", b"x"), frame_of(peer, "FA", seq=peer.snd_nxt + 1),
            frame_of(peer, "R", seq=peer.snd_nxt + 2), frame_of(peer, "A", seq=1, ack=1), fragment_of(other, family),
            *(bytes(other.frame / other.header / TCP(sport=1000, dport=port, flags="S")) for port in (9000, 9001))]


def test_nothing_of_the_device_changes(shield, family, path):
    services = f"*:{PORT},policy=always", "*:9000,policy=off", "*:9001,policy=auto"
    for host in (shield.net.client, shield.net.server):
        host.sysctl(**{f"net__ipv6__conf__{host.device}__router_solicitations": 0})
    with listening(shield, family, *services) as (peer, listener):
        peer.open()
        for _attempt in range(3):  # the kernel may send something by itself
            with Peer(shield.net, family, PORT, timestamps=False) as other:
                frames = everything(shield, family, peer, other)
            before = dump(shield)
            said = explain(shield, path, *frames)
            behind = dump(shield)
            if before == behind:
                break
        listener.accept()[0].close()
        assert {"flows4", "half6", "tw4", "presence", "counters", "budgets", "clocks", "sentries", "prefix_budgets",
                "local_ends", "journal", "config"} <= before.keys()
        assert {name for name in before if before[name] != behind[name]} == set()
        assert {"SYN_COOKIE", "COOKIE_ACK", "SEGMENT", "FRAGMENT", "SYN_OFF", "SYN_CALM"} <= set(verdicts(said))


# --- files ----------------------------------------------------------------------------------------------------------


def test_capture_of_any_make(shield, path):
    with listening(shield, IPV4) as (peer, _listener):
        for order, magic in itertools.product("<>", (MICROSECONDS, NANOSECONDS)):
            said = explain(shield, path, frame_of(peer, "S"), frame_of(peer, "SF"), order=order, magic=magic)
            assert verdicts(said) == ["SYN_COOKIE", "BAD_FLAGS"] and [one["number"] for one in said] == [1, 2]


def test_capture_that_has_only_the_headers(shield, family, path):
    with listening(shield, family) as (peer, listener):
        peer.open()
        with listener.accept()[0]:
            said, = explain(shield, path, frame_of(peer, "PA", bytes(500)), cut=96)
            assert said["verdict"] == "SEGMENT" and said["packet"]["missing_bytes"] == 500 + 34 + \
                family.header_bytes - 96
            assert said["behind"][0]["rcv_nxt"] == peer.snd_nxt + 500
            syn = frame_of(peer, "S", options=[("MSS", 1400)], sport=1)
            said, = explain(shield, path, syn, cut=len(syn) - 4)  # without its options
            assert (said["verdict"], said["answer"].get("mss")) == ("SYN_COOKIE", None)


def test_long_frames(shield, family, path):
    """As receive offloads make them: several buffers long, and longer than any frame."""
    with listening(shield, family) as (peer, listener):
        peer.open()
        with listener.accept()[0]:
            said = explain(shield, path, frame_of(peer, "PA", bytes(20000)), bytes(70000), bytes(10))
            assert (said[0]["verdict"], said[0]["behind"][0]["rcv_nxt"]) == ("SEGMENT", peer.snd_nxt + 20000)
            assert [one["bytes"] for one in said[1:]] == [70000, 10]
            assert all("no frame" in one["error"] for one in said[1:])


def test_lines_of_a_capture(shield, family, path):
    with listening(shield, family) as (peer, _listener):
        content = pcap([frame_of(peer, "S"), frame_of(peer, "SF")])
        lines = explain_bytes(shield, path, content).stdout.splitlines()
        assert len(lines) == 2 and lines[0].startswith("#1") and "SYN_COOKIE  XDP_TX  SA seq" in lines[0]
        verbose = explain_bytes(shield, path, content, "--verbose").stdout
        assert "flags that TCP never sends together" in verbose and "policy=always" in verbose


ODD = [
    (lambda good: good[:-1], "packet 2: the file ends within it", 1),
    (lambda good: good[:-60], "packet 2: the file ends within the header", 1),
    (lambda good: good + struct.pack("<IIII", 0, 0, 1 << 30, 1 << 30), "packet 3: it is longer than any packet", 2),
    (lambda good: good + struct.pack("<IIII", 0, 0, 60, 59) + bytes(60), "packet 3: more of it was captured", 2),
    (lambda good: struct.pack("<I", 0x0a0d0d0a) + good, "pcapng", None),
    (lambda good: good[:20] + struct.pack("<I", 113) + good[24:], "capture on the one device", None),
    (lambda good: b"#!/bin/sh" + good, "it is no pcap file", None),
    (lambda good: b"", "shorter than the header", None),
]


def test_odd_file_is_named_and_loses_nothing(shield, path):
    shield.load(f"*:{PORT},policy=always")
    frame = bytes(Ether(src="02:00:00:00:00:07", dst=shield.net.server.mac) / IP() / TCP(dport=9))
    for make, complaint, good_packets in ODD:
        done = explain_bytes(shield, path, make(pcap([frame, frame])), "--json", check=False)
        assert done.returncode == 1 and complaint in done.stderr and str(path) in done.stderr
        said = json.loads(done.stdout) if done.stdout else None
        assert (said and verdicts(said)) == (good_packets and ["NO_SERVICE"] * good_packets)


def test_file_that_can_not_be_read_from_any_place_is_refused(shield, tmp_path):
    shield.load(f"*:{PORT},policy=always")
    os.mkfifo(tmp_path / "pipe")
    for file in (tmp_path / "pipe", "/dev/zero", tmp_path):
        done = shield.run("explain", shield.device, file, check=False, timeout=10)
        assert done.returncode == 1 and f"{file}: it is no regular file" in done.stderr, done


# --- refusals -------------------------------------------------------------------------------------------------------

SEGMENT = ("--from", "203.0.113.7:40000", "--to", "10.99.0.2:80", "--flags", "S")


def test_device_that_is_not_loaded_is_refused(shield):
    done = shield.run("explain", shield.device, *SEGMENT, check=False)
    assert done.returncode == 1 and "is not loaded" in done.stderr


def test_device_of_another_namespace_is_refused(shield):
    shield.load(f"*:{PORT}")
    done = lab.run(lab.SYNKEEP, "explain", "--pin-root", shield.net.pin_root, shield.device, *SEGMENT, check=False)
    assert done.returncode == 1 and "another network namespace" in done.stderr and done.stdout == ""


def test_program_of_another_build_is_refused(shield):
    shield.load(f"*:{PORT}")
    (shield.pins / "xdp_ingress").unlink()
    shield.bpftool("prog", "pin", "pinned", shield.pins / "tc_egress", shield.pins / "xdp_ingress")
    done = shield.run("explain", shield.device, *SEGMENT, check=False)
    assert done.returncode == 1 and "another build" in done.stderr


def test_queue_that_is_not_there_is_refused(shield):
    shield.load(f"*:{PORT}")
    done = shield.run("explain", shield.device, *SEGMENT, "--queue", 1000, check=False)
    assert done.returncode == 1 and "no receive queue 1000" in done.stderr


WRONG = [
    ((), "which packet"),
    (SEGMENT[:4], "which packet"),
    (("x.pcap", *SEGMENT), "a file has its packets"),
    (("x.pcap", "y.pcap"), "one word too many"),
    ((*SEGMENT[:4], "--flags", "SX"), "of S, F, R, P, A, U, E and C"),
    ((*SEGMENT[:2], "--to", "[2001:db8::1]:80", *SEGMENT[4:]), "different address families"),
    ((*SEGMENT, "--to", "*:80"), "is not an address and a port"),
    ((*SEGMENT, "--seq", "4294967296"), "is not a number of 0 to 4294967295"),
    ((*SEGMENT, "--wscale", "15"), "is not a number of 0 to 14"),
    ((*SEGMENT, "--timestamps", "5"), "two numbers"),
]


def test_wrong_usage(shield):
    for words, complaint in WRONG:
        done = shield.run("explain", shield.device, *words, check=False)
        assert done.returncode == 2 and complaint in done.stderr and done.stdout == ""
