/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A loaded device, reached through its pins under PIN_ROOT/DEV. Opening changes nothing; loading and unloading are
 * elsewhere (load.h, teardown.h).
 */
#ifndef SYNKEEP_DEVICE_H
#define SYNKEEP_DEVICE_H

#include <net/if.h>
#include "ageing.h"
#include "journal.h"
#include "source_limit.h"
#include "watch.h"

#define DEVICE_PATH_MAX 512
#define DEVICE_ARGUMENT_BYTES (DEVICE_PATH_MAX + 32)

struct device {
	char name[IFNAMSIZ];
	char pin_dir[DEVICE_PATH_MAX];
	char argument[DEVICE_ARGUMENT_BYTES]; /* as device_argument() writes it */
	struct config config;		      /* as it was when the device was opened */
	/* Descriptors of the pinned maps, -1 where not open; of pairs, IPv4 is first. */
	int config_fd;
	int services_fd;
	int ports_fd;
	int counters_fd;
	int clocks_fd;
	int budgets_fd;
	int monitored_fd;
	int agenda_fd;
	int sentries_fd;
	int source_accounts_fd;
	int journal_fd;
	int xsks_fd;
	int watch_fd;
	int watchers_fd;
	int source_lists_fd;
	int source_filter_fd;
	int flows_fd[2];
	int half_fd[2];
	int tw_fd[2];
};

/* Writes the directory of a device's pins. 0, -EINVAL: not a device's name, or -ENAMETOOLONG. */
int device_pin_dir(const char *pin_root, const char *name, char *path, size_t size);

/*
 * Writes what names a device in a command that is suggested: DEV, and --pin-root DIR where its pins are not in the
 * usual place. Returns argument.
 */
char *device_argument(char argument[DEVICE_ARGUMENT_BYTES], const char *pin_root, const char *name);

/*
 * Opens everything that is pinned for a device. On failure nothing stays open, and the error is one of
 *
 *   -ENOENT       not loaded
 *   -EINPROGRESS  half-loaded: a load is under way, or one was cut short
 *   -EPROTO       pinned by a version of Synkeep with another layout: read nothing, it would be misread
 *   -EPERM        the caller may not
 *   -ENOTDIR      no BPF file system there
 *   -EINVAL       not a device's name
 *
 * or what a system call gave; device_explain() has a sentence for each.
 */
int device_open(const char *pin_root, const char *name, struct device *device);

/*
 * The same for who clears away: the phase may be any, and of the maps only config and clocks are opened. The device
 * stays open after -EINPROGRESS, its config missing or never written and all zeros, and after -EPROTO, with no more of
 * its config than the head that all layouts have.
 */
int device_open_remains(const char *pin_root, const char *name, struct device *device);

/* Closes what is open, and forgets the keys. A device that was not opened must have been initialised. */
void device_close(struct device *device);
void device_init(struct device *device);

/*
 * Whether what is open is still what is pinned: 0, or -errno; -ESTALE: the device has been unloaded since, and perhaps
 * loaded anew. The answer holds for as long as the pins are locked.
 */
int device_check_pinned(const struct device *device);

/* Writes what an error of the functions above means and what to do about it, without a full stop. */
void device_explain(int error, const char *pin_root, const char *name, char *text, size_t size);

/*
 * The names under the pin root, sorted, half-loads and other layouts too. Returns their number, *names for the caller
 * to free; 0 and NULL where the pin root does not exist; -errno.
 */
int device_list(const char *pin_root, char (**names)[IFNAMSIZ]);

/* Read afresh into device->config, or written from it. 0 or -errno. */
int device_config_read(struct device *device);
int device_config_write(struct device *device);

/* What talks to strangers is not to have the cookies' keys beside it. The config is to be read afresh to be written. */
void device_forget_key(struct device *device);

#endif /* SYNKEEP_DEVICE_H */
