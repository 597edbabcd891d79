/* SPDX-License-Identifier: BSD-3-Clause */
/* debug.c - DEBUG: what tests and tools of Redis need of it, and no more.
 *
 * Off unless enable-debug-command allows it, as in Redis. One command for
 * COMMAND and ACL; its subcommands are rows of a table here. Nothing here
 * crashes the daemon. Any worker; SLEEP holds up the worker that runs it, and
 * with it the connections of that worker.
 */
#include "commands/hashes.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- who may ------------------------------------------------------------- */

enum debug_access { /* order of enable_debug_command's values */
    DEBUG_NOBODY,
    DEBUG_ANYBODY,
    DEBUG_LOCAL
};

/* Does the client come by a unix socket or a loopback address? */
static bool
is_local(const struct request *rq)
{
    const struct command_host *host = &rq->thread->commands->host;
    struct client_view view;

    host->self(host->ctx, rq->session, &view);
    return view.is_unix || strncmp(view.addr, "127.0.0.1:", 10) == 0 ||
        strncmp(view.addr, "[::1]:", 6) == 0;
}

static bool
may_debug(const struct request *rq)
{
    int64_t access = rq->thread->commands->values->enable_debug_command;

    return access == DEBUG_ANYBODY || (access == DEBUG_LOCAL && is_local(rq));
}

/* ---- digests ------------------------------------------------------------- */

#define DIGEST_BYTES 20

/* Sums by exclusive or, so that the order in which keys are met is no matter.
 * All zero: nothing was added. */
struct digest {
    unsigned char bytes[DIGEST_BYTES];
};

static void
digest_add(struct digest *d, const void *p, size_t len, uint64_t seed)
{
    unsigned char bytes[24];
    XXH128_hash_t wide = XXH3_128bits_withSeed(p, len, seed);
    uint64_t more = XXH3_64bits_withSeed(p, len, ~seed);

    memcpy(bytes, &wide, 16);
    memcpy(bytes + 16, &more, 8);
    for (size_t i = 0; i < DIGEST_BYTES; i++)
        d->bytes[i] ^= bytes[i];
}

/* Fields in any order, and whether they expire. */
static bool
digest_hash(struct request *rq, const struct ks_key *key, struct digest *d)
{
    struct buf *text = &rq->thread->scratch;
    struct hash_reader *reader;
    struct hash_field field;
    uint64_t at = 0;

    if (hash_open(rq->thread->ks, key, KS_PEEK, &reader) != KS_OK)
        return false;
    while (hash_next(reader, &at, &field)) {
        text->len = 0;
        buf_append(text, &field.name.len, sizeof(field.name.len));
        buf_append(text, field.name.p, field.name.len);
        buf_append(text, field.value.p, field.value.len);
        digest_add(
            d, text->p, text->len, field.expire_ms == KS_NO_EXPIRY ? 2 : 3);
    }
    hash_close(reader);
    return true;
}

/* What a value is, and whether it expires: not when, nor under which key. */
static bool
digest_value(struct request *rq, const struct ks_key *key, struct digest *d)
{
    struct command_thread *t = rq->thread;
    struct ks_info info;
    enum ks_status status =
        ks_get(t->ks, key, KS_PEEK, place_in_buf, &t->scratch, &info);

    if (status == KS_OK) {
        digest_add(d, info.value, info.value_len, 0);
        drop_fetched(rq, &info);
    } else if (status == KS_MISS || !digest_hash(rq, key, d) ||
        ks_stat(t->ks, key, KS_PEEK, &info) != KS_OK) {
        return false;
    }
    if (info.expire_ms != KS_NO_EXPIRY)
        digest_add(d, "expires", 7, 1);
    return true;
}

static void
digest_item(struct request *rq, const struct ks_key *key, struct digest *sum)
{
    struct digest d = {{0}};

    if (!digest_value(rq, key, &d))
        return; /* it went meanwhile */
    digest_add(&d, key->name.p, key->name.len, 2 + key->db);
    digest_add(sum, d.bytes, sizeof(d.bytes), 0);
}

