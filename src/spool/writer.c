/* SPDX-License-Identifier: Apache-2.0 */
/* A segment in capturing/, from its first byte until it is finished, or left. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "spool/spool_private.h"

/* A segment is begun if this much fits: a file's first block, and that of its metadata. */
#define BEGIN_BYTES 8192
#define NOTE_MS     1000 /* at least, between two notes of what the open segment has and lacks */
#define READY_MANY  4    /* with as many waiting, the newest one is not read soon */

static struct spool_writer *writer_new(struct spool *spool, struct spool_entry *entry, int fd)
{
	struct spool_writer *writer = mem_calloc(1, sizeof *writer);

	writer->spool = spool;
	writer->entry = entry;
	writer->name = entry->name;
	segment_file_init(&writer->file, fd);
	return writer;
}

static void writer_free(struct spool_writer *writer)
{
	close_fd(&writer->file.fd);
	free(writer);
}

int spool_begin(struct spool *spool, const struct segment *segment, const char *extension,
		struct spool_writer **ret_writer, struct error *err)
{
	struct segment begun = *segment;
	char name[SEGMENT_NAME_MAX + 1];
	struct spool_entry *entry;
	int fd = -1;

	if (spool_make_room(spool, begun.interface, BEGIN_BYTES, err) < 0 ||
	    spool_next_sequence(spool, &begun.sequence, err) < 0)
		return -1;
	text_make_uuid(begun.id);
	name_format(begun.node, begun.interface, begun.start_ns, begun.sequence, extension, name);
	/* In the list before there is a file: what is in no list has no owner. */
	(void)pthread_mutex_lock(&spool->lock);
	entry = spool_entries_insert(spool, name, SPOOL_CAPTURING);
	entry->is_claimed = true;
	(void)pthread_mutex_unlock(&spool->lock);
	if (spool_metadata_create(spool, name, &begun, err) == 0) {
		fd = openat(spool->folder_fd[SPOOL_CAPTURING], name,
			    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
		if (fd < 0)
			error_errno(err, "create segment %s", name);
	}
	if (fd < 0) {
		/* Nothing of it is on the disk yet, or what is there is of no use. */
		(void)pthread_mutex_lock(&spool->lock);
		(void)unlinkat(spool->folder_fd[SPOOL_CAPTURING], name, 0);
		spool_entries_delete(spool, entry);
		(void)pthread_mutex_unlock(&spool->lock);
		return -1;
	}
	spool_account_sidecars(spool, entry);
	*ret_writer = writer_new(spool, entry, fd);
	(*ret_writer)->segment = begun;
	(*ret_writer)->noted_ms = clock_monotonic_ms();
	return 0;
}

/* Account what the file takes now; true if somebody has deleted it. */
static bool account_file(struct spool_writer *writer)
{
	struct spool *spool = writer->spool;
	struct stat st;

	/* What cannot be measured is accounted as what was reserved. */
	if (fstat(writer->file.fd, &st) < 0)
		return false;
	(void)pthread_mutex_lock(&spool->lock);
	spool_set_bytes(spool, writer->entry, (uint64_t)st.st_blocks * 512);
	(void)pthread_mutex_unlock(&spool->lock);
	return st.st_nlink == 0;
}

int spool_append(struct spool_writer *writer, const void *member, size_t length,
		 uint64_t plain_bytes, struct error *err)
{
	int result = writer->is_settled
			     ? spool_reserve_extra(writer->spool, writer->entry, length, err)
			     : spool_reserve_room(writer->spool, writer->entry, length, err);

	if (result < 0)
		return -1;
	result = segment_file_append(&writer->file, member, length, err);
	writer->segment.pcap_bytes += result == 0 ? plain_bytes : 0;
	writer->segment.bytes = writer->file.bytes;
	writer->segment.crc32c = writer->file.crc32c;
	if (account_file(writer) && result == 0)
		result = error_set(err, ERROR_FATAL, "%s was deleted by somebody else",
				   writer->name);
	return result;
}

int spool_settle(struct spool_writer *writer, struct error *err)
{
	struct segment settled = writer->segment;

	if (segment_file_sync(&writer->file, false, err) < 0)
		return -1;
	/* Of a file that still grows, they would be taken for the whole one's. */
	settled.bytes = 0;
	settled.crc32c = 0;
	settled.data_bytes = writer->file.bytes;
	if (spool_ledger_write_metadata(writer->spool, writer->name, &settled, err) < 0)
		return -1;
	settled.bytes = writer->segment.bytes;
	settled.crc32c = writer->segment.crc32c;
	writer->segment = settled;
	writer->is_settled = true;
	return 0;
}

int spool_note(struct spool_writer *writer, struct error *err)
{
	struct segment unfinished = writer->segment;

	/* Of a file that still grows, they would be taken for the whole one's. */
	unfinished.bytes = 0;
	unfinished.crc32c = 0;
	if (spool_metadata_write(writer->spool, SPOOL_METADATA, writer->name, &unfinished, err) < 0)
		return -1;
	(void)pthread_mutex_lock(&writer->spool->lock);
	spool_entry_learn(writer->entry, &writer->segment);
	(void)pthread_mutex_unlock(&writer->spool->lock);
	return 0;
}

void spool_note_progress(struct spool_writer *writer)
{
	uint64_t drops = drops_sum(&writer->segment.drops), packets = writer->segment.packets;
	uint64_t now_ms = clock_monotonic_ms();
	struct error err;

	if ((drops == writer->noted_drops && packets == writer->noted_packets) ||
	    now_ms - writer->noted_ms < NOTE_MS)
		return;
	writer->noted_ms = now_ms;
	if ((drops != writer->noted_drops ||
	     spool_metadata_note_packets(writer->spool, writer->name, packets, &err) < 0) &&
	    spool_note(writer, &err) < 0) {
		log_debug("cannot note what the open segment has", log_reason(&err));
		return;
	}
	writer->noted_drops = drops;
	writer->noted_packets = packets;
}

/* The metadata that are there stay: drops that they do not say are stated by another segment, and no more by this one. */
static void move_unsaid_drops(struct spool_writer *writer)
{
	struct segment *segment = &writer->segment;
	struct segment said = { .packets = 0 };
	struct drops unsaid = { 0 };
	struct error err;

	if (spool_metadata_read(writer->spool, SPOOL_METADATA, writer->name, &said, &err) < 0)
		log_debug("segment has no metadata", log_reason(&err));
	for (int i = 0; i < DROP_REASON_COUNT; i++)
		if (segment->drops.count[i] > said.drops.count[i])
			unsaid.count[i] = segment->drops.count[i] - said.drops.count[i];
	segment->drops = said.drops;
	spool_add_loss(writer->spool, segment->interface, segment->start_ns, segment->end_ns,
		       &unsaid);
}

static void log_finished(const struct spool_writer *writer)
{
	const struct segment *segment = &writer->segment;
	struct losses losses;

	losses_of_segment(segment, &losses);
	log_event(EVENT_SEGMENT_FINISHED, log_text("name", writer->name),
		  log_text("end", segment->reason), log_number("packets", segment->packets),
		  log_number("bytes", segment->bytes),
		  log_number("drops", drops_sum(&segment->drops)),
		  log_number("lost_before", losses_packets(&losses)));
}

/* Rename and list as one: a rescan sees both or none. */
static int writer_move(struct spool_writer *writer, enum spool_folder folder, struct error *err)
{
	struct spool *spool = writer->spool;
	struct spool_entry *entry = writer->entry;
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&spool->lock);

