/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the parts of the spool call of one another, from the bottom to the top: each file calls only those
 * above it in this list. "Locked" functions want spool->lock held by the caller.
 */

#include <dirent.h>
#include <sys/stat.h>

#include "spool/spool.h"
#include "spool/spool_state.h"

/* layout.c: folders and files -------------------------------------------------------------------- */

#define SPOOL_LOCK_FILE "lock"
extern const char *const spool_folder_names[SPOOL_FOLDERS];

/* Has it the name of a file that the spool makes, in its root folder or in one of those below? */
bool spool_is_our_file(const char *name);
/* The name of a file in lost/, NUMBER.REASON; false if it has another shape. */
bool spool_loss_parse_name(const char *name, uint64_t *ret_number, enum drop_reason *ret_reason);
/* Is it the temporary file, ".NAME.new", of a file_replace() of one of ours? */
bool spool_is_temporary(const char *name);
/* A folder that the spool has, or that an older version of it had. */
bool spool_is_folder_name(const char *name);
/* Make and open the folders, and keep other processes out. */
int spool_folder_open(struct spool *spool, const char *directory, struct error *err)
	__attribute__((warn_unused_result));
/* The parts of that: the root folder; the others, with what an older version left in its own. */
int spool_folder_open_root(struct spool *spool, const char *directory, struct error *err)
	__attribute__((warn_unused_result));
int spool_folder_open_all(struct spool *spool, struct error *err)
	__attribute__((warn_unused_result));
void spool_folder_close(struct spool *spool);
/* Are the folders that are open those that have the names? */
bool spool_folder_is_intact(const struct spool *spool);
/* err of these, as an error of the start: ERROR_CONFIG is what the user must change. */
int spool_folder_start_error(struct error *err);
/* The names in a folder; the caller closes it. NULL on errors. */
DIR *spool_list_folder(int folder_fd, struct error *err) __attribute__((warn_unused_result));
bool spool_folder_has(const struct spool *spool, enum spool_folder folder, const char *name);
/* Rename between folders; not synced. err->errnum is ENOENT if the file is in neither of them. */
int spool_folder_move(const struct spool *spool, enum spool_folder from, enum spool_folder to,
		      const char *name, struct error *err) __attribute__((warn_unused_result));
/* Make a folder's names durable; a failure is only logged. */
void spool_folder_sync(const struct spool *spool, enum spool_folder folder);

/* sequence.c ------------------------------------------------------------------------------------- */

/* A number that no other segment and no file in lost/ has or had, also in other runs. */
int spool_next_sequence(struct spool *spool, uint64_t *ret_sequence, struct error *err)
	__attribute__((warn_unused_result));
int spool_sequence_open(struct spool *spool, struct error *err) __attribute__((warn_unused_result));
/* What was reserved and not used can be used by the next run. */
void spool_sequence_close(struct spool *spool);

/* notify.c ---------------------------------------------------------------------------------------- */

struct spool_watch {
	uint64_t events;
	unsigned wakes;
};

/* Something has become ready, or may have. */
void spool_notify(struct spool *spool, bool is_wake);
struct spool_watch spool_watch(struct spool *spool);
/*
 * Wait for something newer than `seen`, or until due_ms. False once it is no use: the deadline has come, or
 * spool_wake() was called since there were `wakes` of them.
 */
bool spool_wait_for_more(struct spool *spool, uint64_t deadline_ns, uint64_t due_ms,
			 struct spool_watch *seen, unsigned wakes);

/* entries.c: the list; all of it locked ---------------------------------------------------------- */

struct spool_entry *spool_entries_insert(struct spool *spool, const char *name,
					 enum spool_folder folder);
struct spool_entry *spool_entries_find(struct spool *spool, const char *name);
/* Behind the others, wherever its place is; not counted. */
struct spool_entry *spool_entries_append(struct spool *spool, const char *name,
					 enum spool_folder folder);
/* The first by name in this folder that nobody has claimed, or NULL. */
struct spool_entry *spool_entries_first(struct spool *spool, enum spool_folder folder);
void spool_entry_set_folder(struct spool *spool, struct spool_entry *entry,
			    enum spool_folder folder);
/*
 * The next one to send: the first in that order. What is held after failures waits for its time (the
 * nearest is put into ret_due_ms), and in a newest-first run comes last, but at once. NULL: none now.
 */
struct spool_entry *spool_entries_next(struct spool *spool, enum spool_order order, uint64_t now_ms,
				       uint64_t *ret_due_ms);
/* It failed for now. From the third time on it is held, for longer each time. */
void spool_entry_failed(struct spool_entry *entry, uint64_t now_ms);
/* What is to be known of an upload while the disk does not take it; NULL: nothing. Wipes what was. */
void spool_entry_set_upload_state(struct spool_entry *entry, const char *text);
void spool_entry_free(struct spool_entry *entry);
void spool_entries_delete(struct spool *spool, struct spool_entry *entry);
void spool_entries_clear(struct spool *spool);

