/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "spool_fixture.h"

#include "base/clock.h"
#include "packet/packet.h"
#include "segment/codec.h"
#include "record/record.h"
#include "record/surroundings.h"

#define MEMBERS            4
#define PACKETS_PER_MEMBER 10
#define PACKET_BYTES       60

/* A segment's bytes as the recorder writes them, and where its members end. */
struct file {
	uint8_t bytes[65536];
	size_t length, header_end, member_end[MEMBERS];
};

static void append(struct file *file, const struct codec *codec, const uint8_t *plain,
		   size_t length)
{
	struct codec_state *codec_state = codec_state_new(codec);

	if (codec->compress)
		length = codec->compress(codec_state, codec->level_default, plain, length,
					 file->bytes + file->length, codec->bound(length));
	else
		memcpy(file->bytes + file->length, plain, length);
	file->length += length;
	codec_state_free(codec, codec_state);
}

/* Within a member the records are out of order, as several CPUs may deliver them. */
static uint32_t fraction_of(uint32_t record)
{
	return (record * 7 + 3) % PACKETS_PER_MEMBER;
}

static void make_file(struct file *file, const struct format *format, const struct codec *codec)
{
	const struct chunk_source source = { .link_type = 1, .snaplen = 96 };
	const struct format_origin origin = { "n", "machine", "system", "test" };
	uint8_t plain[FORMAT_EDGE_BYTES_MAX], packet[PACKET_BYTES];

	file->length = 0;
	append(file, codec, plain, format->encode_header(&source, &origin, plain));
	file->header_end = file->length;
	for (uint32_t m = 0; m < MEMBERS; m++) {
		size_t length = 0;

		for (uint32_t i = 0; i < PACKETS_PER_MEMBER; i++) {
			memset(packet, (int)(m * 10 + i), sizeof packet);
			length += format->encode_record(plain + length, 1700000000 + m,
							fraction_of(i), PACKET_BYTES, 1500, packet);
		}
		append(file, codec, plain, length);
		file->member_end[m] = file->length;
	}
}

static void recover(struct fixture *fixture)
{
	atomic_bool is_stopping = false;

	recover_unfinished(fixture->spool, &fixture->counters, NULL, &is_stopping);
}

/* Of the first packets of the file, the earliest and the latest. */
static void check_times(const struct segment *segment, const struct format *format, size_t packets)
{
	uint64_t earliest_ns = UINT64_MAX, latest_ns = 0;

	for (uint32_t i = 0; i < packets; i++) {
		uint64_t seconds = 1700000000 + i / PACKETS_PER_MEMBER;
		uint64_t unit_ns = format->is_nano_only ? 1 : 1000;
		uint64_t ns = seconds * CLOCK_NS_PER_S +
			      fraction_of(i % PACKETS_PER_MEMBER) * unit_ns;

		earliest_ns = ns < earliest_ns ? ns : earliest_ns;
		latest_ns = ns > latest_ns ? ns : latest_ns;
	}
	assert_true(segment->earliest_ns == earliest_ns);
	assert_true(segment->latest_ns == latest_ns);
	assert_true(segment->end_ns == latest_ns);
}

static void recover_cut(struct fixture *fixture, const struct format *format,
			const struct codec *codec, const struct file *file, size_t cut)
{
	const size_t record = format_record_bytes(format, PACKET_BYTES);
	size_t expected = 0, expected_bytes = file->header_end;
	struct spool_claim claimed;
	struct error err;
	char name[SEGMENT_NAME_MAX + 1], extension[32];
	int found;

	(void)snprintf(extension, sizeof extension, "%s%s", format->extension, codec->extension);
	name_format("n", "eth0", 1700000000000000000, cut + 1, extension, name);
	crash(begin(fixture, name, file->bytes, cut));
	open_again(fixture);
	recover(fixture);
	assert_false(is_there(fixture, "capturing", name));

	if (codec == &codec_none && cut >= file->header_end) {
		expected = (cut - file->header_end) / record;
		expected_bytes = file->header_end + expected * record;
	}
	for (size_t m = 0; m < MEMBERS && codec != &codec_none; m++)
		if (cut >= file->member_end[m]) {
			expected += PACKETS_PER_MEMBER;
			expected_bytes = file->member_end[m];
		}
	found = spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err);
	assert_int_equal(found, expected > 0);
	if (expected == 0) {
		assert_false(is_there(fixture, "metadata", name));
		return;
	}
	assert_string_equal(claimed.name, name);
	assert_int_equal(claimed.segment.packets, expected);
	assert_int_equal(claimed.segment.bytes, expected_bytes);
	assert_int_equal(lseek(claimed.fd, 0, SEEK_END), expected_bytes);
	assert_int_equal(claimed.segment.crc32c, crc32c_update(0, file->bytes, expected_bytes));
	assert_string_equal(claimed.segment.reason, "recovered");
	assert_string_equal(claimed.segment.filter, "udp");
	check_times(&claimed.segment, format, expected);
	assert_int_equal(spool_remove(fixture->spool, &claimed, &err), 0);
}

/* At every place that a crash could cut: what is whole before it is kept, the rest is not. */
static void test_cut_anywhere(void **state)
{
	static const struct codec *const codecs[] = { &codec_gzip, &codec_zstd, &codec_none };
	static const struct format *const formats[] = { &format_pcap, &format_pcapng };
	struct fixture *fixture = *state;
	struct file file;

	for (size_t i = 0; i < ARRAY_LENGTH(codecs) * ARRAY_LENGTH(formats); i++) {
		const struct codec *codec = codecs[i / 2];
		const struct format *format = formats[i % 2];
		size_t step = codec == &codec_none ? 37 : 7;

		make_file(&file, format, codec);
		for (size_t cut = 0; cut < file.length; cut += step)
			recover_cut(fixture, format, codec, &file, cut);
		for (size_t m = 0; m < MEMBERS; m++) {
			recover_cut(fixture, format, codec, &file, file.member_end[m] - 1);
			recover_cut(fixture, format, codec, &file, file.member_end[m]);
		}
	}
}

