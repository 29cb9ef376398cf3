/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The program: finds the command that was asked for and runs it. What commands share is in command.h.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "config.h"

#define VERSION "0.1.0"

static const struct command *const commands[] = {
	&command_load,	   &command_keep,    &command_unload, &command_service, &command_deny,
	&command_allow,	   &command_key,     &command_status, &command_flows,	&command_events,
	&command_counters, &command_explain, &command_doctor, &command_run,	&command_connect,
};

int command_help(const struct command *command)
{
	fputs(command->usage, stdout);
	return EXIT_DONE;
}

static void print_message(const struct command *command, const char *format, va_list args)
{
	fprintf(stderr, "synkeep %s: ", command->name);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

int command_bad_option(const struct command *command)
{
	fprintf(stderr, "`synkeep %s --help` says what there is.\n", command->name);
	return EXIT_WRONG_USAGE;
}

int command_take_option(const struct command *command, int option, const char **pin_root, bool *help)
{
	switch (option) {
	case COMMAND_OPTION_PIN_ROOT:
		*pin_root = optarg;
		return EXIT_DONE;
	case COMMAND_OPTION_HELP:
		*help = true;
		return EXIT_DONE;
	default:
		return command_bad_option(command);
	}
}

int command_misused(const struct command *command, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_message(command, format, args);
	va_end(args);
	return command_bad_option(command);
}

int command_failed(const struct command *command, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_message(command, format, args);
	va_end(args);
	return EXIT_FAILED;
}

void command_note(const struct command *command, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_message(command, format, args);
	va_end(args);
}

static void print_help(FILE *out)
{
	fputs("Usage: synkeep COMMAND [ARGUMENT]...\n"
	      "\n"
	      "Keeps TCP services reachable through SYN floods, and their connections' states readable.\n"
	      "\n",
	      out);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n"
	      "`synkeep COMMAND --help` says more. Exit status: 0 done, 1 failed, 2 wrong usage.\n",
	      out);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	}
	return NULL;
}

static int run_command(int argc, char **argv)
{
	const struct command *command;
	char full_name[32];

	if (argc < 2) {
		print_help(stderr);
		return EXIT_WRONG_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_help(stdout);
		return EXIT_DONE;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("synkeep %s, map layout %d\n", VERSION, SYNKEEP_LAYOUT_VERSION);
		return EXIT_DONE;
	}
	command = find_command(argv[1]);
	if (!command) {
		fprintf(stderr, "synkeep: no command is called \"%s\"\n`synkeep --help` lists them.\n", argv[1]);
		return EXIT_WRONG_USAGE;
	}
	snprintf(full_name, sizeof(full_name), "synkeep %s", command->name);
	argv[1] = full_name;
	return command->run(argc - 1, argv + 1);
}

/*
 * A standard descriptor that this process was started without must not become a map or a socket, which what is read or
 * written there would then concern: it becomes one on which both fail, as they would have.
 */
static bool hold_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return false;
	}
	return true;
}

/* What was printed is of use only if it has arrived; commands leave it to this to say so. */
int main(int argc, char **argv)
{
	int status;

	if (!hold_standard_descriptors())
		return EXIT_FAILED;
	status = run_command(argc, argv);
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	fputs("synkeep: the output could not be written: is its disk full?\n", stderr);
	return status == EXIT_DONE ? EXIT_FAILED : status;
}
