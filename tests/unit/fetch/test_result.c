/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "fetch/coverage/interned.h"
#include "fetch/result/result.h"
#include "fetch/result/result_blocks.h"
#include "packet/packet.h"
#include "packet/pcapng.h"

#define START_NS (UINT64_C(1795442530) * CLOCK_NS_PER_S) /* 2026-11-23T14:02:10Z */

struct fixture {
	char folder[64], path[128];
};

static int set_up(void **state)
{
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);

	(void)snprintf(fixture->folder, sizeof fixture->folder, "/tmp/unit-result-XXXXXX");
	if (!mkdtemp(fixture->folder))
		return -1;
	(void)snprintf(fixture->path, sizeof fixture->path, "%s/both.pcapng", fixture->folder);
	*state = fixture;
	return 0;
}

static void remove_all(const char *folder)
{
	cleanup_closedir DIR *dir = opendir(folder);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		cleanup_free char *path = mem_printf("%s/%s", folder, entry->d_name);

		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    unlink(path) < 0)
			remove_all(path);
	}
	(void)rmdir(folder);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	remove_all(fixture->folder);
	free(fixture);
	return 0;
}

static struct result *open_result(const char *path, bool is_split)
{
	struct result *result = NULL;
	struct error err;

	if (result_open(path, is_split, "port 53 of gs://b, 14:02 to 14:05", &result, &err) < 0)
		fail_msg("%s", err.message);
	return result;
}

static uint32_t add_source(struct result *result, const char *node, const char *interface,
			   uint16_t link_type, bool is_nano)
{
	const struct result_source source = { node,      interface, "gs://b/p",
					      "port 53", link_type, is_nano };

	return result_add_source(result, &source);
}

static void write_packet(struct result *result, uint32_t source, uint64_t time_ns,
			 uint32_t captured)
{
	static uint8_t packet[FORMAT_CAPTURED_MAX];
	struct error err;

	memset(packet, (int)captured & 0xff, captured);
	if (result_write(result, source, time_ns, captured, captured + 9, packet, &err) < 0)
		fail_msg("%s", err.message);
}

static void finish(struct result *result)
{
	struct error err;

	if (result_finish(result, NULL, 0, &err) < 0)
		fail_msg("%s", err.message);
	result_abandon(result);
}

/* The bytes of a file, which must exist. */
static uint8_t *read_bytes(const char *path, size_t *ret_length)
{
	struct error err;
	char *text;

	if (file_read_text(AT_FDCWD, path, 64 << 20, &text, ret_length, &err) < 0)
		fail_msg("%s", err.message);
	return (uint8_t *)text;
}

/* "SECONDS.NS LENGTH i0 l1", a line each; then the state behind the last one. */
static char *list_packets(const char *path)
{
	const struct format *format = strstr(path, ".pcapng") ? &format_pcapng : &format_pcap;
	static const char *const states[] = { "", "end", "truncated", "corrupt" };
	struct format_reader reader = { 0 };
	struct format_record record;
	enum format_state state;
	size_t length, offset = 0;
	cleanup_free uint8_t *bytes = read_bytes(path, &length);
	char *list = mem_calloc(1, 1 << 20);
	struct text text = text_over(list, 1 << 20);

	while ((state = format->next(&reader, bytes, length, &offset, &record)) == FORMAT_RECORD) {
		text_append(&text, "%" PRIu64 ".%09" PRIu64 " %u i%u l%u\n",
			    (record.time_ns - START_NS) / CLOCK_NS_PER_S,
			    record.time_ns % CLOCK_NS_PER_S, record.captured, record.interface,
			    record.link_type);
		assert_int_equal(record.original, record.captured + 9);
		for (uint32_t i = 0; i < record.captured; i++)
			assert_int_equal(record.packet[i], record.captured & 0xff);
	}
	text_append(&text, "%s", states[state]);
	return list;
}

