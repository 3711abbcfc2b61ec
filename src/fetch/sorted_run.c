/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/sorted_run.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

#define FIRST_BYTES  4096
#define BUFFER_BYTES ((size_t)32 << 10) /* of a run in a file; a longer packet makes it grow */

/* In memory and in the file: this, then the captured bytes. */
struct head {
	uint64_t time_ns;
	uint32_t captured, original, stream;
	uint32_t zero; /* in place of padding */
};

struct run {
	uint8_t *bytes;
	size_t length, capacity; /* of bytes */
	size_t at;               /* where in bytes the next packet is */
	uint64_t last_ns;        /* of the packet added last */
	bool is_unsorted;
	size_t packets;
	int fd; /* -1: all is in memory */
	uint64_t offset, end;
	struct head next; /* of a run in a file, of which nothing was read yet */
};

struct run *run_new(void)
{
	struct run *run = mem_calloc(1, sizeof *run);

	run->fd = -1;
	return run;
}

struct run *run_free(struct run *run)
{
	if (run)
		free(run->bytes);
	free(run);
	return NULL;
}

static void make_room(struct run *run, size_t length)
{
	size_t capacity = run->capacity > 0 ? run->capacity : FIRST_BYTES;

	while (capacity < run->length + length)
		capacity *= 2;
	if (capacity == run->capacity)
		return;
	run->bytes = mem_realloc(run->bytes, capacity, 1);
	run->capacity = capacity;
}

void run_add(struct run *run, const struct run_packet *packet)
{
	struct head head = { packet->time_ns, packet->captured, packet->original, packet->stream,
			     0 };

	make_room(run, sizeof head + packet->captured);
	memcpy(run->bytes + run->length, &head, sizeof head);
	memcpy(run->bytes + run->length + sizeof head, packet->packet, packet->captured);
	run->length += sizeof head + packet->captured;
	run->is_unsorted |= packet->time_ns < run->last_ns;
	run->last_ns = packet->time_ns;
	run->packets++;
}

size_t run_bytes(const struct run *run)
{
	return run->capacity;
}

/* Sorting ---------------------------------------------------------------------------------------- */

struct place {
	uint64_t time_ns;
	size_t at;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *left = a, *right = b;

	if (left->time_ns != right->time_ns)
		return left->time_ns < right->time_ns ? -1 : 1;
	return left->at < right->at ? -1 : left->at > right->at;
}

/* Give back what was taken for more packets: many runs wait at a time. */
static void fit(struct run *run)
{
	if (run->length == 0)
		return;
	run->bytes = mem_realloc(run->bytes, run->length, 1);
	run->capacity = run->length;
}

void run_sort(struct run *run)
{
	cleanup_free struct place *places = NULL;
	uint8_t *sorted;
	size_t at = 0;
	struct head head;

	if (!run->is_unsorted) {
		fit(run);
		return;
	}
	places = mem_calloc(run->packets, sizeof *places);
	for (size_t i = 0; i < run->packets; i++) {
		memcpy(&head, run->bytes + at, sizeof head);
		places[i] = (struct place){ head.time_ns, at };
		at += sizeof head + head.captured;
	}
	qsort(places, run->packets, sizeof *places, compare_places);
	sorted = mem_alloc(run->length);
	at = 0;
	for (size_t i = 0; i < run->packets; i++) {
		const uint8_t *from = run->bytes + places[i].at;
		size_t length;

		memcpy(&head, from, sizeof head);
		length = sizeof head + head.captured;
		memcpy(sorted + at, from, length);
		at += length;
	}
	free(run->bytes);
	run->bytes = sorted;
	run->capacity = run->length;
	run->is_unsorted = false;
}

/* In a file -------------------------------------------------------------------------------------- */

int run_spill(struct run *run, int fd, uint64_t *offset, struct error *err)
{
	if (run->at == run->length)
		return 0;
	if (file_write_all(fd, run->bytes + run->at, run->length - run->at, err) < 0)
		return -1;
	memcpy(&run->next, run->bytes + run->at, sizeof run->next);
	run->fd = fd;
	run->offset = *offset;
	run->end = *offset += run->length - run->at;
	free(run->bytes);
	run->bytes = NULL;
	run->at = run->length = run->capacity = 0;
	return 0;
}

/* Have at least so many bytes at hand, and as many more as there is room for. */
static int fill(struct run *run, size_t length, struct error *err)
{
	size_t left = run->length - run->at, wanted;
	ssize_t got;

	if (run->fd < 0 || left >= length)
		return 0;
	if (left > 0)
		memmove(run->bytes, run->bytes + run->at, left);
	run->at = 0;
	run->length = left;
	wanted = run->capacity > 0 ? run->capacity : BUFFER_BYTES;
	if (wanted > left + (run->end - run->offset))
		wanted = left + (size_t)(run->end - run->offset);
	make_room(run, (length > wanted ? length : wanted) - left);
	wanted = run->capacity - left;
	if (wanted > run->end - run->offset)
		wanted = run->end - run->offset;
	got = file_read_at(run->fd, run->bytes + left, wanted, run->offset, err);
	if (got < 0)
		return error_wrap(err, "temporary file");
	run->length += (size_t)got;
	run->offset += (size_t)got;
	return run->length >= length ? 0
				     : error_set(err, ERROR_FATAL, "the temporary file is cut off");
}

static uint64_t bytes_left(const struct run *run)
{
	return run->length - run->at + (run->fd < 0 ? 0 : run->end - run->offset);
}

bool run_next_time(const struct run *run, uint64_t *ret_time_ns)
{
	struct head head = run->next;

	if (bytes_left(run) == 0)
		return false;
	if (run->length > run->at)
		memcpy(&head, run->bytes + run->at, sizeof head);
	*ret_time_ns = head.time_ns;
	return true;
}

int run_take(struct run *run, struct run_packet *ret_packet, struct error *err)
{
	struct head head;
	size_t length;

	if (fill(run, sizeof head, err) < 0)
		return -1;
	memcpy(&head, run->bytes + run->at, sizeof head);
	length = sizeof head + head.captured;
	/* And the next one's head, for its time. */
	if (fill(run, length + (bytes_left(run) > length ? sizeof head : 0), err) < 0)
		return -1;
	*ret_packet = (struct run_packet){
		.time_ns = head.time_ns,
		.captured = head.captured,
		.original = head.original,
		.stream = head.stream,
		.packet = run->bytes + run->at + sizeof head,
	};
	run->at += length;
	return 0;
}
