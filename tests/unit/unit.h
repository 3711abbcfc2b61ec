/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What every unit test includes: cmocka, with the headers that it wants before it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof *(array))
