/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A twin of a loaded device. See twin.h.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf_log.h"
#include "map_copy.h"
#include "synkeep.skel.h"
#include "system.h"
#include "twin.h"

#define LOG_LINES 8
#define RECORD_MAX_BYTES 256
#define LRU_SPARE_PER_CPU (2 * CONFIG_LRU_SPARE) /* with fewer slots an LRU hash evicts what has room */
#define ETH_HEADER_BYTES 14

/* What judges a packet, by the way that it goes. */
static const char *const programs[] = {
	[DIRECTION_RCV] = "xdp_ingress",
	[DIRECTION_SND] = "tc_egress",
};

/* How the twin gets a map. */
enum way {
	SHARED,	  /* the device's own: the program only reads it */
	COPIED,	  /* all elements, when the twin is made */
	OF_TUPLE, /* the tuple's element of the pair's map of its family: see twin_copy() */
	ZEROED,	  /* the same keys, nothing counted yet */
	OWN,	  /* empty: what the program derives anew, or only writes */
};

/*
 * Every map of the programs, a line each. One that is not here keeps the twin from being made, and a unit test from
 * passing.
 */
#define WAYS(X)                                                                                                        \
	X(config, SHARED)                                                                                              \
	X(services, SHARED)                                                                                            \
	X(ports, SHARED)                                                                                               \
	X(xsks, SHARED)                                                                                                \
	X(source_lists, SHARED)                                                                                        \
	X(source_filter, SHARED)                                                                                       \
	X(sentries, COPIED)                                                                                            \
	X(presence, COPIED)                                                                                            \
	X(budgets, COPIED)                                                                                             \
	X(source_accounts, COPIED)                                                                                     \
	X(prefix_budgets, COPIED)                                                                                      \
	X(flows4, OF_TUPLE)                                                                                            \
	X(flows6, OF_TUPLE)                                                                                            \
	X(half4, OF_TUPLE)                                                                                             \
	X(half6, OF_TUPLE)                                                                                             \
	X(tw4, OF_TUPLE)                                                                                               \
	X(tw6, OF_TUPLE)                                                                                               \
	X(monitored, ZEROED)                                                                                           \
	X(counters, OWN)                                                                                               \
	X(clocks, OWN)                                                                                                 \
	X(packets, OWN)                                                                                                \
	X(new_flows, OWN)                                                                                              \
	X(local_ends, OWN)                                                                                             \
	X(journal, OWN)                                                                                                \
	X(agenda, OWN)                                                                                                 \
	X(watch, OWN)                                                                                                  \
	X(watchers, OWN)                                                                                               \
	X(sweeper, OWN)

static const struct {
	const char *name;
	enum way way;
} ways[] = {
#define X(id, how) { #id, how },
	WAYS(X)
#undef X
};

struct twin {
	const struct device *device;
	struct synkeep *skeleton;
	__u32 queue;
	int cpus;
	bool is_full[2];			    /* the device's flow tables, IPv4 first */
	struct verdict_counter *values;		    /* of all verdicts, a value for each CPU */
	struct verdict_counter sums[VERDICT_COUNT]; /* before the next packet */
	__u8 frame[TWIN_FRAME_MAX + 2] __attribute__((aligned(8)));
};

struct failure {
	char *text;
	size_t size;
};

static int failed(const struct failure *failure, int err, const char *what)
{
	snprintf(failure->text, failure->size, "%s: %s", what, strerror(-err));
	return err;
}

/* The row of a map, -1 if there is none. */
static int find_way(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		if (!strcmp(ways[i].name, name))
			return (int)i;
	}
	return -1;
}

/* --- the device's maps ------------------------------------------------------------------------------------------- */

