/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "spool/name.h"
#include "spool/spool_private.h"

#define SEQUENCE_FILE "sequence"

int spool_next_sequence(struct spool *spool, uint64_t *ret_sequence, struct error *err)
{
	char text[32];
	uint64_t sequence;
	int result;

	(void)pthread_mutex_lock(&spool->lock);
	sequence =
		++spool->sequence; /* also if it cannot be stored: a gap is harmless, a repeat is not */
	(void)snprintf(text, sizeof text, "%ju\n", (uintmax_t)sequence);
	result = file_replace(spool->root_fd, SEQUENCE_FILE, text, strlen(text), err);
	(void)pthread_mutex_unlock(&spool->lock);
	if (result < 0)
		return -1;
	*ret_sequence = sequence;
	return 0;
}

/* The number to go on from: the stored one, or a higher one that a file in the spool bears. */
static int read_sequence(struct spool *spool, struct error *err)
{
	cleanup_free char *text = NULL;
	struct error reading;
	size_t length;

	spool->sequence = 0;
	if (file_read_text(spool->root_fd, SEQUENCE_FILE, 32, &text, &length, &reading) == 0) {
		text[strcspn(text, "\n")] = '\0';
		if (text_parse_number(text, &spool->sequence) < 0)
			log_warning(
				"sequence file is damaged, going on from the files that are there",
				log_text("value", text));
	} else if (errno != ENOENT) {
		return error_set(err, ERROR_FATAL, "%s", reading.message);
	}
	for (enum spool_state state = SPOOL_CAPTURING; state < SPOOL_STATE_COUNT; state++) {
		cleanup_closedir DIR *dir = spool_folder_list(spool, state, err);
		struct dirent *item;
		struct name_parts parts;

		if (!dir)
			return -1;
		while ((item = readdir(dir)))
			if (name_parse(item->d_name, &parts) && parts.sequence > spool->sequence)
				spool->sequence = parts.sequence;
	}
	return 0;
}

/* What an earlier run was sending is to be sent; facts whose segment is gone are of no use. */
static int tidy_up(struct spool *spool, struct error *err)
{
	cleanup_closedir DIR *sending = spool_folder_list(spool, SPOOL_SENDING, err);
	cleanup_closedir DIR *facts = spool_folder_list(spool, SPOOL_FACTS, err);
	struct dirent *item;

	if (!sending || !facts)
		return -1;
	while ((item = readdir(sending)))
		if (item->d_name[0] != '.' &&
		    spool_folder_move(spool, SPOOL_SENDING, SPOOL_READY, item->d_name, err) < 0)
			return -1;
	while ((item = readdir(facts))) {
		bool has_segment = false;

		for (enum spool_state state = SPOOL_CAPTURING; state < SPOOL_FACTS; state++)
			if (faccessat(spool->folder_fd[state], item->d_name, F_OK, 0) == 0)
				has_segment = true;
		if (!has_segment && strcmp(item->d_name, ".") != 0 &&
		    strcmp(item->d_name, "..") != 0)
			(void)unlinkat(spool->folder_fd[SPOOL_FACTS], item->d_name, 0);
	}
	return 0;
}

int spool_open(const char *directory, struct counters *counters, struct spool **ret_spool,
	       struct error *err)
{
	struct spool *spool = mem_calloc(1, sizeof *spool);

	spool->counters = counters;
	(void)pthread_mutex_init(&spool->lock, NULL);
	thread_cond_init(&spool->changed);
	if (spool_folder_open(spool, directory, err) < 0 || read_sequence(spool, err) < 0 ||
	    tidy_up(spool, err) < 0 || spool_rescan(spool, err) < 0) {
		spool_close(spool);
		return error_wrap(err, "spool %s", directory);
	}
	*ret_spool = spool;
	return 0;
}

struct spool *spool_close(struct spool *spool)
{
	if (!spool)
		return NULL;
	spool_folder_close(spool);
	spool_index_clear(spool);
	free(spool->entries);
	(void)pthread_cond_destroy(&spool->changed);
	(void)pthread_mutex_destroy(&spool->lock);
	free(spool);
	return NULL;
}

