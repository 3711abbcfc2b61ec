/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Packets in memory and in capture files: chunk.h, the unit that travels from capture to recorder, and
 * format.h, how records are written and read. Used by any thread; does no I/O.
 */

#include "packet/chunk.h"
#include "packet/format.h"
