/* SPDX-License-Identifier: MIT */
/*
 * Which hash a table has: XXH3 with a seed, the caller's own, or SipHash with a
 * secret key. All who use a table must have the same, so the header keeps a proof:
 * its results on fixed keys, folded. Of the key it tells nothing that helps to find
 * it: 64 bits of a pseudorandom function's output, for 128 of key.
 */
#include "hash_choice.h"

#include <errno.h>
#include <string.h>

#include "hash.h"
#include "siphash.h"

#define BOTH_GIVEN "hash and hash_key are both given; hash_key is SipHash's: leave hash NULL"

/* Instead of hash and seed: siphash_keyed() finds the key by its address. */
static void use_key(struct shmht *map, const void *key)
{
	siphash_key(map->hash_key, key);
	map->hash_keyed = true;
	map->hash = siphash_keyed;
	map->hash_seed = (uint64_t)(uintptr_t)map->hash_key;
}

int hash_choose(struct shmht *map, const struct shmht_config *cfg, struct shmht_error *err)
{
	if (cfg->hash && cfg->hash_key) {
		error_set(err, BOTH_GIVEN);
		return -EINVAL;
	}
	if (cfg->chain_max > SHMHT_CHAIN_MAX) {
		error_set(err, "chain_max is %u; allowed: 1 to %u, or 0 (no limit)", cfg->chain_max,
			  SHMHT_CHAIN_MAX);
		return -EINVAL;
	}
	map->chain_max = cfg->chain_max;
	map->hash = cfg->hash;
	map->hash_seed = cfg->hash_seed;
	if (cfg->hash_key)
		use_key(map, cfg->hash_key);
	return 0;
}

void hash_note(const struct shmht *map, struct shm_header *header)
{
	header->hash_keyed = map->hash_keyed;
	header->chain_max = (uint16_t)map->chain_max;
	header->hash_seed = map->hash_keyed ? 0 : map->hash_seed;
	header->hash_proof = hash_proof(map->hash, map->geo.key_size, map->hash_seed);
}

/* Is there a key where one is asked for, and only there? */
static int check_given(const struct shm_header *header, const struct shmht_attach_options *opt,
		       struct shmht_error *err)
{
	if (header->hash_keyed > 1) {
		error_set(err, "header: hash_keyed is %u; allowed: 0, 1", header->hash_keyed);
		return -EPROTO;
	}
	if (header->hash_keyed && !opt->hash_key) {
		error_set(err, "the table's hash has a key, none was given: pass the hash_key that "
			       "the table was created with");
		return -ENOKEY;
	}
	if (opt->hash_key && (!header->hash_keyed || opt->hash)) {
		error_set(err, "%s",
			  header->hash_keyed ?
				  BOTH_GIVEN :
				  "the table's hash has no key: attach without hash_key");
		return -EMEDIUMTYPE;
	}
	return 0;
}

int hash_agree(struct shmht *map, const struct shm_header *header,
	       const struct shmht_attach_options *opt, struct shmht_error *err)
{
	uint64_t proof;
	int r = check_given(header, opt, err);

	if (r)
		return r;
	map->chain_max = header->chain_max;
	map->hash = opt->hash;
	map->hash_seed = header->hash_seed;
	if (opt->hash_key)
		use_key(map, opt->hash_key);
	proof = hash_proof(map->hash, map->geo.key_size, map->hash_seed);
	if (proof == header->hash_proof)
		return 0;
	error_set(err,
		  "the hash %s gives proof 0x%016llx; the creator's gave 0x%016llx: pass the %s "
		  "that the table was created with",
		  map->hash_keyed ? "with this key" : "function", (unsigned long long)proof,
		  (unsigned long long)header->hash_proof,
		  map->hash_keyed ? "hash_key" : "function");
	return map->hash_keyed ? -EKEYREJECTED : -EMEDIUMTYPE;
}

void hash_forget(struct shmht *map)
{
	explicit_bzero(map->hash_key, sizeof(map->hash_key));
}