int spool_create(struct spool *spool, const char *name, const struct segment *segment,
		 struct error *err)
{
	cleanup_close int fd = -1;

	if (spool_facts_write(spool, name, segment, err) < 0)
		return -1;
	fd = openat(spool->folder_fd[SPOOL_CAPTURING], name,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0) {
		error_errno(err, "create segment %s", name);
		spool_facts_remove(spool, name);
		return -1;
	}
	return take_fd(&fd);
}

int spool_publish(struct spool *spool, const char *name, const struct segment *segment,
		  struct error *err)
{
	struct segment told = *segment;
	int result;

	(void)pthread_mutex_lock(&spool->lock);
	for (int i = 0; i < DROP_REASON_COUNT; i++)
		told.drops[i] += spool->carried_drops[i];
	/* The facts first: whoever sees the segment finds them. */
	result = spool_facts_write(spool, name, &told, err);
	if (result == 0)
		result = spool_folder_move(spool, SPOOL_CAPTURING, SPOOL_READY, name, err);
	if (result == 0) {
		memset(spool->carried_drops, 0, sizeof spool->carried_drops);
		spool_index_insert(spool, name, SPOOL_READY, segment->bytes);
		(void)pthread_cond_signal(&spool->changed);
	}
	(void)pthread_mutex_unlock(&spool->lock);
	return result;
}

void spool_discard(struct spool *spool, const char *name)
{
	(void)unlinkat(spool->folder_fd[SPOOL_CAPTURING], name, 0);
	spool_facts_remove(spool, name);
}

int spool_list_unfinished(struct spool *spool, char ***ret_names, size_t *ret_count,
			  struct error *err)
{
	cleanup_closedir DIR *dir = spool_folder_list(spool, SPOOL_CAPTURING, err);
	char **names = NULL;
	size_t count = 0;
	struct dirent *item;

	if (!dir)
		return -1;
	while ((item = readdir(dir))) {
		if (item->d_name[0] == '.')
			continue;
		names = mem_realloc(names, count + 1, sizeof *names);
		names[count++] = mem_strdup(item->d_name);
	}
	*ret_names = names;
	*ret_count = count;
	return 0;
}

