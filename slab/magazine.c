/* SPDX-License-Identifier: BSD-3-Clause */
/* magazine.c - a thread's own stock of free chunks: the fast path.
 *
 * For each class a LIFO of handles that only its thread touches. Empty: a batch
 * comes from the class. Full: the older half goes there. In between lies half a
 * magazine, so a thread that allocates and frees around either end does not go
 * back and forth. Chunks freed by a thread that did not allocate them stay with
 * it; the depot evens that out.
 */
#include "slab/internal.h"

#include <stdlib.h>

static struct magazine *
magazine_of(struct slab_thread *t, const struct size_class *c)
{
    return (struct magazine *)(void *)((char *)t + c->magazine_at);
}

/* The same of any thread's, to look at. */
static const struct magazine *
magazine_seen(const struct slab_thread *t, const struct size_class *c)
{
    return (const void *)((const char *)t + c->magazine_at);
}

/* Take a batch; returns how many there are now. */
static __attribute__((noinline)) uint32_t
refill(struct slab *s, struct size_class *c, struct magazine *m,
    enum page_charge how)
{
    uint64_t begun = step_begin();
    uint32_t n = class_take(s, c, m->handle, c->exchange, how);

    step_end(STEP_REFILL, begun);
    STORE(&m->n, n);
    return n;
}

/* Make room by giving the older half away; returns how many are left. */
static __attribute__((noinline)) uint32_t
spill(struct slab *s, struct size_class *c, struct magazine *m)
{
    uint32_t left = LOAD(&m->n) - c->exchange;

    class_put(s, c, m->handle, c->exchange);
    memmove(m->handle, &m->handle[c->exchange], left * sizeof m->handle[0]);
    STORE(&m->n, left);
    return left;
}

/* A chunk of a draining page does not go out again: true if it was one, and is
 * counted back. */
static __attribute__((noinline)) bool
withdraw(struct slab *s, struct size_class *c, uint32_t handle)
{
    uint32_t page = page_at(s, handle_offset(handle));

    if (!kind_draining(page_kind_of(s, page)))
        return false;
    class_put_to_pages(s, c, &handle, 1);
    return true;
}

static inline uint32_t
alloc(struct slab_thread *t, size_t bytes, enum page_charge how)
{
    struct slab *s = t->slab;
    struct size_class *c = &s->classes[class_for(s, bytes)];
    struct magazine *m = magazine_of(t, c);
    uint32_t n = LOAD(&m->n), handle;

    do {
        if (unlikely(n == 0) && (n = refill(s, c, m, how)) == 0)
            return 0;
        handle = m->handle[--n];
        STORE(&m->n, n);
    } while (unlikely(LOAD(&c->n_draining) > 0) && withdraw(s, c, handle));
    debug_alloc(s, handle, c->chunk_bytes, bytes);
    return handle;
}

uint32_t
slab_alloc(struct slab_thread *t, size_t bytes)
{
    return alloc(t, bytes, PAGE_WITHIN_LIMIT);
}

uint32_t
slab_alloc_anyway(struct slab_thread *t, size_t bytes)
{
    return alloc(t, bytes, PAGE_ANYWAY);
}

uint32_t
slab_take(struct slab_thread *t, size_t bytes)
{
    struct slab *s = t->slab;
    struct size_class *c = &s->classes[class_for(s, bytes)];
    struct magazine *m = magazine_of(t, c);
    uint32_t n = LOAD(&m->n), handle;

    if (unlikely(n == 0 || LOAD(&c->n_draining) > 0))
        return 0;
    handle = m->handle[n - 1];
    STORE(&m->n, n - 1);
    debug_alloc(s, handle, c->chunk_bytes, bytes);
    return handle;
}

bool
slab_is_out_of(const struct slab_thread *t, unsigned cls)
{
    const struct size_class *c = &t->slab->classes[cls];

    return LOAD(&magazine_seen(t, c)->n) == 0 &&
        !slab_class_has_free(t->slab, cls) && LOAD(&c->n_draining) == 0;
}

/* Make the chunk look free to everybody who walks the page. */
static struct size_class *
mark_free(struct slab *s, uint32_t handle, uint32_t kind)
{
    struct size_class *c = &s->classes[kind_class(kind)];
    size_t offset = handle_offset(handle);
    size_t start = offset & ~((size_t)c->page_bytes - 1);

    ASSERT(kind_has_chunks(kind));
    debug_release(s, handle, c->chunk_bytes);
    STORE(&chunk_words(s, handle)[0], 0);
    STORE(&page_states(s, c, start)[chunk_slot(c, offset - start)],
        SLAB_MARK_FREE);
    return c;
}

