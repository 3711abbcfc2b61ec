/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What segments were recorded for: the file `destination`. Its first line is the identity of the last destination, the
 * others are "SEQUENCE NANOSECONDS DESTINATION", from which number and real time on segments were for that one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "spool/spool_private.h"

#define FILE_MAX ((size_t)1 << 16)

static struct spool_destination *last(struct spool_destinations *destinations)
{
	return &destinations->list[destinations->count - 1];
}

/* Which one was it recorded for? */
static const struct spool_destination *
find_destination(const struct spool_destinations *destinations, const struct spool_entry *entry)
{
	const struct spool_destination *found = destinations->list;
	uint64_t start_ms = name_start_ns(entry->name) / CLOCK_NS_PER_MS; /* a name has no more */
	struct name_parts parts = { .sequence = 0 };

	(void)name_parse(entry->name, &parts);
	/* Packets from before a reload may begin their segment after it: the number alone does not tell. */
	for (size_t i = 1; i < destinations->count; i++)
		if (destinations->list[i].first <= parts.sequence &&
		    destinations->list[i].since_ns / CLOCK_NS_PER_MS <= start_ms)
			found = &destinations->list[i];
	return found;
}

static bool is_same_kind(const char *a, const char *b)
{
	size_t scheme = strcspn(a, ":") + 1;

	return strncmp(a, b, scheme) == 0;
}

/* It counts from this number on; without room, the oldest two become one. */
static void append(struct spool_destinations *destinations, uint64_t first, uint64_t since_ns,
		   const char *name)
{
	if (destinations->count == SPOOL_DESTINATIONS_MAX) {
		free(destinations->list[0].name);
		memmove(destinations->list, destinations->list + 1,
			--destinations->count * sizeof *destinations->list);
	}
	destinations->list[destinations->count++] = (struct spool_destination){ first, since_ns,
										mem_strdup(name) };
}

/* Of all but the last one. */
static void forget_earlier(struct spool_destinations *destinations)
{
	for (; destinations->count > 1; destinations->count--) {
		free(destinations->list[0].name);
		memmove(destinations->list, destinations->list + 1,
			(destinations->count - 1) * sizeof *destinations->list);
	}
}

static void free_destinations(struct spool_destinations *destinations)
{
	forget_earlier(destinations);
	if (destinations->count > 0)
		free(last(destinations)->name);
	destinations->count = 0;
	free(take_ptr(destinations->identity));
}

void spool_destinations_free(struct spool *spool)
{
	free_destinations(&spool->destinations);
}

static int load(int root_fd, struct spool_destinations *destinations, struct error *err)
{
	cleanup_free char *text = NULL;
	uint64_t first, since_ns;
	size_t length;
	char *rest, *line, *name;

	if (file_read_text(root_fd, SPOOL_DESTINATION_FILE, FILE_MAX, &text, &length, err) < 0)
		return -1;
	rest = text;
	destinations->identity = mem_strdup(strsep(&rest, "\n"));
	while ((line = strsep(&rest, "\n"))) {
		name = line;
		if (text_parse_number(strsep(&name, " "), &first) == 0 && name &&
		    text_parse_number(strsep(&name, " "), &since_ns) == 0 && name)
			append(destinations, first, since_ns, name);
	}
	return 0;
}

void spool_destinations_load(struct spool *spool)
{
	struct error err;

	if (load(spool->root_fd, &spool->destinations, &err) < 0 && err.errnum != ENOENT)
		log_warning("cannot read what segments were recorded for", log_reason(&err));
}

static struct text encode(struct spool *spool, char bytes[FILE_MAX])
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->lock);
	const struct spool_destinations *destinations = &spool->destinations;
	struct text text = text_over(bytes, FILE_MAX);

	text_append(&text, "%s\n", destinations->identity ? destinations->identity : "");
	for (size_t i = 0; i < destinations->count; i++)
		text_append(&text, "%" PRIu64 " %" PRIu64 " %s\n", destinations->list[i].first,
			    destinations->list[i].since_ns, destinations->list[i].name);
	return text;
}

/* Not locked: the disk may take its time. What is written last is the newest, whoever writes it. */
static void save(struct spool *spool)
{
	cleanup_unlock pthread_mutex_t *saving = thread_lock(&spool->destination_lock);
	cleanup_free char *bytes = mem_alloc(FILE_MAX);
	const struct text text = encode(spool, bytes);
	struct error err;

	if (file_replace(spool->root_fd, SPOOL_DESTINATION_FILE, 0640, text.bytes, text.length,
			 &err) < 0)
		log_warning("cannot write what segments are recorded for; the next run may take "
			    "another destination for theirs",
			    log_reason(&err));
	(void)pthread_mutex_lock(&spool->lock);
	spool_measure_folders(spool);
	(void)pthread_mutex_unlock(&spool->lock);
}

static bool is_for_another_kind(struct spool_destinations *destinations,
				const struct spool_entry *entry)
{
	return destinations->count > 1 &&
	       !is_same_kind(find_destination(destinations, entry)->name, last(destinations)->name);
}

