/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a reply of GCS means and what is done about it: one decision table over status, reason and what was
 * asked. Pure; the whole retry behaviour of the sink can be read and tested here.
 */

#include <stdbool.h>

/* What was asked. */
enum gcs_phase {
	GCS_MULTIPART, /* the whole object in one request */
	GCS_START,     /* begin a resumable session */
	GCS_DATA,      /* bytes for a session */
	GCS_STATUS,    /* how far a session is */
	GCS_METADATA,  /* an object's resource */
	GCS_DELETE,    /* of a session or an object */
};

/* What follows from the reply. */
enum gcs_outcome {
	GCS_DONE,        /* the object (session, resource) is there */
	GCS_CONTINUE,    /* a session has these bytes: send the next */
	GCS_QUERY,       /* nobody knows how far a session is: ask */
	GCS_NEW_SESSION, /* the session is gone: start from byte 0 */
	GCS_LOGIN,       /* the token is not good (any more): get another one, once */
	GCS_EXISTS,      /* there is an object of that name: compare */
	GCS_RETRY,       /* later it may work */
	GCS_SETUP,       /* bucket, permission or account are wrong, the object is not */
	GCS_REFUSED,     /* this object never */
};

/* What the reply says about a failure. */
struct gcs_problem {
	char reason[64];   /* "forbidden"; "" where there is none */
	char message[256]; /* one line for people */
	bool is_scope;     /* the token's scopes are too narrow, in any of its four shapes */
	bool is_explained; /* by a JSON error as GCS sends it, not by a page of somebody between */
};

/* From a JSON error, else the beginning of whatever text or HTML it is. Session ids are blanked. */
void gcs_parse_problem(const char *body, const char *www_authenticate,
		       struct gcs_problem *ret_problem);

enum gcs_outcome gcs_decide(enum gcs_phase phase, long status, bool has_range,
			    const struct gcs_problem *problem);

/* What the operator can do about it; "" where nothing is known. */
const char *gcs_remedy(long status, const struct gcs_problem *problem);
