// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "shield.h"
#include "sockets.h"
#include "synkeep.skel.h"

#define HINT_MARK 0x53796e6bU		      /* as in bpf/hint.bpf.h */
#define HANDOVER_MARK 0x53796e6bU	      /* as in bpf/handover.bpf.h */
#define TEST_ADVANCE_NS (3600 * NSEC_PER_SEC) /* the machine may have booted a minute ago; strangers need two */
#define CPUS_MAX 1024
#define METADATA_MAX_BYTES 252

struct config shield_config;
bool shield_takes_frags;

static struct synkeep *skeleton;
static int cpus, attached; /* the device that the programs are attached to */
static bool seen[VERDICT_COUNT];

static __u64 clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (__u64)t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

/* --- time and configuration --- */

/* Every CPU's clock is read anew at its next packet, and keys are derived again. */
static void clocks_forget(void)
{
	static const struct cpu_clock zeros[CPUS_MAX];
	__u32 zero = 0;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skeleton->maps.clocks), &zero, zeros, BPF_ANY), 0);
}

void shield_configure(void)
{
	static __u32 generation;
	__u32 zero = 0;

	shield_config.services_generation = ++generation;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skeleton->maps.config), &zero, &shield_config, BPF_ANY), 0);
	clocks_forget();
}

void shield_advance(__u64 ns)
{
	shield_config.test_advance_ns += ns;
	shield_configure();
}

void shield_set_cookie_time(__u64 ns)
{
	shield_config.cookie_time_offset_ns = clock_ns(CLOCK_TAI) + shield_config.test_advance_ns - ns;
	shield_configure();
}

__u64 shield_now_ns(void)
{
	static struct cpu_clock clocks[CPUS_MAX];
	__u32 zero = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.clocks), &zero, clocks), 0);
	return clocks[sched_getcpu()].now_ns;
}

__u32 shield_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u32)((now.tv_sec * NSEC_PER_SEC + now.tv_nsec + shield_config.test_advance_ns) / NSEC_PER_MSEC);
}

struct cookie_clock shield_cookie_clock(void)
{
	struct cookie_clock clock = {};

	cookie_clock_set(&clock, &shield_config.keys,
			 clock_ns(CLOCK_TAI) - shield_config.cookie_time_offset_ns + shield_config.test_advance_ns);
	return clock;
}

struct cookie_site shield_cookie_site(__u8 family)
{
	return (struct cookie_site){
		.mss = family == FAMILY_IPV4 ? SHIELD_MSS_IPV4 : SHIELD_MSS_IPV6,
		.rcv_wscale = SHIELD_RCV_WSCALE,
	};
}

void shield_set_metadata_missing(bool missing)
{
	skeleton->bss->metadata_missing = missing;
}

/* --- services and addresses --- */

struct tuple shield_tuple(__u8 family, __u16 local_port)
{
	struct tuple t = { .remote_port = REMOTE_PORT, .local_port = local_port, .family = family };

	if (family == FAMILY_IPV4) {
		t.remote[0] = net32(0xc6336407); /* 198.51.100.7 */
		t.local[0] = net32(0x0a090001);	 /* 10.9.0.1 */
		return t;
	}
	t.remote[0] = net32(0x20010db8); /* 2001:db8::7 */
	t.remote[3] = net32(7);
	t.local[0] = net32(0xfd090000); /* fd09::1 */
	t.local[3] = net32(1);
	return t;
}

static int *listener_of(__u8 family, __u16 port)
{
	static int listeners[2][PORT_AUTO - PORT_ALWAYS + 1];

	return &listeners[family == FAMILY_IPV6][port - PORT_ALWAYS];
}

static struct service_key service_key(__u8 family, __u16 port, bool any_address)
{
	struct service_key key = { .port = port, .family = family };
	struct tuple t = shield_tuple(family, port);

	if (!any_address)
		memcpy(key.address, t.local, sizeof(key.address));
	return key;
}

/* Each service has one of its own. */
static __u32 sentry_index(__u8 family, __u16 port)
{
	const __u32 half = SYNKEEP_SERVICES_MAX / 2;

	return (__u32)(port - PORT_ALWAYS) % half + (family == FAMILY_IPV6 ? half : 0); /* port 0 is any */
}

