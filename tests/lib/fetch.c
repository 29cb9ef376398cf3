// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fetch: a client that makes short HTTP connections, a fixed number at a time, and says what became of each.
 *
 * A connection is connect, GET, the answer, and the server's FIN; with an echo server, that of the client before it.
 * Each one that was started has an outcome: when the time is over no new one starts, and those under way may still end
 * or time out. A timeout below 3 s lets the kernel repeat a lost SYN once, after 1 s.
 */
#include "base.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "cpu_time.h"

#define PARALLEL_MAX 4096
#define SCAN_MS 10 /* how often connections are looked through for those whose time is over */

struct options {
	struct sockaddr_storage to;
	socklen_t to_bytes;
	int parallel;
	long count; /* connections to start at the most; 0: no limit */
	double seconds;
	double timeout_s;
	int cpu;
	bool echo;
	struct cpu_time_tasks tasks;
};

enum outcome {
	SUCCEEDED,
	REFUSED,   /* by RST or an error before the connection stood */
	RESET,	   /* after it stood */
	CUT_SHORT, /* ended in order, without the answer */
	TIMED_OUT,
	OUTCOMES,
};

struct connection {
	int fd; /* -1: none under way */
	bool established;
	bool answered;
	double started;
	double stood;
};

/* Times of the connections that succeeded, in microseconds. */
struct times {
	__u32 *us;
	size_t length, room;
};

struct client {
	const struct options *options;
	int epoll;
	__u64 cpu_before[CPU_TIME_TASKS_MAX];
	double started;
	double ends; /* no connection starts after this */
	int under_way;
	long begun;
	long in_time; /* succeeded before the end */
	long outcomes[OUTCOMES];
	struct times handshakes, totals;
	struct connection connections[PARALLEL_MAX];
};

static const char usage[] = "usage: fetch [option]... ADDRESS\n"
			    "  --port PORT    (80)\n"
			    "  --parallel N   connections at a time (32)\n"
			    "  --count N      connections in all (0: as many as the time allows)\n"
			    "  --seconds S    how long new connections are begun (2)\n"
			    "  --timeout S    how long one connection may take (2.5)\n"
			    "  --echo         the server sends back what comes, and closes when the client has\n"
			    "  --cpu N        the CPU to run on (any)\n"
			    "  --task PID     another task whose CPU time is wanted, may be repeated; 0: this one's\n"
			    "Prints outcomes, rate, times and the tasks' CPU time as JSON; per_second counts successes "
			    "within --seconds.\n";

/* --- times ------------------------------------------------------------------------------------------------------- */

static void times_add(struct times *t, double seconds)
{
	if (t->length == t->room) {
		t->room = t->room ? 2 * t->room : 4096;
		t->us = realloc(t->us, t->room * sizeof(*t->us));
		if (!t->us)
			tool_fail("memory");
	}
	t->us[t->length++] = (__u32)(seconds * 1e6);
}

static int compare_us(const void *a, const void *b)
{
	__u32 left = *(const __u32 *)a, right = *(const __u32 *)b;

	return (left > right) - (left < right);
}

/* Prints percentiles in milliseconds; null where nothing succeeded. */
static void times_print(const char *name, struct times *t)
{
	if (!t->length) {
		printf(", \"%s\": null", name);
		return;
	}
	qsort(t->us, t->length, sizeof(*t->us), compare_us);
	printf(", \"%s\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}", name, t->us[t->length / 2] / 1e3,
	       t->us[t->length * 99 / 100] / 1e3, t->us[t->length - 1] / 1e3);
	free(t->us);
}

/* --- one connection ---------------------------------------------------------------------------------------------- */

static void connection_end(struct client *client, struct connection *c, enum outcome outcome)
{
	double now = tool_seconds(CLOCK_MONOTONIC);

	client->outcomes[outcome]++;
	client->under_way--;
	if (outcome == SUCCEEDED) {
		client->in_time += now <= client->ends;
		times_add(&client->handshakes, c->stood - c->started);
		times_add(&client->totals, now - c->started);
	}
	close(c->fd);
	c->fd = -1;
}

static void connection_begin(struct client *client, struct connection *c)
{
	const struct options *o = client->options;
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };

	*c = (struct connection){ .started = tool_seconds(CLOCK_MONOTONIC) };
	c->fd = socket(o->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (c->fd < 0 || epoll_ctl(client->epoll, EPOLL_CTL_ADD, c->fd, &event))
		tool_fail("socket");
	client->begun++;
	client->under_way++;
	if (connect(c->fd, (const struct sockaddr *)&o->to, o->to_bytes) && errno != EINPROGRESS) {
		if (errno == EADDRNOTAVAIL)
			tool_fail("connect (widen net.ipv4.ip_local_port_range)");
		connection_end(client, c, REFUSED);
	}
}

static const char request[] = "GET / HTTP/1.0\r\n\r\n"; /* 1.0: the server closes */

/* The connection stands, or has failed: asks for the page. */
static bool connection_request(struct client *client, struct connection *c)
{
	socklen_t length = sizeof(int);
	int err = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &length) || err ||
	    send(c->fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != sizeof(request) - 1) {
		connection_end(client, c, err == ETIMEDOUT ? TIMED_OUT : REFUSED);
		return false;
	}
	if (client->options->echo)
		shutdown(c->fd, SHUT_WR);
	c->established = true;
	c->stood = tool_seconds(CLOCK_MONOTONIC);
	return true;
}

