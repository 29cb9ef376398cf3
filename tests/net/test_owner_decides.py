# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""SYNs that a cookie must not answer: of tuples that are live or in TIME-WAIT, and where the handover can not be made.
The kernel does what it does without the shield, and status says why the service is unprotected."""

import concurrent.futures
import socket

import pytest

import sockets
import wire

PORT = 8000
IPPROTO_MPTCP = 262


def problems(shield):
    return "\n".join(line for line in shield.run("status").stdout.splitlines() if "PROBLEM" in line)


def test_syn_on_a_live_tuple_is_challenged_by_the_kernel(shield, net, family):
    shield.load(f"*:{PORT}")
    with sockets.listen(net.server, family, port=PORT) as listener, wire.Peer(net, family, PORT) as peer:
        peer.open()
        with listener.accept()[0] as server:
            before = shield.counters()
            peer.send("S", seq=peer.snd_nxt + 100000)
            challenge = peer.receive("A")  # RFC 5961, 4.2
            assert (challenge.seq, challenge.ack) == (peer.rcv_nxt, peer.snd_nxt)
            counted = shield.counters() - before
            assert (counted["SYN_LIVE"], counted["SYN_COOKIE"]) == (1, 0), counted
            peer.send("PA", b"still here")
            assert sockets.read_exactly(server, 10) == b"still here"
            assert shield.flow(family, peer.port)["state"] == "ESTABLISHED"


def test_syn_on_time_wait_begins_anew(shield, net, family):
    shield.load(f"*:{PORT}")
    with sockets.listen(net.server, family, port=PORT) as listener, wire.Peer(net, family, PORT) as peer:
        peer.open()
        listener.accept()[0].close()
        peer.take(peer.receive("FA"))
        peer.send("FA")
        sockets.wait_for_state(family, net.server, PORT, peer.port, "TIME-WAIT")
        assert shield.flow(family, peer.port)["state"] == "TIME-WAIT"

        before = shield.counters()
        peer.snd_nxt += 100000  # RFC 6191: above the last number, with a newer timestamp
        peer.open()
        with listener.accept()[0] as server:
            counted = shield.counters() - before
            assert (counted["SYN_LIVE"], counted["SYN_COOKIE"], counted["OWN_SYN_ACK"]) == (1, 0, 1), counted
            peer.send("PA", b"again")
            assert sockets.read_exactly(server, 5) == b"again"
            assert shield.flow(family, peer.port)["state"] == "ESTABLISHED"
            assert sockets.kernel_state(family, net.server, PORT, peer.port) == "ESTAB"


def test_old_duplicate_syn_on_time_wait_is_acked(shield, net, family):
    shield.load(f"*:{PORT}")
    with sockets.listen(net.server, family, port=PORT) as listener, wire.Peer(net, family, PORT, isn=5000000) as peer:
        peer.open()
        listener.accept()[0].close()
        peer.take(peer.receive("FA"))
        peer.send("FA")
        sockets.wait_for_state(family, net.server, PORT, peer.port, "TIME-WAIT")
        peer.timestamps = False
        peer.send("S", seq=peer.snd_nxt - 1000)
        assert peer.receive("A").ack == peer.snd_nxt  # what TIME-WAIT acknowledges is the old connection
        assert shield.counters()["SYN_LIVE"] == 1


def test_no_listener_resets_as_always(shield, net, family):
    shield.load(f"*:{PORT}")
    with pytest.raises(ConnectionRefusedError):
        sockets.connect(net.client, family, (family.address(net.server), PORT))
    counted = shield.counters()
    assert (counted["SYN_NO_LISTENER"], counted["SYN_COOKIE"]) == (1, 0), counted
    assert "nothing listens there" in problems(shield)


def test_mptcp_listener_works_by_itself(shield, net, family):
    shield.load(f"*:{PORT}")
    with sockets.listen(net.server, family, port=PORT, protocol=IPPROTO_MPTCP) as listener:
        with sockets.connected(net, family, listener) as (client, server):
            sockets.exchange(client, server)
            counted = shield.counters()
            assert counted["SYN_NO_COOKIE"] == 1 and not counted["SYN_COOKIE"], counted
            assert shield.flow(family, sockets.port_of(client))["state"] == "ESTABLISHED"
        assert "MPTCP" in problems(shield)


def test_without_syncookies_works_by_itself(shield, net, family):
    net.server.sysctl(net__ipv4__tcp_syncookies=0)
    shield.load(f"*:{PORT}")
    with sockets.listen(net.server, family, port=PORT) as listener:
        with sockets.connected(net, family, listener) as (client, server):
            sockets.exchange(client, server)
            counted = shield.counters()
            assert counted["SYN_SYSCTL"] == 1 and not counted["SYN_COOKIE"], counted
        assert "tcp_syncookies" in problems(shield)


@pytest.mark.parametrize("value", [1, 2])
def test_with_syncookies_on_status_has_no_problem(shield, net, family, value):
    net.server.sysctl(net__ipv4__tcp_syncookies=value)
    shield.load(family.spec(net.server, PORT))
    with sockets.listen(net.server, family, port=PORT) as listener:
        with sockets.connected(net, family, listener) as (client, server):
            sockets.exchange(client, server, 1000)
        assert shield.counters()["HANDOVER"] == 1
        assert not problems(shield)


def test_accept_queue_full_is_no_reset(shield, net, family):
    # What comes while the queue is full waits, with its SYN or with its data, and is served later.
    def talk():
        with sockets.connect(net.client, family, (family.address(net.server), PORT)) as client:
            client.sendall(b"hello")
            return sockets.read_exactly(client, 5)

    shield.load(f"*:{PORT}")
    with sockets.listen(net.server, family, port=PORT) as listener:
        listener.listen(1)
        with concurrent.futures.ThreadPoolExecutor() as threads:
            clients = [threads.submit(talk) for _ in range(4)]
            for _ in clients:
                with listener.accept()[0] as server:
                    server.settimeout(sockets.SECONDS)
                    assert sockets.read_exactly(server, 5) == b"hello"
                    server.sendall(b"world")
            assert [client.result() for client in clients] == [b"world"] * 4
        assert not shield.counters()["HANDOVER_REFUSED"]


def test_client_that_signs_reaches_the_kernel_where_the_service_says_so(shield, net, family):
    # MD5 (RFC 2385): only the socket has the key. struct tcp_md5sig of <linux/tcp.h>: address, 2 + 2 + 4 bytes, key.
    def signature(peer):
        af = socket.AF_INET6 if ":" in peer else socket.AF_INET
        address = af.to_bytes(2, "little") + bytes(2) + (bytes(4) if af == socket.AF_INET6 else b"")
        address += socket.inet_pton(af, peer)
        return address.ljust(128, b"\0") + bytes(2) + (6).to_bytes(2, "little") + bytes(4) + b"secret".ljust(80, b"\0")

    md5 = 14  # TCP_MD5SIG
    shield.load(f"*:{PORT}")
    service, = shield.read_json("status", shield.device)[0]["services"]
    assert service["md5"] == "drop"
    of_client, of_server = (signature(family.address(host)) for host in (net.client, net.server))
    with sockets.listen(net.server, family, port=PORT, options=[(socket.IPPROTO_TCP, md5, of_client)]) as listener:
        signed = [(socket.IPPROTO_TCP, md5, of_server)]
        with wire.Capture(net.client) as capture:
            with pytest.raises(TimeoutError):
                sockets.connect(net.client, family, (family.address(net.server), PORT), options=signed, timeout=0.3)
            assert not [tcp for frame, tcp in capture.segments(PORT) if not frame.is_outgoing]
        refused = shield.counters()
        assert refused["SYN_SIGNED_REFUSED"] >= 1 and not refused["SYN_COOKIE"], refused
        shield.add_service(f"*:{PORT},md5=pass")
        with sockets.connected(net, family, listener, options=signed) as (client, server):
            sockets.exchange(client, server, 10000)
    counted = shield.counters() - refused
    assert (counted["SYN_SIGNED"], counted["SYN_COOKIE"]) == (1, 0), counted