/* A pinned map or program; -errno. */
static int open_pinned(const struct device *device, const char *name)
{
	char path[DEVICE_PATH_MAX + 64];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", device->pin_dir, name);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

static int read_program_info(int fd, struct bpf_prog_info *info, __u32 *map_ids, __u32 maps)
{
	__u32 length = sizeof(*info);

	*info = (struct bpf_prog_info){ .nr_map_ids = maps, .map_ids = (unsigned long)map_ids };
	return bpf_obj_get_info_by_fd(fd, info, &length) < 0 ? -errno : 0;
}

/* The program's globals are in maps that are not pinned: they are found among those that the pinned program uses. */
static int open_globals(int pinned_fd, const char *name)
{
	struct bpf_prog_info program;
	struct bpf_map_info info;
	__u32 ids[64];
	int err = read_program_info(pinned_fd, &program, ids, ARRAY_LEN(ids));

	for (__u32 i = 0; !err && i < program.nr_map_ids && i < ARRAY_LEN(ids); i++) {
		int fd = bpf_map_get_fd_by_id(ids[i]);

		if (fd < 0)
			return -errno;
		err = map_copy_info(fd, &info);
		if (!err && !strncmp(info.name, name, sizeof(info.name) - 1))
			return fd;
		close(fd);
	}
	return err ? err : -ENOENT;
}

/* --- making the twin --------------------------------------------------------------------------------------------- */

/* Before the programs are loaded: what the program's globals begin with. */
static int prepare_globals(struct bpf_map *map, int pinned_fd)
{
	int fd = open_globals(pinned_fd, bpf_map__name(map)), err;
	struct bpf_map_info info;
	void *value = NULL;
	__u32 zero = 0;

	if (fd == -ENOENT) /* other programs' alone */
		return 0;
	if (fd < 0)
		return fd;
	err = map_copy_info(fd, &info);
	if (!err)
		value = malloc(info.value_size);
	if (!err && !value)
		err = -ENOMEM;
	if (!err && bpf_map_lookup_elem(fd, &zero, value) < 0)
		err = -errno;
	if (!err)
		err = bpf_map__set_initial_value(map, value, info.value_size);
	free(value);
	close(fd);
	return err;
}

/* Before the programs are loaded: which map it is, and how large. */
static int prepare_map(struct bpf_map *map, const struct device *device, __u32 records)
{
	struct bpf_map_info info;
	int row = find_way(bpf_map__name(map)), fd, err;

	if (row < 0)
		return -ENOSYS;
	if (ways[row].way == OF_TUPLE)
		return bpf_map__set_max_entries(map, records);
	if (ways[row].way == OWN)
		return 0;
	fd = open_pinned(device, bpf_map__name(map));
	if (fd < 0)
		return fd;
	err = map_copy_info(fd, &info);
	if (!err && ways[row].way == SHARED)
		err = bpf_map__reuse_fd(map, fd);
	else if (!err)
		err = bpf_map__set_max_entries(map, info.max_entries);
	close(fd);
	return err;
}

static int prepare_maps(struct twin *twin, int pinned_fd, __u32 records, const struct failure *failure)
{
	struct bpf_map *map;
	int err;

	bpf_object__for_each_map (map, twin->skeleton->obj) {
		if (bpf_map__is_internal(map))
			err = prepare_globals(map, pinned_fd);
		else
			err = prepare_map(map, twin->device, records);
		if (err) {
			snprintf(failure->text, failure->size, "the map \"%s\" can not be copied: %s",
				 bpf_map__name(map), strerror(-err));
			return err;
		}
	}
	return 0;
}

/* After the programs are loaded: what is in it. */
static int fill_maps(struct twin *twin, const struct failure *failure)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		int from, err;

		if (ways[i].way != COPIED && ways[i].way != ZEROED)
			continue;
		from = open_pinned(twin->device, ways[i].name);
		if (from < 0)
			return failed(failure, from, ways[i].name);
		err = map_copy_elements(from, twin_map(twin, ways[i].name), twin->cpus, ways[i].way == ZEROED);
		close(from);
		if (err)
			return failed(failure, err, ways[i].name);
	}
	return 0;
}

static int program_fd(const struct twin *twin, enum direction direction)
{
	return bpf_program__fd(bpf_object__find_program_by_name(twin->skeleton->obj, programs[direction]));
}

static int load_programs(struct twin *twin, const struct failure *failure)
{
	struct bpf_program *program, *ingress = twin->skeleton->progs.xdp_ingress;
	const char *log;
	int err;

	bpf_object__for_each_program (program, twin->skeleton->obj)
		bpf_program__set_autoload(program, program == ingress || program == twin->skeleton->progs.tc_egress);
	/* frames may be longer than a buffer */
	err = bpf_program__set_flags(ingress, bpf_program__flags(ingress) | BPF_F_XDP_HAS_FRAGS);
	if (!err)
		err = synkeep__load(twin->skeleton);
	if (!err)
		return 0;
	log = bpf_log_last_lines(LOG_LINES);
	snprintf(failure->text, failure->size, "the programs' twins can not be loaded: %s%s%s", strerror(-err),
		 *log ? "; the last that libbpf said:\n" : "", log);
	return err;
}

