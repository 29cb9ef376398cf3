/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ager's threads, and what its rounds ask of the rim. See ager.h.
 */
#include "daemon/ager.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/link.h"
#include "daemon/probe.h"
#include "daemon/rounds.h"
#include "daemon/scan_plan.h"
#include "daemon/standstill.h"
#include "daemon/upcoming.h"
#include "route.h"
#include "system.h"

#define LOOK_INTERVAL_NS (500 * NSEC_PER_MSEC) /* the ager sleeps no longer, to notice a standstill */

struct program_fds {
	int attend;
	int probe_flow;
	int probe_over;
};

struct ager {
	struct ager_options options;
	__u32 ifindex;
	struct program_fds programs;
	struct upcoming upcoming;
	struct agenda *agenda; /* the map's element: until_ns is the scanner's, the rest the ager's */
	struct state_map state_map;
	struct ager_state *state; /* its element: counters of scans are the scanner's, the others the ager's */
	struct pacer *pacer;
	struct rounds *rounds;
	int sock_diag_fd;
	struct link *link; /* the ager's */
	bool sent;	   /* frames in this batch */
	/* Between threads. */
	atomic_bool ends;
	_Atomic __u64 shortest_ns;
	_Atomic __u64 test_advance_ns;
	_Atomic __u64 wakes_ns;	 /* when the ager will have slept */
	_Atomic __u64 local_mac; /* as the bytes of a frame, then zeros */
	int scan_fd;		 /* eventfds: the scanner is to read at once */
	int wake_fd;		 /* something is due before wakes_ns */
	struct ager_terms terms; /* that it follows */
	pthread_t scanner;
	pthread_t thread;
	bool has_scanner;
	bool has_thread;
};

static __u64 clock_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (__u64)time.tv_sec * NSEC_PER_SEC + time.tv_nsec;
}

/* The time of the programs. */
static __u64 now_ns(const struct ager *ager)
{
	return system_monotonic_ns() + atomic_load_explicit(&ager->test_advance_ns, memory_order_relaxed);
}

static bool ends(const struct ager *ager)
{
	return atomic_load_explicit(&ager->ends, memory_order_relaxed);
}

/* Until the eventfd is rung. */
static void sleep_on(int fd, __u64 ns)
{
	const struct timespec timeout = { .tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC };
	struct pollfd rung = { .fd = fd, .events = POLLIN };
	eventfd_t count;

	if (ppoll(&rung, 1, &timeout, NULL) > 0)
		eventfd_read(fd, &count);
}

/* --- the scanner -------------------------------------------------------------------------------------------------- */

static bool take_upcoming(void *context, enum age_table table, __u8 family, const void *list, __u32 count)
{
	struct ager *ager = context;
	__u64 first_ns = rounds_add(ager->rounds, table, family, list, count, now_ns(ager));

	if (first_ns < atomic_load(&ager->wakes_ns))
		eventfd_write(ager->wake_fd, 1);
	return !ends(ager);
}

/* The device may have got another address. */
static void learn_mac(struct ager *ager)
{
	struct system_device device;
	__u64 mac = 0;

	if (system_device(ager->options.device->name, &device))
		return;
	memcpy(&mac, device.mac, sizeof(device.mac));
	atomic_store(&ager->local_mac, mac);
}

static void *scan(void *context)
{
	struct ager *ager = context;
	__u64 cpu_ns = 0, took_ns = 0;

	while (!ends(ager)) {
		__u64 period_ns = scan_plan_period_ns(atomic_load(&ager->shortest_ns), cpu_ns);
		__u64 begun_ns = now_ns(ager), begun_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

		learn_mac(ager);
		__atomic_store_n(&ager->agenda->until_ns, scan_plan_until_ns(begun_ns, period_ns, took_ns),
				 __ATOMIC_RELAXED);
		if (upcoming_read(&ager->upcoming, take_upcoming, ager))
			ager->state->scans_failed++;
		cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun_cpu_ns;
		took_ns = now_ns(ager) - begun_ns;
		ager->state->scans++;
		ager->state->scan_cpu_ns = cpu_ns;
		ager->state->period_ms = period_ns / NSEC_PER_MSEC;
		if (took_ns < period_ns)
			sleep_on(ager->scan_fd, period_ns - took_ns);
	}
	return NULL;
}

