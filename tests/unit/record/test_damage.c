/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every kind of damage, at every 512th byte, in every format and codec: each packet that can be read is published, in
 * a file that reads from its beginning to its end, and the others are counted.
 */
#include <fcntl.h>

#include "spool_fixture.h"

#include "packet/packet.h"
#include "record/file_header.h"
#include "record/record.h"
#include "segment/codec.h"

#define MEMBERS            10
#define PACKETS_PER_MEMBER 6
#define PACKETS            (MEMBERS * PACKETS_PER_MEMBER)
#define PACKET_BYTES_MAX   300
#define FILE_BYTES_MAX     65536
#define SECTOR             512
#define START_S            1700000000
#define START_NS           (UINT64_C(1700000000) * 1000000000)

/* A segment's bytes as the recorder writes them, and where its packets, or the members that hold them, are. */
struct file {
	const struct format *format;
	const struct codec *codec;
	uint8_t bytes[FILE_BYTES_MAX];
	size_t length, header_end;
	size_t from[PACKETS], to[PACKETS],
		head[PACKETS]; /* head: behind which a record is its packet */
};

static const struct chunk_source *source_of(const struct format *format)
{
	static struct chunk_source source = { .interface = "eth0",
					      .link_type_name = "EN10MB",
					      .filter = "udp",
					      .link_type = 1,
					      .snaplen = PACKET_BYTES_MAX,
					      .is_nano = true };

	source.format = format;
	return &source;
}

static void append(struct file *file, const uint8_t *plain, size_t length)
{
	struct codec_state *state = codec_state_new(file->codec);

	if (file->codec->compress)
		length = file->codec->compress(state, file->codec->level_default, plain, length,
					       file->bytes + file->length,
					       file->codec->bound(length));
	else
		memcpy(file->bytes + file->length, plain, length);
	file->length += length;
	codec_state_free(file->codec, state);
}

static void make_file(struct file *file, const struct format *format, const struct codec *codec)
{
	uint8_t plain[MEMBERS * PACKETS_PER_MEMBER * PACKET_BYTES_MAX], packet[PACKET_BYTES_MAX];

	file->format = format;
	file->codec = codec;
	file->length = 0;
	append(file, plain, file_header_encode("n", source_of(format), plain));
	file->header_end = file->length;
	for (uint32_t m = 0; m < MEMBERS; m++) {
		size_t length = 0, begin = file->length;

		for (uint32_t i = 0; i < PACKETS_PER_MEMBER; i++) {
			uint32_t number = m * PACKETS_PER_MEMBER + i;
			uint32_t captured = 60 + number * 37 % (PACKET_BYTES_MAX - 60);

			unit_random(packet, sizeof packet);
			memcpy(packet, &number, sizeof number);
			file->from[number] = begin + length;
			file->head[number] = begin + length +
					     format_record_bytes(format, captured) - captured;
			length += format->encode_record(plain + length, START_S + m, number,
							captured, 1500, packet);
			file->to[number] = begin + length;
		}
		append(file, plain, length);
		for (uint32_t i = 0; i < PACKETS_PER_MEMBER && codec->compress; i++) {
			file->from[m * PACKETS_PER_MEMBER + i] = begin;
			file->to[m * PACKETS_PER_MEMBER + i] = file->length;
		}
	}
}

enum damage {
	DAMAGE_ZEROED,      /* a sector that never reached the disk */
	DAMAGE_OVERWRITTEN, /* one of another file, or of noise */
	DAMAGE_TWICE,       /* another one further on, too */
	DAMAGE_CUT,
	DAMAGE_ZEROED_END, /* from there on */
	DAMAGE_COUNT,
};

struct range {
	size_t from, to;
};

/* Returns how many ranges of the bytes are not what they were. */
static size_t damage_bytes(uint8_t *bytes, size_t *length, size_t at, enum damage damage,
			   struct range ranges[2])
{
	size_t to = at + SECTOR < *length ? at + SECTOR : *length, again = at + 8 * SECTOR;

	ranges[0] = (struct range){ at, to };
	ranges[1] = (struct range){ again, again + SECTOR };
	if (damage == DAMAGE_CUT || damage == DAMAGE_ZEROED_END)
		ranges[0].to = *length;
	if (damage == DAMAGE_CUT)
		*length = at;
	else if (damage == DAMAGE_OVERWRITTEN || damage == DAMAGE_TWICE)
		unit_random(bytes + at, to - at);
	else
		memset(bytes + at, 0, ranges[0].to - at);
	if (damage != DAMAGE_TWICE || ranges[1].to > *length)
		return 1;
	memset(bytes + again, 0, SECTOR);
	return 2;
}

static bool is_hit(size_t from, size_t to, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (from < ranges[i].to && ranges[i].from < to)
			return true;
	return false;
}

/* All of a published file, without compression; it holds nothing but whole members. */
static size_t unpack(const struct file *file, const uint8_t *bytes, size_t length, uint8_t *plain)
{
	struct codec_state *state = codec_state_new(file->codec);
	size_t plain_length = 0, at = 0;

	if (!file->codec->decompress)
		memcpy(plain, bytes, at = plain_length = length);
	while (at < length) {
		size_t got = 0, used = file->codec->decompress(state, bytes + at, length - at,
							       plain + plain_length,
							       FILE_BYTES_MAX - plain_length, &got);

		assert_true(used > 0);
		at += used;
		plain_length += got;
	}
	codec_state_free(file->codec, state);
	return plain_length;
}

