/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The words of capture.interface, parsed and checked once, when a configuration is made. Pure. Which
 * interfaces they select is decided in netif/netif.h.
 *
 *   NAME   that interface          eth*   all whose names match (glob(7))
 *   any    all of them at once     auto   that of the default route
 *   !NAME, !eth*                   except these, wherever the word appears in the list
 */

#include <stdbool.h>

#include "base/error.h"

#define INTERFACE_WORD_MAX  63 /* characters of a name or pattern, without its '!' */
#define INTERFACE_WORDS_MAX 32

enum interface_word_kind {
	INTERFACE_WORD_NAME,
	INTERFACE_WORD_PATTERN,
	INTERFACE_WORD_ANY,
	INTERFACE_WORD_AUTO,
};

struct interface_word {
	enum interface_word_kind kind;
	bool is_excluded;                  /* it was written behind a '!' */
	char text[INTERFACE_WORD_MAX + 1]; /* without the '!' */
};

struct interface_words {
	struct interface_word list[INTERFACE_WORDS_MAX];
	unsigned count;
	bool has_any, has_auto;
};

/* Parse words joined by commas. ERROR_CONFIG: why they are refused. */
int interface_words_parse(const char *text, struct interface_words *ret_words, struct error *err)
	__attribute__((warn_unused_result));