struct sentry shield_sentry(__u8 family, __u16 port)
{
	__u32 index = sentry_index(family, port);
	struct sentry s;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.sentries), &index, &s), 0);
	return s;
}

struct journal_event shield_last_event(void)
{
	static struct journal journal;
	__u32 zero = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.journal), &zero, &journal), 0);
	return journal.events[journal.last % JOURNAL_EVENTS];
}

static void put_port_kinds(__u16 port, __u8 kinds)
{
	__u32 index = port;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skeleton->maps.ports), &index, &kinds, BPF_ANY), 0);
	shield_configure();
}

void shield_put_service(__u8 family, __u16 port, bool any_address, enum service_policy policy, __u64 retired_ns)
{
	struct service_key key = service_key(family, port, any_address);
	const struct service service = {
		.policy = policy,
		.owner = FLOW_OWNER_KERNEL,
		.sentry = sentry_index(family, port),
		.half_open = SHIELD_HALF_OPEN,
		.retired_ns = retired_ns,
	};

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skeleton->maps.services), &key, &service, BPF_ANY), 0);
	put_port_kinds(port, PORT_EXACT | PORT_ANY_ADDRESS); /* one kind too many costs a look-up */
}

void shield_put_daemon_service(__u8 family, __u16 port, bool any_address, enum service_policy policy,
			       enum service_gone gone)
{
	const struct service service = {
		.policy = policy,
		.owner = FLOW_OWNER_DAEMON,
		.gone = gone,
		.sentry = sentry_index(family, port),
		.half_open = SHIELD_HALF_OPEN,
	};
	struct service_key key = service_key(family, port, any_address);

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skeleton->maps.services), &key, &service, BPF_ANY), 0);
	put_port_kinds(port, PORT_EXACT | PORT_ANY_ADDRESS | PORT_DAEMON);
}

void shield_put_daemon_port(__u16 port, bool is_daemons)
{
	__u32 index = port;
	__u8 kinds;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.ports), &index, &kinds), 0);
	put_port_kinds(port, is_daemons ? kinds | PORT_DAEMON : kinds & ~PORT_DAEMON);
}

/* The map takes a socket that is bound to nothing, and a test run sends no frame to it. */
void shield_put_daemon(bool is_here)
{
	int xsks = bpf_map__fd(skeleton->maps.xsks);
	static int socket_fd = -1;
	__u32 queue = 0;

	if (socket_fd < 0)
		socket_fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(socket_fd >= 0);
	if (is_here)
		assert_int_equal(bpf_map_update_elem(xsks, &queue, &socket_fd, BPF_ANY), 0);
	else
		bpf_map_delete_elem(xsks, &queue);
}

/* A service for this host's address, to be changed. */
static struct service service_read(__u8 family, __u16 port)
{
	struct service_key key = service_key(family, port, false);
	struct service service;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.services), &key, &service), 0);
	return service;
}

static void service_write(__u8 family, __u16 port, const struct service *service)
{
	struct service_key key = service_key(family, port, false);

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skeleton->maps.services), &key, service, BPF_EXIST), 0);
	shield_configure();
}

void shield_know_sockets(__u8 family, __u16 port, bool known)
{
	struct service service = service_read(family, port);

	service.sockets_known = known;
	service_write(family, port, &service);
}

void shield_pass_signed(__u8 family, __u16 port, bool pass)
{
	struct service service = service_read(family, port);

	service.passes_signed = pass;
	service_write(family, port, &service);
}

void shield_set_keepalive(__u8 family, __u16 port, const struct keepalive *keepalive)
{
	struct service service = service_read(family, port);

	service.keepalive = *keepalive;
	service_write(family, port, &service);
}

void shield_set_limits(__u16 port, const struct source_limits *limits, __u32 flows_max)
{
	static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct service service = service_read(families[i], port);

		service.limits = *limits;
		service.flows_max = flows_max;
		shield_config.counts_flows = true;
		service_write(families[i], port, &service);
	}
}

