/* SPDX-License-Identifier: BSD-3-Clause */
/* bitfield.c - BITFIELD: a value as integers of any width at any bit.
 *
 * A call that writes makes one copy of the value under the key's lock, works on
 * that, and stores it: other clients see all of its operations or none. Any
 * worker.
 */
#include "commands/internal.h"
#include "commands/notify.h"

enum field_action {
    FIELD_GET,
    FIELD_SET,
    FIELD_INCRBY
};
enum field_overflow {
    OVERFLOW_WRAP,
    OVERFLOW_SAT,
    OVERFLOW_FAIL
};

struct field_operation {
    enum field_action action;
    enum field_overflow overflow;
    bool is_signed;
    unsigned bits;
    uint64_t offset;
    int64_t by;     /* argument of SET and INCRBY */
    int64_t result; /* unless refused */
    bool refused;   /* by OVERFLOW FAIL */
};

struct field_call {
    struct field_operation *operations;
    size_t n;
    bool writes;
    uint64_t end; /* bytes that the writes need */
};

/* ---- arguments ----------------------------------------------------------- */

static bool
parse_type(struct request *rq, int i, struct field_operation *op)
{
    struct str s = arg_str(rq, i);
    int64_t bits = 0;

    op->is_signed = s.len > 0 && s.p[0] == 'i';
    if (s.len == 0 || (s.p[0] != 'i' && s.p[0] != 'u') ||
        !str_to_i64((struct str){s.p + 1, s.len - 1}, &bits) || bits < 1 ||
        bits > (op->is_signed ? 64 : 63)) {
        reply_error(rq->reply,
            "ERR Invalid bitfield type. Use something like i16 u8. Note that "
            "u64 is not supported but i64 is.");
        return false;
    }
    op->bits = (unsigned)bits;
    return true;
}

static bool
parse_overflow(struct request *rq, int i, enum field_overflow *out)
{
    if (arg_is(rq, i, "wrap"))
        *out = OVERFLOW_WRAP;
    else if (arg_is(rq, i, "sat"))
        *out = OVERFLOW_SAT;
    else if (arg_is(rq, i, "fail"))
        *out = OVERFLOW_FAIL;
    else {
        reply_error(rq->reply, "ERR Invalid OVERFLOW type specified");
        return false;
    }
    return true;
}

/* Read the operation whose word is argv[i]; returns the number of arguments,
 * 0 after an error reply. */
static int
parse_operation(struct request *rq, int i, struct field_operation *op)
{
    int left = rq->argc - i - 1;

    if (arg_is(rq, i, "get") && left >= 2)
        op->action = FIELD_GET;
    else if (arg_is(rq, i, "set") && left >= 3)
        op->action = FIELD_SET;
    else if (arg_is(rq, i, "incrby") && left >= 3)
        op->action = FIELD_INCRBY;
    else {
        reply_error_syntax(rq);
        return 0;
    }
    if (!parse_type(rq, i + 1, op) ||
        !arg_bit_offset(rq, i + 2, op->bits, &op->offset))
        return 0;
    if (op->action == FIELD_GET)
        return 3;
    return arg_i64(rq, i + 3, &op->by) ? 4 : 0;
}

static bool
parse_call(struct request *rq, struct field_call *call)
{
    enum field_overflow overflow = OVERFLOW_WRAP;
    int words;

    call->operations = arena_alloc(
        rq->thread->arena, (size_t)rq->argc * sizeof(*call->operations));
    for (int i = 2; i < rq->argc; i += words) {
        struct field_operation *op = &call->operations[call->n];

        if (arg_is(rq, i, "overflow") && i + 1 < rq->argc) {
            words = 2;
            if (!parse_overflow(rq, i + 1, &overflow))
                return false;
            continue;
        }
        *op = (struct field_operation){.overflow = overflow};
        words = parse_operation(rq, i, op);
        if (words == 0)
            return false;
        call->n++;
        if (op->action != FIELD_GET) {
            call->writes = true;
            call->end = MAX(call->end, (op->offset + op->bits - 1) / 8 + 1);
        }
    }
    return true;
}

/* ---- numbers ------------------------------------------------------------- */

/* The lowest `bits` bits of `v` as the number they stand for. */
static int64_t
narrow(uint64_t v, const struct field_operation *op)
{
    unsigned unused = 64 - op->bits;

    v <<= unused;
    return op->is_signed ? (int64_t)v >> unused : (int64_t)(v >> unused);
}

static int64_t
read_field(struct str s, const struct field_operation *op)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < op->bits; i++)
        v = v << 1 | bit_at(s, op->offset + i);
    return narrow(v, op);
}

