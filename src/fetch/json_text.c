/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/json_text.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/mem.h"

json_t *json_text(const char *text)
{
	json_t *string = json_string(text);
	cleanup_free char *copy = NULL;

	if (string)
		return string;
	copy = mem_strdup(text);
	for (char *p = copy; *p; p++)
		if ((unsigned char)*p > 0x7f)
			*p = '?';
	string = json_string(copy);
	if (!string)
		abort(); /* no memory, as mem_alloc() does */
	return string;
}

void json_set(json_t *object, const char *key, json_t *value)
{
	if (!value || json_object_set_new(object, key, value) < 0)
		abort();
}
