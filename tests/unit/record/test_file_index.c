/* SPDX-License-Identifier: Apache-2.0 */
/* The index of a file that a recorder wrote, and of the same file after a crash. */
#include <errno.h>
#include <fcntl.h>

#include "spool_fixture.h"

#include "base/clock.h"
#include "index/collector.h"
#include "record/file_index.h"
#include "record/record.h"
#include "segment/deflate.h"
#include "segment/losses.h"

#define FILE_MAX  ((size_t)1 << 21)
#define START_NS  UINT64_C(1764000000000000000)
#define MEMBERS   5
#define PER_CHUNK 40
#define FRAME     60

static const struct index_library library = { deflate_bound, deflate_raw, inflate_raw };

/* A whole file, as the recorder published it. */
struct file {
	uint8_t bytes[FILE_MAX];
	size_t length;
	struct segment segment;
	struct index_footer footer;
};

static struct index_pool index_pool;

static int set_up_pool(void **state)
{
	index_pool_init(&index_pool, INDEX_POOL_BYTES);
	return set_up(state);
}

/* A TCP packet between two of some hosts. */
static void make_frame(uint32_t number, uint8_t out[FRAME])
{
	memset(out, 0, FRAME);
	out[12] = 8;
	out[14] = 0x45;
	out[23] = 6;
	out[26] = out[30] = 10;
	out[29] = (uint8_t)(number % 7);
	out[33] = (uint8_t)(10 + number % 5);
	out[34] = 0xc0;
	out[35] = (uint8_t)number;
	out[37] = 80;
	out[47] = number % 3 == 0 ? 2 : 16;
}

/* As a capture fills it. */
static struct chunk *make_chunk(struct chunk_pool *pool, struct collector *collector,
				const struct format *format, uint32_t number)
{
	struct chunk *chunk = chunk_pool_get(pool, 1000);

	chunk->source = (struct chunk_source){ .interface = "eth0",
					       .link_type_name = "EN10MB",
					       .filter = "ip\nor arp",
					       .link_type = LINK_ETHERNET,
					       .snaplen = 96,
					       .is_nano = format->is_nano_only,
					       .format = format };
	chunk->start_ns = START_NS;
	collector_begin(collector, chunk->keys);
	for (uint32_t i = 0; i < PER_CHUNK; i++) {
		uint32_t fraction = number * 1000 + (i ^ 1); /* out of order */
		uint8_t frame[FRAME];

		make_frame(number * 3 + i, frame);
		chunk->length += format->encode_record(chunk->bytes + chunk->length,
						       (uint32_t)(START_NS / CLOCK_NS_PER_S),
						       fraction, FRAME, 1000, frame);
		chunk_add_time(chunk, START_NS + fraction * (format->is_nano_only ? 1 : 1000));
		collector_add(collector, chunk->keys, LINK_ETHERNET, frame, FRAME);
	}
	return chunk;
}

static void read_claim(struct fixture *fixture, struct file *file)
{
	struct spool_claim claim;
	struct error err;
	ssize_t length;

	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claim, &err), 1);
	length = file_read_at(claim.fd, file->bytes, FILE_MAX, 0, &err);
	assert_true(length >= 0);
	file->length = (size_t)length;
	file->segment = claim.segment;
	assert_int_equal(claim.segment.bytes, length);
	assert_int_equal(claim.segment.crc32c, crc32c_update(0, file->bytes, file->length));
	assert_int_equal(spool_remove(fixture->spool, &claim, &err), 0);
}

/* It is there, and the metadata say where. */
static void read_index(struct file *file)
{
	char expected[64];
	size_t tail = 0;

	assert_true(index_read_footer(file->bytes, file->length, file->length, &file->footer) > 0);
	for (uint32_t i = 0; i < file->footer.sections_count; i++)
		if (file->footer.sections[i].type == INDEX_MEMBERS)
			tail = file->length - file->footer.sections[i].offset;
	(void)snprintf(expected, sizeof expected, "1:%ju:%zu",
		       (uintmax_t)(file->length - file->footer.data_bytes), tail);
	assert_string_equal(file->segment.index, expected);
	assert_int_equal(file->segment.data_bytes, file->footer.data_bytes);
	assert_int_equal(file->footer.packets, file->segment.packets);
}

