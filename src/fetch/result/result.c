/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/result/result.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "fetch/coverage/interned.h"
#include "fetch/result/result_blocks.h"
#include "fetch/result/result_file.h"
#include "fetch/result/result_folder.h"
#include "packet/packet.h"

#define BUFFER_BYTES ((size_t)256 * 1024)
/* With a file for each node, this many have a descriptor and a buffer; the others are at rest. */
#define OPEN_MAX           128
#define SPLIT_BUFFER_BYTES ((size_t)32 * 1024)
#define NO_NUMBER          UINT32_MAX
#define NS_PER_US          1000
#define LINK_TYPE_ETHERNET 1

/* A source, and its number among the interfaces of its file once a packet of it was written. */
struct source {
	struct result_source facts;
	uint32_t file, number;
};

/* One for each node, or one for all. */
struct part {
	struct result_file file;
	bool is_open;
	uint32_t interfaces;
	uint32_t first; /* source whose packet was the first one; NO_NUMBER: none yet */
	uint64_t used;  /* when, in packets */
};

struct result {
	char *path, *comment;
	bool is_split, is_classic;
	struct interned keys, nodes,
		file_names; /* of sources; of nodes, by which files are numbered */
	struct source *sources;
	size_t source_capacity;
	struct part *parts;
	size_t part_count, part_capacity;
	uint32_t open[OPEN_MAX];
	uint32_t open_count;
	uint64_t packets;
	char *warning;
};

static uint32_t add_part(struct result *result)
{
	if (result->part_count == result->part_capacity) {
		result->part_capacity = result->part_capacity ? 2 * result->part_capacity : 4;
		result->parts = mem_realloc(result->parts, result->part_capacity,
					    sizeof *result->parts);
	}
	result->parts[result->part_count] = (struct part){ .file.fd = -1, .first = NO_NUMBER };
	return (uint32_t)result->part_count++;
}

int result_check(const char *path, bool is_split, struct error *err)
{
	if (!is_split)
		return result_file_check(path, err);
	if (strcmp(path, "-") == 0)
		return error_set(err, ERROR_USAGE,
				 "--split-by-node needs -w FOLDER, not standard output");
	return 0;
}

int result_open(const char *path, bool is_split, const char *comment, struct result **ret_result,
		struct error *err)
{
	struct result *result;
	size_t length = strlen(path);

	if (result_check(path, is_split, err) < 0 ||
	    (is_split && result_folder_open(path, err) < 0))
		return -1;
	result = mem_calloc(1, sizeof *result);
	result->path = mem_strdup(path);
	result->comment = mem_strdup(comment);
	result->is_split = is_split;
	result->is_classic = length >= 5 && strcmp(path + length - 5, ".pcap") == 0;
	if (!is_split) {
		(void)add_part(result);
		if (result_file_open(&result->parts[0].file, path, err) < 0) {
			result_abandon(result);
			return -1;
		}
		result->parts[0].is_open = true;
	}
	*ret_result = result;
	return 0;
}

/* Sources ---------------------------------------------------------------------------------------- */

static uint32_t find_part(struct result *result, const char *node)
{
	uint32_t count = result->nodes.count, part;

	if (!result->is_split)
		return 0;
	part = interned_add(&result->nodes, node);
	if (part == count)
		(void)add_part(result);
	return part;
}

uint32_t result_add_source(struct result *result, const struct result_source *source)
{
	cleanup_free char *key = mem_printf("%u %d %s\n%s", source->link_type, source->is_nano,
					    source->node, source->interface);
	uint32_t count = result->keys.count, number = interned_add(&result->keys, key);

	if (number < count)
		return number;
	if (count == result->source_capacity) {
		result->source_capacity = count ? 2 * result->source_capacity : 16;
		result->sources = mem_realloc(result->sources, result->source_capacity,
					      sizeof *result->sources);
	}
	result->sources[number] = (struct source){
		.facts = *source,
		.file = find_part(result, source->node),
		.number = NO_NUMBER,
	};
	result->sources[number].facts.node = mem_strdup(source->node);
	result->sources[number].facts.interface = mem_strdup(source->interface);
	result->sources[number].facts.folder = mem_strdup(source->folder);
	result->sources[number].facts.filter = mem_strdup(source->filter);
	return number;
}

/* Files ------------------------------------------------------------------------------------------ */

static size_t buffer_bytes(const struct result *result)
{
	return result->is_split ? SPLIT_BUFFER_BYTES : BUFFER_BYTES;
}

