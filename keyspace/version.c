/* SPDX-License-Identifier: BSD-3-Clause */
/* version.c - numbers for values, so that a client can say "store this if the
 * value is still the one that I read".
 *
 * Few keys are ever used so, and eight bytes in every item would be a third
 * of what an item costs. So a value gets its version when somebody first asks
 * for it: the item is rewritten with the number in it, and goes without when
 * the next write replaces it. A number is never used twice, whatever became of
 * the key: all come from one counter, which starts at the time in microseconds,
 * so that a restarted server goes on above what it gave before. It stays below
 * 2^53 until the year 2255, for the clients that know no larger integers. Any
 * thread.
 */
#include "keyspace/internal.h"

void
version_init(struct ks *ks)
{
    atomic_init(&ks->last_version, clock_wall_ms() * 1000);
}

uint64_t
version_next(struct ks *ks)
{
    return 1 +
        atomic_fetch_add_explicit(&ks->last_version, 1, memory_order_relaxed);
}

static void
give(void *ctx, const struct ks_old *old, struct ks_new *new)
{
    (void)ctx;
    (void)old;
    new->action = KS_NUMBER;
}

enum ks_status
ks_give_version(struct ks_thread *t, const struct ks_key *key)
{
    return ks_update(t, key, give, NULL);
}