/* Chunks as they are, or as if nobody had asked for keys. */
static void record(struct fixture *fixture, const struct format *format, const struct codec *codec,
		   uint32_t chunks, bool has_keys)
{
	struct chunk_pool pool;
	struct recorder_context context = {
		.node = "n",
		.pool = &pool,
		.index_pool = &index_pool,
		.spool = fixture->spool,
		.counters = &fixture->counters,
		.wake_fd = -1,
	};
	struct collector *collector = mem_alloc(sizeof *collector);
	struct recorder *recorder;
	struct error err;

	collector_init(collector);
	chunk_pool_init(&pool, chunks);
	recorder = recorder_new(&context, "eth0");
	recorder_set_codec(recorder, codec, codec->level_default);
	for (uint32_t i = 0; i < chunks; i++) {
		struct chunk *chunk = make_chunk(&pool, collector, format, i);

		if (!has_keys)
			chunk->keys->state = CHUNK_KEYS_NONE;
		if (i == chunks - 1) {
			chunk->end_reason = "age";
			chunk->end_ns = START_NS + CLOCK_NS_PER_S;
		}
		queue_push(recorder_queue(recorder), chunk);
	}
	assert_int_equal(recorder_start(recorder, &err), 0);
	recorder_free(recorder);
	chunk_pool_done(&pool);
	free(collector);
	assert_int_equal(atomic_load(&index_pool.used), 0);
}

static bool is_index_wanted = true;

static void recover(struct fixture *fixture)
{
	atomic_bool is_stopping = false;

	recover_unfinished(fixture->spool, &fixture->counters, is_index_wanted ? &index_pool : NULL,
			   &is_stopping);
	assert_int_equal(atomic_load(&index_pool.used), 0);
}

/* The sections that depend on the packets alone. */
static void assert_same_sections(const struct file *one, const struct file *other)
{
	assert_int_equal(one->footer.data_bytes, other->footer.data_bytes);
	assert_memory_equal(one->bytes, other->bytes, one->footer.data_bytes);
	assert_int_equal(one->footer.sections_count, other->footer.sections_count);
	assert_memory_equal(&one->footer.file, &other->footer.file, sizeof one->footer.file);
	assert_int_equal(one->footer.conversations, other->footer.conversations);
	for (uint32_t i = 0; i < one->footer.sections_count; i++) {
		const struct index_section *section = &one->footer.sections[i];

		assert_int_equal(section->type, other->footer.sections[i].type);
		if (section->type == INDEX_FACTS)
			continue;
		assert_int_equal(section->stored_bytes, other->footer.sections[i].stored_bytes);
		assert_memory_equal(one->bytes + section->offset,
				    other->bytes + other->footer.sections[i].offset,
				    section->stored_bytes);
	}
}

/* These bytes, and so many of them said to be data, are what a crash left. */
static void leave_cut(struct fixture *fixture, const char *name, const uint8_t *bytes, size_t cut,
		      uint64_t data_bytes)
{
	struct spool_writer *writer = begin(fixture, name, bytes, cut);
	struct error err;

	writer->segment.packets = (uint64_t)MEMBERS * PER_CHUNK;
	writer->segment.snaplen = 96;
	writer->segment.data_bytes = data_bytes;
	strcpy(writer->segment.index, "1:2:3"); /* of the file that it was */
	assert_int_equal(spool_note(writer, &err), 0);
	crash(writer);
	open_again(fixture);
	recover(fixture);
	assert_false(is_there(fixture, "capturing", name));
	assert_int_equal(counter_read(&fixture->counters.packets_discarded), 0);
}

static char *read_facts(const struct file *file)
{
	const struct index_section *section =
		&file->footer.sections[file->footer.sections_count - 1];
	uint8_t *facts;
	struct error err;

	assert_int_equal(section->type, INDEX_FACTS);
	assert_int_equal(index_read_section(&file->footer, section, file->bytes + section->offset,
					    &library, &facts, &err),
			 0);
	return (char *)facts;
}

/* What the object's metadata say is in the file as well, but for what was not known yet. */
static void expect_fact(void *context, const char *key, const char *value)
{
	cleanup_free char *line = mem_printf("%s=%s", key, value);

	for (char *p = line; *p; p++)
		*p = *p == '\n' ? ' ' : *p; /* a filter's lines are one */
	if (strcmp(key, "bytes") != 0 && strcmp(key, "crc32c") != 0 && strcmp(key, "index") != 0 &&
	    !strstr(context, line))
		fail_msg("%s is not in the facts: %s", line, (const char *)context);
}

