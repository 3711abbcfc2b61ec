/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/budget.h"

static bool is_over(const struct budget *budget, const struct budget_state *state)
{
	uint64_t floor = state->disk_total / 100 * budget->min_free_percent;

	return state->segments > budget->max_segments ||
	       (budget->max_bytes > 0 && state->bytes > budget->max_bytes) ||
	       state->disk_free < floor;
}

size_t budget_excess(const struct budget *budget, struct budget_state state, const uint64_t *sizes,
		     size_t count, bool *ret_is_short)
{
	size_t excess = 0;

	for (; excess < count && is_over(budget, &state); excess++) {
		state.segments--;
		state.bytes -= sizes[excess] < state.bytes ? sizes[excess] : state.bytes;
		state.disk_free += sizes[excess];
	}
	*ret_is_short = state.disk_free < state.disk_total / 100 * budget->min_free_percent;
	return excess;
}
