/* SPDX-License-Identifier: MIT */
/* reopen: another strategy for the same bytes, on a quiet table only. */
#include <unistd.h>

#include "layout.h"
#include "support.h"

#define STATE_OFF ((off_t)offsetof(struct shm_header, state))

static void fill(struct shmht *map, uint64_t from, uint64_t to)
{
	struct shmht_ctx *ctx = context_open(map);

	for (uint64_t k = from; k < to; k++)
		assert_rc(put_number(ctx, k), 0);
	shmht_ctx_close(ctx);
}

/* Through all strategies and read modes in turn; the data stay, and can be changed. */
static void data_intact(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 4000);
	const struct shmht_strategy *next;
	struct shmht_info info;
	struct shmht_ctx *ctx;
	struct shmht *map;
	uint64_t nr = 100;
	int fd;

	cfg.stripes = 4;
	map = table_create(&cfg);
	fd = dup(shmht_fd(map));
	fill(map, 0, nr);
	shmht_detach(map);
	for (unsigned int i = 0; (next = real_strategy(i / 3)); i++) {
		enum shmht_read read = (test_read + i) % 3;

		assert_rc(shmht_reopen(fd, next->name, read, NULL), 0);
		map = table_attach(fd);
		shmht_info(map, &info);
		assert_string_equal(info.strategy, next->name);
		assert_int_equal(info.read, read);
		ctx = context_open(map);
		/* What waits for readers in one mode must be no loss in the next. */
		for (uint64_t k = 0; k < nr; k++)
			assert_rc(shmht_update(ctx, &k, sizeof(k), &k, sizeof(k)), 0);
		assert_count(ctx, nr);
		for (uint64_t k = 0; k < nr; k++)
			assert_true(has_number(ctx, k));
		assert_sound(ctx);
		shmht_ctx_close(ctx);
		fill(map, nr, nr + 50);
		nr += 50;
		shmht_detach(map);
	}
	assert_rc(shmht_reopen(fd, strategy->name, SHMHT_READ_LOCKED, NULL), 0);
	close(fd);
}

static void robust_stays(const struct shmht_strategy *strategy)
{
	static const enum shmht_robust each[] = { SHMHT_ROBUST_OFF, SHMHT_ROBUST_ON };

	for (unsigned int i = 0; i < 2; i++) {
		struct shmht_config cfg = small_config(strategy, 10);
		const struct shmht_strategy *next;
		struct shmht_info info;
		struct shmht *map;
		int fd;

		cfg.robust = each[i];
		map = table_create(&cfg);
		fd = dup(shmht_fd(map));
		shmht_detach(map);
		for (unsigned int k = 0; (next = real_strategy(k)); k++) {
			assert_rc(shmht_reopen(fd, next->name, SHMHT_READ_LOCKED, NULL), 0);
			map = table_attach(fd);
			shmht_info(map, &info);
			assert_int_equal(info.robust, each[i]);
			shmht_detach(map);
		}
		close(fd);
	}
}

static void busy_while_in_use(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 10);
	struct shmht_error err = { "" };
	const struct shmht_strategy *next;
	struct shmht *other;
	int fd = shmht_fd(t.map);

	assert_rc(put_number(t.ctx, 1), 0);
	for (unsigned int i = 0; (next = real_strategy(i)); i++) {
		assert_rc(shmht_reopen(fd, next->name, SHMHT_READ_LOCKED, &err), -EBUSY);
		assert_says(&err, "context");
	}
	assert_true(has_number(t.ctx, 1)); /* a refusal changed nothing */
	other = table_attach(fd);
	shmht_detach(other);
	shmht_ctx_close(t.ctx);
	assert_rc(shmht_reopen(fd, strategy->name, SHMHT_READ_LOCKED, &err), 0);
	other = table_attach(fd);
	shmht_detach(t.map);
	t.map = other;
	t.ctx = context_open(t.map);
	table_close(&t);
}

static int leave_open(void *arg)
{
	struct shmht_ctx *ctx;

	return shmht_ctx_open(arg, &ctx, NULL) || put_number(ctx, 1);
}

/* Workers that died are none; a lock that one of them held is made anew. */
static void after_the_dead(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 10);
	struct shmht *map = table_create(&cfg), *other;

	assert_int_equal(child_wait(child_start(leave_open, map)), 0);
	assert_rc(shmht_reopen(shmht_fd(map), strategy->name, SHMHT_READ_LOCKED, NULL), 0);
	other = table_attach(shmht_fd(map));
	fill(other, 2, 5);
	shmht_detach(other);
	shmht_destroy(map);
}

