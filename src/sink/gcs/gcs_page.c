/* SPDX-License-Identifier: Apache-2.0 */
/*
 * {"items":[{…},{…}],"nextPageToken":"…"}: a page of a thousand objects has megabytes, as a tree several times that. So
 * only its outline is looked at here, to find where an object ends; the library reads them one by one.
 */
#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "sink/gcs/gcs_read.h"

#define ITEMS     "\"items\":["
#define TOKEN_MAX 4096 /* it has the last name in it */

void gcs_page_begin(struct gcs_page *page)
{
	page->depth = 0;
	page->is_in_string = page->is_escaped = page->is_in_items = false;
	page->item = page->length = 0;
}

/*
 * What the object says of its packets; NULL if that is not what our recorder says. All of these are always there:
 * without one, "no packets" would be a guess.
 */
static const struct segment *read_segment(json_t *metadata, struct segment *segment)
{
	static const char *const always[] = { "start", "end", "first", "last", "packets" };
	const char *key;
	json_t *value;

	for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
		if (!json_is_string(json_object_get(metadata, always[i])))
			return NULL;
	*segment = (struct segment){ 0 };
	json_object_foreach(
		metadata, key,
		value) if (!json_is_string(value) ||
			   !segment_take_field(segment, key, json_string_value(value))) return NULL;
	return segment;
}

/* A word such as "NEARLINE", which is printed. */
static const char *read_class(const json_t *item)
{
	const char *word = json_string_value(json_object_get(item, "storageClass"));

	return word && sink_is_name(word) ? word : "";
}

/* Also of a server that gives more than it was asked for. */
static bool is_wanted(const struct gcs_page *page, const char *name)
{
	const struct sink_list *what = page->what;

	return strncmp(name, what->prefix, strlen(what->prefix)) == 0 &&
	       strlen(name) > page->above && strcmp(name, what->from) >= 0 &&
	       (!what->limit || page->visited < what->limit);
}

/* NULL: no problem. */
static const char *visit_item(struct gcs_page *page, json_t *json)
{
	const char *name = json_string_value(json_object_get(json, "name"));
	const char *size = json_string_value(json_object_get(json, "size"));
	const char *generation = json_string_value(json_object_get(json, "generation"));
	struct sink_item item = { .version = generation, .storage_class = read_class(json) };
	uint64_t number;

	if (!name || !size || !generation || text_parse_number(size, &item.bytes) < 0 ||
	    text_parse_number(generation, &number) < 0)
		return "an object has no name, size or generation";
	if (!sink_is_name(name))
		return NULL;
	page->is_unsorted = strcmp(name, page->last) <= 0;
	if (page->is_unsorted)
		return "the objects are not in the order of their names";
	memcpy(page->last, name, strlen(name) + 1);
	page->is_enough = page->what->to[0] && strcmp(name, page->what->to) >= 0;
	if (page->is_enough || !is_wanted(page, name))
		return NULL;
	item.name = name + page->above;
	item.segment = read_segment(json_object_get(json, "metadata"), &page->segment);
	page->visited++;
	page->is_enough = !page->visit(page->context, &item);
	return NULL;
}

/* In JSON, a NUL is a character like others, which C texts cannot have: let it be another control character. */
static void replace_nuls(char *json, size_t length)
{
	static const char nul[] = "\\u0000";

	for (char *p = json, *end = json + length; p < end; p++) {
		if (*p != '\\')
			continue;
		if ((size_t)(end - p) >= strlen(nul) && memcmp(p, nul, strlen(nul)) == 0)
			p[strlen(nul) - 1] = '1';
		p++;
	}
}

/* A whole object is there. */
static void take_item(struct gcs_page *page)
{
	char *begin = page->text + page->item;
	size_t length = page->length - page->item;
	json_t *json;

	replace_nuls(begin, length);
	json = json_loadb(begin, length, 0, NULL);
	page->problem = json ? visit_item(page, json) : "an object is not JSON";
	json_decref(json);
	/* In its place, something short. */
	page->text[page->item] = '0';
	page->length = page->item + 1;
	page->item = 0;
}

static bool ends_with(const struct gcs_page *page, const char *end)
{
	size_t length = strlen(end);

	return page->length >= length &&
	       memcmp(page->text + page->length - length, end, length) == 0;
}

static void append_character(struct gcs_page *page, char c)
{
	if (page->length == sizeof page->text)
		page->problem = "it is too large";
	else
		page->text[page->length++] = c;
}

static void open_level(struct gcs_page *page, char c)
{
	if (page->depth == 2 && page->is_in_items && c == '{')
		page->item = page->length;
	if (page->depth == 0)
		page->is_in_object = c == '{';
	page->depth++;
	append_character(page, c);
	if (page->depth == 2)
		page->is_in_items = page->is_in_object && ends_with(page, ITEMS);
}

static void close_level(struct gcs_page *page, char c)
{
	append_character(page, c);
	if (page->depth == 0)
		page->problem = "it is not JSON";
	else
		page->depth--;
	if (page->item > 0 && page->depth == 2 && !page->problem)
		take_item(page);
}

static void add_character(struct gcs_page *page, char c)
{
	if (page->is_in_string) {
		page->is_in_string = c != '"' || page->is_escaped;
		page->is_escaped = c == '\\' && !page->is_escaped;
		append_character(page, c);
	} else if (c == '{' || c == '[') {
		open_level(page, c);
	} else if (c == '}' || c == ']') {
		close_level(page, c);
	} else if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
		page->is_in_string = c == '"';
		append_character(page, c);
	}
}

bool gcs_page_add(struct gcs_page *page, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length && !page->problem && !page->is_enough; i++)
		add_character(page, bytes[i]);
	return !page->problem && !page->is_enough;
}

bool gcs_page_end(struct gcs_page *page, char **ret_token)
{
	json_t *outline = page->problem ? NULL : json_loadb(page->text, page->length, 0, NULL);
	const json_t *token = json_object_get(outline, "nextPageToken");
	const json_t *items = json_object_get(outline, "items");
	const char *text = json_string_value(token);

	if (!page->problem &&
	    (!json_is_object(outline) || (items && !json_is_array(items)) || (token && !text)))
		page->problem = "it is not JSON of Cloud Storage";
	if (!page->problem && text && strlen(text) > TOKEN_MAX)
		page->problem = "the token of the next page is too long";
	if (!page->problem)
		*ret_token = text && text[0] ? mem_strdup(text) : NULL;
	json_decref(outline);
	return !page->problem;
}
