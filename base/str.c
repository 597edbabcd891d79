/* SPDX-License-Identifier: BSD-3-Clause */
/* str.c - byte strings: comparison without case, decimal numbers, sizes.
 *
 * On the path of INCR and of every integer reply, hence no stdio and no locale.
 * Any thread.
 */
#include "base/base.h"

static unsigned char
lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool
str_ieq(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    }
    return true;
}

bool
str_to_i64(struct str s, int64_t *out)
{
    bool negative = s.len > 0 && s.p[0] == '-';
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
    uint64_t v = 0;

    if (s.len == 1 && s.p[0] == '0') {
        *out = 0;
        return true;
    }
    if (negative)
        s = (struct str){s.p + 1, s.len - 1};
    /* 19 digits fit in 64 bits; more cannot be in range. */
    if (s.len == 0 || s.len > 19 || s.p[0] == '0')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(s.p[i] - '0');
    }
    if (v > limit)
        return false;
    *out = (int64_t)(negative ? 0 - v : v);
    return true;
}

bool
str_to_bytes(struct str s, int64_t *out)
{
    static const struct {
        const char *name;
        int64_t bytes;
    } units[] = {
        {"", 1},
        {"b", 1},
        {"k", 1000},
        {"kb", (int64_t)KIB},
        {"m", 1000 * 1000},
        {"mb", (int64_t)MIB},
        {"g", 1000 * 1000 * 1000},
        {"gb", (int64_t)GIB},
    };
    struct str unit;
    int64_t number;

    /* Leading zeros are harmless here: "010mb" is ten. */
    while (s.len > 1 && s.p[0] == '0' && s.p[1] >= '0' && s.p[1] <= '9')
        s = (struct str){s.p + 1, s.len - 1};
    unit = s;
    while (unit.len > 0 && unit.p[0] >= '0' && unit.p[0] <= '9')
        unit = (struct str){unit.p + 1, unit.len - 1};
    if (!str_to_i64((struct str){s.p, s.len - unit.len}, &number))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (str_ieq(str_of(units[i].name), unit))
            return !__builtin_mul_overflow(number, units[i].bytes, out);
    }
    return false;
}

size_t
i64_to_chars(char *out, int64_t v)
{
    char digits[20];
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    size_t at = sizeof(digits);
    size_t len;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    len = sizeof(digits) - at;
    if (v < 0)
        *out++ = '-';
    memcpy(out, digits + at, len);
    return len + (v < 0);
}