static void
write_field(char *p, const struct field_operation *op, int64_t value)
{
    for (unsigned i = 0; i < op->bits; i++) {
        uint64_t at = op->offset + i;
        uint8_t mask = (uint8_t)(0x80 >> (at & 7));
        bool on = (uint64_t)value >> (op->bits - 1 - i) & 1;
        uint8_t byte = (uint8_t)p[at >> 3];

        p[at >> 3] = (char)(on ? byte | mask : byte & ~mask);
    }
}

/* What a field becomes; false if it does not fit and OVERFLOW is FAIL. */
static bool
new_value(const struct field_operation *op, int64_t old, int64_t *out)
{
    __int128 most = ((__int128)1 << (op->bits - op->is_signed)) - 1;
    __int128 least = op->is_signed ? -most - 1 : 0;
    __int128 exact = op->by;

    if (op->action == FIELD_INCRBY)
        exact += old;
    else if (!op->is_signed)
        exact = (uint64_t)op->by;
    if (exact >= least && exact <= most) {
        *out = (int64_t)exact;
        return true;
    }
    if (op->overflow == OVERFLOW_SAT)
        *out = (int64_t)(exact > most ? most : least);
    else
        *out = narrow((uint64_t)exact, op);
    return op->overflow != OVERFLOW_FAIL;
}

static void
run_operation(struct field_operation *op, char *p, size_t len)
{
    int64_t old = read_field((struct str){p, len}, op);
    int64_t new;

    op->result = old;
    if (op->action == FIELD_GET)
        return;
    if (!new_value(op, old, &new)) {
        op->refused = true;
        return;
    }
    write_field(p, op, new);
    if (op->action == FIELD_INCRBY)
        op->result = new;
}

/* ---- the call ------------------------------------------------------------ */

static enum ks_status
read_fields(
    struct request *rq, const struct ks_key *key, struct field_call *call)
{
    struct value value;
    enum ks_status status = value_read(rq, key, &value);

    if (status == KS_WRONG_TYPE)
        return status;
    for (size_t i = 0; i < call->n; i++)
        call->operations[i].result =
            read_field(value.bytes, &call->operations[i]);
    value_drop(rq, &value);
    return KS_OK;
}

/* Under the lock of the key. */
static enum ks_status
change_fields(
    struct request *rq, const struct ks_key *key, struct field_call *call)
{
    struct value value;
    struct room room;
    size_t len;

    if (value_read(rq, key, &value) == KS_WRONG_TYPE)
        return KS_WRONG_TYPE;
    len = MAX(value.bytes.len, call->end);
    if (len > KS_MAX_VALUE || !room_get(rq, len, &room)) {
        value_drop(rq, &value);
        return len > KS_MAX_VALUE ? KS_TOO_LARGE : KS_NO_MEMORY;
    }
    memcpy(room.p, value.bytes.p, value.bytes.len);
    memset(room.p + value.bytes.len, 0, len - value.bytes.len);
    value_drop(rq, &value);
    for (size_t i = 0; i < call->n; i++)
        run_operation(&call->operations[i], room.p, len);
    return room_store(rq, key, &room, KS_KEEP_TTL);
}

/* An operation that OVERFLOW FAIL refused changes nothing. */
static void
notify_fields(
    struct request *rq, const struct ks_key *key, const struct field_call *call)
{
    for (size_t i = 0; i < call->n; i++) {
        if (call->operations[i].action != FIELD_GET &&
            !call->operations[i].refused) {
            notify(rq, NOTIFY_STRING, "setbit", key);
            return;
        }
    }
}

static void
reply_fields(struct request *rq, const struct field_call *call)
{
    reply_array(rq->reply, call->n);
    for (size_t i = 0; i < call->n; i++) {
        if (call->operations[i].refused)
            reply_null(rq->reply);
        else
            reply_int(rq->reply, call->operations[i].result);
    }
}

void
cmd_bitfield(struct request *rq)
{
    struct ks_key key = arg_key(rq, 1);
    struct field_call call = {0};
    enum ks_status status = KS_OK;

    if (!parse_call(rq, &call))
        return;
    if (call.writes) {
        ks_lock(rq->thread->ks, &key, 1);
        status = change_fields(rq, &key, &call);
        if (status == KS_OK)
            notify_fields(rq, &key, &call);
        ks_unlock(rq->thread->ks);
    } else {
        status = read_fields(rq, &key, &call);
    }
    if (status != KS_OK)
        reply_error_status(rq, status);
    else
        reply_fields(rq, &call);
}

void
cmd_bitfield_ro(struct request *rq)
{
    struct ks_key key = arg_key(rq, 1);
    struct field_call call = {0};
    enum ks_status status;

    if (!parse_call(rq, &call))
        return;
    if (call.writes) {
        reply_error(
            rq->reply, "ERR BITFIELD_RO only supports the GET subcommand");
        return;
    }
    status = read_fields(rq, &key, &call);
    if (status != KS_OK)
        reply_error_status(rq, status);
    else
        reply_fields(rq, &call);
}