static int lock_and_die(void *arg)
{
	struct shmht_info info;
	struct shmht_ctx *ctx;

	shmht_info(arg, &info);
	if (shmht_ctx_open(arg, &ctx, NULL))
		return 1;
	return shmht_strategy_find(info.strategy)->ops.lock(ctx, 0);
}

static void frees_a_dead_lock(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 10);
	struct shmht *map = table_create(&cfg), *other;

	fill(map, 0, 3);
	assert_int_equal(child_wait(child_start(lock_and_die, map)), 0);
	assert_rc(shmht_reopen(shmht_fd(map), strategy->name, SHMHT_READ_LOCKED, NULL), 0);
	other = table_attach(shmht_fd(map));
	fill(other, 3, 10);
	shmht_detach(other);
	shmht_destroy(map);
}

/* A mapping from before speaks another lock: no context from it. */
static void old_mapping_is_stale(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 10);
	struct shmht *map = table_create(&cfg), *other;
	struct shmht_ctx *ctx = (struct shmht_ctx *)0x77;
	struct shmht_error err = { "" };

	assert_rc(shmht_reopen(shmht_fd(map), strategy->name, SHMHT_READ_LOCKED, NULL), 0);
	assert_rc(shmht_ctx_open(map, &ctx, &err), -ESTALE);
	assert_ptr_equal(ctx, (struct shmht_ctx *)0x77);
	assert_says(&err, "attach again");
	other = table_attach(shmht_fd(map));
	fill(other, 0, 5); /* the refusal kept no slot: there would be none for `none` */
	assert_rc(shmht_reopen(shmht_fd(map), strategy->name, SHMHT_READ_LOCKED, NULL), 0);
	shmht_detach(other);
	shmht_destroy(map);
}

static void refuses(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 10);
	struct shmht *map = table_create(&cfg), *other;
	struct shmht_error err = { "" };
	int fd = dup(shmht_fd(map));

	assert_rc(shmht_reopen(fd, "no such lock", SHMHT_READ_LOCKED, &err), -ENOSYS);
	assert_says(&err, "'no such lock'");
	assert_rc(shmht_reopen(fd, NULL, SHMHT_READ_LOCKED, &err), -ENOSYS);
	fill(map, 0, 5);
	other = table_attach(fd); /* still as it was */
	shmht_detach(other);
	shmht_destroy(map);
	assert_rc(shmht_reopen(fd, strategy->name, SHMHT_READ_LOCKED, &err), -ESTALE);
	close(fd);
}

/* Killed in between: nobody gets in, and the next reopen finishes it. */
static void finishes_what_was_begun(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 100);
	struct shmht *map = table_create(&cfg), *other = (struct shmht *)0x77;
	uint64_t converting[3] = { REGION_CONVERTING, 1, 999999999 /* no such thread */ };
	unsigned char half[64] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct shmht_error err = { "" };
	struct shmht_ctx *ctx;
	int fd = shmht_fd(map);

	fill(map, 0, 50);
	assert_int_equal(pwrite(fd, converting, sizeof(converting), STATE_OFF), 24);
	assert_int_equal(pwrite(fd, half, 64, 4096 + 8 * 256), 64); /* the stripe's lock */
	assert_rc(shmht_attach(fd, NULL, &other, &err), -EBUSY);
	assert_rc(shmht_ctx_open(map, &ctx, &err), -EBUSY);
	assert_rc(shmht_reopen(fd, strategy->name, SHMHT_READ_LOCKED, &err), 0);
	other = table_attach(fd);
	fill(other, 50, 100);
	ctx = context_open(other);
	assert_count(ctx, 100);
	assert_sound(ctx);
	shmht_ctx_close(ctx);
	shmht_detach(other);
	shmht_destroy(map);
}

/* A conversion begun and not finished is not taken for finished because
 * somebody happened to have a slot when the next one looked. */
static void busy_is_not_ready(const struct shmht_strategy *strategy)
{
	struct table t = table_small(strategy, 100);
	uint64_t converting[3] = { REGION_CONVERTING, 1, 999999999 }, ready[3] = { REGION_READY };
	struct shmht_error err = { "" };
	struct shmht *other;
	int fd = shmht_fd(t.map);

	assert_int_equal(pwrite(fd, converting, sizeof(converting), STATE_OFF), 24);
	assert_rc(shmht_reopen(fd, strategy->name, SHMHT_READ_LOCKED, &err), -EBUSY);
	assert_rc(shmht_attach(fd, NULL, &other, &err), -EBUSY);
	assert_int_equal(pwrite(fd, ready, sizeof(ready), STATE_OFF), 24);
	table_close(&t);
}

