/* SPDX-License-Identifier: BSD-3-Clause */
/* hash_ex.c - fields read or stored and something else with them: HGETEX,
 * HSETEX, HGETDEL.
 *
 * The syntax is that of Redis 8 and of Valkey 9, whose HSETEX also knows NX and
 * XX for the whole hash. Any worker.
 */
#include "commands/hashes.h"

enum ex_option {
    OPTION_FNX = 1 << 0, /* none of the fields exists */
    OPTION_FXX = 1 << 1, /* all of them do */
    OPTION_NX = 1 << 2,  /* the key does not exist */
    OPTION_XX = 1 << 3,
    OPTION_KEEPTTL = 1 << 4,
    OPTION_PERSIST = 1 << 5,
    OPTION_TIME = 1 << 6, /* EX and its relatives */

    OPTION_ANY_TTL = OPTION_KEEPTTL | OPTION_PERSIST | OPTION_TIME
};

struct ex_options {
    unsigned with;
    uint64_t expire_ms; /* with OPTION_TIME */
};

/* ---- options ----------------------------------------------------------- */

static const struct word {
    const char *word;
    enum ex_option option;
    unsigned excludes;
    struct time_form form;
} words[] = {
    {"fnx", OPTION_FNX, OPTION_FNX | OPTION_FXX, {0}},
    {"fxx", OPTION_FXX, OPTION_FNX | OPTION_FXX, {0}},
    {"nx", OPTION_NX, OPTION_NX | OPTION_XX, {0}},
    {"xx", OPTION_XX, OPTION_NX | OPTION_XX, {0}},
    {"keepttl", OPTION_KEEPTTL, OPTION_ANY_TTL, {0}},
    {"persist", OPTION_PERSIST, OPTION_ANY_TTL, {0}},
    {"ex", OPTION_TIME, OPTION_ANY_TTL, {true, false}},
    {"px", OPTION_TIME, OPTION_ANY_TTL, {false, false}},
    {"exat", OPTION_TIME, OPTION_ANY_TTL, {true, true}},
    {"pxat", OPTION_TIME, OPTION_ANY_TTL, {false, true}},
};

/* The word at argv[i], if it is one of `allowed`; NULL if not. */
static const struct word *
find_word(const struct request *rq, int i, unsigned allowed)
{
    for (size_t k = 0; k < ARRAY_LEN(words); k++)
        if (words[k].option & allowed && arg_is(rq, i, words[k].word))
            return &words[k];
    return NULL;
}

static void
reply_error_excluded(
    struct request *rq, const struct word *word, unsigned allowed)
{
    if (word->excludes == OPTION_ANY_TTL)
        reply_error(rq->reply,
            "ERR Only one of EX, PX, EXAT, PXAT or %s arguments can be "
            "specified",
            allowed & OPTION_KEEPTTL ? "KEEPTTL" : "PERSIST");
    else
        reply_error(rq->reply, "ERR Only one of %s arguments can be specified",
            word->option & (OPTION_FNX | OPTION_FXX) ? "FXX or FNX"
                                                     : "XX or NX");
}

/* Read the options from argv[2] on; returns the index after them, or 0 after
 * replying with the error. */
static int
read_options(struct request *rq, unsigned allowed, struct ex_options *out)
{
    int i = 2;

    *out = (struct ex_options){0, KS_NO_EXPIRY};
    for (const struct word *word; i < rq->argc; i++) {
        word = find_word(rq, i, allowed);
        if (word == NULL)
            return i;
        if (out->with & word->excludes) {
            reply_error_excluded(rq, word, allowed);
            return 0;
        }
        out->with |= word->option;
        if (word->option != OPTION_TIME)
            continue;
        if (++i == rq->argc) {
            reply_error(rq->reply, "ERR missing expire time");
            return 0;
        }
        if (!hash_deadline_read(rq, i, word->form, &out->expire_ms))
            return 0;
    }
    return i;
}

/* ---- HGETEX and HGETDEL ------------------------------------------------ */

/* What is done with a field that was read; returns the name of the event, or
 * NULL if nothing was done. */
typedef const char *(*field_fn)(struct hash_edit *e, struct str name,
    const struct hash_field *field, const struct ex_options *options);

static const char *
delete_field(struct hash_edit *e, struct str name,
    const struct hash_field *field, const struct ex_options *options)
{
    (void)field;
    (void)options;
    (void)hash_edit_delete(e, name);
    return "hdel";
}

static const char *
change_deadline(struct hash_edit *e, struct str name,
    const struct hash_field *field, const struct ex_options *options)
{
    uint64_t expire_ms = options->expire_ms;

    if (options->with & OPTION_PERSIST) {
        if (field->expire_ms == KS_NO_EXPIRY)
            return NULL;
        (void)hash_edit_expire(e, name, KS_NO_EXPIRY);
        return "hpersist";
    }
    if (expire_ms <= clock_wall_ms())
        return delete_field(e, name, field, options);
    (void)hash_edit_expire(e, name, expire_ms);
    return "hexpire";
}

