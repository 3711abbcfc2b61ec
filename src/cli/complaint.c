/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/complaint.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/text.h"
#include "conf/conf.h"

#define SYSTEMD_FOLDER "/run/systemd/system" /* sd_booted(3) */

/*
 * Say it, on standard error with what to do about it, or for machines its first line; once, until it is
 * something else. Returns the status.
 */
static int complain(struct complaint *complaint, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int complain(struct complaint *complaint, int status, const char *format, ...)
{
	char text[COMPLAINT_MAX], json[6 * COMPLAINT_MAX + sizeof "\"\""];
	struct text value = text_over(json, sizeof json);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (!complaint->is_screen && strcmp(complaint->said, text) == 0)
		return status;
	memcpy(complaint->said, text, sizeof text);
	if (!complaint->is_json) {
		fprintf(stderr, "%s\n", text);
		return status;
	}
	text[strcspn(text, "\n")] = '\0';
	text_append_json(&value, text);
	printf("{\"error\":%s}\n", json);
	return status;
}

/* Is the one that we look for most likely systemd's? Not in a container, nor one that was started by hand. */
static bool is_service(const struct complaint *complaint)
{
	return access(SYSTEMD_FOLDER, F_OK) == 0 &&
	       (strcmp(complaint->path, PACKAGED_SOCKET) == 0 ||
		strcmp(complaint->spool, DEFAULT_SPOOL_DIRECTORY) == 0);
}

static const char *what_it_does(const struct complaint *complaint)
{
	return is_service(complaint)
		       ? "journalctl -u kube-node-tracer -e; systemctl status kube-node-tracer"
		       : "see what it logs, on its standard error";
}

int complaint_not_running(struct complaint *complaint, int reason)
{
	if (reason == EACCES || reason == EPERM)
		return complain(complaint, EX_NOPERM,
				"kube-node-tracer: %s is for root and the group of the recorder's "
				"account alone; try: sudo kube-node-tracer …",
				complaint->path);
	if (spool_is_in_use(complaint->spool))
		return complain(
			complaint, EX_UNAVAILABLE,
			"kube-node-tracer is starting, or about to end: it has the spool %s, "
			"and does not listen at %s\n"
			"what it does: %s",
			complaint->spool, complaint->path, what_it_does(complaint));
	return complain(
		complaint, EX_UNAVAILABLE,
		"kube-node-tracer is not running with this configuration: %s (%s)\n"
		"%s\n"
		"for a recorder with another spool folder, give the flags that it was started with "
		"(-o DIR, --config FILE)",
		complaint->path,
		reason == ECONNREFUSED ? "what is there was left behind by one that ended abruptly"
				       : strerror(reason),
		is_service(complaint)
			? "start it:           systemctl start kube-node-tracer\n"
			  "why it has stopped: journalctl -u kube-node-tracer -e"
			: "why it has stopped: see the last lines of what it logged, on its "
			  "standard error");
}

int complaint_busy(struct complaint *complaint, pid_t pid, unsigned patience_ms)
{
	return complain(
		complaint, EX_UNAVAILABLE,
		"kube-node-tracer runs as process %d, and did not answer within %.1f s: it is "
		"starting (recovering the segments of an earlier run), stopping, or its main thread "
		"hangs; packets may be recorded all the same\n"
		"what it does: %s",
		(int)pid, patience_ms / 1000.0, what_it_does(complaint));
}

int complaint_hangs(struct complaint *complaint)
{
	return complain(complaint, EX_UNAVAILABLE,
			"kube-node-tracer runs, and does not answer: its main thread hangs");
}

void complaint_is_over(struct complaint *complaint)
{
	*complaint->said = '\0';
}