int spool_open_unfinished(struct spool *spool, const char *name, struct segment *ret_segment,
			  struct error *err)
{
	struct error reading;
	int fd = openat(spool->folder_fd[SPOOL_CAPTURING], name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return error_errno(err, "open %s", name);
	if (spool_facts_read(spool, name, ret_segment, &reading) < 0)
		spool_facts_guess(name, ret_segment);
	return fd;
}

/* The facts of a claimed file; size and checksum are read from the file if they are not known. */
static int fill_claim(struct spool *spool, struct spool_claim *claim, struct error *err)
{
	struct error reading;
	struct stat st;

	claim->fd = openat(spool->folder_fd[SPOOL_SENDING], claim->name,
			   O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (claim->fd < 0)
		return error_errno(err, "open %s", claim->name);
	if (spool_facts_read(spool, claim->name, &claim->segment, &reading) == 0 &&
	    claim->segment.bytes > 0)
		return 0;
	log_warning("segment has no facts, reading it instead", log_text("name", claim->name),
		    log_reason(&reading));
	spool_facts_guess(claim->name, &claim->segment);
	(void)snprintf(claim->segment.reason, sizeof claim->segment.reason, "unknown");
	if (fstat(claim->fd, &st) < 0 || file_checksum(claim->fd, &claim->segment.crc32c, err) < 0)
		return error_wrap(err, "%s", claim->name);
	claim->segment.bytes = (uint64_t)st.st_size;
	return 0;
}

/* The next ready entry in that order; what an operator has taken away is forgotten. */
static struct spool_entry *take_ready(struct spool *spool, enum spool_order order)
{
	for (size_t i = 0; i < spool->count;) {
		size_t place = order == SPOOL_OLDEST_FIRST ? i : spool->count - 1 - i;
		struct spool_entry *entry = &spool->entries[place];
		struct error err;

		if (entry->state != SPOOL_READY) {
			i++;
			continue;
		}
		if (spool_folder_move(spool, SPOOL_READY, SPOOL_SENDING, entry->name, &err) == 0) {
			entry->state = SPOOL_SENDING;
			return entry;
		}
		log_warning("segment vanished from the spool", log_text("name", entry->name),
			    log_reason(&err));
		spool_facts_remove(spool, entry->name);
		spool_index_delete(spool, entry);
	}
	return NULL;
}

int spool_claim(struct spool *spool, enum spool_order order, unsigned timeout_ms,
		struct spool_claim *ret_claim, struct error *err)
{
	uint64_t deadline_ns = clock_monotonic_ns() + timeout_ms * CLOCK_NS_PER_MS;
	struct spool_claim claim = { .fd = -1 };
	struct spool_entry *entry;
	unsigned wakes;

	(void)pthread_mutex_lock(&spool->lock);
	wakes = spool->wakes;
	while (!(entry = take_ready(spool, order)) && timeout_ms > 0 && wakes == spool->wakes)
		if (!thread_cond_wait_until(&spool->changed, &spool->lock, deadline_ns))
			timeout_ms = 0;
	if (entry)
		(void)snprintf(claim.name, sizeof claim.name, "%s", entry->name);
	(void)pthread_mutex_unlock(&spool->lock);
	if (!claim.name[0])
		return 0;
	if (fill_claim(spool, &claim, err) < 0) {
		struct error releasing;

		if (spool_release(spool, &claim, &releasing) < 0)
			return error_wrap(err, "%s", releasing.message);
		return -1;
	}
	*ret_claim = claim;
	return 1;
}

/* End a claim: the file goes to another folder, or (to SPOOL_STATE_COUNT) is deleted. */
static int end_claim(struct spool *spool, struct spool_claim *claim, enum spool_state to,
		     struct error *err)
{
	struct spool_entry *entry;
	int result = 0;

	if (claim->fd >= 0)
		(void)close(claim->fd);
	claim->fd = -1;
	(void)pthread_mutex_lock(&spool->lock);
	if (to != SPOOL_STATE_COUNT)
		result = spool_folder_move(spool, SPOOL_SENDING, to, claim->name, err);
	else if (unlinkat(spool->folder_fd[SPOOL_SENDING], claim->name, 0) < 0 && errno != ENOENT)
		result = error_errno(err, "remove %s", claim->name);
	entry = spool_index_find(spool, claim->name);
	if (entry && (result < 0 || to == SPOOL_STATE_COUNT))
		spool_index_delete(spool,
				   entry); /* what could not be moved is found by the next start */
	else if (entry)
		entry->state = to;
	if (to == SPOOL_READY)
		(void)pthread_cond_signal(&spool->changed);
	(void)pthread_mutex_unlock(&spool->lock);
	if (to == SPOOL_STATE_COUNT && result == 0)
		spool_facts_remove(spool, claim->name);
	return result;
}

int spool_remove(struct spool *spool, struct spool_claim *claim, struct error *err)
{
	return end_claim(spool, claim, SPOOL_STATE_COUNT, err);
}

int spool_release(struct spool *spool, struct spool_claim *claim, struct error *err)
{
	return end_claim(spool, claim, SPOOL_READY, err);
}

int spool_reject(struct spool *spool, struct spool_claim *claim, struct error *err)
{
	counter_add(&spool->counters->drops[DROP_REJECTED], claim->segment.packets);
	return end_claim(spool, claim, SPOOL_REJECTED, err);
}

void spool_wake(struct spool *spool)
{
	(void)pthread_mutex_lock(&spool->lock);
	spool->wakes++;
	(void)pthread_cond_broadcast(&spool->changed);
	(void)pthread_mutex_unlock(&spool->lock);
}
