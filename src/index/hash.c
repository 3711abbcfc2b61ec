/* SPDX-License-Identifier: Apache-2.0 */
#include "index/hash.h"

#include <stdlib.h>
#include <sys/random.h>

void hash_keys_init(struct hash_keys *keys)
{
	if (getrandom(keys, sizeof *keys, 0) != (ssize_t)sizeof *keys)
		abort(); /* cannot happen for 16 bytes after boot */
}