/* Also packets that were lost before: whoever has a copy of the file without its metadata is not told of too few. */
static void test_facts_are_the_metadata(void **state)
{
	static struct file file;
	struct fixture *fixture = *state;
	const struct drops drops = { .count[DROP_DISK] = 7 };
	cleanup_free char *facts = NULL;
	struct losses losses;

	spool_add_loss(fixture->spool, "eth0", START_NS - CLOCK_NS_PER_S, START_NS - 1, &drops);
	record(fixture, &format_pcap, &codec_gzip, MEMBERS, true);
	read_claim(fixture, &file);
	read_index(&file);
	losses_of_segment(&file.segment, &losses);
	assert_int_equal(losses_packets(&losses), 7);
	facts = read_facts(&file);
	segment_each_field(&file.segment, expect_fact, facts);
	assert_non_null(strstr(facts, "reason=age\n"));
	assert_non_null(strstr(facts, "filter=ip or arp\n"));
}

/* One that is not about the bytes that were appended says nothing true of them. */
static void test_an_index_of_other_members_is_not_written(void **state)
{
	struct fixture *fixture = *state;
	const struct file_index_source source = { .codec = &codec_gzip, .format = &format_pcap };

	for (uint64_t bytes = 4; bytes <= 6; bytes++) {
		cleanup_free char *name = mem_printf("n_20251123T083000.000Z_eth0_%08ju.pcap.gz",
						     (uintmax_t)bytes);
		struct spool_writer *writer = begin(fixture, name, "hello", 5);
		const struct file_index_member member = { .stored_bytes = bytes };
		struct index *index = file_index_begin(&index_pool, &source);

		file_index_add(index, false, &member, NULL);
		file_index_end(index, writer);
		assert_int_equal(writer->file.bytes > 5, bytes == 5);
		assert_int_equal(writer->segment.index[0] != '\0', bytes == 5);
		assert_int_equal(spool_finish(writer), 0);
	}
}

/* Wherever the crash was in the index, the packets are there, and the same index is made again. */
static void check_every_cut(struct fixture *fixture, const struct format *format,
			    const struct codec *codec)
{
	static struct file whole, recovered;
	cleanup_free char *extension = mem_printf("%s%s", format->extension, codec->extension);
	char name[SEGMENT_NAME_MAX + 1];
	uint64_t sequence = 1, unit_ns = format->is_nano_only ? 1 : 1000;

	record(fixture, format, codec, MEMBERS, true);
	read_claim(fixture, &whole);
	read_index(&whole);
	assert_int_equal(whole.footer.members, MEMBERS + 1 + (format->encode_trailer ? 1 : 0));
	assert_int_equal(whole.footer.file.wrapping,
			 codec == &codec_zstd ? INDEX_ZSTD : INDEX_GZIP);
	assert_int_equal(whole.footer.earliest, START_NS / unit_ns);
	assert_int_equal(whole.footer.latest,
			 START_NS / unit_ns + (MEMBERS - 1) * 1000 + PER_CHUNK - 1);
	for (size_t cut = whole.footer.data_bytes; cut <= whole.length; cut++)
		for (int is_noted = 0; is_noted <= 1; is_noted++) {
			cleanup_free char *facts = NULL;

			name_format("n", "eth0", START_NS, sequence++, extension, name);
			leave_cut(fixture, name, whole.bytes, cut,
				  is_noted ? whole.footer.data_bytes : 0);
			read_claim(fixture, &recovered);
			read_index(&recovered);
			assert_same_sections(&whole, &recovered);
			assert_string_equal(recovered.segment.reason, "recovered");
			facts = read_facts(&recovered);
			assert_non_null(strstr(facts, "reason=recovered\n"));
			assert_null(strstr(facts, "data-bytes"));
			assert_null(strstr(facts, "\nbytes="));
			assert_non_null(strstr(facts, "tunnels=vxlan:"));
		}
	assert_true(whole.length - whole.footer.data_bytes > 300);
}

static void test_cut_at_every_byte_of_the_index(void **state)
{
	check_every_cut(*state, &format_pcap, &codec_gzip);
}

static void test_cut_at_every_byte_of_the_index_zstd(void **state)
{
	check_every_cut(*state, &format_pcapng, &codec_zstd);
}