static void fail_on_name(void *context, const char *name)
{
	(void)context;
	fail_msg("%s", name);
}

/* A power failure may leave zeros, or old blocks, where the last members should be. */
static void test_damage_in_the_middle(void **state)
{
	struct fixture *fixture = *state;
	struct spool_claim claimed;
	struct file file;
	struct error err;
	char name[SEGMENT_NAME_MAX + 1];

	make_file(&file, &format_pcap, &codec_gzip);
	memset(file.bytes + file.member_end[1] + 20, 0, 30);
	name_format("n", "eth0", 1700000000000000000, 1, ".pcap.gz", name);
	leave(begin(fixture, name, file.bytes, file.length));
	recover(fixture);
	/* Nobody has ended it. */
	ended_each(spool_ended(fixture->spool), 1700000000000000001, fail_on_name, NULL);
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err), 1);
	assert_int_equal(claimed.segment.packets, 3 * PACKETS_PER_MEMBER);
	(void)close(claimed.fd);
}

/* No packet can be got out of it by us, but it may hold some: for a person to look at. */
static void test_a_large_file_with_a_bad_beginning_is_set_aside(void **state)
{
	static const uint8_t zeros[5000];
	static const char *const names[] = { "n_20251123T083000.000Z_eth0_00000001.pcap",
					     "n_20251123T083000.000Z_eth0_00000002.pcap.gz" };
	struct fixture *fixture = *state;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		leave(begin(fixture, names[i], zeros, sizeof zeros));
		recover(fixture);
		assert_true(is_there(fixture, "rejected", names[i]));
		assert_true(is_there(fixture, "metadata", names[i]));
	}
}

static void test_zeros_at_the_end_are_no_packets(void **state)
{
	struct fixture *fixture = *state;
	struct spool_claim claimed;
	struct file file;
	struct error err;
	size_t length;

	make_file(&file, &format_pcap, &codec_none);
	length = file.length;
	memset(file.bytes + length, 0, 8192);
	leave(begin(fixture, "n_20251123T083000.000Z_eth0_00000001.pcap", file.bytes,
		    length + 8192));
	recover(fixture);
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err), 1);
	assert_int_equal(claimed.segment.packets, MEMBERS * PACKETS_PER_MEMBER);
	assert_int_equal(claimed.segment.bytes, length);
	(void)close(claimed.fd);
}

/* What the metadata of the one segment in capturing/ say. */
static struct segment known_of_open(struct fixture *fixture)
{
	struct segment known = { .packets = 0 };
	struct error err;

	(void)pthread_mutex_lock(&fixture->spool->lock);
	if (fixture->spool->count > 0)
		(void)!spool_metadata_read(fixture->spool, SPOOL_METADATA,
					   fixture->spool->entries[0]->name, &known, &err);
	(void)pthread_mutex_unlock(&fixture->spool->lock);
	return known;
}

/* A crash must not hide a loss: what the metadata on the disk say follows what the segment has and lacks. */
static void test_what_the_open_segment_has_and_lacks_is_on_disk(void **state)
{
	struct fixture *fixture = *state;
	struct chunk_pool pool;
	struct recorder_context context = {
		.node = "n",
		.pool = &pool,
		.spool = fixture->spool,
		.counters = &fixture->counters,
		.wake_fd = -1,
	};
	struct recorder *recorder;
	struct segment known = { .packets = 0 };
	struct chunk *chunk;
	struct error err;

	chunk_pool_init(&pool, 2);
	recorder = recorder_new(&context, "eth0");
	recorder_set_codec(recorder, &codec_none, 0);
	assert_int_equal(recorder_start(recorder, &err), 0);
	for (uint32_t drops = 0; drops <= 7; drops += 7) {
		chunk = chunk_pool_get(&pool, 1000);
		chunk->source.format = &format_pcap;
		chunk->start_ns = 1700000000000000000;
		chunk->packets = 5 + drops;
		chunk->drops.count[DROP_KERNEL] = drops;
		queue_push(recorder_queue(recorder), chunk);
		for (int i = 0; i < 1000 && known.packets < (drops ? 17 : 5); i++) {
			(void)usleep(10000);
			known = known_of_open(fixture);
		}
		assert_int_equal(known.packets, drops ? 17 : 5);
		assert_int_equal(known.drops.count[DROP_KERNEL], drops);
		assert_int_equal(known.bytes, 0);
	}
	recorder_free(recorder);
	chunk_pool_done(&pool);
}

static void test_a_file_that_is_not_ours_stays(void **state)
{
	static const char strange[] = "n_20251123T083000.000Z_eth0_00000001.xyz";
	struct fixture *fixture = *state;
	cleanup_free char *path = mem_printf("%s/capturing/notes.txt", fixture->directory);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
	crash(begin(fixture, strange, "hello", 5));
	open_again(fixture);
	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	recover(fixture);
	assert_true(is_there(fixture, "capturing", "notes.txt"));
	/* Our name, and nothing that we can read: for a person to look at. */
	assert_true(is_there(fixture, "rejected", strange));
}

static uint64_t lost_before(const struct segment *segment)
{
	struct losses losses;

	losses_of_segment(segment, &losses);
	return losses_packets(&losses);
}

/* The next segment has no drops, and states these of others, once. */
static void check_next_states(struct fixture *fixture, uint64_t lost)
{
	static const char *const names[] = { "n_20251123T083001.000Z_eth0_00000098.pcap.gz",
					     "n_20251123T083001.000Z_eth0_00000099.pcap.gz" };
	struct spool_claim claimed;
	struct error err;

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		assert_int_equal(spool_finish(begin(fixture, names[i], "x", 1)), 0);
		assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err),
				 1);
		assert_int_equal(drops_sum(&claimed.segment.drops), 0);
		assert_int_equal(lost_before(&claimed.segment), i == 0 ? lost : 0);
		(void)close(claimed.fd);
	}
}

