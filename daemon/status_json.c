/* SPDX-License-Identifier: BSD-3-Clause */
/* status_json.c - /status.json: what the status page draws. Bounded in size,
 * however large the cache is. The metrics thread.
 */
#include "daemon/monitor.h"

#include <stdlib.h>

#define MAP_CELLS 1024
/* Pages whose fill is looked at for one map; of more, a part. */
#define MAP_LOOKS 8192
#define SLOW_SHOWN 20

/* ---- JSON ---------------------------------------------------------------- */

static void
key(struct buf *out, const char *name)
{
    char last = out->len > 0 ? out->p[out->len - 1] : '{';

    buf_printf(out, "%s\"%s\":", last == '{' || last == '[' ? "" : ",", name);
}

static void
member_u64(struct buf *out, const char *name, uint64_t v)
{
    key(out, name);
    buf_printf(out, "%llu", (unsigned long long)v);
}

static void
member_str(struct buf *out, const char *name, struct str s)
{
    key(out, name);
    buf_append(out, "\"", 1);
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_append(out, "\\", 1);
        buf_append(out, &s.p[i], 1);
    }
    buf_append(out, "\"", 1);
}

/* `open` is "{" or "[". */
static void
begin(struct buf *out, const char *name, const char *open)
{
    key(out, name);
    buf_append(out, open, 1);
}

static void
element(struct buf *out, const char *open)
{
    if (out->p[out->len - 1] != '[')
        buf_append(out, ",", 1);
    buf_append(out, open, strlen(open));
}

static void
end(struct buf *out, const char *close)
{
    buf_append(out, close, 1);
}

/* ---- figures ------------------------------------------------------------- */

static void
write_server(const struct snapshot *s, struct buf *out)
{
    const struct ashlard *d = s->daemon;

    member_str(out, "version", STR(PACKAGE_VERSION));
    member_u64(out, "now", clock_wall_ms() / 1000);
    member_u64(out, "started", d->commands.started_wall_ms / 1000);
    member_u64(out, "port", (uint64_t)d->config.daemon.port);
    member_u64(out, "workers", d->n_workers);
    member_u64(out, "clients", LOAD(&d->n_clients));
    member_u64(out, "max_clients", limit_u32(&d->limits.max_clients));
    member_u64(out, "ops", s->maint.ops_per_s);
    member_u64(out, "input", s->maint.input_bytes_per_s);
    member_u64(out, "output", s->maint.output_bytes_per_s);
    member_u64(out, "commands", s->commands.commands);
#define X(name, kind, text) member_u64(out, #name, s->keyspace.name);
    KS_METRICS(X)
#undef X
}

static void
write_memory(const struct snapshot *s, struct buf *out)
{
    struct memory_kinds k;

    snapshot_memory(s, &k);
    member_u64(out, "limit", s->slab.limit);
    member_u64(out, "used", s->slab.used);
    member_u64(out, "rss", s->rss);
    begin(out, "kinds", "{");
#define X(kind) member_u64(out, #kind, k.kind);
    MEMORY_KINDS(X)
#undef X
    end(out, "}");
}

static void
write_items(const struct snapshot *s, struct buf *out)
{
    uint64_t items = 0, expires = 0;

    for (unsigned db = 0; db < s->n_dbs; db++) {
        items += s->db[db].items;
        expires += s->db[db].expires;
    }
    member_u64(out, "items", items);
    member_u64(out, "expires", expires);
}

static void
write_classes(const struct snapshot *s, struct buf *out)
{
    struct slab_class_stats c;

    begin(out, "classes", "[");
    for (unsigned i = 0; slab_class_stats(s->daemon->slab, i, &c); i++) {
        if (c.pages == 0)
            continue;
        element(out, "{");
        member_u64(out, "chunk", c.chunk_bytes);
        member_u64(out, "bytes", c.pages * c.page_bytes);
        member_u64(out, "used", c.chunks_live);
        member_u64(out, "free", c.chunks_free);
        end(out, "}");
    }
    end(out, "]");
}

static void
write_counts(const struct ks_namespace *ns, struct buf *out)
{
#define X(field) member_u64(out, #field, ns->field);
    KS_NAMESPACE_COUNTS(X)
#undef X
}

static void
write_namespaces(const struct snapshot *s, struct buf *out)
{
    struct buf name = {0};

    begin(out, "namespaces", "[");
    for (size_t i = 0; i < s->n_ns; i++) {
        const struct ks_namespace *ns = &s->ns[i].ns;

        name.len = 0;
        append_printable(&name, (struct str){ns->name, ns->name_len});
        element(out, "{");
        member_str(out, "name", (struct str){name.p, name.len});
        member_u64(out, "db", s->ns[i].db);
        write_counts(ns, out);
        end(out, "}");
    }
    end(out, "]");
    begin(out, "others", "{");
    write_counts(&s->others, out);
    end(out, "}");
    buf_free(&name);
}

static void
write_slow(const struct snapshot *s, struct buf *out)
{
    struct slow_view slow[SLOW_SHOWN];
    size_t n = commands_slow(&s->daemon->commands, slow, SLOW_SHOWN);

    begin(out, "slow", "[");
    for (size_t i = 0; i < n; i++) {
        element(out, "{");
        member_u64(out, "id", (uint64_t)slow[i].id);
        member_str(out, "command", str_of(slow[i].command));
        member_u64(out, "args", (uint64_t)slow[i].n_args);
        member_u64(out, "at", slow[i].wall_s);
        member_u64(out, "us", slow[i].duration_us);
        end(out, "}");
    }
    end(out, "]");
}