/* Between members, the index is that of what is left. */
static void test_cut_in_the_packets(void **state)
{
	static struct file whole, recovered;
	static const char name[] = "n_20251123T083000.000Z_eth0_00000007.pcap.gz";
	struct fixture *fixture = *state;
	struct spool_writer *writer;

	record(fixture, &format_pcap, &codec_gzip, MEMBERS, true);
	read_claim(fixture, &whole);
	read_index(&whole);
	writer = begin(fixture, name, whole.bytes, whole.footer.data_bytes - 1);
	crash(writer);
	open_again(fixture);
	recover(fixture);
	read_claim(fixture, &recovered);
	read_index(&recovered);
	assert_int_equal(recovered.footer.members, MEMBERS);
	assert_int_equal(recovered.segment.packets, (MEMBERS - 1) * PER_CHUNK);
}

/* Where none is wanted any more, none is left, whole as it may be. */
static void test_recovery_without_an_index(void **state)
{
	static struct file whole, recovered;
	static const char name[] = "n_20251123T083000.000Z_eth0_00000007.pcap.gz";
	struct fixture *fixture = *state;

	record(fixture, &format_pcap, &codec_gzip, MEMBERS, true);
	read_claim(fixture, &whole);
	read_index(&whole);
	is_index_wanted = false;
	leave_cut(fixture, name, whole.bytes, whole.length, whole.footer.data_bytes);
	is_index_wanted = true;
	read_claim(fixture, &recovered);
	assert_int_equal(recovered.length, whole.footer.data_bytes);
	assert_string_equal(recovered.segment.index, "");
}

#define BEHIND_BYTES ((size_t)1 << 20) /* of an index: more than any member */

/* A power failure may keep the end of an index and not its beginning: the packets end where it was noted. */
static void test_an_index_with_a_hole_spoils_nothing(void **state)
{
	static struct file whole, recovered;
	static const char name[] = "n_20251123T083000.000Z_eth0_00000007.pcap.gz";
	struct fixture *fixture = *state;
	cleanup_free uint8_t *bytes = mem_alloc(FILE_MAX);
	cleanup_free char *damaged = mem_printf("%s.damaged", name);
	size_t data;

	record(fixture, &format_pcap, &codec_gzip, MEMBERS, true);
	read_claim(fixture, &whole);
	read_index(&whole);
	data = whole.footer.data_bytes;
	memcpy(bytes, whole.bytes, data);
	unit_random(bytes + data, BEHIND_BYTES);
	memset(bytes + data, 0, 4096);
	memcpy(bytes + data + BEHIND_BYTES, whole.bytes + data, whole.length - data);
	leave_cut(fixture, name, bytes, whole.length + BEHIND_BYTES, data);
	read_claim(fixture, &recovered);
	read_index(&recovered);
	assert_same_sections(&whole, &recovered);
	assert_false(is_there(fixture, "rejected", name));
	assert_false(is_there(fixture, "rejected", damaged));
}

/* What can be read of a damaged file has an index of that. */
static void test_a_repaired_file_has_one(void **state)
{
	static struct file whole, recovered;
	static const char name[] = "n_20251123T083000.000Z_eth0_00000007.pcap.gz";
	struct fixture *fixture = *state;
	struct index_member *members;
	struct error err;
	const struct index_section *section;
	cleanup_free uint8_t *plain = NULL;
	struct spool_writer *writer;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	record(fixture, &format_pcap, &codec_gzip, MEMBERS, true);
	read_claim(fixture, &whole);
	read_index(&whole);
	section = &whole.footer.sections[1];
	assert_int_equal(section->type, INDEX_MEMBERS);
	assert_int_equal(index_read_section(&whole.footer, section, whole.bytes + section->offset,
					    &library, &plain, &err),
			 0);
	assert_int_equal(
		index_read_members(&whole.footer, plain, section->plain_bytes, &members, &err), 0);
	/* In the second member with packets. */
	memset(whole.bytes + members[0].stored_bytes + members[1].stored_bytes + 20, 0, 30);
	writer = begin(fixture, name, whole.bytes, whole.length);
	writer->segment.data_bytes = whole.footer.data_bytes;
	writer->segment.packets = (uint64_t)MEMBERS * PER_CHUNK;
	assert_int_equal(spool_note(writer, &err), 0);
	crash(writer);
	open_again(fixture);
	recover(fixture);
	read_claim(fixture, &recovered);
	read_index(&recovered);
	assert_int_equal(recovered.footer.members, MEMBERS);
	assert_int_equal(recovered.footer.data_bytes,
			 whole.footer.data_bytes - members[2].stored_bytes);
	free(members);
}

