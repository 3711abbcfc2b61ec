/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a command says in place of an answer: why there is none, and what to do about it. For people on
 * standard error; for machines its first line as {"error":"…"} on standard output.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "spool/spool.h"

/* Where the packaged unit has its RuntimeDirectory=. */
#define PACKAGED_SOCKET "/run/kube-node-tracer/" SPOOL_CONTROL_SOCKET
#define COMPLAINT_MAX   1024

struct complaint {
	const char *path,
		*spool; /* control socket and spool folder that were asked for; borrowed */
	bool is_json;
	bool is_screen; /* what is said takes the place of what stood there: say it again */
	char said[COMPLAINT_MAX]; /* not repeated; "": nothing since the last answer */
};

/* All of these return the exit status. reason: the errno of connecting. */
int complaint_not_running(struct complaint *complaint, int reason);
/* Connected, and no answer in time. pid: 0 if it is not known. */
int complaint_busy(struct complaint *complaint, pid_t pid, unsigned patience_ms);
/* Too many wait for an answer already. */
int complaint_hangs(struct complaint *complaint);
/* There is an answer: what is wrong afterwards is said anew. */
void complaint_is_over(struct complaint *complaint);