/* Of all services. */
static void forget_limits(void)
{
	static const struct source_limits none;
	int fd = bpf_map__fd(skeleton->maps.services);
	struct service_key key, *previous = NULL;
	struct service service;

	for (; !bpf_map_get_next_key(fd, previous, &key); previous = &key) {
		assert_int_equal(bpf_map_lookup_elem(fd, &key, &service), 0);
		if (!memcmp(&service.limits, &none, sizeof(none)) && !service.flows_max)
			continue; /* what is written changes its place in the order */
		service.limits = none;
		service.flows_max = 0;
		assert_int_equal(bpf_map_update_elem(fd, &key, &service, BPF_EXIST), 0);
	}
}

void shield_set_msl(__u8 family, __u16 port, __u32 msl_ms)
{
	struct service service = service_read(family, port);

	service.msl_ms = msl_ms;
	service_write(family, port, &service);
}

void shield_track_outgoing(bool tracked)
{
	__u8 kinds = tracked ? PORT_OUTGOING : 0;
	__u32 any = 0;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skeleton->maps.ports), &any, &kinds, BPF_ANY), 0);
}

void shield_delete_service(__u8 family, __u16 port, bool any_address)
{
	struct service_key key = service_key(family, port, any_address);

	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(skeleton->maps.services), &key), 0);
	shield_configure();
}

void shield_monitor(__u8 family, __u16 port, bool any_address)
{
	static const struct monitored zeros[CPUS_MAX];
	struct service_key key = service_key(family, port, any_address);
	int services = bpf_map__fd(skeleton->maps.services);
	struct service service;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skeleton->maps.monitored), &key, zeros, BPF_ANY), 0);
	assert_int_equal(bpf_map_lookup_elem(services, &key, &service), 0);
	service.policy = POLICY_MONITOR;
	assert_int_equal(bpf_map_update_elem(services, &key, &service, BPF_EXIST), 0);
	shield_configure();
}

struct monitored shield_monitored(__u8 family, __u16 port, bool any_address)
{
	static struct monitored of_cpus[CPUS_MAX];
	struct service_key key = service_key(family, port, any_address);
	struct monitored sum = {};

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.monitored), &key, of_cpus), 0);
	for (int cpu = 0; cpu < cpus; cpu++) {
		for (int v = 0; v < VERDICT_COUNT; v++)
			sum.verdicts[v] += of_cpus[cpu].verdicts[v];
		for (int loss = 0; loss < LOSS_COUNT; loss++)
			sum.losses[loss] += of_cpus[cpu].losses[loss];
	}
	return sum;
}

/* --- records --- */

int shield_map(const char *name)
{
	return bpf_object__find_map_fd_by_name(skeleton->obj, name);
}

int shield_program(const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(skeleton->obj, name));
}

static int map_of(struct bpf_map *map4, struct bpf_map *map6, __u8 family)
{
	return bpf_map__fd(family == FAMILY_IPV4 ? map4 : map6);
}

static const void *key_of(const struct tuple *t)
{
	static union {
		struct flow4_key key4;
		struct flow6_key key6;
	} key;

	if (t->family == FAMILY_IPV4)
		flow4_key_from_tuple(&key.key4, t);
	else
		flow6_key_from_tuple(&key.key6, t);
	return &key;
}

bool shield_flow(const struct tuple *t, struct flow *f)
{
	return !bpf_map_lookup_elem(map_of(skeleton->maps.flows4, skeleton->maps.flows6, t->family), key_of(t), f);
}

bool shield_half_open(const struct tuple *t, struct half_open *h)
{
	return !bpf_map_lookup_elem(map_of(skeleton->maps.half4, skeleton->maps.half6, t->family), key_of(t), h);
}

bool shield_ended(const struct tuple *t, struct ended *e)
{
	return !bpf_map_lookup_elem(map_of(skeleton->maps.tw4, skeleton->maps.tw6, t->family), key_of(t), e);
}

void shield_put_half_open(const struct tuple *t, const struct half_open *h)
{
	int map = map_of(skeleton->maps.half4, skeleton->maps.half6, t->family);

	assert_int_equal(bpf_map_update_elem(map, key_of(t), h, BPF_ANY), 0);
}