static const char damaged_name[] = "n_20251123T083000.000Z_eth0_00000007.pcap.gz";

/* A file of its members, and where they are. */
static struct index_member *record_members(struct fixture *fixture, struct file *whole)
{
	const struct index_section *section = &whole->footer.sections[1];
	cleanup_free uint8_t *plain = NULL;
	struct index_member *members;
	struct error err;

	record(fixture, &format_pcap, &codec_gzip, MEMBERS, true);
	read_claim(fixture, whole);
	read_index(whole);
	assert_int_equal(section->type, INDEX_MEMBERS);
	assert_int_equal(index_read_section(&whole->footer, section, whole->bytes + section->offset,
					    &library, &plain, &err),
			 0);
	assert_int_equal(
		index_read_members(&whole->footer, plain, section->plain_bytes, &members, &err), 0);
	return members;
}

/* What recovery publishes of these bytes, which are damaged, and keeps as they are. */
static void recover_damaged(struct fixture *fixture, const struct file *whole, size_t length,
			    uint64_t data_bytes, struct file *recovered)
{
	cleanup_free char *kept = mem_printf("%s.damaged", damaged_name);
	cleanup_free char *path = mem_printf("%s/rejected/%s", fixture->directory, kept);
	struct spool_writer *writer = begin(fixture, damaged_name, whole->bytes, length);
	struct error err;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	writer->segment.data_bytes = data_bytes;
	writer->segment.packets = (uint64_t)MEMBERS * PER_CHUNK;
	assert_int_equal(spool_note(writer, &err), 0);
	crash(writer);
	open_again(fixture);
	recover(fixture);
	assert_false(is_there(fixture, "capturing", damaged_name));
	assert_true(is_there(fixture, "rejected", kept));
	read_claim(fixture, recovered);
	read_index(recovered);
	assert_int_equal(unlink(path), 0);
}

/* What a packet contains is no index, however well somebody chose it, where the packet cannot be read. */
static void test_payload_is_no_index(void **state)
{
	static const uint8_t piece[] = { 0x1f, 0x8b, 8,   4, 0, 0,   0,   0, 0, 3, 8,
					 0,    'K',  'N', 4, 0, 'k', 'n', 0, 0, 3, 0 };
	static struct file whole, recovered;
	struct fixture *fixture = *state;
	cleanup_free struct index_member *members = record_members(fixture, &whole);
	size_t hole = members[0].stored_bytes + members[1].stored_bytes + 20;
	size_t data = whole.footer.data_bytes;
	const struct {
		size_t length, data_bytes;
	} cases[] = { { data, 0 }, { whole.length, 0 }, { data, data }, { whole.length, data } };

	assert_true(members[2].stored_bytes > 20 + 30 + sizeof piece + 8);
	memset(whole.bytes + hole, 0, 30);
	memcpy(whole.bytes + hole + 30, piece, sizeof piece);
	memset(whole.bytes + hole + 30 + sizeof piece, 0, 8); /* the member's end: it is whole */
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		recover_damaged(fixture, &whole, cases[i].length, cases[i].data_bytes, &recovered);
		assert_int_equal(recovered.segment.packets, (MEMBERS - 1) * PER_CHUNK);
		assert_int_equal(recovered.footer.members, MEMBERS);
		assert_int_equal(recovered.footer.data_bytes, data - members[2].stored_bytes);
	}
}

/* An index behind a member that cannot be read is not taken for data, either. */
static void test_a_hole_before_the_index(void **state)
{
	static struct file whole, recovered;
	struct fixture *fixture = *state;
	cleanup_free struct index_member *members = record_members(fixture, &whole);
	size_t data = whole.footer.data_bytes;

	memset(whole.bytes + data - members[MEMBERS].stored_bytes + 20, 0, 30);
	for (int is_noted = 0; is_noted <= 1; is_noted++) {
		recover_damaged(fixture, &whole, whole.length, is_noted ? data : 0, &recovered);
		assert_int_equal(recovered.segment.packets, (MEMBERS - 1) * PER_CHUNK);
		assert_int_equal(recovered.footer.data_bytes, data - members[MEMBERS].stored_bytes);
		assert_memory_equal(recovered.bytes, whole.bytes, recovered.footer.data_bytes);
	}
}

