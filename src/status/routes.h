/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is asked and what is answered, as a table of pages, without HTTP: the server below and the fuzzer
 * call it. A page is for everybody who can reach the status address, or only for who may use the control
 * socket. Main thread only.
 */

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "base/text.h"
#include "status/status.h"

/*
 * The page at "/" for a person with a browser: page.html, as the build made it. It asks for /overview.json every
 * few seconds and needs nothing else. Both are for whoever can reach the status address: counters, names of
 * interfaces and node, the version; no filter, bucket or file.
 */
extern const unsigned char page_html[];

/* What the daemon does for the pages. */
struct route_actions {
	void *context;
	void (*gather)(void *context, struct status_snapshot *ret_snapshot);
	/* Returns when the new stages run. Notes gets a line for each option that was not taken over. */
	int (*reload)(void *context, struct text *notes, struct error *err);
	void (*end_segments)(void *context);
	/* End the segments, and let no uploader wait. */
	void (*flush)(void *context);
};

struct route_request {
	const char *method, *path;
	const char *accept; /* of the header; NULL: there is none */
	const char *since;  /* of the query; NULL: not given */
	const char *host;   /* of the header; NULL: there is none */
	bool is_control;    /* came by the control socket */
	bool is_loopback;   /* came to an address that only this machine reaches */
};

/* Filled by routes_answer(); the caller frees the body. */
struct route_reply {
	unsigned status; /* of HTTP */
	const char *content_type;
	const char *allow; /* the header of a 405; NULL: none */
	char policy[320];  /* Content-Security-Policy; "": none */
	char *body;
	size_t length;
};

void routes_answer(const struct route_actions *actions, const struct route_request *request,
		   struct route_reply *ret_reply);
