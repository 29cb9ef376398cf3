// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A worker's TCP: making it, and the turn that comes behind every batch of frames: timers, then each connection that
 * was touched: the application is called, what it did is sent, and what is over is freed.
 */
#include <errno.h>
#include <stdlib.h>

#include "tcp/output.h"
#include "tcp/record.h"
#include "tcp/tcb.h"
#include "tcp/time_wait.h"
#include "tcp/timeouts.h"

#define BLOCKED_RETRY_NS (50 * 1000) /* how soon there may be room in a ring that was full */

struct tcp *tcp_new(const struct tcp_config *config, __u64 now_ns)
{
	struct tcp *tcp = calloc(1, sizeof(*tcp));

	if (!tcp)
		return NULL;
	tcp->config = *config;
	tcp->now_ns = now_ns;
	if (endpoints_init(&tcp->endpoints, config->connections_max, &config->isn_key)) {
		free(tcp);
		return NULL;
	}
	timer_wheel_init(&tcp->wheel, now_ns);
	list_init(&tcp->pending);
	list_init(&tcp->blocked);
	list_init(&tcp->finished);
	list_init(&tcp->changed);
	list_init(&tcp->moved);
	list_init(&tcp->listeners);
	list_init(&tcp->time_waits);
	return tcp;
}

/* --- the application -------------------------------------------------------------------------------------------------
 */

