/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An index, as read from a file that anybody has made. The first byte chooses: a whole trailer, of which the checksums
 * are set right so that what is behind them is reached; one of its sections, unpacked; or a packet, whose keys are made.
 */
#include "base/checksum.h"
#include "fuzz.h"
#include "index/index.h"
#include "index/key.h"
#include "segment/deflate.h"

#define SECTION_MEMBERS 64

static const struct index_library library = { deflate_bound, deflate_raw, inflate_raw };

static uint32_t number_at(const uint8_t *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
	       (uint32_t)bytes[3] << 24;
}

static void set_number(uint8_t *bytes, uint32_t number)
{
	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(number >> 8 * i);
}

struct visits {
	const struct index_section *section;
	size_t postings;
};

static void check_conversation(void *context, const struct index_conversation *conversation)
{
	struct visits *visits = context;
	const struct index_section *section = visits->section;
	unsigned sum = 0;

	fuzz_require(conversation->count > 0);
	for (uint32_t i = 0; i < conversation->count; i++) {
		fuzz_require(conversation->members[i] - section->first_member < section->members);
		fuzz_require(i == 0 || conversation->members[i] > conversation->members[i - 1]);
		sum += conversation->flags[i] + conversation->hints_low[i] +
		       conversation->hints_high[i]; /* all of them are there */
	}
	visits->postings += conversation->count + (sum > UINT32_MAX / 2);
}

static void read_members(const struct index_footer *footer, const uint8_t *plain, size_t length)
{
	struct index_member *members;
	uint64_t stored = 0;
	struct error err;

	if (index_read_members(footer, plain, length, &members, &err) < 0) {
		fuzz_require(err.kind == ERROR_REJECTED);
		return;
	}
	for (uint32_t i = 0; i < footer->members; i++)
		stored += members[i].stored_bytes;
	fuzz_require(stored == footer->data_bytes);
	free(members);
}

static void read_conversations(const struct index_section *section, const uint8_t *plain,
			       const struct index_addresses *addresses)
{
	struct visits visits = { .section = section };
	struct error err;

	if (index_read_conversations(section, plain, addresses, check_conversation, &visits, &err) <
	    0)
		fuzz_require(err.kind == ERROR_REJECTED && visits.postings == 0);
}

static void read_addresses(const uint8_t *plain, size_t length,
			   struct index_addresses *ret_addresses)
{
	struct error err;

	if (index_read_addresses(plain, length, ret_addresses, &err) == 0) {
		for (uint32_t i = 1; i < ret_addresses->ipv4_count; i++)
			fuzz_require(ret_addresses->ipv4[i] > ret_addresses->ipv4[i - 1]);
		return;
	}
	fuzz_require(err.kind == ERROR_REJECTED);
	index_free_addresses(ret_addresses);
}

/* A section by itself: what is to be known beside it is made up. */
static void read_alone(unsigned type, const uint8_t *bytes, size_t size)
{
	struct index_section section = { .plain_bytes = (uint32_t)size,
					 .first_member = 3,
					 .members = SECTION_MEMBERS };
	static struct index_footer footer;
	struct index_addresses addresses;
	static uint32_t ipv4[64];
	static uint64_t types[8];

	if (type == INDEX_MEMBERS) {
		footer.has_unlisted = size % 2;
		footer.members = size > 0 ? bytes[0] : 0;
		read_members(&footer, bytes, size);
	} else if (type == INDEX_ADDRESSES) {
		read_addresses(bytes, size, &addresses);
		index_free_addresses(&addresses);
	} else {
		addresses = (struct index_addresses){
			.ipv4 = ipv4, .types = types, .ipv4_count = 64, .types_count = 8
		};
		read_conversations(&section, bytes, &addresses);
	}
}

/* With checksums that match, as far as it has the shape of an index. */
static void mend_checksums(uint8_t *bytes, size_t size, size_t end)
{
	uint8_t *fixed, *directory;
	size_t sections, at = 0;

	if (size < 96 + end)
		return;
	fixed = bytes + size - end - 96;
	sections = fixed[56] | (size_t)fixed[57] << 8;
	if (sections * 24 > size - 96 - end)
		return;
	directory = fixed - sections * 24;
	for (size_t i = 0; i < sections; i++) {
		size_t stored = number_at(directory + i * 24 + 4);

		if (stored <= size - at)
			set_number(directory + i * 24 + 12, crc32c_update(0, bytes + at, stored));
		at += stored <= size - at ? stored : 0;
	}
	set_number(fixed + 84, crc32c_update(0, directory, sections * 24 + 84));
}

static void read_section(const struct index_footer *footer, const struct index_section *section,
			 const uint8_t *bytes, struct index_addresses *addresses)
{
	uint8_t *plain;
	struct error err;

	if (index_read_section(footer, section, bytes + (section->offset - footer->data_bytes),
			       &library, &plain, &err) < 0)
		return;
	if (section->type == INDEX_MEMBERS) {
		read_members(footer, plain, section->plain_bytes);
	} else if (section->type == INDEX_ADDRESSES) {
		index_free_addresses(addresses);
		read_addresses(plain, section->plain_bytes, addresses);
	} else if (section->type == INDEX_CONVERSATIONS) {
		read_conversations(section, plain, addresses);
	}
	free(plain);
}

/* A file that has nothing but these bytes; the footer says how many were before. */
static void read_trailer(const uint8_t *input, size_t size, size_t end)
{
	cleanup_free uint8_t *bytes = mem_alloc(size > 0 ? size : 1);
	static struct index_footer footer;
	struct index_addresses addresses = { .ipv4 = NULL };
	uint64_t before;
	size_t got;

	memcpy(bytes, input, size);
	mend_checksums(bytes, size, end);
	before = size >= 96 + end ? number_at(bytes + size - end - 96 + 8) : 0;
	got = index_read_footer(bytes, size, before + size, &footer);
	if (got == 0 || got > size)
		return;
	fuzz_require(footer.data_bytes == before);
	for (uint32_t i = 0; i < footer.sections_count; i++)
		fuzz_require(footer.sections[i].offset - before + footer.sections[i].stored_bytes <=
			     size - got);
	/* Addresses first: conversations have their numbers. */
	for (int is_second = 0; is_second <= 1; is_second++)
		for (uint32_t i = 0; i < footer.sections_count; i++)
			if ((footer.sections[i].type == INDEX_CONVERSATIONS) == is_second)
				read_section(&footer, &footer.sections[i], bytes, &addresses);
	index_free_addresses(&addresses);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const uint32_t link_types[] = { LINK_ETHERNET, LINK_RAW, LINK_SLL, LINK_SLL2, 127 };
	struct key keys[KEYS_MAX];
	unsigned count;

	if (size == 0)
		return 0;
	switch (bytes[0]) {
	case 'g': /* gzip */
		read_trailer(bytes + 1, size - 1, 10);
		break;
	case 'z': /* zstd */
		read_trailer(bytes + 1, size - 1, 0);
		break;
	case 'c':
		read_alone(INDEX_CONVERSATIONS, bytes + 1, size - 1);
		break;
	case 'm':
		read_alone(INDEX_MEMBERS, bytes + 1, size - 1);
		break;
	case 'a':
		read_alone(INDEX_ADDRESSES, bytes + 1, size - 1);
		break;
	default:
		count = key_of_packet(link_types[bytes[0] % 5], bytes + 1, size - 1, keys);
		fuzz_require(count == 1 || (count == 2 && keys[1].what & KEY_FLAG_INNER));
		fuzz_require(!(keys[0].what & KEY_FLAG_INNER));
		break;
	}
	return 0;
}