/* Which packets a published file holds: each once, in order, and nothing else. Returns how many. */
static size_t read_packets(const struct file *file, const struct spool_claim *claim,
			   bool found[PACKETS])
{
	static uint8_t bytes[FILE_BYTES_MAX], plain[FILE_BYTES_MAX];
	struct format_reader reader = { 0 };
	struct format_record record;
	size_t length, at = 0, count = 0;
	enum format_state state;
	uint32_t number, after = 0;
	ssize_t got = pread(claim->fd, bytes, sizeof bytes, 0);

	assert_int_equal(got, claim->segment.bytes);
	assert_int_equal(crc32c_update(0, bytes, (size_t)got), claim->segment.crc32c);
	length = unpack(file, bytes, (size_t)got, plain);
	assert_int_equal(length, claim->segment.pcap_bytes);
	memset(found, 0, PACKETS * sizeof *found);
	while ((state = file->format->next(&reader, plain, length, &at, &record)) ==
	       FORMAT_RECORD) {
		memcpy(&number, record.packet, sizeof number);
		count++;
		if (number >= PACKETS) /* its packet is damaged, and not its head */
			continue;
		assert_true(number >= after);
		after = number + 1;
		found[number] = true;
	}
	assert_int_equal(state, FORMAT_END);
	assert_int_equal(reader.interface[0].link_type, 1);
	return count;
}

static void check_found(const struct file *file, size_t at, enum damage damage,
			const struct range *ranges, size_t range_count, const bool found[PACKETS])
{
	for (size_t i = 0; i < PACKETS; i++) {
		bool is_whole = !is_hit(file->from[i], file->to[i], ranges, range_count);
		/* Without a checksum, a record whose head is whole is one. */
		bool is_headed = !file->codec->compress &&
				 !is_hit(file->from[i], file->head[i], ranges, range_count);

		if (is_whole ? !found[i] : found[i] && !is_headed)
			fail_msg("%s%s, damage %d at %zu: packet %zu at %zu is %s",
				 file->format->extension, file->codec->extension, (int)damage, at,
				 i, file->from[i], is_whole ? "missing" : "there");
	}
}

static void recover_damaged(struct fixture *fixture, const struct file *file, size_t at,
			    enum damage damage)
{
	static uint8_t bytes[FILE_BYTES_MAX];
	static uint64_t sequence;
	const atomic_bool is_stopping = false;
	bool found[PACKETS] = { false };
	size_t length = file->length, packets = 0, ranges_count;
	char name[SEGMENT_NAME_MAX + 1], extension[32], gaps[1024];
	cleanup_free char *damaged = NULL;
	struct range ranges[2];
	struct spool_writer *writer;
	struct spool_claim claim;
	uint64_t lost = counter_read(&fixture->counters.packets_discarded);
	struct error err;
	int result;

	memcpy(bytes, file->bytes, length);
	ranges_count = damage_bytes(bytes, &length, at, damage, ranges);
	(void)snprintf(extension, sizeof extension, "%s%s", file->format->extension,
		       file->codec->extension);
	name_format("n", "eth0", START_NS, ++sequence, extension, name);
	damaged = mem_printf("%s.damaged", name);
	writer = begin(fixture, name, bytes, length);
	file_header_note(source_of(file->format), &writer->segment);
	writer->segment.packets = PACKETS;
	assert_int_equal(spool_note(writer, &err), 0);
	crash(writer);
	open_again(fixture);
	recover_unfinished(fixture->spool, &fixture->counters, NULL, &is_stopping);

	assert_false(is_there(fixture, "capturing", name));
	result = spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claim, &err);
	if (result > 0) {
		packets = read_packets(file, &claim, found);
		assert_string_equal(claim.name, name);
		assert_int_equal(claim.segment.packets, packets);
		assert_int_equal(claim.segment.drops.count[DROP_DISK], PACKETS - packets);
		segment_attachment(&claim.segment, RECOVER_GAPS_KEY, gaps, sizeof gaps);
		/* Where something behind the damage was read, the file says so, and the damaged one is kept. */
		if (found[PACKETS - 1] && damage != DAMAGE_CUT && packets < PACKETS)
			assert_true(gaps[0] != '\0');
		if (gaps[0])
			assert_true(is_there(fixture, "rejected", damaged));
		assert_int_equal(spool_remove(fixture->spool, &claim, &err), 0);
	}
	check_found(file, at, damage, ranges, ranges_count, found);
	assert_int_equal(counter_read(&fixture->counters.packets_discarded) - lost,
			 PACKETS - packets);
	/* What nothing can be read of is kept as it is. */
	assert_true(packets == 0 || !is_there(fixture, "rejected", name));
}

static void test_every_damage_at_every_sector(void **state)
{
	static const struct codec *const codecs[] = { &codec_gzip, &codec_zstd, &codec_none };
	static const struct format *const formats[] = { &format_pcap, &format_pcapng };
	static const struct conf none = { .spool_max_segments = 0 };
	struct fixture *fixture = *state;
	static struct file file;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	for (size_t i = 0; i < ARRAY_LENGTH(codecs) * ARRAY_LENGTH(formats); i++) {
		make_file(&file, formats[i % 2], codecs[i / 2]);
		for (enum damage damage = DAMAGE_ZEROED; damage < DAMAGE_COUNT; damage++) {
			for (size_t at = 0; at < file.length; at += SECTOR)
				recover_damaged(fixture, &file, at, damage);
			spool_set_budget(fixture->spool, &none); /* what was kept goes */
			spool_maintain(fixture->spool);
		}
	}
	assert_int_equal(du(fixture), spool_bytes_taken(fixture->spool));
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_damage_at_every_sector, set_up,
						tear_down),
	};

	unit_add(tests, NULL, NULL);
}
