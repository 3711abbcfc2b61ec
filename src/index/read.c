/* SPDX-License-Identifier: Apache-2.0 */
/* Sections, as far as they are what they should be. */
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/mem.h"
#include "index/index_private.h"
#include "index/reader.h"

#define ADDRESS_BYTES 16
#define TYPE_BYTES    6

static int refuse(struct error *err, const char *what)
{
	return error_set(err, ERROR_REJECTED, "the index is damaged: %s", what);
}

int index_read_section(const struct index_footer *footer, const struct index_section *section,
		       const uint8_t *stored, const struct index_library *library,
		       uint8_t **ret_plain, struct error *err)
{
	cleanup_free uint8_t *bytes = NULL, *plain = NULL;
	ptrdiff_t length;

	if (crc32c_update(0, stored, section->stored_bytes) != section->crc32c)
		return refuse(err, "a checksum differs");
	bytes = mem_alloc(section->stored_bytes);
	memcpy(bytes, stored, section->stored_bytes);
	length = unwrap_section(footer->file.wrapping, bytes, section->stored_bytes);
	if (length < 0)
		return refuse(err, "a section is not in pieces");
	plain = mem_alloc((size_t)section->plain_bytes + 1);
	if (!library->inflate(bytes, (size_t)length, plain, section->plain_bytes))
		return refuse(err, "a section cannot be unpacked");
	plain[section->plain_bytes] = '\0'; /* FACTS are text */
	*ret_plain = take_ptr(plain);
	return 0;
}

static void read_member(struct reader *reader, struct index_member *member, int64_t *latest)
{
	*member = (struct index_member){
		.stored_bytes = reader_varint(reader),
		.plain_bytes = reader_varint(reader),
		.packets = reader_varint(reader),
	};
	if (member->packets == 0)
		return;
	member->earliest = (int64_t)((uint64_t)*latest + (uint64_t)unzigzag(reader_varint(reader)));
	member->latest = *latest = (int64_t)((uint64_t)member->earliest + reader_varint(reader));
	reader->is_bad |= member->latest < member->earliest;
}

/* With packets, and in no group, a member may have any key. */
static void mark_ungrouped(const struct index_footer *footer, struct index_member *members)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i <= footer->sections_count; i++) {
		const struct index_section *section = &footer->sections[i];
		bool is_end = i == footer->sections_count;

		if (!is_end && section->type != INDEX_CONVERSATIONS)
			continue;
		for (; at < (is_end ? footer->members : section->first_member); at++)
			members[at].is_unlisted |= members[at].packets > 0;
		if (!is_end)
			at += section->members;
	}
}

int index_read_members(const struct index_footer *footer, const uint8_t *plain, size_t length,
		       struct index_member **ret_members, struct error *err)
{
	struct reader reader = reader_over(plain, length);
	cleanup_free struct index_member *members = NULL;
	uint64_t stored = 0, packets = 0;
	const uint8_t *bitmap = NULL;
	int64_t latest = 0;

	if (footer->members > length / 3)
		return refuse(err, "it has too few members");
	if (footer->members > INDEX_MEMBERS_MAX ||
	    footer->members > footer->data_bytes / INDEX_MEMBER_BYTES_MIN)
		return refuse(err, "it has too many members");
	members = mem_calloc(footer->members, sizeof *members);
	for (uint32_t i = 0; i < footer->members; i++) {
		read_member(&reader, &members[i], &latest);
		reader.is_bad |= __builtin_add_overflow(stored, members[i].stored_bytes, &stored) ||
				 __builtin_add_overflow(packets, members[i].packets, &packets);
	}
	if (footer->has_unlisted)
		bitmap = reader_take(&reader, ((size_t)footer->members + 7) / 8);
	for (uint32_t i = 0; bitmap && i < footer->members; i++)
		members[i].is_unlisted = bitmap[i / 8] >> i % 8 & 1;
	if (reader.is_bad || reader_left(&reader) > 0)
		return refuse(err, "its members cannot be read");
	if (stored != footer->data_bytes || packets != footer->packets)
		return refuse(err, "its members are not the file's");
	mark_ungrouped(footer, members);
	*ret_members = take_ptr(members);
	return 0;
}

/* A number of addresses that a group can have. */
static uint32_t read_address_count(struct reader *reader)
{
	uint32_t count = reader_count(reader, 1);

	reader->is_bad |= count > INDEX_ADDRESSES_MAX;
	return reader->is_bad ? 0 : count;
}

static void read_ipv4(struct reader *reader, struct index_addresses *addresses)
{
	uint32_t count = read_address_count(reader);
	uint64_t address = 0;

	addresses->ipv4 = mem_calloc(count, sizeof *addresses->ipv4);
	addresses->ipv4_count = count;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t difference = reader_varint(reader);

		/* Sorted, and each once. */
		reader->is_bad |= difference > UINT32_MAX || (i > 0 && difference == 0);
		address += difference;
		reader->is_bad |= address > UINT32_MAX;
		addresses->ipv4[i] = (uint32_t)address;
	}
}

static void read_ipv6(struct reader *reader, struct index_addresses *addresses)
{
	uint32_t count = read_address_count(reader);

	addresses->ipv6 = mem_calloc(count, sizeof *addresses->ipv6);
	addresses->ipv6_count = count;
	for (uint32_t i = 0; i < count && !reader->is_bad; i++) {
		uint8_t *address = addresses->ipv6[i];
		const uint8_t *shared = reader_take(reader, 1), *rest = NULL;

		if (shared && *shared < ADDRESS_BYTES && (i > 0 || *shared == 0))
			rest = reader_take(reader, (size_t)(ADDRESS_BYTES - *shared));
		if (!rest) {
			reader->is_bad = true;
			return;
		}
		if (*shared > 0)
			memcpy(address, addresses->ipv6[i - 1], *shared);
		memcpy(address + *shared, rest, (size_t)(ADDRESS_BYTES - *shared));
		reader->is_bad |= i > 0 &&
				  memcmp(addresses->ipv6[i - 1], address, ADDRESS_BYTES) >= 0;
	}
}

static void read_types(struct reader *reader, struct index_addresses *addresses)
{
	uint32_t count = reader_count(reader, TYPE_BYTES);

	reader->is_bad |= count > INDEX_TYPES_MAX;
	if (reader->is_bad)
		return;
	addresses->types = mem_calloc(count, sizeof *addresses->types);
	addresses->types_count = count;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *type = reader_take(reader, TYPE_BYTES);

		if (type)
			addresses->types[i] = (uint64_t)get_u16(type) << 32 |
					      (uint64_t)type[2] << 24 | (uint64_t)type[3] << 16 |
					      (uint64_t)type[4] << 8 | type[5];
	}
}

int index_read_addresses(const uint8_t *plain, size_t length, struct index_addresses *ret_addresses,
			 struct error *err)
{
	struct reader reader = reader_over(plain, length);

	*ret_addresses = (struct index_addresses){ .ipv4 = NULL };
	read_ipv4(&reader, ret_addresses);
	read_ipv6(&reader, ret_addresses);
	read_types(&reader, ret_addresses);
	if (reader.is_bad || reader_left(&reader) > 0)
		return refuse(err, "its addresses cannot be read");
	return 0;
}

void index_free_addresses(struct index_addresses *addresses)
{
	free(addresses->ipv4);
	free(addresses->ipv6);
	free(addresses->types);
	*addresses = (struct index_addresses){ .ipv4 = NULL };
}
