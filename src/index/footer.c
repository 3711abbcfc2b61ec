/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/checksum.h"
#include "index/index_private.h"

/* Offsets in the fixed part. */
enum {
	AT_VERSION = 0,
	AT_FLAGS = 1,
	AT_LINK_TYPE = 2,
	AT_SNAPLEN = 4,
	AT_DATA_BYTES = 8,
	AT_PACKETS = 16,
	AT_EARLIEST = 24,
	AT_LATEST = 32,
	AT_MEMBERS = 40,
	AT_CONVERSATIONS = 44,
	AT_INDEX_BYTES = 48,
	AT_SECTIONS = 56,
	AT_KEY_VERSION = 58,
	AT_MUST = 59,
	AT_CRC = 84,
	AT_MAGIC = 88,
};

enum {
	FLAG_UNLISTED = 1,
	FLAG_NANO = 2,
	FLAG_PCAPNG = 4,
	SECTION_MUST = 1, /* whoever does not know its type does not understand the index */
};

static const uint8_t magic[8] = { 'K', 'N', 'T', 'I', 'N', 'D', 'E', 'X' };

/* How far from the end of the file the fixed part ends, and what a footer takes beside its content. */
static size_t end_bytes(enum index_wrapping wrapping)
{
	return wrapping == INDEX_ZSTD ? 0 : 10;
}

size_t footer_bytes(enum index_wrapping wrapping, uint32_t sections)
{
	return wrap_bytes(wrapping, FOOTER_FIXED_BYTES + sections * FOOTER_ENTRY_BYTES);
}

static uint64_t sum_sections(const struct index_footer *footer)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < footer->sections_count; i++)
		sum += footer->sections[i].stored_bytes;
	return sum;
}

size_t footer_encode(const struct index_footer *footer, uint8_t *out)
{
	uint8_t plain[FOOTER_FIXED_BYTES + INDEX_SECTIONS_MAX * FOOTER_ENTRY_BYTES] = { 0 };
	uint8_t *fixed = plain + footer->sections_count * FOOTER_ENTRY_BYTES;

	for (uint32_t i = 0; i < footer->sections_count; i++) {
		const struct index_section *section = &footer->sections[i];
		uint8_t *entry = plain + i * FOOTER_ENTRY_BYTES;

		put_u16(entry, section->type);
		put_u16(entry + 2, section->flags);
		put_u32(entry + 4, section->stored_bytes);
		put_u32(entry + 8, section->plain_bytes);
		put_u32(entry + 12, section->crc32c);
		put_u32(entry + 16, section->first_member);
		put_u32(entry + 20, section->members);
	}
	fixed[AT_VERSION] = INDEX_VERSION;
	fixed[AT_FLAGS] = (uint8_t)((footer->has_unlisted ? FLAG_UNLISTED : 0) |
				    (footer->file.is_nano ? FLAG_NANO : 0) |
				    (footer->file.is_pcapng ? FLAG_PCAPNG : 0));
	put_u16(fixed + AT_LINK_TYPE, footer->file.link_type);
	put_u32(fixed + AT_SNAPLEN, footer->file.snaplen);
	put_u64(fixed + AT_DATA_BYTES, footer->data_bytes);
	put_u64(fixed + AT_PACKETS, footer->packets);
	put_u64(fixed + AT_EARLIEST, (uint64_t)footer->earliest);
	put_u64(fixed + AT_LATEST, (uint64_t)footer->latest);
	put_u32(fixed + AT_MEMBERS, footer->members);
	put_u32(fixed + AT_CONVERSATIONS, footer->conversations);
	put_u64(fixed + AT_INDEX_BYTES, sum_sections(footer));
	put_u16(fixed + AT_SECTIONS, (uint16_t)footer->sections_count);
	fixed[AT_KEY_VERSION] = footer->key_version;
	put_u32(fixed + AT_CRC, crc32c_update(0, plain, (size_t)(fixed - plain) + AT_CRC));
	memcpy(fixed + AT_MAGIC, magic, sizeof magic);
	return wrap_section(footer->file.wrapping, plain,
			    (size_t)(fixed - plain) + FOOTER_FIXED_BYTES, out);
}

static void read_fixed(const uint8_t *fixed, struct index_footer *footer)
{
	uint8_t flags = fixed[AT_FLAGS];

	footer->has_unlisted = flags & FLAG_UNLISTED;
	footer->file.is_nano = flags & FLAG_NANO;
	footer->file.is_pcapng = flags & FLAG_PCAPNG;
	footer->file.link_type = get_u16(fixed + AT_LINK_TYPE);
	footer->file.snaplen = get_u32(fixed + AT_SNAPLEN);
	footer->data_bytes = get_u64(fixed + AT_DATA_BYTES);
	footer->packets = get_u64(fixed + AT_PACKETS);
	footer->earliest = (int64_t)get_u64(fixed + AT_EARLIEST);
	footer->latest = (int64_t)get_u64(fixed + AT_LATEST);
	footer->members = get_u32(fixed + AT_MEMBERS);
	footer->conversations = get_u32(fixed + AT_CONVERSATIONS);
	footer->sections_count = get_u16(fixed + AT_SECTIONS);
	footer->key_version = fixed[AT_KEY_VERSION];
}

