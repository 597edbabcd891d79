/* SPDX-License-Identifier: BSD-3-Clause */
/* snapshot.c - several keys read without a lock, as of one moment.
 *
 * Before a key is read the versions of the lines are noted where its item may
 * stand, and looked at again when all keys have been read. If none has changed,
 * then between the last read and the first of these looks each key still was
 * what was read of it: the moment of which the reply tells. That holds for keys
 * that are not there, too.
 *
 * A change of several keys may have come half-way by then. So none may be under
 * way at the beginning, nor have begun by the end. And a flush makes keys lead
 * elsewhere without a change of any line: that changes the epoch of the keys.
 *
 * Any thread.
 */
#include "keyspace/probe.h"

#ifndef ASHLAR_SEQLOCK_LOCKED

/* The lines are those from the home on, as far as it says: the same ones as long
 * as neither the geometry nor the home has changed. Then their versions, which
 * only grow, are the same if the sum is. False while one changes. */
static bool
note_lines(const struct index *ix, uint64_t hash, struct ks_stamp *s)
{
    const struct partition *p = &ix->partition[index_partition(hash)];
    const struct index_line *line;
    unsigned odd;

    s->geometry = atomic_load_explicit(&p->geometry, memory_order_acquire);
    line = partition_line(p, home_line(p, hash));
    s->home = atomic_load_explicit(&line->version, memory_order_acquire);
    s->others = 0;
    odd = s->geometry | s->home;
    for (unsigned n = line->overflow; unlikely(n > 0); n--) {
        uint32_t version;

        line = next_line(line);
        version = atomic_load_explicit(&line->version, memory_order_acquire);
        s->others += version;
        odd |= version;
    }
    return (odd & 1) == 0;
}

bool
ks_snapshot_begin(const struct ks_thread *t, struct ks_snapshot *s)
{
    s->several = LOAD(&t->ks->several_begun);
    return !is_several_changing(t->ks) && LOAD(&t->ks->observed) == 0;
}

bool
ks_snapshot_note(const struct ks_thread *t, const struct ks_key *keys,
    struct ks_stamp *stamps, size_t n)
{
    bool noted = true;

    for (size_t i = 0; i < n; i++)
        noted &= note_lines(&t->ks->index, keys[i].hash, &stamps[i]);
    return noted;
}

bool
ks_snapshot_end(const struct ks_thread *t, const struct ks_snapshot *s,
    const struct ks_key *keys, const struct ks_stamp *stamps, size_t n)
{
    const struct ks *ks = t->ks;

    /* acquire: pairs with the release fences of the changes that were seen */
    read_fence(memory_order_acquire);
    for (size_t i = 0; i < n; i++) {
        struct ks_stamp now;

        if (unlikely(!note_lines(&ks->index, keys[i].hash, &now) ||
                now.geometry != stamps[i].geometry ||
                now.home != stamps[i].home || now.others != stamps[i].others))
            return false;
    }
    for (size_t i = 0; i < n; i++)
        if (!key_is_current(ks, &keys[i]))
            return false;
    return LOAD(&ks->several_begun) == s->several;
}

#else /* all reads take locks */

bool
ks_snapshot_begin(const struct ks_thread *t, struct ks_snapshot *s)
{
    (void)t;
    (void)s;
    return false;
}

bool
ks_snapshot_note(const struct ks_thread *t, const struct ks_key *keys,
    struct ks_stamp *stamps, size_t n)
{
    (void)t;
    (void)keys;
    (void)stamps;
    (void)n;
    return false;
}

bool
ks_snapshot_end(const struct ks_thread *t, const struct ks_snapshot *s,
    const struct ks_key *keys, const struct ks_stamp *stamps, size_t n)
{
    (void)t;
    (void)s;
    (void)keys;
    (void)stamps;
    (void)n;
    return false;
}
#endif
