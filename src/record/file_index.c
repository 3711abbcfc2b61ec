/* SPDX-License-Identifier: Apache-2.0 */
#include "record/file_index.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "index/decap.h"
#include "packet/packet.h"
#include "segment/deflate.h"

#define NS_PER_US 1000

static const struct index_library deflate_library = { deflate_bound, deflate_raw, inflate_raw };

enum index_wrapping file_index_wrapping(const struct codec *codec)
{
	return codec == &codec_zstd ? INDEX_ZSTD : INDEX_GZIP;
}

struct index *file_index_begin(struct index_pool *pool, const struct file_index_source *source)
{
	const struct index_file file = {
		.wrapping = file_index_wrapping(source->codec),
		.link_type = (uint16_t)source->link_type,
		.snaplen = source->snaplen,
		.is_nano = source->is_nano,
		.is_pcapng = source->format == &format_pcapng,
	};

	return pool && source->codec->compress ? index_new(pool, &deflate_library, &file) : NULL;
}

void file_index_note_time(struct file_index_member *member, uint64_t time_ns)
{
	if (member->packets++ == 0)
		member->earliest_ns = member->latest_ns = time_ns;
	else if (time_ns > member->latest_ns)
		member->latest_ns = time_ns;
	else if (time_ns < member->earliest_ns)
		member->earliest_ns = time_ns;
}

void file_index_add(struct index *index, bool is_nano, const struct file_index_member *member,
		    const struct chunk_keys *keys)
{
	struct index_member added = {
		.stored_bytes = member->stored_bytes,
		.plain_bytes = member->plain_bytes,
		.packets = member->packets,
	};
	uint64_t unit_ns = is_nano ? 1 : NS_PER_US;

	if (!index)
		return;
	if (member->packets > 0) {
		added.earliest = (int64_t)(member->earliest_ns / unit_ns);
		added.latest = (int64_t)(member->latest_ns / unit_ns);
	}
	index_add(index, &added, keys);
}

/* What is known of a segment, but for its bytes, which are not known yet. */
static void append_fact(void *context, const char *key, const char *value)
{
	static const char *const unknown[] = { "bytes", "crc32c", "index" };
	struct text *facts = context;

	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
		if (strcmp(key, unknown[i]) == 0)
			return;
	text_append(facts, "%s=", key);
	/* A filter may hold line ends; they mean a blank there. */
	for (const char *p = value; *p; p++)
		text_append(facts, "%c", *p == '\n' || *p == '\r' ? ' ' : *p);
	text_append(facts, "\n");
}

static int write_index(struct index *index, struct spool_writer *writer, struct error *err)
{
	struct segment *segment = &writer->segment;
	char lines[SEGMENT_METADATA_MAX + sizeof DECAP_TUNNELS + sizeof "tunnels=\n"];
	struct text facts = text_over(lines, sizeof lines);
	const uint8_t *bytes;
	size_t length, tail_bytes;

	if (index_data_bytes(index) != writer->file.bytes)
		return error_set(err, ERROR_FATAL, "it is not about all of the file");
	if (spool_settle(writer, err) < 0)
		return -1;
	segment_each_field(segment, append_fact, &facts);
	text_append(&facts, "tunnels=%s\n", DECAP_TUNNELS);
	length = index_finish(index, lines, &bytes, &tail_bytes);
	if (length == 0)
		return error_set(err, ERROR_TRANSIENT, "it would be too large");
	if (spool_append(writer, bytes, length, 0, err) < 0)
		return -1;
	(void)snprintf(segment->index, sizeof segment->index, "%d:%zu:%zu", INDEX_VERSION, length,
		       tail_bytes);
	return 0;
}

void file_index_end(struct index *index, struct spool_writer *writer)
{
	struct error err;

	if (index && write_index(index, writer, &err) < 0)
		log_info("segment has no index", log_text("name", writer->name), log_reason(&err));
	index_free(index);
}
