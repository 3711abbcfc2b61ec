/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "spool/spool_private.h"

#define SLACK_PART 16
/* An open segment ends when it takes this part of spool.max_size: the oldest has to be a small part. */
#define SEGMENT_PART 8

struct budget budget_from_conf(const struct conf *conf)
{
	return (struct budget){
		.policy = conf->spool_when_full,
		.max_segments = conf->spool_max_segments,
		.max_bytes = conf->spool_max_size,
		.min_free = conf->spool_min_free,
		.min_free_inodes = conf->spool_min_free_inodes,
		.workers = conf->upload_workers,
		.keep_ns = conf->spool_keep * CLOCK_NS_PER_S,
	};
}

struct budget_state budget_state_of_disk(const struct statvfs *fs)
{
	return (struct budget_state){
		.disk_total = (uint64_t)fs->f_blocks * fs->f_frsize,
		.disk_free = (uint64_t)fs->f_bavail * fs->f_frsize,
		.inodes_total = fs->f_files,
		.inodes_free = fs->f_favail,
	};
}

static uint64_t floor_of(const struct conf_share *floor, uint64_t total)
{
	return total == 0 ? 0 : conf_share_of(floor, total);
}

static uint64_t measure_room(uint64_t free, const struct conf_share *floor, uint64_t total)
{
	uint64_t kept = floor_of(floor, total);

	if (total == 0)
		return UINT64_MAX;
	return free > kept ? free - kept : 0;
}

uint64_t budget_room_bytes(const struct budget *budget, const struct budget_state *state)
{
	return measure_room(state->disk_free, &budget->min_free, state->disk_total);
}

uint64_t budget_room_inodes(const struct budget *budget, const struct budget_state *state)
{
	return measure_room(state->inodes_free, &budget->min_free_inodes, state->inodes_total);
}

uint64_t budget_segment_bytes_max(const struct budget *budget)
{
	return budget->max_bytes > 0 && budget->policy == CONF_WHEN_FULL_DROP_OLDEST
		       ? budget->max_bytes / SEGMENT_PART
		       : UINT64_MAX;
}

double budget_use(const struct budget *budget, const struct budget_state *state)
{
	double bytes = (double)state->bytes, segments = (double)state->segments,
	       files = (double)state->all_segments * SPOOL_FILES_PER_SEGMENT;
	const double taken[] = { segments, bytes, bytes, files };
	const double limits[] = {
		(double)budget->max_segments,
		(double)budget->max_bytes,
		bytes + (double)budget_room_bytes(budget, state),
		files + (double)budget_room_inodes(budget, state),
	};
	double use = 0;

	/* Also where nothing is ours. */
	if (budget_room_bytes(budget, state) == 0 || budget_room_inodes(budget, state) == 0)
		return 1;
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		if (limits[i] > 0 && taken[i] / limits[i] > use)
			use = taken[i] / limits[i];
	return use < 1 ? use : 1;
}

const char *budget_exceeded(const struct budget *budget, const struct budget_state *state)
{
	if (state->segments > budget->max_segments)
		return "spool.max_segments";
	if (budget->max_bytes > 0 && state->bytes > budget->max_bytes)
		return "spool.max_size";
	if (state->disk_free < floor_of(&budget->min_free, state->disk_total))
		return "spool.min_free";
	if (state->inodes_free < floor_of(&budget->min_free_inodes, state->inodes_total))
		return "spool.min_free_inodes";
	return NULL;
}

bool budget_has_slack(const struct budget *budget, const struct budget_state *state)
{
	struct budget tighter = *budget;
	uint64_t disk_floor = floor_of(&budget->min_free, state->disk_total);
	uint64_t inodes_floor = floor_of(&budget->min_free_inodes, state->inodes_total);

	tighter.max_segments -= (budget->max_segments + SLACK_PART - 1) / SLACK_PART;
	tighter.max_bytes -= budget->max_bytes / SLACK_PART;
	tighter.min_free = (struct conf_share){ disk_floor + disk_floor / SLACK_PART, false };
	tighter.min_free_inodes = (struct conf_share){ inodes_floor + inodes_floor / SLACK_PART,
						       false };
	return !budget_exceeded(&tighter, state);
}
