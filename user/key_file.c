/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The cookies' keys in a file. See key_file.h.
 *
 * Neither stdio nor the numbers' conversions of the C library are used on what is secret: they would leave copies.
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
#define CHECKSUM_DIGITS 16
#define EPOCH_DIGITS 10

#define FORM "synkeep-key "
#define FORM_VERSION "1\n"
#define MASTER "master "
#define FORMER "\nformer "
#define FROM_EPOCH "\nfrom-epoch "
#define CHECKSUM "\nchecksum "
#define END "\n"
#define EXPORTED_BYTES                                                                                                 \
	(sizeof(FORM FORM_VERSION MASTER FORMER FROM_EPOCH CHECKSUM END) - 1 + 2 * KEY_DIGITS + EPOCH_DIGITS +         \
	 CHECKSUM_DIGITS)

/* --- keys and text ------------------------------------------------------------------------------------------------ */

/* The first byte is the lowest. */
static void key_from_bytes(struct siphash_key *key, const __u8 *bytes)
{
	key->k0 = key->k1 = 0;
	for (int i = 7; i >= 0; i--) {
		key->k0 = key->k0 << 8 | bytes[i];
		key->k1 = key->k1 << 8 | bytes[8 + i];
	}
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

/* A text that is read or written from its beginning; once something in it was not as expected, nothing is any more. */
struct cursor {
	char *at;
	const char *end;
	bool failed;
};

static void put_word(struct cursor *text, const char *word)
{
	memcpy(text->at, word, strlen(word));
	text->at += strlen(word);
}

static void put_number(struct cursor *text, __u64 number, int base, int digits)
{
	for (int i = digits - 1; i >= 0; i--, number /= base)
		text->at[i] = "0123456789abcdef"[number % base];
	text->at += digits;
}

static void put_key(struct cursor *text, const struct siphash_key *key)
{
	for (int i = 0; i < KEY_BYTES; i++)
		put_number(text, (i < 8 ? key->k0 : key->k1) >> 8 * (i % 8) & 0xff, 16, 2);
}

static void take_word(struct cursor *text, const char *word)
{
	size_t length = strlen(word);

	if (text->end - text->at < (ssize_t)length || memcmp(text->at, word, length))
		text->failed = true;
	text->at += text->failed ? 0 : length;
}

static __u64 take_number(struct cursor *text, int base, int digits)
{
	__u64 number = 0;

	for (int i = 0; i < digits && !text->failed; i++) {
		int value = text->at < text->end ? digit_value(*text->at++) : -1;

		text->failed = value < 0 || value >= base;
		number = number * base + value;
	}
	return number;
}

static void take_key(struct cursor *text, struct siphash_key *key)
{
	__u8 bytes[KEY_BYTES];

	for (int i = 0; i < KEY_BYTES; i++)
		bytes[i] = take_number(text, 16, 2);
	key_from_bytes(key, bytes);
	explicit_bzero(bytes, sizeof(bytes));
}

/* --- the exported form -------------------------------------------------------------------------------------------- */

/* Against accidents only: whoever can change the file has the key. */
static __u64 checksum_of(const struct cookie_keys *keys)
{
	__u64 words[] = { keys->master.k0, keys->master.k1, keys->former.k0, keys->former.k1, keys->from_epoch };
	const struct siphash_key known = { 0 };
	__u64 checksum = siphash24(&known, words, ARRAY_LEN(words));

	explicit_bzero(words, sizeof(words));
	return checksum;
}

static void format_exported(const struct cookie_keys *keys, char text[EXPORTED_BYTES])
{
	struct cursor to = { .at = text };

	put_word(&to, FORM FORM_VERSION MASTER);
	put_key(&to, &keys->master);
	put_word(&to, FORMER);
	put_key(&to, &keys->former);
	put_word(&to, FROM_EPOCH);
	put_number(&to, keys->from_epoch, 10, EPOCH_DIGITS);
	put_word(&to, CHECKSUM);
	put_number(&to, checksum_of(keys), 16, CHECKSUM_DIGITS);
	put_word(&to, END);
}

static bool is_read(const struct cursor *text)
{
	return !text->failed && text->at == text->end;
}

static int parse_exported(struct cursor from, struct cookie_keys *keys)
{
	__u64 epoch;

	take_word(&from, FORM FORM_VERSION MASTER);
	take_key(&from, &keys->master);
	take_word(&from, FORMER);
	take_key(&from, &keys->former);
	take_word(&from, FROM_EPOCH);
	epoch = take_number(&from, 10, EPOCH_DIGITS);
	keys->from_epoch = (__u32)epoch;
	take_word(&from, CHECKSUM);
	if (take_number(&from, 16, CHECKSUM_DIGITS) != checksum_of(keys) || keys->from_epoch != epoch)
		from.failed = true;
	take_word(&from, END);
	return is_read(&from) ? 0 : -EINVAL;
}

static int parse_plain(struct cursor from, struct cookie_keys *keys)
{
	take_key(&from, &keys->master);
	keys->former = keys->master;
	if (from.at < from.end)
		take_word(&from, END);
	return is_read(&from) ? 0 : -EINVAL;
}

static int parse(char *text, size_t length, struct cookie_keys *keys, const char *path, char *error, size_t size)
{
	const struct cursor begin = { .at = text, .end = text + length };
	struct cursor form = begin;
	int err;

	*keys = (struct cookie_keys){};
	take_word(&form, FORM);
	if (form.failed) {
		err = parse_plain(begin, keys);
		if (err)
			snprintf(error, size,
				 "%s holds no key: neither %d hexadecimal digits, as `openssl rand -hex %d` prints "
				 "them, nor what `synkeep key export` writes",
				 path, KEY_DIGITS, KEY_BYTES);
		return err;
	}
	take_word(&form, FORM_VERSION);
	err = parse_exported(begin, keys);
	if (form.failed)
		snprintf(error, size,
			 "%s was exported by another version of synkeep, in a form that this one does not "
			 "know",
			 path);
	else if (err)
		snprintf(error, size, "%s is damaged: it was cut short or changed since it was exported", path);
	return err;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static int complain(int err, const char *path, char *error, size_t size)
{
	snprintf(error, size, "%s: %s", path, strerror(-err));
	return err;
}

/* Looks at the open file, not at its name, so that nobody can swap it in between. */
static int check_secrecy(int fd, const char *path, bool is_standard, char *error, size_t size)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return complain(-errno, path, error, size);
	if (is_standard && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode)))
		return 0;
	if (!S_ISREG(status.st_mode)) {
		snprintf(error, size, "%s is not a regular file%s", path, is_standard ? ", nor a pipe" : "");
		return -EINVAL;
	}
	if (status.st_uid != 0 && status.st_uid != geteuid()) {
		snprintf(error, size, "%s belongs to another user (uid %u), who could change the key: chown it", path,
			 status.st_uid);
		return -EPERM;
	}
	if (status.st_mode & 077) {
		snprintf(error, size,
			 "%s has mode %04o, so others may get at the key: `chmod 600` it, and make a new key", path,
			 status.st_mode & 07777);
		return -EPERM;
	}
	return 0;
}

