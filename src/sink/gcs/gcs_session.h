/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What one attempt to send an object leaves for the next one, in whichever worker or run: whether the object
 * may be there already, and a resumable session with how far it is. As text it is kept in the spool, for
 * nobody else to read: whoever has the session's URL can write the object. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

struct gcs_session {
	bool may_be_there; /* an attempt that got as far as the last byte may have made the object */
	uint64_t mismatches;   /* how often the server got other bytes than it was promised */
	char *url;             /* NULL: no session */
	uint64_t started_s;    /* real time */
	uint64_t acknowledged; /* bytes that the server said it has: only grows */
	uint64_t sent;         /* it cannot have more than this */
};

/* What a session belongs to: for any other object, or the same one elsewhere, it is of no use. */
struct gcs_target {
	const char *base_url;
	const char *universe; /* the domain that its hosts are in; NULL: an emulator */
	const char *bucket, *name;
	uint64_t bytes;
	uint32_t crc32c;
};

/*
 * May a session be asked at this URL? Our access token goes there as well, so it has to be https:// and in the
 * universe. An emulator gets no token and may name any host, but not lead from https to less.
 */
bool gcs_session_is_safe(const char *url, const struct gcs_target *target);

/* NULL if there is nothing to tell. The caller frees with gcs_session_wipe(). */
char *gcs_session_format(const struct gcs_session *session, const struct gcs_target *target);
/*
 * text as it was kept, "" for an attempt that nobody knows anything of (a small object's, that ended with
 * its process: not worth a write each time), NULL for none. A session that is older than six days (of a
 * week), of another target or malformed is left out.
 */
void gcs_session_parse(const char *text, const struct gcs_target *target, uint64_t now_s,
		       struct gcs_session *ret_session);

/* The session is over, or of no use; what is known of the object stays. */
void gcs_session_forget(struct gcs_session *session);
void gcs_session_wipe(char *text);
