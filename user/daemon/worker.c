/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A worker's turn, and what its TCP asks of the rim. See worker.h.
 */
#include "daemon/worker.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/link.h"
#include "daemon/path.h"
#include "daemon/release.h"
#include "daemon/running_clock.h"
#include "daemon/tell.h"
#include "system.h"

#define BUSY_WAIT_NS (200 * 1000ULL) /* until a device that was busy is tried again */
#define ASK_INTERVAL_NS (NSEC_PER_SEC / 10)

/* A record is in the map long before: from then on XDP answers for a connection in TIME-WAIT (bpf/time_wait.bpf.h). */
#define TIME_WAIT_NS (100 * NSEC_PER_MSEC)

/* The kernel gives a queue back some time after the process that had it has ended. */
#define BUSY_TRIES 20
#define BUSY_PAUSE_US 50000

struct worker {
	struct xsk *sockets[WORKER_QUEUES_MAX];
	__u32 socket_count;
	struct tcp *tcp;
	struct records *records;
	struct outbox *outbox;
	struct tell *tell;
	struct link *link;
	struct running_clock clock;
	__u64 now_ns;	  /* CLOCK_MONOTONIC, as everywhere here; */
	__u64 tcp_now_ns; /* but the TCP's calls */
	/* The frame that the TCP is writing; 0: its path is void, and it goes nowhere. */
	__u32 link_bytes;
	__u32 mtu_max;	     /* what a chunk has room for */
	bool no_room;	     /* a frame was asked for in this turn and not there */
	bool is_busy;	     /* the device has not taken all yet */
	bool records_urgent; /* a SYN of ours waits for its record: its answer is to find it */
	bool counts_flows;   /* some records count for a service or a source, and are not just to be deleted */
	int release_fd;
	bool busy_poll;
	__u64 asked_ns;
	__u64 frames_received;
	__u64 frames_sent;
	struct verdict_counter to_unverified;
	struct worker_losses losses;
	struct memory_account memory;
	const struct device *device;
	__u32 first_queue;
	struct paths paths;
};

/* --- what the TCP asks of the rim --------------------------------------------------------------------------------- */

/* Records of SYNs that leave are written first; who watches is told last, and finds the records. */
static void send_all(struct worker *worker)
{
	if (worker->records_urgent || records_next_ns(worker->records) <= worker->now_ns)
		records_flush(worker->records, worker->now_ns);
	worker->records_urgent = false;
	worker->is_busy = !xsk_flush(worker->sockets[0]);
	tell_flush(worker->tell);
}

/* Answers leave by the first socket: there is only one but for a client. */
static __u8 *rim_frame(void *context, __u32 number, __u32 bytes)
{
	struct worker *worker = context;
	struct xsk *xsk = worker->sockets[0];
	const struct path_header *header = path_header(&worker->paths, number);
	__u8 *chunk = xsk_frame(xsk);

	(void)bytes; /* mtu() has said how many a chunk has room for */
	if (!chunk) {
		send_all(worker);
		chunk = xsk_frame(xsk);
	}
	if (!chunk) {
		worker->no_room = true;
		return NULL;
	}
	worker->link_bytes = header ? header->length : 0;
	/* The zeros behind the header are written over. */
	if (header)
		memcpy(chunk + XSK_TX_LINK_BYTES - header->length, header->bytes, sizeof(header->bytes));
	return chunk + XSK_TX_LINK_BYTES;
}

static void rim_send(void *context, __u32 bytes, bool to_unverified)
{
	struct worker *worker = context;

	if (!worker->link_bytes) {
		worker->losses.void_path++;
		return;
	}
	xsk_send(worker->sockets[0], XSK_TX_LINK_BYTES - worker->link_bytes, worker->link_bytes + bytes);
	worker->frames_sent++;
	if (!to_unverified)
		return;
	worker->to_unverified.packets++;
	worker->to_unverified.bytes += verdict_bytes(worker->link_bytes + bytes);
}

/* It may have grown since the chunks were made. */
static __u32 rim_mtu(void *context, __u32 number)
{
	const struct worker *worker = context;
	__u32 mtu = link_mtu(worker->link);

	(void)number;
	return mtu < worker->mtu_max ? mtu : worker->mtu_max;
}

static void rim_report(void *context, const struct tuple *tuple, const struct tcp_record *record)
{
	struct worker *worker = context;
	struct tcp_record mended = *record;

	running_clock_mend(&worker->clock, &mended);
	records_put(worker->records, tuple, &mended, worker->now_ns);
	worker->records_urgent |= record->kind == TCP_RECORD_HALF_OPEN;
}

