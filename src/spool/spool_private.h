/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The spool as its parts see it: plain data, and which lock guards what; and what they call of one another, from
 * the bottom to the top: each file calls only those above it in this list. "Locked" functions want spool->lock held
 * by the caller. For src/spool and its tests.
 */

#include <dirent.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/counters.h"
#include "base/thread.h"
#include "segment/losses.h"
#include "spool/ended.h"
#include "spool/spool.h"

/*
 * Segments are in CAPTURING to REJECTED, and in KEPT; METADATA and UPLOAD_STATE hold files of their names, and for those
 * in KEPT, KEPT_METADATA does: for a version that does not know them they are no segments of which the file is lost.
 */
enum spool_folder {
	SPOOL_CAPTURING,
	SPOOL_READY,
	SPOOL_SENDING,
	SPOOL_REJECTED,
	SPOOL_METADATA,
	SPOOL_UPLOAD_STATE,
	SPOOL_LOST, /* see ledger.c */
	SPOOL_KEPT, /* this one and what follows are there only while they are needed: see kept.c */
	SPOOL_KEPT_METADATA,
	SPOOL_FOLDERS,
};

/* What the spool may take, and what it takes. */
struct budget {
	enum conf_spool_when_full policy;
	uint64_t max_segments; /* of each interface, that are finished and not sent yet */
	uint64_t max_bytes;    /* of our files and folders, as du counts them; 0: no limit */
	struct conf_share min_free, min_free_inodes; /* how much is left to others */
	unsigned workers; /* that send at a time: room for the upload state of each is kept free */
	uint64_t keep_ns; /* what is uploaded stays for so long after its end; 0: not at all */
};

struct budget_state {
	uint64_t segments; /* of one interface */
	uint64_t bytes;
	uint64_t disk_total, disk_free;     /* bytes; total 0: unknown */
	uint64_t inodes_total, inodes_free; /* total 0: the file system has no such limit */
	uint64_t all_segments;              /* of all interfaces */
};

/* What waits of one interface. Without an entry it is freed. */
struct spool_interface {
	struct spool_interface *next;
	char name[SEGMENT_INTERFACE_MAX + 1]; /* as file names have it */
	size_t entries;
	uint64_t finished; /* of them, outside of CAPTURING and KEPT */
	bool is_full;      /* nothing may be deleted for another one of them */
};

struct spool_entry {
	char *name;
	struct spool_interface *interface;
	enum spool_folder folder;
	uint64_t bytes;         /* allocated, or about to be */
	uint64_t sidecar_bytes; /* allocated for metadata and upload state */
	/*
	 * A writer or a claim has it: nobody else may work on it. If not, in SENDING: it could not be moved
	 * back, and can be claimed again; in CAPTURING: it is to be recovered.
	 */
	bool is_claimed;
	bool is_kept_back; /* recorded for a destination of another kind: not to be sent */
	bool is_proven; /* the sink has it, and its file could not be deleted yet: stays claimed */
	/* What its metadata say, or said: somebody may take them away with the file. */
	bool is_known;
	uint64_t packets; /* the most that are known of */
	struct drops drops;
	char *attachments; /* with the losses of others that it states; NULL: none */
	unsigned failures;
	uint64_t not_before_ms; /* monotonic: until then others come first */
	/* When it ended (monotonic) and began (real), if its upload is spread, by this share; 0: it is not. */
	uint64_t ended_ms, start_ns;
	uint32_t share;
	char *upload_state; /* what upload-state/NAME should hold, and the disk did not take; a secret */
	uint64_t end_ns; /* in KEPT: when it ended (real); 0: not known yet */
};

/* See destinations.c. */
#define SPOOL_DESTINATIONS_MAX 16
struct spool_destination {
	uint64_t first; /* the number of the first segment for it … */
	uint64_t
		since_ns; /* … which does not begin before this (real time), as its captures do not */
	char *name;
};
struct spool_destinations {
	size_t count;
	struct spool_destination
		list[SPOOL_DESTINATIONS_MAX]; /* in order; the last one is in use */
	char *identity;                       /* of the last one, or NULL */
};

struct spool {
	char *directory;
	int root_fd,
		folder_fd[SPOOL_FOLDERS]; /* with `lock` held, those of KEPT and behind it, or -1 */
	int lock_fd;                      /* of the file `lock`: there is one process per spool */
	struct counters *counters;
	atomic_bool is_full, is_removed;