static void
reply_digest(struct request *rq, const struct digest *d)
{
    char hex[2 * DIGEST_BYTES + 1];

    for (size_t i = 0; i < DIGEST_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", d->bytes[i]);
    reply_simple(rq->reply, hex);
}

/* Names of a step of a walk, each behind its length. */
static bool
collect_name(void *ctx, struct str name, const struct ks_info *info)
{
    uint32_t len = (uint32_t)name.len;

    (void)info;
    buf_append(ctx, &len, sizeof(len));
    buf_append(ctx, name.p, name.len);
    return true;
}

#define WALK_STEP 256

static void
digest_database(struct request *rq, unsigned db, struct digest *sum)
{
    struct command_thread *t = rq->thread;
    struct buf names = {0};
    uint64_t cursor = 0;

    do {
        names.len = 0;
        cursor = ks_scan(t->ks, db, cursor, WALK_STEP, collect_name, &names);
        for (size_t at = 0; at < names.len;) {
            struct ks_key key;
            uint32_t len;

            memcpy(&len, names.p + at, sizeof(len));
            at += sizeof(len);
            key = ks_key(t->commands->ks, db, (struct str){names.p + at, len});
            digest_item(rq, &key, sum);
            at += len;
        }
    } while (cursor != 0);
    buf_free(&names);
}

static void
debug_digest(struct request *rq)
{
    unsigned n = (unsigned)rq->thread->commands->values->databases;
    struct digest sum = {{0}};

    for (unsigned db = 0; db < n; db++)
        digest_database(rq, db, &sum);
    reply_digest(rq, &sum);
}

static void
debug_digest_value(struct request *rq)
{
    reply_array(rq->reply, (size_t)rq->argc - 2);
    for (int i = 2; i < rq->argc; i++) {
        struct ks_key key = arg_key(rq, i);
        struct digest d = {{0}};

        (void)digest_value(rq, &key, &d); /* zeros for a missing key */
        reply_digest(rq, &d);
    }
}

/* ---- replies ------------------------------------------------------------- */

static void
debug_error(struct request *rq)
{
    reply_error(rq->reply, "%.*s", (int)MIN(rq->argv[2].len, (size_t)INT_MAX),
        rq->argv[2].p);
}

static void
reply_test_map(struct reply *r)
{
    reply_map(r, 3);
    for (int i = 0; i < 3; i++) {
        reply_int(r, i);
        reply_bool(r, i == 1);
    }
}

static void
reply_test_attribute(struct reply *r)
{
    if (r->protocol == 3) {
        reply_raw(r, STR("|1\r\n"));
        reply_bulk_cstr(r, "key-popularity");
        reply_array(r, 2);
        reply_bulk_cstr(r, "key:123");
        reply_int(r, 90);
    }
    reply_bulk_cstr(r, "Some real reply following the attribute");
}

static void
reply_test_push(struct reply *r)
{
    if (r->protocol == 2) {
        reply_error(r, "ERR RESP2 is not supported by this command");
        return;
    }
    reply_push(r, 2);
    reply_bulk_cstr(r, "server-cpu-usage");
    reply_int(r, 42);
    reply_bulk_cstr(r, "Some real reply following the push reply");
}

static void
reply_test_numbers(struct reply *r, bool is_set)
{
    if (is_set)
        reply_set(r, 3);
    else
        reply_array(r, 3);
    for (int i = 0; i < 3; i++)
        reply_int(r, i);
}

#define BIG_NUMBER "1234567999999999999999999999999999999"

static void
reply_test_big_number(struct reply *r)
{
    if (r->protocol == 3)
        reply_raw(r, STR("(" BIG_NUMBER "\r\n"));
    else
        reply_bulk_cstr(r, BIG_NUMBER);
}

/* A value of each type of the protocol, with the contents that the suites of
 * clients expect. */
static void
debug_protocol(struct request *rq)
{
    struct reply *r = rq->reply;

    if (arg_is(rq, 2, "string"))
        reply_bulk_cstr(r, "Hello World");
    else if (arg_is(rq, 2, "integer"))
        reply_int(r, 12345);
    else if (arg_is(rq, 2, "double"))
        reply_double(r, 3.141);
    else if (arg_is(rq, 2, "bignum"))
        reply_test_big_number(r);
    else if (arg_is(rq, 2, "null"))
        reply_null(r);
    else if (arg_is(rq, 2, "array") || arg_is(rq, 2, "set"))
        reply_test_numbers(r, arg_is(rq, 2, "set"));
    else if (arg_is(rq, 2, "map"))
        reply_test_map(r);
    else if (arg_is(rq, 2, "attrib"))
        reply_test_attribute(r);
    else if (arg_is(rq, 2, "push"))
        reply_test_push(r);
    else if (arg_is(rq, 2, "true") || arg_is(rq, 2, "false"))
        reply_bool(r, arg_is(rq, 2, "true"));
    else if (arg_is(rq, 2, "verbatim"))
        reply_verbatim(r, "txt", STR("This is a verbatim\nstring"));
    else
        reply_error(r,
            "ERR Wrong protocol type name. Please use one of the following: "
            "string|integer|double|bignum|null|array|set|map|attrib|push|"
            "verbatim|true|false");
}

/* ---- keys ---------------------------------------------------------------- */

/* Clients read the words after "Value"; no address is told. */
static void
debug_object(struct request *rq)
{
    struct command_thread *t = rq->thread;
    struct ks_key key = arg_key(rq, 2);
    struct ks_info info, value;
    const char *encoding = NULL;
    char line[128];

    if (ks_stat(t->ks, &key, KS_PEEK, &info) == KS_OK) {
        if (info.type == KS_HASH) {
            encoding = hash_encoding(rq, &key);
        } else if (ks_get(t->ks, &key, KS_PEEK, place_in_buf, &t->scratch,
                       &value) == KS_OK) {
            encoding = object_encoding(
                value.raw, (struct str){value.value, value.value_len});
            drop_fetched(rq, &value);
        }
    }
    if (encoding == NULL) {
        reply_error(rq->reply, "ERR no such key");
        return;
    }
    snprintf(line, sizeof(line),
        "Value at:0x0 refcount:1 encoding:%s serializedlength:%zu lru:0 "
        "lru_seconds_idle:%u",
        encoding, info.value_len, info.idle_s);
    reply_simple(rq->reply, line);
}

/* "value:17", cut or filled up with zero bytes to `size` if that is not 0. */
static struct str
populate_value(struct buf *room, int64_t i, size_t size)
{
    room->len = 0;
    buf_printf(room, "value:%lld", (long long)i);
    if (size > room->len) {
        memset(buf_reserve(room, size - room->len), 0, size - room->len);
        room->len = size;
    }
    return (struct str){room->p, size == 0 ? room->len : size};
}

static enum ks_status
populate(struct request *rq, int64_t n, struct str prefix, size_t size)
{
    struct command_thread *t = rq->thread;
    struct buf name = {0}, value = {0};
    enum ks_status status = KS_OK;

    for (int64_t i = 0; i < n && status == KS_OK; i++) {
        struct ks_info info;
        struct ks_key key;

        name.len = 0;
        buf_append(&name, prefix.p, prefix.len);
        buf_printf(&name, ":%lld", (long long)i);
        key = ks_key(t->commands->ks, LOAD(&rq->session->db),
            (struct str){name.p, name.len});
        if (ks_stat(t->ks, &key, KS_PEEK, &info) != KS_OK)
            status = ks_set(
                t->ks, &key, populate_value(&value, i, size), KS_NO_EXPIRY);
    }
    buf_free(&name);
    buf_free(&value);
    return status;
}

static void
debug_populate(struct request *rq)
{
    struct str prefix = rq->argc > 3 ? arg_str(rq, 3) : STR("key");
    int64_t n, size = 0;
    enum ks_status status;

    if (!arg_i64(rq, 2, &n) || (rq->argc > 4 && !arg_i64(rq, 4, &size)))
        return;
    if (n < 0 || size < 0) {
        reply_error(rq->reply, "ERR value is out of range, must be positive");
        return;
    }
    if ((uint64_t)size > KS_MAX_VALUE || prefix.len > KS_MAX_KEY)
        status = KS_TOO_LARGE;
    else
        status = populate(rq, n, prefix, (size_t)size);
    if (status == KS_OK)
        reply_ok(rq->reply);
    else
        reply_error_status(rq, status);
}

/* ---- the process --------------------------------------------------------- */

#define MAX_SLEEP_S 3600.0L

static void
debug_sleep(struct request *rq)
{
    struct timespec left;
    long double seconds;

    if (!float_read(arg_str(rq, 2), &seconds)) {
        reply_error(rq->reply, "ERR value is not a valid float");
        return;
    }
    if (seconds < 0 || seconds > MAX_SLEEP_S) {
        reply_error(
            rq->reply, "ERR value is out of range, must be 0 to 3600 seconds");
        return;
    }
    left.tv_sec = (time_t)seconds;
    left.tv_nsec = (long)((seconds - (long double)left.tv_sec) * 1e9L);
    while (nanosleep(&left, &left) != 0) {
        /* a signal: go on with what is left */
    }
    clock_refresh();
    reply_ok(rq->reply);
}

/* Under one line, whatever stands in the message. */
static void
debug_log(struct request *rq)
{
    struct buf line = {0};

    for (size_t i = 0; i < MIN(rq->argv[2].len, (size_t)256); i++) {
        char c = rq->argv[2].p[i];

        buf_append(&line, isprint((unsigned char)c) ? &c : "?", 1);
    }
    log_warn("DEBUG LOG: %.*s", (int)line.len, line.len > 0 ? line.p : "");
    buf_free(&line);
    reply_ok(rq->reply);
}

static void
debug_set_active_expire(struct request *rq)
{
    int64_t on;

    if (!arg_i64(rq, 2, &on))
        return;
    ks_hold_expired(rq->thread->commands->ks, KS_HOLD_SWEEP, on == 0);
    reply_ok(rq->reply);
}

/* Of the regular work only expiry shows: limits are kept while it rests. */
static void
debug_pause_cron(struct request *rq)
{
    int64_t on;

    if (!arg_i64(rq, 2, &on))
        return;
    ks_hold_expired(rq->thread->commands->ks, KS_HOLD_CRON, on != 0);
    reply_ok(rq->reply);
}

/* Redis writes all keys to disk here and reads them back; what comes out must
 * be what was there. Nothing is written here, so that holds. */
static void
debug_reload(struct request *rq)
{
    for (int i = 2; i < rq->argc; i++) {
        if (arg_is(rq, i, "merge") || arg_is(rq, i, "noflush") ||
            arg_is(rq, i, "nosave"))
            continue;
        reply_error(rq->reply,
            "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE "
            "options.");
        return;
    }
    reply_ok(rq->reply);
}

static void
debug_set_scripts(struct request *rq)
{
    STORE(&rq->thread->commands->state->scripts_may_debug, !arg_is(rq, 2, "0"));
    reply_ok(rq->reply);
}

/* ---- the command --------------------------------------------------------- */

static void debug_help(struct request *rq);

static const struct debug_row {
    const char *name;
    int min_args, max_args; /* after the name */
    void (*run)(struct request *rq);
    const char *arguments, *text;
} debug_rows[] = {
    {"digest", 0, 0, debug_digest, "", "Hash of all keys and values."},
    {"digest-value", 0, INT_MAX, debug_digest_value, "<key> [<key> ...]",
        "Hash of each value."},
    {"error", 1, 1, debug_error, "<string>", "Reply with this error."},
    {"help", 0, 0, debug_help, "", "Prints this help."},
    {"loadaof", 0, 0, debug_reload, "", "Nothing: there is no file."},
    {"log", 1, 1, debug_log, "<message>", "Write a line to the log."},
    {"object", 1, 1, debug_object, "<key>", "How a value is kept."},
    {"pause-cron", 1, 1, debug_pause_cron, "<0|1>",
        "Whether regular work rests: the removal of expired keys."},
    {"populate", 1, 3, debug_populate, "<count> [<prefix>] [<size>]",
        "Create keys \"key:<num>\" that do not exist yet."},
    {"protocol", 1, 1, debug_protocol, "<type>",
        "Reply with a value of a type: string, integer, double, bignum, null, "
        "array, set, map, attrib, push, verbatim, true, false."},
    {"reload", 0, INT_MAX, debug_reload, "[MERGE] [NOFLUSH] [NOSAVE]",
        "Nothing: there is no file. All keys stay."},
    {"set-active-expire", 1, 1, debug_set_active_expire, "<0|1>",
        "Whether expired keys are removed before somebody asks for them."},
    {"set-disable-deny-scripts", 1, 1, debug_set_scripts, "<0|1>",
        "Whether scripts may call DEBUG PROTOCOL."},
    {"sleep", 1, 1, debug_sleep, "<seconds>",
        "Hold up this worker thread. Decimals allowed."},
};

static void
debug_help(struct request *rq)
{
    char line[256];

    reply_array(rq->reply, 1 + 2 * ARRAY_LEN(debug_rows));
    reply_simple(rq->reply,
        "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    for (size_t i = 0; i < ARRAY_LEN(debug_rows); i++) {
        const struct debug_row *row = &debug_rows[i];

        snprintf(line, sizeof(line), "%s%s%s", row->name,
            *row->arguments != '\0' ? " " : "", row->arguments);
        for (char *p = line; p < line + strlen(row->name); p++)
            *p = (char)toupper((unsigned char)*p);
        reply_simple(rq->reply, line);
        snprintf(line, sizeof(line), "    %s", row->text);
        reply_simple(rq->reply, line);
    }
}

void
cmd_debug(struct request *rq)
{
    if (!may_debug(rq)) {
        reply_error(rq->reply,
            "ERR DEBUG command not allowed. If the enable-debug-command option "
            "is set to \"local\", you can run it from a local connection, "
            "otherwise you need to set this option in the configuration file, "
            "and then restart the server.");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(debug_rows); i++) {
        const struct debug_row *row = &debug_rows[i];

        if (arg_is(rq, 1, row->name) && rq->argc - 2 >= row->min_args &&
            rq->argc - 2 <= row->max_args) {
            row->run(rq);
            return;
        }
    }
    reply_error(rq->reply,
        "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try "
        "DEBUG HELP.",
        ARG_SHOWN(rq, 1));
}
