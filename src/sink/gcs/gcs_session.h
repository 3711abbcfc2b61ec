/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What one attempt to send an object leaves for the next one, in whichever worker or run: whether the object
 * may exist already, and a resumable session with its progress. The text is saved in the spool and is a secret:
 * whoever has the session's URL can write the object. Pure but for gcs_session_save().
 */

#include "sink/gcs/gcs.h"

/* What a session belongs to: for any other object, or the same one elsewhere, it is useless. */
struct gcs_target {
	const char *base_url;
	const char *universe; /* the domain that its hosts are in; NULL: an emulator */
	const char *bucket, *name;
	uint64_t bytes;
	uint32_t crc32c;
};
struct gcs_target gcs_session_target(const struct gcs_upload *upload);

/*
 * May requests for a session go to this URL? Our access token goes there as well, so it must be https:// and in
 * the universe. An emulator gets no token and may name any host, but not lead from https to less.
 */
bool gcs_session_is_safe(const char *url, const struct gcs_target *target);

/* NULL if there is nothing to save. The caller frees with gcs_session_wipe(). */
char *gcs_session_format(const struct gcs_session *session, const struct gcs_target *target);
/*
 * text: as it was saved; "" for an attempt with an unknown end (a small object's, that ended with its process:
 * not worth a write each time); NULL for none. A session that is older than six days (of a week), of another
 * target or malformed is left out.
 */
void gcs_session_parse(const char *text, const struct gcs_target *target, uint64_t now_s,
		       struct gcs_session *ret_session);
/* Save it as the upload's state; blocks on the disk. */
void gcs_session_save(struct gcs_upload *upload, const struct gcs_session *session);

/* The session is over, or useless; what is known of the object stays. */
void gcs_session_forget(struct gcs_session *session);
void gcs_session_wipe(char *text);