static void assert_packets(const char *path, const char *expected)
{
	cleanup_free char *found = list_packets(path);

	assert_string_equal(found, expected);
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static bool is_part_there(const char *path)
{
	cleanup_free char *part = mem_printf("%s.part", path);

	return is_there(part);
}

/* draft-ietf-opsawg-pcapng, written down by hand; little endian. */
static void test_blocks_are_the_documented_ones(void **state)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	static const char expected[] =
		"\x01\0\0\0\x44\0\0\0\x01\0\0\0\0\0\x04\0" /* link type 1, snaplen 262144 */
		"\x02\0\x06\0a/eth0\0\0"
		"\x03\0\x08\0gs://b/p"
		"\x09\0\x01\0\x06\0\0\0"
		"\x0b\0\x08\0\0port 53"
		"\0\0\0\0\x44\0\0\0"
		"\x06\0\0\0\x28\0\0\0\0\0\0\0"
		"\xf2\x60\x06\x00"
		"\x81\x1c\x37\x0a" /* 2026-11-23T14:02:10.000001Z */
		"\x05\0\0\0\x0e\0\0\0\x05\x05\x05\x05\x05\0\0\0\x28\0\0\0"
		"\x05\0\0\0\x48\0\0\0\0\0\0\0"
		"\xf2\x60\x06\x00"
		"\xc0\x5e\x46\x0a" /* 14:02:11 */
		"\x01\0\x03\0gap\0"
		"\x02\0\x08\0"
		"\xf2\x60\x06\x00"
		"\x80\x1c\x37\x0a"
		"\x03\0\x08\0"
		"\xf2\x60\x06\x00"
		"\xc0\x5e\x46\x0a"
		"\x05\0\x08\0\xb4\x04\0\0\0\0\0\0"
		"\0\0\0\0\x48\0\0\0";
	struct fixture *fixture = *state;
	struct result *result = open_result(fixture->path, false);
	const struct result_statistics statistics = { START_NS, START_NS + CLOCK_NS_PER_S, 1204,
						      "gap" };
	struct error err;
	size_t length;
	cleanup_free uint8_t *bytes = NULL;
	uint32_t section;

	assert_int_equal(add_source(result, "a", "eth0", 1, false), 0);
	write_packet(result, 0, START_NS + 1000, 5);
	assert_int_equal(result_finish(result, &statistics, 1, &err), 0);
	result_abandon(result);
	bytes = read_bytes(fixture->path, &length);
	memcpy(&section, bytes + 4, sizeof section);
	assert_memory_equal(bytes, "\x0a\x0d\x0d\x0a", 4);
	assert_int_equal(length, section + sizeof expected - 1);
	assert_memory_equal(bytes + section, expected, sizeof expected - 1);
	assert_memory_equal(bytes + 24, "\x01\0\x21\0port 53 of gs://b, 14:02 to 14:05\0\0\0\x04\0",
			    42);
	assert_non_null(memmem(bytes, section, PACKAGE_NAME " " PACKAGE_VERSION,
			       strlen(PACKAGE_NAME " " PACKAGE_VERSION)));
#else
	(void)state;
#endif
}

/* Nothing of our memory gets into the file. */
static void test_padding(void **state)
{
	uint8_t block[64];

	(void)state;
	for (uint32_t captured = 0; captured < 16; captured++) {
		size_t length = result_packet_bytes(captured);

		memset(block, 0xee, sizeof block);
		result_encode_packet(0, START_NS, captured, captured,
				     (const uint8_t *)"0123456789abcdef", block);
		assert_int_equal(length % 4, 0);
		for (size_t i = 28 + captured; i < length - 4; i++)
			assert_int_equal(block[i], 0);
		assert_memory_equal(block + 28, "0123456789abcdef", captured);
		assert_int_equal(block[length], 0xee);
	}
}

static void test_packets_of_several_sources(void **state)
{
	struct fixture *fixture = *state;
	struct result *result = open_result(fixture->path, false);
	struct stat status;

	assert_int_equal(add_source(result, "a", "eth0", 1, true), 0);
	assert_int_equal(add_source(result, "a", "eth0", 1, false), 1);
	assert_int_equal(add_source(result, "b", "eth0", 1, true), 2);
	assert_int_equal(add_source(result, "b", "eth", 1, true), 3);
	assert_int_equal(add_source(result, "a", "eth0", 1, true), 0);
	assert_false(is_there(fixture->path));
	assert_true(is_part_there(fixture->path));
	write_packet(result, 2, START_NS + 1, 60);
	write_packet(result, 0, START_NS + 2, 61);
	write_packet(result, 1, START_NS + 3000, 62);
	write_packet(result, 2, START_NS + 2999, 63); /* as they come */
	write_packet(result, 0, START_NS + CLOCK_NS_PER_S, 0);
	assert_null(result_warning(result));
	finish(result);
	assert_false(is_part_there(fixture->path));
	assert_packets(fixture->path,
		       "0.000000001 60 i0 l1\n0.000000002 61 i1 l1\n0.000003000 62 i2 l1\n"
		       "0.000002999 63 i0 l1\n1.000000000 0 i1 l1\nend");
	assert_int_equal(stat(fixture->path, &status), 0);
	assert_int_equal(status.st_mode & 07, 0);
}

