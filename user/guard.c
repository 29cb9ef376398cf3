/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Watching over a trial by looking at its pins, twice a second. See guard.h.
 *
 * Nobody tells the guard anything: what it needs to know stands in the config. So it can be killed, and a device can be
 * kept, unloaded and loaded again, without anybody minding it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "clocks.h"
#include "drain.h"
#include "guard.h"
#include "teardown.h"

#define LOOK_INTERVAL_NS (NSEC_PER_SEC / 2)

/* How long until it is to be unloaded: the trial, then the cookies that it has sent. 0 or -errno. */
static int time_left_ns(const struct device *device, __u64 *left_ns)
{
	__u64 end_ns = device->config.try_until_ns + DRAIN_SETTLE_NS, now_ns = clocks_now_ns(device);

	*left_ns = end_ns > now_ns ? end_ns - now_ns : 0;
	return *left_ns ? 0 : drain_remaining_ns(device, left_ns);
}

/* Whether the load is still there and on trial; then *left_ns says for how long. */
static bool is_on_trial(const char *pin_root, const char *name, __u64 loaded_at_ns, __u64 *left_ns)
{
	struct device device;
	bool on_trial;
	int err;

	err = device_open_remains(pin_root, name, &device);
	if (err && err != -EINPROGRESS && err != -EPROTO) {
		*left_ns = LOOK_INTERVAL_NS;
		return err != -ENOENT && err != -ENOTDIR; /* else nothing is known: it is looked at again */
	}
	/* A half-load, or another layout, has another time of loading, or shows none. */
	on_trial = device.config.loaded_at_ns == loaded_at_ns && device.config.try_until_ns;
	if (on_trial && time_left_ns(&device, left_ns))
		*left_ns = LOOK_INTERVAL_NS;
	device_close(&device);
	return on_trial;
}

static void pause_ns(__u64 ns)
{
	const struct timespec pause = { .tv_nsec = ns < LOOK_INTERVAL_NS ? ns : LOOK_INTERVAL_NS };

	nanosleep(&pause, NULL);
}

static void watch(const char *pin_root, const char *name, __u64 loaded_at_ns)
{
	char error[ATTACH_ERROR_BYTES];
	struct teardown done;
	__u64 left_ns = 0;

	while (is_on_trial(pin_root, name, loaded_at_ns, &left_ns)) {
		if (left_ns)
			pause_ns(left_ns);
		else if (teardown_pinned(pin_root, name, loaded_at_ns, &done, error, sizeof(error)))
			pause_ns(LOOK_INTERVAL_NS); /* there is nobody to complain to: it is tried again */
	}
}

/* A session of its own is out of the terminal's reach; open files would keep the caller's pipes open. */
static int leave_terminal(void)
{
	int null;

	if (setsid() < 0 || signal(SIGHUP, SIG_IGN) == SIG_ERR)
		return -errno;
	null = open("/dev/null", O_RDWR);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
		return -errno;
	return close_range(STDERR_FILENO + 1, ~0U, 0) < 0 ? -errno : 0;
}

int guard_start(const char *pin_root, const char *name, __u64 loaded_at_ns)
{
	pid_t pid = fork();

	if (pid)
		return pid < 0 ? -errno : 0;
	prctl(PR_SET_NAME, "synkeep-guard");
	prctl(PR_SET_DUMPABLE, 0); /* it reads the config, which holds the key */
	if (!leave_terminal())
		watch(pin_root, name, loaded_at_ns);
	_exit(0);
}
