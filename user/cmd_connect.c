/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * synkeep connect: a client over Synkeep's own TCP. Finds the way, makes what it needs on the device, lets client.h
 * carry the bytes, and takes away what it has made.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <netinet/in.h>

#include "bpf_log.h"
#include "command.h"
#include "daemon/client.h"
#include "daemon/link.h"
#include "duration.h"
#include "key_file.h"
#include "load.h"
#include "pins.h"
#include "route.h"
#include "service_spec.h"

#define ERROR_BYTES 1024
#define FLOWS 1024 /* of a device that is loaded for one connection */
#define MEMORY_BYTES (64ULL << 20)
#define NEXT_HOP_WAIT_NS (3 * NSEC_PER_SEC)
#define TIMEOUT_MIN_NS NSEC_PER_SEC
#define TIMEOUT_MAX_NS (24 * 3600 * NSEC_PER_SEC)
#define PORT_TRIES 64

/* Ephemeral ports, where the kernel does not say. */
#define PORT_FIRST 32768
#define PORT_LAST 60999

/* How the connection ended; 0 is by the book, and 1 and 2 are as of every command. */
enum connect_exit {
	CONNECT_REFUSED = 3,
	CONNECT_RESET = 4,
	CONNECT_TIMED_OUT = 5,
	CONNECT_UNREACHABLE = 6,
};

struct options {
	const char *pin_root;
	const char *device; /* NULL: the one that the route leads to */
	struct service_spec peer;
	const char *peer_text;
	struct tcp_settings settings;
};

/* What is made for the connection, and taken away behind it. */
struct connection {
	const struct options *options;
	char device_name[IFNAMSIZ];
	struct route route;
	bool loaded_here;
	struct device device;
	struct worker *worker;
	int reserved_fd; /* a socket of the kernel's that has the port: nobody else gets it */
	int signals_fd;
	bool was_marked; /* the port is marked as the daemon's before */
	struct tuple tuple;
};

/* --- options ------------------------------------------------------------------------------------------------------ */

static int parse_peer(struct options *options, const char *text)
{
	char error[SERVICE_SPEC_ERROR_BYTES];
	struct service_spec *peer = &options->peer;

	if (service_spec_parse(text, peer, error, sizeof(error)))
		return command_misused(&command_connect, "%s: %s", text, error);
	if (!peer->family || !peer->port || strchr(text, ','))
		return command_misused(&command_connect, "%s: one address and one port are wanted, as 10.0.0.2:80",
				       text);
	options->peer_text = text;
	return EXIT_DONE;
}

static int set_timeout(struct options *options, const char *text)
{
	__u64 ns;

	if (duration_parse(text, &ns) || ns < TIMEOUT_MIN_NS || ns > TIMEOUT_MAX_NS)
		return command_misused(&command_connect, "--timeout %s: a time from 1s to 24h is wanted, as 10s", text);
	options->settings.syn_timeout_ms = ns / NSEC_PER_MSEC;
	return EXIT_DONE;
}