static void test_more_sources_than_any(void **state)
{
	struct fixture *fixture = *state;
	struct result *result = open_result(fixture->path, false);
	cleanup_free uint8_t *bytes = NULL;
	size_t length, offset = 0;
	uint32_t interfaces = 0, packets = 0;

	for (uint32_t i = 0; i < 300; i++) {
		char node[32];

		(void)snprintf(node, sizeof node, "node-%u", i);
		assert_int_equal(add_source(result, node, "eth0", 1, true), i);
	}
	for (uint32_t i = 0; i < 3000; i++)
		write_packet(result, i * 7 % 300, START_NS + i, 100);
	finish(result);
	bytes = read_bytes(fixture->path, &length);
	while (offset < length) {
		struct pcapng_packet block;

		memcpy(&block, bytes + offset, sizeof block);
		if (block.block.type == PCAPNG_INTERFACE) {
			interfaces++;
		} else if (block.block.type == PCAPNG_PACKET) {
			/* The order of first use, and described before it is used. */
			assert_int_equal(block.interface, packets % 300);
			assert_true(block.interface < interfaces);
			assert_int_equal(block.time_high, START_NS >> 32);
			packets++;
		}
		offset += block.block.length;
	}
	assert_int_equal(offset, length);
	assert_int_equal(interfaces, 300);
	assert_int_equal(packets, 3000);
}

/* Packets of all lengths, more than the buffer holds; a broken run has the same ones. */
static void test_large_and_many_packets(void **state)
{
	struct fixture *fixture = *state;

	for (int is_classic = 0; is_classic < 2; is_classic++) {
		cleanup_free char *path = mem_printf("%s/%d.pcap%s", fixture->folder, is_classic,
						     is_classic ? "" : "ng");
		cleanup_free char *part = mem_printf("%s.part", path);
		cleanup_free char *expected = mem_calloc(1, 1 << 20), *found = NULL;
		struct text text = text_over(expected, 1 << 20);
		struct result *result = open_result(path, false);
		uint32_t source = add_source(result, "a", "eth0", 1, true);

		for (uint32_t i = 0; i < 2000; i++) {
			uint32_t captured = i % 500 == 499 ? FORMAT_CAPTURED_MAX - i % 4 : i;

			write_packet(result, source, START_NS + i, captured);
			text_append(&text, "0.%09u %u i0 l1\n", i, captured);
		}
		text_append(&text, "end");
		result_abandon(result);
		assert_false(is_there(path));
		found = mem_printf("%s/%d.%s", fixture->folder, 10 + is_classic,
				   is_classic ? "pcap" : "pcapng");
		assert_int_equal(rename(part, found), 0);
		assert_packets(found, expected);
	}
}