/* --- what the rounds ask for -------------------------------------------------------------------------------------- */

static int attend(void *context, struct agenda *agenda)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	const struct ager *ager = context;

	(void)agenda; /* the program has it */
	if (bpf_prog_test_run_opts(ager->programs.attend, &options) < 0)
		return -errno;
	return options.retval ? -EIO : 0;
}

static void set_key(struct flow6_key *key, const struct tuple *tuple)
{
	*key = (struct flow6_key){};
	if (tuple->family == FAMILY_IPV4)
		flow4_key_from_tuple((struct flow4_key *)key, tuple);
	else
		flow6_key_from_tuple(key, tuple);
}

/* Of a call that has what its program alone is asked. Whether it was done. */
static bool call(const struct ager *ager, int program_fd, const struct tuple *tuple, struct age_call *call)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = call, .ctx_size_in = sizeof(*call));

	call->family = tuple->family;
	call->resumed_ms = ager->agenda->resumed_ms;
	set_key(&call->key, tuple);
	if (bpf_prog_test_run_opts(program_fd, &options) < 0) {
		ager->state->failures++;
		return false;
	}
	return call->found;
}

static bool find_flow(const struct ager *ager, const struct tuple *tuple, struct flow *flow)
{
	struct flow6_key key;

	set_key(&key, tuple);
	return !bpf_map_lookup_elem(ager->options.device->flows_fd[tuple->family == FAMILY_IPV6], &key, flow);
}

static int make_probe(const struct ager *ager, const struct tuple *tuple, const struct flow *flow,
		      __u8 frame[OUTBOX_FRAME_BYTES])
{
	__u64 mac = atomic_load(&ager->local_mac);

	return probe_make(flow, tuple, (const __u8 *)&mac, now_ns(ager), frame, OUTBOX_FRAME_BYTES);
}

/*
 * The record has where the owner sent to last, which may be long ago, and a router that took another's place has
 * another MAC address: every second probe goes to where the kernel would send now. Not each, for its rules may ask for
 * more than the destination. What is behind a VLAN device the link does not know.
 */
static void renew_next_hop(const struct ager *ager, const struct tuple *tuple, struct flow *flow)
{
	struct route route;
	const __u8 *mac;

	if (ageing_probes(flow, ager->agenda->resumed_ms) % 2 || flow->vlan_tci)
		return;
	link_follow(ager->link);
	if (route_find(tuple->family, tuple->remote, (int)ager->ifindex, &route))
		return;
	mac = link_neighbour(ager->link, tuple->family, route.next_hop);
	if (mac)
		memcpy(flow->next_hop, mac, sizeof(flow->next_hop));
}

/* Nothing is counted in the record that can not be sent. */
static enum rounds_probe send_probe(void *context, const struct tuple *tuple, __u32 *out)
{
	struct ager *ager = context;
	__u8 frame[OUTBOX_FRAME_BYTES];
	struct age_call probe = {};
	struct flow flow;
	int bytes;

	if (!outbox_has_room(ager->options.outbox))
		return ROUNDS_PROBE_NO_ROOM;
	if (!find_flow(ager, tuple, &flow))
		return ROUNDS_PROBE_GONE;
	if (make_probe(ager, tuple, &flow, frame) < 0)
		return ROUNDS_PROBE_NO_PATH;
	if (!call(ager, ager->programs.probe_flow, tuple, &probe))
		return ROUNDS_PROBE_GONE;
	renew_next_hop(ager, tuple, &probe.flow);
	bytes = make_probe(ager, tuple, &probe.flow, frame);
	if (bytes < 0)
		return ROUNDS_PROBE_NO_PATH;
	outbox_put(ager->options.outbox, frame, bytes);
	ager->sent = true;
	*out = ageing_probes(&probe.flow, ager->agenda->resumed_ms);
	return ROUNDS_PROBE_SENT;
}