void shield_put_ended(const struct tuple *t, const struct ended *e)
{
	int map = map_of(skeleton->maps.tw4, skeleton->maps.tw6, t->family);

	assert_int_equal(bpf_map_update_elem(map, key_of(t), e, BPF_ANY), 0);
}

void shield_put_flow(const struct tuple *t, const struct flow *f)
{
	int map = map_of(skeleton->maps.flows4, skeleton->maps.flows6, t->family);

	assert_int_equal(bpf_map_update_elem(map, key_of(t), f, BPF_ANY), 0);
}

int shield_fill_flows(void)
{
	struct flow f = { .state = TCPS_ESTABLISHED, .deadline_ns = ~0ULL };
	struct tuple t = shield_tuple(FAMILY_IPV4, PORT_ALWAYS);
	int filled = 0, map = bpf_map__fd(skeleton->maps.flows4);

	for (t.remote_port = 1; t.remote_port < 2 * SHIELD_FLOWS; t.remote_port++)
		filled += !bpf_map_update_elem(map, key_of(&t), &f, BPF_ANY);
	return filled;
}

static void map_clear(const struct bpf_map *map)
{
	struct flow6_key key; /* the longest */

	while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, &key))
		bpf_map_delete_elem(bpf_map__fd(map), &key);
}

void shield_clear_flows(void)
{
	map_clear(skeleton->maps.flows4);
}

/* All elements of an array are zeros again, on all CPUs. */
static void array_clear(const struct bpf_map *map)
{
	size_t bytes = (bpf_map__value_size(map) + 7) / 8 * 8;
	void *zeros = calloc(bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY ? cpus : 1, bytes);

	assert_non_null(zeros);
	for (__u32 i = 0; i < bpf_map__max_entries(map); i++)
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), &i, zeros, BPF_ANY), 0);
	free(zeros);
}

void shield_start_sweep(void)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.sweep_start), &run), 0);
	assert_int_equal(run.retval, 0);
}

void shield_rest_sweep(__u64 until_ns)
{
	skeleton->bss->sweep_due_ns = until_ns;
}

void shield_share_maps(struct bpf_object *other)
{
	struct bpf_map *map, *ours;

	bpf_object__for_each_map (map, other) {
		ours = bpf_object__find_map_by_name(skeleton->obj, bpf_map__name(map));
		if (ours && !bpf_map__is_internal(map))
			assert_int_equal(bpf_map__reuse_fd(map, bpf_map__fd(ours)), 0);
	}
}

/* --- counters and verdicts --- */

struct totals {
	struct verdict_counter of[VERDICT_COUNT];
};

static void totals_read(struct totals *totals)
{
	static struct verdict_counter values[VERDICT_COUNT * CPUS_MAX];
	__u32 keys[VERDICT_COUNT], count = VERDICT_COUNT, batch;
	int err = bpf_map_lookup_batch(bpf_map__fd(skeleton->maps.counters), NULL, &batch, keys, values, &count, NULL);

	assert_true(!err || errno == ENOENT);
	assert_int_equal(count, VERDICT_COUNT);
	memset(totals, 0, sizeof(*totals));
	for (int v = 0; v < VERDICT_COUNT; v++) {
		for (int cpu = 0; cpu < cpus; cpu++) {
			totals->of[v].packets += values[v * cpus + cpu].packets;
			totals->of[v].bytes += values[v * cpus + cpu].bytes;
		}
		seen[v] |= totals->of[v].packets > 0;
	}
}

/* A packet's own verdict counts its bytes; of what is only noted beside it an answer counts what it is. */
static void totals_compare(const struct totals *before, const struct totals *after, struct outcome *o, __u32 bytes)
{
	o->verdict = VERDICT_COUNT;
	for (int v = 0; v < VERDICT_COUNT; v++) {
		__u64 packets = after->of[v].packets - before->of[v].packets, counted;

		if (!packets)
			continue;
		counted = after->of[v].bytes - before->of[v].bytes;
		if (v == V_SYN_ANSWER)
			assert_int_equal(counted, verdict_bytes(o->frame.length));
		if (v == V_SYN_ANSWER || !counted) {
			o->noted[v] = true;
			continue;
		}
		assert_int_equal(packets, 1);
		assert_int_equal(counted, verdict_bytes(bytes));
		assert_int_equal(o->verdict, VERDICT_COUNT); /* one verdict a packet */
		o->verdict = v;
	}
}

