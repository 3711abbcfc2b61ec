/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The page at "/" for a person with a browser: one HTML document that needs nothing else (page.html, built
 * into the program). It asks for /overview.json every few seconds. Both are for whoever can reach the status
 * address: counters, names of interfaces and node, the version; no filter, bucket or file.
 */

#include <stddef.h>
#include <stdio.h>

/* page.html, as the build made it. */
extern const unsigned char page_html[];
extern const size_t page_html_bytes;

/* A value that nobody can guess, for each answer: scripts and styles without it do not count. */
void page_write(FILE *out, const char *nonce);
/* Its Content-Security-Policy: nothing from anywhere, but that one script and style, and our JSON. */
#define PAGE_POLICY_MAX 320
void page_make_policy(const char *nonce, char out[PAGE_POLICY_MAX]);
