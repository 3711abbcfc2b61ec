/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the service manager is told (sd_notify(3)). Without one, nothing happens. Main thread only. */

#include <stdbool.h>
#include <stdint.h>

void notify_ready(void);
void notify_reloading(void);
/* A stop begins that may take this long. */
void notify_stopping(uint64_t seconds);
/* One line for `systemctl status`; sent when it changed. */
void notify_status(const char *status);
/* How often the manager wants a sign of life, in microseconds; 0: not at all. */
uint64_t notify_watchdog_us(void);
void notify_alive(void);