/* What a segment lacks that has no packet is stated by the next one, once. */
static void test_drops_of_a_segment_without_packets_are_stated(void **state)
{
	static const char name[] = "n_20251123T083000.000Z_eth0_00000001.pcap.gz";
	struct fixture *fixture = *state;
	struct spool_writer *writer = begin(fixture, name, "", 0);
	struct error err;

	writer->segment.drops.count[DROP_DISK] = 5;
	assert_int_equal(spool_note(writer, &err), 0);
	crash(writer);
	open_again(fixture);
	recover(fixture);
	assert_false(is_there(fixture, "capturing", name));
	open_again(fixture);
	check_next_states(fixture, 5);
}

/* A segment that had these bytes noted this many packets, and then nobody wrote it any more. */
static struct spool_writer *begin_noted(struct fixture *fixture, const char *name,
					const uint8_t *bytes, size_t length, uint64_t packets)
{
	struct spool_writer *writer = begin(fixture, name, bytes, length);
	struct error err;

	writer->segment.packets = packets;
	assert_int_equal(spool_note(writer, &err), 0);
	return writer;
}

/* The open segment's metadata said all its packets; then the disk did not keep these bytes of it. */
static void lose_end(struct fixture *fixture, const char *name, const uint8_t *bytes, size_t kept)
{
	crash(begin_noted(fixture, name, bytes, kept, MEMBERS * PACKETS_PER_MEMBER));
	open_again(fixture);
	recover(fixture);
	assert_false(is_there(fixture, "capturing", name));
}

static void assert_lost(struct fixture *fixture, enum drop_reason reason, uint64_t packets)
{
	assert_int_equal(counter_read(&fixture->counters.drops[reason]), packets);
	assert_int_equal(counter_read(&fixture->counters.packets_discarded), packets);
}

/* What was written and is gone is a loss like any other: told by the segment, and counted. */
static void test_packets_that_the_disk_did_not_keep_are_counted(void **state)
{
	static const char name[] = "n_20251123T083000.000Z_eth0_00000001.pcap.gz";
	struct fixture *fixture = *state;
	struct spool_claim claimed;
	struct file file;
	struct error err;

	make_file(&file, &format_pcap, &codec_gzip);
	lose_end(fixture, name, file.bytes, file.member_end[1]);
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err), 1);
	assert_int_equal(claimed.segment.packets, 2 * PACKETS_PER_MEMBER);
	assert_int_equal(claimed.segment.drops.count[DROP_DISK], 2 * PACKETS_PER_MEMBER);
	assert_lost(fixture, DROP_DISK, 2 * PACKETS_PER_MEMBER);
	(void)close(claimed.fd);
}

/* Once, also when the folder cannot be synced in which it is noted that they are. */
static void test_packets_that_the_disk_did_not_keep_are_counted_once(void **state)
{
	static const char name[] = "n_20251123T083000.000Z_eth0_00000001.pcap.gz";
	struct fixture *fixture = *state;
	struct spool_claim claimed;
	struct file file;
	struct error err;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT);
	make_file(&file, &format_pcap, &codec_gzip);
	leave(begin_noted(fixture, name, file.bytes, file.member_end[1],
			  MEMBERS * PACKETS_PER_MEMBER));
	unsynced_folder = "metadata";
	recover(fixture);
	unsynced_folder = NULL;
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	recover(fixture);
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err), 1);
	assert_int_equal(claimed.segment.drops.count[DROP_DISK], 2 * PACKETS_PER_MEMBER);
	assert_lost(fixture, DROP_DISK, 2 * PACKETS_PER_MEMBER);
	(void)close(claimed.fd);
}

static void test_packets_that_the_disk_kept_none_of_are_counted(void **state)
{
	static const char name[] = "n_20251123T083000.000Z_eth0_00000001.pcap.gz";
	struct fixture *fixture = *state;
	struct file file;

	make_file(&file, &format_pcap, &codec_gzip);
	lose_end(fixture, name, file.bytes, file.header_end);
	assert_lost(fixture, DROP_DISK, MEMBERS * PACKETS_PER_MEMBER);
	check_next_states(fixture, MEMBERS * PACKETS_PER_MEMBER);
}

/* The same when the disk did not take the metadata either: this run knows how many there were. */
static void test_packets_that_no_metadata_say_are_counted(void **state)
{
	static const char name[] = "n_20251123T083000.000Z_eth0_00000001.pcap.gz";
	struct fixture *fixture = *state;
	cleanup_free char *obstacle = mem_printf("%s/metadata/.%s.new", fixture->directory, name);
	struct spool_writer *writer;
	struct spool_claim claimed;
	struct file file;
	struct error err;

	make_file(&file, &format_pcap, &codec_gzip);
	writer = begin(fixture, name, file.bytes, file.member_end[2]);
	assert_int_equal(mkdir(obstacle, 0700), 0);
	writer->segment.packets = MEMBERS * PACKETS_PER_MEMBER;
	writer->file.is_uncut = true;                    /* so that it cannot be published */
	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	assert_int_equal(spool_finish(writer), -1);
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	recover(fixture); /* not yet: what is lost could not be noted */
	assert_lost(fixture, DROP_DISK, 0);
	assert_int_equal(rmdir(obstacle), 0);
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	recover(fixture);
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err), 1);
	assert_int_equal(claimed.segment.packets, 3 * PACKETS_PER_MEMBER);
	assert_int_equal(claimed.segment.drops.count[DROP_DISK], PACKETS_PER_MEMBER);
	assert_lost(fixture, DROP_DISK, PACKETS_PER_MEMBER);
	(void)close(claimed.fd);
}