#define TELL(tcb, callback, ...)                                                                                       \
	do {                                                                                                           \
		if (((tcb)->flags & (TCB_KNOWN | TCB_DETACHED)) == TCB_KNOWN && (tcb)->origin->app->callback)          \
			(tcb)->origin->app->callback(tcb, ##__VA_ARGS__);                                              \
	} while (0)

static bool take_flag(struct tcb *tcb, __u32 flag)
{
	bool was_set = tcb->flags & flag;

	tcb->flags &= ~flag;
	return was_set;
}

static bool has_room(const struct tcb *tcb)
{
	return tcb->snd.used <= tcb->origin->settings.send_buffer_bytes - tcb->origin->settings.send_buffer_bytes / 4;
}

/* Each callback may close or abort the connection; then no other comes. */
static void tell(struct tcb *tcb)
{
	if (tcb->error_number && (tcb->flags & TCB_FINISHED))
		return;
	if (take_flag(tcb, TCB_TELL_ACCEPT)) {
		tcb->flags |= TCB_KNOWN;
		TELL(tcb, accept);
	}
	if (take_flag(tcb, TCB_TELL_URGENT))
		TELL(tcb, urgent);
	if (take_flag(tcb, TCB_TELL_ADVICE) && !(tcb->flags & TCB_FINISHED) && tcb->origin->settings.soft_errors)
		TELL(tcb, advise, tcb_error(tcb));
	if (take_flag(tcb, TCB_TELL_READABLE))
		TELL(tcb, readable);
	if ((tcb->flags & TCB_WANTS_ROOM) && !(tcb->flags & TCB_FINISHED) && has_room(tcb)) {
		tcb->flags &= ~TCB_WANTS_ROOM;
		TELL(tcb, writable);
	}
}

/* A finished connection stays while there is something to read, the end included, and somebody to read it. */
static bool is_over(const struct tcb *tcb)
{
	if (!(tcb->flags & TCB_FINISHED))
		return false;
	return tcb->error_number || (tcb->flags & (TCB_DETACHED | TCB_END_READ)) || !tcb->origin->app->readable;
}

static void tell_end(struct tcb *tcb)
{
	TELL(tcb, closed, tcb_error(tcb));
	tcb_free(tcb);
}

/* Its RST is on its way. */
static void end_aborted(struct tcb *tcb)
{
	tcb_step(tcb, TCPE_SND_RST);
	if (tcb->state == TCPS_SYN_SENT)
		tcb_step(tcb, TCPE_TIMEOUT);
	tcb_finish(tcb, -ECONNABORTED);
}

static void attend(struct tcb *tcb)
{
	bool aborts, done;

	tell(tcb);
	list_remove(&tcb->pending); /* what the application has touched is done here */
	aborts = (tcb->flags & TCB_ABORT) && !(tcb->flags & TCB_FINISHED);
	done = aborts ? output_reset(tcb) : output(tcb);
	if (!done) {
		list_append(&tcb->origin->tcp->blocked, &tcb->pending);
		return;
	}
	if (aborts)
		end_aborted(tcb);
	if (is_over(tcb))
		tell_end(tcb);
}

/* --- a turn ----------------------------------------------------------------------------------------------------------
 */

static void fire_timers(struct tcp *tcp)
{
	struct wheel_timer *timer;

	while ((timer = timer_wheel_expire(&tcp->wheel, tcp->now_ns))) {
		struct endpoint *endpoint = list_entry(timer, struct endpoint, timer);

		if (endpoint->is_time_wait)
			time_wait_end(tcp, (struct time_wait *)endpoint);
		else
			timeouts_fire((struct tcb *)endpoint);
	}
}

/* What is touched, or blocked, during the turn waits for the next. */
void tcp_work(struct tcp *tcp, __u64 now_ns)
{
	struct list now, *link;

	tcp->now_ns = now_ns;
	fire_timers(tcp);
	list_take_all(&tcp->pending, &now);
	while ((link = list_take(&tcp->blocked)))
		list_append(&now, link);
	while ((link = list_take(&now)))
		attend(list_entry(link, struct tcb, pending));
	record_work(tcp);
}

__u64 tcp_next_ns(const struct tcp *tcp)
{
	__u64 timer_ns = timer_wheel_next_ns(&tcp->wheel), record_ns = record_next_ns(tcp);
	__u64 next_ns = timer_ns < record_ns ? timer_ns : record_ns;

	if (!list_is_empty(&tcp->pending))
		return tcp->now_ns;
	if (!list_is_empty(&tcp->blocked) && next_ns > tcp->now_ns + BLOCKED_RETRY_NS)
		return tcp->now_ns + BLOCKED_RETRY_NS;
	return next_ns;
}

/* --- the end ---------------------------------------------------------------------------------------------------------
 */

static void end(struct tcp *tcp, struct endpoint *endpoint)
{
	struct tcb *tcb = (struct tcb *)endpoint;

	if (endpoint->is_time_wait) {
		time_wait_end(tcp, (struct time_wait *)endpoint);
		return;
	}
	output_reset(tcb);
	end_aborted(tcb);
}

void tcp_free(struct tcp *tcp)
{
	if (!tcp)
		return;
	tcp->config.connections_max = 0; /* whatever closed() may open */
	for (__u32 i = 0; i <= tcp->endpoints.mask; i++) {
		while (tcp->endpoints.buckets[i])
			end(tcp, tcp->endpoints.buckets[i]);
	}
	while (!list_is_empty(&tcp->finished))
		tell_end(list_entry(tcp->finished.next, struct tcb, report));
	while (!list_is_empty(&tcp->listeners))
		tcp_unlisten(tcp, list_entry(tcp->listeners.next, struct tcp_listener, link));
	endpoints_free(&tcp->endpoints);
	free(tcp);
}

/* --- what there is to count ------------------------------------------------------------------------------------------
 */

const struct tcp_counters *tcp_counters(const struct tcp *tcp)
{
	return &tcp->counters;
}

bool tcp_is_pressed(const struct tcp *tcp)
{
	return tcp->counters.connections_half_open > tcp->config.syn_received_max / 2;
}

const char *tcp_verdict_name(enum tcp_verdict verdict)
{
	static const char *const names[] = {
#define X(id, sentence) #id,
		TCP_VERDICTS(X)
#undef X
	};
	return verdict < TCPV_COUNT ? names[verdict] : "?";
}

const char *tcp_verdict_sentence(enum tcp_verdict verdict)
{
	static const char *const sentences[] = {
#define X(id, sentence) sentence,
		TCP_VERDICTS(X)
#undef X
	};
	return verdict < TCPV_COUNT ? sentences[verdict] : "?";
}
