/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "fetch/plan_private.h"

#define MEMBER_BYTES_MAX \
	(UINT64_C(16) << 20) /* ours have a chunk at most, which is less than 1 MiB */

bool plan_overlaps(const struct subject *subject, const struct index_member *member)
{
	const struct window *window = subject->planner->order->window;

	return tail_overlaps(&subject->tail, member, window->from_ns, window->to_ns);
}

/* Pieces ----------------------------------------------------------------------------------------- */

static void want_member(struct planned *planned, const struct index_member *member,
			uint64_t earliest_ns, uint64_t latest_ns)
{
	if (planned->wanted++ == 0 || earliest_ns < planned->earliest_ns)
		planned->earliest_ns = earliest_ns;
	if (latest_ns > planned->latest_ns)
		planned->latest_ns = latest_ns;
	planned->wanted_bytes += member->stored_bytes;
}

static bool is_wanted(const struct subject *subject, uint32_t member)
{
	return subject->is_by_time || subject->tail.members[member].is_unlisted ||
	       subject->wanted[member / 8] >> member % 8 & 1;
}

bool plan_can_want_members(const struct subject *subject)
{
	for (uint32_t i = 0; i < subject->tail.footer.members; i++)
		if (subject->tail.members[i].stored_bytes > MEMBER_BYTES_MAX &&
		    is_wanted(subject, i) && plan_overlaps(subject, &subject->tail.members[i]))
			return false;
	return true;
}

/* What is wanted, in pieces: what lies between two wanted members that are near each other is read, too. */
void plan_want_members(struct subject *subject)
{
	struct planned *planned = subject->planned;
	struct piece piece = { .object = subject->number };
	uint64_t offset = 0;

	for (uint32_t i = 0; i < subject->tail.footer.members; i++) {
		const struct index_member *member = &subject->tail.members[i];
		uint64_t end = offset + member->stored_bytes;
		/* Of a file that is not ours it may be anything. */
		uint64_t plain_bytes = member->plain_bytes < PLAN_PIECE_BYTES ? member->plain_bytes
									      : PLAN_PIECE_BYTES;

		if (is_wanted(subject, i) && plan_overlaps(subject, member)) {
			uint64_t earliest_ns = tail_to_ns(&subject->tail, member->earliest);

			want_member(planned, member, earliest_ns,
				    tail_to_ns(&subject->tail, member->latest));
			if (piece.length > 0 &&
			    (offset - (piece.offset + piece.length) > PIECES_HOLE_BYTES ||
			     end - piece.offset > PLAN_PIECE_BYTES ||
			     piece.plain_bytes + plain_bytes > PLAN_PIECE_BYTES)) {
				pieces_add(&subject->planner->plan->pieces, &piece);
				piece.length = 0;
			}
			if (piece.length == 0) {
				piece.offset = offset;
				piece.plain_bytes = 0;
				piece.earliest_ns = earliest_ns;
			}
			if (earliest_ns < piece.earliest_ns)
				piece.earliest_ns = earliest_ns;
			piece.length = (uint32_t)(end - piece.offset);
			piece.plain_bytes += (uint32_t)plain_bytes;
		}
		offset = end;
	}
	if (piece.length > 0)
		pieces_add(&subject->planner->plan->pieces, &piece);
}

void plan_want_whole(struct subject *subject)
{
	const struct object *object = subject->object;
	uint64_t start_ns = object->earliest_ns ? object->earliest_ns : object->start_ns;
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&subject->planner->lock);

	subject->planned->state = PLANNED_WHOLE;
	subject->planned->wanted_bytes = object->bytes;
	pieces_add(&subject->planner->plan->pieces,
		   &(struct piece){
			   .earliest_ns = start_ns > PLAN_EARLY_NS ? start_ns - PLAN_EARLY_NS : 0,
			   .object = subject->number });
}