/* Let the file rest that was used the longest time ago. */
static int make_room(struct result *result, struct error *err)
{
	uint32_t oldest = 0, part;

	if (result->open_count < OPEN_MAX)
		return 0;
	for (uint32_t i = 1; i < OPEN_MAX; i++)
		if (result->parts[result->open[i]].used < result->parts[result->open[oldest]].used)
			oldest = i;
	part = result->open[oldest];
	result->open[oldest] = result->open[--result->open_count];
	return result_file_rest(&result->parts[part].file, err);
}

/* Have the file open, and remember when it was. */
static int use_part(struct result *result, uint32_t number, struct error *err)
{
	struct part *part = &result->parts[number];
	cleanup_free char *path = NULL;

	part->used = ++result->packets;
	if (!result->is_split || part->file.fd >= 0)
		return 0;
	if (make_room(result, err) < 0)
		return -1;
	if (!part->is_open) {
		path = result_folder_name(&result->file_names, result->path,
					  result->nodes.list[number],
					  result->is_classic ? ".pcap" : ".pcapng");
		if (result_file_open(&part->file, path, err) < 0)
			return -1;
		part->is_open = true;
	} else if (result_file_wake(&part->file, err) < 0) {
		return -1;
	}
	result->open[result->open_count++] = number;
	return 0;
}

static int append_bytes(struct result *result, struct part *part, const uint8_t *bytes,
			size_t length, struct error *err)
{
	uint8_t *room = result_file_reserve(&part->file, buffer_bytes(result), length, err);

	if (!room)
		return -1;
	memcpy(room, bytes, length);
	return 0;
}

static int begin_part(struct result *result, struct part *part, uint16_t link_type,
		      struct error *err)
{
	const struct chunk_source source = {
		.link_type = link_type,
		.snaplen = FORMAT_CAPTURED_MAX,
		.is_nano = true,
	};
	const struct format_origin origin = { "", "", "", "" };
	uint8_t bytes[RESULT_BLOCK_MAX > FORMAT_EDGE_BYTES_MAX ? RESULT_BLOCK_MAX
							       : FORMAT_EDGE_BYTES_MAX];
	size_t length = result->is_classic ? format_pcap.encode_header(&source, &origin, bytes)
					   : result_encode_section(result->comment, bytes);

	return append_bytes(result, part, bytes, length, err);
}

/* Wireshark reads files with several link types, libpcap does not. */
static void warn_of_link_types(struct result *result, const struct source *first,
			       const struct source *source)
{
	bool is_other_node = strcmp(first->facts.node, source->facts.node) != 0;

	if (!result->warning)
		result->warning = mem_printf(
			"the result has several link types (%u of %s/%s, %u of %s/%s): Wireshark reads it, tcpdump does "
			"not%s",
			first->facts.link_type, first->facts.node, first->facts.interface,
			source->facts.link_type, source->facts.node, source->facts.interface,
			is_other_node && !result->is_split
				? "; --split-by-node writes a file for each node"
				: "");
}

static int refuse_link_type(const struct result *result, const struct source *first,
			    const struct source *source, struct error *err)
{
	bool is_other_node = strcmp(first->facts.node, source->facts.node) != 0;

	return error_set(
		err, ERROR_USAGE,
		"%s/%s has link type %u, %s/%s %u, and a .pcap file has only one: write .pcapng%s",
		source->facts.node, source->facts.interface, source->facts.link_type,
		first->facts.node, first->facts.interface, first->facts.link_type,
		is_other_node && !result->is_split ? ", or use --split-by-node" : "");
}

/* Before the first packet of a source. */
static int introduce_source(struct result *result, struct part *part, uint32_t number,
			    struct error *err)
{
	struct source *source = &result->sources[number];
	const struct source *first;
	uint8_t block[RESULT_BLOCK_MAX];

	if (part->first == NO_NUMBER) {
		if (begin_part(result, part, source->facts.link_type, err) < 0)
			return -1;
		part->first = number;
	}
	first = &result->sources[part->first];
	if (first->facts.link_type != source->facts.link_type) {
		if (result->is_classic)
			return refuse_link_type(result, first, source, err);
		warn_of_link_types(result, first, source);
	}
	if (!result->is_classic &&
	    append_bytes(result, part, block, result_encode_interface(&source->facts, block), err) <
		    0)
		return -1;
	source->number = part->interfaces++;
	return 0;
}