/* Reads what has come; the answer is right if its first bytes are. */
static void connection_read(struct client *client, struct connection *c)
{
	const char *beginning = client->options->echo ? request : "HTTP/1.1 200";
	ssize_t got, length = (ssize_t)strlen(beginning);
	char buffer[2048];

	while ((got = recv(c->fd, buffer, sizeof(buffer), 0)) > 0) {
		if (!c->answered)
			c->answered = got >= length && !memcmp(buffer, beginning, (size_t)length);
	}
	if (got == 0)
		connection_end(client, c, c->answered ? SUCCEEDED : CUT_SHORT);
	else if (errno == ETIMEDOUT)
		connection_end(client, c, TIMED_OUT);
	else if (errno != EAGAIN)
		connection_end(client, c, RESET);
}

/* --- all of them ------------------------------------------------------------------------------------------------- */

static bool may_begin(const struct client *client, double now)
{
	return !tool_stopped && now < client->ends &&
	       (!client->options->count || client->begun < client->options->count);
}

/* Times out what has taken too long, and begins a new connection in each free place. */
static void scan(struct client *client, double now)
{
	for (int i = 0; i < client->options->parallel; i++) {
		struct connection *c = &client->connections[i];

		if (c->fd >= 0 && (tool_stopped || now - c->started > client->options->timeout_s))
			connection_end(client, c, TIMED_OUT);
		if (c->fd < 0 && may_begin(client, now))
			connection_begin(client, c);
	}
}

static void handle(struct client *client, struct connection *c, __u32 events)
{
	if (!c->established) {
		if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) || !connection_request(client, c))
			return;
	}
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		connection_read(client, c);
}

static void run(struct client *client)
{
	struct epoll_event events[64];
	double now, scanned = 0;

	cpu_time_read(&client->options->tasks, client->cpu_before);
	client->started = tool_seconds(CLOCK_MONOTONIC);
	client->ends = client->started + client->options->seconds;
	for (int i = 0; i < PARALLEL_MAX; i++)
		client->connections[i].fd = -1;
	do {
		int count = epoll_wait(client->epoll, events, ARRAY_LEN(events), client->under_way ? SCAN_MS : 0);

		for (int i = 0; i < count; i++) {
			struct connection *c = events[i].data.ptr;

			handle(client, c, events[i].events);
			if (c->fd < 0 && may_begin(client, tool_seconds(CLOCK_MONOTONIC)))
				connection_begin(client, c);
		}
		now = tool_seconds(CLOCK_MONOTONIC);
		if (now - scanned > SCAN_MS * 1e-3) {
			scan(client, now);
			scanned = now;
		}
	} while (client->under_way || may_begin(client, now));
}

static void report(struct client *client)
{
	const long *n = client->outcomes;
	double seconds = tool_seconds(CLOCK_MONOTONIC);

	seconds = (seconds < client->ends ? seconds : client->ends) - client->started;
	printf("{\"begun\": %ld, \"succeeded\": %ld, \"refused\": %ld, \"reset\": %ld, \"cut_short\": %ld, "
	       "\"timed_out\": %ld, \"per_second\": %.1f",
	       client->begun, n[SUCCEEDED], n[REFUSED], n[RESET], n[CUT_SHORT], n[TIMED_OUT],
	       (double)client->in_time / seconds);
	times_print("handshake_ms", &client->handshakes);
	times_print("total_ms", &client->totals);
	printf(", \"cpu_seconds\": ");
	cpu_time_print_since(&client->options->tasks, client->cpu_before);
	printf("}\n");
}

/* --- the command line -------------------------------------------------------------------------------------------- */

static void parse_target(struct options *o, const char *address, __u16 port)
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)&o->to;
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&o->to;

	if (inet_pton(AF_INET, address, &ipv4->sin_addr) == 1) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = htons(port);
		o->to_bytes = sizeof(*ipv4);
	} else if (inet_pton(AF_INET6, address, &ipv6->sin6_addr) == 1) {
		ipv6->sin6_family = AF_INET6;
		ipv6->sin6_port = htons(port);
		o->to_bytes = sizeof(*ipv6);
	} else {
		tool_wrong_usage("an address is IPv4 or IPv6, in numbers");
	}
}

static void parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "port", 1, NULL, 'p' },    { "parallel", 1, NULL, 'n' },
		{ "count", 1, NULL, 'N' },   { "seconds", 1, NULL, 's' },
		{ "timeout", 1, NULL, 't' }, { "cpu", 1, NULL, 'c' },
		{ "echo", 0, NULL, 'e' },    { "task", 1, NULL, 'k' },
		{ "help", 0, NULL, 'h' },    {},
	};
	__u16 port = 80;
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 'p':
			port = (__u16)tool_number(optarg, 1, 65535, false);
			break;
		case 'n':
			o->parallel = (int)tool_number(optarg, 1, PARALLEL_MAX, false);
			break;
		case 'N':
			o->count = (long)tool_number(optarg, 0, 1e9, false);
			break;
		case 's':
			o->seconds = tool_number(optarg, 0, 3600, true);
			break;
		case 't':
			o->timeout_s = tool_number(optarg, 0, 3600, true);
			break;
		case 'c':
			o->cpu = (int)tool_number(optarg, 0, CPU_SETSIZE - 1, false);
			break;
		case 'e':
			o->echo = true;
			break;
		case 'k':
			cpu_time_add(&o->tasks, optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (argc - optind != 1)
		tool_wrong_usage("it takes one address");
	parse_target(o, argv[optind], port);
}

int main(int argc, char **argv)
{
	static struct client client;
	struct options o = { .parallel = 32, .seconds = 2, .timeout_s = 2.5, .cpu = -1 };

	parse_options(argc, argv, &o);
	if (o.cpu >= 0)
		tool_pin_cpu(o.cpu);
	tool_catch_signals();
	client.options = &o;
	client.epoll = epoll_create1(0);
	if (client.epoll < 0)
		tool_fail("epoll");
	run(&client);
	report(&client);
	return 0;
}
