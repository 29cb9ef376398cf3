/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The daemon's threads. See daemon.h.
 *
 * The main thread looks after the device: when its services have changed, each worker gets the new list through a
 * mailbox, an atomic pointer that one side fills and the other empties. That is all that threads share.
 */
#include "daemon/daemon.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/ager.h"
#include "daemon/listeners.h"
#include "daemon/scan_plan.h"
#include "pins.h"
#include "service_table.h"
#include "system.h"

#define LOOK_INTERVAL_MS 100
#define TELL_INTERVAL_NS (100 * NSEC_PER_MSEC) /* while something happens */
#define ALIVE_INTERVAL_NS NSEC_PER_SEC	       /* while nothing does */
#define RELIEVE_INTERVAL_NS NSEC_PER_MSEC
#define WINDOW_SHIFT_MAX 14  /* RFC 7323, 2.3 */
#define MEMORY_SHARE 4	     /* one part of what is available, where nobody says how much */
#define SYN_RECEIVED_SHARE 4 /* one part of all connections may be handshakes without a cookie */

struct mail {
	int count;
	struct service_spec specs[];
};

struct serving {
	struct daemon *daemon;
	struct worker *worker;
	struct listeners *listeners;
	struct worker_state *state;
	__u64 told_ns;
	__u64 relieved_ns;
	int news_fd; /* an eventfd: there is mail, or an end */
	struct mail *_Atomic mailbox;
	struct mail *unfollowed; /* there was no memory for all of it: tried again */
	pthread_t thread;
	bool has_thread;
};

struct daemon {
	struct daemon_options options;
	struct device device;
	struct worker_states states;
	struct sentry *sentries;   /* the map; NULL: not yet */
	__u32 services_generation; /* of the mail that was sent */
	__u32 services;		   /* of its own */
	__u32 kernel_services;
	__u64 shortest_ns; /* that a record may live, by these services */
	struct outbox *outbox;
	struct ager *ager;
	atomic_bool ends;
	__u32 count;
	struct serving *serving;
};

/* --- a worker's thread -------------------------------------------------------------------------------------------- */

static void follow_services(struct serving *serving)
{
	struct mail *mail = atomic_exchange(&serving->mailbox, NULL);

	if (mail) {
		free(serving->unfollowed);
		serving->unfollowed = mail;
	}
	if (!serving->unfollowed ||
	    listeners_follow(serving->listeners, serving->unfollowed->specs, serving->unfollowed->count))
		return;
	free(serving->unfollowed);
	serving->unfollowed = NULL;
}

/* What is to be done now and then, however busy it is. */
static bool is_time_to_tell(struct serving *serving)
{
	__u64 now_ns = worker_now_ns(serving->worker);

	if (now_ns - serving->told_ns < TELL_INTERVAL_NS)
		return false;
	serving->told_ns = now_ns;
	worker_tell(serving->worker, serving->state);
	return true;
}

/* Soon enough that what goes well is never taken for a flood, and seldom enough to cost nothing. */
static void tell_sentries(struct serving *serving)
{
	const struct daemon *daemon = serving->daemon;
	__u64 now_ns = worker_now_ns(serving->worker);

	if (now_ns - serving->relieved_ns < RELIEVE_INTERVAL_NS)
		return;
	serving->relieved_ns = now_ns;
	now_ns += daemon->device.config.test_advance_ns;
	listeners_relieve(serving->listeners, daemon->sentries, now_ns);
	if (worker_is_pressed(serving->worker))
		listeners_press(serving->listeners, daemon->sentries, now_ns);
}

static void *serve(void *context)
{
	struct serving *serving = context;
	struct pollfd news = { .fd = serving->news_fd, .events = POLLIN };
	bool has_news = false;
	eventfd_t count;

	while (!atomic_load_explicit(&serving->daemon->ends, memory_order_relaxed)) {
		__u32 received = worker_turn(serving->worker);

		has_news |= received > 0;
		tell_sentries(serving);
		if (is_time_to_tell(serving))
			has_news = false;
		else if (received)
			continue;
		worker_wait(serving->worker, &news, 1, has_news ? TELL_INTERVAL_NS : ALIVE_INTERVAL_NS);
		if (news.revents)
			eventfd_read(serving->news_fd, &count);
		if (news.revents || serving->unfollowed)
			follow_services(serving);
	}
	return NULL;
}