/* A converter that lives is not disturbed. */
static void one_converter(const struct shmht_strategy *strategy)
{
	struct shmht_config cfg = small_config(strategy, 100);
	struct shmht *map = table_create(&cfg);
	uint64_t converting[4] = { REGION_CONVERTING, 1, (uint64_t)getpid(), 0 };
	struct shmht_error err = { "" };

	assert_int_equal(pwrite(shmht_fd(map), converting, 32, STATE_OFF), 32);
	assert_rc(shmht_reopen(shmht_fd(map), strategy->name, SHMHT_READ_LOCKED, &err), -EBUSY);
	assert_says(&err, "converting");
	shmht_destroy(map);
}

/* The lists of stripe k as they are, noted to be restored: what somebody leaves who
 * dies just before he changes them. kind: of the intent. */
static off_t arm(int fd, const struct shmht_config *cfg, uint32_t k, uint64_t kind)
{
	struct shm_stripe stripe;
	struct geometry geo;
	off_t at;

	assert_rc(geometry_compute(cfg, &geo, NULL), 0);
	at = (off_t)(geo.stripes_off + k * sizeof(stripe));
	assert_int_equal(pread(fd, &stripe, sizeof(stripe), at), sizeof(stripe));
	stripe.intent[0] = stripe.loaded;
	stripe.intent[2] = stripe.spare_mag;
	stripe.intent[3] = stripe.limbo;
	stripe.intent[4] = stripe.limbo_closed;
	stripe.intent[INTENT_ARMED] = kind;
	assert_int_equal(pwrite(fd, &stripe, sizeof(stripe), at), sizeof(stripe));
	return at + (off_t)offsetof(struct shm_stripe, intent[INTENT_ARMED]);
}

/* The searches of a worker that is alone look at no intent: his context does. */
static void alone_after_the_dead(const struct shmht_strategy *strategy)
{
	const uint64_t restore = 5, unheard_of = 0x55;
	struct shmht_config cfg = small_config(shmht_strategy_find("spin"), 100);
	struct shmht_error err = { "" };
	struct shmht_ctx *ctx;
	struct shmht *map;
	uint64_t armed;
	off_t at;
	int fd;

	(void)strategy;
	cfg.stripes = 4;
	map = table_create(&cfg);
	fd = dup(shmht_fd(map));
	fill(map, 0, 50);
	shmht_detach(map);
	for (uint32_t k = 0; k <= 4; k++) { /* the pool too */
		at = arm(fd, &cfg, k, restore);
		assert_rc(shmht_reopen(fd, "none", SHMHT_READ_LOCKED, NULL), 0);
		map = table_attach(fd);
		ctx = context_open(map);
		assert_int_equal(pread(fd, &armed, sizeof(armed), at), sizeof(armed));
		assert_int_equal(armed, 0);
		assert_int_equal(shmht_ctx_stats(ctx)->acquired, 0);
		for (uint64_t n = 0; n < 50; n++)
			assert_true(has_number(ctx, n));
		assert_sound(ctx);
		shmht_ctx_close(ctx);
		shmht_detach(map);
	}
	arm(fd, &cfg, 2, unheard_of);
	map = table_attach(fd);
	assert_rc(shmht_ctx_open(map, &ctx, &err), -EUCLEAN);
	assert_says(&err, "stripe 2");
	shmht_detach(map);
	close(fd);
}

static const struct strategy_test tests[] = {
	{ "reopen: through all strategies, data intact", data_intact, 0 },
	{ "reopen: robust stays what it was", robust_stays, TEST_LOCKED },
	{ "reopen: EBUSY while a context is alive", busy_while_in_use, TEST_LOCKED },
	{ "reopen: the dead do not count", after_the_dead, TEST_LOCKED },
	{ "reopen: frees a dead holder's lock", frees_a_dead_lock, TEST_LOCKED },
	{ "reopen: older mappings are ESTALE", old_mapping_is_stale, TEST_LOCKED },
	{ "reopen: refuses", refuses, TEST_LOCKED },
	{ "reopen: finishes what a dead one began", finishes_what_was_begun, TEST_LOCKED },
	{ "reopen: EBUSY leaves CONVERTING as it was", busy_is_not_ready, TEST_LOCKED },
	{ "reopen: one converter at a time", one_converter, TEST_LOCKED },
	{ "reopen: a worker that is alone, after the dead", alone_after_the_dead, TEST_ONCE },
};

int main(void)
{
	return RUN_EVERY_STRATEGY("reopen", tests);
}