static void
reply_nulls(struct request *rq, int n)
{
    reply_array(rq->reply, (size_t)n);
    for (int i = 0; i < n; i++)
        reply_null(rq->reply);
}

/* Reply with the values of the fields and do something to each. */
static void
read_and_change(struct request *rq, const struct hash_fields *fields,
    field_fn change, const struct ex_options *options)
{
    size_t output = rq->reply->out->len;
    const char *events[] = {NULL, NULL};
    struct hash_field field;
    struct hash_edit *e;
    bool deletes = change == delete_field;
    enum ks_status status =
        hash_begin(rq, HASH_MUST_EXIST, deletes ? 0 : (size_t)fields->n,
            deletes ? 0 : hash_arg_bytes(rq, fields->first), &e);

    if (status == KS_MISS)
        reply_nulls(rq, fields->n);
    if (status != KS_OK)
        return;
    reply_array(rq->reply, (size_t)fields->n);
    for (int i = fields->first; i < rq->argc; i++) {
        const char *event;

        if (!hash_edit_find(e, arg_str(rq, i), &field)) {
            reply_null(rq->reply);
            continue;
        }
        reply_bulk(rq->reply, field.value);
        event = change(e, arg_str(rq, i), &field, options);
        if (event != NULL)
            events[0] = event;
    }
    (void)hash_done(rq, e, output, events);
}

void
cmd_hgetdel(struct request *rq)
{
    struct hash_fields fields;

    if (hash_fields_read(rq, 2, HASH_COUNT_POSITIVE, &fields))
        read_and_change(rq, &fields, delete_field, NULL);
}

void
cmd_hgetex(struct request *rq)
{
    struct hash_fields fields;
    struct ex_options options;
    int i = read_options(rq, OPTION_TIME | OPTION_PERSIST, &options);

    if (i == 0 || !hash_fields_read(rq, i, HASH_COUNT_POSITIVE, &fields))
        return;
    if (options.with == 0)
        hash_reply_values(rq, fields.first);
    else
        read_and_change(rq, &fields, change_deadline, &options);
}

/* ---- HSETEX ------------------------------------------------------------ */

enum {
    HSETEX_OPTIONS = OPTION_FNX | OPTION_FXX | OPTION_NX | OPTION_XX |
        OPTION_KEEPTTL | OPTION_TIME
};

/* Read "FIELDS numfields field value [field value ...]" from argv[i] on;
 * returns the index of the first name, or 0 after replying with the error. */
static int
read_pairs(struct request *rq, int i)
{
    int64_t n;

    if (i < rq->argc && !arg_is(rq, i, "fields")) {
        reply_error(rq->reply, "ERR unknown argument: %.*s", ARG_SHOWN(rq, i));
        return 0;
    }
    if (i + 1 >= rq->argc) {
        reply_error_arity(rq);
        return 0;
    }
    if (!str_to_i64(arg_str(rq, i + 1), &n) || n < 1) {
        reply_error(rq->reply, "ERR invalid number of fields");
        return 0;
    }
    if (n > INT_MAX || 2 * n != rq->argc - i - 2) {
        reply_error_arity(rq);
        return 0;
    }
    return i + 2;
}

static bool
may_set(struct hash_edit *e, struct request *rq, int first, unsigned with)
{
    struct hash_field field;

    if (with & OPTION_NX && hash_edit_count(e) > 0)
        return false;
    if (!(with & (OPTION_FNX | OPTION_FXX)))
        return true;
    for (int i = first; i < rq->argc; i += 2) {
        bool exists = hash_edit_find(e, arg_str(rq, i), &field);

        if (exists != ((with & OPTION_FXX) != 0))
            return false;
    }
    return true;
}

void
cmd_hsetex(struct request *rq)
{
    const char *events[] = {"hset", NULL, NULL};
    struct ex_options options;
    struct hash_edit *e;
    enum ks_status status;
    bool sets;
    int first = read_options(rq, HSETEX_OPTIONS, &options);

    first = first == 0 ? 0 : read_pairs(rq, first);
    if (first == 0)
        return;
    if (options.with & OPTION_KEEPTTL)
        options.expire_ms = KS_KEEP_TTL;
    if (options.with & OPTION_TIME)
        events[1] = options.expire_ms <= clock_wall_ms() ? "hdel" : "hexpire";
    status = hash_begin(rq,
        options.with & (OPTION_XX | OPTION_FXX) ? HASH_MUST_EXIST : HASH_CREATE,
        (size_t)(rq->argc - first) / 2, hash_arg_bytes(rq, first), &e);
    if (status == KS_MISS)
        reply_int(rq->reply, 0);
    if (status != KS_OK)
        return;
    sets = may_set(e, rq, first, options.with);
    for (int i = first; sets && i < rq->argc; i += 2)
        (void)hash_edit_set(
            e, arg_str(rq, i), arg_str(rq, i + 1), options.expire_ms);
    if (hash_done(rq, e, rq->reply->out->len, sets ? events : events + 2))
        reply_int(rq->reply, sets);
}