/* Packets ---------------------------------------------------------------------------------------- */

static int check_packet(const struct result *result, const struct source *source, uint64_t time_ns,
			uint32_t captured, struct error *err)
{
	if (captured > FORMAT_CAPTURED_MAX)
		return error_set(err, ERROR_REJECTED, "a packet of %" PRIu32 " bytes", captured);
	if (!source->facts.is_nano && time_ns % NS_PER_US != 0)
		return error_set(err, ERROR_REJECTED,
				 "a time with more digits than its source has");
	if (result->is_classic && time_ns / CLOCK_NS_PER_S > UINT32_MAX)
		return error_set(err, ERROR_REJECTED, "a time that a .pcap file cannot have");
	return 0;
}

int result_write(struct result *result, uint32_t number, uint64_t time_ns, uint32_t captured,
		 uint32_t original, const uint8_t *packet, struct error *err)
{
	struct source *source = &result->sources[number];
	struct part *part = &result->parts[source->file];
	size_t length = result->is_classic ? format_record_bytes(&format_pcap, captured)
					   : result_packet_bytes(captured);
	uint8_t *room;

	if (check_packet(result, source, time_ns, captured, err) < 0 ||
	    use_part(result, source->file, err) < 0 ||
	    (source->number == NO_NUMBER && introduce_source(result, part, number, err) < 0))
		return -1;
	room = result_file_reserve(&part->file, buffer_bytes(result), length, err);
	if (!room)
		return -1;
	if (result->is_classic)
		(void)format_pcap.encode_record(room, (uint32_t)(time_ns / CLOCK_NS_PER_S),
						(uint32_t)(time_ns % CLOCK_NS_PER_S), captured,
						original, packet);
	else
		result_encode_packet(source->number,
				     source->facts.is_nano ? time_ns : time_ns / NS_PER_US,
				     captured, original, packet, room);
	return 0;
}

int result_flush(struct result *result, struct error *err)
{
	for (size_t i = 0; i < result->part_count; i++)
		if (result->parts[i].is_open && result_file_flush(&result->parts[i].file, err) < 0)
			return -1;
	return 0;
}

const char *result_warning(const struct result *result)
{
	return result->warning;
}

/* The end ---------------------------------------------------------------------------------------- */

/* A file without an interface is refused by libpcap. */
static int fill_empty(struct result *result, struct error *err)
{
	static const struct result_source none = { "", "", "", "", LINK_TYPE_ETHERNET, true };

	if (result->is_split || result->parts[0].first != NO_NUMBER)
		return 0;
	if (result->keys.count == 0)
		(void)!result_add_source(result, &none);
	return introduce_source(result, &result->parts[0], 0, err);
}

static int write_statistics(struct result *result, uint32_t number,
			    const struct result_statistics *statistics, struct error *err)
{
	const struct source *source = &result->sources[number];
	uint8_t block[RESULT_BLOCK_MAX];

	if (source->number == NO_NUMBER || result->is_classic)
		return 0;
	if (use_part(result, source->file, err) < 0)
		return -1;
	return append_bytes(
		result, &result->parts[source->file], block,
		result_encode_statistics(source->number, source->facts.is_nano, statistics, block),
		err);
}

int result_finish(struct result *result, const struct result_statistics *statistics, size_t count,
		  struct error *err)
{
	if (fill_empty(result, err) < 0)
		return -1;
	for (uint32_t i = 0; i < result->keys.count && i < count; i++)
		if (write_statistics(result, i, &statistics[i], err) < 0)
			return -1;
	for (size_t i = 0; i < result->part_count; i++)
		if (result->parts[i].is_open &&
		    result_file_publish(&result->parts[i].file, err) < 0)
			return -1;
	return 0;
}

void result_abandon(struct result *result)
{
	if (!result)
		return;
	for (size_t i = 0; i < result->part_count; i++)
		result_file_close(&result->parts[i].file);
	for (uint32_t i = 0; i < result->keys.count; i++) {
		free((char *)result->sources[i].facts.node);
		free((char *)result->sources[i].facts.interface);
		free((char *)result->sources[i].facts.folder);
		free((char *)result->sources[i].facts.filter);
	}
	interned_done(&result->keys);
	interned_done(&result->nodes);
	interned_done(&result->file_names);
	free(result->sources);
	free(result->parts);
	free(result->warning);
	free(result->path);
	free(result->comment);
	free(result);
}