/* accounting.c: what our files take, as du counts it --------------------------------------------- */

/* Blocks, as du counts them; 0 for what is not there. */
uint64_t spool_allocated(int folder_fd, const char *name);
/* Locked. */
void spool_set_bytes(struct spool *spool, struct spool_entry *entry, uint64_t bytes);
void spool_measure_sidecars(struct spool *spool, struct spool_entry *entry);
void spool_measure_folders(struct spool *spool);
uint64_t spool_bytes_taken(const struct spool *spool);
/* Its sidecars have changed. Locks. */
void spool_account_sidecars(struct spool *spool, struct spool_entry *entry);

/* sidecar.c: metadata/NAME, upload-state/NAME ---------------------------------------------------- */

/* Durable as far as the folder can be synced. After an error those of before are there. */
int spool_metadata_write(struct spool *spool, const char *name, const struct segment *segment,
			 struct error *err) __attribute__((warn_unused_result));
/* The first ones of a new segment: not synced. */
int spool_metadata_create(struct spool *spool, const char *name, const struct segment *segment,
			  struct error *err) __attribute__((warn_unused_result));
/* -1 with err if there are none, or none that can be used. */
int spool_metadata_read(const struct spool *spool, enum spool_folder folder, const char *name,
			struct segment *ret_segment, struct error *err)
	__attribute__((warn_unused_result));
/* What there is to know: from the metadata, or the name; and the packets that only the list knows. */
void spool_metadata_recall(const struct spool *spool, const struct spool_entry *entry,
			   struct segment *ret_segment);
/* The process ended while it sent this segment: nobody knows how that ended. */
void spool_upload_state_note_unknown(struct spool *spool, const char *name);
void spool_delete_sidecars(struct spool *spool, const char *name);

/* ledger.c: losses ------------------------------------------------------------------------------- */

/* Forget what segments have stated already. */
int spool_ledger_open(struct spool *spool, struct error *err) __attribute__((warn_unused_result));
/* Losses of segments that are in the list after all are none: their deletion was not done. Locked. */
void spool_ledger_undo_unfinished(struct spool *spool);
/*
 * Write the metadata of a segment that is finished, with all losses that were not stated yet, which are put
 * into segment as well.
 */
int spool_ledger_state(struct spool *spool, const char *name, struct segment *segment,
		       struct error *err) __attribute__((warn_unused_result));
/*
 * Delete a segment's file; what it held, lacked and stated is lost for this reason. Both or, after an error,
 * neither, also if the process ends in between. Locked; its entry stays.
 */
int spool_ledger_delete(struct spool *spool, const struct spool_entry *entry,
			const struct segment *segment, enum drop_reason reason, struct error *err)
	__attribute__((warn_unused_result));
/* The segment's file is gone, not by us: count its packets as dropped. Locked; the entry goes. */
void spool_count_lost(struct spool *spool, struct spool_entry *entry);
/* The segment is in rejected/ now: count its packets as discarded and dropped. */
void spool_count_rejected(struct spool *spool, const struct segment *segment);
/* Write down what no file has. A failure is only logged: tried again when called again. */
void spool_ledger_save(struct spool *spool);

/* scan.c: from the folders to the list ----------------------------------------------------------- */

/* What an earlier run left half done: back to ready/, or away. */
int spool_clean_up(struct spool *spool, struct error *err) __attribute__((warn_unused_result));
/* Make the list again. Locked. */
int spool_scan(struct spool *spool, struct error *err) __attribute__((warn_unused_result));

/* room.c ----------------------------------------------------------------------------------------- */

/*
 * Is there room to write so many bytes more to the entry's file, or (NULL) to begin a segment with
 * so many? Deletes what the policy allows (rejected first, then the oldest ready), counted and logged.
 * ERROR_TRANSIENT: there is none; others: the disk.
 */
int spool_make_room(struct spool *spool, struct spool_entry *entry, uint64_t bytes,
		    struct error *err) __attribute__((warn_unused_result));
/* Delete what is over the budget. Failures are logged. */
void spool_enforce(struct spool *spool);

/* claim.c ---------------------------------------------------------------------------------------- */

/* Delete what spool_remove() could not; tried again when called again. */
void spool_finish_removals(struct spool *spool);

/* writer.c --------------------------------------------------------------------------------------- */

/* A writer on this file of the entry, which takes fd. */
struct spool_writer *spool_writer_new(struct spool *spool, struct spool_entry *entry, int fd);
/* It ends, whatever became of its file. */
void spool_writer_free(struct spool_writer *writer);
/* Move the file to this folder, or leave it where it is. Rename and list as one: a rescan sees both or none. */
int spool_writer_move(struct spool_writer *writer, enum spool_folder folder, struct error *err)
	__attribute__((warn_unused_result));
