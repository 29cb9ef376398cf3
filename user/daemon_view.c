/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Summing up workers. See daemon_view.h.
 */
#include "daemon_view.h"

#include <errno.h>

/* X(name, member of struct worker_state, sentence) */
#define RIM_COUNTERS(X)                                                                                                \
	X(FRAMES_RECEIVED, frames_received, "frame that came through AF_XDP")                                          \
	X(FRAMES_SENT, frames_sent, "frame that went through AF_XDP")                                                  \
	X(SEGMENTS_RETRANSMITTED, tcp.segments_retransmitted, "segment that was sent again")                           \
	X(RESETS_SENT, tcp.resets_sent, "RST that was sent")                                                           \
	X(TIME_WAIT_EVICTED, tcp.time_wait_evicted, "connection in TIME-WAIT that made room before its time")          \
	X(KEEPALIVES_SENT, tcp.keepalives_sent, "keepalive probe that was sent for a connection of the daemon's")      \
	X(KEEPALIVES_ANSWERED, tcp.keepalives_answered, "peer that a keepalive probe showed to be there")              \
	X(KEEPALIVES_REFUSED, tcp.keepalives_refused, "connection closed: an ICMP error answered a keepalive probe")   \
	X(KEEPALIVES_IN_VAIN, tcp.keepalives_in_vain, "connection closed: its keepalive probes stayed unanswered")     \
	X(NO_FRAME, tcp.no_frame, "segment that had to wait for room in the ring: a greater --ring helps")             \
	X(UNMARKED, losses.unmarked, "frame dropped: it carried no word of the shield's")                              \
	X(NO_WAY_BACK, losses.no_way, "frame dropped: its sender's MAC address is no single station's")                \
	X(VOID_PATH, losses.void_path, "segment lost: where its peer's frames came from was forgotten")                \
	X(RX_DROPPED, xsk.rx_dropped, "frame that AF_XDP could not take")                                              \
	X(RX_RING_FULL, xsk.rx_ring_full, "frame lost: the receive ring was full, the daemon is too slow")             \
	X(RX_NO_CHUNK, xsk.rx_no_chunk, "frame lost: all buffers were taken, the daemon is too slow")                  \
	X(TX_INVALID, xsk.tx_invalid, "frame that the kernel refused to send")                                         \
	X(STOOD_STILL, stood_still, "pause of more than a second in which a worker did not run: no connection aged")   \
	X(RECORDS_WRITTEN, records.written, "record written into the maps")                                            \
	X(RECORDS_DELETED, records.deleted, "record taken out of the maps")                                            \
	X(RECORDS_REFUSED, records.refused, "record that a map refused, to be tried again: it is full")                \
	X(RECORDS_LOST, records.lost, "record that was refused, and is not kept to be tried again")

/* X(name, member of struct ager_state, sentence) */
#define AGER_COUNTERS(X)                                                                                               \
	X(EXPIRED_HALF_OPEN, expired[AGE_HALF], "half-open record taken away at its deadline")                         \
	X(EXPIRED_FLOWS, expired[AGE_FLOWS], "connection's record taken away at its deadline")                         \
	X(EXPIRED_ENDED, expired[AGE_ENDED], "record of an ended connection taken away at its deadline")               \
	X(PROBES_SENT, probes_sent, "keepalive probe sent in the name of the kernel's socket")                         \
	X(PROBES_PUT_OFF, probes_put_off, "time that a probe had to wait for its turn: see --probes-per-second")       \
	X(PROBES_UNANSWERED, probes_unanswered, "probe that no answer came to in time")                                \
	X(PROBES_REFUSED, refused, "peer found gone by an ICMP error that answered a probe")                           \
	X(PROBES_NO_PATH, no_path, "probe that could not be made: the owner has sent nothing yet to make it like")     \
	X(DEAD_CLOSED, dead_closed, "connection closed: its peer was found dead")                                      \
	X(DEAD_REPORTED, dead_reported, "connection whose peer was found dead, left as it is (dead=report)")           \
	X(DEAD_HEARD, dead_heard, "connection spared: its socket had heard from the peer")                             \
	X(DEAD_NO_SOCKET, dead_no_socket, "connection whose peer was found dead, and that has no socket any more")     \
	X(DEAD_NOT_CLOSED, destroy_failed, "connection that could not be closed (CONFIG_INET_DIAG_DESTROY?)")          \
	X(STANDSTILLS, standstills,                                                                                    \
	  "time that the daemon or the machine stood still: probes before count for nothing")                          \
	X(SCANS, scans, "reading of the tables for what falls due")                                                    \
	X(SCANS_FAILED, scans_failed, "reading of the tables that failed")                                             \
	X(AGER_FAILURES, failures, "program of the ager's that could not be run")

static void add(struct worker_state *sum, const struct worker_state *state)
{
	for (int i = 0; i < TCPV_COUNT; i++)
		sum->tcp.verdicts[i] += state->tcp.verdicts[i];
#define X(name, member, sentence) sum->member += state->member;
	RIM_COUNTERS(X)
#undef X
	sum->tcp.segments_sent += state->tcp.segments_sent;
	sum->to_unverified.packets += state->to_unverified.packets;
	sum->to_unverified.bytes += state->to_unverified.bytes;
}

/* What there is now: of workers that are alive. */
static void add_present(struct daemon_view *view, const struct worker_state *state)
{
	view->workers++;
	view->zero_copy += state->zero_copy != 0;
	view->pid = state->pid;
	view->sum.memory_bytes += state->memory_bytes;
	view->sum.tcp.connections += state->tcp.connections;
	view->sum.tcp.connections_half_open += state->tcp.connections_half_open;
}

int daemon_view_read(const struct device *device, __u64 now_ns, struct daemon_view *view)
{
	struct worker_states states;
	int err;

	*view = (struct daemon_view){};
	err = ager_state_read(device->pin_dir, &view->ager);
	if (err)
		return err;
	view->ages = ager_state_is_alive(&view->ager, now_ns);
	err = worker_states_open(device->pin_dir, &states);
	if (err)
		return err == -ENOENT ? 0 : err;
	for (__u32 i = 0; i < states.count; i++) {
		add(&view->sum, &states.list[i]);
		if (worker_state_is_alive(&states.list[i], now_ns))
			add_present(view, &states.list[i]);
	}
	worker_states_close(&states);
	return 0;
}

void daemon_view_counters(const struct daemon_view *view, daemon_view_visit visit, void *context)
{
	for (enum tcp_verdict verdict = 0; verdict < TCPV_COUNT; verdict++)
		visit(tcp_verdict_name(verdict), view->sum.tcp.verdicts[verdict], tcp_verdict_sentence(verdict),
		      context);
#define X(name, member, sentence) visit(#name, view->sum.member, sentence, context);
	RIM_COUNTERS(X)
#undef X
}

void daemon_view_ager_counters(const struct daemon_view *view, daemon_view_visit visit, void *context)
{
#define X(name, member, sentence) visit(#name, view->ager.member, sentence, context);
	AGER_COUNTERS(X)
#undef X
	visit("LATE_MS_P99", ager_state_late_ms(&view->ager, 99),
	      "milliseconds: 99 of 100 records were taken away within that, behind their deadlines", context);
	visit("LATE_MS_MAX", view->ager.late_max_ms, "milliseconds: the latest of all", context);
}