bool shield_saw(enum verdict verdict)
{
	struct totals totals;

	totals_read(&totals);
	return seen[verdict];
}

__u64 shield_count(enum verdict verdict)
{
	struct totals totals;

	totals_read(&totals);
	return totals.of[verdict].packets;
}

bool shield_counts_to(enum verdict verdict, __u64 count)
{
	const struct timespec pause = { .tv_nsec = NSEC_PER_MSEC };

	for (int ms = 0; ms < 1000 && shield_count(verdict) < count; ms++)
		nanosleep(&pause, NULL);
	return shield_count(verdict) == count;
}

const char *shield_verdict_name(enum verdict verdict)
{
	return verdict < VERDICT_COUNT ? verdict_info(verdict)->name : "no verdict";
}

/* --- packets in, packets out --- */

static int xdp_action(enum verdict verdict)
{
	switch (verdict_action(verdict)) {
	case VERDICT_TX:
		return XDP_TX;
	case VERDICT_DROP:
		return XDP_DROP;
	case VERDICT_REDIRECT:
		return XDP_REDIRECT;
	default:
		return XDP_PASS;
	}
}

/* The metadata, if any, is before the frame: meta_bytes long. */
static void hint_read(struct outcome *o, const __u8 *meta, __u32 meta_bytes)
{
	__u32 words[2];

	if (o->action == XDP_REDIRECT) {
		assert_int_equal(meta_bytes, sizeof(o->daemon));
		memcpy(&o->daemon, meta, sizeof(o->daemon));
		assert_int_equal(o->daemon.mark, DAEMON_MARK);
		return;
	}
	if (o->action != XDP_PASS || !meta_bytes)
		return;
	assert_int_equal(meta_bytes, sizeof(words));
	memcpy(words, meta, sizeof(words));
	assert_int_equal(words[0], HINT_MARK);
	o->hint = words[1];
}

/* What is passed or redirected is so byte for byte. */
static struct outcome run_xdp(const struct frame *f, __u32 first_buffer, __u32 meta_bytes)
{
	static __u8 input[METADATA_MAX_BYTES + FRAME_MAX_BYTES], buffer[FRAME_MAX_BYTES + 256];
	struct xdp_md in = { .data = meta_bytes, .data_end = meta_bytes + first_buffer }, out = {};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = input, .data_size_in = meta_bytes + f->length,
		    .data_out = buffer, .data_size_out = sizeof(buffer), .ctx_in = &in, .ctx_size_in = sizeof(in),
		    .ctx_out = &out, .ctx_size_out = sizeof(out));
	struct outcome o = { .verdict = VERDICT_COUNT };

	memcpy(input + meta_bytes, f->bytes, f->length);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.xdp_ingress), &run), 0);
	o.action = run.retval;
	hint_read(&o, buffer, out.data);
	o.frame.length = run.data_size_out - out.data;
	memcpy(o.frame.bytes, buffer + out.data, o.frame.length);
	if (o.action == XDP_PASS || o.action == XDP_REDIRECT) {
		assert_int_equal(o.frame.length, f->length);
		assert_memory_equal(o.frame.bytes, f->bytes, f->length);
	}
	return o;
}

struct outcome shield_receive_uncounted(const struct frame *f)
{
	return run_xdp(f, f->length, 0);
}

static struct outcome receive(const struct frame *f, __u32 first_buffer, __u32 meta_bytes)
{
	struct totals before, after;
	struct outcome o;

	totals_read(&before);
	o = run_xdp(f, first_buffer, meta_bytes);
	totals_read(&after);
	totals_compare(&before, &after, &o, f->length);
	assert_int_not_equal(o.verdict, VERDICT_COUNT);
	assert_int_equal(o.action, xdp_action(o.verdict));
	return o;
}

