/* SPDX-License-Identifier: Apache-2.0 */
#include "status/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "status/listener.h"

/* Of each of the two. Prometheus, a probe and a person are three; the rest is for who leaves them open. */
#define CONNECTIONS_LIMIT  32
#define CONNECTION_MEMORY  ((size_t)16 * 1024) /* request line and headers have to fit */
#define CONNECTION_IDLE_S  5
#define CONNECTION_TIME_MS 5000 /* from accept to the end of the answer, however it trickles */
#define STEPS_MAX          128  /* at a time: a head of CONNECTION_MEMORY takes some fifty */

/* A connection that is open, for its deadline. */
struct guest {
	int fd;
	uint64_t since_ms; /* monotonic; 0: none */
};

struct listener {
	struct server *server;
	struct MHD_Daemon *http; /* NULL: listens nowhere */
	struct listener_address address;
	struct guest guests[CONNECTIONS_LIMIT];
};

struct server {
	const struct route_actions *actions;
	int epoll_fd; /* over those of the listeners */
	struct listener listeners[SERVER_LISTENERS];
};

static enum MHD_Result queue_reply(struct MHD_Connection *connection, struct route_reply *reply)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(reply->length, reply->body,
									MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result = MHD_NO;

	if (!response) {
		free(reply->body);
		return MHD_NO;
	}
	if (MHD_add_response_header(response, "Content-Type", reply->content_type) &&
	    MHD_add_response_header(response, "Cache-Control", "no-store") &&
	    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff") &&
	    MHD_add_response_header(response, "Referrer-Policy", "no-referrer") &&
	    MHD_add_response_header(response, "Connection", "close") &&
	    (!*reply->policy ||
	     MHD_add_response_header(response, "Content-Security-Policy", reply->policy)) &&
	    (!reply->allow || MHD_add_response_header(response, "Allow", reply->allow)))
		result = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return result;
}

/* libmicrohttpd: the head of a request was read. A body is not waited for: no page takes one. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
				  const char *path, const char *method, const char *version,
				  const char *body, size_t *body_bytes, void **request_state)
{
	const struct listener *listener = context;
	const struct route_request request = {
		.method = method,
		.path = path,
		.accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept"),
		.since = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "since"),
		.host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host"),
		.is_control = listener == &listener->server->listeners[SERVER_CONTROL],
		.is_loopback = listener_is_loopback(&listener->address),
	};
	struct route_reply reply;

	(void)version, (void)body, (void)body_bytes, (void)request_state;
	routes_answer(listener->server->actions, &request, &reply);
	return queue_reply(connection, &reply);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **state,
			  enum MHD_ConnectionNotificationCode code)
{
	struct listener *listener = context;
	const union MHD_ConnectionInfo *info;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (*state)
			((struct guest *)*state)->since_ms = 0;
		return;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	for (size_t i = 0; info && i < CONNECTIONS_LIMIT; i++)
		if (listener->guests[i].since_ms == 0) {
			listener->guests[i] = (struct guest){ .fd = info->connect_fd,
							      .since_ms = clock_monotonic_ms() };
			*state = &listener->guests[i];
			return;
		}
}

/* Whoever sends or reads a byte now and then is never idle: at the deadline it is over all the same. */
static void show_out(struct listener *listener)
{
	uint64_t now_ms = clock_monotonic_ms();

	for (size_t i = 0; i < CONNECTIONS_LIMIT; i++)
		if (listener->guests[i].since_ms > 0 &&
		    now_ms - listener->guests[i].since_ms > CONNECTION_TIME_MS)
			(void)shutdown(listener->guests[i].fd, SHUT_RDWR);
}

static void stop(struct listener *listener)
{
	if (!listener->http)
		return;
	MHD_stop_daemon(take_ptr(listener->http)); /* closes the socket, too */
	if (*listener_path(&listener->address))
		(void)unlink(listener_path(&listener->address));
}

/* Serve on a listening socket, which is closed with the listener or on failure. */
static int start(struct listener *listener, int fd, struct error *err)
{
	struct epoll_event event = { .events = EPOLLIN };
	const union MHD_DaemonInfo *info;

	listener->http = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, on_request, listener, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_LIMIT,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_IDLE_S,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, listener, MHD_OPTION_END);
	if (!listener->http) {
		(void)close(fd);
		return error_set(err, ERROR_FATAL, "libmicrohttpd cannot be started");
	}
	info = MHD_get_daemon_info(listener->http, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info ||
	    epoll_ctl(listener->server->epoll_fd, EPOLL_CTL_ADD, info->epoll_fd, &event) < 0) {
		error_errno(err, "watch libmicrohttpd");
		stop(listener);
		return -1;
	}
	return 0;
}

int server_new(const struct route_actions *actions, struct server **ret_server, struct error *err)
{
	struct server *server = mem_calloc(1, sizeof *server);

	server->actions = actions;
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < SERVER_LISTENERS; i++)
		server->listeners[i].server = server;
	if (server->epoll_fd < 0) {
		error_errno(err, "epoll");
		server_free(server);
		return -1;
	}
	*ret_server = server;
	return 0;
}

struct server *server_free(struct server *server)
{
	if (!server)
		return NULL;
	for (size_t i = 0; i < SERVER_LISTENERS; i++)
		stop(&server->listeners[i]);
	close_fd(&server->epoll_fd);
	free(server);
	return NULL;
}

int server_check(const struct conf *conf, struct error *err)
{
	struct listener_address address;
	struct error reason;

	if (listener_parse(conf->status_listen, &address, &reason) < 0)
		return conf_error(conf, CONF_status_listen, err, "%s", reason.message);
	return 0;
}

int server_try(const struct conf *conf, struct error *err)
{
	cleanup_close int fd = -1;
	struct listener_address address;

	if (listener_parse(conf->status_listen, &address, err) < 0)
		return -1;
	if (address.length == 0 || *listener_path(&address))
		return 0;
	fd = listener_open(&address, err);
	return fd < 0 ? -1 : 0;
}

int server_listen(struct server *server, enum server_listener which, const char *address,
		  struct error *err)
{
	struct listener *listener = &server->listeners[which];
	int fd;

	stop(listener);
	if (listener_parse(address, &listener->address, err) < 0)
		return -1;
	if (listener->address.length == 0)
		return 0;
	fd = listener_open(&listener->address, err);
	return fd < 0 ? -1 : start(listener, fd, err);
}

int server_fd(const struct server *server)
{
	return server->epoll_fd;
}

/*
 * MHD_run() takes one step of each connection, and what is left to do then wakes no epoll: that was read
 * or found writable already (libmicrohttpd 0.9.75).
 */
static void run(struct MHD_Daemon *http)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;
	int steps = 0;

	do
		(void)MHD_run(http);
	while (++steps < STEPS_MAX && MHD_get_timeout(http, &timeout_ms) == MHD_YES &&
	       timeout_ms == 0);
}

void server_run(struct server *server)
{
	for (size_t i = 0; i < SERVER_LISTENERS; i++) {
		if (!server->listeners[i].http)
			continue;
		show_out(&server->listeners[i]);
		run(server->listeners[i].http);
	}
}
