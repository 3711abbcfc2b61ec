/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the next segment has to tell: the drops of segments that were deleted for want of room, and their
 * packets. Kept in the file `carried`, so that a crash loses none of it and tells none twice: the file
 * names the segment that is about to be deleted, and bears a number that the facts of the segment which
 * tells it bear as well.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "segment/name.h"
#include "spool/spool_private.h"

#define CARRIED_FILE SPOOL_CARRIED_FILE
#define CARRIED_MAX  1024

/* With carry_lock. A disk that takes nothing keeps it in memory, until it does. */
static int write_carried(struct spool *spool, const char *deleting, struct error *err)
{
	char bytes[CARRIED_MAX];
	struct text text = text_over(bytes, sizeof bytes);

	text_append(&text, "%ju", (uintmax_t)spool->carried.number);
	for (int i = 0; i < DROP_REASON_COUNT; i++)
		text_append(&text, " %ju", (uintmax_t)spool->carried.drops.count[i]);
	text_append(&text, " %s\n", deleting);
	spool->carried.is_unwritten = true;
	if (file_replace(spool->root_fd, CARRIED_FILE, text.bytes, text.length, err) < 0)
		return -1;
	spool->carried.is_unwritten = false;
	return 0;
}

/* With carry_lock. */
static void add(struct spool *spool, const struct drops *drops, const char *deleting)
{
	struct error err;

	drops_add(&spool->carried.drops, drops);
	if ((!drops_is_zero(drops) || spool->carried.is_unwritten) &&
	    write_carried(spool, deleting, &err) < 0)
		log_debug("drops cannot be noted, a crash would lose them", log_reason(&err));
}

void spool_carry_was_lost(struct spool *spool)
{
	(void)pthread_mutex_lock(&spool->carry_lock);
	spool->carried.is_unwritten = true;
	(void)pthread_mutex_unlock(&spool->carry_lock);
}

void spool_carry_settle(struct spool *spool)
{
	static const struct drops none;

	spool_carry(spool, &none);
}

void spool_carry(struct spool *spool, const struct drops *drops)
{
	(void)pthread_mutex_lock(&spool->carry_lock);
	add(spool, drops, "");
	(void)pthread_mutex_unlock(&spool->carry_lock);
}

int spool_carry_deletion(struct spool *spool, enum spool_state state, const char *name,
			 const struct drops *drops, struct error *err)
{
	struct spool_carried before;
	struct error undoing;
	int result = 0;

	/* Held throughout: nobody may tell drops that do not come true. */
	(void)pthread_mutex_lock(&spool->carry_lock);
	before = spool->carried;
	add(spool, drops, name);
	if (unlinkat(spool->folder_fd[state], name, 0) < 0 && errno != ENOENT) {
		result = error_errno(err, "remove %s", name);
		spool->carried = before;
		if (!drops_is_zero(drops) && write_carried(spool, "", &undoing) < 0)
			log_debug("noted drops cannot be taken back", log_reason(&undoing));
	}
	(void)pthread_mutex_unlock(&spool->carry_lock);
	return result;
}

/* One field of the file; cuts it off. */
static int take_number(char **text, uint64_t *ret_number)
{
	char *end = *text + strcspn(*text, " ");

	if (!*end)
		return -1;
	*end = '\0';
	if (text_parse_number(*text, ret_number) < 0)
		return -1;
	*text = end + 1;
	return 0;
}

int spool_carried_parse(char *text, struct spool_carried *ret_carried, const char **ret_deleting)
{
	struct spool_carried carried = { .number = 0 };

	text[strcspn(text, "\n")] = '\0';
	if (take_number(&text, &carried.number) < 0)
		return -1;
	for (int i = 0; i < DROP_REASON_COUNT; i++)
		if (take_number(&text, &carried.drops.count[i]) < 0)
			return -1;
	*ret_carried = carried;
	*ret_deleting = text;
	return 0;
}

/* A crash came between the note and the deletion: the packets are counted as dropped, so they go. */
static int finish_deletion(struct spool *spool, const char *name, struct error *err)
{
	struct name_parts parts;

	if (!name_parse(name, &parts) || strchr(name, '/'))
		return 0;
	for (enum spool_state state = SPOOL_CAPTURING; state <= SPOOL_SENDING; state++)
		if (unlinkat(spool->folder_fd[state], name, 0) < 0 && errno != ENOENT)
			return error_errno(err, "remove %s", name);
	return 0;
}

/* Did the segment that was to tell it get that far? */
static int forget_what_was_told(struct spool *spool, struct error *err)
{
	cleanup_closedir DIR *dir = spool_folder_list(spool, SPOOL_FACTS, err);
	struct segment segment;
	struct dirent *item;
	struct error reading;

	if (!dir)
		return -1;
	if (drops_is_zero(&spool->carried.drops))
		return 0;
	while ((item = readdir(dir)))
		if (spool_facts_read(spool, item->d_name, &segment, &reading) == 0 &&
		    segment.carried == spool->carried.number && segment.carried > 0) {
			spool->carried.drops = (struct drops){ 0 };
			spool->carried.number++;
			return write_carried(spool, "", err);
		}
	return 0;
}

int spool_carry_open(struct spool *spool, struct error *err)
{
	cleanup_free char *text = NULL;
	struct error reading;
	const char *deleting;
	size_t length;

	/* As no segment's facts have it already. */
	spool->carried = (struct spool_carried){ .number = clock_real_ns() };
	if (file_read_text(spool->root_fd, CARRIED_FILE, CARRIED_MAX, &text, &length, &reading) <
	    0) {
		if (reading.errnum == ENOENT)
			return 0;
		*err = reading;
		return -1;
	}
	if (spool_carried_parse(text, &spool->carried, &deleting) < 0) {
		log_warning("file of carried drops is damaged, what it told is lost",
			    log_text("name", CARRIED_FILE));
		return 0;
	}
	if (finish_deletion(spool, deleting, err) < 0)
		return -1;
	return forget_what_was_told(spool, err);
}

int spool_carry_tell(struct spool *spool, const char *name, struct segment *segment,
		     struct error *err)
{
	struct segment told = *segment;
	struct error writing;
	bool has_any;
	int result;

	(void)pthread_mutex_lock(&spool->carry_lock);
	has_any = !drops_is_zero(&spool->carried.drops);
	if (has_any) {
		drops_add(&told.drops, &spool->carried.drops);
		told.carried = spool->carried.number;
	}
	result = spool_facts_write(spool, name, &told, err);
	if (result == 0 && has_any) {
		spool->carried.drops = (struct drops){ 0 };
		spool->carried.number++;
		if (write_carried(spool, "", &writing) < 0)
			log_debug("drops were told but stay noted", log_reason(&writing));
		*segment = told;
	}
	(void)pthread_mutex_unlock(&spool->carry_lock);
	return result;
}
