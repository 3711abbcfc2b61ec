/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics, health, page and the control socket: where they are served. */
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/environment.h"
#include "daemon/daemon_state.h"

#define RETRY_MS UINT64_C(10000)

static int on_server(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct daemon *daemon = context;

	(void)source, (void)fd, (void)events;
	server_run(daemon->server);
	return 0;
}

int daemon_serve(struct daemon *daemon, struct error *err)
{
	/* The control socket: in the folder that systemd made for the daemon, else in the spool. */
	cleanup_free char *runtime = environment_first_folder("RUNTIME_DIRECTORY");
	cleanup_free char *path = mem_printf("%s/" SPOOL_CONTROL_SOCKET,
					     runtime ? runtime : daemon->conf->spool_directory);
	cleanup_free char *stale = mem_printf("%s/" SPOOL_CONTROL_SOCKET,
					      daemon->conf->spool_directory);
	struct error reason;
	int result;

	daemon->series = series_new();
	if (server_new(&daemon->actions, &daemon->server, err) < 0)
		return -1;
	result = sd_event_add_io(daemon->loop, NULL, server_fd(daemon->server), EPOLLIN, on_server,
				 daemon);
	if (result < 0)
		return error_set(err, ERROR_FATAL, "event loop: %s", strerror(-result));
	/* One in the spool, which is ours, is an earlier run's: a command would take it for this one's. */
	if (runtime)
		(void)unlink(stale);
	/* A failure of either is never a reason not to record. */
	if (server_listen(daemon->server, SERVER_CONTROL, path, &reason) < 0)
		log_event(EVENT_NO_CONTROL_SOCKET, log_text("path", path), log_reason(&reason));
	(void)daemon_listen(daemon, &reason);
	return 0;
}

int daemon_listen(struct daemon *daemon, struct error *err)
{
	const char *address = daemon->conf->status_listen;
	bool was_failing = daemon->listen_again_ms > 0;

	daemon->listen_again_ms = 0;
	if (server_listen(daemon->server, SERVER_STATUS, address, err) == 0) {
		if (was_failing)
			log_event(EVENT_STATUS_SERVED, log_text("address", address));
		return 0;
	}
	if (!was_failing)
		log_event(
			EVENT_STATUS_NOT_SERVED, log_text("address", address), log_reason(err),
			log_text("remedy", "free the address, or give another with status.listen"));
	daemon->listen_again_ms = clock_monotonic_ms() + RETRY_MS;
	return -1;
}

void daemon_tick_server(struct daemon *daemon)
{
	struct error err;

	server_run(daemon->server); /* what takes too long is ended */
	if (daemon->listen_again_ms > 0 && clock_monotonic_ms() >= daemon->listen_again_ms)
		(void)daemon_listen(daemon, &err);
}