static void test_what_is_set_aside_is_counted(void **state)
{
	static const char name[] = "n_20251123T083000.000Z_eth0_00000001.pcap.gz";
	static const uint8_t zeros[5000];
	struct fixture *fixture = *state;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	lose_end(fixture, name, zeros, sizeof zeros);
	assert_true(is_there(fixture, "rejected", name));
	assert_lost(fixture, DROP_REJECTED, MEMBERS * PACKETS_PER_MEMBER);
	assert_int_equal(counter_read(&fixture->counters.segments_rejected), 1);
}

/* However small it is, if there were packets in it, and something is left: a person may be able to read it. */
static void test_a_small_file_of_which_nothing_can_be_read_is_set_aside(void **state)
{
	static const char torn[] = "n_20251123T083000.000Z_eth0_00000001.pcap.gz",
			  headless[] = "n_20251123T083001.000Z_eth0_00000002.pcap.gz",
			  empty[] = "n_20251123T083002.000Z_eth0_00000003.pcap.gz",
			  unused[] = "n_20251123T083003.000Z_eth0_00000004.pcap.gz",
			  begun[] = "n_20251123T083004.000Z_eth0_00000005.pcap.gz",
			  cut_off[] = "n_20251123T083005.000Z_eth0_00000006.pcap.gz",
			  zeroed[] = "n_20251123T083006.000Z_eth0_00000007.pcap.gz";
	struct fixture *fixture = *state;
	struct spool_totals totals;
	struct file file;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	make_file(&file, &format_pcap, &codec_gzip);
	lose_end(fixture, torn, file.bytes, file.member_end[0] - 1);
	assert_true(is_there(fixture, "rejected", torn));
	lose_end(fixture, headless, (const uint8_t *)"garbage", 7);
	assert_true(is_there(fixture, "rejected", headless));
	assert_lost(fixture, DROP_REJECTED, 2 * MEMBERS * PACKETS_PER_MEMBER);
	/* A power failure may leave zeros; and a crash part of the first member. */
	memset(file.bytes + file.header_end, 0, 100);
	lose_end(fixture, empty, file.bytes, file.header_end + 100);
	lose_end(fixture, cut_off, file.bytes, 0);
	lose_end(fixture, zeroed, file.bytes + file.header_end, 100);
	crash(begin(fixture, unused, "garbage", 7));
	memset(file.bytes + file.header_end, 'x', 8192);
	crash(begin(fixture, begun, file.bytes, file.header_end + 8192));
	open_again(fixture);
	recover(fixture);
	assert_true(spool_totals(fixture->spool, &totals));
	assert_int_equal(totals.rejected, 2);
	assert_int_equal(totals.capturing, 0);
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_DISK]),
			 3 * MEMBERS * PACKETS_PER_MEMBER);
}

/* An operator has deleted it before it could be recovered: it counts, and nobody waits for it. */
static void test_what_is_gone_is_not_waited_for(void **state)
{
	static const char name[] = "n_20251123T083000.000Z_eth0_00000001.pcap.gz";
	struct fixture *fixture = *state;
	cleanup_free char *path = mem_printf("%s/capturing/%s", fixture->directory, name);
	struct spool_totals totals;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	leave(begin_noted(fixture, name, (const uint8_t *)"x", 1, 10));
	assert_int_equal(unlink(path), 0);
	recover(fixture);
	assert_lost(fixture, DROP_DISK, 10);
	assert_true(spool_totals(fixture->spool, &totals));
	assert_int_equal(totals.lost, 1);
	assert_int_equal(totals.oldest_capturing_ns, 0);
	assert_false(is_there(fixture, "metadata", name));
}

#define BEYOND_BYTES ((size_t)1 << 20) /* more than any member */

/* A file that begins with these bytes, and goes on for longer than a crash could have it. */
static void recover_long(struct fixture *fixture, const char *name, const struct file *file,
			 size_t kept, int beyond)
{
	cleanup_free uint8_t *bytes = mem_alloc(kept + BEYOND_BYTES);

	memcpy(bytes, file->bytes, kept);
	memset(bytes + kept, beyond, BEYOND_BYTES);
	lose_end(fixture, name, bytes, kept + BEYOND_BYTES);
}

/* A crash leaves one incomplete member at most. What is longer is kept, beside what can be read of it. */
static void test_what_was_damaged_and_not_cut_off_is_set_aside(void **state)
{
	static const char none[] = "n_20251123T083000.000Z_eth0_00000001.pcap.gz",
			  some[] = "n_20251123T083001.000Z_eth0_00000002.pcap.gz",
			  plain[] = "n_20251123T083002.000Z_eth0_00000003.pcap";
	struct fixture *fixture = *state;
	struct spool_claim claimed;
	struct file file;
	struct error err;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	make_file(&file, &format_pcap, &codec_gzip);
	recover_long(fixture, none, &file, file.header_end, 'x');
	assert_true(is_there(fixture, "rejected", none));
	assert_lost(fixture, DROP_REJECTED, MEMBERS * PACKETS_PER_MEMBER);
	assert_int_equal(counter_read(&fixture->counters.segments_rejected), 1);
	recover_long(fixture, some, &file, file.member_end[1], 'x');
	make_file(&file, &format_pcap, &codec_none);
	recover_long(fixture, plain, &file, file.member_end[2], 'x');
	for (uint32_t members = 2; members <= 3; members++) {
		const char *name = members == 2 ? some : plain;
		cleanup_free char *damaged = mem_printf("%s.damaged", name);

		assert_true(is_there(fixture, "rejected", damaged));
		assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err),
				 1);
		assert_string_equal(claimed.name, name);
		assert_int_equal(claimed.segment.packets, members * PACKETS_PER_MEMBER);
		assert_int_equal(claimed.segment.drops.count[DROP_DISK],
				 (MEMBERS - members) * PACKETS_PER_MEMBER);
		(void)close(claimed.fd);
	}
	assert_int_equal(counter_read(&fixture->counters.segments_rejected), 1);
}