/* The tag is the kernel's fingerprint of the instructions. 1, 0, or -errno. */
static int has_same_tag(const struct twin *twin, enum direction direction)
{
	int pinned_fd = open_pinned(twin->device, programs[direction]), err;
	struct bpf_prog_info theirs, ours;

	if (pinned_fd < 0)
		return pinned_fd;
	err = read_program_info(pinned_fd, &theirs, NULL, 0);
	close(pinned_fd);
	if (!err)
		err = read_program_info(program_fd(twin, direction), &ours, NULL, 0);
	return err ? err : !memcmp(theirs.tag, ours.tag, sizeof(ours.tag));
}

static int check_same_programs(const struct twin *twin, const struct failure *failure)
{
	int same = has_same_tag(twin, DIRECTION_RCV);

	if (same > 0)
		same = has_same_tag(twin, DIRECTION_SND);
	if (same > 0)
		return 0;
	if (same < 0)
		return failed(failure, same, "the programs' tags can not be read");
	snprintf(failure->text, failure->size,
		 "%s was loaded by another build of synkeep, whose programs are not this one's: explain it by that "
		 "build, or unload it and load it anew",
		 twin->device->name);
	return -ESTALE;
}

static int check_here(const struct device *device, const struct failure *failure)
{
	int exists;

	if (device->config.netns_inode != system_netns_inode()) {
		snprintf(
			failure->text, failure->size,
			"%s is in another network namespace (inode %llu), whose sockets have a say: run this in it, as "
			"by `nsenter --net=/run/netns/NAME`",
			device->name, device->config.netns_inode);
		return -EXDEV;
	}
	exists = system_device_exists(device->config.ifindex);
	if (exists > 0)
		return 0;
	snprintf(failure->text, failure->size, "%s is gone; `synkeep unload %s` clears its pins away", device->name,
		 device->argument);
	return exists ? exists : -ENODEV;
}

/* What is reckoned for each CPU is one CPU's from now on. */
static void stay_on_cpu(void)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static int make(struct twin *twin, __u32 tuples, const struct failure *failure)
{
	int pinned_fd = open_pinned(twin->device, programs[DIRECTION_RCV]), err = 0;

	if (pinned_fd < 0)
		return failed(failure, pinned_fd, "the pinned program can not be opened");
	twin->skeleton = synkeep__open();
	if (!twin->skeleton)
		err = failed(failure, -errno, "the programs can not be opened");
	if (tuples > TWIN_TUPLES_MAX)
		tuples = TWIN_TUPLES_MAX;
	if (!err)
		err = prepare_maps(twin, pinned_fd, 2 * tuples + LRU_SPARE_PER_CPU * twin->cpus, failure);
	if (!err)
		err = load_programs(twin, failure);
	if (!err)
		err = check_same_programs(twin, failure);
	if (!err)
		err = fill_maps(twin, failure);
	for (int i = 0; i < 2 && !err; i++) {
		err = map_copy_is_full(twin->device->flows_fd[i], twin->cpus);
		twin->is_full[i] = err > 0;
		err = err < 0 ? failed(failure, err, "the flows can not be counted") : 0;
	}
	close(pinned_fd);
	return err;
}

int twin_open(const struct device *device, __u32 queue, __u32 tuples, struct twin **twin, char error[TWIN_ERROR_BYTES])
{
	const struct failure failure = { error, TWIN_ERROR_BYTES };
	int cpus = libbpf_num_possible_cpus(), err = check_here(device, &failure);

	*twin = NULL;
	if (err)
		return err;
	if (cpus < 0)
		return failed(&failure, cpus, "the CPUs can not be counted");
	*twin = calloc(1, sizeof(**twin));
	if (!*twin)
		return failed(&failure, -ENOMEM, "the twin");
	(*twin)->device = device;
	(*twin)->queue = queue;
	(*twin)->cpus = cpus;
	(*twin)->values = calloc((size_t)cpus * VERDICT_COUNT, sizeof(*(*twin)->values));
	err = (*twin)->values ? make(*twin, tuples, &failure) : failed(&failure, -ENOMEM, "the twin");
	if (err) {
		twin_close(*twin);
		*twin = NULL;
	}
	stay_on_cpu();
	return err;
}

void twin_close(struct twin *twin)
{
	if (!twin)
		return;
	synkeep__destroy(twin->skeleton);
	free(twin->values);
	free(twin);
}

int twin_map(const struct twin *twin, const char *name)
{
	return bpf_object__find_map_fd_by_name(twin->skeleton->obj, name);
}

/* --- tuples ------------------------------------------------------------------------------------------------------ */

/* A record that was read in the middle of a step is one before or behind it; nobody holds the copy's lock. */
static void free_lock(void *value)
{
	struct flow *f = value;

	if (f->lock == FLOW_LOCK_HELD)
		f->lock = FLOW_LOCK_FREE;
}

