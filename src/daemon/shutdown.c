/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stop, in flow order: no more packets, the last segments published, then uploads, newest first. The
 * steps that wait are jobs, so that main hears the second signal and sees the deadline whatever a disk
 * or a network does; what is not done then is left to the recovery of the next start.
 */
#include <inttypes.h>
#include <string.h>

#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon_state.h"

/*
 * The end comes this much before the deadline, behind which the service manager kills: the second that is
 * promised, and one for a machine that is slow to notice.
 */
#define BEFORE_DEADLINE_MS UINT64_C(2000)
/* Uploads are broken off this much before the end. */
#define BREAK_OFF_MS UINT64_C(2000)
/* So long the last segments may take, however short the deadline is and however many signals come. */
#define CLOSE_MS UINT64_C(3000)

static void stop_uploader(void *uploader)
{
	uploader_stop(uploader);
}

static void skip_uploads(struct daemon *daemon)
{
	uint64_t now_ms = clock_monotonic_ms();

	daemon->break_off_at_ms = now_ms;
	if (daemon->leave_at_ms > now_ms + CLOSE_MS)
		daemon->leave_at_ms = now_ms + CLOSE_MS;
}

static void begin_stop(struct daemon *daemon)
{
	uint64_t deadline_ms = daemon->conf->daemon_shutdown_deadline * CLOCK_MS_PER_S;
	uint64_t now_ms = clock_monotonic_ms(), length_ms = CLOSE_MS;

	if (deadline_ms > CLOSE_MS + BEFORE_DEADLINE_MS)
		length_ms = deadline_ms - BEFORE_DEADLINE_MS;
	daemon->phase = STATUS_STOPPING;
	atomic_store(&daemon->is_stopping, true);
	daemon->leave_at_ms = now_ms + length_ms;
	daemon->break_off_at_ms = deadline_ms > 0 ? daemon->leave_at_ms - BREAK_OFF_MS : now_ms;
	(void)sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64,
			 (length_ms + 10 * CLOCK_MS_PER_S) * 1000);
	pipelines_end(daemon->pipelines, "stop", clock_real_ns());
	jobs_add(daemon->jobs, pipelines_join, take_ptr(daemon->pipelines));
	daemon_drop_reload(daemon);
}

void daemon_fail(struct daemon *daemon, const struct error *err)
{
	if (daemon->failure.kind == ERROR_NONE)
		daemon->failure = *err;
	if (daemon->phase != STATUS_STOPPING)
		begin_stop(daemon);
	skip_uploads(daemon); /* what failed is more urgent than the uploads */
}

void daemon_continue_stop(struct daemon *daemon)
{
	uint64_t now_ms = clock_monotonic_ms();

	if (daemon->phase != STATUS_STOPPING)
		return;
	if (daemon->step == STOP_CLOSING && jobs_left(daemon->jobs) == 0) {
		/* What could not be recorded is written down, whatever happens to the uploads. */
		daemon_maintain(daemon);
		uploader_drain(daemon->uploader);
		daemon->step = STOP_UPLOADING;
	}
	if (daemon->step == STOP_UPLOADING &&
	    (uploader_is_drained(daemon->uploader) || now_ms >= daemon->break_off_at_ms)) {
		jobs_add(daemon->jobs, stop_uploader, daemon->uploader);
		daemon->step = STOP_ENDING;
	}
	if ((daemon->step == STOP_ENDING && !daemon_has_jobs(daemon)) ||
	    now_ms >= daemon->leave_at_ms)
		(void)sd_event_exit(daemon->loop, 0);
}

int daemon_on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *signal,
			  void *context)
{
	struct daemon *daemon = context;

	(void)source;
	if (daemon->phase == STATUS_STOPPING) {
		skip_uploads(daemon);
	} else {
		log_event(EVENT_STOPPING, log_text("signal", sigabbrev_np((int)signal->ssi_signo)),
			  log_number("deadline_s", daemon->conf->daemon_shutdown_deadline));
		begin_stop(daemon);
	}
	daemon_continue_stop(daemon);
	return 0;
}