/* Drop-oldest, and room for no copy unless what waits is deleted: that is in ready/, and larger. */
static void fill_spool(struct fixture *fixture, const char *waiting)
{
	static const uint8_t zeros[1 << 20];
	struct conf budget = { .spool_when_full = CONF_WHEN_FULL_DROP_OLDEST,
			       .spool_max_segments = UINT64_MAX };
	struct spool_writer *writer = begin(fixture, waiting, zeros, sizeof zeros);
	struct spool_totals totals;

	writer->segment.packets = 10;
	assert_int_equal(spool_finish(writer), 0);
	assert_true(spool_totals(fixture->spool, &totals));
	budget.spool_max_size = totals.bytes + 4096;
	spool_set_budget(fixture->spool, &budget);
}

static void recover_all(struct fixture *fixture)
{
	spool_retry_now(fixture->spool);
	recover(fixture);
}

/* Whoever keeps a damaged file deletes nothing for it that waits. What cannot be kept is cut, or waits for room. */
static void test_nothing_that_waits_is_deleted_for_a_repair(void **state)
{
	static const char waiting[] = "n_20251123T082959.000Z_eth0_00000001.pcap",
			  cut[] = "n_20251123T083000.000Z_eth0_00000002.pcap.gz",
			  in_parts[] = "n_20251123T083001.000Z_eth0_00000003.pcap.gz";
	static const struct conf unlimited = { .spool_max_segments = UINT64_MAX };
	struct fixture *fixture = *state;
	cleanup_free uint8_t *bytes = mem_alloc(sizeof((struct file *)0)->bytes + BEYOND_BYTES);
	struct file file;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	make_file(&file, &format_pcap, &codec_gzip);
	memset(bytes, 'x', file.member_end[1] + BEYOND_BYTES);
	memcpy(bytes, file.bytes, file.member_end[1]);
	crash(begin_noted(fixture, cut, bytes, file.member_end[1] + BEYOND_BYTES,
			  MEMBERS * PACKETS_PER_MEMBER));
	open_again(fixture);
	fill_spool(fixture, waiting);
	recover_all(fixture);
	assert_true(is_there(fixture, "ready", waiting));
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_BUDGET]), 0);
	assert_true(is_there(fixture, "ready", cut));
	assert_false(is_there(fixture, "rejected",
			      "n_20251123T083000.000Z_eth0_00000002.pcap.gz.damaged"));
	assert_false(spool_is_full(fixture->spool, NULL));
	/* This one cannot be cut: part of what it holds is behind the damage. */
	spool_set_budget(fixture->spool, &unlimited);
	memset(file.bytes + file.member_end[1] + 20, 0, 30);
	crash(begin_noted(fixture, in_parts, file.bytes, file.length,
			  MEMBERS * PACKETS_PER_MEMBER));
	open_again(fixture);
	fill_spool(fixture, "n_20251123T083005.000Z_eth0_00000009.pcap");
	recover_all(fixture);
	assert_true(is_there(fixture, "capturing", in_parts));
	assert_true(is_there(fixture, "ready", waiting));
	spool_set_budget(fixture->spool, &unlimited);
	recover_all(fixture);
	assert_true(is_there(fixture, "ready", in_parts));
	assert_true(is_there(fixture, "rejected",
			     "n_20251123T083001.000Z_eth0_00000003.pcap.gz.damaged"));
	assert_lost(fixture, DROP_DISK, 3 * PACKETS_PER_MEMBER);
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_BUDGET]), 0);
}

/*
 * A crash while what can be read takes the place of the damaged file: it is done again, to the same end. The damaged
 * one is no segment, so that a loss of the segment is not taken back for it.
 */
static void test_a_repair_that_was_broken_off_is_done_again(void **state)
{
	static const char name[] = "n_20251123T083000.000Z_eth0_00000001.pcap.gz";
	struct fixture *fixture = *state;
	cleanup_free char *from = mem_printf("%s/capturing/%s", fixture->directory, name);
	cleanup_free char *kept = mem_printf("%s/rejected/%s.damaged", fixture->directory, name);
	cleanup_free char *copy = mem_printf("%s/capturing/.%s.new", fixture->directory, name);
	cleanup_free char *ready = mem_printf("%s/ready/%s", fixture->directory, name);
	struct file file;
	struct error err;

	make_file(&file, &format_pcap, &codec_gzip);
	memset(file.bytes + file.member_end[1] + 20, 0, 30);
	crash(begin_noted(fixture, name, file.bytes, file.length, MEMBERS * PACKETS_PER_MEMBER));
	assert_int_equal(link(from, kept), 0);
	assert_int_equal(symlink("nowhere", copy), 0);
	open_again(fixture);
	assert_int_not_equal(access(copy, F_OK), 0);
	recover(fixture);
	assert_lost(fixture, DROP_DISK, PACKETS_PER_MEMBER);
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	assert_int_equal(unlink(ready), 0);
	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	open_again(fixture);
	assert_int_equal(access(kept, F_OK), 0);
	check_next_states(fixture, MEMBERS * PACKETS_PER_MEMBER);
}

static unsigned first_reads, later_reads;
static atomic_bool *stopping;

static void count_first_reads(size_t capacity, uint64_t offset)
{
	first_reads += offset == 0 && capacity > SEGMENT_METADATA_MAX + 1;
}

/* The walk reads larger blocks: it is over. */
static void stop_after_walk(size_t capacity, uint64_t offset)
{
	(void)offset;
	later_reads += atomic_load(stopping);
	if (capacity <= 4096)
		atomic_store(stopping, true);
}

