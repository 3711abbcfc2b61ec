/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packaged unit's sandbox, as --check-config asks systemd for it: a check by hand runs outside of it, where a
 * folder may be written to that the service finds read-only.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/environment.h"
#include "daemon/daemon_state.h"

#define SYSTEMD_FOLDER "/run/systemd/system" /* sd_booted(3) */
#define MANAGER        "org.freedesktop.systemd1"
#define SERVICE        "org.freedesktop.systemd1.Service"
#define UNIT           "/org/freedesktop/systemd1/unit/kube_2dnode_2dtracer_2eservice"
#define SCHEME         "file://"

/* Is the folder this path of ReadWritePaths=, or below it? */
static bool is_below(const char *folder, const char *path)
{
	size_t length;

	path += strspn(path, "-+"); /* it may be missing; it is of the unit's own root */
	length = strlen(path);
	while (length > 1 && path[length - 1] == '/')
		length--;
	return strncmp(folder, path, length) == 0 &&
	       (length == 1 || folder[length] == '\0' || folder[length] == '/');
}

/* May the unit write there? -1: systemd does not say. A unit that does not exist forbids nothing. */
static int ask_unit(const char *folder)
{
	cleanup_free char *protect = NULL;
	char **paths = NULL;
	sd_bus *bus = NULL;
	int may_write = -1;

	if (sd_bus_open_system(&bus) >= 0 &&
	    sd_bus_get_property_string(bus, MANAGER, UNIT, SERVICE, "ProtectSystem", NULL,
				       &protect) >= 0 &&
	    sd_bus_get_property_strv(bus, MANAGER, UNIT, SERVICE, "ReadWritePaths", NULL, &paths) >=
		    0)
		may_write = strcmp(protect, "strict") != 0 ||
			    is_below(folder, DEFAULT_SPOOL_DIRECTORY);
	for (size_t i = 0; paths && paths[i]; i++) {
		may_write |= is_below(folder, paths[i]);
		free(paths[i]);
	}
	free(paths);
	(void)sd_bus_flush_close_unref(bus);
	return may_write;
}

int sandbox_check(const struct conf *conf, struct error *err)
{
	const char *folder = conf->upload_destination;
	int may_write;

	/* Flags are not the unit's; and in the unit itself, what can be written is known already. */
	if (strncmp(folder, SCHEME, strlen(SCHEME)) != 0 || environment_get("INVOCATION_ID") ||
	    strncmp(conf->origin[CONF_upload_destination], DEFAULT_CONFIG_FILE,
		    strlen(DEFAULT_CONFIG_FILE)) != 0 ||
	    access(SYSTEMD_FOLDER, F_OK) < 0)
		return 0;
	folder += strlen(SCHEME);
	may_write = ask_unit(folder);
	if (may_write < 0)
		log_warning("not checked: whether the service's sandbox lets it write to the "
			    "destination; systemd does not answer",
			    log_text("destination", folder));
	if (may_write != 0)
		return 0;
	return conf_error(conf, CONF_upload_destination, err,
			  "the service cannot write to %s in its sandbox; run: systemctl edit "
			  "kube-node-tracer, and add [Service] ReadWritePaths=%s",
			  folder, folder);
}
