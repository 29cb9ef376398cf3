/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The steps of a load, in their order. See load.h.
 *
 *   1. the pin root, the lock, and what an earlier load has left
 *   2. programs and maps; the maps are pinned as they are made, then XDP is attached
 *   3. the config, in phase LOADING; the sweep's timer; the filters
 *   4. the services: only now is there a port for which the programs do anything
 *   5. phase ACTIVE; records for what is connected already
 *
 * Whoever is cut short before 5 leaves a half-load, which says so by its phase, or by a config that was never written.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "clocks.h"
#include "device.h"
#include "keys.h"
#include "load.h"
#include "pins.h"
#include "seed.h"
#include "service_table.h"
#include "synkeep.skel.h"
#include "timeouts.h"

#define SWEEP_TRIES 20
#define SWEEP_PAUSE_US 10000

#define IPV4_AND_TCP_BYTES 40
#define IPV6_AND_TCP_BYTES 60

struct failure {
	char *text;
	size_t size;
};

static int fail(const struct failure *failure, int err, const char *what)
{
	snprintf(failure->text, failure->size, "%s: %s", what, strerror(-err));
	return err;
}

/* --- 1: the place ------------------------------------------------------------------------------------------------ */

static int prepare_root(const struct load *load, struct load_result *result, const struct failure *failure)
{
	int err = pins_prepare_root(load->pin_root, &result->mounted_bpffs);

	if (err)
		pins_explain(err, load->pin_root, failure->text, failure->size);
	return err;
}

/* Whether what is pinned is a shield that stands: then there is nothing to load. */
static int refuse_if_standing(const struct device *device, const struct failure *failure)
{
	struct attach_state state;
	int err;

	err = attach_query(device, &state);
	if (err == -EXDEV) {
		err = system_netns_is_alive(device->config.netns_inode);
		if (err < 0)
			return fail(failure, err, "whether its network namespace exists can not be found out");
		if (!err)
			return 0;
		snprintf(failure->text, failure->size,
			 "a device of this name is loaded in another network namespace (inode %llu), with its pins in "
			 "%s; "
			 "choose another place with --pin-root DIR",
			 device->config.netns_inode, device->pin_dir);
		return -EEXIST;
	}
	if (err)
		return fail(failure, err, "what is attached can not be found out");
	if (device->config.phase == DEVICE_LOADING || !state.xdp || !state.tc_ingress || !state.tc_egress)
		return 0;
	snprintf(failure->text, failure->size,
		 "already loaded%s; `synkeep service add %s SPEC` adds services, `synkeep unload %s` removes it",
		 config_is_draining(&device->config, clocks_now_ns(device)) ? ", and being unloaded" : "",
		 device->argument, device->argument);
	return -EEXIST;
}

static void explain_pins(const struct load *load, int err, const struct failure *failure)
{
	char reason[ATTACH_ERROR_BYTES];

	device_explain(err, load->pin_root, load->name, reason, sizeof(reason));
	snprintf(failure->text, failure->size, "what is pinned there is in the way: %s", reason);
}

static int clear_remains(const struct load *load, struct device *device, struct load_result *result,
			 const struct failure *failure)
{
	int err = device_open_remains(load->pin_root, load->name, device);

	if (err && err != -EINPROGRESS) {
		explain_pins(load, err, failure);
		goto out;
	}
	if (!err)
		err = refuse_if_standing(device, failure);
	if (err && err != -EINPROGRESS)
		goto out;
	err = teardown_device(device, &result->remains, failure->text, failure->size);
	result->cleared = result->remains.pins > 0;
out:
	device_close(device);
	return err;
}

/* Of all three bitmaps. */
static __u32 presence_elements(__u32 flows)
{
	return 3 * presence_words(flows);
}

__u64 load_memory_bytes(__u32 flows)
{
	return (__u64)flows * LOAD_BYTES_PER_FLOW + (__u64)presence_elements(flows) * sizeof(__u64) +
	       LOAD_BYTES_CONSTANT;
}

/* --- 2: programs and maps ---------------------------------------------------------------------------------------- */

static int size_maps(const struct load *load, struct synkeep *skeleton)
{
	struct bpf_map *const maps[] = {
		skeleton->maps.flows4,
		skeleton->maps.flows6,
		skeleton->maps.tw4,
		skeleton->maps.tw6,
	};
	int err = bpf_map__set_max_entries(skeleton->maps.presence, presence_elements(load->flows));

	if (!err)
		err = bpf_map__set_max_entries(skeleton->maps.xsks, load->system.rx_queues);
	for (size_t i = 0; i < ARRAY_LEN(maps) && !err; i++)
		err = bpf_map__set_max_entries(maps[i], load->flows);
	return err;
}

