/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For the tests of the search's filter, unit tests and fuzzing: filters of all kinds, and a file in memory whose index
 * is made of packets and asked what it may have.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "match/match.h"

/* Each compiles for Ethernet, SLL, SLL2 or RAW at least. */
extern const char *const match_filters[];
extern const size_t match_filters_count;

struct indexed_file;

struct indexed_file *indexed_file_new(uint16_t link_type);
struct indexed_file *indexed_file_free(struct indexed_file *file);
/* A packet in the member that is open. */
void indexed_file_add_packet(struct indexed_file *file, const uint8_t *packet, size_t captured);
/* The member ends, and the next one begins. */
void indexed_file_end_member(struct indexed_file *file);
/* No more members: the index is made, and read. */
void indexed_file_finish(struct indexed_file *file);

uint32_t indexed_file_members(const struct indexed_file *file);
const struct index_footer *indexed_file_footer(const struct indexed_file *file);
/*
 * One byte for each member: not 0 if it is to be read for this filter. about: budget and tunnels, its footer is set;
 * NULL: as usual. The array belongs to the file.
 */
const uint8_t *indexed_file_plan(struct indexed_file *file, struct match *match,
				 struct match_file *about);
/* Of the last plan: how many groups had addresses that could match. */
uint32_t indexed_file_groups(const struct indexed_file *file);