static int parse_options(struct options *options, int argc, char **argv, bool *help)
{
	enum { DEVICE = COMMAND_OPTION_OWN, TIMEOUT };
	static const struct option known[] = {
		{ "device", required_argument, NULL, DEVICE },
		{ "timeout", required_argument, NULL, TIMEOUT },
		COMMAND_OPTIONS,
		{ 0 },
	};
	int option, status = EXIT_DONE;

	while (!status && !*help && (option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		switch (option) {
		case DEVICE:
			options->device = optarg;
			break;
		case TIMEOUT:
			status = set_timeout(options, optarg);
			break;
		default:
			status = command_take_option(&command_connect, option, &options->pin_root, help);
		}
	}
	if (status || *help)
		return status;
	if (argc - optind != 1)
		return command_misused(&command_connect,
				       argc == optind ? "to where? ADDR:PORT is missing" : "one ADDR:PORT is wanted");
	return parse_peer(options, argv[optind]);
}

/* --- the way ------------------------------------------------------------------------------------------------------ */

static int find_route(struct connection *connection)
{
	const struct options *options = connection->options;
	int ifindex = 0, err;

	memcpy(connection->tuple.remote, options->peer.address, sizeof(connection->tuple.remote));
	if (options->device) {
		ifindex = if_nametoindex(options->device);
		if (!ifindex)
			return command_failed(
				&command_connect,
				"there is no device \"%s\" in this network namespace; `ip link` lists them",
				options->device);
	}
	err = route_find(options->peer.family, connection->tuple.remote, ifindex, &connection->route);
	if (err == -EADDRNOTAVAIL)
		return command_failed(&command_connect, "%s is this host itself, or not a single host",
				      options->peer_text);
	if (err || !if_indextoname(connection->route.ifindex, connection->device_name)) {
		command_failed(&command_connect, "no way to %s: %s", options->peer_text, strerror(err ? -err : errno));
		return CONNECT_UNREACHABLE;
	}
	memcpy(connection->tuple.local, connection->route.source, sizeof(connection->tuple.local));
	connection->tuple.remote_port = options->peer.port;
	connection->tuple.family = options->peer.family;
	return EXIT_DONE;
}

/* A device that is not loaded is, for as long as the connection lasts: for no service, and for few records. */
static int load_for_this(struct connection *connection)
{
	struct load load = {
		.pin_root = connection->options->pin_root,
		.name = connection->device_name,
		.answers_per_prefix = SYNKEEP_ANSWERS_DEFAULT,
		.flows = FLOWS,
	};
	char error[ERROR_BYTES];
	struct load_result result;
	int err;

	err = system_device(load.name, &load.system);
	if (!err && (load.system.loopback || !load.system.ethernet))
		return command_failed(&command_connect, "%s is not an Ethernet device", load.name);
	if (!err)
		err = key_file_random(&load.keys.master);
	if (err)
		return command_failed(&command_connect, "%s: %s", load.name, strerror(-err));
	err = load_device(&load, &result, error, sizeof(error));
	explicit_bzero(&load.keys, sizeof(load.keys));
	if (err)
		return command_failed(&command_connect, "%s: %s", load.name, error);
	connection->loaded_here = true;
	return EXIT_DONE;
}

static int open_device(struct connection *connection)
{
	const char *pin_root = connection->options->pin_root;
	char explanation[ERROR_BYTES];
	int err = device_open(pin_root, connection->device_name, &connection->device);

	if (err == -ENOENT || err == -ENOTDIR) {
		int status = load_for_this(connection);

		if (status)
			return status;
		err = device_open(pin_root, connection->device_name, &connection->device);
	}
	if (!err)
		return EXIT_DONE;
	device_explain(err, pin_root, connection->device_name, explanation, sizeof(explanation));
	return command_failed(&command_connect, "%s", explanation);
}

static int open_worker(struct connection *connection)
{
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);
	struct worker_options options = {
		.device = &connection->device,
		.ring = XSK_RING_DEFAULT,
		.msl_ns = connection->device.config.msl_ns,
		.connections_max = 1,
		.syn_received_max = 1,
		.time_wait_max = 1,
		.memory_bytes = MEMORY_BYTES,
	};
	char error[ERROR_BYTES] = "";

	if (bpf_obj_get_info_by_fd(connection->device.xsks_fd, &info, &length) < 0)
		return command_failed(&command_connect, "%s", strerror(errno));
	options.queue_count = info.max_entries;
	if (options.queue_count > WORKER_QUEUES_MAX)
		return command_failed(&command_connect, "%s has %u receive queues, and at most %u can be served here",
				      connection->device_name, options.queue_count, WORKER_QUEUES_MAX);
	if (worker_open(&options, &connection->worker, error, sizeof(error)))
		return command_failed(&command_connect, "%s", error);
	return EXIT_DONE;
}

/* The kernel asks the wire, if it does not know. */
static int find_next_hop(struct connection *connection, __u32 *path)
{
	struct link *link = worker_link(connection->worker);
	const __be32 *next_hop = connection->route.next_hop;
	__u64 until_ns = system_monotonic_ns() + NEXT_HOP_WAIT_NS;
	struct path_header header;
	const __u8 *mac;

	link_follow_routes(link);
	link_ask(link, connection->tuple.family, next_hop);
	while (!(mac = link_neighbour(link, connection->tuple.family, next_hop))) {
		struct pollfd news = { .fd = link_fd(link), .events = POLLIN };

		if (system_monotonic_ns() > until_ns) {
			command_failed(&command_connect, "no way to %s: the next hop does not answer",
				       connection->options->peer_text);
			return CONNECT_UNREACHABLE;
		}
		poll(&news, 1, 100);
		link_follow(link);
	}
	header = path_make_header(mac, link_mac(link), connection->tuple.family);
	*path = path_add(worker_paths(connection->worker), &header);
	return EXIT_DONE;
}

/* Whatever went to the next hop goes to another, as soon as its MAC address is known. */
static bool reroute(void *context)
{
	struct connection *connection = context;
	struct link *link = worker_link(connection->worker);
	__u8 family = connection->tuple.family;
	const __u8 *from, *to;
	struct route route;

	if (route_find(family, connection->tuple.remote, connection->route.ifindex, &route))
		return true; /* there is none now: perhaps the next change brings one */
	from = link_neighbour(link, family, connection->route.next_hop);
	to = link_neighbour(link, family, route.next_hop);
	if (!to) {
		link_ask(link, family, route.next_hop);
		return false;
	}
	if (from)
		path_move(worker_paths(connection->worker), from, to, family);
	connection->route = route;
	return true;
}