	pthread_mutex_t sequence_lock; /* the innermost */
	atomic_uint_fast64_t sequence; /* the last one given out */
	bool is_sequence_guessed;      /* at the start: from the names in use */
	uint64_t sequence_end;         /* the last one that may be, until more are reserved */

	pthread_mutex_t destination_lock; /* while that file is written: taken before all others */

	pthread_mutex_t budget_lock;
	struct budget budget;
	struct spool_interface *interfaces; /* changed with `lock` held as well */

	/*
	 * For those who state losses, over several syncs: taken before all others, and never with `lock` held. The
	 * other one, for what follows, is held over no sync but that of a block of numbers, and may be taken with `lock` held, not the other
	 * way round.
	 */
	pthread_mutex_t stating_lock;
	pthread_mutex_t ledger_lock;
	struct losses pending;  /* that are in no file yet */
	uint64_t losses_stated; /* the number of the last file in lost/ that a segment has stated */
	size_t loss_files;      /* in lost/ and not stated */
	bool has_unreadable_loss, has_unlisted_losses; /* logged already */
	atomic_uint_fast64_t loss_bytes;

	/* An event count for those who wait for a segment: its lock is never held for longer than this. */
	pthread_mutex_t event_lock;
	pthread_cond_t changed;
	uint64_t events;
	unsigned wakes; /* of them, how often spool_wake() was called */

	/* upload.spread; and when spool_hurry() was called last (real time). 0: off; never. */
	atomic_uint_fast64_t spread_ms, hurried_ns;

	pthread_mutex_t lock;     /* for all that follows; held while a file is moved or deleted */
	struct budget_state disk; /* when last looked at; segments and bytes are not in it */
	struct spool_entry *
		*entries; /* all segments, in name order; an entry stays where it is in memory */
	size_t count, capacity;
	size_t counts[SPOOL_FOLDERS];
	/* Allocated: for what is in the list; for the folders and our files in the root folder. */
	uint64_t entry_bytes, folder_bytes;
	uint64_t kept_bytes; /* of entry_bytes, those in KEPT */
	struct spool_destinations destinations;
	uint64_t refused, lost;                     /* as in struct spool_totals */
	uint64_t deleted_segments, deleted_packets; /* for want of room, since there was enough */
	uint64_t drops_before;                      /* by budget, when there was enough */
	bool is_deleting, was_full, has_failed;     /* logged already */
	bool is_keeping_less, cannot_keep;          /* so are these */
	/* As in struct spool_totals; the state is NULL until it is uploaded, and else to be seen by the list. */
	struct spool_recent recent[SPOOL_RECENT_MAX];
	struct ended ended;
};

/* budget.c: is it within the limits? Pure: numbers in, an answer out ----------------------------- */

/* With no segments, and none of their bytes. */
struct budget_state budget_state_of_disk(const struct statvfs *fs);
struct budget budget_from_conf(const struct conf *conf);
/* What the file system has above the floor; UINT64_MAX: it has no such limit, or it is unknown. */
uint64_t budget_room_bytes(const struct budget *budget, const struct budget_state *state);
uint64_t budget_room_inodes(const struct budget *budget, const struct budget_state *state);
/* How large a file may become. */
uint64_t budget_segment_bytes_max(const struct budget *budget);
/* How much is taken of the limit that is nearest, 0 to 1: at 1, the next segment needs another's room. */
double budget_use(const struct budget *budget, const struct budget_state *state);
/* The option whose limit the state is over; NULL: it is within all of them. */
const char *budget_exceeded(const struct budget *budget, const struct budget_state *state);
/*
 * Is there a sixteenth of each limit to spare? A spool that was full is used again only then: otherwise it
 * would be full with the next packet.
 */
bool budget_has_slack(const struct budget *budget, const struct budget_state *state);

/* spread.c: when an upload starts ------------------------------------------------------------------ */

/* What part of the span the uploads of this node's interface are delayed by, in 1 / 2^32. Pure: always the same. */
uint32_t spread_share(const char *node, const char *interface);
/* That part of a span of up to 49 days. */
static inline uint64_t spread_offset_ms(uint32_t share, uint64_t span_ms)
{
	return share * span_ms >> 32;
}
/* How it is done now. */
struct spread {
	uint64_t span_ms;    /* 0: not at all */
	uint64_t hurried_ns; /* nor what began (real time) until then */
};
/* The entry's segment is finished: note what tells its moment, if it has one. Locked. */
void spread_begin(struct spool_entry *entry, const struct segment *segment);
/* The monotonic time before which it is not to be sent; 0: there is none. Locked. */
uint64_t spread_due_ms(const struct spread *spread, const struct spool_entry *entry);

