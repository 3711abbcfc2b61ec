/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/conversations.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/thread.h"
#include "fetch/tail.h"
#include "index/decap.h"
#include "index/hash.h"
#include "index/key.h"

enum {
	TCP_FIN = 1,
	TCP_SYN = 2,
	TCP_RST = 4,
	ADDRESS_BYTES = 16,
};

struct gathering {
	const struct plan_order *order;
	const struct plan *plan;
	struct conversations *all;
	atomic_size_t next; /* object */
	atomic_bool is_failing;
	struct tail_budget budget;
	pthread_mutex_t lock; /* of all that follows */
	struct hash_keys keys;
	uint32_t *places; /* numbers + 1, by hash */
	size_t places_count;
	size_t capacity;
};

/* One object while it is read, by one thread. */
struct subject {
	struct gathering *gathering;
	struct tail tail;
	struct match_file file;
	const struct index_addresses *addresses;
};

/* The table -------------------------------------------------------------------------------------- */

static uint32_t hash_conversation(const struct gathering *gathering,
				  const struct conversation *wanted)
{
	uint64_t words[2 * ADDRESS_BYTES / sizeof(uint64_t)];
	uint32_t hash = hash_words(&gathering->keys, wanted->type, wanted->port);

	memcpy(words, wanted->low, ADDRESS_BYTES);
	memcpy(words + 2, wanted->high, ADDRESS_BYTES);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		hash = hash_words(&gathering->keys, words[i], hash);
	return hash;
}

static bool is_same(const struct conversation *a, const struct conversation *b)
{
	return a->type == b->type && a->port == b->port &&
	       memcmp(a->low, b->low, ADDRESS_BYTES) == 0 &&
	       memcmp(a->high, b->high, ADDRESS_BYTES) == 0;
}

static void enter(struct gathering *gathering, uint32_t number)
{
	size_t mask = gathering->places_count - 1;
	size_t place = hash_conversation(gathering, &gathering->all->list[number]) & mask;

	while (gathering->places[place] != 0)
		place = (place + 1) & mask;
	gathering->places[place] = number + 1;
}

static void make_room(struct gathering *gathering)
{
	struct conversations *all = gathering->all;

	if (all->count < gathering->capacity)
		return;
	gathering->capacity = gathering->capacity > 0 ? 2 * gathering->capacity : 1024;
	all->list = mem_realloc(all->list, gathering->capacity, sizeof *all->list);
	free(gathering->places);
	gathering->places_count = 4 * gathering->capacity;
	gathering->places = mem_calloc(gathering->places_count, sizeof *gathering->places);
	for (size_t i = 0; i < all->count; i++)
		enter(gathering, (uint32_t)i);
}

/* The entry of this conversation, which is made if it is new; NULL: there are too many. */
static struct conversation *find(struct gathering *gathering, const struct conversation *wanted)
{
	struct conversations *all = gathering->all;
	size_t mask, place;

	make_room(gathering);
	mask = gathering->places_count - 1;
	place = hash_conversation(gathering, wanted) & mask;
	for (; gathering->places[place] != 0; place = (place + 1) & mask)
		if (is_same(&all->list[gathering->places[place] - 1], wanted))
			return &all->list[gathering->places[place] - 1];
	if (all->count == CONVERSATIONS_MAX) {
		all->left_out++;
		return NULL;
	}
	all->list[all->count] = *wanted;
	gathering->places[place] = (uint32_t)++all->count;
	return &all->list[all->count - 1];
}

/* Files ------------------------------------------------------------------------------------------ */

static void copy_address(const struct index_addresses *addresses, uint32_t place,
			 uint8_t out[ADDRESS_BYTES])
{
	if (place >= addresses->ipv4_count) {
		memcpy(out, addresses->ipv6[place - addresses->ipv4_count], ADDRESS_BYTES);
		return;
	}
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(addresses->ipv4[place] >> (24 - 8 * i));
}

static bool is_in_window(const struct subject *subject, uint32_t member)
{
	const struct window *window = subject->gathering->order->window;

	return tail_overlaps(&subject->tail, &subject->tail.members[member], window->from_ns,
			     window->to_ns);
}

/* Of one file: added up before the lock is taken. */
static void add_conversation(void *context, const struct index_conversation *conversation,
			     const uint8_t *bitmap)
{
	const struct subject *subject = context;
	struct gathering *gathering = subject->gathering;
	struct conversation wanted = { .type = conversation->type, .port = conversation->port };
	struct conversation sum = { .members = 0 }, *entry;

	for (uint32_t i = 0; i < conversation->count; i++) {
		uint32_t member = conversation->members[i];

		if (!(bitmap[member / 8] >> member % 8 & 1) || !is_in_window(subject, member))
			continue;
		sum.members++;
		sum.with_syn += (conversation->flags[i] & TCP_SYN) != 0;
		sum.with_rst += (conversation->flags[i] & TCP_RST) != 0;
		sum.with_fin += (conversation->flags[i] & TCP_FIN) != 0;
	}
	if (sum.members == 0)
		return;
	copy_address(subject->addresses, conversation->low, wanted.low);
	copy_address(subject->addresses, conversation->high, wanted.high);
	thread_lock(&gathering->lock);
	entry = find(gathering, &wanted);
	if (entry) {
		entry->members += sum.members;
		entry->with_syn += sum.with_syn;
		entry->with_rst += sum.with_rst;
		entry->with_fin += sum.with_fin;
	}
	(void)pthread_mutex_unlock(&gathering->lock);
}

