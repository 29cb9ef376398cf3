/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asking the kernel about the machine. See machine_facts.h.
 */
#include "machine_facts.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "load.h"
#include "pins.h"

static const struct {
	const char *name;
	__u32 kind;
} features[] = {
#define X(id, name, is_function, release, needed, sentence) { name, is_function ? BTF_KIND_FUNC : BTF_KIND_STRUCT },
	MACHINE_FEATURES(X)
#undef X
};

/* --- programs ---------------------------------------------------------------------------------------------------- */

static void read_features(struct machine_facts *facts)
{
	struct btf *kernel = btf__load_vmlinux_btf();

	facts->has_types = kernel != NULL;
	for (size_t i = 0; i < FEATURE_COUNT && kernel; i++)
		facts->features[i] = btf__find_by_name_kind(kernel, features[i].name, features[i].kind) > 0;
	btf__free(kernel);
}

/* "return XDP_PASS": what is refused of this is refused of every program. */
static void probe(struct machine_facts *facts)
{
	static const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "synkeep_probe", "GPL", program, ARRAY_LEN(program), NULL);
	struct bpf_prog_info info = {};
	__u32 length = sizeof(info);

	if (fd < 0) {
		facts->probe_error = fd;
		return;
	}
	if (!bpf_obj_get_info_by_fd(fd, &info, &length))
		facts->jited = info.jited_prog_len > 0;
	close(fd);
}

/* The kernel lists the levels, with the present one in brackets. */
static void read_lockdown(char level[24])
{
	FILE *file = fopen("/sys/kernel/security/lockdown", "re");

	level[0] = '\0';
	if (!file)
		return;
	if (fscanf(file, "%*[^[][%23[a-z]", level) != 1 && (rewind(file), fscanf(file, "[%23[a-z]", level)) != 1)
		level[0] = '\0';
	fclose(file);
}

/* --- memory and mounts ------------------------------------------------------------------------------------------- */

static bool runs_before(const char *release, int major, int minor)
{
	int has_major = 0, has_minor = 0;

	return sscanf(release, "%d.%d", &has_major, &has_minor) == 2 &&
	       (has_major < major || (has_major == major && has_minor < minor));
}

static struct machine_memlock read_memlock(const char *release)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	getrlimit(RLIMIT_MEMLOCK, &limit);
	return (struct machine_memlock){
		.bytes = limit.rlim_cur == RLIM_INFINITY ? ~0ULL : limit.rlim_cur,
		.may_raise = limit.rlim_max == RLIM_INFINITY || system_has_capability(CAP_SYS_RESOURCE),
		.exempt = system_has_capability(CAP_IPC_LOCK),
		.bounds_maps = runs_before(release, 5, 11),
	};
}

/* Whether process 1 has the file system of path mounted, too, anywhere; true where that can not be seen. */
static bool is_shared_with_first(const char *path)
{
	char line[PATH_MAX], wanted[32];
	struct stat place;
	bool found = false;
	FILE *mounts = fopen("/proc/1/mountinfo", "re");

	if (!mounts || stat(path, &place) < 0)
		found = true;
	else
		snprintf(wanted, sizeof(wanted), " %u:%u ", major(place.st_dev), minor(place.st_dev));
	while (!found && fgets(line, sizeof(line), mounts))
		found = strstr(line, wanted) != NULL;
	if (mounts)
		fclose(mounts);
	return found;
}

static struct machine_bpffs read_bpffs(const char *pin_root)
{
	return (struct machine_bpffs){
		.there = pins_on_bpffs(pin_root),
		.usual = pins_are_usual(pin_root),
		.mounts_stay = pins_mounts_stay(),
		.shared = is_shared_with_first(pins_are_usual(pin_root) ? PINS_BPFFS : pin_root),
	};
}

/* --- the rest ---------------------------------------------------------------------------------------------------- */

static struct machine_clock read_clock(void)
{
	struct timex state = {};

	return (struct machine_clock){
		.synchronized = adjtimex(&state) != TIME_ERROR && !(state.status & STA_UNSYNC),
		.tai_offset_ns = system_tai_offset_ns(),
	};
}

void machine_facts_read(const char *pin_root, struct machine_facts *facts)
{
	struct utsname kernel = {};

	*facts = (struct machine_facts){ .pin_root = pin_root };
	uname(&kernel);
	snprintf(facts->release, sizeof(facts->release), "%s", kernel.release);
	facts->may_load = system_may_load();
	probe(facts);
	read_features(facts);
	read_lockdown(facts->lockdown);
	facts->unprivileged_bpf = sysctls_read_one("kernel/unprivileged_bpf_disabled");
	facts->bpffs = read_bpffs(pin_root);
	facts->memlock = read_memlock(facts->release);
	facts->available_bytes = system_available_bytes();
	facts->needed_bytes = load_memory_bytes(SYNKEEP_FLOWS_DEFAULT);
	facts->clock = read_clock();
	facts->sysctls = sysctls_read();
	facts->somaxconn = sysctls_read_one("net/core/somaxconn");
	facts->max_syn_backlog = sysctls_read_one("net/ipv4/tcp_max_syn_backlog");
	facts->listener_count = listener_list(&facts->listeners);
	if (facts->listener_count < 0)
		facts->listener_count = 0;
	facts->cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
}

void machine_facts_free(struct machine_facts *facts)
{
	free(facts->listeners);
	facts->listeners = NULL;
}
