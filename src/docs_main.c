/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the committed documents that come from the tables of options, events and metrics to standard output:
 *
 *     conf-docs sample      etc/kube-node-tracer.conf
 *     conf-docs man FILE    the manual page FILE with its generated sections made anew
 *     conf-docs options     such a section alone: of kube-node-tracer(8)
 *     conf-docs commands    of the same
 *     conf-docs keys        of kube-node-tracer.conf(5)
 *     conf-docs metrics     of kube-node-tracer-metrics(7)
 *     conf-docs health      of the same
 *     conf-docs bash        completions/kube-node-tracer
 *     conf-docs fish        completions/kube-node-tracer.fish
 *     conf-docs zsh         completions/_kube-node-tracer
 *     conf-docs catalog     systemd/kube-node-tracer.catalog
 */
#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "conf/conf_private.h"
#include "status/health.h"
#include "status/metrics.h"

#define CATALOG_WIDTH 80
#define MAN_WIDTH     80

static const struct {
	const char *sentence, *id, *explanation;
} events[] = {
#define EVENT(name, level, sentence, id, explanation) { sentence, id, explanation },
#include "base/events.def"
#undef EVENT
};

/* The journal's message catalogue, see systemd.journal-catalog in systemd's documentation. */
static void write_catalog(FILE *out)
{
	fprintf(out, "# SPDX-License-Identifier: Apache-2.0\n"
		     "# Made by conf-docs from src/base/events.def.\n");
	for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
		fprintf(out,
			"\n-- %s\n"
			"Subject: %s\n"
			"Defined-By: kube-node-tracer\n"
			"Support: " PACKAGE_BUGREPORT "\n"
			"Documentation: man:kube-node-tracer(8)\n\n",
			events[i].id, events[i].sentence);
		conf_docs_wrap(out, "", CATALOG_WIDTH, events[i].explanation);
	}
}

static void write_metric(void *context, const char *name, const char *labels, const char *help)
{
	FILE *out = context;

	fprintf(out, ".It Ic %s%s%s\n", name, *labels ? " Brq " : "", labels);
	conf_docs_wrap(out, "", MAN_WIDTH, help);
}

static void write_metrics(FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	metrics_each(write_metric, out);
	fputs(".El\n", out);
}

static void write_health(FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < HEALTH_RULES; i++) {
		fprintf(out, ".It %s , Cm %s\n",
			health_rules[i].is_liveness ? "Pa /healthz" : "Pa /readyz",
			health_rules[i].name);
		conf_docs_wrap(out, "", MAN_WIDTH, health_rules[i].help);
	}
	fputs(".El\n", out);
}

static const struct {
	const char *name;
	void (*write)(FILE *out);
} sections[] = {
	{ "commands", conf_docs_man_commands }, { "options", conf_docs_man_options },
	{ "keys", conf_docs_man_keys },         { "sample", conf_docs_sample },
	{ "bash", conf_docs_completion_bash },  { "fish", conf_docs_completion_fish },
	{ "zsh", conf_docs_completion_zsh },    { "catalog", write_catalog },
	{ "metrics", write_metrics },           { "health", write_health },
};

static int write_section(const char *name)
{
	for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
		if (strcmp(name, sections[i].name) == 0) {
			sections[i].write(stdout);
			return 0;
		}
	}
	return -1;
}

/* Copy a page; what is between markers is replaced by the section that the first of them names. */
static int write_page(const char *path)
{
	static const char begin[] = ".\\\" begin generated ", end[] = ".\\\" end generated";
	cleanup_fclose FILE *page = fopen(path, "re");
	cleanup_free char *line = NULL;
	bool is_generated = false;
	unsigned count = 0;
	size_t size = 0;

	if (!page) {
		fprintf(stderr, "conf-docs: %s: %s\n", path, strerror(errno));
		return -1;
	}
	while (getline(&line, &size, page) > 0) {
		if (strncmp(line, end, strlen(end)) == 0)
			is_generated = false;
		if (!is_generated)
			fputs(line, stdout);
		if (strncmp(line, begin, strlen(begin)) == 0) {
			line[strcspn(line, "\n")] = '\0';
			if (write_section(line + strlen(begin)) < 0)
				break;
			is_generated = true;
			count++;
		}
	}
	if (count > 0 && !is_generated && feof(page))
		return 0;
	fprintf(stderr,
		"conf-docs: %s: has to have sections between the markers '%sNAME' and '%s'\n", path,
		begin, end);
	return -1;
}

int main(int argc, char **argv)
{
	int result = -1;

	if (argc == 3 && strcmp(argv[1], "man") == 0)
		result = write_page(argv[2]);
	else if (argc == 2)
		result = write_section(argv[1]);
	else
		argc = 0;
	if (argc == 0 || (argc == 2 && result < 0)) {
		fprintf(stderr,
			"usage: conf-docs sample|options|commands|keys|metrics|health|bash|fish|zsh|catalog|man FILE\n");
		return EX_USAGE;
	}
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "conf-docs: standard output: %s\n", strerror(errno));
		return EX_IOERR;
	}
	return result < 0 ? EX_DATAERR : EX_OK;
}