static void test_classic_file(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *path = mem_printf("%s/x.pcap", fixture->folder);
	struct result *result = open_result(path, false);
	struct error err;
	uint8_t byte = 0;

	(void)!add_source(result, "a", "eth0", 1, false);
	(void)!add_source(result, "b", "eth0", 1, true);
	(void)!add_source(result, "b", "tun0", 101, true);
	(void)!add_source(result, "a", "tun0", 101, true);
	write_packet(result, 0, START_NS + 1000, 60);
	write_packet(result, 1, START_NS + 1001, 60); /* not rounded, though it came later */
	assert_int_equal(result_write(result, 2, START_NS, 1, 1, &byte, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_string_equal(
		err.message,
		"b/tun0 has link type 101, a/eth0 1, and a .pcap file has only one: write "
		".pcapng, or use --split-by-node");
	assert_int_equal(result_write(result, 3, START_NS, 1, 1, &byte, &err), -1);
	assert_string_equal(
		err.message,
		"a/tun0 has link type 101, a/eth0 1, and a .pcap file has only one: write .pcapng");
	assert_int_equal(
		result_write(result, 0, UINT64_C(4294967296) * CLOCK_NS_PER_S, 1, 1, &byte, &err),
		-1);
	assert_int_equal(err.kind, ERROR_REJECTED);
	write_packet(result, 0, START_NS + 2000, 7);
	finish(result);
	assert_packets(path,
		       "0.000001000 60 i0 l1\n0.000001001 60 i0 l1\n0.000002000 7 i0 l1\nend");
}

static void test_several_link_types(void **state)
{
	struct fixture *fixture = *state;
	struct result *result = open_result(fixture->path, false);

	(void)!add_source(result, "a", "eth0", 1, true);
	(void)!add_source(result, "b", "any", 276, true);
	(void)!add_source(result, "c", "tun0", 101, true);
	write_packet(result, 0, START_NS + 1, 60);
	assert_null(result_warning(result));
	write_packet(result, 1, START_NS + 2, 60);
	write_packet(result, 2, START_NS + 3, 60);
	assert_string_equal(
		result_warning(result),
		"the result has several link types (1 of a/eth0, 276 of b/any): Wireshark reads it, tcpdump "
		"does not; --split-by-node writes a file for each node");
	finish(result);
	assert_packets(fixture->path,
		       "0.000000001 60 i0 l1\n0.000000002 60 i1 l276\n0.000000003 60 i2 l101\nend");
}

static void test_packets_that_no_reader_takes(void **state)
{
	struct fixture *fixture = *state;
	struct result *result = open_result(fixture->path, false);
	uint8_t byte = 0;
	struct error err;

	(void)!add_source(result, "a", "eth0", 1, false);
	assert_int_equal(result_write(result, 0, START_NS, FORMAT_CAPTURED_MAX + 1, 1, &byte, &err),
			 -1);
	assert_int_equal(err.kind, ERROR_REJECTED);
	assert_int_equal(result_write(result, 0, START_NS + 1, 1, 1, &byte, &err), -1);
	assert_int_equal(err.kind, ERROR_REJECTED);
	write_packet(result, 0, START_NS, FORMAT_CAPTURED_MAX);
	finish(result);
	assert_packets(fixture->path, "0.000000000 262144 i0 l1\nend");
}

/* libpcap refuses a file without an interface. */
static void test_without_a_packet(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 4; i++) {
		cleanup_free char *path = mem_printf("%s/%d.pcap%s", fixture->folder, i,
						     i < 2 ? "ng" : "");
		struct result *result = open_result(path, false);
		cleanup_free uint8_t *bytes = NULL;
		size_t length, interface = 0;

		if (i % 2)
			(void)!add_source(result, "a", "any", 276, false);
		finish(result);
		assert_packets(path, "end");
		bytes = read_bytes(path, &length);
		if (i < 2)
			memcpy(&interface, bytes + 4, 4); /* behind the section header */
		assert_int_equal(i < 2 ? bytes[interface + 8] : bytes[20], i % 2 ? 276 & 0xff : 1);
	}
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void test_an_older_file_stays_until_the_end(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *part = mem_printf("%s.part", fixture->path);
	cleanup_free char *link = mem_printf("%s/link", fixture->folder);
	cleanup_free uint8_t *old = NULL;
	struct result *result;
	struct stat status;
	size_t length;

	write_text(fixture->path, "old");
	assert_int_equal(symlink("both.pcapng", link), 0);
	write_text(part, "of an earlier run, longer than what there is now; of an earlier run");
	result = open_result(fixture->path, false);
	(void)!add_source(result, "a", "eth0", 1, true);
	write_packet(result, 0, START_NS, 1);
	result_abandon(result);
	old = read_bytes(fixture->path, &length);
	assert_memory_equal(old, "old", 4);
	assert_true(is_there(part));

	/* By the name of a link to it. */
	result = open_result(link, false);
	(void)!add_source(result, "a", "eth0", 1, true);
	write_packet(result, 0, START_NS, 1);
	finish(result);
	assert_packets(fixture->path, "0.000000000 1 i0 l1\nend");
	assert_int_equal(lstat(link, &status), 0);
	assert_true(S_ISLNK(status.st_mode));
	assert_false(is_there(part));
}

/* Somebody else's link must not be followed. */
static void test_a_part_that_is_a_link(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *part = mem_printf("%s.part", fixture->path);
	cleanup_free char *victim = mem_printf("%s/victim", fixture->folder);
	cleanup_free uint8_t *bytes = NULL;
	struct result *result;
	size_t length;

	write_text(victim, "precious");
	assert_int_equal(symlink(victim, part), 0);
	result = open_result(fixture->path, false);
	finish(result);
	bytes = read_bytes(victim, &length);
	assert_string_equal((char *)bytes, "precious");
}

static void test_paths_that_are_refused(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *absent = mem_printf("%s/absent/x.pcapng", fixture->folder);
	cleanup_free char *folder = mem_printf("%s/", fixture->folder);
	cleanup_free char *full = mem_printf("%s/full", fixture->folder);
	cleanup_free char *file = mem_printf("%s/full/x", fixture->folder);
	struct result *result = NULL;
	struct error err;

	assert_int_equal(result_check(absent, false, &err), -1);
	assert_int_equal(err.errnum, ENOENT);
	assert_int_equal(result_check(fixture->folder, false, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_int_equal(result_check("-", true, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_int_equal(result_check("x.pcapng", false, &err), 0);
	assert_int_equal(result_check("/dev/null", false, &err), 0);
	assert_int_equal(access("x.pcapng.part", F_OK), -1);
	assert_int_equal(result_open(absent, false, "", &result, &err), -1);
	assert_int_equal(err.errnum, ENOENT);
	assert_non_null(strstr(err.message, "absent/x.pcapng: No such file or directory"));
	assert_int_equal(result_open(absent, true, "", &result, &err), -1);
	assert_int_equal(err.errnum, ENOENT);
	assert_int_equal(result_open(fixture->folder, false, "", &result, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_non_null(strstr(err.message, ": is a folder; --split-by-node"));
	assert_int_equal(result_open(folder, false, "", &result, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_int_equal(result_open("", false, "", &result, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_int_equal(result_open("-", true, "", &result, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_int_equal(mkdir(full, 0755), 0);
	write_text(file, "of another query");
	assert_int_equal(result_open(full, true, "", &result, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_non_null(strstr(err.message, ": the folder is not empty; give another one"));
	assert_int_equal(result_open(file, true, "", &result, &err), -1);
	assert_int_equal(err.errnum, ENOTDIR);
	assert_null(result);
}

/* Amendment H6: the terminal of kubectl exec -t would change bytes. */
static void test_a_terminal_is_refused(void **state)
{
	struct result *result = NULL;
	struct error err;
	int terminal = posix_openpt(O_RDWR | O_NOCTTY), saved = dup(STDOUT_FILENO);
	int other = -1, opened;

	(void)state;
	if (terminal < 0 || grantpt(terminal) < 0 || unlockpt(terminal) < 0 ||
	    (other = open(ptsname(terminal), O_RDWR | O_NOCTTY)) < 0)
		skip();
	(void)fflush(stdout);
	assert_int_equal(dup2(other, STDOUT_FILENO), STDOUT_FILENO);
	opened = result_open("-", false, "", &result, &err);
	assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
	assert_int_equal(opened, -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_non_null(strstr(err.message, "without -t"));
	assert_int_equal(result_open(ptsname(terminal), false, "", &result, &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_int_equal(close(saved) + close(other) + close(terminal), 0);
}

/* Have standard output go elsewhere while this is done. */
static int write_to(int fd, unsigned packets, bool does_flush, struct error *err)
{
	struct result *result = NULL;
	int saved = dup(STDOUT_FILENO), status;

	(void)fflush(stdout);
	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	status = result_open("-", false, "", &result, err);
	if (status == 0) {
		(void)!add_source(result, "a", "eth0", 1, true);
		for (unsigned i = 0; i < packets && status == 0; i++)
			status = result_write(result, 0, START_NS + i, 4, 13,
					      (const uint8_t *)"\4\4\4\4", err);
		if (status == 0)
			status = does_flush ? result_flush(result, err)
					    : result_finish(result, NULL, 0, err);
		result_abandon(result);
	}
	assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
	assert_int_equal(close(saved), 0);
	return status;
}

static void test_standard_output(void **state)
{
	struct fixture *fixture = *state;
	struct error err;
	int fd = open(fixture->path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write_to(fd, 1, false, &err), 0);
	assert_packets(fixture->path, "0.000000000 4 i0 l1\nend");
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(write_to(fd, 2, true, &err), 0);
	assert_packets(fixture->path, "0.000000000 4 i0 l1\n0.000000001 4 i0 l1\nend");
	assert_int_equal(close(fd), 0);
}

static void test_a_pipe_that_closes(void **state)
{
	struct error err;
	int ends[2];
	void (*before)(int) = signal(SIGPIPE, SIG_IGN);

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(close(ends[0]), 0);
	assert_int_equal(write_to(ends[1], 1, false, &err), -1);
	assert_int_equal(err.errnum, EPIPE);
	assert_int_equal(write_to(ends[1], 1000000, false, &err), -1);
	assert_int_equal(err.errnum, EPIPE);
	assert_string_equal(err.message, "standard output: write: Broken pipe");
	assert_int_equal(close(ends[1]), 0);
	(void)signal(SIGPIPE, before);
}

static void test_a_device_that_is_full(void **state)
{
	struct result *result = open_result("/dev/full", false);
	struct error err;

	(void)state;
	(void)!add_source(result, "a", "eth0", 1, true);
	write_packet(result, 0, START_NS, 60);
	assert_int_equal(result_finish(result, NULL, 0, &err), -1);
	assert_int_equal(err.errnum, ENOSPC);
	assert_non_null(strstr(err.message, "/dev/full"));
	assert_int_equal(result_flush(result, &err), -1);
	result_abandon(result);
	result = open_result("/dev/null", false);
	finish(result);
	assert_false(is_there("/dev/null.part"));
}

/* What fits is whole, and stays. */
static void test_a_disk_that_becomes_full(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *part = mem_printf("%s.part", fixture->path);
	cleanup_free char *renamed = mem_printf("%s/kept.pcapng", fixture->folder);
	cleanup_free char *found = NULL;
	struct result *result = open_result(fixture->path, false);
	struct rlimit limit = { 300001, RLIM_INFINITY }, before;
	struct error err = { .errnum = 0 };
	uint8_t packet[1000];
	unsigned written = 0;
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

	memset(packet, 1000 & 0xff, sizeof packet);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	(void)!add_source(result, "a", "eth0", 1, true);
	while (result_write(result, 0, START_NS, 1000, 1009, packet, &err) == 0)
		written++;
	assert_int_equal(result_write(result, 0, START_NS, 1000, 1009, packet, &err), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(result_finish(result, NULL, 0, &err), -1); /* something is missing */
	result_abandon(result);
	(void)signal(SIGXFSZ, handler);
	assert_true(written > 300);
	assert_false(is_there(fixture->path));
	assert_int_equal(rename(part, renamed), 0);
	found = list_packets(renamed);
	assert_non_null(strstr(found, "\nend"));
}

/* More nodes than files may be open at a time. */
static void test_a_file_for_each_node(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *folder = mem_printf("%s/nodes", fixture->folder);
	struct result *result = open_result(folder, true);
	struct rlimit limit, before;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = 200;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (uint32_t i = 0; i < 300; i++) {
		char node[32];

		(void)snprintf(node, sizeof node, "node-%u", i);
		assert_int_equal(add_source(result, node, "eth0", 1, true), 2 * i);
		assert_int_equal(add_source(result, node, "eth1", 1, true), 2 * i + 1);
	}
	for (uint32_t i = 0; i < 1200; i++)
		write_packet(result, i % 600, START_NS + i, i);
	assert_null(result_warning(result));
	finish(result);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (uint32_t i = 0; i < 300; i++) {
		cleanup_free char *path = mem_printf("%s/node-%u.pcapng", folder, i);
		char expected[256];

		(void)snprintf(
			expected, sizeof expected,
			"0.%09u %u i0 l1\n0.%09u %u i1 l1\n0.%09u %u i0 l1\n0.%09u %u i1 l1\nend",
			2 * i, 2 * i, 2 * i + 1, 2 * i + 1, 2 * i + 600, 2 * i + 600, 2 * i + 601,
			2 * i + 601);
		assert_packets(path, expected);
	}
}

static void test_names_of_nodes_as_names_of_files(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *folder = mem_printf("%s/n.pcap", fixture->folder);
	static const char *const nodes[] = { "..", "a/b", "a_b", "a\nb", "", "../../x" };
	static const char *const files[] = { "_.", "a_b", "a_b~2", "a_b~3", "_", "_._.._x" };
	struct result *result = open_result(folder, true);

	for (uint32_t i = 0; i < ARRAY_LENGTH(nodes); i++)
		assert_int_equal(add_source(result, nodes[i], "eth0", 1, true), i);
	for (uint32_t i = 0; i < ARRAY_LENGTH(nodes); i++)
		write_packet(result, i, START_NS, i);
	finish(result);
	for (uint32_t i = 0; i < ARRAY_LENGTH(files); i++) {
		cleanup_free char *path = mem_printf("%s/%s.pcap", folder, files[i]);
		char expected[64];

		(void)snprintf(expected, sizeof expected, "0.000000000 %u i0 l1\nend", i);
		assert_packets(path, expected);
	}
}

/* Each file has the link types of its node. */
static void test_link_types_of_nodes(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *folder = mem_printf("%s/n.pcap", fixture->folder);
	struct result *result = open_result(folder, true);
	uint8_t byte = 1;
	struct error err;

	(void)!add_source(result, "a", "eth0", 1, true);
	(void)!add_source(result, "b", "any", 276, true);
	(void)!add_source(result, "b", "eth0", 1, true);
	write_packet(result, 0, START_NS, 1);
	write_packet(result, 1, START_NS, 1);
	assert_int_equal(result_write(result, 2, START_NS, 1, 1, &byte, &err), -1);
	assert_string_equal(
		err.message,
		"b/eth0 has link type 1, b/any 276, and a .pcap file has only one: write .pcapng");
	result_abandon(result);
}

/* What a run left that was broken off may be in the folder. */
static void test_a_folder_of_a_broken_run(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *folder = mem_printf("%s/nodes", fixture->folder);
	cleanup_free char *path = mem_printf("%s/a.pcapng", folder);

	for (int i = 0; i < 2; i++) {
		struct result *result = open_result(folder, true);

		(void)!add_source(result, "a", "eth0", 1, true);
		write_packet(result, 0, START_NS, 1);
		assert_true(is_part_there(path));
		if (i == 0)
			result_abandon(result);
		else
			finish(result);
		assert_int_equal(is_part_there(path), i == 0);
	}
	assert_packets(path, "0.000000000 1 i0 l1\nend");
}

static void test_interned_texts(void **state)
{
	struct interned interned = { .count = 0 };

	(void)state;
	assert_int_equal(interned_find(&interned, ""), INTERNED_NONE);
	for (int turn = 0; turn < 2; turn++)
		for (uint32_t i = 0; i < 5000; i++) {
			char text[32];

			(void)snprintf(text, sizeof text, "%.*s%u", (int)(i % 20),
				       "the same beginning..", i);
			assert_int_equal(interned_find(&interned, text), turn ? i : INTERNED_NONE);
			assert_int_equal(interned_add(&interned, text), i);
			assert_string_equal(interned.list[i], text);
		}
	assert_int_equal(interned.count, 5000);
	interned_done(&interned);
	interned_done(&interned);
}

#define RESULT_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

UNIT_TESTS()
{
	static const struct CMUnitTest tests[] = {
		RESULT_TEST(test_blocks_are_the_documented_ones),
		cmocka_unit_test(test_padding),
		RESULT_TEST(test_packets_of_several_sources),
		RESULT_TEST(test_more_sources_than_any),
		RESULT_TEST(test_large_and_many_packets),
		RESULT_TEST(test_classic_file),
		RESULT_TEST(test_several_link_types),
		RESULT_TEST(test_packets_that_no_reader_takes),
		RESULT_TEST(test_without_a_packet),
		RESULT_TEST(test_an_older_file_stays_until_the_end),
		RESULT_TEST(test_a_part_that_is_a_link),
		RESULT_TEST(test_paths_that_are_refused),
		RESULT_TEST(test_a_terminal_is_refused),
		RESULT_TEST(test_standard_output),
		RESULT_TEST(test_a_pipe_that_closes),
		RESULT_TEST(test_a_device_that_is_full),
		RESULT_TEST(test_a_disk_that_becomes_full),
		RESULT_TEST(test_a_file_for_each_node),
		RESULT_TEST(test_names_of_nodes_as_names_of_files),
		RESULT_TEST(test_link_types_of_nodes),
		RESULT_TEST(test_a_folder_of_a_broken_run),
		cmocka_unit_test(test_interned_texts),
	};

	unit_add(tests, NULL, NULL);
}