/* A large file does not hold up the end of the program: no part of recovery reads on once that is wanted. */
static void test_recovery_ends_when_the_program_does(void **state)
{
	static const char name[] = "n_20251123T083000.000Z_eth0_00000001.pcap.gz";
	struct fixture *fixture = *state;
	cleanup_free uint8_t *bytes = mem_calloc(1, sizeof((struct file *)0)->bytes + BEYOND_BYTES);
	atomic_bool is_stopping = false;
	struct file file;

	make_file(&file, &format_pcap, &codec_gzip);
	memcpy(bytes, file.bytes, file.length);
	crash(begin_noted(fixture, name, bytes, file.length + BEYOND_BYTES,
			  MEMBERS * PACKETS_PER_MEMBER));
	open_again(fixture);
	stopping = &is_stopping;
	later_reads = 0;
	before_read = stop_after_walk;
	recover_unfinished(fixture->spool, &fixture->counters, NULL, &is_stopping);
	assert_true(atomic_load(&is_stopping));
	assert_in_range(later_reads, 0, 1);
	assert_true(is_there(fixture, "capturing", name));
	/* Nor is the file read again for its checksum. */
	first_reads = 0;
	before_read = count_first_reads;
	recover_all(fixture);
	assert_true(is_there(fixture, "ready", name));
	assert_int_equal(first_reads, 1);
}

static bool refuse_copy(const char *folder, const char *to)
{
	return strcmp(folder, "capturing") == 0 && strcmp(strrchr(to, '.'), ".gz") == 0;
}

static bool refuse_both(const char *folder, const char *to)
{
	return refuse_copy(folder, to) ||
	       (strcmp(folder, "rejected") == 0 && strcmp(strrchr(to, '.'), ".gz") == 0);
}

/*
 * Without hard links, the damaged file has left its place before what can be read of it comes there. Whatever comes
 * in between, nothing is counted as lost that can be read.
 */
static void test_a_repair_without_links(void **state)
{
	static const char name[] = "n_20251123T083000.000Z_eth0_00000001.pcap.gz",
			  damaged[] = "n_20251123T083000.000Z_eth0_00000001.pcap.gz.damaged";
	struct fixture *fixture = *state;
	struct spool_totals totals;
	struct file file;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	make_file(&file, &format_pcap, &codec_gzip);
	memset(file.bytes + file.member_end[1] + 20, 0, 30);
	crash(begin_noted(fixture, name, file.bytes, file.length, MEMBERS * PACKETS_PER_MEMBER));
	open_again(fixture);
	are_links_refused = true;
	refuse_rename = refuse_copy; /* the second rename fails: the first is taken back */
	recover_all(fixture);
	assert_true(is_there(fixture, "capturing", name));
	assert_false(is_there(fixture, "rejected", damaged));
	assert_true(spool_totals(fixture->spool, &totals));
	assert_int_equal(totals.bytes, du(fixture));
	assert_int_equal(totals.lost, 0);
	refuse_rename = refuse_both; /* so does that: both files stay, for when it works */
	recover_all(fixture);
	assert_false(is_there(fixture, "capturing", name));
	assert_true(is_there(fixture, "rejected", damaged));
	refuse_rename = NULL;
	recover_all(fixture);
	assert_true(is_there(fixture, "ready", name));
	assert_true(is_there(fixture, "rejected", damaged));
	assert_true(spool_totals(fixture->spool, &totals));
	assert_int_equal(totals.bytes, du(fixture));
	assert_int_equal(totals.lost, 0);
	assert_lost(fixture, DROP_DISK, PACKETS_PER_MEMBER);
}

/* Killed in between: the start has it come to its end. But what has a file elsewhere is not there twice. */
static void test_a_kill_in_a_repair_without_links(void **state)
{
	static const char name[] = "n_20251123T083000.000Z_eth0_00000001.pcap.gz",
			  ready[] = "n_20251123T083001.000Z_eth0_00000002.pcap.gz",
			  sent[] = "n_20251123T083002.000Z_eth0_00000003.pcap.gz";
	static const char *const names[] = { name, ready, sent };
	static const char *const folders[] = { "rejected", "ready", "." };
	struct fixture *fixture = *state;
	struct spool_claim claimed;
	struct file file;
	struct error err;

	make_file(&file, &format_pcap, &codec_gzip);
	for (int i = 0; i < 3; i++) {
		const char *each = names[i];
		cleanup_free char *metadata = mem_printf("%s/metadata/%s", fixture->directory,
							 each);
		cleanup_free char *from = mem_printf("%s/capturing/%s", fixture->directory, each);
		cleanup_free char *copy = mem_printf("%s/capturing/.%s.new", fixture->directory,
						     each);
		cleanup_free char *to = mem_printf("%s/%s/%s%s", fixture->directory, folders[i],
						   each, i == 0 ? ".damaged" : "");
		cleanup_free char *kept = mem_printf("%s/rejected/%s.damaged", fixture->directory,
						     each);

		crash(begin_noted(fixture, each, file.bytes, file.member_end[2],
				  MEMBERS * PACKETS_PER_MEMBER));
		assert_int_equal(link(from, copy), 0); /* stands for all that can be read */
		assert_int_equal(rename(from, to), 0);
		if (i > 0)
			assert_int_equal(symlink("nowhere", kept), 0);
		if (i == 2)
			assert_int_equal(unlink(metadata), 0);
	}
	open_again(fixture);
	recover(fixture);
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err), 1);
	assert_string_equal(claimed.name, name);
	assert_int_equal(claimed.segment.packets, 3 * PACKETS_PER_MEMBER);
	assert_int_equal(claimed.segment.drops.count[DROP_DISK], PACKETS_PER_MEMBER);
	(void)close(claimed.fd);
	assert_lost(fixture, DROP_DISK, PACKETS_PER_MEMBER);
	assert_true(is_there(fixture, "ready", ready));
	assert_false(is_there(fixture, "capturing", ready));
	assert_false(is_there(fixture, "ready", sent));
	assert_false(is_there(fixture, "capturing", sent));
}

/* A power failure may take the last seconds, and leave zeros in their place: nothing can be read from them. */
static void test_zeros_in_place_of_the_end_are_cut_off(void **state)
{
	static const char name[] = "n_20251123T083000.000Z_eth0_00000001.pcap.gz";
	struct fixture *fixture = *state;
	struct spool_claim claimed;
	struct file file;
	struct error err;

	make_file(&file, &format_pcap, &codec_gzip);
	recover_long(fixture, name, &file, file.member_end[1], 0);
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err), 1);
	assert_int_equal(claimed.segment.packets, 2 * PACKETS_PER_MEMBER);
	assert_int_equal(claimed.segment.bytes, file.member_end[1]);
	assert_lost(fixture, DROP_DISK, 2 * PACKETS_PER_MEMBER);
	(void)close(claimed.fd);
}

