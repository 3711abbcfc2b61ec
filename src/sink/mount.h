/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which file system is a folder on? Its identity is what it has again when it is mounted again, in this run or after a
 * reboot: where it is mounted, its type, and its source or id. (A device number is given anew at each mount of a share.)
 */

#include <stdbool.h>

#include "base/text.h"

/* The identity of the file system of an open folder; "" if it cannot be told. Blocks if a share hangs. */
void mount_identify(int fd, struct text *out);
/*
 * Is it the same, or one that was mounted over it later? A share that comes late is what was meant; one that has gone
 * leaves the one below it. Pure.
 */
bool mount_is_expected(const char *noted, const char *identity);
/* "nfs4 server:/export at /srv/captures": of an identity. Pure. */
void mount_describe(const char *identity, struct text *out);
