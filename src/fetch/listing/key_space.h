/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Ranges of names, and where to cut them so that both parts have some. Pure. */

#include <stddef.h>

/* Larger: the range has more room. end: NULL for none. */
unsigned key_space_size(const char *from, const char *end);

/*
 * A key between from and end, where no folder is cut by it: it has no slash. guess: names differ at the latest at this
 * place. The caller frees; NULL: there is none. In *ret_place the place where it differs from `from`.
 */
char *key_space_cut(const char *from, const char *end, size_t guess, size_t *ret_place);

/* The least text behind all that begin with this prefix; the caller frees; NULL: there is none. */
char *key_space_after(const char *prefix, size_t length);