struct outcome shield_receive_in_buffers(const struct frame *f, __u32 first_buffer)
{
	return receive(f, first_buffer, 0);
}

struct outcome shield_receive_behind_metadata(const struct frame *f, __u32 meta_bytes)
{
	return receive(f, f->length, meta_bytes);
}

struct outcome shield_receive(const struct frame *f)
{
	return receive(f, f->length, 0);
}

struct outcome shield_receive_packet(const struct packet_spec *spec)
{
	struct frame f;

	packet_build(&f, spec);
	return shield_receive(&f);
}

/* TC programs change no byte, whatever they decide. */
static struct outcome run_tc_uncounted(const struct bpf_program *program, const struct frame *f, struct __sk_buff *in)
{
	static __u8 buffer[FRAME_MAX_BYTES];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = f->bytes, .data_size_in = f->length, .data_out = buffer,
		    .data_size_out = sizeof(buffer), .ctx_in = in, .ctx_size_in = in ? sizeof(*in) : 0);
	struct outcome o = { .verdict = VERDICT_COUNT };

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &run), 0);
	o.action = (int)run.retval;
	assert_int_equal(run.data_size_out, f->length);
	assert_memory_equal(buffer, f->bytes, f->length);
	memcpy(&o.frame, f, sizeof(o.frame));
	return o;
}

static struct outcome run_tc(const struct bpf_program *program, const struct frame *f, struct __sk_buff *in)
{
	struct totals before, after;
	struct outcome o;

	totals_read(&before);
	o = run_tc_uncounted(program, f, in);
	totals_read(&after);
	totals_compare(&before, &after, &o, f->length);
	return o;
}

struct outcome shield_send_uncounted(const struct frame *f)
{
	return run_tc_uncounted(skeleton->progs.tc_egress, f, NULL);
}

struct outcome shield_send(const struct frame *f)
{
	return run_tc(skeleton->progs.tc_egress, f, NULL);
}

struct outcome shield_send_gso(const struct frame *f, __u32 segments)
{
	struct __sk_buff in = { .gso_segs = segments };

	return run_tc(skeleton->progs.tc_egress, f, &in);
}

struct outcome shield_hand_over(const struct frame *f)
{
	return run_tc(skeleton->progs.tc_ingress, f, NULL);
}

struct outcome shield_hand_over_merged(const struct frame *f, __u32 segment_bytes)
{
	struct __sk_buff in = { .gso_size = segment_bytes };

	return run_tc(skeleton->progs.tc_ingress, f, &in);
}

struct outcome shield_hand_over_again(const struct frame *f)
{
	struct __sk_buff in = { .mark = HANDOVER_MARK };

	return run_tc(skeleton->progs.tc_ingress, f, &in);
}

static void repeat(const struct bpf_program *program, const struct frame *f, __u32 times)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = f->bytes, .data_size_in = f->length, .repeat = times);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &run), 0);
}

void shield_repeat(const struct frame *received, const struct frame *sent, __u32 times)
{
	repeat(skeleton->progs.xdp_ingress, received, times);
	repeat(skeleton->progs.tc_egress, sent, times);
}

/* --- attached to a device --- */

static struct bpf_tc_hook tc_hook(enum bpf_tc_attach_point point)
{
	return (struct bpf_tc_hook){ .sz = sizeof(struct bpf_tc_hook), .ifindex = attached, .attach_point = point };
}

static void tc_attach(enum bpf_tc_attach_point point, const struct bpf_program *program)
{
	struct bpf_tc_hook hook = tc_hook(point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(program));

	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
}

void shield_attach(const char *device)
{
	int xdp = bpf_program__fd(skeleton->progs.xdp_ingress);
	struct bpf_tc_hook both;

	attached = if_nametoindex(device);
	both = tc_hook(BPF_TC_INGRESS | BPF_TC_EGRESS);
	assert_int_equal(bpf_tc_hook_create(&both), 0);
	tc_attach(BPF_TC_INGRESS, skeleton->progs.tc_ingress);
	tc_attach(BPF_TC_EGRESS, skeleton->progs.tc_egress);
	assert_int_equal(bpf_xdp_attach(attached, xdp, XDP_FLAGS_SKB_MODE, NULL), 0);
}