/* --- services ----------------------------------------------------------------------------------------------------- */

static void post(struct serving *serving, const struct service_spec *specs, int count)
{
	struct mail *mail = malloc(sizeof(*mail) + count * sizeof(*specs));

	if (!mail)
		return;
	mail->count = count;
	memcpy(mail->specs, specs, count * sizeof(*specs));
	free(atomic_exchange(&serving->mailbox, mail)); /* what was there was not read, and is out of date */
	eventfd_write(serving->news_fd, 1);
}

static int post_services(struct daemon *daemon)
{
	struct service_spec *specs;
	int count = service_table_list(&daemon->device, &specs);

	if (count < 0)
		return count;
	daemon->services = 0;
	for (int i = 0; i < count; i++)
		daemon->services += specs[i].owner == FLOW_OWNER_DAEMON;
	daemon->kernel_services = count - daemon->services;
	daemon->shortest_ns = scan_plan_shortest_ns(daemon->device.config.msl_ns, specs, count);
	for (__u32 i = 0; i < daemon->count; i++)
		post(&daemon->serving[i], specs, count);
	free(specs);
	daemon->services_generation = daemon->device.config.services_generation;
	return 0;
}

/* --- the ager ----------------------------------------------------------------------------------------------------- */

static struct ager_terms ager_terms(const struct daemon *daemon)
{
	return (struct ager_terms){
		.shortest_ns = daemon->shortest_ns,
		.test_advance_ns = daemon->device.config.test_advance_ns,
		.services_generation = daemon->services_generation,
	};
}

static int start_ager(struct daemon *daemon, char *error, size_t size)
{
	const struct ager_options options = {
		.device = &daemon->device,
		.outbox = daemon->outbox,
		.probes_per_second = daemon->options.probes_per_second,
		.probes_per_prefix = daemon->options.probes_per_prefix,
	};
	const struct ager_terms terms = ager_terms(daemon);
	int err = ager_open(&options, &terms, &daemon->ager);

	if (!err)
		err = ager_start(daemon->ager);
	if (err == -ENOENT)
		snprintf(error, size,
			 "%s was loaded without the programs that age records: unload it, and load it anew",
			 daemon->device.name);
	else if (err)
		snprintf(error, size, "records can not be aged: %s", strerror(-err));
	return err;
}

/* --- what the programs are told ----------------------------------------------------------------------------------- */

static __u8 window_shift(__u32 buffer_bytes)
{
	__u8 shift = 0;

	while (shift < WINDOW_SHIFT_MAX && (65535U << shift) < buffer_bytes)
		shift++;
	return shift;
}

static struct daemon_terms terms_of(const struct tcp_settings *settings)
{
	return (struct daemon_terms){
		.flags = (settings->window_scaling ? FLOW_WSCALE : 0) | (settings->sack ? FLOW_SACK : 0) |
			 (settings->timestamps ? FLOW_TIMESTAMPS : 0) | (settings->ecn ? FLOW_ECN : 0),
		.window = settings->recv_buffer_bytes < 65535 ? settings->recv_buffer_bytes : 65535,
		.rcv_wscale = settings->window_scaling ? window_shift(settings->recv_buffer_bytes) : 0,
	};
}

/* The config belongs to who holds the lock of the pins. */
static int write_terms(struct daemon *daemon, __u32 mtu)
{
	int lock = pins_lock(daemon->device.pin_dir, false), err;

	if (lock < 0)
		return lock;
	err = device_check_pinned(&daemon->device);
	if (!err)
		err = device_config_read(&daemon->device);
	daemon->device.config.msl_ns = daemon->options.msl_ns;
	daemon->device.config.daemon_terms = terms_of(&daemon->options.settings);
	daemon->device.config.daemon_frame_bytes = xsk_frame_bytes_max(mtu);
	if (!err)
		err = device_config_write(&daemon->device);
	device_forget_key(&daemon->device);
	pins_unlock(lock);
	return err;
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

static int max_entries(int fd, __u32 *count)
{
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &length) < 0)
		return -errno;
	*count = info.max_entries;
	return 0;
}