	if (spool_folder_move(spool, SPOOL_CAPTURING, folder, entry->name, err) < 0)
		return -1;
	spool_entry_set_folder(spool, entry, folder);
	spool_set_bytes(spool, entry, spool_allocated(spool->folder_fd[folder], entry->name));
	spool_measure_sidecars(spool, entry);
	spool_measure_folders(spool);
	spool_entry_learn(entry, &writer->segment);
	entry->is_claimed = false;
	entry->failures = 0;
	entry->not_before_ms = 0;
	spread_begin(entry, &writer->segment);
	spool->refused += folder == SPOOL_REJECTED;
	spool_destinations_apply_to(spool, entry);
	spool_recent_add(spool, entry->name, &writer->segment);
	if (!writer->is_recovered)
		ended_add(&spool->ended, entry->name, writer->segment.start_ns);
	return 0;
}

/* Somebody has deleted the file that was being written: its packets are lost, and another one states it. */
static void lose_segment(struct spool_writer *writer)
{
	struct spool *spool = writer->spool;

	log_event(EVENT_OPEN_SEGMENT_DELETED, log_text("name", writer->name),
		  log_number("packets", writer->segment.packets));
	(void)pthread_mutex_lock(&spool->lock);
	spool_count_lost(spool, writer->entry, &writer->segment);
	(void)pthread_mutex_unlock(&spool->lock);
	writer_free(writer);
}

/* What is behind the packets is not worth them: where it cannot be made durable, the file is published without. */
static int sync_file(struct spool_writer *writer, bool is_read_late, struct error *err)
{
	struct segment *segment = &writer->segment;

	if (segment_file_sync(&writer->file, is_read_late, err) == 0)
		return 0;
	if (!writer->is_settled)
		return -1;
	log_info("segment has no index", log_text("name", writer->name), log_reason(err));
	if (segment_file_cut_to_synced(&writer->file, err) < 0)
		return -1;
	(void)account_file(writer);
	segment->bytes = writer->file.bytes;
	segment->crc32c = writer->file.crc32c;
	segment->index[0] = '\0';
	return 0;
}

