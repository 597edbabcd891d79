/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_table.c - large hashes: an open-addressing index over a log of entries,
 * in one piece of memory (hash_form.h has the picture).
 *
 * Knows neither items nor locks. Taking apart works on bytes that are changing;
 * changes are for who holds the partition and has made the line version odd.
 * Deleting moves the entries that follow back, so that there are no graves and
 * a walk in the order of home slots meets each entry once (hash_scan()).
 */
#include "keyspace/hash_form.h"

#define UNIT 4u /* entries begin at multiples */
#define TAG_SHIFT 27
#define MOST_BITS 26 /* of slots: the log of so many fields is full before */

static uint32_t
slot_of_entry(uint32_t offset, uint64_t hash)
{
    return offset / UNIT | (uint32_t)(hash & 31) << TAG_SHIFT;
}

static inline uint32_t
offset_of(uint32_t slot)
{
    return (slot & ((1u << TAG_SHIFT) - 1)) * UNIT;
}

static inline uint32_t
home_of(uint64_t hash, unsigned depth, unsigned bits)
{
    return (uint32_t)(hash << depth >> (64 - bits));
}

uint64_t
htable_hash(const struct hash_seed *seed, const struct packed *name)
{
    char digits[24];
    struct str s = packed_str(name, digits);

    return hash_bytes(seed, s.p, s.len);
}

/* ---- taking apart -------------------------------------------------------- */

void
htable_open(const void *at, size_t bytes, struct table_view *out)
{
    const struct hash_table *t = at;

    *out = (struct table_view){.table = t, .bytes = bytes};
    if (bytes < sizeof(*t) || (t->form & FORM_MASK) != FORM_TABLE)
        return;
    out->bits = t->slot_bits;
    out->depth = MIN(t->depth, DIRECTORY_BITS);
    out->deadlines = (t->form & FORM_DEADLINES) != 0;
    if (out->bits < 1 || out->bits > MOST_BITS ||
        bytes < htable_size(out->bits, 0))
        return;
    out->slot = (const uint32_t *)(const void *)(t + 1);
    out->n_slots = (uint32_t)1 << out->bits;
}

static bool
read_entry(const struct table_view *v, uint32_t offset, struct table_entry *out)
{
    const uint8_t *begin = (const uint8_t *)v->table;
    const uint8_t *end = begin + v->bytes, *at = begin + offset;

    if (offset >= v->bytes ||
        v->bytes - offset < (v->deadlines ? DEADLINE_BYTES : 0))
        return false;
    out->expire_ms = KS_NO_EXPIRY;
    if (v->deadlines) {
        out->expire_ms = get_number(at, DEADLINE_BYTES);
        if (out->expire_ms == DEADLINE_MAX)
            out->expire_ms = KS_NO_EXPIRY;
        at += DEADLINE_BYTES;
    }
    at = packed_get(at, end, &out->name);
    if (at != NULL)
        at = packed_get(at, end, &out->value);
    if (at == NULL)
        return false;
    out->offset = offset;
    out->size = (uint32_t)(at - begin) - offset;
    return true;
}

bool
htable_slot(const struct table_view *v, uint32_t slot, struct table_entry *out)
{
    uint32_t s = v->slot[slot];

    return s != 0 && read_entry(v, offset_of(s), out);
}

uint32_t
htable_find(const struct table_view *v, uint64_t hash,
    const struct packed *name, struct table_entry *out)
{
    uint32_t mask = v->n_slots - 1, at;

    if (v->n_slots == 0)
        return UINT32_MAX;
    at = home_of(hash, v->depth, v->bits);
    for (uint32_t i = 0; i < v->n_slots; i++, at = (at + 1) & mask) {
        uint32_t s = v->slot[at];

        if (s == 0)
            break;
        if (s >> TAG_SHIFT == (hash & 31) && read_entry(v, offset_of(s), out) &&
            packed_eq(&out->name, name))
            return at;
    }
    return UINT32_MAX;
}

static uint64_t
count_upto(const struct table_view *v, uint64_t now_ms, uint64_t enough)
{
    struct table_entry e;
    uint64_t n = 0;

    for (uint32_t i = 0; i < v->n_slots && n < enough; i++)
        n += htable_slot(v, i, &e) && e.expire_ms > now_ms;
    return n;
}