/* --- the port ----------------------------------------------------------------------------------------------------- */

static void read_port_range(__u32 *first, __u32 *last)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

	if (!file || fscanf(file, "%u %u", first, last) != 2 || *first < 1 || *last > 65535 || *first > *last) {
		*first = PORT_FIRST;
		*last = PORT_LAST;
	}
	if (file)
		fclose(file);
}

static int bind_port(const struct tuple *tuple, __u16 port, int ifindex)
{
	struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_port = net16(port) };
	struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6, .sin6_port = net16(port), .sin6_scope_id = ifindex };
	int fd = socket(tuple->family, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	memcpy(&ipv4.sin_addr, tuple->local, sizeof(ipv4.sin_addr));
	memcpy(&ipv6.sin6_addr, tuple->local, sizeof(ipv6.sin6_addr));
	if (tuple->family == FAMILY_IPV4)
		err = bind(fd, (struct sockaddr *)&ipv4, sizeof(ipv4));
	else
		err = bind(fd, (struct sockaddr *)&ipv6, sizeof(ipv6));
	if (!err)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* An earlier connection of the tuple is in TIME-WAIT, which XDP answers for as long as the port is marked. */
static bool has_time_wait(const struct connection *connection)
{
	const struct tuple *tuple = &connection->tuple;
	bool is_ipv6 = tuple->family == FAMILY_IPV6;
	struct flow4_key key4;
	struct flow6_key key6;
	struct ended e;

	flow4_key_from_tuple(&key4, tuple);
	flow6_key_from_tuple(&key6, tuple);
	return !bpf_map_lookup_elem(connection->device.tw_fd[is_ipv6], is_ipv6 ? (void *)&key6 : &key4, &e) &&
	       ended_state(&e, system_monotonic_ns()) == TCPS_TIME_WAIT;
}

/* A service's segments are the service's; what is only marked may have been a service's, or a connection's like ours.
 */
static bool is_free(struct connection *connection, __u32 port)
{
	__u8 kinds = 0;

	if (bpf_map_lookup_elem(connection->device.ports_fd, &port, &kinds) < 0 || (kinds & ~PORT_DAEMON))
		return false;
	connection->was_marked = kinds;
	return !has_time_wait(connection);
}

/* Simple port randomisation (RFC 6056, 3.3.1): drawn anew until one is free. */
static int reserve_port(struct connection *connection)
{
	__u32 first, last, drawn;

	read_port_range(&first, &last);
	for (int i = 0; i < PORT_TRIES; i++) {
		if (getrandom(&drawn, sizeof(drawn), 0) != sizeof(drawn))
			break;
		connection->tuple.local_port = first + drawn % (last - first + 1);
		connection->reserved_fd = -EADDRINUSE;
		if (!is_free(connection, connection->tuple.local_port))
			continue;
		connection->reserved_fd =
			bind_port(&connection->tuple, connection->tuple.local_port, connection->route.ifindex);
		if (connection->reserved_fd >= 0)
			return EXIT_DONE;
	}
	return command_failed(&command_connect, "no free port: %s", strerror(-connection->reserved_fd));
}

/* Tells XDP that there may be connections of ours on the port, or not any more. */
static int mark_port(const struct connection *connection, bool ours)
{
	int lock = pins_lock(connection->device.pin_dir, false), err = 0;
	__u32 port = connection->tuple.local_port;
	__u8 kinds;

	if (lock < 0)
		return lock;
	if (bpf_map_lookup_elem(connection->device.ports_fd, &port, &kinds) < 0)
		err = -errno;
	kinds = ours ? kinds | PORT_DAEMON : kinds & ~PORT_DAEMON;
	if (!err && bpf_map_update_elem(connection->device.ports_fd, &port, &kinds, BPF_ANY) < 0)
		err = -errno;
	pins_unlock(lock);
	return err;
}

/* The device's MTU may be another than when XDP was told how long frames may be. */
static int tell_frame_bytes(struct connection *connection)
{
	struct device *device = &connection->device;
	int lock = pins_lock(device->pin_dir, false), err;

	if (lock < 0)
		return lock;
	err = device_config_read(device);
	device->config.daemon_frame_bytes = xsk_frame_bytes_max(link_mtu(worker_link(connection->worker)));
	if (!err)
		err = device_config_write(device);
	device_forget_key(device);
	pins_unlock(lock);
	return err;
}

/* --- the connection ----------------------------------------------------------------------------------------------- */

static int explain_end(const struct options *options, int error)
{
	switch (error) {
	case 0:
		return EXIT_DONE;
	case -ECONNREFUSED:
		command_failed(&command_connect, "%s: connection refused", options->peer_text);
		return CONNECT_REFUSED;
	case -ECONNRESET:
		command_failed(&command_connect, "%s: connection reset by the peer", options->peer_text);
		return CONNECT_RESET;
	case -ETIMEDOUT:
		command_failed(&command_connect, "%s: the peer does not answer", options->peer_text);
		return CONNECT_TIMED_OUT;
	case -EHOSTUNREACH:
	case -ENETUNREACH:
		command_failed(&command_connect, "%s: %s", options->peer_text, strerror(-error));
		return CONNECT_UNREACHABLE;
	case -ECANCELED:
		return command_failed(&command_connect, "stopped by a signal; the connection was reset");
	default:
		return command_failed(&command_connect, "%s: %s", options->peer_text, strerror(-error));
	}
}

static int carry(struct connection *connection, __u32 path)
{
	const struct client client = {
		.input_fd = STDIN_FILENO,
		.output_fd = STDOUT_FILENO,
		.stop_fd = connection->signals_fd,
		.reroute = reroute,
		.context = connection,
	};
	int err;

	err = worker_begin(connection->worker);
	if (err == -EEXIST)
		return command_failed(&command_connect, "%s is served by `synkeep run`, which has its receive queues",
				      connection->device_name);
	if (!err)
		err = tell_frame_bytes(connection);
	if (!err)
		err = mark_port(connection, true);
	if (err)
		return command_failed(&command_connect, "%s: %s", connection->device_name, strerror(-err));
	err = client_run(connection->worker, &client, &connection->tuple, path, &connection->options->settings);
	worker_close(connection->worker);
	connection->worker = NULL;
	if (!connection->was_marked && !has_time_wait(connection))
		mark_port(connection, false);
	return explain_end(connection->options, err);
}

static int connect_through(struct connection *connection)
{
	__u32 path;
	int status;

	status = find_route(connection);
	if (!status)
		status = open_device(connection);
	if (!status)
		status = open_worker(connection);
	if (!status)
		status = find_next_hop(connection, &path);
	if (!status)
		status = reserve_port(connection);
	if (!status)
		status = carry(connection, path);
	return status;
}

static void take_away(struct connection *connection)
{
	char error[ERROR_BYTES];
	struct teardown undone;

	worker_close(connection->worker);
	if (connection->reserved_fd >= 0)
		close(connection->reserved_fd);
	close(connection->signals_fd);
	device_close(&connection->device);
	if (connection->loaded_here &&
	    teardown_pinned(connection->options->pin_root, connection->device_name, 0, &undone, error, sizeof(error)))
		command_note(&command_connect, "%s stays loaded: %s", connection->device_name, error);
}

/* Signals only stop the connection: what was made for it is taken away all the same. */
static int open_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int run(int argc, char **argv)
{
	struct options options = { .pin_root = PINS_ROOT, .settings = tcp_settings_default() };
	struct connection connection = { .options = &options, .reserved_fd = -1 };
	bool help = false;
	int status = parse_options(&options, argc, argv, &help);

	if (help)
		return command_help(&command_connect);
	if (status)
		return status;
	if (!system_may_load())
		return command_failed(&command_connect, "this needs root (CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN)");
	bpf_log_capture(false);
	device_init(&connection.device);
	connection.signals_fd = open_signals();
	if (connection.signals_fd < 0)
		return command_failed(&command_connect, "signals can not be waited for: %s", strerror(errno));
	status = connect_through(&connection);
	take_away(&connection);
	return status;
}

const struct command command_connect = {
	.name = "connect",
	.summary = "a client over Synkeep's own TCP: stdin to a peer, and back to stdout",
	.usage = "Usage: synkeep connect ADDR:PORT [--device DEV] [--timeout TIME] [--pin-root DIR]\n"
		 "\n"
		 "Opens a connection over Synkeep's own TCP, sends stdin, and writes to stdout what comes. At the end "
		 "of\n"
		 "stdin it closes its direction and goes on reading; when the peer has closed its own, it ends.\n"
		 "\n"
		 "  ADDR:PORT           the peer: 10.0.0.2:80, [2001:db8::2]:443\n"
		 "      --device DEV    the device to go by; the one that the route leads to by default. One that is "
		 "not\n"
		 "                      loaded is, for as long as the connection lasts. `synkeep run` must not serve "
		 "it\n"
		 "      --timeout TIME  how long to wait for the peer's answer to the SYN (10s, 2m); three minutes by\n"
		 "                      default\n"
		 "      --pin-root DIR  where devices are pinned, " PINS_ROOT " by default\n"
		 "  -h, --help          this text\n"
		 "\n"
		 "Exit status: 0 closed by both ends, 1 failed, 2 wrong usage, 3 refused, 4 reset by the peer, 5 no "
		 "answer in\n"
		 "time, 6 no way to the peer.\n",
	.run = run,
};