/*
 * A peer that spoke since the record was judged, which may be a batch of such questions ago, has cleared the probes.
 * Its answer may have stopped in XDP, and then the socket knows nothing of it.
 */
static enum sock_diag_answer close_socket(void *context, const struct tuple *tuple)
{
	const struct ager *ager = context;
	struct flow flow;
	__u32 silent_ms;

	if (!find_flow(ager, tuple, &flow))
		return SOCK_DIAG_NONE;
	if (!ageing_are_probes_out(flow.probes))
		return SOCK_DIAG_HEARD;
	silent_ms = (__u32)(now_ns(ager) / NSEC_PER_MSEC) - flow.rcv_seen_ms;
	return sock_diag_destroy_if_silent(ager->sock_diag_fd, tuple, ager->ifindex, silent_ms);
}

static void end_probes(void *context, const struct tuple *tuple, bool gone)
{
	const struct ager *ager = context;
	struct age_call over = { .gone = gone };

	call(ager, ager->programs.probe_over, tuple, &over);
}

/* --- the ager ----------------------------------------------------------------------------------------------------- */

static void look(struct ager *ager, struct standstill *standstill)
{
	__u64 boottime_ns = clock_ns(CLOCK_BOOTTIME);
	bool stood_still = standstill_look(standstill, boottime_ns, system_monotonic_ns());

	ager->state->standstills += stood_still;
	ager->agenda->resumed_ms = standstill_resumed_ms(ager->agenda->resumed_ms, stood_still, now_ns(ager));
}

static void tell(struct ager *ager)
{
	ager->state->waiting = rounds_waiting(ager->rounds);
	ager->state->alive_ns = system_monotonic_ns();
}

/* wakes_ns is set first, and what is due asked for then: what the scanner adds meanwhile is in one or rings. */
static void sleep_until_due(struct ager *ager, struct standstill *standstill)
{
	__u64 begun_ns = now_ns(ager), wakes_ns = begun_ns + LOOK_INTERVAL_NS, next_ns;

	atomic_store(&ager->wakes_ns, wakes_ns);
	next_ns = rounds_next_ns(ager->rounds);
	if (next_ns < wakes_ns)
		wakes_ns = next_ns;
	standstill_sleep(standstill, system_monotonic_ns() + LOOK_INTERVAL_NS);
	if (wakes_ns > begun_ns)
		sleep_on(ager->wake_fd, wakes_ns - begun_ns);
}

static void *age(void *context)
{
	struct ager *ager = context;
	__u64 boottime_ns = clock_ns(CLOCK_BOOTTIME);
	struct standstill standstill;

	standstill_begin(&standstill, boottime_ns, system_monotonic_ns());
	while (!ends(ager)) {
		bool any;

		look(ager, &standstill);
		any = rounds_batch(ager->rounds, now_ns(ager));
		if (ager->sent)
			outbox_ring(ager->options.outbox);
		ager->sent = false;
		tell(ager);
		if (!any)
			sleep_until_due(ager, &standstill);
	}
	return NULL;
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

static int open_program(const struct device *device, const char *name, int *fd)
{
	char path[DEVICE_PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", device->pin_dir, name);
	*fd = bpf_obj_get(path);
	return *fd < 0 ? -errno : 0;
}

static int open_programs(struct ager *ager)
{
	const struct device *device = ager->options.device;
	int err = upcoming_open(&ager->upcoming, device);

	if (!err)
		err = open_program(device, "attend", &ager->programs.attend);
	if (!err)
		err = open_program(device, "probe_flow", &ager->programs.probe_flow);
	if (!err)
		err = open_program(device, "probe_over", &ager->programs.probe_over);
	return err;
}

static size_t agenda_bytes(void)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (sizeof(struct agenda) + page - 1) & ~(page - 1);
}

static int map_agenda(struct ager *ager)
{
	void *mapped =
		mmap(NULL, agenda_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, ager->options.device->agenda_fd, 0);

	if (mapped == MAP_FAILED)
		return -errno;
	ager->agenda = mapped;
	return 0;
}

static int open_descriptors(struct ager *ager)
{
	ager->scan_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ager->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ager->scan_fd < 0 || ager->wake_fd < 0)
		return -errno;
	ager->sock_diag_fd = sock_diag_open();
	return ager->sock_diag_fd < 0 ? ager->sock_diag_fd : link_open((int)ager->ifindex, NULL, &ager->link);
}