static int copy_record(int from, int to, const void *key, bool is_flow)
{
	__u8 value[RECORD_MAX_BYTES] __attribute__((aligned(8)));

	if (bpf_map_lookup_elem(from, key, value) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (is_flow)
		free_lock(value);
	if (bpf_map_update_elem(to, key, value, BPF_NOEXIST) < 0)
		return errno == EEXIST ? 0 : -errno;
	return 0;
}

int twin_copy(struct twin *twin, const struct tuple *tuple)
{
	int i = tuple->family == FAMILY_IPV6, err = 0;
	static const char *const names[][2] = { { "flows4", "flows6" }, { "half4", "half6" }, { "tw4", "tw6" } };
	const int from[] = { twin->device->flows_fd[i], twin->device->half_fd[i], twin->device->tw_fd[i] };
	union {
		struct flow4_key ipv4;
		struct flow6_key ipv6;
	} key;

	if (i)
		flow6_key_from_tuple(&key.ipv6, tuple);
	else
		flow4_key_from_tuple(&key.ipv4, tuple);
	for (size_t table = 0; table < ARRAY_LEN(names) && !err; table++)
		err = copy_record(from[table], twin_map(twin, names[table][i]), &key, table == 0);
	return err;
}

/* Tuples of zeros but for a number, which no packet has. */
static int fill_table(int fd)
{
	const struct flow filler = { .deadline_ns = ~0ULL };
	__u32 key[sizeof(struct flow6_key) / sizeof(__u32)] = {};

	while (bpf_map_update_elem(fd, key, &filler, BPF_NOEXIST) == 0)
		key[0]++;
	return errno == E2BIG ? 0 : -errno;
}

int twin_settle(struct twin *twin)
{
	int err = 0;

	if (twin->is_full[0])
		err = fill_table(twin_map(twin, "flows4"));
	if (twin->is_full[1] && !err)
		err = fill_table(twin_map(twin, "flows6"));
	return err;
}

/* --- packets ----------------------------------------------------------------------------------------------------- */

/* What was counted since the last time. Beside a note, only a packet's own verdict counts bytes. */
static int read_outcome(struct twin *twin, struct twin_outcome *outcome)
{
	__u32 keys[VERDICT_COUNT], count = VERDICT_COUNT, place;

	if (bpf_map_lookup_batch(twin_map(twin, "counters"), NULL, &place, keys, twin->values, &count, NULL) < 0 &&
	    errno != ENOENT)
		return -errno;
	outcome->verdict = VERDICT_COUNT;
	for (__u32 v = 0; v < count; v++) {
		struct verdict_counter sum = {};

		for (int cpu = 0; cpu < twin->cpus; cpu++) {
			sum.packets += twin->values[v * twin->cpus + cpu].packets;
			sum.bytes += twin->values[v * twin->cpus + cpu].bytes;
		}
		outcome->noted[v] = sum.packets - twin->sums[v].packets;
		if (sum.bytes != twin->sums[v].bytes && verdict_action((enum verdict)v) != VERDICT_NOTE) {
			outcome->verdict = (enum verdict)v;
			outcome->noted[v]--;
		}
		twin->sums[v] = sum;
	}
	return 0;
}

int twin_run(struct twin *twin, enum direction direction, const void *frame, __u32 bytes, struct twin_outcome *outcome)
{
	struct xdp_md arrives = {
		.data_end = bytes,
		.ingress_ifindex = twin->device->config.ifindex,
		.rx_queue_index = twin->queue,
	};
	struct __sk_buff leaves = { .ifindex = twin->device->config.ifindex };
	bool is_sent = direction == DIRECTION_SND;
	__u8 *out = twin->frame + 2; /* behind Ethernet's header words are aligned */
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = bytes, .data_out = out,
		    .data_size_out = TWIN_FRAME_MAX, .ctx_in = is_sent ? (void *)&leaves : &arrives,
		    .ctx_size_in = is_sent ? sizeof(leaves) : sizeof(arrives), .repeat = 1);
	int err;

	if (bytes < ETH_HEADER_BYTES || bytes > (is_sent ? TWIN_SENT_MAX : TWIN_FRAME_MAX))
		return -EMSGSIZE;
	if (bpf_prog_test_run_opts(program_fd(twin, direction), &run) < 0)
		return -errno;
	*outcome = (struct twin_outcome){ .action = run.retval, .frame = out, .frame_bytes = run.data_size_out };
	err = read_outcome(twin, outcome);
	return !err && !is_sent && outcome->verdict == VERDICT_COUNT ? -EPROTO : err;
}