/* All of it, at most size bytes: a pipe may give it in pieces. Their number or -errno. */
static ssize_t read_all(int fd, char *text, size_t size)
{
	size_t length = 0;
	ssize_t got;

	do {
		got = read(fd, text + length, size - length);
		if (got < 0 && errno != EINTR)
			return -errno;
		length += got > 0 ? got : 0;
	} while (got && length < size);
	return length;
}

int key_file_read(const char *path, struct cookie_keys *keys, char *error, size_t size)
{
	char text[EXPORTED_BYTES + 1]; /* one more than a right file has, to see a longer one */
	bool is_standard = !strcmp(path, KEY_FILE_STANDARD);
	ssize_t length;
	int fd, err;

	/* O_NONBLOCK: a named pipe must not hold us up before we see what it is. */
	fd = is_standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
			 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	path = is_standard ? "standard input" : path;
	if (fd < 0)
		return complain(-errno, path, error, size);
	err = check_secrecy(fd, path, is_standard, error, size);
	if (err)
		goto out;
	length = read_all(fd, text, sizeof(text));
	if (length < 0) {
		err = complain((int)length, path, error, size);
		goto out;
	}
	err = parse(text, length, keys, path, error, size);
	explicit_bzero(text, sizeof(text));
out:
	close(fd);
	return err;
}

static int write_all(int fd, const char *text, size_t length)
{
	while (length) {
		ssize_t put = write(fd, text, length);

		if (put < 0 && errno != EINTR)
			return -errno;
		text += put > 0 ? put : 0;
		length -= put > 0 ? put : 0;
	}
	return 0;
}

static int write_new(const char *path, const char *text, size_t length, char *error, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), err;

	if (fd < 0 && errno == EEXIST) {
		snprintf(error, size, "%s is there already: no key is written over another", path);
		return -EEXIST;
	}
	if (fd < 0)
		return complain(-errno, path, error, size);
	err = write_all(fd, text, length);
	if (!err && fsync(fd) < 0)
		err = -errno;
	close(fd);
	if (!err)
		return 0;
	unlink(path);
	return complain(err, path, error, size);
}

static int write_standard(const char *text, size_t length, char *error, size_t size)
{
	struct stat status;
	int err = fstat(STDOUT_FILENO, &status) < 0 ? -errno : 0;

	if (!err && isatty(STDOUT_FILENO)) {
		snprintf(error, size, "a key is not for a terminal: name a FILE, or give it to a command by a pipe");
		return -EPERM;
	}
	if (!err && S_ISREG(status.st_mode) && status.st_mode & 077) {
		snprintf(error, size,
			 "others may get at the file that standard output goes to, which has mode %04o: "
			 "name a FILE, and it is made with mode 0600",
			 status.st_mode & 07777);
		return -EPERM;
	}
	if (!err)
		err = write_all(STDOUT_FILENO, text, length);
	return err ? complain(err, "standard output", error, size) : 0;
}

int key_file_write(const char *path, const struct cookie_keys *keys, char *error, size_t size)
{
	char text[EXPORTED_BYTES];
	int err;

	format_exported(keys, text);
	if (!strcmp(path, KEY_FILE_STANDARD))
		err = write_standard(text, sizeof(text), error, size);
	else
		err = write_new(path, text, sizeof(text), error, size);
	explicit_bzero(text, sizeof(text));
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
