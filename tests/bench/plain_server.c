// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * plain_server: echo, discard, daytime and chargen on the kernel's TCP, with one epoll loop and nothing around it: the
 * least that an application of sockets can do, beside the daemon's applications of the same names.
 *
 * Buffers are limited to what the daemon's are by default. Like there, what can not go back yet is not read.
 */
#include "base.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tool.h"

#define BUFFER_BYTES (1 << 20)
#define CHUNK_BYTES (64 << 10)
#define DAYTIME_BYTES 40
#define EVENTS_MAX 256
#define BACKLOG 4096

enum service {
	ECHO,
	DISCARD,
	DAYTIME,
	CHARGEN,
	SERVICES,
};

static const __u16 ports[] = { [ECHO] = 7, [DISCARD] = 9, [DAYTIME] = 13, [CHARGEN] = 19 };

/* What epoll gives back: a descriptor, whether it listens, its service, in the bits of one number. */
#define EVENT_LISTENS (1ULL << 40)
#define EVENT_SERVICE_SHIFT 32

static char chunk[CHUNK_BYTES];

/* As many as whoever started this one allows. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		tool_fail("descriptors");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		tool_fail("descriptors");
}

static void watch(int epoll, int fd, __u64 data, __u32 events)
{
	struct epoll_event event = { .events = events, .data.u64 = data | (__u64)fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		tool_fail("epoll");
}

static void listen_for(int epoll, enum service service)
{
	const struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(ports[service]) };
	int one = 1, bytes = BUFFER_BYTES / 2; /* the kernel doubles it, for what it keeps beside the text */
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) || listen(fd, BACKLOG))
		tool_fail("listening");
	watch(epoll, fd, EVENT_LISTENS | (__u64)service << EVENT_SERVICE_SHIFT, EPOLLIN);
}

static void accept_all(int epoll, int listener, enum service service)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		watch(epoll, fd, (__u64)service << EVENT_SERVICE_SHIFT,
		      service == CHARGEN || service == DAYTIME ? EPOLLOUT : EPOLLIN);
}

/* What the peer has not room for is lost: its clients here send one byte. */
static bool echo(int fd)
{
	ssize_t length = recv(fd, chunk, sizeof(chunk), 0);

	return length > 0 ? send(fd, chunk, length, MSG_NOSIGNAL) == length : length < 0 && errno == EAGAIN;
}

/* A line, and the end: how to reckon the date is not what is measured. */
static bool say(int fd)
{
	send(fd, chunk, DAYTIME_BYTES, MSG_NOSIGNAL);
	return false;
}

/* MSG_TRUNC throws away without a copy, as the daemon's does; a short count says that there is no more. */
static bool discard(int fd)
{
	ssize_t length = recv(fd, NULL, BUFFER_BYTES, MSG_TRUNC);

	return length > 0 || (length < 0 && errno == EAGAIN);
}

static bool generate(int fd)
{
	ssize_t length;

	while ((length = send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL)) == sizeof(chunk))
		;
	return length >= 0 || errno == EAGAIN;
}

static bool (*const serve[SERVICES])(int) = {
	[ECHO] = echo, [DISCARD] = discard, [DAYTIME] = say, [CHARGEN] = generate
};

int main(void)
{
	struct epoll_event events[EVENTS_MAX];
	int epoll = epoll_create1(0);

	if (epoll < 0)
		tool_fail("epoll");
	allow_descriptors();
	memset(chunk, '.', sizeof(chunk));
	for (enum service service = 0; service < SERVICES; service++)
		listen_for(epoll, service);
	tool_catch_signals();
	while (!tool_stopped) {
		int count = epoll_wait(epoll, events, EVENTS_MAX, -1);

		for (int i = 0; i < count; i++) {
			enum service service = events[i].data.u64 >> EVENT_SERVICE_SHIFT & 0xff;
			int fd = (int)(__u32)events[i].data.u64;

			if (events[i].data.u64 & EVENT_LISTENS)
				accept_all(epoll, fd, service);
			else if (!serve[service](fd))
				close(fd);
		}
	}
	return 0;
}
