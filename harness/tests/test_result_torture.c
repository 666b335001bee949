/* SPDX-License-Identifier: MIT */
/* What a storm left behind, told from what the machine did meanwhile. */
#include "result_fixture.h"

#include "result/result_internal.h"

#define WINDOWS 20u

/* Rates before are 1000; since then the machine runs at `speed` of that, give or take a
 * tenth from pair to pair, and the table that was stormed at `left` of a new one. */
static json_t *throughput_of(double speed, double left, uint32_t nr_fresh)
{
	double before[WINDOWS], after[WINDOWS], fresh[WINDOWS];
	struct torture_outcome outcome = { .nr_before = WINDOWS,
					   .nr_after = WINDOWS,
					   .nr_fresh = nr_fresh,
					   .before = before,
					   .after = after,
					   .fresh = fresh };
	struct trial trial = { .torture = &outcome };
	json_t *object, *throughput;

	for (uint32_t i = 0; i < WINDOWS; i++) {
		before[i] = 1000 + i % 3;
		fresh[i] = 1000 * speed * (i % 2 ? 1.1 : 0.9);
		after[i] = fresh[i] * left * (1 + (i % 5) / 1000.0);
	}
	object = result_torture_object(&trial);
	throughput = json_incref(json_object_get(object, "throughput"));
	json_decref(object);
	return throughput;
}

static double at(const json_t *throughput, const char *path)
{
	return json_number_value(fixture_at(throughput, path));
}

static void test_a_machine_that_slowed_down_is_no_damage(void **state)
{
	json_t *throughput = throughput_of(0.5, 1, WINDOWS);

	(void)state;
	assert_true(at(throughput, "high") < 0.6);
	assert_true(at(throughput, "to_fresh/low") > 0.99);
	assert_true(at(throughput, "to_fresh/high") < 1.01);
	assert_int_equal(json_array_size(fixture_at(throughput, "fresh")), WINDOWS);
	json_decref(throughput);
}

static void test_damage_shows_on_a_machine_that_got_faster(void **state)
{
	json_t *throughput = throughput_of(2, 0.8, WINDOWS);

	(void)state;
	assert_true(at(throughput, "low") > 1);
	assert_true(at(throughput, "to_fresh/high") < 0.81);
	assert_true(at(throughput, "to_fresh/ratio") > 0.79);
	json_decref(throughput);
}

static void test_without_a_new_table_nothing_is_said(void **state)
{
	json_t *throughput = throughput_of(1, 1, 0);

	(void)state;
	assert_true(json_is_null(json_object_get(throughput, "to_fresh")));
	assert_true(at(throughput, "low") > 0.8);
	json_decref(throughput);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_machine_that_slowed_down_is_no_damage),
		cmocka_unit_test(test_damage_shows_on_a_machine_that_got_faster),
		cmocka_unit_test(test_without_a_new_table_nothing_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