/* Nobody asked for keys, or there are no members: no index, and the metadata say so. */
static void test_files_that_get_none(void **state)
{
	static struct file file;
	struct fixture *fixture = *state;

	record(fixture, &format_pcap, &codec_gzip, MEMBERS, false);
	read_claim(fixture, &file);
	assert_string_equal(file.segment.index, "");
	assert_int_equal(index_read_footer(file.bytes, file.length, file.length, &file.footer), 0);
	record(fixture, &format_pcap, &codec_none, MEMBERS, true);
	read_claim(fixture, &file);
	assert_string_equal(file.segment.index, "");
	assert_int_equal(file.length, 24 + MEMBERS * PER_CHUNK * (16 + FRAME));
}

static char synced[8];
static size_t synced_count;

/* The metadata are a temporary file; a segment has its name. */
static void note_sync(const char *name)
{
	if (synced_count < sizeof synced && (strstr(name, ".pcap.gz")))
		synced[synced_count++] = name[0] == '.' ? 'm' : 'd';
}

/* Data first, then what says how much there is of it; and then the index. */
static void test_packets_are_durable_before_the_index(void **state)
{
	struct fixture *fixture = *state;

	synced_count = 0;
	before_sync = note_sync;
	record(fixture, &format_pcap, &codec_gzip, MEMBERS, true);
	before_sync = NULL;
	assert_int_equal(synced_count, 4);
	assert_memory_equal(synced, "dmdm", 4);
}

/* Switched off, it costs nothing: what is synced is what was without. */
static void test_without_an_index_packets_are_synced_once(void **state)
{
	struct fixture *fixture = *state;

	synced_count = 0;
	before_sync = note_sync;
	record(fixture, &format_pcap, &codec_gzip, MEMBERS, false);
	before_sync = NULL;
	assert_int_equal(synced_count, 2);
	assert_memory_equal(synced, "dm", 2);
}

static struct fixture *losing;      /* whose disk loses what is not synced */
static unsigned refused, refuse_at; /* syncs of the segment; which of them fails */
static char unpublished[SEGMENT_NAME_MAX + 1];

/* One sync of the segment fails. As the kernel has it: no other does, though its last pages are gone. */
static bool lose_pages(const char *name)
{
	cleanup_free char *path = NULL;

	if (name[0] == '.' || !strstr(name, ".pcap.gz") || refused++ != refuse_at)
		return false;
	strcpy(unpublished, name);
	path = mem_printf("%s/capturing/%s", losing->directory, name);
	if (refuse_at == 0) {
		cleanup_fclose FILE *file = fopen(path, "r+e");

		assert_non_null(file);
		assert_int_equal(fseek(file, -40, SEEK_END), 0);
		for (int i = 0; i < 40; i++)
			assert_int_equal(fputc(0, file), 0);
	}
	return true;
}

static void record_with_failing_sync(struct fixture *fixture, unsigned which)
{
	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	losing = fixture;
	refused = 0;
	refuse_at = which;
	refuse_sync = lose_pages;
	record(fixture, &format_pcap, &codec_gzip, MEMBERS, true);
	refuse_sync = NULL;
}

/* The kernel says once that data were lost, to the sync before the index: the one behind it must not hide that. */
static void test_packets_that_were_not_synced_are_not_published(void **state)
{
	static struct file recovered;
	struct fixture *fixture = *state;

	record_with_failing_sync(fixture, 0);
	assert_true(is_there(fixture, "capturing", unpublished));
	assert_false(is_there(fixture, "ready", unpublished));
	open_again(fixture);
	recover(fixture);
	assert_false(is_there(fixture, "capturing", unpublished));
	read_claim(fixture, &recovered);
	read_index(&recovered);
	assert_string_equal(recovered.segment.reason, "recovered");
	assert_int_equal(recovered.segment.packets, (MEMBERS - 1) * PER_CHUNK);
	assert_int_equal(recovered.segment.drops.count[DROP_DISK], PER_CHUNK);
}

static bool refuse_each(const char *name)
{
	return name[0] != '.' && strstr(name, ".pcap.gz");
}

