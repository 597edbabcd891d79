/* SPDX-License-Identifier: BSD-3-Clause */
/* printable.c - names that clients chose, as text for people. A name may hold
 * any byte; what comes out is well-formed UTF-8 without control characters.
 */
#include "daemon/monitor.h"

/* Bytes of the well-formed UTF-8 character at `p`; 0 if there is none. */
static size_t
utf8_length(const unsigned char *p, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1
        : p[0] >> 5 == 6   ? 2
        : p[0] >> 4 == 14  ? 3
        : p[0] >> 3 == 30  ? 4
                           : 0;
    uint32_t code;

    if (n <= 1 || n > left)
        return n > left ? 0 : n;
    code = p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        code = code << 6 | (p[i] & 0x3fu);
    }
    if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 0;
    /* C1 controls, and the marks that turn text around or hide in it. */
    if (code < 0xa0 || (code >= 0x200b && code <= 0x200f) ||
        (code >= 0x2028 && code <= 0x202e) ||
        (code >= 0x2066 && code <= 0x2069) || code == 0xfeff)
        return 0;
    return n;
}

void
append_printable(struct buf *out, struct str name)
{
    for (size_t i = 0; i < name.len;) {
        const unsigned char *p = (const unsigned char *)name.p + i;
        size_t n = utf8_length(p, name.len - i);

        if (n == 1 && *p == '\\')
            buf_append(out, "\\\\", 2);
        else if (n == 0 || *p < ' ' || *p == 127)
            buf_printf(out, "\\x%02x", *p);
        else
            buf_append(out, p, n);
        i += MAX(n, (size_t)1);
    }
}
