/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Opening a device by its pins: the layout version is looked at before anything else is read. See device.h.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "device.h"
#include "monitor.h"
#include "pins.h"
#include "source_list.h"

#define CONFIG_HEAD_BYTES offsetof(struct config, phase)

/* A pinned map, and the shape that this version knows it by. */
struct pinned_map {
	const char *name;
	int *fd;
	__u32 key_bytes;
	__u32 value_bytes;
	__u32 elements; /* 0: any number */
};

void device_init(struct device *device)
{
	memset(device, 0, sizeof(*device));
	device->config_fd = device->services_fd = device->ports_fd = -1;
	device->counters_fd = device->clocks_fd = device->budgets_fd = device->monitored_fd = -1;
	device->agenda_fd = device->sentries_fd = device->journal_fd = -1;
	device->source_accounts_fd = -1;
	device->xsks_fd = device->watch_fd = device->watchers_fd = -1;
	device->source_lists_fd = device->source_filter_fd = -1;
	for (int i = 0; i < 2; i++)
		device->flows_fd[i] = device->half_fd[i] = device->tw_fd[i] = -1;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void device_close(struct device *device)
{
	close_fd(&device->config_fd);
	close_fd(&device->services_fd);
	close_fd(&device->ports_fd);
	close_fd(&device->counters_fd);
	close_fd(&device->clocks_fd);
	close_fd(&device->budgets_fd);
	close_fd(&device->monitored_fd);
	close_fd(&device->agenda_fd);
	close_fd(&device->sentries_fd);
	close_fd(&device->source_accounts_fd);
	close_fd(&device->journal_fd);
	close_fd(&device->xsks_fd);
	close_fd(&device->watch_fd);
	close_fd(&device->watchers_fd);
	close_fd(&device->source_lists_fd);
	close_fd(&device->source_filter_fd);
	for (int i = 0; i < 2; i++) {
		close_fd(&device->flows_fd[i]);
		close_fd(&device->half_fd[i]);
		close_fd(&device->tw_fd[i]);
	}
	device_forget_key(device);
}

static int open_pin(const struct device *device, const char *name, int *fd)
{
	char path[DEVICE_PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", device->pin_dir, name);
	*fd = bpf_obj_get(path);
	if (*fd >= 0)
		return 0;
	return errno == ENOENT ? -EINPROGRESS : -errno;
}

/* Reading into a shape that the map does not have would misread it, or write past the end. */
static int open_map(const struct device *device, const struct pinned_map *map)
{
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);
	int err;

	err = open_pin(device, map->name, map->fd);
	if (err)
		return err;
	if (bpf_obj_get_info_by_fd(*map->fd, &info, &length) < 0)
		return -errno;
	if (info.key_size != map->key_bytes || info.value_size != map->value_bytes ||
	    (map->elements && info.max_entries != map->elements))
		return -EPROTO;
	return 0;
}

/* Whatever the layout, the config is an array of one element and begins with its head. */
static int read_config_head(struct device *device, bool *same_size)
{
	struct bpf_map_info info = {};
	__u32 length = sizeof(info), key = 0;
	void *value;
	int err = 0;

	if (bpf_obj_get_info_by_fd(device->config_fd, &info, &length) < 0)
		return -errno;
	if (info.type != BPF_MAP_TYPE_ARRAY || info.value_size < CONFIG_HEAD_BYTES)
		return -EPROTO;
	value = malloc(info.value_size);
	if (!value)
		return -ENOMEM;
	if (bpf_map_lookup_elem(device->config_fd, &key, value) < 0)
		err = -errno;
	else
		memcpy(&device->config, value, CONFIG_HEAD_BYTES);
	explicit_bzero(value, info.value_size); /* it holds the keys */
	free(value);
	*same_size = info.value_size == sizeof(struct config);
	return err;
}

static int open_config(struct device *device)
{
	bool same_size = false;
	int err;

	err = open_pin(device, "config", &device->config_fd);
	if (!err)
		err = read_config_head(device, &same_size);
	if (err)
		return err;
	if (device->config.layout_version == 0)
		return -EINPROGRESS; /* the map is there, but the loader did not come to write it */
	if (device->config.layout_version != SYNKEEP_LAYOUT_VERSION || !same_size)
		return -EPROTO;
	return device_config_read(device);
}

/* The BPF file system allows no dot in a name, and the kernel no colon in a device's. */
#define DOT_IN_PINS ':'

static void replace(char *text, char from, char to)
{
	for (; *text; text++) {
		if (*text == from)
			*text = to;
	}
}

int device_pin_dir(const char *pin_root, const char *name, char *path, size_t size)
{
	char directory[IFNAMSIZ];
	int written;

	if (!*name || strlen(name) >= sizeof(directory) || strchr(name, '/') || name[0] == '.')
		return -EINVAL;
	strcpy(directory, name);
	replace(directory, '.', DOT_IN_PINS);
	written = snprintf(path, size, "%s/%s", pin_root, directory);
	return written < (int)size ? 0 : -ENAMETOOLONG;
}

char *device_argument(char argument[DEVICE_ARGUMENT_BYTES], const char *pin_root, const char *name)
{
	if (!strcmp(pin_root, PINS_ROOT))
		snprintf(argument, DEVICE_ARGUMENT_BYTES, "%s", name);
	else
		snprintf(argument, DEVICE_ARGUMENT_BYTES, "%s --pin-root %s", name, pin_root);
	return argument;
}

static int set_place(struct device *device, const char *pin_root, const char *name)
{
	int err = device_pin_dir(pin_root, name, device->pin_dir, sizeof(device->pin_dir));

	if (err)
		return err;
	strcpy(device->name, name);
	device_argument(device->argument, pin_root, name);
	return 0;
}

static int open_clocks(struct device *device)
{
	const struct pinned_map clocks = { "clocks", &device->clocks_fd, sizeof(__u32), sizeof(struct cpu_clock), 1 };

	return open_map(device, &clocks);
}

int device_open_remains(const char *pin_root, const char *name, struct device *device)
{
	int err;

	device_init(device);
	err = set_place(device, pin_root, name);
	if (err)
		return err;
	if (access(device->pin_dir, F_OK) < 0) {
		err = -errno;
		if (err == -ENOENT && !pins_on_bpffs(pin_root))
			err = -ENOTDIR;
		return err == -EACCES ? -EPERM : err;
	}
	err = open_config(device);
	if (!err)
		err = open_clocks(device);
	if (err == -EPROTO)
		memset((char *)&device->config + CONFIG_HEAD_BYTES, 0, sizeof(device->config) - CONFIG_HEAD_BYTES);
	if (err && err != -EINPROGRESS && err != -EPROTO) {
		device_close(device);
		return err == -EACCES ? -EPERM : err;
	}
	return err;
}

static int open_other_maps(struct device *device)
{
	const struct pinned_map maps[] = {
		{ "services", &device->services_fd, sizeof(struct service_key), sizeof(struct service), 0 },
		{ "ports", &device->ports_fd, sizeof(__u32), sizeof(__u8), 65536 },
		{ "counters", &device->counters_fd, sizeof(__u32), sizeof(struct verdict_counter), VERDICT_COUNT },
		{ "budgets", &device->budgets_fd, sizeof(__u32), sizeof(struct budget), 2 * BUDGET_COUNT },
		{ "monitored", &device->monitored_fd, sizeof(struct service_key), sizeof(struct monitored), 0 },
		{ "sentries", &device->sentries_fd, sizeof(__u32), sizeof(struct sentry), SYNKEEP_SERVICES_MAX },
		{ "source_accounts", &device->source_accounts_fd, sizeof(struct source_account_key),
		  sizeof(struct source_account), 0 },
		{ "journal", &device->journal_fd, sizeof(__u32), sizeof(struct journal), 1 },
		{ "agenda", &device->agenda_fd, sizeof(__u32), sizeof(struct agenda), 1 },
		{ "xsks", &device->xsks_fd, sizeof(__u32), sizeof(__u32), 0 },
		{ "watch", &device->watch_fd, sizeof(__u32), sizeof(struct watch), 1 },
		{ "watchers", &device->watchers_fd, sizeof(__u32), sizeof(__u32), WATCHERS_MAX },
		{ "source_lists", &device->source_lists_fd, sizeof(__u32), sizeof(__u32), 1 },
		{ "source_filter", &device->source_filter_fd, sizeof(__u32), sizeof(__u64), SOURCE_FILTER_WORDS },
		{ "flows4", &device->flows_fd[0], sizeof(struct flow4_key), sizeof(struct flow), 0 },
		{ "flows6", &device->flows_fd[1], sizeof(struct flow6_key), sizeof(struct flow), 0 },
		{ "half4", &device->half_fd[0], sizeof(struct flow4_key), sizeof(struct half_open), 0 },
		{ "half6", &device->half_fd[1], sizeof(struct flow6_key), sizeof(struct half_open), 0 },
		{ "tw4", &device->tw_fd[0], sizeof(struct flow4_key), sizeof(struct ended), 0 },
		{ "tw6", &device->tw_fd[1], sizeof(struct flow6_key), sizeof(struct ended), 0 },
	};
	int err = 0;

	for (size_t i = 0; i < ARRAY_LEN(maps) && !err; i++)
		err = open_map(device, &maps[i]);
	return err;
}

int device_open(const char *pin_root, const char *name, struct device *device)
{
	int err = device_open_remains(pin_root, name, device);

	if (!err && device->config.phase == DEVICE_LOADING)
		err = -EINPROGRESS;
	if (!err)
		err = open_other_maps(device);
	if (err)
		device_close(device);
	return err;
}

static int map_id(int fd, __u32 *id)
{
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &length) < 0)
		return -errno;
	*id = info.id;
	return 0;
}

