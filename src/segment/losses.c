/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/losses.h"

#include <stdio.h>
#include <string.h>

static void merge_loss(struct loss *loss, const struct loss *more)
{
	if (strcmp(loss->interface, more->interface) != 0)
		(void)snprintf(loss->interface, sizeof loss->interface, LOSSES_SEVERAL);
	if (more->from_ns < loss->from_ns)
		loss->from_ns = more->from_ns;
	if (more->to_ns > loss->to_ns)
		loss->to_ns = more->to_ns;
	loss->packets += more->packets;
}

/* Add two of a full list up. There are more places than reasons, so that two have the same one. */
static void make_place(struct losses *losses)
{
	for (size_t i = 0; i < losses->count; i++)
		for (size_t j = i + 1; j < losses->count; j++) {
			if (losses->list[i].reason != losses->list[j].reason)
				continue;
			merge_loss(&losses->list[i], &losses->list[j]);
			memmove(&losses->list[j], &losses->list[j + 1],
				(--losses->count - j) * sizeof *losses->list);
			return;
		}
}

void losses_add(struct losses *losses, const struct loss *loss)
{
	if (loss->packets == 0)
		return;
	for (size_t i = 0; i < losses->count; i++) {
		struct loss *other = &losses->list[i];
		bool is_touched = other->from_ns <= loss->to_ns && loss->from_ns <= other->to_ns;

		if (other->reason == loss->reason &&
		    strcmp(other->interface, loss->interface) == 0 &&
		    (is_touched || losses->count == LOSSES_MAX)) {
			merge_loss(other, loss);
			return;
		}
	}
	if (losses->count == LOSSES_MAX)
		make_place(losses);
	losses->list[losses->count++] = *loss;
}

void losses_add_drops(struct losses *losses, const char *interface, uint64_t from_ns,
		      uint64_t to_ns, const struct drops *drops)
{
	for (int i = 0; i < DROP_REASON_COUNT; i++) {
		struct loss loss = { .reason = (enum drop_reason)i,
				     .from_ns = from_ns,
				     .to_ns = to_ns,
				     .packets = drops->count[i] };

		(void)snprintf(loss.interface, sizeof loss.interface, "%s", interface);
		losses_add(losses, &loss);
	}
}

void losses_add_all(struct losses *losses, const struct losses *more)
{
	for (size_t i = 0; i < more->count; i++)
		losses_add(losses, &more->list[i]);
}

void losses_add_segment(struct losses *losses, const struct segment *segment,
			enum drop_reason reason)
{
	struct drops drops = segment->drops;
	struct losses stated;

	losses_of_segment(segment, &stated);
	losses_add_all(losses, &stated);
	drops.count[reason] += segment->packets;
	losses_add_drops(losses, segment->interface, segment->start_ns,
			 segment->end_ns ? segment->end_ns : segment->latest_ns, &drops);
}

uint64_t losses_packets(const struct losses *losses)
{
	uint64_t packets = 0;

	for (size_t i = 0; i < losses->count; i++)
		packets += losses->list[i].packets;
	return packets;
}

/* "INTERFACE FROM TO PACKETS REASON"; what is not known is "-". Names of interfaces hold no blanks. */
static void format_loss(const struct loss *loss, struct text *out)
{
	char from[TEXT_TIME_MAX] = "-", to[TEXT_TIME_MAX] = "-";

	if (loss->from_ns)
		text_format_time(loss->from_ns, from);
	if (loss->to_ns)
		text_format_time(loss->to_ns, to);
	text_append(out, "%s%s %s %s %ju %s", out->length ? ", " : "",
		    loss->interface[0] ? loss->interface : "-", from, to, (uintmax_t)loss->packets,
		    drop_reason_names[loss->reason]);
}

static int parse_loss(char *words[5], struct loss *ret_loss)
{
	struct loss loss = { .packets = 0 };
	int reason = 0;

	words[4][strcspn(words[4], ",")] = '\0';
	if (strcmp(words[0], "-") != 0)
		(void)snprintf(loss.interface, sizeof loss.interface, "%s", words[0]);
	if ((strcmp(words[1], "-") != 0 && text_parse_time(words[1], &loss.from_ns) < 0) ||
	    (strcmp(words[2], "-") != 0 && text_parse_time(words[2], &loss.to_ns) < 0) ||
	    text_parse_number(words[3], &loss.packets) < 0)
		return -1;
	while (reason < DROP_REASON_COUNT && strcmp(words[4], drop_reason_names[reason]) != 0)
		reason++;
	if (reason == DROP_REASON_COUNT)
		return -1;
	loss.reason = (enum drop_reason)reason;
	*ret_loss = loss;
	return 0;
}

void losses_of_segment(const struct segment *segment, struct losses *ret_losses)
{
	char text[SEGMENT_ATTACHMENTS_MAX], *rest = text, *words[5];
	struct loss loss;
	size_t count = 0;

	ret_losses->count = 0;
	segment_attachment(segment, LOSSES_KEY, text, sizeof text);
	while ((words[count] = strsep(&rest, " ")))
		if (++count == 5) {
			count = 0;
			if (parse_loss(words, &loss) == 0)
				losses_add(ret_losses, &loss);
		}
}

bool losses_state(const struct losses *losses, struct segment *segment)
{
	char bytes[LOSSES_TEXT_MAX];
	struct text text = text_over(bytes, sizeof bytes);

	for (size_t i = 0; i < losses->count; i++)
		format_loss(&losses->list[i], &text);
	return !text.is_cut && segment_attach(segment, LOSSES_KEY, bytes);
}