/* What is asked for after a sync that failed says why it did: the first answer was about an index, which nobody misses. */
static void test_the_reason_of_a_failed_sync_is_kept(void **state)
{
	struct fixture *fixture = *state;
	struct spool_writer *writer = begin(fixture, "n_20251123T083000.000Z_eth0_00000099.pcap.gz",
					    "hello", 5);
	struct error err;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	refuse_sync = refuse_each;
	assert_int_equal(spool_settle(writer, &err), -1);
	assert_int_equal(err.errnum, EIO);
	refuse_sync = NULL;
	assert_int_equal(segment_file_sync(&writer->file, false, &err), -1);
	assert_int_equal(err.errnum, EIO);
	assert_non_null(strstr(err.message, strerror(EIO)));
	assert_int_equal(spool_finish(writer), -1);
}

/* Packets that are durable do not wait for an index that is not. */
static void test_an_index_that_was_not_synced_is_cut_off(void **state)
{
	static struct file file;
	struct fixture *fixture = *state;
	struct index_footer *footer = &file.footer;

	record_with_failing_sync(fixture, 1);
	assert_false(is_there(fixture, "capturing", unpublished));
	read_claim(fixture, &file);
	assert_string_equal(file.segment.index, "");
	assert_string_equal(file.segment.reason, "age");
	assert_int_equal(file.segment.packets, MEMBERS * PER_CHUNK);
	assert_int_equal(file.segment.data_bytes, file.length);
	assert_int_equal(index_read_footer(file.bytes, file.length, file.length, footer), 0);
}

/* Where the budget has no room for an index, the file is published without, and nothing is deleted for it. */
static void test_an_index_makes_no_room(void **state)
{
	static struct file file;
	struct fixture *fixture = *state;
	const struct conf budget = { .spool_when_full = CONF_WHEN_FULL_DROP_OLDEST,
				     .spool_max_segments = 100,
				     .spool_max_size = 1 };
	struct spool_writer *writer;
	struct error err;

	record(fixture, &format_pcap, &codec_gzip, MEMBERS, true);
	writer = begin(fixture, "n_20251123T083000.000Z_eth0_00000099.pcap.gz", "hello", 5);
	spool_set_budget(fixture->spool, &budget);
	assert_int_equal(spool_settle(writer, &err), 0);
	assert_int_equal(spool_append(writer, "index", 5, 0, &err), -1);
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	assert_int_equal(writer->segment.bytes, 5);
	assert_false(spool_is_full(fixture->spool, NULL));
	read_claim(fixture, &file); /* it is still there */
	assert_int_equal(spool_finish(writer), 0);
}

UNIT_TESTS()
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cut_at_every_byte_of_the_index, set_up_pool,
						tear_down),
		cmocka_unit_test_setup_teardown(test_cut_at_every_byte_of_the_index_zstd,
						set_up_pool, tear_down),
		cmocka_unit_test_setup_teardown(test_cut_in_the_packets, set_up_pool, tear_down),
		cmocka_unit_test_setup_teardown(test_facts_are_the_metadata, set_up_pool,
						tear_down),
		cmocka_unit_test_setup_teardown(test_the_reason_of_a_failed_sync_is_kept,
						set_up_pool, tear_down),
		cmocka_unit_test_setup_teardown(test_an_index_of_other_members_is_not_written,
						set_up_pool, tear_down),
		cmocka_unit_test_setup_teardown(test_recovery_without_an_index, set_up_pool,
						tear_down),
		cmocka_unit_test_setup_teardown(test_an_index_with_a_hole_spoils_nothing,
						set_up_pool, tear_down),
		cmocka_unit_test_setup_teardown(test_a_repaired_file_has_one, set_up_pool,
						tear_down),
		cmocka_unit_test_setup_teardown(test_payload_is_no_index, set_up_pool, tear_down),
		cmocka_unit_test_setup_teardown(test_a_hole_before_the_index, set_up_pool,
						tear_down),
		cmocka_unit_test_setup_teardown(test_files_that_get_none, set_up_pool, tear_down),
		cmocka_unit_test_setup_teardown(test_packets_are_durable_before_the_index,
						set_up_pool, tear_down),
		cmocka_unit_test_setup_teardown(test_without_an_index_packets_are_synced_once,
						set_up_pool, tear_down),
		cmocka_unit_test_setup_teardown(test_packets_that_were_not_synced_are_not_published,
						set_up_pool, tear_down),
		cmocka_unit_test_setup_teardown(test_an_index_that_was_not_synced_is_cut_off,
						set_up_pool, tear_down),
		cmocka_unit_test_setup_teardown(test_an_index_makes_no_room, set_up_pool,
						tear_down),
	};

	unit_add(tests, NULL, NULL);
}
