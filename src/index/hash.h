/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A hash that whoever sends packets cannot make collide, because its keys are secret. A checksum with a secret
 * beginning would not do, since that is linear. A multiplication mixes two words; of addresses or ports that follow one
 * another it makes numbers at equal distances, which with one key in a hundred fall on few places: the second one parts
 * them. Pure but for the keys.
 */

#include <stdint.h>

struct hash_keys {
	uint64_t first, second;
};

/* Random ones, of the kernel's. */
void hash_keys_init(struct hash_keys *keys);

/* Both halves of the product of two numbers, one over the other. */
static inline uint64_t hash_fold_product(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
	__extension__ typedef unsigned __int128 wide;
	wide product = (wide)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
	/* Of four products of 32 bits. */
	uint64_t low = (a & UINT32_MAX) * (b & UINT32_MAX), one = (a >> 32) * (b & UINT32_MAX);
	uint64_t other = (a & UINT32_MAX) * (b >> 32), high = (a >> 32) * (b >> 32);
	uint64_t middle = (low >> 32) + (one & UINT32_MAX) + (other & UINT32_MAX);

	return (middle << 32 | (low & UINT32_MAX)) ^
	       (high + (one >> 32) + (other >> 32) + (middle >> 32));
#endif
}

/* 32 bits. */
static inline uint32_t hash_words(const struct hash_keys *keys, uint64_t a, uint64_t b)
{
	const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15); /* of the golden ratio */
	uint64_t folded = hash_fold_product(a ^ keys->first, (b * odd) ^ keys->second);

	return (uint32_t)(((folded ^ folded >> 32) * odd) >> 32);
}