/* layout.c: folders and files -------------------------------------------------------------------- */

#define SPOOL_LOCK_FILE        "lock"
#define SPOOL_PROBE_FILE       "probe"
#define SPOOL_SEQUENCE_FILE    "sequence"
#define SPOOL_DESTINATION_FILE "destination"
/* Behind the name of a segment: the file that a disk has damaged, of which the segment has what can be read. */
#define SPOOL_DAMAGED ".damaged"
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
/* Those that are there only while they are needed; where is_needed is false, only if they are there. */
int spool_folder_open_kept(struct spool *spool, bool is_needed, struct error *err)
	__attribute__((warn_unused_result));
void spool_folder_close_kept(struct spool *spool);
/* Has it one of these, and do their names not lead there any more? */
bool spool_folder_is_kept_gone(const struct spool *spool);
void spool_folder_close(struct spool *spool);
/* Are the folders that are open those that have the names? */
bool spool_folder_is_intact(const struct spool *spool);
/* err of these, as an error of the start: ERROR_CONFIG is what the user must change. */
int spool_folder_start_error(struct error *err);
/* The names in a folder; the caller closes it. NULL on errors. */
DIR *spool_list_folder(int folder_fd, struct error *err) __attribute__((warn_unused_result));
/* 1 with the next one, 0 at the end, -1 on errors; with no dir, err is spool_list_folder()'s. */
int spool_next_name(DIR *dir, const char **ret_name, struct error *err)
	__attribute__((warn_unused_result));
bool spool_folder_has(const struct spool *spool, enum spool_folder folder, const char *name);
/*
 * renameat() that also succeeds if it was done already: on NFS the answer may get lost, and to the second request
 * there is nothing left to move.
 */
int spool_rename(int from_fd, const char *from, int to_fd, const char *to)
	__attribute__((warn_unused_result));
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

/* recent.c, locked: the segment is finished; uploaded; where the last ones are now. */
void spool_recent_add(struct spool *spool, const char *name, const struct segment *segment);
void spool_recent_uploaded(struct spool *spool, const char *name);
void spool_recent_fill(struct spool *spool, struct spool_recent recent[SPOOL_RECENT_MAX]);

/* entries.c: the list, locked; what it takes -------------------------------------------------- */

struct spool_entry *spool_entries_insert(struct spool *spool, const char *name,
					 enum spool_folder folder);
struct spool_entry *spool_entries_find(struct spool *spool, const char *name);
/* Behind the others, wherever its place is; not counted. */
struct spool_entry *spool_entries_append(struct spool *spool, const char *name,
					 enum spool_folder folder);
/*
 * The first by name in this folder, of this interface or (NULL) any, that nobody has claimed, and that is not
 * held at that time; or NULL.
 */
struct spool_entry *spool_entries_first(struct spool *spool, enum spool_folder folder,
					const struct spool_interface *interface, uint64_t now_ms);
/* Count all of them again. */
void spool_entries_count(struct spool *spool);
/* What waits of an interface, by its name in file names; NULL: nothing does. */
struct spool_interface *spool_interface_find(const struct spool *spool, const char *name);
void spool_entry_set_folder(struct spool *spool, struct spool_entry *entry,
			    enum spool_folder folder);
/*
 * The next one to send: the first in that order. What is held after failures, or spread, waits for its time (the nearest
 * is put into ret_due_ms); in a newest-first run what failed comes last, but at once. NULL: none now.
 */
struct spool_entry *spool_entries_next(struct spool *spool, enum spool_order order,
				       const struct spread *spread, uint64_t now_ms,
				       uint64_t *ret_due_ms);
/* What its metadata say now, or should. */
void spool_entry_learn(struct spool_entry *entry, const struct segment *segment);
/* It failed for now. From the third time on it is held, for longer each time. */
void spool_entry_failed(struct spool_entry *entry, uint64_t now_ms);
/* What is to be known of an upload while the disk does not take it; NULL: nothing. Wipes what was. */
void spool_entry_set_upload_state(struct spool_entry *entry, const char *text);
void spool_entry_free(struct spool *spool, struct spool_entry *entry);
/* A name for which spool_is_temporary() is true; the caller frees it. */
char *spool_temporary_name(const char *name);
/* Is it the name of a file of which the undamaged part has become a segment? */
bool spool_is_damaged(const char *name);
/* What is known of a segment, and of attempts to send it; also of one in KEPT. */
void spool_sidecars_delete(const struct spool *spool, const char *name);
/* With what is known of it; its file has gone, or never was. */
void spool_entries_delete(struct spool *spool, struct spool_entry *entry);
void spool_entries_clear(struct spool *spool);