/* libbpf pins a map that has a path as soon as it has made it. */
static int set_pin_paths(struct synkeep *skeleton, const char *pin_dir)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, skeleton->obj) {
		char path[DEVICE_PATH_MAX + 64];
		int err;

		if (bpf_map__is_internal(map))
			continue;
		snprintf(path, sizeof(path), "%s/%s", pin_dir, bpf_map__name(map));
		err = bpf_map__set_pin_path(map, path);
		if (err)
			return err;
	}
	return 0;
}

static int pin_programs(struct synkeep *skeleton, const char *pin_dir)
{
	struct bpf_program *program;

	bpf_object__for_each_program (program, skeleton->obj) {
		char path[DEVICE_PATH_MAX + 64];
		int err;

		snprintf(path, sizeof(path), "%s/%s", pin_dir, bpf_program__name(program));
		err = bpf_program__pin(program, path);
		if (err)
			return err;
	}
	return 0;
}

static int load_programs(const struct load *load, struct synkeep *skeleton, const char *pin_dir,
			 enum device_xdp_mode mode, bool *refused, const struct failure *failure)
{
	int err = size_maps(load, skeleton);

	*refused = false;
	skeleton->rodata->ended_full_at = config_ended_full_at(load->flows, libbpf_num_possible_cpus());
	skeleton->rodata->half_full_at = config_ended_full_at(SYNKEEP_HALF_OPEN_MAX, libbpf_num_possible_cpus());
	skeleton->rodata->flows_full_at = load->flows;
	if (!err)
		err = set_pin_paths(skeleton, pin_dir);
	if (err)
		return fail(failure, err, "the maps can not be sized");
	err = attach_xdp(skeleton->obj, load->system.ifindex, mode, refused, failure->text, failure->size);
	if (err)
		return err;
	err = pin_programs(skeleton, pin_dir);
	return err ? fail(failure, err, "the programs can not be pinned") : 0;
}

/* --- 3: config, timer, filters ----------------------------------------------------------------------------------- */

static int random_presence_key(struct presence_key *key)
{
	if (getrandom(key, sizeof(*key), 0) != sizeof(*key))
		return -errno;
	key->zero = 0;
	key->odd |= 1;
	return 0;
}

static int write_config(const struct load *load, struct device *device, enum device_xdp_mode mode, bool makes_clsact)
{
	__u64 now_ns = system_monotonic_ns();
	int err;

	device->config = (struct config){
		.layout_version = SYNKEEP_LAYOUT_VERSION,
		.ifindex = load->system.ifindex,
		.netns_inode = system_netns_inode(),
		.phase = DEVICE_LOADING,
		.xdp_mode = mode,
		.made_clsact = makes_clsact,
		.rcv_wscale = system_rcv_wscale(),
		.mss_ipv4 = system_mss(load->system.mtu, IPV4_AND_TCP_BYTES, COOKIE_MIN_MSS_IPV4),
		.mss_ipv6 = system_mss(load->system.mtu, IPV6_AND_TCP_BYTES, COOKIE_MIN_MSS_IPV6),
		.budget_per_second = SYNKEEP_BUDGET_DEFAULT,
		.answers_per_prefix = load->answers_per_prefix,
		.best_handover = load->best_handover,
		.track_outgoing = load->track_outgoing,
		.key_is_shared = load->key_is_shared,
		.cookie_time_offset_ns = system_tai_offset_ns(),
		.loaded_at_ns = now_ns,
		.msl_ns = load->msl_ns,
		.try_until_ns = load->try_ns ? now_ns + load->try_ns : 0,
		.presence_words = presence_words(load->flows),
		.daemon_frame_bytes = SYNKEEP_DAEMON_FRAME_BYTES,
		.daemon_terms = {
			.flags = FLOW_WSCALE | FLOW_SACK | FLOW_TIMESTAMPS | FLOW_ECN,
			.window = 65535,
			.rcv_wscale = system_rcv_wscale(),
		},
	};
	device->config.keys = load->keys; /* not above, which would leave a copy on the stack */
	if (!load->keys.from_epoch)
		keys_begin(&device->config.keys, &load->keys.master, cookie_epoch(clocks_cookie_time_ns(device)));
	device->config.keys.generation = 1;
	err = random_presence_key(&device->config.presence_key);
	return err ? err : device_config_write(device);
}

static int start_sweep_once(int program_fd)
{
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, options);

	if (bpf_prog_test_run_opts(program_fd, &options) < 0)
		return -errno;
	return (int)options.retval < 0 ? (int)options.retval : 0;
}

/* What another CPU stood in the way of succeeds a moment later: see sweep_begin(). */
static int start_sweep(int program_fd)
{
	int err = start_sweep_once(program_fd);

	for (int i = 0; i < SWEEP_TRIES && err == -ENOMEM; i++) {
		usleep(SWEEP_PAUSE_US);
		err = start_sweep_once(program_fd);
	}
	return err;
}

