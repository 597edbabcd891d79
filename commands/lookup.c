/* SPDX-License-Identifier: BSD-3-Clause */
/* lookup.c - the rows, and how a name finds its row.
 *
 * A name of up to 16 letters is two 64-bit words once folded to lower case: its
 * first and its last eight bytes, which may overlap. A multiplier is searched
 * at start under which the hashes of all names fall into different slots, so a
 * look-up is one multiplication, one slot and one comparison of the words.
 * Immutable afterwards; any thread.
 */
#include "commands/internal.h"

#include <stdlib.h>

#define ROW(name_, handler_, arity_, flags_, first_, last_, step_, group_,     \
    since_, complexity_, arguments_, summary_)                                 \
    {.name = (name_),                                                          \
        .handler = (handler_),                                                 \
        .arity = (arity_),                                                     \
        .flags = (unsigned)(flags_),                                           \
        .key_flags = (uint16_t)((uint64_t)(flags_) >> 32),                     \
        .other_key_flags = (uint16_t)((uint64_t)(flags_) >> 48),               \
        .first_key = (first_),                                                 \
        .last_key = (last_),                                                   \
        .key_step = (step_),                                                   \
        .group = (group_),                                                     \
        .since = (since_),                                                     \
        .complexity = (complexity_),                                           \
        .arguments = (arguments_),                                             \
        .summary = (summary_)},

const struct command command_table[] = {COMMANDS(ROW)};
const size_t command_table_rows = ARRAY_LEN(command_table);

/* session->last_command and the slots count rows in 16 bits. */
_Static_assert(ARRAY_LEN(command_table) < INT16_MAX, "too many rows");

/* ---- names as words ------------------------------------------------------ */

#define MAX_NAME 16
#define FOLD 0x2020202020202020u

struct words {
    uint64_t head, tail;
};