/* Nobody knows what was answered before: it counts for nothing. */
static int make_parts(struct ager *ager)
{
	const struct rounds_rim rim = { ager, attend, send_probe, close_socket, end_probes };
	const struct ager_options *options = &ager->options;
	__u64 begun_ns = now_ns(ager);
	struct siphash_key key;

	if (getrandom(&key, sizeof(key), 0) != sizeof(key))
		return -errno;
	ager->agenda->resumed_ms = standstill_resumed_ms(0, true, begun_ns);
	ager->pacer = pacer_new(options->probes_per_second, options->probes_per_prefix, &key, begun_ns);
	ager->rounds = rounds_new(&rim, ager->agenda, ager->pacer, ager->state, begun_ns);
	return ager->pacer && ager->rounds ? 0 : -ENOMEM;
}

static void set_terms(struct ager *ager, const struct ager_terms *terms)
{
	ager->terms = *terms;
	atomic_store(&ager->shortest_ns, terms->shortest_ns);
	atomic_store(&ager->test_advance_ns, terms->test_advance_ns);
}

int ager_open(const struct ager_options *options, const struct ager_terms *terms, struct ager **out)
{
	struct ager *ager = calloc(1, sizeof(*ager));
	int err;

	if (!ager)
		return -ENOMEM;
	ager->options = *options;
	ager->ifindex = options->device->config.ifindex;
	ager->programs = (struct program_fds){ -1, -1, -1 };
	ager->scan_fd = ager->wake_fd = ager->sock_diag_fd = -1;
	set_terms(ager, terms);
	err = open_programs(ager);
	if (!err)
		err = map_agenda(ager);
	if (!err)
		err = open_descriptors(ager);
	if (!err)
		err = ager_state_make(options->device->pin_dir, &ager->state_map);
	ager->state = ager->state_map.elements;
	if (!err)
		err = make_parts(ager);
	if (err) {
		ager_close(ager);
		return err;
	}
	*out = ager;
	return 0;
}

int ager_start(struct ager *ager)
{
	int err = -pthread_create(&ager->thread, NULL, age, ager);

	ager->has_thread = !err;
	if (!err)
		err = -pthread_create(&ager->scanner, NULL, scan, ager);
	ager->has_scanner = !err;
	return err;
}

void ager_follow(struct ager *ager, const struct ager_terms *terms)
{
	if (!memcmp(terms, &ager->terms, sizeof(*terms)))
		return;
	set_terms(ager, terms);
	eventfd_write(ager->scan_fd, 1);
	eventfd_write(ager->wake_fd, 1);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void end_threads(struct ager *ager)
{
	atomic_store(&ager->ends, true);
	if (ager->has_scanner) {
		eventfd_write(ager->scan_fd, 1);
		pthread_join(ager->scanner, NULL);
	}
	if (ager->has_thread) {
		eventfd_write(ager->wake_fd, 1);
		pthread_join(ager->thread, NULL);
	}
}

void ager_close(struct ager *ager)
{
	if (!ager)
		return;
	end_threads(ager);
	rounds_free(ager->rounds);
	pacer_free(ager->pacer);
	if (ager->state)
		ager->state->alive_ns = 0;
	state_map_close(&ager->state_map);
	if (ager->agenda)
		munmap(ager->agenda, agenda_bytes());
	upcoming_close(&ager->upcoming);
	close_fd(ager->sock_diag_fd);
	link_close(ager->link);
	close_fd(ager->scan_fd);
	close_fd(ager->wake_fd);
	close_fd(ager->programs.attend);
	close_fd(ager->programs.probe_flow);
	close_fd(ager->programs.probe_over);
	free(ager);
}