static int set_defaults(struct daemon *daemon)
{
	struct daemon_options *options = &daemon->options;

	if (!options->msl_ns)
		options->msl_ns = daemon->device.config.msl_ns;
	if (!options->memory_bytes)
		options->memory_bytes = system_available_bytes() / MEMORY_SHARE;
	return options->connections ? 0 : max_entries(daemon->device.flows_fd[0], &options->connections);
}

static __u32 at_least(__u32 least, __u32 number)
{
	return number > least ? number : least;
}

/* Each worker has its share: nothing is shared between them. */
static int open_worker(struct daemon *daemon, struct serving *serving, __u32 queue, __u32 queues, char *error,
		       size_t size)
{
	const struct daemon_options *options = &daemon->options;
	__u32 connections = at_least(1, options->connections / queues);
	const struct worker_options worker_options = {
		.device = &daemon->device,
		.outbox = queue ? NULL : daemon->outbox,
		.queue = queue,
		.queue_count = 1,
		.ring = options->ring,
		.busy_poll = options->busy_poll,
		.msl_ns = options->msl_ns,
		.connections_max = connections,
		.syn_received_max = at_least(1, connections / SYN_RECEIVED_SHARE),
		.time_wait_max = connections,
		.memory_bytes = options->memory_bytes / queues,
	};
	int err;

	serving->daemon = daemon;
	serving->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (serving->news_fd < 0) {
		snprintf(error, size, "no descriptor for a worker: %s", strerror(errno));
		return -errno;
	}
	err = worker_open(&worker_options, &serving->worker, error, size);
	if (err)
		return err;
	serving->listeners =
		listeners_new(worker_tcp(serving->worker), worker_memory(serving->worker), &options->settings);
	if (serving->listeners)
		return 0;
	snprintf(error, size, "%s", strerror(ENOMEM));
	return -ENOMEM;
}

static int open_workers(struct daemon *daemon, char *error, size_t size)
{
	struct system_device system;
	__u32 queues = 0;
	int err;

	err = system_device(daemon->device.name, &system);
	if (!err && system.ifindex != (int)daemon->device.config.ifindex)
		err = -ENODEV;
	if (!err)
		err = max_entries(daemon->device.xsks_fd, &queues);
	if (!err)
		err = set_defaults(daemon);
	if (err) {
		snprintf(error, size, "%s is not in this network namespace, or can not be asked: %s",
			 daemon->device.name, strerror(-err));
		return err;
	}
	daemon->serving = calloc(queues, sizeof(*daemon->serving));
	err = daemon->serving ? outbox_open(&daemon->outbox) : -ENOMEM;
	if (err) {
		snprintf(error, size, "%s", strerror(-err));
		return err;
	}
	for (__u32 i = 0; i < queues && !err; i++) {
		daemon->count++;
		err = open_worker(daemon, &daemon->serving[i], i, queues, error, size);
	}
	if (err)
		return err;
	err = write_terms(daemon, system.mtu);
	if (err)
		snprintf(error, size, "the config can not be written: %s", strerror(-err));
	return err;
}