void spool_destinations_apply(struct spool *spool)
{
	for (size_t i = 0; i < spool->count; i++)
		spool->entries[i]->is_kept_back = is_for_another_kind(&spool->destinations,
								      spool->entries[i]);
}

static bool is_leftover(struct spool_destinations *destinations, const struct spool_entry *entry)
{
	return entry->folder < SPOOL_REJECTED &&
	       strcmp(find_destination(destinations, entry)->name, last(destinations)->name) != 0;
}

/* When nothing waits for an earlier one; not just after a change, when packets from before it may still be on their way. */
static void forget_unused(struct spool *spool)
{
	for (size_t i = 0; i < spool->count && spool->destinations.count > 1; i++)
		if (is_leftover(&spool->destinations, spool->entries[i]))
			return;
	forget_earlier(&spool->destinations);
}

/* Say what waits and was recorded for others. */
static void log_leftovers(struct spool *spool)
{
	struct spool_destinations *destinations = &spool->destinations;
	const struct spool_destination *of_kept = NULL, *of_others = NULL, *found;
	uint64_t kept = 0, others = 0;

	for (size_t i = 0; i < spool->count && destinations->count > 1; i++) {
		const struct spool_entry *entry = spool->entries[i];

		if (!is_leftover(destinations, entry))
			continue;
		found = find_destination(destinations, entry);
		if (entry->is_kept_back) {
			kept++;
			of_kept = found;
		} else {
			others++;
			of_others = found;
		}
	}
	if (kept > 0)
		log_event(EVENT_SEGMENTS_KEPT_BACK, log_number("segments", kept),
			  log_text("recorded_for", of_kept->name),
			  log_text("destination", last(destinations)->name));
	if (others > 0)
		log_event(EVENT_SEGMENTS_REDIRECTED, log_number("segments", others),
			  log_text("recorded_for", of_others->name),
			  log_text("destination", last(destinations)->name));
}

/* It is for this one from now on; true if that is another one than before. */
static bool change_destination(struct spool *spool, const char *name, uint64_t first,
			       uint64_t since_ns)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->lock);
	struct spool_destinations *destinations = &spool->destinations;
	bool is_new = destinations->count == 0 || strcmp(last(destinations)->name, name) != 0;

	forget_unused(spool);
	if (is_new) {
		append(destinations, first, since_ns, name);
		free(take_ptr(destinations->identity));
	}
	spool_destinations_apply(spool);
	log_leftovers(spool);
	return is_new;
}

void spool_set_destination(struct spool *spool, const char *name, uint64_t first, uint64_t since_ns)
{
	if (change_destination(spool, name, first, since_ns))
		save(spool);
}

/* The clock was set back to before the change: what begins from now on begins after it all the same. */
static bool forget_later_time(struct spool *spool, uint64_t now_ns)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->lock);
	struct spool_destinations *destinations = &spool->destinations;

	if (destinations->count == 0 || last(destinations)->since_ns <= now_ns)
		return false;
	last(destinations)->since_ns = 0;
	spool_destinations_apply(spool);
	return true;
}

void spool_destinations_follow_clock(struct spool *spool, uint64_t now_ns)
{
	if (forget_later_time(spool, now_ns))
		save(spool);
}

void spool_destinations_apply_to(struct spool *spool, struct spool_entry *entry)
{
	bool was_kept = entry->is_kept_back;

	entry->is_kept_back = is_for_another_kind(&spool->destinations, entry);
	if (entry->is_kept_back && !was_kept)
		log_leftovers(spool);
}

static bool release_kept(struct spool *spool)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->lock);
	bool has_earlier = spool->destinations.count > 1;

	if (has_earlier) {
		forget_earlier(&spool->destinations);
		spool_destinations_apply(spool);
	}
	return has_earlier;
}

void spool_send_kept_back(struct spool *spool)
{
	if (release_kept(spool))
		save(spool);
}

/* False for an upload that was late: to one that is no longer in use. */
static bool change_identity(struct spool *spool, const char *name, const char *identity)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->lock);
	struct spool_destinations *destinations = &spool->destinations;

	if (destinations->count == 0 || strcmp(last(destinations)->name, name) != 0)
		return false;
	free(destinations->identity);
	destinations->identity = mem_strdup(identity);
	return true;
}

void spool_note_identity(struct spool *spool, const char *name, const char *identity)
{
	if (change_identity(spool, name, identity))
		save(spool);
}

/* The caller frees. */
static char *find_identity(struct spool_destinations *destinations, const char *name)
{
	bool is_known = destinations->count > 0 && destinations->identity &&
			strcmp(last(destinations)->name, name) == 0;

	return mem_strdup(is_known ? destinations->identity : "");
}

char *spool_known_identity(struct spool *spool, const char *name)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->lock);

	return find_identity(&spool->destinations, name);
}

char *spool_read_identity(const char *directory, const char *name)
{
	cleanup_close int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct spool_destinations destinations = { .count = 0 };
	char *identity;
	struct error err;

	if (fd >= 0 && load(fd, &destinations, &err) < 0 && err.errnum != ENOENT)
		log_debug("cannot read what segments were recorded for", log_reason(&err));
	identity = find_identity(&destinations, name);
	free_destinations(&destinations);
	return identity;
}