void shield_detach(void)
{
	struct bpf_tc_hook both = tc_hook(BPF_TC_INGRESS | BPF_TC_EGRESS);

	bpf_xdp_detach(attached, XDP_FLAGS_SKB_MODE, NULL);
	bpf_tc_hook_destroy(&both);
}

/* --- set-up --- */

static void presence_write(__u64 word)
{
	static __u32 indices[3 * SHIELD_PRESENCE_WORDS];
	static __u64 words[3 * SHIELD_PRESENCE_WORDS];
	__u32 count = ARRAY_LEN(indices);

	for (__u32 i = 0; i < count; i++) {
		indices[i] = i;
		words[i] = word;
	}
	assert_int_equal(bpf_map_update_batch(bpf_map__fd(skeleton->maps.presence), indices, words, &count, NULL), 0);
}

void shield_fill_presence(void)
{
	presence_write(~0ULL);
}

void shield_count_anew(__u8 family, __u16 port)
{
	struct sentry s = shield_sentry(family, port);
	__u32 index = sentry_index(family, port);

	s.flows = 0;
	s.counted_since_s = (clock_ns(CLOCK_MONOTONIC) + shield_config.test_advance_ns) / NSEC_PER_SEC;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skeleton->maps.sentries), &index, &s, BPF_ANY), 0);
	map_clear(skeleton->maps.source_accounts);
}

static void forget_sources(void)
{
	__u32 zero = 0;

	bpf_map_delete_elem(bpf_map__fd(skeleton->maps.source_lists), &zero);
}

int shield_reset(void **state)
{
	(void)state;
	map_clear(skeleton->maps.flows4);
	map_clear(skeleton->maps.flows6);
	map_clear(skeleton->maps.half4);
	map_clear(skeleton->maps.half6);
	map_clear(skeleton->maps.tw4);
	map_clear(skeleton->maps.tw6);
	presence_write(0);
	array_clear(skeleton->maps.budgets);
	array_clear(skeleton->maps.local_ends);
	array_clear(skeleton->maps.sentries);
	array_clear(skeleton->maps.journal);
	shield_config = (struct config){
		.layout_version = SYNKEEP_LAYOUT_VERSION,
		.phase = DEVICE_ACTIVE,
		.rcv_wscale = SHIELD_RCV_WSCALE,
		.mss_ipv4 = SHIELD_MSS_IPV4,
		.mss_ipv6 = SHIELD_MSS_IPV6,
		.budget_per_second = SYNKEEP_BUDGET_DEFAULT,
		.protected_families = PROTECTED_IPV4 | PROTECTED_IPV6,
		.keys = { .master = { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL } },
		.loaded_at_ns = clock_ns(CLOCK_MONOTONIC),
		.msl_ns = SHIELD_MSL_NS,
		.test_advance_ns = TEST_ADVANCE_NS,
		.presence_words = SHIELD_PRESENCE_WORDS,
		.daemon_frame_bytes = SYNKEEP_DAEMON_FRAME_BYTES,
		.daemon_terms = { FLOW_WSCALE | FLOW_SACK | FLOW_TIMESTAMPS | FLOW_ECN, SHIELD_DAEMON_WINDOW,
				  SHIELD_DAEMON_RCV_WSCALE },
		.presence_key = { .words = { 2, 3, 5, 7, 11, 13, 17, 19, 23, 29 }, .odd = 0x9e3779b97f4a7c15ULL },
	};
	shield_set_cookie_time(SHIELD_EPOCH * COOKIE_EPOCH_NS + SHIELD_EPOCH_AGE_NS);
	shield_set_metadata_missing(false);
	skeleton->bss->flows_full_ns = 0;
	shield_track_outgoing(false);
	shield_put_daemon(true);
	shield_put_daemon_port(PORT_EPHEMERAL, false);
	forget_sources();
	forget_limits();
	map_clear(skeleton->maps.source_accounts);
	return 0;
}

static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

int shield_listener(__u8 family, __u16 port)
{
	return *listener_of(family, port);
}

