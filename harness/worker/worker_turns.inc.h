/* SPDX-License-Identifier: MIT */
/* A worker's part of turns (run/turns.h), part of worker.c. */

/* A turn is over: its figures are noted, and the CPU is somebody else's. */
static void park(struct worker *w, uint32_t word)
{
	if (w->measuring) {
		take_waits(w);
		end_window(w);
	} else {
		/* It had no time at all between the turn's beginning and its end. */
		w->part->result.ops = 0;
	}
	w->seen = word;
	worker_rest(w);
	/* Pairs with the load in wait_until_parked(), which reads what was noted. */
	atomic_fetch_add(&w->part->parked, 1);
	wait_while(w->job->control, word);
}
