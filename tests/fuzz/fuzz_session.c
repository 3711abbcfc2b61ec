/* SPDX-License-Identifier: Apache-2.0 */
/* What an attempt left for the next one, as it may lie in the spool after anything. */
#include <ctype.h>

#include "fuzz.h"
#include "sink/gcs/gcs.h"

static const struct gcs_target target = { "https://storage.googleapis.com",
					  "googleapis.com",
					  "bucket",
					  "n/x.pcap.gz",
					  5000,
					  0xe3069283 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	cleanup_free char *text = fuzz_text(bytes, size);
	struct gcs_session session, again;
	char *written;

	gcs_session_parse(text, &target, 2000, &session);
	if (session.url) {
		fuzz_require(gcs_session_is_safe(session.url, &target));
		for (const char *p = session.url; *p; p++)
			fuzz_require(isgraph((unsigned char)*p));
		fuzz_require(session.acknowledged <= session.sent && session.sent <= target.bytes);
		fuzz_require(session.started_s <= 2000);
	}
	/* What is written is what is read. */
	written = gcs_session_format(&session, &target);
	fuzz_require(!written ==
		     (!session.url && !session.may_be_there && session.mismatches == 0));
	gcs_session_parse(written, &target, 2000, &again);
	fuzz_require(again.may_be_there == session.may_be_there);
	fuzz_require(again.mismatches == session.mismatches);
	fuzz_require(!again.url == !session.url);
	if (session.url) {
		fuzz_require(strcmp(again.url, session.url) == 0);
		fuzz_require(again.acknowledged == session.acknowledged &&
			     again.sent == session.sent && again.started_s == session.started_s);
	}
	mem_free_secret(written);
	gcs_session_forget(&again);
	gcs_session_forget(&session);
	return 0;
}
