/* SPDX-License-Identifier: Apache-2.0 */
/* What an attempt left for the next one, as it may lie in the spool after anything. */
#include <ctype.h>

#include "fuzz.h"
#include "sink/gcs/gcs.h"

static char bucket[] = "bucket", base_url[] = "https://storage.googleapis.com";
static struct sink sink = {
	.bucket = bucket,
	.base_url = base_url,
	.universe = "googleapis.com",
};
static struct sink_worker worker = { .sink = &sink };
static const struct sink_object object = { .bytes = 5000, .crc32c = 0xe3069283 };

static struct gcs_session parse_session(const char *text)
{
	struct gcs_upload upload = { .worker = &worker, .object = &object, .name = "n/x.pcap.gz" };

	gcs_session_parse(&upload, text, 2000);
	return upload.session;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	cleanup_free char *text = fuzz_text(bytes, size);
	const struct gcs_upload upload = { .worker = &worker,
					   .object = &object,
					   .name = "n/x.pcap.gz" };
	struct gcs_session session, again;
	char *written;

	session = parse_session(text);
	if (session.url) {
		fuzz_require(gcs_session_is_safe(&sink, session.url));
		for (const char *p = session.url; *p; p++)
			fuzz_require(isgraph((unsigned char)*p));
		fuzz_require(session.acknowledged <= session.sent && session.sent <= object.bytes);
		fuzz_require(session.started_s <= 2000);
	}
	/* What is written is what is read. */
	written = gcs_session_format(&upload, &session);
	fuzz_require(!written ==
		     (!session.url && !session.may_be_there && session.mismatches == 0));
	again = parse_session(written);
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
