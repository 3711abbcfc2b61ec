/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/tail.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "segment/deflate.h"

/* Of most files it has all but conversations. */
#define TAIL_BYTES     UINT64_C(8192)
#define TAIL_BYTES_MAX UINT64_C(262144)     /* before a footer was seen */
#define BUDGET_BYTES   (UINT64_C(64) << 20) /* of all threads; one that needs more is alone */

static const struct index_library inflating = { .inflate = inflate_raw };

void tail_budget_init(struct tail_budget *budget)
{
	(void)pthread_mutex_init(&budget->lock, NULL);
	(void)pthread_cond_init(&budget->changed, NULL);
	budget->used = 0;
}

void tail_budget_done(struct tail_budget *budget)
{
	(void)pthread_cond_destroy(&budget->changed);
	(void)pthread_mutex_destroy(&budget->lock);
}

/* Wait until there is memory for all that the footer says. */
static void take_budget(struct tail *tail, struct tail_budget *budget)
{
	const struct index_footer *footer = &tail->footer;
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&budget->lock);
	uint64_t bytes = (uint64_t)footer->members * sizeof(struct index_member);

	for (uint32_t i = 0; i < footer->sections_count; i++)
		bytes += (uint64_t)footer->sections[i].stored_bytes +
			 footer->sections[i].plain_bytes;
	while (budget->used > 0 && budget->used + bytes > BUDGET_BYTES)
		(void)pthread_cond_wait(&budget->changed, &budget->lock);
	budget->used += bytes;
	tail->budget = budget;
	tail->taken = bytes;
}

static void return_budget(struct tail *tail)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&tail->budget->lock);

	tail->budget->used -= tail->taken;
	(void)pthread_cond_broadcast(&tail->budget->changed);
}

/* Have the last `length` bytes of the object, of which some may be there. */
static int read_back(struct bucket_reader *reader, const struct object *object, struct tail *tail,
		     uint64_t length, struct error *err)
{
	uint8_t *bytes;
	size_t more;

	if (length > object->bytes)
		length = object->bytes;
	if (length <= tail->length)
		return 0;
	more = length - tail->length;
	bytes = mem_alloc(length);
	if (bucket_read(reader, object->name, object->version, object->bytes - length, more, bytes,
			err) < 0) {
		free(bytes);
		return -1;
	}
	if (tail->length > 0)
		memcpy(bytes + more, tail->bytes, tail->length);
	free(tail->bytes);
	tail->bytes = bytes;
	tail->length = length;
	return 0;
}

/* 1: there is none. */
static int read_footer(struct bucket_reader *reader, const struct object *object, struct tail *tail,
		       struct error *err)
{
	uint64_t wanted = object->index_tail_bytes > TAIL_BYTES / 8 &&
					  object->index_tail_bytes <= TAIL_BYTES_MAX
				  ? object->index_tail_bytes
				  : TAIL_BYTES;

	for (;;) {
		if (read_back(reader, object, tail, wanted, err) < 0)
			return -1;
		wanted = index_read_footer(tail->bytes, tail->length, object->bytes, &tail->footer);
		if (wanted <= tail->length)
			return wanted == 0;
		/* More than there is, or asked for twice: nothing that makes sense. */
		if (wanted > object->bytes || wanted > INDEX_STORED_MAX)
			return 1;
	}
}

/* Where the first section begins that is not one of conversations. */
static uint64_t find_small_sections(const struct index_footer *footer, uint64_t file_bytes)
{
	uint64_t from = file_bytes;

	for (uint32_t i = 0; i < footer->sections_count; i++)
		if (footer->sections[i].type != INDEX_CONVERSATIONS &&
		    footer->sections[i].offset < from)
			from = footer->sections[i].offset;
	return from;
}

int tail_section(struct bucket_reader *reader, const struct object *object, const struct tail *tail,
		 const struct index_section *section, uint8_t **ret_plain, struct error *err)
{
	uint64_t start = object->bytes - tail->length;
	cleanup_free uint8_t *stored = NULL;
	const uint8_t *bytes;

	if (section->offset >= start) {
		bytes = tail->bytes + (section->offset - start);
	} else {
		stored = mem_alloc((size_t)section->stored_bytes + 1);
		if (bucket_read(reader, object->name, object->version, section->offset,
				section->stored_bytes, stored, err) < 0)
			return -1;
		bytes = stored;
	}
	if (index_read_section(&tail->footer, section, bytes, &inflating, ret_plain, err) == 0)
		return 0;
	log_debug("an index is not used", log_text("name", object->name), log_reason(err));
	return 1;
}

static int read_members(struct bucket_reader *reader, const struct object *object,
			struct tail *tail, struct error *err)
{
	const struct index_section *section = tail->footer.sections;
	cleanup_free uint8_t *plain = NULL;
	int result;

	while (section < tail->footer.sections + tail->footer.sections_count &&
	       section->type != INDEX_MEMBERS)
		section++;
	if (section == tail->footer.sections + tail->footer.sections_count)
		return 1;
	result = tail_section(reader, object, tail, section, &plain, err);
	if (result != 0)
		return result;
	return index_read_members(&tail->footer, plain, section->plain_bytes, &tail->members, err) <
	       0;
}

int tail_read(struct bucket_reader *reader, const struct object *object, struct tail_budget *budget,
	      struct tail *ret_tail, struct error *err)
{
	int result;

	*ret_tail = (struct tail){ .bytes = NULL };
	result = read_footer(reader, object, ret_tail, err);
	if (result != 0)
		return result;
	take_budget(ret_tail, budget);
	if (read_back(reader, object, ret_tail,
		      object->bytes - find_small_sections(&ret_tail->footer, object->bytes),
		      err) < 0)
		return -1;
	return read_members(reader, object, ret_tail, err);
}

void tail_free(struct tail *tail)
{
	free(tail->bytes);
	free(tail->members);
	if (tail->budget)
		return_budget(tail);
}

char *tail_facts(const struct object *object, const struct tail *tail)
{
	uint64_t start = object->bytes - tail->length;
	struct error err;
	uint8_t *plain;

	for (uint32_t i = 0; i < tail->footer.sections_count; i++) {
		const struct index_section *section = &tail->footer.sections[i];

		if (section->type == INDEX_FACTS && section->offset >= start &&
		    index_read_section(&tail->footer, section,
				       tail->bytes + (section->offset - start), &inflating, &plain,
				       &err) == 0)
			return (char *)plain;
	}
	return NULL;
}

uint64_t tail_to_ns(const struct tail *tail, int64_t time)
{
	uint64_t ns;

	if (time < 0)
		return 0;
	return __builtin_mul_overflow((uint64_t)time, tail->footer.file.is_nano ? 1 : 1000, &ns)
		       ? UINT64_MAX
		       : ns;
}

bool tail_overlaps(const struct tail *tail, const struct index_member *member, uint64_t from_ns,
		   uint64_t to_ns)
{
	return member->packets > 0 && tail_to_ns(tail, member->latest) >= from_ns &&
	       tail_to_ns(tail, member->earliest) < to_ns;
}