/* What our files take, as du counts it. */

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
int spool_metadata_write(const struct spool *spool, enum spool_folder folder, const char *name,
			 const struct segment *segment, struct error *err)
	__attribute__((warn_unused_result));
/* The first ones of a new segment: not synced. */
int spool_metadata_create(struct spool *spool, const char *name, const struct segment *segment,
			  struct error *err) __attribute__((warn_unused_result));
/* In their place on the disk, say how many packets there are by now. Costs next to nothing, and syncs nothing. */
int spool_metadata_note_packets(const struct spool *spool, const char *name, uint64_t packets,
				struct error *err) __attribute__((warn_unused_result));
/* -1 with err if there are none, or none that can be used. */
int spool_metadata_read(const struct spool *spool, enum spool_folder folder, const char *name,
			struct segment *ret_segment, struct error *err)
	__attribute__((warn_unused_result));
/* What there is to know: from the metadata, or the name; and the packets that only the list knows. */
void spool_metadata_recall(const struct spool *spool, const struct spool_entry *entry,
			   struct segment *ret_segment);
/* Read those of segments that an earlier run or an operator left, for when they are no longer there. Locks. */
void spool_metadata_learn(struct spool *spool);
/* The process ended while it sent this segment: nobody knows how that ended. */
void spool_upload_state_note_unknown(struct spool *spool, const char *name);

/* ledger.c: losses ------------------------------------------------------------------------------- */

/* Forget what segments have stated already. */
int spool_ledger_open(struct spool *spool, struct error *err) __attribute__((warn_unused_result));
/* Losses of segments that are in the list after all are none: their deletion was not done. Locked. */
void spool_ledger_undo_unfinished(struct spool *spool);
/*
 * Write the metadata of a segment that is finished, with all losses that were not stated yet, which are put
 * into segment as well.
 */
int spool_ledger_write_metadata(struct spool *spool, const char *name, struct segment *segment,
				struct error *err) __attribute__((warn_unused_result));
/*
 * Delete a segment's file; what it held, lacked and stated is lost for this reason. Both or, after an error,
 * neither, also if the process ends in between. Locked; its entry stays.
 */
int spool_ledger_delete(struct spool *spool, const struct spool_entry *entry,
			const struct segment *segment, enum drop_reason reason, struct error *err)
	__attribute__((warn_unused_result));
/*
 * The segment's file is gone, not by us: count its packets as dropped. segment: what is known of it, or NULL if that
 * is no more than the spool knows. Locked; the entry goes.
 */
void spool_count_lost(struct spool *spool, struct spool_entry *entry,
		      const struct segment *segment);
/*
 * Metadata of a segment that is in no folder: somebody took it away while no program looked. Counted as that, or if it
 * was rejected, and counted then, only stated. Locked.
 */
void spool_count_orphan(struct spool *spool, const char *name);
/*
 * A claimed segment goes to rejected/: say so in its metadata; or that it has not come there, or was moved back. When it
 * is there: count its packets as dropped.
 */
void spool_note_rejected(struct spool *spool, const char *name, const struct segment *segment,
			 bool is_rejected);
void spool_count_rejected(struct spool *spool, const struct segment *segment);
/* Write down what no file has. A failure is only logged, and it does not wait for one who states: call it again. */
void spool_ledger_save(struct spool *spool);

/* destinations.c: what segments were recorded for. Locked. ------------------------------------------ */

void spool_destinations_load(struct spool *spool);
void spool_destinations_free(struct spool *spool);
/* Keep back what is not for the last one. */
void spool_destinations_apply(struct spool *spool);
/* Once a second: segments that begin after the clock was set back are not taken for those before a change. */
void spool_destinations_follow_clock(struct spool *spool, uint64_t now_ns);
/* So for one entry that is new, or has its name only now. Locked. */
void spool_destinations_apply_to(struct spool *spool, struct spool_entry *entry);

/* replace.c: what can be read of a damaged file ------------------------------------------------------ */