/* The kernel does not see what we send: it is told that its neighbour is worth a question. */
static void rim_advise(void *context, __u32 number, bool reachable)
{
	struct worker *worker = context;
	const struct path_header *header = path_header(&worker->paths, number);

	if (reachable || !header || worker->now_ns - worker->asked_ns < ASK_INTERVAL_NS)
		return;
	worker->asked_ns = worker->now_ns;
	link_ask_by_header(worker->link, header);
}

static void rim_changed(void *context, const struct flow_event *event)
{
	struct worker *worker = context;

	tell_put(worker->tell, event, worker->now_ns);
}

/* --- the maps ----------------------------------------------------------------------------------------------------- */

static int map_fd(const struct device *device, enum records_map map, __u8 family)
{
	const int *const pairs[] = {
		[RECORDS_HALF] = device->half_fd,
		[RECORDS_FLOWS] = device->flows_fd,
		[RECORDS_TW] = device->tw_fd,
	};

	return pairs[map][family == FAMILY_IPV6];
}

static int update_map(void *context, enum records_map map, __u8 family, const void *keys, const void *values,
		      __u32 *count)
{
	const struct worker *worker = context;

	return bpf_map_update_batch(map_fd(worker->device, map, family), keys, values, count, NULL) < 0 ? -errno : 0;
}

static int erase_from_map(void *context, enum records_map map, __u8 family, const void *keys, __u32 *count)
{
	const struct worker *worker = context;

	if (map == RECORDS_FLOWS && worker->counts_flows)
		return release_records(worker->release_fd, family, keys, *count);
	return bpf_map_delete_batch(map_fd(worker->device, map, family), keys, count, NULL) < 0 ? -errno : 0;
}

/* --- a turn ------------------------------------------------------------------------------------------------------- */

/* The mark is taken away with the frame: what is left in a chunk must not speak for the next one. */
static void take_frame(struct worker *worker, const struct xsk_frame *frame)
{
	__u8 *metadata = frame->bytes - sizeof(struct daemon_hint);
	struct daemon_hint hint;
	__u32 path;

	memcpy(&hint, metadata, sizeof(hint));
	if (hint.mark != DAEMON_MARK) {
		worker->losses.unmarked++;
		return;
	}
	memset(metadata, 0, sizeof(hint.mark));
	worker->counts_flows |= !!(hint.flags & FLOW_COUNTED);
	path = path_learn(&worker->paths, frame->bytes);
	if (path == PATH_NONE) {
		worker->losses.no_way++;
		return;
	}
	tcp_input(worker->tcp, &hint, frame->bytes, frame->length, path, worker->tcp_now_ns);
}

static __u32 receive(struct worker *worker)
{
	struct xsk_frame frames[XSK_FRAMES_MAX];
	__u32 sum = 0;

	for (__u32 i = 0; i < worker->socket_count; i++) {
		__u32 count = xsk_receive(worker->sockets[i], frames);

		for (__u32 f = 0; f < count; f++)
			take_frame(worker, &frames[f]);
		xsk_release(worker->sockets[i]);
		sum += count;
	}
	worker->frames_received += sum;
	return sum;
}

/* Frames of another thread's, whole; what the ring has no room for stays. */
static void send_outbox(struct worker *worker)
{
	__u32 bytes;

	for (;;) {
		const __u8 *frame = outbox_first(worker->outbox, &bytes);
		__u8 *chunk = frame ? xsk_frame(worker->sockets[0]) : NULL;

		worker->no_room |= frame && !chunk;
		if (!chunk)
			return;
		memcpy(chunk, frame, bytes);
		xsk_send(worker->sockets[0], 0, bytes);
		worker->frames_sent++;
		outbox_drop(worker->outbox);
	}
}

__u32 worker_turn(struct worker *worker)
{
	__u32 received;

	worker->now_ns = system_monotonic_ns();
	worker->tcp_now_ns = running_clock_turn(&worker->clock, worker->now_ns);
	worker->no_room = false;
	received = receive(worker);
	tcp_work(worker->tcp, worker->tcp_now_ns);
	if (worker->outbox)
		send_outbox(worker);
	send_all(worker);
	return received;
}

