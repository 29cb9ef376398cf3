/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Making, locking and removing the directories of the pins. See pins.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "pins.h"

bool pins_on_bpffs(const char *path)
{
	char buffer[PATH_MAX], *place = buffer;
	struct statfs fs;

	if (snprintf(buffer, sizeof(buffer), "%s", path) >= (int)sizeof(buffer))
		return false;
	while (statfs(place, &fs) < 0) {
		if (errno != ENOENT || !strcmp(place, "/") || !strcmp(place, "."))
			return false;
		place = dirname(place);
	}
	return fs.f_type == BPF_FS_MAGIC;
}

bool pins_are_usual(const char *path)
{
	return !strncmp(path, PINS_BPFFS "/", strlen(PINS_BPFFS "/"));
}

bool pins_mounts_stay(void)
{
	struct stat ours, first;

	return stat("/proc/self/ns/mnt", &ours) == 0 && stat("/proc/1/ns/mnt", &first) == 0 &&
	       ours.st_ino == first.st_ino;
}

static int mount_bpffs(void)
{
	if (!pins_mounts_stay())
		return -EXDEV;
	if (mount("bpf", PINS_BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return -errno;
	return 0;
}

int pins_prepare_root(const char *pin_root, bool *mounted)
{
	*mounted = false;
	if (!pins_on_bpffs(pin_root)) {
		int err;

		if (!pins_are_usual(pin_root))
			return -ENOTDIR;
		err = mount_bpffs();
		if (err)
			return err;
		*mounted = true;
	}
	if (mkdir(pin_root, 0700) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

void pins_explain(int error, const char *pin_root, char *text, size_t size)
{
	if (error == -ENOTDIR)
		snprintf(text, size,
			 "%s is not in a BPF file system; `mount -t bpf bpf DIR` makes one, %s is the usual place",
			 pin_root, PINS_BPFFS);
	else if (error == -EXDEV)
		snprintf(text, size,
			 "no BPF file system is mounted at %s, and one mounted here would vanish with this mount "
			 "namespace; `nsenter --net=/run/netns/NAME` enters a network namespace without leaving the "
			 "host's mounts, `ip netns exec` does not",
			 PINS_BPFFS);
	else
		snprintf(text, size, "%s: %s", pin_root, strerror(-error));
}

int pins_lock(const char *pin_dir, bool create)
{
	struct stat status;
	int fd, err;

	for (;;) {
		if (create && mkdir(pin_dir, 0700) < 0 && errno != EEXIST)
			return -errno;
		fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT && create)
			continue;
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX) < 0 || fstat(fd, &status) < 0) {
			err = -errno;
			close(fd);
			return err;
		}
		if (status.st_nlink > 0)
			return fd;
		close(fd); /* who had the lock has removed the directory */
	}
}

void pins_unlock(int lock)
{
	close(lock);
}

int pins_clear(const char *pin_dir)
{
	struct dirent *entry;
	int removed = 0;
	DIR *dir;

	dir = opendir(pin_dir);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) < 0 && errno != ENOENT) {
			removed = -errno;
			closedir(dir);
			return removed;
		}
		removed++;
	}
	closedir(dir);
	return removed;
}

void pins_remove_empty(const char *pin_root, const char *pin_dir)
{
	if (rmdir(pin_dir) == 0)
		rmdir(pin_root);
}