/*
 * A repair ended, where there are no hard links, with the damaged file away and its copy, which is whole, not in its
 * place yet: 1, it is now; 0: there is no such thing. Locked.
 */
int spool_finish_exchange(struct spool *spool, const char *name, struct error *err)
	__attribute__((warn_unused_result));

/* kept.c: what was uploaded and is still here. Locked ------------------------------------------------ */

/* spool.keep, or 0; locks by itself. */
uint64_t spool_keep_ns(struct spool *spool);

/*
 * The sink has it: what was sent, whose file has a temporary name in SENDING already, goes to KEPT with its metadata.
 * False, and nothing of it is there, if the disk does not take that.
 */
bool spool_kept_add(struct spool *spool, const char *name, const char *sent);
/* What an earlier run, or a power failure, left of its files in other folders moves to where it belongs. */
void spool_kept_tidy(struct spool *spool);
/* Delete one; it was uploaded, so nothing is lost. After an error it is nobody's victim for a while. */
int spool_kept_delete(struct spool *spool, struct spool_entry *entry, struct error *err)
	__attribute__((warn_unused_result));
/* The next to go is younger than it may become: say so, once. */
void spool_kept_note_short(struct spool *spool, const struct spool_entry *entry);
/* Once a second: delete those that have been here long enough. Locks. */
void spool_kept_expire(struct spool *spool);

/* scan.c: from the folders to the list ----------------------------------------------------------- */

/* What an earlier run left half done: back to ready/, or away. */
int spool_clean_up(struct spool *spool, struct error *err) __attribute__((warn_unused_result));
/* Make the list again. Locked. */
int spool_scan(struct spool *spool, struct error *err) __attribute__((warn_unused_result));

/* shortage.c: what is full, locked ---------------------------------------------------------------- */

/* The option of a limit that stopped something; and the interface, if it is one for each, or "". */
struct spool_shortage {
	const char *option; /* NULL: none did */
	char interface[SEGMENT_INTERFACE_MAX + 1];
};

/* Segments were deleted for it, or (is_full) none may be. */
void spool_note_shortage(struct spool *spool, const struct spool_shortage *shortage, bool is_full);
/* There is room to spare, for all: the shortage is over. */
void spool_note_slack(struct spool *spool);
/* Whatever was full, and has room to spare again, is not; each by itself. */
void spool_end_shortages(struct spool *spool, const struct budget *budget,
			 struct budget_state state);
/* As spool_totals.full_interface. */
void spool_name_full(struct spool *spool, char ret_name[SEGMENT_INTERFACE_MAX + 1]);

/* room.c ----------------------------------------------------------------------------------------- */

/*
 * Is there room to begin a segment of this interface with so many bytes? Deletes what the policy allows (kept first,
 * then rejected, then the oldest ready), counted and logged. ERROR_TRANSIENT: there is none; others: the disk.
 */
int spool_make_room(struct spool *spool, const char *interface, uint64_t bytes, struct error *err)
	__attribute__((warn_unused_result));
/* The same for so many bytes more in the entry's file, which takes them at once. */
int spool_reserve_room(struct spool *spool, struct spool_entry *entry, uint64_t bytes,
		       struct error *err) __attribute__((warn_unused_result));
/* The same, but of the segments only kept and rejected ones are deleted, and the spool is not full if it fails. */
int spool_reserve_spare_room(struct spool *spool, struct spool_entry *entry, uint64_t bytes,
			     struct error *err) __attribute__((warn_unused_result));
/* The same, but nothing but kept ones is deleted, and the spool is not full if it fails. */
int spool_reserve_extra(struct spool *spool, struct spool_entry *entry, uint64_t bytes,
			struct error *err) __attribute__((warn_unused_result));
/* Delete what is over the budget. Failures are logged. */
void spool_enforce(struct spool *spool);

struct budget spool_budget(struct spool *spool);
/* What is ours, of the interface with the most files; locked. Without what is kept, which goes when room is needed. */
struct budget_state spool_state(const struct spool *spool);
struct budget_state spool_without_kept(const struct spool *spool, struct budget_state state);
/* How uploads are spread: not at all while so much room is taken that nothing may wait. Locked. */
struct spread spool_spread(struct spool *spool);

/* claim.c ---------------------------------------------------------------------------------------- */

/* Something has become ready, or may have. */
void spool_notify(struct spool *spool);
/* Delete what spool_remove() could not; tried again when called again. */
void spool_finish_removals(struct spool *spool);