uint64_t
htable_count(const struct table_view *v, uint64_t now_ms)
{
    if (v->n_slots == 0)
        return 0;
    if (v->table->n_expiring == 0 || v->table->earliest > now_ms)
        return v->table->n;
    return count_upto(v, now_ms, UINT64_MAX);
}

bool
htable_has_any(const struct table_view *v, uint64_t now_ms)
{
    if (v->n_slots == 0)
        return false;
    if (v->table->n_expiring < v->table->n || v->table->earliest > now_ms)
        return v->table->n > 0;
    if (v->table->latest <= now_ms)
        return false;
    return count_upto(v, now_ms, 1) > 0;
}

/* ---- sizes --------------------------------------------------------------- */

size_t
htable_entry_size(size_t name, size_t value, bool deadlines)
{
    return ROUND_UP(name + value + (deadlines ? DEADLINE_BYTES : 0), UNIT);
}

/* Slots are at most three quarters in use. */
static uint64_t
most_entries(unsigned bits)
{
    return ((uint64_t)3 << bits) / 4;
}

unsigned
htable_bits(uint64_t n)
{
    unsigned bits = 4;

    while (most_entries(bits) < n)
        bits++;
    return bits;
}

size_t
htable_size(unsigned bits, size_t bytes)
{
    return sizeof(struct hash_table) + ((size_t)UNIT << bits) + bytes;
}

bool
htable_has_room(const struct hash_table *t, uint64_t n, size_t bytes)
{
    return t->n + n <= most_entries(t->slot_bits) &&
        t->log_end + bytes <= t->room;
}

/* ---- changes ------------------------------------------------------------- */

void
htable_init(void *at, unsigned bits, size_t room, bool deadlines)
{
    struct hash_table *t = at;

    ASSERT(bits <= MOST_BITS);
    *t = (struct hash_table){.form = FORM_TABLE,
        .slot_bits = (uint8_t)bits,
        .log_end = (uint32_t)htable_size(bits, 0),
        .room = room,
        .earliest = KS_NO_EXPIRY,
        .swept_earliest = KS_NO_EXPIRY};
    if (deadlines)
        t->form |= FORM_DEADLINES;
    memset(t + 1, 0, (size_t)UNIT << bits);
}

static uint32_t *
slots_of(struct hash_table *t)
{
    return (uint32_t *)(void *)(t + 1);
}

static void
put_deadline(struct hash_table *t, uint32_t offset, uint64_t expire_ms)
{
    if (t->form & FORM_DEADLINES)
        put_number(
            (char *)t + offset, MIN(expire_ms, DEADLINE_MAX), DEADLINE_BYTES);
}

/* A deadline comes into the table (1) or leaves it (-1). */
static void
count_deadline(struct hash_table *t, uint64_t expire_ms, int delta)
{
    if (expire_ms == KS_NO_EXPIRY)
        return;
    t->n_expiring += (uint32_t)delta;
    if (delta > 0) {
        t->earliest = MIN(t->earliest, expire_ms);
        t->swept_earliest = MIN(t->swept_earliest, expire_ms);
        t->latest = MAX(t->latest, expire_ms);
    }
    if (t->n_expiring == 0) {
        t->earliest = KS_NO_EXPIRY;
        t->latest = 0;
    }
}

static void
write_entry(struct hash_table *t, uint32_t offset, const struct packed *name,
    const struct packed *value, uint64_t expire_ms)
{
    uint8_t *at = (uint8_t *)t + offset;

    ASSERT(expire_ms == KS_NO_EXPIRY || (t->form & FORM_DEADLINES));
    put_deadline(t, offset, expire_ms);
    if (t->form & FORM_DEADLINES)
        at += DEADLINE_BYTES;
    at = body_put(head_put(at, name), name);
    at = body_put(head_put(at, value), value);
}

