/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The GCS sink as a search uses it: which objects there are, and bytes of them. By the search's threads. */

#include "sink/gcs/gcs.h"

/* As sink_ops.list and sink_ops.read. */
int gcs_list(struct sink_worker *worker, const struct sink_list *what,
	     bool (*visit)(void *context, const struct sink_item *item), void *context,
	     unsigned *requests, struct error *err) __attribute__((warn_unused_result));
int gcs_read(struct sink_worker *worker, const char *name, const char *version, uint64_t offset,
	     size_t length, uint8_t *out, struct error *err) __attribute__((warn_unused_result));

/* -- gcs_page.c: what a page of a listing says -- */

/*
 * The largest object that a listing tells of, all else of the page, and the token of the next: 1 KiB of name and 8 KiB
 * of metadata, of which each byte may be written as six.
 */
#define GCS_PAGE_MAX 131072

/*
 * Pages of a listing, read as they arrive: an object is told as soon as its end is there, and forgotten, so that the
 * memory does not depend on how many a page has.
 */
struct gcs_page {
	const struct sink_list *what; /* whole names */
	size_t above;                 /* bytes of a whole name before that below the destination */
	bool (*visit)(void *context, const struct sink_item *item);
	void *context;
	unsigned visited;
	bool is_enough;               /* visit wants no more, or there cannot be more */
	const char *problem;          /* why this is no such page; NULL: none so far */
	bool is_unsorted;             /* that is the problem */
	char last[SINK_NAME_MAX + 1]; /* whole name of the last object */
	/* Of this page. */
	unsigned depth;    /* of objects and lists */
	bool is_in_object; /* at depth 1 */
	bool is_in_string, is_escaped;
	bool is_in_items; /* the list at depth 2 is that of the objects */
	size_t item;      /* where one begins in text; 0: none */
	size_t length;
	char text[GCS_PAGE_MAX]; /* the page without the objects; behind it, one of them */
	struct segment segment;
};

/* Before each page. */
void gcs_page_begin(struct gcs_page *page);
/* The next bytes of it; false: no more of them are needed, see is_enough and problem. */
bool gcs_page_add(struct gcs_page *page, const char *bytes, size_t length);
/* After the last byte: false if it was no such page. The caller frees the token of the next; NULL: there is none. */
bool gcs_page_end(struct gcs_page *page, char **ret_token) __attribute__((warn_unused_result));
