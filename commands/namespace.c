/* SPDX-License-Identifier: BSD-3-Clause */
/* namespace.c - NAMESPACE LIST, INFO and FLUSH; SWAPDB.
 *
 * What a namespace is, and how it is flushed at once however large it is,
 * stands in keyspace/namespace.c and keyspace/space.c. All act on the database
 * of the session. Any worker.
 */
#include "commands/internal.h"
#include "commands/tracking.h"

#include <stdlib.h>

#define LIST_DEFAULT 100

/* ---- one namespace ------------------------------------------------------- */

/* The name shown for what is counted together, having no entry. */
static struct str
shown_name(const struct ks_namespace *n)
{
    return n->is_other ? STR("(other)") : (struct str){n->name, n->name_len};
}

static void
reply_namespace(struct reply *r, const struct ks_namespace *n)
{
    const struct {
        const char *name;
        uint64_t value;
    } fields[] = {
#define X(field) {#field, n->field},
        KS_NAMESPACE_COUNTS(X)
#undef X
    };

    reply_map(r, 1 + ARRAY_LEN(fields));
    reply_bulk_cstr(r, "name");
    reply_bulk(r, shown_name(n));
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        reply_bulk_cstr(r, fields[i].name);
        reply_int(r, (int64_t)fields[i].value);
    }
}

/* The namespaces of the session's database in a new array. */
static size_t
all_namespaces(struct request *rq, struct ks_namespace **out)
{
    ks_count(rq->thread->ks);
    return ks_namespaces(rq->thread->commands->ks, LOAD(&rq->session->db), out);
}

/* A namespace without a delimiter at its end is most likely a slip. */
static void
reply_error_no_namespace(struct request *rq, int i)
{
    reply_error(rq->reply,
        "ERR '%.*s' is not a namespace: a configured prefix, or a key up to "
        "its first delimiter, this included",
        ARG_SHOWN(rq, i));
}

static bool
is_namespace(struct request *rq, int i)
{
    struct str name = arg_str(rq, i);

    if (str_eq(ks_namespace_of(rq->thread->commands->ks, name), name))
        return true;
    reply_error_no_namespace(rq, i);
    return false;
}

void
cmd_namespace_info(struct request *rq)
{
    struct ks_namespace *all, unknown = {.is_other = false};
    const struct ks_namespace *found = &unknown;
    struct str name = arg_str(rq, 2);
    size_t n;

    if (!is_namespace(rq, 2))
        return;
    n = all_namespaces(rq, &all);
    for (size_t i = 0; i < n; i++) {
        if (!all[i].is_other &&
            str_eq((struct str){all[i].name, all[i].name_len}, name))
            found = &all[i];
    }
    if (found == &unknown) { /* nothing of its own was counted */
        memcpy(unknown.name, name.p, name.len);
        unknown.name_len = name.len;
    }
    reply_namespace(rq->reply, found);
    free(all);
}

/* ---- all ----------------------------------------------------------------- */

/* Does it say anything? The entries that are always there may not. */
static bool
is_worth_showing(const struct ks_namespace *n)
{
    uint64_t sum = 0;

#define X(field) sum |= n->field;
    KS_NAMESPACE_COUNTS(X)
#undef X
    return sum != 0;
}

/* By bytes, the largest first, then by name. */
static int
larger_first(const void *a, const void *b)
{
    const struct ks_namespace *x = a, *y = b;
    int order;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    order = memcmp(x->name, y->name, MIN(x->name_len, y->name_len));
    return order != 0 ? order : (x->name_len > y->name_len) -
            (x->name_len < y->name_len);
}

void
cmd_namespace_list(struct request *rq)
{
    struct ks_namespace *all;
    int64_t limit = LIST_DEFAULT;
    size_t n, shown = 0;

    if (rq->argc > 3) {
        reply_error_arity(rq);
        return;
    }
    if (rq->argc == 3 && !arg_i64(rq, 2, &limit))
        return;
    if (limit < 0) {
        reply_error(rq->reply, "ERR count must not be negative");
        return;
    }
    n = all_namespaces(rq, &all);
    for (size_t i = 0; i < n; i++)
        if (is_worth_showing(&all[i]))
            all[shown++] = all[i];
    qsort(all, shown, sizeof(*all), larger_first);
    shown = MIN(shown, (size_t)limit);
    reply_array(rq->reply, shown);
    for (size_t i = 0; i < shown; i++)
        reply_namespace(rq->reply, &all[i]);
    free(all);
}

void
cmd_namespace_flush(struct request *rq)
{
    if (!is_namespace(rq, 2))
        return;
    (void)ks_flush_namespace(
        rq->thread->ks, LOAD(&rq->session->db), arg_str(rq, 2));
    tracking_flushed(rq->thread);
    reply_ok(rq->reply);
}

/* ---- SWAPDB -------------------------------------------------------------- */

/* As Redis has it: what is no number has a text of its own. */
static bool
read_index(struct request *rq, int i, const char *which, int64_t *out)
{
    if (str_to_i64(arg_str(rq, i), out) && *out >= INT32_MIN &&
        *out <= INT32_MAX)
        return true;
    reply_error(rq->reply, "ERR invalid %s DB index", which);
    return false;
}

void
cmd_swapdb(struct request *rq)
{
    int64_t n = rq->thread->commands->values->databases, a, b;

    if (!read_index(rq, 1, "first", &a) || !read_index(rq, 2, "second", &b))
        return;
    if (a < 0 || a >= n || b < 0 || b >= n) {
        reply_error(rq->reply, "ERR DB index is out of range");
        return;
    }
    ks_swap(rq->thread->ks, (unsigned)a, (unsigned)b);
    reply_ok(rq->reply);
}
