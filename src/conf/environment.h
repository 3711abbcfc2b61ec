/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The environment, which nobody else reads but libraries (libcurl: http_proxy and its kind) and the log
 * ($JOURNAL_STREAM). Which variables give options their value is in conf_load.c. Any thread; nothing is written.
 */

/* The value; NULL if the variable is not set, or empty. */
const char *environment_get(const char *variable);
/* The first of a list of folders joined by colons (systemd.exec(5)), or NULL. The caller frees. */
char *environment_first_folder(const char *variable) __attribute__((warn_unused_result));
