/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The page at "/" for a person with a browser: one HTML document that needs nothing else (page.html, built
 * into the program), and the JSON that it asks for every few seconds. Both are for whoever can reach the
 * status address: counters, names of interfaces and node, the version; no filter, bucket or file.
 */

#include <stdio.h>

#include "status/snapshot.h"

/* page.html, as the build made it. */
extern const unsigned char overview_html[];
extern const size_t overview_html_bytes;

/* A value that nobody can guess, for each answer: scripts and styles without it do not count. */
void overview_write_page(FILE *out, const char *nonce);
/* Its Content-Security-Policy: nothing from anywhere, but that one script and style, and our JSON. */
#define OVERVIEW_POLICY_MAX 320
void overview_make_policy(const char *nonce, char out[OVERVIEW_POLICY_MAX]);
void overview_write_json(FILE *out, const struct status_snapshot *facts);
