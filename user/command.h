/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a command of the program is, and how commands speak: results on stdout, complaints on stderr.
 *
 * Each command is in its own file, cmd_NAME.c, and in the table of main.c.
 */
#ifndef SYNKEEP_COMMAND_H
#define SYNKEEP_COMMAND_H

#include <stdbool.h>

#include "pins.h"

/* What getopt_long() returns for options that every command has and that have no letter. */
enum command_option {
	COMMAND_OPTION_HELP = 'h',
	COMMAND_OPTION_PIN_ROOT = 256,
	COMMAND_OPTION_OWN, /* a command's own options start here */
};

#define COMMAND_OPTIONS                                                                                                \
	{ "help", no_argument, NULL, COMMAND_OPTION_HELP },                                                            \
	{                                                                                                              \
		"pin-root", required_argument, NULL, COMMAND_OPTION_PIN_ROOT                                           \
	}

enum exit_code {
	EXIT_DONE,
	EXIT_FAILED,
	EXIT_WRONG_USAGE,
};

struct command {
	const char *name;
	const char *summary;		   /* a line without a full stop, for the list of commands */
	const char *usage;		   /* what --help prints: whole lines, "Usage: synkeep NAME ..." first */
	int (*run)(int argc, char **argv); /* argv[0] is "synkeep NAME", as getopt prints it; returns enum exit_code */
};

extern const struct command command_load;
extern const struct command command_keep;
extern const struct command command_unload;
extern const struct command command_service;
extern const struct command command_deny;
extern const struct command command_allow;
extern const struct command command_key;
extern const struct command command_status;
extern const struct command command_doctor;
extern const struct command command_flows;
extern const struct command command_events;
extern const struct command command_counters;
extern const struct command command_explain;
extern const struct command command_run;
extern const struct command command_connect;

/* Prints the usage on stdout; returns EXIT_DONE. */
int command_help(const struct command *command);

/* Prints "synkeep NAME: MESSAGE" and where help is, on stderr; returns EXIT_WRONG_USAGE. */
int command_misused(const struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For an option that getopt_long() has complained of: prints where help is, on stderr; returns EXIT_WRONG_USAGE. */
int command_bad_option(const struct command *command);

/*
 * Takes an option that every command has, into *pin_root or *help; returns EXIT_DONE, or what command_bad_option() does
 * for all others.
 */
int command_take_option(const struct command *command, int option, const char **pin_root, bool *help);

/* Prints "synkeep NAME: MESSAGE" on stderr; returns EXIT_FAILED. */
int command_failed(const struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints "synkeep NAME: MESSAGE" on stderr and goes on: something that the user should know. */
void command_note(const struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif /* SYNKEEP_COMMAND_H */
