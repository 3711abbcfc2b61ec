/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The set of lanes as a whole (daemon_lanes.c), how it follows the links (daemon_lanes_follow.c), one lane. */

#include "pipeline/pipeline.h"

/* Lanes for each interface that may be recorded: those that end, and those that wait, take room too. */
#define LANES_FACTOR 3

enum lane_state {
	LANE_RUNNING, /* being opened, or recording */
	LANE_ENDING,  /* its interface is gone, or no longer wanted */
	LANE_WAITING, /* to be tried again; has no stages */
};

struct lane {
	enum lane_state state;
	unsigned index; /* of the link; 0: any */
	char name[IF_NAMESIZE];
	bool is_up;
	bool is_open_told, is_failure_told; /* the log knows that it is open; that it cannot be */
	uint64_t noticed_ms, retry_ms;
	struct capture *capture;
	struct recorder *recorder;
};

struct lanes {
	struct capture_context capture_context;
	struct recorder_context recorder_context;
	const struct conf *conf;
	const struct codec *codec;
	int level;
	struct lane **list; /* room for LANES_FACTOR times the interfaces that may be recorded */
	size_t count;
	size_t left_out; /* interfaces that are wanted beyond what may be recorded */
};

/* daemon_lane.c: one lane. */

/* A lane for this link, without stages. There has to be room. */
struct lane *lane_add(struct lanes *lanes, const struct link *link);
void lane_drop(struct lanes *lanes, size_t place);
int lane_make(struct lanes *lanes, struct lane *lane, struct error *err)
	__attribute__((warn_unused_result));
int lane_start(struct lane *lane, enum capture_from from, struct error *err)
	__attribute__((warn_unused_result));
/* Its thread opens it. */
void lane_attach(struct lanes *lanes, struct lane *lane);
/* Wait for its threads, which were told to end or have ended. */
void lane_join(struct lane *lane);
/* It could not be opened, or ended by itself. Its interface may be on the way out: that will be told. */
void lane_try_again_later(struct lane *lane, const struct error *err);
/* Is this about what the user wrote? Then trying again seldom helps. */
bool lane_is_refused(const struct error *err);

/* daemon_lanes_follow.c. */

/* Visit the links that should have a lane and have none. */
void lanes_each_new(struct lanes *lanes, const struct interfaces_view *view,
		    void (*visit)(struct lanes *lanes, const struct link *link, void *context),
		    void *context);
bool lanes_have_room(const struct lanes *lanes);
void lanes_tell_left_out(struct lanes *lanes, size_t left_out);
