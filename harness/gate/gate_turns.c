/* SPDX-License-Identifier: MIT */
/*
 * A round in turns: base and head, both alive, are given the CPUs by turns of some
 * milliseconds. The machine's own phases (a neighbour, its clock, the hypervisor) last
 * longer, so that both sides see the same ones. Which side is started, and goes, first is
 * the round's coin; the processes are new in every round, as where they lie in memory
 * makes some percent, too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gate/gate.h"
#include "gate/gate_ask.h"
#include "run/turns.h"
#include "shmht_clock.h"

#define TURN_NS 5000000u
#define SETTLE_NS 1000000u

struct player {
	enum gate_side side;
	struct gate_arguments args;
	struct gate_child child;
	char err[400];
	bool started;
};

static uint32_t turns_of(uint64_t slice_ns)
{
	uint64_t nr = slice_ns / TURN_NS;

	return nr < 2 ? 2 : nr > TURNS_MAX ? TURNS_MAX : (uint32_t)nr;
}

static int start(const struct gate_request *request, const struct gate_point *point,
		 uint64_t slice_ns, uint32_t trial, struct player *player)
{
	char turn[32], settle[32], warmup[32], nr[16], k[16], every[16];
	struct gate_arguments *args = &player->args;
	uint32_t turns = turns_of(slice_ns);

	snprintf(turn, sizeof(turn), "%lluns", (unsigned long long)(slice_ns / turns));
	snprintf(settle, sizeof(settle), "%uns", SETTLE_NS);
	snprintf(warmup, sizeof(warmup), "%uns", GATE_WARMUP_NS);
	snprintf(nr, sizeof(nr), "%u", turns);
	snprintf(k, sizeof(k), "%u", trial);
	snprintf(every, sizeof(every), "%u", point->sample_every);
	gate_begin(request, player->side, args);
	gate_add(args, "--point", point->name);
	gate_add(args, "--trial", k);
	gate_add(args, "--turns", nr);
	gate_add(args, "--duration", turn);
	gate_add(args, "--settle", settle);
	gate_add(args, "--warmup", warmup);
	if (point->sample_every)
		gate_add(args, "--sample-every", every);
	for (uint32_t i = 0; i < point->nr_metrics; i++)
		gate_add(args, "--metric", point->metrics[i].name);
	gate_add(args, request->scenario, NULL);
	return gate_child_start(args->list, true, GATE_SLICE_TIMEOUT_S + (double)slice_ns * 8e-9,
				player->err, sizeof(player->err), &player->child);
}

static int hear(struct player *player)
{
	char byte = 0;
	int r = gate_child_hear(&player->child, &byte);

	return r ? r : byte == TURN_OVER ? 0 : -EPROTO;
}

/* Until all turns were had, or one side drops out: who, in *ret_who. */
static int play(struct player players[GATE_SIDES], uint32_t nr, int *ret_who)
{
	int r = 0;

	for (*ret_who = 0; *ret_who < GATE_SIDES; ++*ret_who) {
		r = hear(&players[*ret_who]);
		if (r)
			return r;
	}
	for (uint32_t k = 0; k < nr; k++)
		for (*ret_who = 0; *ret_who < GATE_SIDES; ++*ret_who) {
			r = gate_child_tell(&players[*ret_who].child, TURN_GIVEN);
			if (!r)
				r = hear(&players[*ret_who]);
			if (r)
				return r;
		}
	return 0;
}

/* r: why it is not to be waited for, or 0. */
static int end(const struct gate_point *point, struct player *player, int r, uint64_t slice_ns,
	       double elapsed_s, struct gate_slice *ret, char *why, size_t size)
{
	char *out = NULL;
	int status = 0;
	json_t *line = NULL;

	r = gate_child_finish(&player->child, r, &out, &status);
	r = gate_read_answer(player->args.list[0], r, out, player->err, status, &line, why, size);
	free(out);
	if (!r)
		r = gate_slice_parse(line, point, slice_ns, elapsed_s, ret, why, size);
	if (!r && ret->nr_turns != turns_of(slice_ns)) {
		snprintf(why, size, "turns found %u, expected %u", ret->nr_turns,
			 turns_of(slice_ns));
		r = -EIO;
	}
	json_decref(line);
	return r;
}

/* Starts both and plays. *ret_who: of players, who dropped out. */
static int conduct(const struct gate_request *request, const struct gate_point *point,
		   uint64_t slice_ns, uint32_t trial, struct gate_round *round,
		   struct player players[GATE_SIDES], int *ret_who)
{
	for (int i = 0; i < GATE_SIDES; i++) {
		int r;

		players[i].side = round->head_first == (i == 0) ? GATE_HEAD : GATE_BASE;
		gate_slice_free(&round->slices[players[i].side]);
		r = start(request, point, slice_ns, trial, &players[i]);
		players[i].started = !r;
		*ret_who = i;
		if (r)
			return r;
	}
	return play(players, turns_of(slice_ns), ret_who);
}

int gate_measure_turns(const struct gate_request *request, const struct gate_point *point,
		       uint64_t slice_ns, uint32_t trial, struct gate_round *round,
		       enum gate_side *ret_side, char *why, size_t size)
{
	struct player *players = calloc(GATE_SIDES, sizeof(*players));
	uint64_t started = shmht_monotonic_ns();
	char text[480] = "out of memory", ignored[8];
	int who = 0,
	    r = players ? conduct(request, point, slice_ns, trial, round, players, &who) : -ENOMEM;
	double elapsed_s = (double)(shmht_monotonic_ns() - started) * 1e-9;

	/* First who dropped out: it may say why, and the other has nothing more to tell. */
	for (int i = 0; players && i < GATE_SIDES; i++) {
		struct player *player = &players[(who + i) % GATE_SIDES];
		struct gate_slice *slice = &round->slices[player->side];
		int was;

		if (r && i) {
			if (player->started)
				end(point, player, -ECANCELED, slice_ns, elapsed_s, slice, ignored,
				    sizeof(ignored));
			break;
		}
		*ret_side = player->side;
		snprintf(text, sizeof(text), "%s: %s", request->builds[player->side].binary,
			 r == -EPIPE ? "it ended before its turns did" : strerror(-r));
		was = player->started ? end(point, player, r == -EPIPE ? 0 : r, slice_ns, elapsed_s,
					    slice, text, sizeof(text)) :
					r;
		r = was ? was : r == -EPIPE ? -EIO : r;
	}
	free(players);
	if (r && r != -EINTR)
		snprintf(why, size, "%s, slice %u: %s", gate_side_names[*ret_side], trial, text);
	return r;
}
