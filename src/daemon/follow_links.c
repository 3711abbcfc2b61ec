/* SPDX-License-Identifier: Apache-2.0 */
/* The interfaces as the kernel tells of them: what "auto" stands for, and the pipelines that follow. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "daemon/daemon_state.h"

/* By the default route; what was "auto" before stays it while there is none. */
static void find_auto(struct daemon *daemon, const struct interface_words *words)
{
	size_t count;
	const struct link *links = links_list(daemon->view.links, &count), *found;
	char route_name[IF_NAMESIZE] = "";

	daemon->view.auto_name[0] = '\0';
	if (!words->has_auto)
		return;
	default_route_read(route_name);
	found = interfaces_auto(links, count, route_name, daemon->auto_index);
	daemon->auto_index = found ? found->index : 0;
	if (found)
		memcpy(daemon->view.auto_name, found->name, sizeof found->name);
}

int daemon_refresh_links(struct daemon *daemon, const struct conf *conf, struct error *err)
{
	const struct interface_words *words = &conf->interfaces;

	if (!daemon->view.links && links_open(&daemon->view.links, err) < 0)
		return -1;
	if (links_watch_routes(daemon->view.links, words->has_auto, err) < 0 ||
	    links_read(daemon->view.links, err) < 0)
		return -1;
	find_auto(daemon, words);
	return 0;
}

void daemon_log_missing(struct daemon *daemon, const struct conf *conf)
{
	const struct interface_words *words = &conf->interfaces;
	size_t count;
	const struct link *links = links_list(daemon->view.links, &count);
	char bytes[256];
	struct text names = text_over(bytes, sizeof bytes);

	for (size_t i = 0; i < count; i++)
		text_append(&names, "%s%s", i ? "," : "", links[i].name);
	for (unsigned i = 0; i < words->count; i++) {
		const char *reason = interfaces_why_missing(words, &words->list[i], links, count,
							    daemon->view.auto_name);

		if (reason)
			log_event(EVENT_INTERFACE_MISSING,
				  log_text("interface", words->list[i].text),
				  log_text("reason", reason), log_text("there", bytes));
	}
}

/* That are there, and names that are not yet. */
static uint64_t count_selected(struct daemon *daemon, const struct conf *conf)
{
	const struct interface_words *words = &conf->interfaces;
	uint64_t selected = words->has_any;
	size_t count;
	const struct link *links = links_list(daemon->view.links, &count);

	for (size_t i = 0; i < count && !words->has_any; i++)
		selected += interfaces_want(words, links[i].name, daemon->view.auto_name);
	for (unsigned i = 0; i < words->count; i++) {
		size_t place = 0;

		while (place < count && strcmp(links[place].name, words->list[i].text) != 0)
			place++;
		selected += place == count && interfaces_is_name(words, &words->list[i]);
	}
	return selected < conf->capture_max_interfaces ? selected : conf->capture_max_interfaces;
}

struct limits_check {
	const struct conf *conf;
	uint64_t interfaces;
};

static void log_small_limits(const struct limits_check *check)
{
	uint64_t needed, there;
	const char *limit = spool_too_small(check->conf, check->interfaces, &needed, &there);

	if (limit)
		log_event(EVENT_LIMITS_TOO_SMALL, log_text("limit", limit),
			  log_number("interfaces", check->interfaces), log_number("needed", needed),
			  log_number("available", there));
}

void daemon_log_cut_tunnels(struct daemon *daemon, const struct conf *conf)
{
	const struct link *tunnel = conf_cuts_tunnels(conf) ? links_find_tunnel(daemon->view.links)
							    : NULL;

	if (tunnel)
		log_warning("this node has a tunnel: of the packets in it, headers are cut off",
			    log_text("tunnel", tunnel->name),
			    log_number("snaplen", conf->capture_snaplen),
			    log_number("needed", CONF_SNAPLEN_TUNNELS));
}

void daemon_log_small_limits(struct daemon *daemon, const struct conf *conf)
{
	const struct limits_check check = { conf, count_selected(daemon, conf) };

	log_small_limits(&check);
}

static void check_limits(void *context)
{
	struct limits_check *check = context;

	log_small_limits(check);
	conf_free(check->conf);
	free(check);
}

void daemon_check_limits(struct daemon *daemon, const struct conf *conf)
{
	struct limits_check *check = mem_alloc(sizeof *check);

	*check = (struct limits_check){ conf_ref(conf), count_selected(daemon, conf) };
	jobs_add(daemon->upkeep, check_limits, check);
}

void daemon_follow_links(struct daemon *daemon)
{
	const struct link *found;
	bool is_settled;
	struct error err;
	int changes;

	if (!daemon->pipelines)
		return; /* stopping */
	changes = links_read(daemon->view.links, &err);
	if (changes < 0 && !daemon->is_links_error_logged) {
		log_error("interfaces cannot be followed", log_reason(&err));
		daemon->is_links_error_logged = true;
	}
	/* Routes go without a word when their interface does, but a look at them for each link would be too much. */
	found = links_find(daemon->view.links, daemon->auto_index);
	is_settled = found && found->is_up && strcmp(found->name, daemon->view.auto_name) == 0;
	if (changes > 0 && (changes & LINKS_ROUTE || !is_settled))
		find_auto(daemon, &daemon->conf->interfaces);

	pipelines_follow(daemon->pipelines, &daemon->view);
	if (daemon->next.pipelines)
		pipelines_follow(daemon->next.pipelines, &daemon->next.view);
}

int daemon_on_links(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct daemon *daemon = context;

	(void)fd;
	(void)events;
	/* While stopping nobody reads them, and a message that stays would wake us for ever. */
	if (!daemon->pipelines)
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	daemon_follow_links(daemon);
	return 0;
}
