/* SPDX-License-Identifier: BSD-3-Clause */
/* mark.c - what is noted beside chunks: marks, deadlines, sizes.
 *
 * Readers without a lock want to note a hit. By the time they write, the chunk
 * may be free, its page emptied and in use by another class, with a value where
 * the mark was. Looking alone cannot exclude that, so such a writer announces
 * the page first, in the way of hazard pointers:
 *
 *   writer   holding = page;    is the page still in use?
 *   page     no longer in use;  does anybody hold it?
 *
 * All four are sequentially consistent, so at least one of the two sees the
 * other. A page that is held stays in the reserve; once it was seen there
 * without a holder no new one can come.
 */
#include "slab/internal.h"

bool
slab_refit(struct slab *s, uint32_t handle, const struct slab_mark *m,
    size_t bytes)
{
    (void)handle;
    if (class_for(s, bytes) != m->cls)
        return false;
    debug_refit(s, handle, m->chunk_bytes, bytes);
    return true;
}

bool
slab_mark_hold(struct slab_thread *t, const struct slab_mark *m)
{
    const struct slab *s = t->slab;
    uint32_t kind;

    DEBUG_ASSERT(LOAD(&t->holding) == PAGE_NONE);
    if (unlikely(m->page == SLAB_MARK_NO_PAGE))
        return false;
    /* pairs with page_release_locked() and page_is_held() */
    atomic_exchange_explicit(&t->holding, m->page, memory_order_seq_cst);
    kind = atomic_load_explicit(
        &s->pages[m->page].kind, memory_order_seq_cst);
    /* A page that is in use has the size and the layout of its class. */
    if (likely(kind_has_chunks(kind) && kind_class(kind) == m->cls))
        return true;
    slab_mark_drop(t);
    return false;
}

void
slab_mark_drop(struct slab_thread *t)
{
    /* release: the marks are written before the page may go */
    atomic_store_explicit(&t->holding, PAGE_NONE, memory_order_release);
}

bool
page_is_held(struct slab *s, uint32_t page)
{
    const struct slab_thread *t;
    bool held = false;

    spin_lock(&s->threads_lock);
    for (t = s->threads; t != NULL && !held; t = t->next)
        held = atomic_load_explicit(&t->holding, memory_order_seq_cst) == page;
    spin_unlock(&s->threads_lock);
    return held;
}

size_t
slab_chunk_bytes(const struct slab *s, uint32_t handle)
{
    uint32_t page = page_at(s, handle_offset(handle));

    return s->classes[kind_class(LOAD(&s->pages[page].kind))].chunk_bytes;
}

/* ---- deadlines ----------------------------------------------------------- */

/* Who notes a deadline has marked its chunk before. Who takes the page's deadline
 * looks at the marks then: it must see those of all deadlines that were noted, or
 * not noted because the page's was earlier. Taking is rare and pays for the
 * barrier between the store and the look of who notes (slab_due_settle()). */
void
slab_due_note(struct slab *s, uint32_t handle, uint32_t due)
{
    _Atomic uint32_t *at = &s->pages[page_at(s, handle_offset(handle))].due;
    uint32_t now;

    if (likely(s->has_barrier)) {
        atomic_signal_fence(memory_order_seq_cst);
        now = LOAD(at);
    } else {
        now = atomic_fetch_or_explicit(at, 0, memory_order_release);
    }
    while (due < now &&
        !atomic_compare_exchange_weak_explicit(
            at, &now, due, memory_order_release, memory_order_relaxed))
        continue;
}

uint32_t
slab_due_get(const struct slab *s, uint32_t page)
{
    return LOAD(&s->pages[page].due);
}

uint32_t
slab_due_take(struct slab *s, uint32_t page)
{
    return atomic_exchange_explicit(
        &s->pages[page].due, UINT32_MAX, memory_order_acq_rel);
}

void
slab_due_settle(const struct slab *s)
{
    if (s->has_barrier)
        barrier_for_all();
}
