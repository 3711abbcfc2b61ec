/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/pipelines_check.h"

#include "base/log.h"
#include "capture/capture_check.h"
#include "pipeline/pipeline_private.h"

/* Main waits so long for what is wrong with a filter's text; only names, or hundreds of hosts, take longer. */
#define TEXT_MS UINT64_C(500)

static int check_links(const struct conf *conf, const struct interfaces_view *view,
		       struct filter *filter, struct error *err)
{
	size_t count, checked = 0;
	const struct link *links = links_list(view->links, &count);
	bool is_any_good = false;
	struct error reason;

	if (conf->interfaces.has_any)
		return capture_check(conf, filter, "any", 0, err);
	for (size_t i = 0; i < count && checked < conf->capture_max_interfaces; i++) {
		if (!links[i].is_up ||
		    !interfaces_want(&conf->interfaces, links[i].name, view->auto_name))
			continue;
		checked++;
		if (capture_check(conf, filter, links[i].name, links[i].index, &reason) == 0) {
			is_any_good = true;
			continue;
		}
		*err = reason;
		if (pipeline_failure(&reason) == PIPELINE_OPEN_REFUSED &&
		    interfaces_have(&conf->interfaces, links[i].name))
			return -1;
		log_event(pipeline_failure(&reason) == PIPELINE_OPEN_REFUSED
				  ? EVENT_INTERFACE_REFUSED
				  : EVENT_INTERFACE_FAILED,
			  log_text("interface", links[i].name), log_reason(&reason));
	}
	if (checked == 0)
		return capture_check_filter(filter, TEXT_MS, err) < 0 ? -1 : 0;
	return is_any_good || pipeline_failure(err) != PIPELINE_OPEN_REFUSED ? 0 : -1;
}

int pipelines_check_text(const struct conf *conf, struct error *err)
{
	struct filter *filter = filter_new(conf);
	int result = capture_check_filter(filter, TEXT_MS, err);

	(void)filter_free(filter);
	return result < 0 && err->kind != ERROR_TRANSIENT ? -1 : 0;
}

int pipelines_check(const struct conf *conf, const struct interfaces_view *view, struct error *err)
{
	struct filter *filter = filter_new(conf);
	int result = check_links(conf, view, filter, err);

	(void)filter_free(filter);
	return result;
}
