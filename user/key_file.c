/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The master key. See key_file.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "key_file.h"

#define KEY_BYTES 16
#define KEY_DIGITS (2 * KEY_BYTES)

static __u64 get_le64(const __u8 *p)
{
	__u64 number = 0;

	for (int i = 7; i >= 0; i--)
		number = number << 8 | p[i];
	return number;
}

static void key_from_bytes(struct siphash_key *key, const __u8 *bytes)
{
	key->k0 = get_le64(bytes);
	key->k1 = get_le64(bytes + 8);
}

static int digit_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

static int parse_key(const char *text, size_t length, struct siphash_key *key)
{
	__u8 bytes[KEY_BYTES];

	if (length == KEY_DIGITS + 1 && text[KEY_DIGITS] == '\n')
		length--;
	if (length != KEY_DIGITS)
		return -EINVAL;
	for (int i = 0; i < KEY_BYTES; i++) {
		int high = digit_value(text[2 * i]), low = digit_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		bytes[i] = high << 4 | low;
	}
	key_from_bytes(key, bytes);
	explicit_bzero(bytes, sizeof(bytes));
	return 0;
}

/* Looks at the open file, not at its name, so that nobody can swap it in between. */
static int check_secrecy(int fd, const char *path, char *error, size_t size)
{
	struct stat status;

	if (fstat(fd, &status) < 0) {
		int err = -errno;

		snprintf(error, size, "%s: %s", path, strerror(-err));
		return err;
	}
	if (!S_ISREG(status.st_mode)) {
		snprintf(error, size, "%s is not a regular file", path);
		return -EINVAL;
	}
	if (status.st_uid != 0 && status.st_uid != geteuid()) {
		snprintf(error, size, "%s belongs to another user (uid %u), who could change the key: chown it", path,
			 status.st_uid);
		return -EPERM;
	}
	if (status.st_mode & 077) {
		snprintf(error, size,
			 "%s has mode %04o, so others may get at the key: `chmod 600 %s`, and make a new key", path,
			 status.st_mode & 07777, path);
		return -EPERM;
	}
	return 0;
}

int key_file_read(const char *path, struct siphash_key *key, char *error, size_t size)
{
	char text[KEY_DIGITS + 2]; /* one more than a right file has, to see a longer one */
	ssize_t length;
	int fd, err;

	/* O_NONBLOCK: a named pipe must not hold us up before we see what it is. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		err = -errno;
		snprintf(error, size, "%s: %s", path, strerror(-err));
		return err;
	}
	err = check_secrecy(fd, path, error, size);
	if (err)
		goto out;
	length = read(fd, text, sizeof(text));
	if (length < 0) {
		err = -errno;
		snprintf(error, size, "%s: %s", path, strerror(-err));
		goto out;
	}
	err = parse_key(text, length, key);
	if (err)
		snprintf(error, size, "%s does not hold %d hexadecimal digits, as `openssl rand -hex %d` prints them",
			 path, KEY_DIGITS, KEY_BYTES);
	explicit_bzero(text, sizeof(text));
out:
	close(fd);
	return err;
}

int key_file_random(struct siphash_key *key)
{
	__u8 bytes[KEY_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -errno;
	key_from_bytes(key, bytes);
	explicit_bzero(bytes, sizeof(bytes));
	return 0;
}
