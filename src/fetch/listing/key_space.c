/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/listing/key_space.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"

/* What nodes are called, in byte order. Other names may be there, but it is here that they are dense. */
static const char symbols[] = "-.0123456789_abcdefghijklmnopqrstuvwxyz";
#define SYMBOL_COUNT ((int)sizeof symbols - 1)
#define LENGTH_MAX   255

static size_t count_common(const char *a, const char *b)
{
	size_t length = 0;

	while (a[length] && a[length] == b[length])
		length++;
	return length;
}

/* How many symbols are less than this byte. */
static int count_below(char byte)
{
	int count = 0;

	while (count < SYMBOL_COUNT && (unsigned char)symbols[count] < (unsigned char)byte)
		count++;
	return count;
}

/* How many are not greater. */
static int count_up_to(char byte)
{
	int count = count_below(byte);

	return count + (count < SYMBOL_COUNT && symbols[count] == byte);
}

unsigned key_space_size(const char *from, const char *end)
{
	size_t common = end ? count_common(from, end) : 0;
	int high = end ? count_below(end[common]) : SYMBOL_COUNT;
	int room = high - count_up_to(from[common]);

	if (common > LENGTH_MAX || (end && strcmp(from, end) >= 0))
		return 0;
	return (unsigned)(LENGTH_MAX - common) * (SYMBOL_COUNT + 1) +
	       (unsigned)(room > 0 ? room : 0);
}

char *key_space_cut(const char *from, const char *end, size_t guess, size_t *ret_place)
{
	size_t length = strlen(from), common = end ? count_common(from, end) : 0;
	size_t place = guess > common ? common + (guess - common) / 2 : common;

	for (; place <= length && place < LENGTH_MAX; place++) {
		int low = count_up_to(from[place]);
		int high = end && place == common ? count_below(end[place]) : SYMBOL_COUNT;

		if (low >= high)
			continue;
		*ret_place = place;
		return mem_printf("%.*s%c", (int)place, from, symbols[low + (high - low) / 2]);
	}
	return NULL;
}

char *key_space_after(const char *prefix, size_t length)
{
	char *after;

	while (length > 0 && (unsigned char)prefix[length - 1] == UINT8_MAX)
		length--;
	if (length == 0)
		return NULL;
	after = mem_strndup(prefix, length);
	after[length - 1]++;
	return after;
}
