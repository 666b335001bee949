/* SPDX-License-Identifier: MIT */
/* The compare of eight tags at once, against one lane after the other. */
#include "table.h"
#include "support.h"

static unsigned int match_slowly(uint64_t lo, uint64_t hi, uint16_t tag)
{
	unsigned int mask = 0;

	for (unsigned int lane = 0; lane < 8; lane++)
		if ((uint16_t)((lane < 4 ? lo : hi) >> 16 * (lane % 4)) == tag)
			mask |= 1u << lane;
	return mask;
}

static void tags(const struct shmht_strategy *strategy)
{
	static const uint16_t odd[] = { 0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, 0xfffe, 0x0100 };
	struct random random = { 5 };

	(void)strategy;
	for (uint64_t i = 0; i < scaled(1000000); i++) {
		uint64_t words[2] = { 0, 0 };
		uint16_t tag = odd[random_below(&random, 8)];

		for (unsigned int lane = 0; lane < 8; lane++) {
			uint64_t dice = random_next(&random);
			uint16_t value = dice & 1 ? odd[dice >> 1 & 7] : (uint16_t)(dice >> 8);

			words[lane / 4] |= (uint64_t)value << 16 * (lane % 4);
		}
		assert_int_equal(tags_match(words[0], words[1], tag),
				 match_slowly(words[0], words[1], tag));
		assert_int_not_equal(tag_of_hash(words[0]), 0);
	}
}

static const struct strategy_test tests[] = {
	{ "tags: the compare is right in every lane", tags, TEST_ONCE },
};

int main(void)
{
	return RUN_EVERY_STRATEGY("tags", tests);
}