/* The recorder itself. */

#define SEGMENT_BYTES_MAX (128 * 1024) /* of this spool: an eighth of it */
#define START_NS          UINT64_C(1700000000000000000)
#define END_NS            (START_NS + 5000000000)
#define SINCE_NS          (START_NS - 7)

static void give(struct chunk_pool *pool, struct recorder *recorder, uint64_t earliest_ns,
		 uint32_t packets, const char *end_reason)
{
	struct chunk *chunk = chunk_pool_get(pool, 0);

	assert_non_null(chunk);
	chunk->source = (struct chunk_source){
		.interface = "eth0", .link_type = 1, .snaplen = 96, .format = &format_pcap
	};
	chunk->start_ns = START_NS;
	chunk->since_ns = SINCE_NS;
	chunk->max_age_s = 300;
	chunk->packets = packets;
	chunk->length = packets ? SEGMENT_BYTES_MAX : 0;
	memset(chunk->bytes, 0, chunk->length);
	if (packets) {
		chunk->earliest_ns = earliest_ns;
		chunk->latest_ns = earliest_ns + 1000;
	}
	chunk->end_reason = end_reason;
	chunk->end_ns = end_reason ? END_NS : 0;
	queue_push(recorder_queue(recorder), chunk);
}

static void check_recorded(struct fixture *fixture, const char *reason, uint64_t start_ns,
			   uint64_t end_ns)
{
	struct spool_claim claim;
	struct error err;

	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claim, &err), 1);
	assert_string_equal(claim.segment.reason, reason);
	assert_int_equal(claim.segment.packets, 1);
	assert_int_equal(claim.segment.start_ns, start_ns);
	assert_int_equal(claim.segment.end_ns, end_ns);
	assert_int_equal(spool_remove(fixture->spool, &claim, &err), 0);
}

/* The rest begins where it ended; what has no packets does not begin one. */
static void test_segment_that_takes_its_part_of_the_spool(void **state)
{
	struct fixture *fixture = *state;
	const struct conf budget = {
		.spool_when_full = CONF_WHEN_FULL_DROP_OLDEST,
		.spool_max_segments = UINT64_MAX,
		.spool_max_size = 8 * SEGMENT_BYTES_MAX,
	};
	struct chunk_pool pool;
	struct recorder_context context = {
		.node = "n",
		.pool = &pool,
		.spool = fixture->spool,
		.counters = &fixture->counters,
		.wake_fd = -1,
	};
	struct recorder *recorder;
	struct spool_claim claim;
	struct error err;

	spool_set_budget(fixture->spool, &budget);
	chunk_pool_init(&pool, 4);
	recorder = recorder_new(&context, "eth0");
	recorder_set_codec(recorder, &codec_none, 0);
	give(&pool, recorder, START_NS + 1000000000, 1, NULL);
	give(&pool, recorder, START_NS + 2000000000, 1, NULL);
	give(&pool, recorder, 0, 0, "age");
	assert_int_equal(recorder_start(recorder, &err), 0);
	recorder_free(recorder);
	check_recorded(fixture, "budget", START_NS, START_NS + 2000000000);
	check_recorded(fixture, "age", START_NS + 2000000000, END_NS);
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claim, &err), 0);
	chunk_pool_done(&pool);
}

/* Chunks overlap a little where packets are out of order. */
static void test_the_earliest_and_the_latest_packet_of_all_chunks(void **state)
{
	struct fixture *fixture = *state;
	struct chunk_pool pool;
	struct recorder_context context = {
		.node = "n",
		.pool = &pool,
		.spool = fixture->spool,
		.counters = &fixture->counters,
		.wake_fd = -1,
	};
	struct recorder *recorder;
	struct spool_claim claim;
	struct error err;

	chunk_pool_init(&pool, 4);
	recorder = recorder_new(&context, "eth0");
	recorder_set_codec(recorder, &codec_none, 0);
	give(&pool, recorder, START_NS + 20000, 1, NULL);
	give(&pool, recorder, START_NS + 30000, 1, NULL);
	give(&pool, recorder, START_NS + 10000, 1, NULL);
	give(&pool, recorder, 0, 0, "age");
	assert_int_equal(recorder_start(recorder, &err), 0);
	recorder_free(recorder);
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claim, &err), 1);
	assert_int_equal(claim.segment.earliest_ns, START_NS + 10000);
	assert_int_equal(claim.segment.latest_ns, START_NS + 31000);
	(void)close(claim.fd);
	chunk_pool_done(&pool);
}

/* Claim the next one; it states this much of what was before it. Returns its sequence number. */
static uint64_t check_since(struct fixture *fixture, uint64_t since_ns, uint64_t previous)
{
	struct spool_claim claim;
	struct error err;

	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claim, &err), 1);
	assert_int_equal(claim.segment.since_ns, since_ns);
	assert_int_equal(claim.segment.previous, previous);
	assert_int_equal(claim.segment.max_age_s, 300);
	assert_int_equal(spool_remove(fixture->spool, &claim, &err), 0);
	return claim.segment.sequence;
}