static bool is_known(uint16_t type)
{
	return type >= INDEX_CONVERSATIONS && type <= INDEX_FACTS;
}

/* The directory, and whether all of it can be: sizes within the limits, ranges within the members. */
static bool read_directory(const uint8_t *directory, struct index_footer *footer)
{
	uint64_t stored = 0, plain = 0;

	for (uint32_t i = 0; i < footer->sections_count; i++) {
		const uint8_t *entry = directory + i * FOOTER_ENTRY_BYTES;
		struct index_section *section = &footer->sections[i];

		*section = (struct index_section){
			.type = get_u16(entry),
			.flags = get_u16(entry + 2),
			.stored_bytes = get_u32(entry + 4),
			.plain_bytes = get_u32(entry + 8),
			.crc32c = get_u32(entry + 12),
			.first_member = get_u32(entry + 16),
			.members = get_u32(entry + 20),
			.offset = footer->data_bytes + stored,
		};
		stored += section->stored_bytes;
		plain += section->plain_bytes;
		if ((section->flags & SECTION_MUST && !is_known(section->type)) ||
		    section->first_member > footer->members ||
		    section->members > footer->members - section->first_member)
			return false;
	}
	return stored <= INDEX_STORED_MAX && plain <= INDEX_PLAIN_MAX;
}

/* The next section of this type from this place on; NULL: there is none. */
static const struct index_section *next_section(const struct index_footer *footer, uint16_t type,
						uint32_t *place)
{
	while (*place < footer->sections_count)
		if (footer->sections[(*place)++].type == type)
			return &footer->sections[*place - 1];
	return NULL;
}

/* One MEMBERS about all of them; groups in pairs, one behind the other. */
static bool is_complete(const struct index_footer *footer)
{
	uint32_t place = 0, addresses_place = 0, groups = 0;
	uint64_t end = 0;
	const struct index_section *section = next_section(footer, INDEX_MEMBERS, &place);

	if (!section || section->first_member != 0 || section->members != footer->members ||
	    next_section(footer, INDEX_MEMBERS, &place))
		return false;
	place = 0;
	while ((section = next_section(footer, INDEX_CONVERSATIONS, &place))) {
		const struct index_section *addresses = next_section(footer, INDEX_ADDRESSES,
								     &addresses_place);

		if (!addresses || addresses->first_member != section->first_member ||
		    addresses->members != section->members || section->first_member < end ||
		    ++groups > INDEX_GROUPS_MAX)
			return false;
		end = (uint64_t)section->first_member + section->members;
	}
	return !next_section(footer, INDEX_ADDRESSES, &addresses_place);
}

size_t index_read_footer(const uint8_t *tail, size_t length, uint64_t file_bytes,
			 struct index_footer *ret_footer)
{
	for (enum index_wrapping wrapping = INDEX_GZIP; wrapping <= INDEX_ZSTD; wrapping++) {
		size_t end = end_bytes(wrapping), sections, bytes, content;
		const uint8_t *fixed, *piece;

		if (length < end + FOOTER_FIXED_BYTES)
			continue;
		fixed = tail + length - end - FOOTER_FIXED_BYTES;
		sections = get_u16(fixed + AT_SECTIONS);
		if (memcmp(fixed + AT_MAGIC, magic, sizeof magic) != 0 ||
		    sections > INDEX_SECTIONS_MAX)
			continue;
		bytes = footer_bytes(wrapping, (uint32_t)sections);
		content = FOOTER_FIXED_BYTES + sections * FOOTER_ENTRY_BYTES;
		if (bytes > file_bytes)
			continue;
		if (bytes > length)
			return bytes;
		piece = tail + length - bytes;
		if (!index_is_piece(wrapping, piece, bytes) ||
		    get_u32(fixed + AT_CRC) !=
			    crc32c_update(0, piece + bytes - end - content,
					  content - FOOTER_FIXED_BYTES + AT_CRC) ||
		    fixed[AT_VERSION] != INDEX_VERSION || fixed[AT_MUST] != 0)
			continue;
		ret_footer->file.wrapping = wrapping;
		read_fixed(fixed, ret_footer);
		/* Behind another file, or before one, it speaks of its own alone. */
		if (!read_directory(fixed - sections * FOOTER_ENTRY_BYTES, ret_footer) ||
		    !is_complete(ret_footer) ||
		    get_u64(fixed + AT_INDEX_BYTES) != sum_sections(ret_footer) ||
		    ret_footer->data_bytes > file_bytes ||
		    file_bytes - ret_footer->data_bytes != sum_sections(ret_footer) + bytes)
			continue;
		return bytes;
	}
	return 0;
}
