/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the daemon shows of itself. snapshot.h: one state of everything, gathered for each answer; series.h: samples
 * over time; health.h: rules over both; routes.h: the answers; server.h and listener.h: where they are asked for. All
 * of it is the main thread's, and nothing here changes what is recorded.
 */

#include "status/health.h"
#include "status/listener.h"
#include "status/routes.h"
#include "status/series.h"
#include "status/server.h"
#include "status/snapshot.h"
