/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading and writing the file of a list. See source_list_file.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "source_list_file.h"

#define BLANKS " \t\r\n"

struct numbered {
	struct source_rule rule;
	__u32 line;
};

/* What is being read. */
struct reader {
	const char *name;
	enum source_action action;
	struct numbered *rules;
	size_t count, room;
	__u32 line;
	char *error; /* SOURCE_LIST_FILE_ERROR_BYTES */
};

static int __attribute__((format(printf, 3, 4))) wrong(const struct reader *r, __u32 line, const char *format, ...)
{
	int used = snprintf(r->error, SOURCE_LIST_FILE_ERROR_BYTES, "%.400s:%u: ", r->name, line);
	va_list args;

	va_start(args, format);
	vsnprintf(r->error + used, SOURCE_LIST_FILE_ERROR_BYTES - used, format, args);
	va_end(args);
	return -EINVAL;
}

/* --- a line ------------------------------------------------------------------------------------------------------ */

/* "timeout TIME" or "monitor", behind the prefix. */
static int take_option(const struct reader *r, const char *word, char **rest, struct source_rule *rule,
		       char error[SOURCE_RULE_ERROR_BYTES])
{
	if (!strcmp(word, "timeout") && !rule->entry.expires_ns) {
		const char *time = strtok_r(NULL, BLANKS, rest);

		return source_rule_parse_timeout(time ? time : "", rule, error);
	}
	if (!strcmp(word, "monitor") && rule->entry.action == SOURCE_DENY) {
		rule->entry.action = SOURCE_DENY_MONITOR;
		return 0;
	}
	if (!strcmp(word, "monitor") && rule->entry.action == SOURCE_ALLOW)
		snprintf(error, SOURCE_RULE_ERROR_BYTES, "only what is denied can be monitored");
	else if (!strcmp(word, "timeout") || !strcmp(word, "monitor"))
		snprintf(error, SOURCE_RULE_ERROR_BYTES, "\"%s\" is said twice", word);
	else
		snprintf(error, SOURCE_RULE_ERROR_BYTES,
			 "behind the prefix there may be \"timeout TIME\"%s, nothing else but a # and a comment",
			 r->action == SOURCE_DENY ? " and \"monitor\"" : "");
	return -EINVAL;
}

static int parse_line(const struct reader *r, char *line, struct source_rule *rule)
{
	char error[SOURCE_RULE_ERROR_BYTES], *rest = NULL;
	const char *word = strtok_r(line, BLANKS, &rest);
	int err = source_rule_parse_prefix(word, rule, error);

	rule->entry.action = r->action;
	while (!err && (word = strtok_r(NULL, BLANKS, &rest)))
		err = take_option(r, word, &rest, rule, error);
	return err ? wrong(r, r->line, "%s", error) : 0;
}

/* --- all lines --------------------------------------------------------------------------------------------------- */

static int make_room(struct reader *r)
{
	size_t room = r->room ? r->room * 2 : 1024;
	struct numbered *grown;

	if (r->count < r->room)
		return 0;
	grown = realloc(r->rules, room * sizeof(*grown));
	if (!grown) {
		snprintf(r->error, SOURCE_LIST_FILE_ERROR_BYTES, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	r->rules = grown;
	r->room = room;
	return 0;
}

static int take_line(struct reader *r, char *line, size_t length)
{
	int err;

	r->line++;
	if (strlen(line) != length)
		return wrong(r, r->line, "a byte of value 0: this is no list");
	line[strcspn(line, "#")] = 0;
	if (!line[strspn(line, BLANKS)])
		return 0;
	if (r->count == SOURCE_LIST_MAX) {
		wrong(r, r->line, "a list has room for %d prefixes", SOURCE_LIST_MAX);
		return -E2BIG;
	}
	err = make_room(r);
	if (err)
		return err;
	r->rules[r->count] = (struct numbered){ .line = r->line };
	err = parse_line(r, line, &r->rules[r->count].rule);
	r->count += !err;
	return err;
}

static int take_lines(struct reader *r, FILE *in)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	int err = 0;

	errno = 0;
	while (!err && (length = getline(&line, &size, in)) >= 0)
		err = take_line(r, line, (size_t)length);
	if (!err && !feof(in)) {
		err = errno ? -errno : -EIO;
		snprintf(r->error, SOURCE_LIST_FILE_ERROR_BYTES, "%.400s: %s", r->name, strerror(-err));
	}
	free(line);
	return err;
}

static int compare(const void *a, const void *b)
{
	const struct numbered *one = a, *other = b;
	int prefixes = source_rule_compare(&one->rule, &other->rule);

	return prefixes ? prefixes : one->line < other->line ? -1 : 1;
}

/* The first line, if any, whose prefix came before. The rules are sorted. */
static int refuse_repeated(const struct reader *r)
{
	const struct numbered *repeated = NULL;
	char prefix[SOURCE_RULE_PREFIX_BYTES];

	for (size_t i = 1; i < r->count; i++) {
		if (!source_rule_compare(&r->rules[i - 1].rule, &r->rules[i].rule) &&
		    (!repeated || r->rules[i].line < repeated->line))
			repeated = &r->rules[i];
	}
	if (!repeated)
		return 0;
	return wrong(r, repeated->line, "%s is in line %u already",
		     source_rule_format_prefix(prefix, &repeated->rule.key), repeated[-1].line);
}

int source_list_file_read(FILE *in, const char *name, enum source_action action, struct source_rule **rules,
			  size_t *count, char error[SOURCE_LIST_FILE_ERROR_BYTES])
{
	struct reader r = { .name = name, .action = action, .error = error };
	int err = take_lines(&r, in);

	*rules = NULL;
	if (!err && r.count) {
		qsort(r.rules, r.count, sizeof(*r.rules), compare);
		err = refuse_repeated(&r);
	}
	if (!err) {
		*rules = malloc((r.count ? r.count : 1) * sizeof(**rules));
		err = *rules ? 0 : -ENOMEM;
		if (err)
			snprintf(error, SOURCE_LIST_FILE_ERROR_BYTES, "%s", strerror(ENOMEM));
	}
	for (size_t i = 0; !err && i < r.count; i++)
		(*rules)[i] = r.rules[i].rule;
	*count = err ? 0 : r.count;
	free(r.rules);
	return err;
}

int source_list_file_write(FILE *out, const struct source_rule *rules, size_t count, __u64 now_ns)
{
	for (size_t i = 0; i < count; i++) {
		const struct source_rule *rule = &rules[i];
		char prefix[SOURCE_RULE_PREFIX_BYTES];

		fputs(source_rule_format_prefix(prefix, &rule->key), out);
		if (rule->entry.expires_ns)
			fprintf(out, " timeout %llus", source_rule_left_s(rule, now_ns));
		fputs(rule->entry.action == SOURCE_DENY_MONITOR ? " monitor\n" : "\n", out);
	}
	if (fflush(out))
		return -errno;
	return ferror(out) ? -EIO : 0;
}