static void listener_open(__u8 family, __u16 port)
{
	*listener_of(family, port) = sockets_listen(family, port);
}

static void services_add(void)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		shield_put_service(families[i], PORT_ALWAYS, false, POLICY_ALWAYS, 0);
		shield_put_service(families[i], PORT_OFF, false, POLICY_OFF, 0);
		shield_put_service(families[i], PORT_UNHEARD, false, POLICY_ALWAYS, 0);
		shield_put_service(families[i], PORT_MPTCP, false, POLICY_ALWAYS, 0);
		listener_open(families[i], PORT_ALWAYS);
		listener_open(families[i], PORT_OFF);
		listener_open(families[i], PORT_NO_SERVICE);
		shield_put_service(families[i], PORT_WILDCARD, true, POLICY_ALWAYS, 0);
		listener_open(families[i], PORT_WILDCARD);
		shield_put_service(families[i], PORT_MONITOR, false, POLICY_ALWAYS, 0);
		shield_monitor(families[i], PORT_MONITOR, false);
		listener_open(families[i], PORT_MONITOR);
		shield_put_service(families[i], PORT_AUTO, false, POLICY_AUTO, 0);
		listener_open(families[i], PORT_AUTO);
		shield_put_daemon_service(families[i], PORT_DAEMON_AUTO, false, POLICY_AUTO, GONE_DROP);
		shield_put_daemon_service(families[i], PORT_DAEMON_ALWAYS, false, POLICY_ALWAYS, GONE_DROP);
		shield_put_daemon_service(families[i], PORT_DAEMON_OFF, false, POLICY_OFF, GONE_DROP);
		shield_put_daemon_service(families[i], PORT_DAEMON_REFUSE, false, POLICY_ALWAYS, GONE_REFUSE);
		shield_put_daemon_service(families[i], PORT_DAEMON_WILDCARD, true, POLICY_ALWAYS, GONE_DROP);
	}
}

static int programs_load(void)
{
	skeleton = synkeep__open();
	if (!skeleton)
		return -errno;
	bpf_map__set_max_entries(skeleton->maps.flows4, SHIELD_FLOWS);
	bpf_map__set_max_entries(skeleton->maps.flows6, SHIELD_FLOWS);
	bpf_map__set_max_entries(skeleton->maps.half4, SHIELD_FLOWS);
	bpf_map__set_max_entries(skeleton->maps.half6, SHIELD_FLOWS);
	bpf_map__set_max_entries(skeleton->maps.tw4, SHIELD_FLOWS);
	bpf_map__set_max_entries(skeleton->maps.tw6, SHIELD_FLOWS);
	bpf_map__set_max_entries(skeleton->maps.presence, 3 * SHIELD_PRESENCE_WORDS);
	skeleton->rodata->ended_full_at = skeleton->rodata->half_full_at = config_ended_full_at(SHIELD_FLOWS, cpus);
	skeleton->rodata->flows_full_at = SHIELD_FLOWS;
	if (shield_takes_frags)
		bpf_program__set_flags(skeleton->progs.xdp_ingress, BPF_F_XDP_HAS_FRAGS);
	return synkeep__load(skeleton);
}

static int set_up(void **state)
{
	(void)state;
	services_add();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	synkeep__destroy(skeleton);
	return 0;
}

static int stay_on_one_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	return sched_setaffinity(0, sizeof(one), &one);
}

int shield_run_tests(const char *name, const struct CMUnitTest *tests, size_t count)
{
	int err;

	if (geteuid()) {
		fprintf(stderr, "%s: not run: loading programs needs root\n", name);
		return 1;
	}
	cpus = libbpf_num_possible_cpus();
	if (cpus < 1 || cpus > CPUS_MAX || stay_on_one_cpu() || sockets_make_namespace()) {
		fprintf(stderr, "%s: not run: no network namespace of its own: %s\n", name, strerror(errno));
		return 1;
	}
	err = programs_load();
	if (err) {
		fprintf(stderr, "%s: not run: the programs do not load: %s\n", name, strerror(-err));
		return 1;
	}
	return _cmocka_run_group_tests(name, tests, count, set_up, tear_down);
}
