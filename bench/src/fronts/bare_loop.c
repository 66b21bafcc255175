/*
 * The lower bound: the cost of accepting, reading, writing and closing without a server around them.
 *
 *   bare_loop close|finish|keep-alive BYTES ANSWER [BYTES ANSWER]
 *
 * Each turn waits for BYTES bytes from the client (0: any number) and sends the content of the file ANSWER. After the
 * last turn the connection is closed; with finish, only once the client has closed it too; with keep-alive, the turns
 * start again. Received data is not examined.
 *
 * Only the listener is always registered with epoll, level-triggered; a connection is registered only if its client has
 * to be waited for.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FILES 65536
#define MAX_ANSWER 65536
#define MAX_EVENTS 64
#define MAX_ACCEPTS 64
#define BACKLOG 4096

struct turn {
	size_t bytes;
	size_t length;
	char answer[MAX_ANSWER];
};

struct connection {
	int turn;
	int finishing;
	int registered;
	size_t received;
};

static struct turn turns[2];
static int turn_count;
static int keep_alive;
static int finish;
static int events;
static struct connection connections[MAX_FILES];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void load(struct turn *turn, const char *bytes, const char *file)
{
	FILE *answer = fopen(file, "rb");
	if (!answer)
		fail(file);
	turn->bytes = strtoul(bytes, NULL, 10);
	turn->length = fread(turn->answer, 1, MAX_ANSWER, answer);
	fclose(answer);
}

/* Continues until the client has to be waited for, or has closed the connection. */
static void advance(int file)
{
	static char buffer[65536];
	struct connection *connection = &connections[file];

	for (;;) {
		ssize_t length = recv(file, buffer, sizeof buffer, 0);
		if (length < 0 && errno == EAGAIN)
			break;
		if (length <= 0) {
			close(file);
			return;
		}
		if (connection->finishing)
			continue;
		connection->received += (size_t)length;
		struct turn *turn = &turns[connection->turn];
		if (connection->received < turn->bytes)
			continue;
		connection->received = 0;
		if (send(file, turn->answer, turn->length, MSG_NOSIGNAL) < 0) {
			close(file);
			return;
		}
		connection->turn = (connection->turn + 1) % turn_count;
		if (connection->turn == 0 && finish) {
			connection->finishing = 1;
			shutdown(file, SHUT_WR);
		} else if (connection->turn == 0 && !keep_alive) {
			close(file);
			return;
		}
		/* The client has not read this yet: there is nothing to receive now. */
		break;
	}
	if (!connection->registered) {
		struct epoll_event event = {.events = EPOLLIN, .data.fd = file};
		connection->registered = 1;
		if (epoll_ctl(events, EPOLL_CTL_ADD, file, &event) < 0)
			fail("epoll_ctl");
	}
}

static void accept_all(int listener)
{
	for (int count = 0; count < MAX_ACCEPTS; count++) {
		int file = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (file < 0)
			return;
		if (file >= MAX_FILES) {
			close(file);
			return;
		}
		memset(&connections[file], 0, sizeof connections[file]);
		advance(file);
	}
}

static int listen_on_loopback(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, BACKLOG) < 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &length) < 0)
		fail("cannot listen");
	printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return listener;
}

int main(int count, char **arguments)
{
	if (count != 4 && count != 6) {
		fprintf(stderr, "usage: bare_loop close|finish|keep-alive BYTES ANSWER [BYTES ANSWER]\n");
		return 64;
	}
	keep_alive = strcmp(arguments[1], "keep-alive") == 0;
	finish = strcmp(arguments[1], "finish") == 0;
	turn_count = (count - 2) / 2;
	for (int turn = 0; turn < turn_count; turn++)
		load(&turns[turn], arguments[2 + 2 * turn], arguments[3 + 2 * turn]);

	int listener = listen_on_loopback();
	struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
	events = epoll_create1(EPOLL_CLOEXEC);
	if (events < 0 || epoll_ctl(events, EPOLL_CTL_ADD, listener, &event) < 0)
		fail("epoll");
	for (;;) {
		struct epoll_event ready[MAX_EVENTS];
		int number = epoll_wait(events, ready, MAX_EVENTS, -1);
		for (int index = 0; index < number; index++) {
			if (ready[index].data.fd == listener)
				accept_all(listener);
			else
				advance(ready[index].data.fd);
		}
	}
}
