/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What can be found wrong with the interfaces and the filter of a configuration before anything is recorded. Main only. */

#include "base/error.h"
#include "conf/conf.h"
#include "netif/netif.h"

/* Before a start would change something: is the filter one for any type of link? What is not known soon passes. */
int pipelines_check_text(const struct conf *conf, struct error *err)
	__attribute__((warn_unused_result));
/* --check-config: could they be opened? By the rule of pipelines_settle(). */
int pipelines_check(const struct conf *conf, const struct interfaces_view *view, struct error *err)
	__attribute__((warn_unused_result));
