/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wakeup.h"

#include <sys/eventfd.h>

int wakeup_open(struct error *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? error_errno(err, "eventfd") : fd;
}

void wakeup_send(int fd)
{
	if (fd >= 0)
		(void)eventfd_write(fd, 1);
}

void wakeup_clear(int fd)
{
	eventfd_t ignored;

	(void)eventfd_read(fd, &ignored);
}
