/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/service_manager.h"

#include <inttypes.h>

#include <systemd/sd-daemon.h>

#include "base/clock.h"

/* A manager that is not there, or does not listen, changes nothing for us: the results are not needed. */

void notify_ready(void)
{
	(void)sd_notify(0, "READY=1");
}

void notify_reloading(void)
{
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_monotonic_ns() / 1000);
}

void notify_stopping(uint64_t seconds)
{
	(void)sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64, seconds * 1000000);
}

void notify_status(const char *status)
{
	(void)sd_notifyf(0, "STATUS=%s", status);
}

uint64_t notify_watchdog_us(void)
{
	uint64_t interval_us = 0;

	return sd_watchdog_enabled(0, &interval_us) > 0 ? interval_us : 0;
}

void notify_alive(void)
{
	(void)sd_notify(0, "WATCHDOG=1");
}
