/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Key files in JSON: read, checked and wiped. A key file must not choose where its secrets are sent. */

#include <jansson.h>

#include "base/error.h"

/* Read a file; logs a warning if other accounts can read its secrets or change it. */
int key_file_read(const char *path, json_t **ret_file, struct error *err)
	__attribute__((warn_unused_result));
/* Free a file or a reply that contains secrets, after wiping its texts. */
void key_file_free(json_t *object);

/* A text that must be there, borrowed from the file. */
int key_file_text(const json_t *file, const char *key, const char **ret_text, struct error *err)
	__attribute__((warn_unused_result));
/*
 * May a secret be sent to this URL (the value of `key`, for messages)? Over https, to a host in the universe
 * (NULL: to any, because whoever wrote the file has the secret anyway), or to this machine itself.
 */
int key_file_check_url(const char *key, const char *url, const char *universe, struct error *err)
	__attribute__((warn_unused_result));
/* The URL of a token service: the value of `key`, checked as above, else `usual`. The caller frees. */
int key_file_url(const json_t *file, const char *key, const char *universe, const char *usual,
		 char **ret_url, struct error *err) __attribute__((warn_unused_result));