static int start(const struct load *load, struct synkeep *skeleton, struct device *device, enum device_xdp_mode mode,
		 const struct failure *failure)
{
	bool needs_clsact;
	int err;

	err = attach_tc_prepare(load->system.ifindex, &needs_clsact, failure->text, failure->size);
	if (err)
		return err;
	err = write_config(load, device, mode, needs_clsact);
	if (err)
		return fail(failure, err, "the config can not be written");
	err = start_sweep(bpf_program__fd(skeleton->progs.sweep_start));
	if (err)
		return fail(failure, err, "the sweep's timer can not be started");
	return attach_tc(load->system.ifindex, needs_clsact, bpf_program__fd(skeleton->progs.tc_ingress),
			 bpf_program__fd(skeleton->progs.tc_egress), failure->text, failure->size);
}

/* --- 4 and 5: services, phase ------------------------------------------------------------------------------------ */

static int activate(const struct load *load, struct device *device, const struct failure *failure)
{
	int err = service_table_begin(device);

	for (size_t i = 0; i < load->service_count && !err; i++)
		err = service_table_add(device, &load->services[i]);
	if (err == -ENOSPC)
		snprintf(failure->text, failure->size, "there is room for %d services, and \"*:PORT\" counts as two",
			 SYNKEEP_SERVICES_MAX);
	else if (err)
		fail(failure, err, "the services can not be written");
	if (err)
		return err;
	device->config.phase = DEVICE_ACTIVE;
	err = device_config_write(device);
	return err ? fail(failure, err, "the config can not be written") : 0;
}

/* Borrows the skeleton's descriptors: they are not to be closed. */
static void borrow_maps(struct device *device, const struct synkeep *skeleton)
{
	device->config_fd = bpf_map__fd(skeleton->maps.config);
	device->services_fd = bpf_map__fd(skeleton->maps.services);
	device->ports_fd = bpf_map__fd(skeleton->maps.ports);
	device->monitored_fd = bpf_map__fd(skeleton->maps.monitored);
	device->sentries_fd = bpf_map__fd(skeleton->maps.sentries);
	device->source_accounts_fd = bpf_map__fd(skeleton->maps.source_accounts);
	device->flows_fd[0] = bpf_map__fd(skeleton->maps.flows4);
}

/* Undoes what was done of a load; what can not be undone is said too. */
static void undo(struct device *device, const struct failure *failure)
{
	char reason[ATTACH_ERROR_BYTES];
	size_t used = strlen(failure->text);
	struct teardown undone;

	if (teardown_device(device, &undone, reason, sizeof(reason)))
		snprintf(failure->text + used, failure->size - used, "; and it can not be undone: %s", reason);
}

/* In the mode that result says. *refused: the driver takes no XDP program in it. */
static int load_in_mode(const struct load *load, struct device *device, struct load_result *result, bool *refused,
			const struct failure *failure)
{
	struct synkeep *skeleton;
	int err;

	skeleton = synkeep__open();
	if (!skeleton)
		return fail(failure, -errno, "the programs can not be opened");
	device->config = (struct config){ .ifindex = load->system.ifindex, .netns_inode = system_netns_inode() };
	err = load_programs(load, skeleton, device->pin_dir, result->xdp_mode, refused, failure);
	borrow_maps(device, skeleton);
	if (!err)
		err = start(load, skeleton, device, result->xdp_mode, failure);
	if (!err)
		err = activate(load, device, failure);
	if (!err) {
		err = seed_sockets(device);
		if (err)
			fail(failure, err, "the connections that are there can not be read");
	}
	result->loaded_at_ns = device->config.loaded_at_ns;
	if (err)
		undo(device, failure);
	synkeep__destroy(skeleton);
	return err;
}

static int load_afresh(const struct load *load, struct device *device, struct load_result *result,
		       const struct failure *failure)
{
	bool refused = false;
	int err;

	result->xdp_mode = load->xdp == LOAD_XDP_GENERIC ? DEVICE_XDP_GENERIC : DEVICE_XDP_NATIVE;
	err = load_in_mode(load, device, result, &refused, failure);
	if (!refused || load->xdp != LOAD_XDP_ANY)
		return err;
	result->native_error = err;
	result->xdp_mode = DEVICE_XDP_GENERIC;
	return load_in_mode(load, device, result, &refused, failure);
}

int load_device(const struct load *load, struct load_result *result, char *error, size_t size)
{
	const struct failure failure = { error, size };
	char pin_dir[DEVICE_PATH_MAX];
	struct device device;
	int lock, err;

	*result = (struct load_result){};
	err = device_pin_dir(load->pin_root, load->name, pin_dir, sizeof(pin_dir));
	if (err)
		return fail(&failure, err, load->name);
	err = prepare_root(load, result, &failure);
	if (err)
		return err;
	lock = pins_lock(pin_dir, true);
	if (lock < 0)
		return fail(&failure, lock, pin_dir);
	err = clear_remains(load, &device, result, &failure);
	if (!err)
		err = load_afresh(load, &device, result, &failure);
	device_forget_key(&device);
	if (err)
		pins_remove_empty(load->pin_root, pin_dir);
	pins_unlock(lock);
	return err;
}
