/* SPDX-License-Identifier: BSD-3-Clause */
/* acl_user.c - the parts of a user: lists of words, selectors, holds.
 *
 * A user is changed only before it is published, by one thread; the counting
 * of holds is for all.
 */
#include "commands/acl.h"

#include <stdlib.h>

/* Every row has a bit, and these bits are not those of the categories. */
#define LAST_ROW_BIT (ACL_CATEGORY_BIT(0) - 1)

/* ---- lists of words ------------------------------------------------------ */

void
acl_words_clear(struct acl_words *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->at[i].p);
    free(w->at);
    *w = (struct acl_words){NULL, 0};
}

static struct acl_word
copy_word(unsigned tag, struct str s)
{
    struct acl_word w = {tag, xcalloc(1, s.len + 1), s.len};

    if (s.len > 0)
        memcpy(w.p, s.p, s.len);
    return w;
}

void
acl_words_add(struct acl_words *w, unsigned tag, struct str s)
{
    w->at = xrealloc(w->at, (w->n + 1) * sizeof(*w->at));
    w->at[w->n++] = copy_word(tag, s);
}

static struct acl_words
acl_words_copy(const struct acl_words *from)
{
    struct acl_words w = {NULL, 0};

    for (size_t i = 0; i < from->n; i++)
        acl_words_add(&w, from->at[i].tag, acl_word_str(&from->at[i]));
    return w;
}

struct acl_word *
acl_words_find(const struct acl_words *w, struct str s)
{
    for (size_t i = 0; i < w->n; i++) {
        if (str_eq(acl_word_str(&w->at[i]), s))
            return &w->at[i];
    }
    return NULL;
}

/* ---- life ---------------------------------------------------------------- */

struct acl_selector *
acl_user_add_selector(struct acl_user *u, const struct acl_context *x)
{
    size_t bytes = (u->n_selectors + 1) * sizeof(*u->selectors);
    struct acl_selector *s;

    u->selectors = xrealloc(u->selectors, bytes);
    s = &u->selectors[u->n_selectors++];
    memset(s, 0, sizeof(*s));
    s->all_channels = x->all_channels;
    return s;
}

void
acl_selector_clear(struct acl_selector *s)
{
    acl_words_clear(&s->keys);
    acl_words_clear(&s->channels);
    acl_words_clear(&s->first_args);
}

struct acl_user *
acl_user_new(struct str name, const struct acl_context *x)
{
    struct acl_user *u = xcalloc(1, sizeof(*u));

    ASSERT(command_table_rows <= LAST_ROW_BIT);
    atomic_store_explicit(&u->holds, 1, memory_order_relaxed);
    u->name = copy_word(0, name);
    (void)acl_user_add_selector(u, x);
    return u;
}

struct acl_user *
acl_user_copy(const struct acl_user *u)
{
    static const struct acl_context none;
    struct acl_user *copy = acl_user_new(acl_word_str(&u->name), &none);

    copy->id = u->id;
    copy->flags = u->flags;
    copy->unrestricted = u->unrestricted;
    copy->n_passwords = u->n_passwords;
    copy->passwords = xcalloc(MAX(u->n_passwords, 1), sizeof(*u->passwords));
    if (u->n_passwords > 0)
        memcpy(copy->passwords, u->passwords,
            u->n_passwords * sizeof(*u->passwords));
    while (copy->n_selectors < u->n_selectors)
        (void)acl_user_add_selector(copy, &none);
    for (size_t i = 0; i < u->n_selectors; i++) {
        copy->selectors[i] = u->selectors[i];
        copy->selectors[i].keys = acl_words_copy(&u->selectors[i].keys);
        copy->selectors[i].channels = acl_words_copy(&u->selectors[i].channels);
        copy->selectors[i].first_args =
            acl_words_copy(&u->selectors[i].first_args);
    }
    return copy;
}

struct acl_user *
acl_user_take(struct acl_user *u)
{
    atomic_fetch_add_explicit(&u->holds, 1, memory_order_relaxed);
    return u;
}

void
acl_user_drop(struct acl_user *u)
{
    /* Whoever is last sees what the others have done. */
    if (u == NULL ||
        atomic_fetch_sub_explicit(&u->holds, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < u->n_selectors; i++)
        acl_selector_clear(&u->selectors[i]);
    free(u->selectors);
    free(u->passwords);
    free(u->name.p);
    free(u);
}