static int map_sentries(struct daemon *daemon)
{
	void *map = mmap(NULL, SYNKEEP_SERVICES_MAX * sizeof(struct sentry), PROT_READ | PROT_WRITE, MAP_SHARED,
			 daemon->device.sentries_fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	daemon->sentries = map;
	return 0;
}

int daemon_open(const struct daemon_options *options, struct daemon **out, char *error, size_t size)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	int err;

	if (!daemon) {
		snprintf(error, size, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	daemon->options = *options;
	err = device_open(options->pin_root, options->name, &daemon->device);
	if (err)
		device_explain(err, options->pin_root, options->name, error, size);
	else
		err = open_workers(daemon, error, size);
	if (!err) {
		err = map_sentries(daemon);
		if (err)
			snprintf(error, size, "the services' sentries can not be mapped: %s", strerror(-err));
	}
	if (err) {
		daemon_close(daemon);
		return err;
	}
	*out = daemon;
	return 0;
}

static int start_worker(struct serving *serving, struct worker_state *state)
{
	int err;

	serving->state = state;
	follow_services(serving);
	is_time_to_tell(serving);
	err = worker_begin(serving->worker);
	if (!err)
		err = -pthread_create(&serving->thread, NULL, serve, serving);
	serving->has_thread = !err;
	return err;
}

int daemon_start(struct daemon *daemon, struct daemon_summary *summary, char *error, size_t size)
{
	int err = worker_states_make(daemon->device.pin_dir, daemon->count, &daemon->states);

	if (!err)
		err = post_services(daemon);
	for (__u32 i = 0; i < daemon->count && !err; i++)
		err = start_worker(&daemon->serving[i], &daemon->states.list[i]);
	if (err == -EEXIST)
		snprintf(error, size, "another process serves %s already", daemon->device.name);
	else if (err)
		snprintf(error, size, "the workers can not be started: %s", strerror(-err));
	else
		err = start_ager(daemon, error, size);
	*summary = (struct daemon_summary){
		.workers = daemon->count,
		.services = daemon->services,
		.kernel_services = daemon->kernel_services,
		.connections = daemon->options.connections,
		.memory_bytes = daemon->options.memory_bytes,
	};
	for (__u32 i = 0; i < daemon->count && !err; i++)
		summary->zero_copy += daemon->states.list[i].zero_copy;
	return err;
}

/* Whether it is still there, and still loaded; its config is read anew. */
static int check_device(struct device *device)
{
	int err = device_check_pinned(device);

	if (!err && !system_device_exists((int)device->config.ifindex))
		err = -ENODEV;
	if (!err)
		err = device_config_read(device);
	device_forget_key(device);
	return err;
}

/* Without a descriptor or memory nothing can be looked at just now: no reason to end what is being served. */
static bool will_pass(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM;
}

int daemon_run(struct daemon *daemon, int stop_fd)
{
	struct pollfd stop = { .fd = stop_fd, .events = POLLIN };
	int err = 0;

	while (!err) {
		int ready = poll(&stop, 1, LOOK_INTERVAL_MS);

		if (ready > 0)
			return 0;
		err = check_device(&daemon->device);
		if (!err && daemon->device.config.services_generation != daemon->services_generation)
			err = post_services(daemon);
		if (!err) {
			const struct ager_terms terms = ager_terms(daemon);

			ager_follow(daemon->ager, &terms);
		}
		if (will_pass(err))
			err = 0;
	}
	return err;
}

static void end_worker(struct serving *serving)
{
	if (serving->has_thread) {
		eventfd_write(serving->news_fd, 1);
		pthread_join(serving->thread, NULL);
	}
	worker_close(serving->worker);
	listeners_free(serving->listeners);
	if (serving->state)
		serving->state->alive_ns = 0;
	free(atomic_exchange(&serving->mailbox, NULL));
	free(serving->unfollowed);
	if (serving->news_fd >= 0)
		close(serving->news_fd);
}

void daemon_close(struct daemon *daemon)
{
	if (!daemon)
		return;
	ager_close(daemon->ager);
	atomic_store(&daemon->ends, true);
	for (__u32 i = 0; i < daemon->count; i++)
		end_worker(&daemon->serving[i]);
	worker_states_close(&daemon->states);
	outbox_close(daemon->outbox);
	if (daemon->sentries)
		munmap(daemon->sentries, SYNKEEP_SERVICES_MAX * sizeof(struct sentry));
	free(daemon->serving);
	device_close(&daemon->device);
	free(daemon);
}
