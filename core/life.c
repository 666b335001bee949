/* SPDX-License-Identifier: MIT */
/*
 * A life word that the kernel marks. Each thread can give the kernel one list of
 * the futexes it holds (set_robust_list(2)); at its end, at exec, and whatever
 * kills it, the kernel sets FUTEX_OWNER_DIED in each that bears its thread id.
 * A context's slot is such a futex, held as long as the context is open: who
 * waits for a lock learns by one load that its holder is gone.
 *
 * glibc has registered that one list already, for its robust mutexes. A list of
 * our own would put glibc's out of force in this thread, without a word: our
 * mutex-robust and the caller's robust mutexes would strand. So the slot joins
 * glibc's list. Its shape is the kernel's ABI (futex_offset: from an element to
 * its futex, the same for the whole list), and a slot has life word and element
 * as far apart as a mutex has. We join as the last element: glibc puts its own
 * first, and takes one out by the links in that one, so what it writes here is
 * robust_prev, and it reads nothing. A hostile peer who scribbles over the links
 * can make the kernel's walk end early, and no more.
 *
 * No list, another offset (another libc), or a thread's second context: the life
 * word stays unmarked and /proc is asked instead (liveness.c), some
 * milliseconds later. That way is needed anyway: the kernel does not walk the
 * list when the OOM killer has taken the memory first.
 *
 * After fork the child has an empty list (glibc resets it) and no context.
 * Manual: get_robust_list(2); kernel documentation, robust-futex-ABI.
 */
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "context.h"

#define LIST_MAX 2048u /* elements that the kernel follows */

/* This thread's slot in the list. A child of fork has another tid. */
static __thread struct {
	struct shm_slot *slot;
	uint32_t tid;
} listed;

static struct robust_list *element_of(struct shm_slot *slot)
{
	return (struct robust_list *)(uintptr_t)&slot->robust_next;
}

static struct robust_list_head *list_head(void)
{
	struct robust_list_head *head = NULL;
	size_t len = 0;

	if (syscall(SYS_get_robust_list, 0, &head, &len) || !head || len != sizeof(*head) ||
	    head->futex_offset != (long)offsetof(struct shm_slot, life) -
					  (long)offsetof(struct shm_slot, robust_next))
		return NULL;
	return head;
}

/* The element whose next one is `next`; NULL: the list has no such, or no end. */
static struct robust_list *find_before(struct robust_list_head *head, struct robust_list *next)
{
	struct robust_list *at = &head->list;

	for (unsigned int n = 0; n < LIST_MAX; n++) {
		if (at->next == next)
			return at;
		/* The lowest bit says "priority inheritance". */
		at = (struct robust_list *)((uintptr_t)at->next & ~(uintptr_t)1);
		if (!at || at == &head->list)
			return NULL;
	}
	return NULL;
}

/* What the kernel looks at besides the list: an element on its way in or out.
 * It acts on program order, so only the compiler has to be told. */
static void set_pending(struct robust_list_head *head, struct robust_list *element)
{
	atomic_signal_fence(memory_order_seq_cst);
	head->list_op_pending = element;
	atomic_signal_fence(memory_order_seq_cst);
}

uint32_t life_tid(uint32_t life)
{
	return life & FUTEX_OWNER_DIED ? 0 : life & FUTEX_TID_MASK;
}

bool life_claim(struct shm_slot *slot, uint32_t life, uint32_t tid)
{
	struct robust_list_head *head = NULL;
	struct robust_list *last;
	bool claimed;

	if (!listed.slot || listed.tid != tid)
		head = list_head();
	last = head ? find_before(head, &head->list) : NULL;
	if (!last)
		return atomic_compare_exchange_strong(&slot->life, &life, tid);
#ifdef SHMHT_MUTANT_LIFE_FIRST /* a test's negative control: a death in between is not marked */
	claimed = atomic_compare_exchange_strong(&slot->life, &life, tid);
#else
	set_pending(head, element_of(slot));
	claimed = atomic_compare_exchange_strong(&slot->life, &life, tid);
#endif
	if (claimed) {
		st(&slot->robust_prev, (uint64_t)(uintptr_t)last);
		element_of(slot)->next = &head->list;
		atomic_signal_fence(memory_order_seq_cst);
		last->next = element_of(slot);
		listed.slot = slot;
		listed.tid = tid;
	}
	set_pending(head, NULL);
	return claimed;
}

void life_release(struct shm_slot *slot)
{
	uint32_t tid = atomic_load(&slot->life);
	struct robust_list_head *head;
	struct robust_list *before;

	if (listed.slot != slot || listed.tid != tid) {
		atomic_store(&slot->life, 0);
		return;
	}
	listed.slot = NULL;
	head = list_head();
	before = head ? find_before(head, element_of(slot)) : NULL;
	if (before) {
		set_pending(head, element_of(slot));
		before->next = &head->list;
	}
	atomic_store(&slot->life, 0);
	if (before)
		set_pending(head, NULL);
}
