/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Carrying bytes between descriptors and a connection. See client.h.
 */
#include "daemon/client.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "daemon/link.h"

#define READ_BYTES 65536

struct carrier {
	const struct client *client;
	struct tcb *tcb; /* NULL: it is over */
	bool connected;
	bool input_ended;
	__u32 route_changes; /* that were seen to */
	int error;
};

/* No more than a pipe that is writable takes without a pause: the TCP's timers are not to wait for a reader. */
static void write_some(struct carrier *carrier)
{
	const __u8 *bytes;
	ssize_t length = tcp_peek(carrier->tcb, &bytes), written;

	if (length == 0 && !carrier->input_ended) {
		carrier->input_ended = true;
		tcp_shutdown(carrier->tcb);
	}
	if (length <= 0)
		return;
	written = write(carrier->client->output_fd, bytes, length < PIPE_BUF ? length : PIPE_BUF);
	if (written >= 0)
		tcp_skip(carrier->tcb, written);
	else if (errno != EAGAIN && errno != EINTR)
		carrier->error = -errno;
}

static void read_some(struct carrier *carrier)
{
	struct tcp_status status;
	char bytes[READ_BYTES];
	ssize_t length;

	tcp_status(carrier->tcb, &status);
	if (!status.send_room_bytes)
		return;
	length = read(carrier->client->input_fd, bytes,
		      status.send_room_bytes < sizeof(bytes) ? status.send_room_bytes : sizeof(bytes));
	if (length > 0) {
		tcp_send(carrier->tcb, bytes, length, 0);
	} else if (length == 0) {
		carrier->input_ended = true;
		tcp_shutdown(carrier->tcb);
	} else if (errno != EAGAIN && errno != EINTR) {
		carrier->error = -errno;
	}
}

static void connected(struct tcb *tcb)
{
	struct carrier *carrier = tcp_context(tcb);

	carrier->connected = true;
}

/* A reader that takes nothing any more must not keep a signal from ending it. */
static void write_when_possible(struct carrier *carrier)
{
	struct pollfd either[] = {
		{ .fd = carrier->client->stop_fd, .events = POLLIN },
		{ .fd = carrier->client->output_fd, .events = POLLOUT },
	};

	poll(either, ARRAY_LEN(either), -1);
	if (either[0].revents)
		carrier->error = -ECANCELED;
	else if (either[1].revents)
		write_some(carrier);
}

/* What came last is still to be written. */
static void closed(struct tcb *tcb, int error)
{
	struct carrier *carrier = tcp_context(tcb);
	const __u8 *bytes;

	carrier->input_ended = true;
	while (!error && !carrier->error && tcp_peek(tcb, &bytes) > 0)
		write_when_possible(carrier);
	if (!carrier->error)
		carrier->error = error;
	carrier->tcb = NULL;
}

static const struct tcp_app app_client = {
	.name = "client",
	.accept = connected,
	.closed = closed,
};

static bool has_room(const struct carrier *carrier)
{
	struct tcp_status status;

	tcp_status(carrier->tcb, &status);
	return status.send_room_bytes > 0;
}

static bool has_text(const struct carrier *carrier)
{
	const __u8 *bytes;
	ssize_t length = tcp_peek(carrier->tcb, &bytes);

	return length > 0 || (length == 0 && !carrier->input_ended);
}

/* A descriptor of -1 is not waited for. */
static void carry(struct carrier *carrier, struct worker *worker)
{
	bool reads = carrier->connected && !carrier->input_ended && has_room(carrier);
	bool writes = carrier->connected && has_text(carrier);
	struct pollfd others[] = {
		{ .fd = carrier->client->stop_fd, .events = POLLIN },
		{ .fd = reads ? carrier->client->input_fd : -1, .events = POLLIN },
		{ .fd = writes ? carrier->client->output_fd : -1, .events = POLLOUT },
	};

	worker_wait(worker, others, ARRAY_LEN(others), NSEC_PER_SEC);
	if (others[0].revents)
		carrier->error = -ECANCELED;
	if (others[1].revents)
		read_some(carrier);
	if (others[2].revents)
		write_some(carrier);
}

static void follow_routes(struct carrier *carrier, struct worker *worker)
{
	__u32 changes = link_route_changes(worker_link(worker));

	if (changes != carrier->route_changes && carrier->client->reroute(carrier->client->context))
		carrier->route_changes = changes;
}

int client_run(struct worker *worker, const struct client *client, const struct tuple *tuple, __u32 path,
	       const struct tcp_settings *settings)
{
	/* The route was found before changes were followed: it is looked up once more. */
	struct carrier carrier = { .client = client, .route_changes = link_route_changes(worker_link(worker)) - 1 };
	int err;

	worker_turn(worker);
	err = tcp_connect(worker_tcp(worker), tuple, path, &app_client, &carrier, settings, worker_memory(worker),
			  worker_tcp_now_ns(worker), &carrier.tcb);
	if (err)
		return err;
	while (carrier.tcb && !carrier.error) {
		worker_turn(worker);
		if (carrier.tcb)
			carry(&carrier, worker);
		follow_routes(&carrier, worker);
	}
	if (carrier.tcb) {
		tcp_abort(carrier.tcb);
		worker_turn(worker);
	}
	return carrier.error;
}
