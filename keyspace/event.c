/* SPDX-License-Identifier: BSD-3-Clause */
/* event.c - what happens to keys, for those who want to hear of it.
 *
 * A change is noted in a queue of the thread that makes it, under the lock of
 * the key's partition, where it costs one load while nobody asked. The thread
 * takes its queue when it holds no lock any more, so that whoever hears of an
 * event finds the key changed. Any thread, each its own queue.
 */
#include "keyspace/internal.h"

#define QUEUE_KEEP ((size_t)64 << 10)

/* In front of the key's bytes. */
struct event_head {
    uint32_t kind, db, len;
};

void
ks_observe(struct ks *ks, unsigned observer, unsigned kinds)
{
    uint32_t was = LOAD(&ks->observed);
    uint32_t now;

    ASSERT(observer < KS_OBSERVERS && kinds < 1u << 8);
    do {
        now = (was & ~(0xffu << 8 * observer)) | kinds << 8 * observer;
        /* acq_rel: who switches last sees why the others did, as in
         * commands_activate(); ks_settle() is for those who note events */
    } while (!atomic_compare_exchange_weak_explicit(&ks->observed, &was, now,
        memory_order_acq_rel, memory_order_relaxed));
}

/* Who is between the load and its unlock ends before the lock is had here; who
 * takes the lock later sees the new set. */
void
ks_settle(struct ks_thread *t)
{
    CHECK(t, KS_THREAD_MAGIC);
    ks_lock_all(t);
    ks_unlock(t);
}

void
event_record(struct ks_thread *t, enum ks_event_kind kind, struct str name,
    uint32_t db)
{
    struct event_head head = {(uint32_t)kind, db, (uint32_t)name.len};

    buf_append(&t->events, &head, sizeof(head));
    buf_append(&t->events, name.p, name.len);
}

/* Apart, for the room that a key decoded takes on the stack. */
__attribute__((noinline)) void
event_record_item(struct ks_thread *t, enum ks_event_kind kind,
    const struct item_view *v)
{
    const struct templates *ts = t->ks->templates;
    char buf[KS_MAX_KEY];
    struct str name;
    bool known = item_key(ts, v, buf, &name);

    ASSERT(known); /* it is in the index */
    event_record(t, kind, name, db_of_item(t->ks, v));
}

bool
ks_has_events(const struct ks_thread *t)
{
    return t->events.len > 0;
}

void
ks_events(struct ks_thread *t, ks_event_fn fn, void *ctx)
{
    size_t at = 0;

    while (at < t->events.len) {
        struct event_head head;

        memcpy(&head, t->events.p + at, sizeof(head));
        at += sizeof(head);
        fn(ctx, &(struct ks_event){.kind = (enum ks_event_kind)head.kind,
            .db = head.db, .name = {t->events.p + at, head.len}});
        at += head.len;
    }
    t->events.len = 0;
    if (t->events.cap > QUEUE_KEEP)
        buf_free(&t->events);
}