/* 1: damaged. */
static int gather_group(struct subject *subject, struct bucket_reader *reader,
			const struct object *object, const struct index_section *section,
			const struct index_section *places, struct error *err)
{
	cleanup(index_free_addresses) struct index_addresses addresses = { .ipv4 = NULL };
	cleanup_free uint8_t *plain = NULL, *listed = NULL;
	int result = tail_section(reader, object, &subject->tail, places, &plain, err);

	if (result == 0)
		result = tail_section(reader, object, &subject->tail, section, &listed, err);
	if (result != 0)
		return result;
	subject->addresses = &addresses;
	if (index_read_addresses(plain, places->plain_bytes, &addresses, err) < 0)
		return 1;
	return match_conversations(subject->gathering->order->match, &subject->file, section,
				   listed, &addresses, add_conversation, subject, err) < 0;
}

static int gather_groups(struct subject *subject, struct bucket_reader *reader,
			 const struct object *object, struct error *err)
{
	const struct index_footer *footer = &subject->tail.footer;
	const struct index_section *end = footer->sections + footer->sections_count;
	const struct index_section *places = footer->sections;
	int result = 0;

	for (const struct index_section *section = footer->sections; section < end && result == 0;
	     section++) {
		if (section->type != INDEX_CONVERSATIONS)
			continue;
		while (places < end && places->type != INDEX_ADDRESSES)
			places++;
		if (places == end)
			return 1;
		result = gather_group(subject, reader, object, section, places++, err);
	}
	return result;
}

static bool has_unlisted(const struct subject *subject)
{
	for (uint32_t i = 0; i < subject->tail.footer.members; i++)
		if (subject->tail.members[i].is_unlisted && is_in_window(subject, i))
			return true;
	return false;
}

static int gather_object(struct gathering *gathering, struct bucket_reader *reader,
			 const struct object *object, struct error *err)
{
	struct subject subject = { .gathering = gathering,
				   .file = { .footer = &subject.tail.footer,
					     .has_our_tunnels = true,
					     .steps_left = MATCH_STEPS } };
	int result = tail_read(reader, object, &gathering->budget, &subject.tail, err);

	if (result == 0)
		result = gather_groups(&subject, reader, object, err);
	if (result != 0 || has_unlisted(&subject)) {
		thread_lock(&gathering->lock);
		gathering->all->unlisted_files++;
		(void)pthread_mutex_unlock(&gathering->lock);
	}
	tail_free(&subject.tail);
	return result < 0 && err->kind != ERROR_REJECTED ? -1 : 0;
}

static int work(void *context, struct bucket_reader *reader, struct error *err)
{
	struct gathering *gathering = context;
	const struct listing *listing = gathering->order->listing;
	size_t number;

	while (!atomic_load(&gathering->is_failing) && !atomic_load(reader->bucket->cancel) &&
	       (number = atomic_fetch_add(&gathering->next, 1)) < listing->count) {
		enum planned_state state = gathering->plan->objects[number].state;

		if (state == PLANNED_MEMBERS &&
		    gather_object(gathering, reader, &listing->objects[number], err) < 0) {
			atomic_store(&gathering->is_failing, true);
			return -1;
		}
		if (state == PLANNED_WHOLE) {
			thread_lock(&gathering->lock);
			gathering->all->unlisted_files++;
			(void)pthread_mutex_unlock(&gathering->lock);
		}
	}
	return 0;
}

/* a / b against c / d, without dividing. */
static int compare_shares(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return a * d < c * b ? -1 : a * d > c * b;
}

static int compare(const void *left, const void *right)
{
	const struct conversation *a = left, *b = right;
	int order = -compare_shares(a->with_rst, a->members, b->with_rst, b->members);

	if (order == 0 && a->members != b->members)
		order = a->members > b->members ? -1 : 1;
	if (order == 0)
		order = memcmp(a->low, b->low, ADDRESS_BYTES);
	if (order == 0)
		order = memcmp(a->high, b->high, ADDRESS_BYTES);
	if (order == 0 && a->type != b->type)
		order = a->type < b->type ? -1 : 1;
	return order != 0 ? order : (int)a->port - (int)b->port;
}

int conversations_gather(const struct plan_order *order, const struct plan *plan,
			 struct conversations *ret_conversations, struct error *err)
{
	struct gathering gathering = { .order = order, .plan = plan, .all = ret_conversations };
	int result;

	*ret_conversations = (struct conversations){ .list = NULL };
	hash_keys_init(&gathering.keys);
	tail_budget_init(&gathering.budget);
	(void)pthread_mutex_init(&gathering.lock, NULL);
	result = bucket_crew(order->bucket, order->threads, work, &gathering, err);
	(void)pthread_mutex_destroy(&gathering.lock);
	tail_budget_done(&gathering.budget);
	free(gathering.places);
	if (ret_conversations->count > 0)
		qsort(ret_conversations->list, ret_conversations->count,
		      sizeof *ret_conversations->list, compare);
	return result;
}

void conversations_done(struct conversations *conversations)
{
	free(conversations->list);
}