void
slab_release(struct slab_thread *t, uint32_t handle)
{
    struct slab *s = t->slab;
    uint32_t kind = LOAD(&s->pages[page_at(s, handle_offset(handle))].kind);
    struct size_class *c = mark_free(s, handle, kind);
    struct magazine *m;
    uint32_t n;

    if (unlikely(kind_draining(kind))) {
        class_put_to_pages(s, c, &handle, 1);
        return;
    }
    m = magazine_of(t, c);
    n = LOAD(&m->n);
    if (unlikely(n == c->magazine_max))
        n = spill(s, c, m);
    m->handle[n] = handle;
    STORE(&m->n, n + 1);
}

#define LOOKS 64 /* at a lock: some microseconds */

/* Who holds the class has lost its processor. */
static bool
is_kept_waiting(const struct size_class *c)
{
    for (unsigned i = 0; i < LOOKS; i++) {
        if (likely(LOAD(&c->lock.held) == 0))
            return false;
        cpu_relax();
    }
    return true;
}

/* Put a chunk into the magazine if there is a place. */
static bool
keep(struct slab_thread *t, const struct size_class *c, uint32_t handle)
{
    struct magazine *m = magazine_of(t, c);
    uint32_t n = LOAD(&m->n);

    if (n == c->magazine_max)
        return false;
    m->handle[n] = handle;
    STORE(&m->n, n + 1);
    return true;
}

void
slab_release_to_page(struct slab_thread *t, uint32_t handle)
{
    struct slab *s = t->slab;
    uint32_t kind = LOAD(&s->pages[page_at(s, handle_offset(handle))].kind);
    struct size_class *c = mark_free(s, handle, kind);

    if (unlikely(is_kept_waiting(c)) && !kind_draining(kind) &&
        keep(t, c, handle))
        return;
    class_put_to_pages(s, c, &handle, 1);
}

/* ---- threads ------------------------------------------------------------- */

static void
flush_class(struct slab_thread *t, struct size_class *c)
{
    struct magazine *m = magazine_of(t, c);
    uint32_t n = LOAD(&m->n);

    if (n == 0)
        return;
    class_put_to_pages(t->slab, c, m->handle, n);
    STORE(&m->n, 0);
}

void
slab_thread_flush(struct slab_thread *t)
{
    unsigned i;

    CHECK(t, SLAB_THREAD_MAGIC);
    for (i = 0; i < t->slab->n_classes; i++)
        flush_class(t, &t->slab->classes[i]);
}

void
slab_thread_poll(struct slab_thread *t)
{
    struct slab *s = t->slab;
    uint32_t asked = LOAD(&s->flush_asked);
    unsigned i;

    if (likely(asked == t->flush_seen))
        return;
    t->flush_seen = asked;
    for (i = 0; i < s->n_classes; i++)
        if (LOAD(&s->classes[i].n_draining) > 0)
            flush_class(t, &s->classes[i]);
}

struct slab_thread *
slab_thread_new(struct slab *s)
{
    struct slab_thread *t;

    CHECK(s, SLAB_MAGIC);
    t = xcalloc(1, s->thread_bytes);
    t->magic = SLAB_THREAD_MAGIC;
    t->slab = s;
    STORE(&t->holding, PAGE_NONE);
    t->flush_seen = LOAD(&s->flush_asked);
    spin_lock(&s->threads_lock);
    t->next = s->threads;
    if (t->next != NULL)
        t->next->prev = t;
    s->threads = t;
    spin_unlock(&s->threads_lock);
    return t;
}

void
slab_thread_free(struct slab_thread *t)
{
    struct slab *s;

    if (t == NULL)
        return;
    slab_thread_flush(t);
    s = t->slab;
    spin_lock(&s->threads_lock);
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        s->threads = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    spin_unlock(&s->threads_lock);
    t->magic = 0;
    free(t);
}

size_t
magazines_size(struct slab *s)
{
    size_t at = sizeof(struct slab_thread);
    unsigned i;

    for (i = 0; i < s->n_classes; i++) {
        s->classes[i].magazine_at = (uint32_t)at;
        at += sizeof(struct magazine) +
            s->classes[i].magazine_max * sizeof(uint32_t);
    }
    return at;
}

size_t
magazines_bytes(const struct slab *s)
{
    const struct slab_thread *t;
    size_t bytes = 0;
    unsigned i;

    for (t = s->threads; t != NULL; t = t->next) {
        for (i = 0; i < s->n_classes; i++) {
            const struct size_class *c = &s->classes[i];

            bytes += (size_t)LOAD(&magazine_seen(t, c)->n) * c->chunk_bytes;
        }
    }
    return bytes;
}
