/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs under test, one set a process: loaded from the skeleton, in a network namespace of the process's own,
 * with real listeners beside them. A packet goes in by BPF_PROG_TEST_RUN; what comes back is the frame and the verdict,
 * taken from the difference of the counters. Time is a variable.
 *
 * The process stays on one CPU, so that per-CPU state (clocks, budgets) is one state.
 */
#ifndef SYNKEEP_TEST_SHIELD_H
#define SYNKEEP_TEST_SHIELD_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "config.h"
#include "daemon.h"
#include "journal.h"
#include "monitor.h"
#include "packet_build.h"
#include "verdict.h"

/* The services; both families have each. This host is 10.9.0.1 and fd09::1, the peers are 198.51.100.7, 2001:db8::7. */
#define PORT_ALWAYS 8080	  /* policy always, a listener */
#define PORT_OFF 8081		  /* policy off, a listener */
#define PORT_UNHEARD 8082	  /* policy always, no listener */
#define PORT_MPTCP 8083		  /* policy always, an MPTCP listener */
#define PORT_NO_SERVICE 8084	  /* a listener, no service */
#define PORT_WILDCARD 8085	  /* policy always for every address, a listener on this host's */
#define PORT_MONITOR 8086	  /* policy monitor, a listener */
#define PORT_AUTO 8087		  /* policy auto, a listener */
#define PORT_DAEMON_ALWAYS 8090	  /* of the daemon's, as are the next: policy always */
#define PORT_DAEMON_OFF 8091	  /* policy off */
#define PORT_DAEMON_REFUSE 8092	  /* policy always, gone=refuse */
#define PORT_DAEMON_WILDCARD 8093 /* policy always for every address */
#define PORT_DAEMON_AUTO 8094	  /* policy auto */
#define PORT_EPHEMERAL 50000	  /* what this host opens connections from: no service, no listener */
#define REMOTE_PORT 40000

#define SHIELD_MSS_IPV4 1460
#define SHIELD_MSS_IPV6 1440
#define SHIELD_RCV_WSCALE 7
#define SHIELD_DAEMON_RCV_WSCALE 9
#define SHIELD_DAEMON_WINDOW 40000
#define SHIELD_MSL_NS (60 * NSEC_PER_SEC)
#define SHIELD_HALF_OPEN 8 /* handshakes that are calm, of each service */
#define SHIELD_FLOWS 512   /* max_entries of the flows, half and tw maps */
#define SHIELD_PRESENCE_WORDS 1024
#define SHIELD_EPOCH 1001 /* the cookies' epoch after a reset, SHIELD_EPOCH_AGE_NS old */
#define SHIELD_EPOCH_AGE_NS (20 * NSEC_PER_SEC)

/* What xdp_ingress wrote before the frame for tc_ingress: as in bpf/hint.bpf.h. */
enum shield_hint {
	SHIELD_HINT_NONE,
	SHIELD_HINT_VERIFY,
	SHIELD_HINT_WAIT,
};

struct outcome {
	enum verdict verdict; /* VERDICT_COUNT: the program took no notice */
	int action;	      /* XDP_* or TC_ACT_* */
	enum shield_hint hint;
	struct daemon_hint daemon; /* if the verdict gives the frame to the daemon */
	bool noted[VERDICT_COUNT]; /* beside the packet's own verdict */
	struct frame frame;
};

/* Runs the tests of a program: as root, in a fresh namespace, each from a clean state. The exit status of main(). */
int shield_run_tests(const char *name, const struct CMUnitTest *tests, size_t count);

/* cmocka's setup for each test: no record, no budget spent, the clocks as SHIELD_EPOCH says, sysctls untouched. */
int shield_reset(void **state);

/*
 * Adds or changes the service of this port for this host's address, or for every address of the family. retired_ns as
 * in struct service.
 */
void shield_put_service(__u8 family, __u16 port, bool any_address, enum service_policy policy, __u64 retired_ns);
/* The programs take it that the presence filter has every socket of this service, or that it has not. */
void shield_know_sockets(__u8 family, __u16 port, bool known);
void shield_pass_signed(__u8 family, __u16 port, bool pass); /* of a service for this host's address */
/* The keepalive of a service for this host's address: off unless it was set. */
void shield_set_keepalive(__u8 family, __u16 port, const struct keepalive *keepalive);
void shield_set_msl(__u8 family, __u16 port, __u32 msl_ms); /* 0: the common one */
/* Of both families' services: none after a reset. flows_max: their share, records. */
void shield_set_limits(__u16 port, const struct source_limits *limits, __u32 flows_max);
void shield_delete_service(__u8 family, __u16 port, bool any_address);

/* Whether connections that this host opens are tracked, to any port: not after a reset. */
void shield_track_outgoing(bool tracked);

/* The same of a service of the daemon's. */
void shield_put_daemon_service(__u8 family, __u16 port, bool any_address, enum service_policy policy,
			       enum service_gone gone);

/* Whether connections of the daemon's may be on a port, whatever its services: not on PORT_EPHEMERAL after a reset. */
void shield_put_daemon_port(__u16 port, bool is_daemons);