int device_check_pinned(const struct device *device)
{
	__u32 open_id = 0, pinned_id = 0;
	int fd, err;

	err = open_pin(device, "config", &fd);
	if (err)
		return err == -EINPROGRESS ? -ESTALE : err;
	err = map_id(fd, &pinned_id);
	if (!err)
		err = map_id(device->config_fd, &open_id);
	close(fd);
	if (err)
		return err;
	return pinned_id == open_id ? 0 : -ESTALE;
}

void device_explain(int error, const char *pin_root, const char *name, char *text, size_t size)
{
	char argument[DEVICE_ARGUMENT_BYTES];

	device_argument(argument, pin_root, name);
	switch (error) {
	case -ENOENT:
		snprintf(text, size, "%s is not loaded; `synkeep load %s --service SPEC` loads it", name, argument);
		break;
	case -EINPROGRESS:
		snprintf(text, size,
			 "%s is half-loaded: a load is under way or was cut short; `synkeep unload %s` clears it", name,
			 argument);
		break;
	case -EPROTO:
		snprintf(text, size,
			 "%s was loaded by a version of synkeep with another map layout; unload it with that version, "
			 "or "
			 "with `synkeep unload %s --now`, and load it again",
			 name, argument);
		break;
	case -EPERM:
	case -EACCES:
		snprintf(text, size, "this needs root (CAP_BPF and CAP_NET_ADMIN)");
		break;
	case -ENOTDIR:
		snprintf(text, size,
			 "%s is not loaded: there is no BPF file system at %s; "
			 "`mount -t bpf bpf /sys/fs/bpf` mounts one",
			 name, pin_root);
		break;
	case -EINVAL:
		snprintf(text, size, "\"%s\" is not the name of a network device", name);
		break;
	default:
		snprintf(text, size, "%s: its pins in %s can not be read: %s", name, pin_root, strerror(-error));
	}
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int is_device_dir(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && entry->d_type == DT_DIR && strlen(entry->d_name) < IFNAMSIZ;
}

int device_list(const char *pin_root, char (**names)[IFNAMSIZ])
{
	struct dirent *entry;
	int count = 0;
	DIR *dir;

	*names = NULL;
	dir = opendir(pin_root);
	if (!dir)
		return errno == ENOENT ? 0 : errno == EACCES ? -EPERM : -errno;
	while ((entry = readdir(dir))) {
		void *grown;

		if (!is_device_dir(entry))
			continue;
		grown = realloc(*names, (count + 1) * sizeof(**names));
		if (!grown) {
			free(*names);
			*names = NULL;
			count = -ENOMEM;
			break;
		}
		*names = grown;
		strcpy((*names)[count], entry->d_name);
		replace((*names)[count++], DOT_IN_PINS, '.');
	}
	closedir(dir);
	if (count > 1)
		qsort(*names, count, sizeof(**names), compare_names);
	return count;
}

int device_config_read(struct device *device)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(device->config_fd, &key, &device->config) < 0 ? -errno : 0;
}

void device_forget_key(struct device *device)
{
	explicit_bzero(&device->config.keys, sizeof(device->config.keys));
}

int device_config_write(struct device *device)
{
	__u32 key = 0;

	return bpf_map_update_elem(device->config_fd, &key, &device->config, BPF_ANY) < 0 ? -errno : 0;
}