/* ---- the map of memory --------------------------------------------------- */

/* Neighbouring pages that are drawn as one. */
struct cell {
    size_t bytes;       /* of pages, in use and free */
    double live;        /* of these in live chunks */
    size_t chunk_bytes; /* of the class that has the majority; 0: free */
    size_t lead;        /* bytes by which it has, by Boyer and Moore */
};

struct map {
    struct buf *out;
    size_t cell_bytes;
    unsigned step; /* the fill of every so many pages is looked at */
    unsigned n_pages;
    double last_fill;
    struct cell cell;
};

static void
finish_cell(struct map *m)
{
    if (m->cell.bytes == 0)
        return;
    element(m->out, "[");
    buf_printf(m->out, "%zu,%d]", m->cell.chunk_bytes,
        (int)(100 * m->cell.live / (double)m->cell.bytes + 0.5));
    m->cell = (struct cell){.bytes = 0};
}

static void
vote(struct cell *c, size_t chunk_bytes, size_t bytes)
{
    if (chunk_bytes == c->chunk_bytes) {
        c->lead += bytes;
    } else if (c->lead >= bytes) {
        c->lead -= bytes;
    } else {
        c->chunk_bytes = chunk_bytes;
        c->lead = bytes - c->lead;
    }
}

/* A page that is larger than a cell makes several. */
static void
add_page(struct map *m, const struct slab *slab, uint32_t page,
    const struct slab_page_view *v)
{
    size_t left = v->page_bytes;

    if (v->chunk_bytes == 0)
        m->last_fill = 0;
    else if (m->n_pages++ % m->step == 0 || m->last_fill == 0)
        m->last_fill = slab_page_fill(slab, page);
    while (left > 0) {
        size_t part = MIN(left, m->cell_bytes - m->cell.bytes);

        vote(&m->cell, v->chunk_bytes, part);
        m->cell.bytes += part;
        m->cell.live += m->last_fill * (double)part;
        left -= part;
        if (m->cell.bytes == m->cell_bytes)
            finish_cell(m);
    }
}

static void
write_map(const struct snapshot *s, struct buf *out)
{
    const struct slab *slab = s->daemon->slab;
    struct map m = {.out = out};
    struct slab_page_view v;
    size_t bytes = 0, smallest = SIZE_MAX;
    unsigned n = 0;

    for (uint32_t page = 0; page < slab_page_limit(slab); page++) {
        if (!slab_page_look(slab, page, &v))
            continue;
        bytes += v.page_bytes;
        smallest = MIN(smallest, v.page_bytes);
        n++;
    }
    m.cell_bytes = n == 0 ? 1 : smallest;
    while (bytes / m.cell_bytes > MAP_CELLS)
        m.cell_bytes *= 2;
    m.step = n / MAP_LOOKS + 1;
    begin(out, "map", "{");
    member_u64(out, "cell", m.cell_bytes);
    begin(out, "cells", "[");
    for (uint32_t page = 0; page < slab_page_limit(slab); page++)
        if (slab_page_look(slab, page, &v))
            add_page(&m, slab, page, &v);
    finish_cell(&m);
    end(out, "]");
    end(out, "}");
}

/* ---- the last hour ------------------------------------------------------- */

/* How much a total grew; nothing over a CONFIG RESETSTAT. */
static uint64_t
growth(uint64_t from, uint64_t to)
{
    return to >= from ? to - from : 0;
}

static void
write_history(const struct snapshot *s, struct buf *out)
{
    struct history_point *p = xcalloc(HISTORY_POINTS, sizeof(*p));
    unsigned n = history_copy(maint_history(s->daemon->maint), p);

    begin(out, "history", "{");
    member_u64(out, "step", HISTORY_STEP_S);
    begin(out, "at", "[");
    for (unsigned i = 1; i < n; i++)
        buf_printf(
            out, "%s%llu", i == 1 ? "" : ",", (unsigned long long)p[i].wall_s);
    end(out, "]");
#define X(name)                                                                \
    begin(out, #name, "[");                                                    \
    for (unsigned i = 1; i < n; i++)                                           \
        buf_printf(out, "%s%llu", i == 1 ? "" : ",",                           \
            (unsigned long long)growth(p[i - 1].name, p[i].name));             \
    end(out, "]");
    HISTORY_TOTALS(X)
#undef X
#define X(name)                                                                \
    begin(out, #name, "[");                                                    \
    for (unsigned i = 1; i < n; i++)                                           \
        buf_printf(                                                            \
            out, "%s%llu", i == 1 ? "" : ",", (unsigned long long)p[i].name);  \
    end(out, "]");
    HISTORY_LEVELS(X)
#undef X
    end(out, "}");
    free(p);
}

void
status_write(const struct snapshot *s, struct buf *out)
{
    buf_append(out, "{", 1);
    write_server(s, out);
    write_memory(s, out);
    write_items(s, out);
    write_classes(s, out);
    write_namespaces(s, out);
    write_slow(s, out);
    write_map(s, out);
    write_history(s, out);
    buf_append(out, "}\n", 2);
}