static __u64 earlier(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

/* A TCP that waits for room in the ring is due at once: the device is given time to make some. */
static __u64 sleep_ns(const struct worker *worker, __u64 most_ns)
{
	__u64 tcp_next = running_clock_to_monotonic(&worker->clock, tcp_next_ns(worker->tcp));
	__u64 until_ns = earlier(tcp_next, records_next_ns(worker->records));
	__u64 now_ns = system_monotonic_ns();

	if (worker->busy_poll)
		return 0;
	if (worker->is_busy || worker->no_room)
		return BUSY_WAIT_NS;
	return until_ns <= now_ns ? 0 : earlier(until_ns - now_ns, most_ns);
}

void worker_wait(struct worker *worker, struct pollfd *others, nfds_t count, __u64 most_ns)
{
	struct pollfd descriptors[WORKER_OTHERS_MAX + 2 + WORKER_QUEUES_MAX];
	__u64 ns = sleep_ns(worker, most_ns);
	const struct timespec timeout = { .tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC };
	nfds_t used = count;

	running_clock_rest(&worker->clock, ns);
	memcpy(descriptors, others, count * sizeof(*others));
	descriptors[used++] = (struct pollfd){ .fd = link_fd(worker->link), .events = POLLIN };
	descriptors[used++] =
		(struct pollfd){ .fd = worker->outbox ? outbox_fd(worker->outbox) : -1, .events = POLLIN };
	for (__u32 i = 0; i < worker->socket_count; i++) {
		if (worker->busy_poll)
			xsk_poll(worker->sockets[i]);
		descriptors[used++] = (struct pollfd){ .fd = xsk_fd(worker->sockets[i]), .events = POLLIN };
	}
	if (ppoll(descriptors, used, &timeout, NULL) <= 0) {
		for (nfds_t i = 0; i < count; i++)
			others[i].revents = 0;
		return;
	}
	memcpy(others, descriptors, count * sizeof(*others));
	if (descriptors[count].revents)
		link_follow(worker->link);
	if (descriptors[count + 1].revents)
		outbox_quiet(worker->outbox);
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

static int explain_socket(const struct worker_options *options, __u32 queue, __u32 mtu, int err, char *error,
			  size_t size)
{
	const char *device = options->device->name;

	if (err == -EBUSY)
		snprintf(error, size,
			 "receive queue %u of %s is taken by an AF_XDP socket of another process; is `synkeep run` at "
			 "work "
			 "there already?",
			 queue, device);
	else if (err == -EMSGSIZE)
		snprintf(error, size, "the MTU of %s is %u, and AF_XDP takes at most %u: `ip link set %s mtu %u`",
			 device, mtu, xsk_mtu_max(), device, xsk_mtu_max());
	else if (err == -ENOMEM || err == -ENOBUFS)
		snprintf(error, size, "no memory for the frames of receive queue %u: a smaller --ring needs less",
			 queue);
	else
		snprintf(error, size, "no AF_XDP socket for receive queue %u of %s: %s", queue, device, strerror(-err));
	return err;
}

static int open_socket(const struct xsk_options *options, struct xsk **out)
{
	int err = xsk_open(options, out);

	for (int i = 0; i < BUSY_TRIES && err == -EBUSY; i++) {
		usleep(BUSY_PAUSE_US);
		err = xsk_open(options, out);
	}
	return err;
}

static int open_sockets(struct worker *worker, const struct worker_options *options, char *error, size_t size)
{
	struct xsk_options xsk_options = {
		.device = options->device->name,
		.ring = options->ring,
		.mtu = link_mtu(worker->link),
		.copy = options->device->config.xdp_mode == DEVICE_XDP_GENERIC,
		.busy_poll = options->busy_poll,
	};

	worker->mtu_max = xsk_frame_bytes_max(xsk_options.mtu) - PACKET_IP_OFFSET_MAX;
	for (__u32 i = 0; i < options->queue_count; i++) {
		int err;

		xsk_options.queue = options->queue + i;
		err = open_socket(&xsk_options, &worker->sockets[i]);
		if (err)
			return explain_socket(options, xsk_options.queue, xsk_options.mtu, err, error, size);
		worker->socket_count++;
	}
	return 0;
}

static int make_parts(struct worker *worker, const struct worker_options *options)
{
	const struct records_maps maps = { worker, update_map, erase_from_map };
	struct siphash_key keys[2];
	struct tcp_config config = {
		.rim = { worker, rim_frame, rim_send, rim_mtu, rim_report, rim_advise, rim_changed },
		.msl_ns = options->msl_ns,
		.time_wait_ns = TIME_WAIT_NS,
		.connections_max = options->connections_max,
		.syn_received_max = options->syn_received_max,
		.time_wait_max = options->time_wait_max,
		.account = &worker->memory,
	};

	worker->release_fd = release_open(options->device);
	if (worker->release_fd < 0)
		return worker->release_fd;
	worker->tell = tell_open(options->device);
	if (!worker->tell || getrandom(keys, sizeof(keys), 0) != sizeof(keys))
		return -errno;
	config.isn_key = keys[0];
	worker->now_ns = system_monotonic_ns();
	worker->tcp = tcp_new(&config, worker->now_ns);
	worker->records = records_new(&maps, &keys[1], options->syn_received_max);
	return worker->tcp && worker->records ? 0 : -ENOMEM;
}

int worker_open(const struct worker_options *options, struct worker **out, char *error, size_t size)
{
	struct worker *worker;
	int err;

	/* A device there may have its name, and its number, too. */
	if (options->device->config.netns_inode != system_netns_inode()) {
		snprintf(error, size, "%s is loaded in another network namespace: it is served from there",
			 options->device->name);
		return -ENODEV;
	}
	worker = calloc(1, sizeof(*worker));
	if (!worker) {
		snprintf(error, size, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	worker->device = options->device;
	worker->counts_flows = options->device->config.counts_flows;
	worker->release_fd = -1;
	worker->outbox = options->outbox;
	worker->first_queue = options->queue;
	worker->busy_poll = options->busy_poll;
	worker->memory.limit_bytes = options->memory_bytes;
	err = link_open(options->device->config.ifindex, &worker->paths, &worker->link);
	if (!err)
		err = make_parts(worker, options);
	if (err)
		snprintf(error, size, "a worker can not be set up: %s", strerror(-err));
	else
		err = open_sockets(worker, options, error, size);
	if (err) {
		worker_close(worker);
		return err;
	}
	*out = worker;
	return 0;
}

/* A socket that ends leaves the map by itself. */
void worker_close(struct worker *worker)
{
	if (!worker)
		return;
	tcp_free(worker->tcp);
	if (worker->records)
		records_flush(worker->records, worker->now_ns);
	if (worker->tell)
		tell_flush(worker->tell);
	if (worker->socket_count)
		xsk_flush(worker->sockets[0]);
	for (__u32 i = 0; i < worker->socket_count; i++)
		xsk_close(worker->sockets[i]);
	records_free(worker->records);
	tell_close(worker->tell);
	if (worker->release_fd >= 0)
		close(worker->release_fd);
	link_close(worker->link);
	free(worker);
}

int worker_begin(struct worker *worker)
{
	for (__u32 i = 0; i < worker->socket_count; i++) {
		__u32 queue = worker->first_queue + i;
		int fd = xsk_fd(worker->sockets[i]);

		if (bpf_map_update_elem(worker->device->xsks_fd, &queue, &fd, BPF_NOEXIST) < 0)
			return -errno;
	}
	return 0;
}

struct tcp *worker_tcp(struct worker *worker)
{
	return worker->tcp;
}

struct paths *worker_paths(struct worker *worker)
{
	return &worker->paths;
}

struct link *worker_link(struct worker *worker)
{
	return worker->link;
}

struct memory_account *worker_memory(struct worker *worker)
{
	return &worker->memory;
}

__u64 worker_now_ns(const struct worker *worker)
{
	return worker->now_ns;
}

bool worker_is_pressed(const struct worker *worker)
{
	return tcp_is_pressed(worker->tcp);
}

__u64 worker_tcp_now_ns(const struct worker *worker)
{
	return worker->tcp_now_ns;
}

void worker_tell(const struct worker *worker, struct worker_state *state)
{
	state->pid = getpid();
	state->queue = worker->first_queue;
	state->zero_copy = xsk_is_zero_copy(worker->sockets[0]);
	state->memory_bytes = worker->memory.used_bytes;
	state->frames_received = worker->frames_received;
	state->frames_sent = worker->frames_sent;
	state->stood_still = worker->clock.stood_still;
	state->to_unverified = worker->to_unverified;
	state->losses = worker->losses;
	state->records = *records_counters(worker->records);
	state->tcp = *tcp_counters(worker->tcp);
	xsk_statistics(worker->sockets[0], &state->xsk);
	state->alive_ns = worker->now_ns;
}
