/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is done about a reply of GCS, or about none: one table over status, words and what was asked, in the
 * order of the service's documentation. Pure; the whole retry behaviour of the sink can be read and tested
 * here.
 */

#include <stdbool.h>

#include "sink/gcs/gcs_api.h"

/* What was asked. */
enum gcs_phase {
	GCS_MULTIPART, /* the whole object in one request */
	GCS_START,     /* begin a resumable session */
	GCS_DATA,      /* bytes for a session */
	GCS_STATUS,    /* how far a session is */
	GCS_METADATA,  /* an object's resource */
	GCS_DELETE,    /* of a session or an object */
	GCS_PHASE_COUNT,
};

/* What follows from the reply. */
enum gcs_outcome {
	GCS_DONE,        /* the object (session, resource) is there, or (GCS_DELETE) is not */
	GCS_CONTINUE,    /* a session has these bytes: send the next */
	GCS_QUERY,       /* nobody knows how far a session is: ask */
	GCS_NEW_SESSION, /* the session is gone: start from byte 0 */
	GCS_LOGIN,       /* the token is not good (any more): get another one, once */
	GCS_EXISTS,      /* there is an object of that name: whose? */
	GCS_HIDDEN,      /* we may not look at the object */
	GCS_MISMATCH,    /* what arrived is not what was announced; nothing was made of it */
	GCS_RETRY,       /* later it may work */
	GCS_SETUP,       /* bucket, permission or account are wrong, the object is not */
	GCS_REFUSED,     /* this object never */
};

/* status: of HTTP, or an enum http_failure. */
enum gcs_outcome gcs_decide(enum gcs_phase phase, long status, bool has_range,
			    const struct gcs_problem *problem);
