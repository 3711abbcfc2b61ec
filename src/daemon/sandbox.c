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

/* Is it in a folder that BindPaths= brings in, which can be written to? */
static bool is_bound(sd_bus *bus, const char *folder)
{
	sd_bus_message *reply = NULL;
	const char *source, *path;
	bool is_found = false;
	int must_exist;
	uint64_t flags;

	if (sd_bus_get_property(bus, MANAGER, UNIT, SERVICE, "BindPaths", NULL, &reply,
				"a(ssbt)") >= 0 &&
	    sd_bus_message_enter_container(reply, 'a', "(ssbt)") >= 0)
		while (sd_bus_message_read(reply, "(ssbt)", &source, &path, &must_exist, &flags) >
		       0)
			is_found |= is_below(folder, path);
	(void)sd_bus_message_unref(reply);
	return is_found;
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
			    is_below(folder, DEFAULT_SPOOL_DIRECTORY) || is_bound(bus, folder);
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

	/* Flags are not the unit's. */
	if (strncmp(folder, SCHEME, strlen(SCHEME)) != 0 ||
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