int spool_finish(struct spool_writer *writer)
{
	struct spool *spool = writer->spool;
	struct error err, noting;
	bool is_read_late, is_unsaid;
	int result;

	/* Is it to wait while others are uploaded? Then it leaves the page cache by itself: sooner is better. */
	(void)pthread_mutex_lock(&spool->lock);
	is_read_late = spool->counts[SPOOL_READY] >= READY_MANY;
	(void)pthread_mutex_unlock(&spool->lock);
	if (account_file(writer)) {
		lose_segment(writer);
		return -1;
	}
	result = sync_file(writer, is_read_late, &err);
	/* Whoever sees the segment finds its metadata; for want of new ones, those of its beginning. */
	is_unsaid = result == 0 ? spool_ledger_write_metadata(spool, writer->name, &writer->segment,
							      &noting) < 0
				: spool_note(writer, &noting) < 0;
	if (result == 0 && is_unsaid)
		log_warning("cannot update segment metadata; publishing with the initial metadata",
			    log_text("name", writer->name), log_reason(&noting));
	/* Before an uploader can say that it has sent it, and with the losses that it states. */
	if (!writer->is_recovered)
		log_finished(writer);
	if (is_unsaid)
		move_unsaid_drops(writer);
	if (result == 0)
		result = writer_move(writer, SPOOL_READY, &err);
	if (result < 0) {
		spool_leave_for_recovery(writer, &err);
		return -1;
	}
	spool_notify(spool);
	/* The new name first: after a power failure the file may be in both places, never in neither. */
	spool_folder_sync(spool, SPOOL_READY);
	spool_folder_sync(spool, SPOOL_CAPTURING);
	writer_free(writer);
	return 0;
}

int spool_drop(struct spool_writer *writer)
{
	struct spool *spool = writer->spool;
	struct error err;
	int result;

	(void)pthread_mutex_lock(&spool->lock);
	result = spool_ledger_delete(spool, writer->entry, &writer->segment, DROP_DISK, &err);
	if (result == 0)
		spool_entries_delete(spool, writer->entry);
	(void)pthread_mutex_unlock(&spool->lock);
	if (result == 0)
		writer_free(writer);
	else
		spool_leave_for_recovery(writer, &err);
	return result;
}

void spool_leave_for_recovery(struct spool_writer *writer, const struct error *reason)
{
	struct spool *spool = writer->spool;
	struct spool_entry *entry = writer->entry;
	cleanup_free char *copy = spool_temporary_name(writer->name);
	struct error exchanging;
	struct stat st;
	int exchanged;

	(void)pthread_mutex_lock(&spool->lock);
	exchanged = spool_finish_exchange(spool, writer->name, &exchanging);
	if (exchanged == 0)
		(void)unlinkat(spool->folder_fd[SPOOL_CAPTURING], copy, 0);
	if (exchanged == 0 &&
	    fstatat(spool->folder_fd[SPOOL_CAPTURING], entry->name, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	    errno == ENOENT) {
		spool_count_lost(spool, entry, &writer->segment);
	} else {
		if (reason && !writer->is_recovered)
			log_event(EVENT_PUBLISH_FAILED, log_text("name", entry->name),
				  log_reason(reason));
		else if (reason && writer->failures == 0)
			log_event(EVENT_RECOVERY_FAILED, log_text("name", entry->name),
				  log_reason(reason));
		spool_set_bytes(spool, entry,
				spool_allocated(spool->folder_fd[SPOOL_CAPTURING], entry->name));
		/* Less was found in the file, and could not be noted: that is still to be counted. */
		if (writer->segment.packets >= entry->packets)
			spool_entry_learn(entry, &writer->segment);
		entry->is_claimed = false;
		if (reason && exchanged <= 0)
			spool_entry_failed(entry, clock_monotonic_ms());
	}
	(void)pthread_mutex_unlock(&spool->lock);
	writer_free(writer);
}

/* Recovery: a crash left the file, or a disk that did not take its end. */
struct spool_writer *spool_take_unfinished(struct spool *spool)
{
	for (;;) {
		struct spool_writer *writer;
		struct spool_entry *entry;
		struct error err;
		int fd;

		(void)pthread_mutex_lock(&spool->lock);
		entry = spool_entries_first(spool, SPOOL_CAPTURING, NULL, clock_monotonic_ms());
		if (entry)
			entry->is_claimed = true;
		(void)pthread_mutex_unlock(&spool->lock);
		if (!entry)
			return NULL;
		fd = openat(spool->folder_fd[SPOOL_CAPTURING], entry->name,
			    O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			error_errno(&err, "open %s", entry->name);
		writer = writer_new(spool, entry, fd);
		writer->is_recovered = true;
		writer->failures = entry->failures;
		spool_metadata_recall(spool, entry, &writer->segment);
		writer->segment.is_rejected = 0; /* an operator may have moved it back */
		if (fd >= 0)
			return writer;
		spool_leave_for_recovery(writer, &err);
	}
}

int spool_quarantine(struct spool_writer *writer)
{
	struct segment segment = writer->segment;
	struct spool *spool = writer->spool;
	struct error err;

	spool_note_rejected(spool, writer->name, &segment, true);
	if (writer_move(writer, SPOOL_REJECTED, &err) < 0) {
		spool_note_rejected(spool, writer->name, &segment, false);
		spool_leave_for_recovery(writer, &err);
		return -1;
	}
	spool_count_rejected(spool, &segment);
	writer_free(writer);
	return 0;
}
