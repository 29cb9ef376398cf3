/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The directories in the BPF file system that hold the pins: PIN_ROOT/DEV, one for each device, locked by whoever
 * changes anything in it or behind it.
 */
#ifndef SYNKEEP_PINS_H
#define SYNKEEP_PINS_H

#include <stdbool.h>
#include <stddef.h>

#define PINS_BPFFS "/sys/fs/bpf"	/* where the BPF file system usually is */
#define PINS_ROOT PINS_BPFFS "/synkeep" /* where --pin-root is not given */

/* Whether path, or the nearest directory above it that exists, is in a BPF file system. */
bool pins_on_bpffs(const char *path);

/* Whether path is below PINS_BPFFS, where pins_prepare_root() may mount what is missing. */
bool pins_are_usual(const char *path);

/* Whether this process's mounts are those of process 1, and stay when it has ended. */
bool pins_mounts_stay(void);

/*
 * Makes the pin root, and mounts the BPF file system at PINS_BPFFS if the pin root is to be there and it is missing
 * (*mounted is then true). 0 or -errno; -ENOTDIR: no BPF file system there; -EXDEV: none there, and what this process
 * mounted would vanish with it, since its mount namespace is not that of process 1 (`ip netns exec` makes one).
 */
int pins_prepare_root(const char *pin_root, bool *mounted);

/* What these errors mean and what to do about it, without a full stop. */
void pins_explain(int error, const char *pin_root, char *text, size_t size);

/*
 * Waits for the lock of a device's directory, which it makes first where create is set. Returns what pins_unlock()
 * takes, or -errno; -ENOENT: there is no such directory.
 */
int pins_lock(const char *pin_dir, bool create);
void pins_unlock(int lock);

/* Removes all pins in a device's directory. Returns their number or -errno. */
int pins_clear(const char *pin_dir);

/* Removes a device's directory if it is empty, and then the pin root if that is empty. */
void pins_remove_empty(const char *pin_root, const char *pin_dir);

#endif /* SYNKEEP_PINS_H */