static uint32_t
append_entry(struct hash_table *t, const struct packed *name,
    const struct packed *value, uint64_t expire_ms)
{
    size_t size = htable_entry_size(
        packed_size(name), packed_size(value), (t->form & FORM_DEADLINES) != 0);
    uint32_t offset = t->log_end;

    ASSERT(t->log_end + size <= t->room);
    write_entry(t, offset, name, value, expire_ms);
    t->log_end += (uint32_t)size;
    t->live_bytes += size;
    count_deadline(t, expire_ms, 1);
    return offset;
}

void
htable_add(struct hash_table *t, uint64_t hash, const struct packed *name,
    const struct packed *value, uint64_t expire_ms)
{
    uint32_t mask = ((uint32_t)1 << t->slot_bits) - 1;
    uint32_t at = home_of(hash, t->depth, t->slot_bits);
    uint32_t *slot = slots_of(t);

    while (slot[at] != 0)
        at = (at + 1) & mask;
    slot[at] = slot_of_entry(append_entry(t, name, value, expire_ms), hash);
    t->n++;
}

static void
forget_entry(struct hash_table *t, const struct table_entry *e)
{
    t->live_bytes -= ROUND_UP(e->size, UNIT);
    count_deadline(t, e->expire_ms, -1);
}

void
htable_replace(struct hash_table *t, uint32_t slot, uint64_t hash,
    const struct table_entry *was, const struct packed *value,
    uint64_t expire_ms)
{
    size_t size = packed_size(&was->name) + packed_size(value) +
        ((t->form & FORM_DEADLINES) ? DEADLINE_BYTES : 0);

    if (size == was->size && size <= TABLE_STILL) {
        uint8_t *at = (uint8_t *)t + was->offset + size - packed_size(value);

        htable_expire(t, was, expire_ms);
        body_put(head_put(at, value), value);
        return;
    }
    forget_entry(t, was);
    slots_of(t)[slot] =
        slot_of_entry(append_entry(t, &was->name, value, expire_ms), hash);
}

void
htable_expire(
    struct hash_table *t, const struct table_entry *e, uint64_t expire_ms)
{
    ASSERT(expire_ms == KS_NO_EXPIRY || (t->form & FORM_DEADLINES));
    count_deadline(t, e->expire_ms, -1);
    put_deadline(t, e->offset, expire_ms);
    count_deadline(t, expire_ms, 1);
}

void
htable_remove(struct hash_table *t, const struct hash_seed *seed, uint32_t hole,
    const struct table_entry *e)
{
    uint32_t mask = ((uint32_t)1 << t->slot_bits) - 1;
    uint32_t *slot = slots_of(t);
    struct table_view v;

    htable_open(t, t->log_end, &v);
    forget_entry(t, e);
    t->n--;
    for (uint32_t at = (hole + 1) & mask; slot[at] != 0; at = (at + 1) & mask) {
        struct table_entry other;
        uint32_t home;

        ASSERT(htable_slot(&v, at, &other));
        home = home_of(htable_hash(seed, &other.name), t->depth, t->slot_bits);
        if (((at - home) & mask) < ((at - hole) & mask))
            continue; /* it would come to stand before its home */
        slot[hole] = slot[at];
        hole = at;
    }
    slot[hole] = 0;
}

#define SWEEP_SLOTS 4096

uint64_t
htable_sweep(struct hash_table *t, const struct hash_seed *seed,
    uint64_t now_ms, bool *more)
{
    uint32_t at = t->sweep_slot, end;
    struct table_view v;
    uint64_t n = 0;

    htable_open(t, t->log_end, &v);
    end = MIN(at + SWEEP_SLOTS, v.n_slots);
    if (at == 0)
        t->swept_earliest = KS_NO_EXPIRY;
    while (at < end) {
        struct table_entry e;

        if (!htable_slot(&v, at, &e) || e.expire_ms == KS_NO_EXPIRY) {
            at++;
        } else if (e.expire_ms > now_ms) {
            t->swept_earliest = MIN(t->swept_earliest, e.expire_ms);
            at++;
        } else {
            htable_remove(t, seed, at, &e); /* another may stand here now */
            n++;
        }
    }
    *more = end < v.n_slots;
    t->sweep_slot = *more ? end : 0;
    if (!*more)
        t->earliest = t->swept_earliest;
    return n;
}