static uint64_t
load64(const char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t
load32(const char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/* The words of a name of 1 to 16 bytes. Setting bit 5 folds the case of
 * letters and maps no other byte to a letter; names in the table have letters
 * and '_' only, which command_index_new() asserts. '_' shares its word with
 * DEL, which is harmless: no two names differ in that. */
static inline struct words
fold(struct str name)
{
    struct words w;

    if (name.len >= 8) {
        w.head = load64(name.p) | FOLD;
        w.tail = load64(name.p + name.len - 8) | FOLD;
        return w;
    }
    if (name.len >= 4) {
        w.head = load32(name.p) | load32(name.p + name.len - 4) << 32 | FOLD;
    } else {
        w.head = (uint64_t)(unsigned char)name.p[0] |
            (uint64_t)(unsigned char)name.p[name.len / 2] << 8 |
            (uint64_t)(unsigned char)name.p[name.len - 1] << 16 | FOLD;
    }
    w.tail = 0;
    return w;
}

/* ---- the index ----------------------------------------------------------- */

#define SLOTS_PER_NAME 8 /* so many that a few dozen multipliers suffice */
#define MAX_TRIES 100000

struct slot {
    struct words words;
    uint16_t len; /* 0: empty */
    uint16_t row;
};

struct command_index {
    uint64_t multiplier;
    unsigned shift; /* 64 - log2 of the number of slots */
    size_t n_slots;
    struct slot slots[];
};

static inline size_t
slot_of(const struct command_index *ix, struct words w, size_t len)
{
    uint64_t mixed = w.head ^ (w.tail << 7 | w.tail >> 57) ^ len;

    return (size_t)((mixed * ix->multiplier) >> ix->shift);
}

/* Only its container's row leads to a subcommand. */
static bool
is_sub(const struct command *row)
{
    return strchr(row->name, '|') != NULL;
}

const struct command *
command_next_sub(const struct command *sub)
{
    const struct command *next = sub + 1;

    if (next == command_table + command_table_rows || !is_sub(next))
        return NULL;
    return next;
}

const struct command *
command_first_sub(const struct command *row)
{
    return is_sub(row) ? NULL : command_next_sub(row);
}

static void
check_name(struct str name)
{
    ASSERT(name.len > 0 && name.len <= MAX_NAME);
    for (size_t i = 0; i < name.len; i++)
        ASSERT((name.p[i] >= 'a' && name.p[i] <= 'z') || name.p[i] == '_');
}

/* Fill the slots under the multiplier; false when two names collide. */
static bool
try_fill(struct command_index *ix)
{
    memset(ix->slots, 0, ix->n_slots * sizeof(ix->slots[0]));
    for (size_t i = 0; i < command_table_rows; i++) {
        struct str name = str_of(command_table[i].name);
        struct words w;
        struct slot *slot;

        if (is_sub(&command_table[i]))
            continue;
        check_name(name);
        ASSERT(!(command_table[i].flags & CMD_CONTAINER) ==
            (command_first_sub(&command_table[i]) == NULL));
        w = fold(name);
        slot = &ix->slots[slot_of(ix, w, name.len)];
        if (slot->len != 0)
            return false;
        *slot = (struct slot){w, (uint16_t)name.len, (uint16_t)i};
    }
    return true;
}

/* The next of a fixed sequence of odd multipliers. */
static uint64_t
next_multiplier(uint64_t *state)
{
    return splitmix64(state) | 1;
}

struct command_index *
command_index_new(void)
{
    size_t n_slots = 64;
    unsigned shift = 64 - 6;
    uint64_t state = 0;
    int tries = 0;
    struct command_index *ix;

    while (n_slots < SLOTS_PER_NAME * command_table_rows) {
        n_slots *= 2;
        shift--;
    }
    ix = xcalloc(1, sizeof(*ix) + n_slots * sizeof(ix->slots[0]));
    ix->n_slots = n_slots;
    ix->shift = shift;
    do {
        ASSERT(++tries < MAX_TRIES); /* fails if two rows have one name */
        ix->multiplier = next_multiplier(&state);
    } while (!try_fill(ix));
    return ix;
}

void
command_index_free(struct command_index *ix)
{
    free(ix);
}

/* ---- look-up ------------------------------------------------------------- */

const struct command *
command_find(const struct command_index *ix, struct str name)
{
    struct words w;
    const struct slot *slot;

    if (unlikely(name.len == 0 || name.len > MAX_NAME))
        return NULL;
    w = fold(name);
    slot = &ix->slots[slot_of(ix, w, name.len)];
    if (unlikely(slot->len != name.len || slot->words.head != w.head ||
            slot->words.tail != w.tail))
        return NULL;
    return &command_table[slot->row];
}

const char *
command_sub_name(const struct command *sub)
{
    return strchr(sub->name, '|') + 1;
}

const struct command *
command_find_sub(const struct command *row, struct str name)
{
    const struct command *sub = command_first_sub(row);

    while (sub != NULL && !str_ieq(str_of(command_sub_name(sub)), name))
        sub = command_next_sub(sub);
    return sub;
}

const struct command *
command_find_full(const struct command_index *ix, struct str name)
{
    const char *bar = name.len > 0 ? memchr(name.p, '|', name.len) : NULL;
    struct str head = name;
    const struct command *row;

    if (bar != NULL)
        head.len = (size_t)(bar - name.p);
    row = command_find(ix, head);
    if (row == NULL || bar == NULL)
        return row;
    return command_find_sub(
        row, (struct str){bar + 1, name.len - head.len - 1});
}

const struct command *
command_resolve(
    const struct command_index *ix, const struct resp_arg *argv, int argc)
{
    const struct command *row =
        command_find(ix, (struct str){argv[0].p, argv[0].len});

    if (row == NULL || argc < 2 || !(row->flags & CMD_CONTAINER))
        return row;
    return command_find_sub(row, (struct str){argv[1].p, argv[1].len});
}

/* The keys that a number before them counts; none if they do not all fit. */
static struct command_keys
counted_keys(const struct command *row, const struct resp_arg *argv, int argc)
{
    struct command_keys keys = {row->first_key, 0, row->key_step};
    int count_at = row->first_key - 1;
    int64_t n;

    if (argc <= row->first_key ||
        !str_to_i64((struct str){argv[count_at].p, argv[count_at].len}, &n) ||
        n < 1 || n > 1 + (argc - 1 - keys.first) / keys.step)
        return keys;
    keys.last = keys.first + (int)(n - 1) * keys.step;
    return keys;
}

/* The first key, and the one after the last STORE: also where an option is
 * missing something, so that the command is an error anyway. */
static struct command_keys
stored_keys(const struct command *row, const struct resp_arg *argv, int argc)
{
    struct command_keys keys = {
        row->first_key, MIN(row->first_key, argc - 1), row->key_step};

    for (int i = keys.first + 1; i < argc; i++) {
        struct str word = {argv[i].p, argv[i].len};

        if (str_ieq(word, STR("limit"))) {
            i += 2;
        } else if (str_ieq(word, STR("by")) || str_ieq(word, STR("get"))) {
            i += 1;
        } else if (str_ieq(word, STR("store")) && i + 1 < argc) {
            keys.last = i + 1;
            keys.step = keys.last - keys.first;
        }
    }
    return keys;
}

/* The first key; or, if that is empty, those after the word KEYS, which is an
 * error beside another key. */
static struct command_keys
listed_keys(const struct command *row, const struct resp_arg *argv, int argc)
{
    struct command_keys keys = {
        row->first_key, MIN(row->first_key, argc - 1), row->key_step};

    for (int i = 6; i < argc; i++) {
        struct str word = {argv[i].p, argv[i].len};

        if (str_ieq(word, STR("auth"))) {
            i += 1;
        } else if (str_ieq(word, STR("auth2"))) {
            i += 2;
        } else if (str_ieq(word, STR("keys"))) {
            keys.first = i + 1;
            keys.last = argv[row->first_key].len == 0 ? argc - 1 : i;
            return keys;
        }
    }
    return keys;
}

struct command_keys
command_keys_of(
    const struct command *row, const struct resp_arg *argv, int argc)
{
    struct command_keys keys = {row->first_key, row->last_key, row->key_step};

    if (keys.first == 0)
        return (struct command_keys){1, 0, 1};
    if (keys.last == KEYS_COUNTED)
        return counted_keys(row, argv, argc);
    if (keys.last == KEYS_STORED)
        return stored_keys(row, argv, argc);
    if (keys.last == KEYS_LISTED)
        return listed_keys(row, argv, argc);
    if (keys.last < 0)
        keys.last += argc;
    if (keys.last >= argc)
        keys.last = argc - 1;
    return keys;
}