/* Between two segments nothing is missing if the second one names the first: not where packets were dropped. */
static void test_what_is_known_of_the_time_before_a_segment(void **state)
{
	static const struct conf no_room = {
		.spool_when_full = CONF_WHEN_FULL_DROP_NEWEST,
		.spool_max_segments = 1,
		.spool_max_size = UINT64_MAX,
	};
	struct fixture *fixture = *state;
	struct chunk_pool pool;
	struct recorder_context context = {
		.node = "n",
		.pool = &pool,
		.spool = fixture->spool,
		.counters = &fixture->counters,
		.wake_fd = -1,
	};
	struct recorder *recorder;
	struct error err;
	uint64_t first;

	spool_set_budget(fixture->spool, &no_room);
	chunk_pool_init(&pool, 4);
	recorder = recorder_new(&context, "eth0");
	recorder_set_codec(recorder, &codec_none, 0);
	assert_int_equal(recorder_start(recorder, &err), 0);
	give(&pool, recorder, START_NS + 1000, 1, "size");
	give(&pool, recorder, START_NS + 3000, 1, "size");
	give(&pool, recorder, START_NS + 5000, 1, "size"); /* no room */
	while (counter_read(&fixture->counters.drops[DROP_BUDGET]) == 0)
		(void)usleep(1000);
	first = check_since(fixture, SINCE_NS, 0);
	assert_int_equal(check_since(fixture, SINCE_NS, first), first + 1);
	give(&pool, recorder, START_NS + 7000, 1, "size");
	recorder_free(recorder);
	(void)check_since(fixture, START_NS + 6000, 0);
	chunk_pool_done(&pool);
}

static unsigned refusals; /* of syncs of segments, to come */

static bool refuse_segment(const char *name)
{
	return strstr(name, ".pcap") && refusals > 0 && refusals-- > 0;
}

/* The end of one that could not be synced may be lost, and must not be taken for silence. */
static void test_no_silence_behind_a_segment_that_was_not_finished(void **state)
{
	struct fixture *fixture = *state;
	struct chunk_pool pool;
	struct recorder_context context = {
		.node = "n",
		.pool = &pool,
		.spool = fixture->spool,
		.counters = &fixture->counters,
		.wake_fd = -1,
	};
	struct recorder *recorder;
	struct error err;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	chunk_pool_init(&pool, 4);
	recorder = recorder_new(&context, "eth0");
	recorder_set_codec(recorder, &codec_none, 0);
	give(&pool, recorder, START_NS + 1000, 1, "size");
	give(&pool, recorder, START_NS + 3000, 1, "size");
	refusals = 1;
	refuse_sync = refuse_segment;
	assert_int_equal(recorder_start(recorder, &err), 0);
	recorder_free(recorder);
	refuse_sync = NULL;
	assert_int_equal(refusals, 0);
	(void)check_since(fixture, END_NS, 0);
	chunk_pool_done(&pool);
}

static void test_the_interfaces_of_a_segment(void **state)
{
	struct fixture *fixture = *state;
	struct interface_counters *taken[50];
	struct segment segment = { .packets = 0 };
	size_t named = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(taken); i++) {
		char name[16];

		(void)snprintf(name, sizeof name, "interface%zu", i);
		taken[i] = counters_take(&fixture->counters, name);
		surroundings_note(&fixture->counters, &segment);
		if (i == 0) /* not open yet */
			assert_string_equal(segment.interfaces, "");
		atomic_store(&taken[i]->has_been_live, true);
		surroundings_note(&fixture->counters, &segment);
		if (i == 1)
			assert_string_equal(segment.interfaces, "interface0 interface1");
	}
	for (char *p = segment.interfaces; (p = strstr(p, "interface")); p++)
		named++;
	assert_true(named > 15 && named < ARRAY_LENGTH(taken));
	assert_int_equal(strtoul(strchr(segment.interfaces, '+'), NULL, 10),
			 ARRAY_LENGTH(taken) - named);
	assert_string_equal(strchr(segment.interfaces, '+') + 3, " more");
	for (size_t i = 1; i < ARRAY_LENGTH(taken); i++)
		counters_return(taken[i]);
	surroundings_note(&fixture->counters, &segment);
	assert_string_equal(segment.interfaces, "interface0");
	counters_return(taken[0]);
}

UNIT_TESTS()
{
#define SPOOL_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(test_cut_anywhere),
		SPOOL_TEST(test_damage_in_the_middle),
		SPOOL_TEST(test_a_file_that_is_not_ours_stays),
		SPOOL_TEST(test_a_large_file_with_a_bad_beginning_is_set_aside),
		SPOOL_TEST(test_zeros_at_the_end_are_no_packets),
		SPOOL_TEST(test_what_the_open_segment_has_and_lacks_is_on_disk),
		SPOOL_TEST(test_drops_of_a_segment_without_packets_are_stated),
		SPOOL_TEST(test_packets_that_the_disk_did_not_keep_are_counted),
		SPOOL_TEST(test_packets_that_the_disk_did_not_keep_are_counted_once),
		SPOOL_TEST(test_packets_that_the_disk_kept_none_of_are_counted),
		SPOOL_TEST(test_packets_that_no_metadata_say_are_counted),
		SPOOL_TEST(test_what_is_set_aside_is_counted),
		SPOOL_TEST(test_a_small_file_of_which_nothing_can_be_read_is_set_aside),
		SPOOL_TEST(test_what_is_gone_is_not_waited_for),
		SPOOL_TEST(test_what_was_damaged_and_not_cut_off_is_set_aside),
		SPOOL_TEST(test_nothing_that_waits_is_deleted_for_a_repair),
		SPOOL_TEST(test_recovery_ends_when_the_program_does),
		SPOOL_TEST(test_a_repair_that_was_broken_off_is_done_again),
		SPOOL_TEST(test_a_repair_without_links),
		SPOOL_TEST(test_a_kill_in_a_repair_without_links),
		SPOOL_TEST(test_zeros_in_place_of_the_end_are_cut_off),
		SPOOL_TEST(test_segment_that_takes_its_part_of_the_spool),
		SPOOL_TEST(test_the_earliest_and_the_latest_packet_of_all_chunks),
		SPOOL_TEST(test_what_is_known_of_the_time_before_a_segment),
		SPOOL_TEST(test_no_silence_behind_a_segment_that_was_not_finished),
		SPOOL_TEST(test_the_interfaces_of_a_segment),
	};

	unit_add(tests, NULL, NULL);
}