/* Whether a daemon serves the only receive queue: after a reset one does. */
void shield_put_daemon(bool is_here);

/* What its sentry knows of the service of a port. */
struct sentry shield_sentry(__u8 family, __u16 port);

/* The newest event of the journal; kind JOURNAL_NONE: there is none since the reset. */
struct journal_event shield_last_event(void);
void shield_count_anew(__u8 family, __u16 port); /* its connections: those that are there do not count */

/* Gives a service that there is policy monitor, with nothing counted yet; what has been counted since, on all CPUs. */
void shield_monitor(__u8 family, __u16 port, bool any_address);
struct monitored shield_monitored(__u8 family, __u16 port, bool any_address);

struct tuple shield_tuple(__u8 family, __u16 local_port);

/* The file descriptor of the listener on PORT_ALWAYS, PORT_OFF or PORT_NO_SERVICE. */
int shield_listener(__u8 family, __u16 port);

/* A frame from the wire (xdp_ingress), one that the owner sends (tc_egress), one that XDP passed (tc_ingress). */
struct outcome shield_receive(const struct frame *f);
struct outcome shield_send(const struct frame *f);
struct outcome shield_hand_over(const struct frame *f);

/* The same without the verdict, which takes most of the time: for packets by the hundred thousand. */
struct outcome shield_receive_uncounted(const struct frame *f);
struct outcome shield_send_uncounted(const struct frame *f);

/* tc_ingress with a packet that it has sent behind its batch, and that comes back. */
struct outcome shield_hand_over_again(const struct frame *f);

/* tc_ingress with a packet that is to be cut to so many bytes of payload; tc_egress with one of so many segments. */
struct outcome shield_hand_over_merged(const struct frame *f, __u32 segment_bytes);
struct outcome shield_send_gso(const struct frame *f, __u32 segments);

/* Both, so many times each, on the CPU that the process is on; what becomes of them is not looked at. */
void shield_repeat(const struct frame *received, const struct frame *sent, __u32 times);

/* A frame that other programs have put so many bytes of metadata before. */
struct outcome shield_receive_behind_metadata(const struct frame *f, __u32 meta_bytes);

/* A frame of which the first so many bytes are in the first buffer; only where main() has set shield_takes_frags. */
extern bool shield_takes_frags;
struct outcome shield_receive_in_buffers(const struct frame *f, __u32 first_buffer);

/* xdp_ingress with the packet that spec describes. */
struct outcome shield_receive_packet(const struct packet_spec *spec);

/* The config as the programs read it; shield_configure() writes it back and has every clock and service read anew. */
extern struct config shield_config;
void shield_configure(void);
void shield_advance(__u64 ns);	       /* all clocks */
void shield_set_cookie_time(__u64 ns); /* the cookies' clock alone: a step, forth or back */
__u64 shield_now_ns(void);	       /* what the programs' last run took for the time */
__u32 shield_now_ms(void);	       /* CLOCK_MONOTONIC, milliseconds modulo 2^32, whether or not a program has run */
struct cookie_clock shield_cookie_clock(void); /* reckoned here, not read from the programs */
struct cookie_site shield_cookie_site(__u8 family);
void shield_set_metadata_missing(bool missing);

/* The file descriptor of a map or a program, by its name. */
int shield_map(const char *name);
int shield_program(const char *name);

/* Records; false: the tuple has none in that table. */
bool shield_flow(const struct tuple *t, struct flow *f);
bool shield_half_open(const struct tuple *t, struct half_open *h);
bool shield_ended(const struct tuple *t, struct ended *e);
void shield_put_flow(const struct tuple *t, const struct flow *f);
void shield_put_half_open(const struct tuple *t, const struct half_open *h);
void shield_put_ended(const struct tuple *t, const struct ended *e);
int shield_fill_flows(void);	 /* every free slot of flows4, by records of no importance; how many */
void shield_clear_flows(void);	 /* all of flows4 */
void shield_fill_presence(void); /* every tuple is in the filter */
void shield_start_sweep(void);
void shield_rest_sweep(__u64 until_ns); /* CLOCK_MONOTONIC as it is; 0: it walks with its next turn */

/* Another object's programs, not loaded yet, will work on the maps of the same names. */
struct bpf_object;
void shield_share_maps(struct bpf_object *other);

/* Verdicts given since the process started, notes included, and those since it began counting. */
bool shield_saw(enum verdict verdict);
__u64 shield_count(enum verdict verdict);

/* Whether the verdict has been given count times, now or within a second: packets on a device take their time. */
bool shield_counts_to(enum verdict verdict, __u64 count);

/* Attaches the three programs to a device of the namespace, XDP in generic mode; shield_detach() undoes it. */
void shield_attach(const char *device);
void shield_detach(void);

const char *shield_verdict_name(enum verdict verdict);

#define assert_verdict(outcome, expected)                                                                              \
	assert_string_equal(shield_verdict_name((outcome).verdict), shield_verdict_name(expected))
#define assert_noted(outcome, expected) assert_true((outcome).noted[expected])
#define assert_state(actual, expected) assert_string_equal(tcp_state_name(actual), tcp_state_name(expected))

#endif /* SYNKEEP_TEST_SHIELD_H */
