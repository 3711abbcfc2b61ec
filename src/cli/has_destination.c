/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "cli/cli.h"

/* For the unit's ExecCondition=. A configuration that cannot be read is the start's affair, which says what is wrong. */
int has_destination_run(struct command_line *line, struct error *err)
{
	cleanup_conf struct conf *conf = NULL;

	if (conf_load(&line->conf, &conf, err) < 0 || *conf->upload_destination)
		return 0;
	log_warning("not started: no destination is configured",
		    log_text("file", conf->file ? conf->file : DEFAULT_CONFIG_FILE),
		    log_text("remedy",
			     "set upload.destination, then: systemctl start kube-node-tracer"));
	return 1;
}
