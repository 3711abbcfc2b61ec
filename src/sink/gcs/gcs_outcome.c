/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/gcs/gcs_outcome.h"

#include <stddef.h>

#include "http/reply.h"
#include "http/reply_match.h"

#define BIT(phase) (1u << (phase))
enum {
	MULTIPART = BIT(GCS_MULTIPART),
	START = BIT(GCS_START),
	DATA = BIT(GCS_DATA),
	STATUS = BIT(GCS_STATUS),
	METADATA = BIT(GCS_METADATA),
	DELETE = BIT(GCS_DELETE),
	SESSION = DATA | STATUS,
	CREATE = MULTIPART | START | SESSION,
	ANY = CREATE | METADATA | DELETE,
};

/* What else a rule may ask for. */
enum {
	WITH_RANGE = 1, /* a Range header */
	EXPLAINED = 2,  /* a JSON error: GCS's own word, not a proxy's on the way */
};

static const struct reply_rule rules[] = {
	/* No reply. What a session got of the data, it knows. */
	{ HTTP_BROKEN_OFF, HTTP_BROKEN_OFF, DATA, NULL, GCS_QUERY },
	{ HTTP_NOT_TRUSTED, HTTP_NOT_TRUSTED, ANY, NULL, GCS_SETUP },
	{ HTTP_NOT_CONNECTED, HTTP_STOPPED, ANY, NULL, GCS_RETRY },

	{ 200, 299, ANY, NULL, GCS_DONE },

	/* To a question "nothing yet"; after data, nobody knows what was kept. */
	{ 308, 308, SESSION, NULL, GCS_CONTINUE, .traits = WITH_RANGE },
	{ 308, 308, STATUS, NULL, GCS_CONTINUE },
	{ 308, 308, DATA, NULL, GCS_QUERY },
	/* A redirect is a captive portal's or a proxy's. */
	{ 100, 399, ANY, NULL, GCS_RETRY },

	{ 400, 400, ANY, GCS_ABOUT_MONEY, GCS_SETUP },
	{ 400, 400, ANY, "cloudKms", GCS_SETUP },
	{ 400, 400, CREATE, GCS_ABOUT_CHECKSUM, GCS_MISMATCH },
	/* About the session, when that was all that was asked for. */
	{ 400, 400, STATUS, NULL, GCS_NEW_SESSION },
	{ 400, 400, CREATE, NULL, GCS_REFUSED, .traits = EXPLAINED },
	{ 400, 400, ANY, NULL, GCS_RETRY },

	{ 401, 401, ANY, NULL, GCS_LOGIN },

	{ 403, 403, ANY, "rateLimitExceeded|quotaExceeded", GCS_RETRY }, /* also userRateLimit… */
	/* Deleting is asked for only where there is something to replace. */
	{ 403, 403, MULTIPART | SESSION, "storage.objects.delete", GCS_EXISTS },
	{ 403, 403, METADATA, "storage.objects.get", GCS_HIDDEN },
	{ 403, 403, CREATE, GCS_ABOUT_RETENTION, GCS_REFUSED },
	{ 403, 403, ANY, NULL, GCS_SETUP },

	{ 404, 404, SESSION, NULL, GCS_NEW_SESSION },
	{ 404, 404, METADATA, NULL, GCS_RETRY }, /* deleted in between */
	{ 404, 404, DELETE, NULL, GCS_DONE },
	{ 404, 404, ANY, NULL, GCS_SETUP }, /* the bucket */

	{ 405, 405, CREATE, NULL, GCS_REFUSED, .traits = EXPLAINED },
	{ 405, 405, ANY, NULL, GCS_RETRY },

	{ 408, 408, DATA, NULL, GCS_QUERY },
	{ 408, 408, ANY, NULL, GCS_RETRY },

	{ 409, 409, ANY, NULL, GCS_RETRY }, /* somebody is at the same object or bucket */

	{ 410, 410, SESSION, NULL, GCS_NEW_SESSION },
	{ 410, 410, DELETE, NULL, GCS_DONE },
	{ 410, 410, ANY, NULL, GCS_RETRY },

	{ 411, 411, CREATE, NULL, GCS_REFUSED, .traits = EXPLAINED },
	{ 411, 411, ANY, NULL, GCS_RETRY },

	{ 412, 412, ANY, "orgPolicyConstraintFailed", GCS_SETUP },
	{ 412, 412, CREATE, NULL, GCS_EXISTS },
	{ 412, 412, ANY, NULL, GCS_RETRY },

	{ 413, 413, CREATE, NULL, GCS_REFUSED, .traits = EXPLAINED },
	{ 413, 413, ANY, NULL, GCS_RETRY },

	{ 416, 416, SESSION, NULL, GCS_NEW_SESSION },
	{ 416, 416, ANY, NULL, GCS_RETRY },

	{ 429, 429, ANY, NULL, GCS_RETRY },

	/* Cancelled: the session, or by us. */
	{ 499, 499, SESSION, NULL, GCS_NEW_SESSION },
	{ 499, 499, DELETE, NULL, GCS_DONE },
	{ 499, 499, ANY, NULL, GCS_RETRY },

	/* What is left of 4xx is about us. */
	{ 400, 499, ANY, NULL, GCS_SETUP },

	/* Also 503 "upload offset … exceeds already uploaded size": to be asked, not to be repeated. */
	{ 500, 999, DATA, NULL, GCS_QUERY },
	{ 500, 999, ANY, NULL, GCS_RETRY },
};

enum gcs_outcome gcs_decide(enum gcs_phase phase, long status, bool has_range,
			    const struct gcs_problem *problem)
{
	const struct reply_evidence evidence = {
		.status = status,
		.request = BIT(phase),
		.traits = (has_range ? WITH_RANGE : 0) | (problem->is_explained ? EXPLAINED : 0),
		.texts = { problem->reason, problem->message },
	};
	const struct reply_rule *rule = reply_match(rules, sizeof rules / sizeof rules[0],
						    &evidence);

	/* Without a rule, it is no status of HTTP. */
	return rule ? (enum gcs_outcome)rule->outcome : GCS_RETRY;
}
