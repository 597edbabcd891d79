/* SPDX-License-Identifier: BSD-3-Clause */
/* tls_library.c - opens OpenSSL; see tls_library.h. Main thread at the start,
 * then any under the config lock; any thread for tls_library_error(). The
 * library stays open: its threads' ends need it.
 */
#include "daemon/tls_library.h"

#include <dlfcn.h>

#define TEXT_OF_(x) #x
#define TEXT_OF(x) TEXT_OF_(x)
/* The interface that this was compiled for. */
#define LIBRARY "libssl.so." TEXT_OF(OPENSSL_SHLIB_VERSION)

struct tls_library ossl;

bool
tls_library_load(struct buf *err)
{
#define TLS_FUNCTION_NAME(name) #name,
    static const char *const names[] = {TLS_FUNCTIONS(TLS_FUNCTION_NAME)};
    static bool loaded;
    void *library, *function;

    _Static_assert(sizeof(ossl) == sizeof(names), "one name per function");
    if (loaded)
        return true;
    library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        buf_printf(err, "TLS needs OpenSSL: %s", dlerror());
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        function = dlsym(library, names[i]);
        if (function == NULL) {
            buf_printf(err, "TLS needs another OpenSSL: %s", dlerror());
            return false;
        }
        memcpy(
            (char *)&ossl + i * sizeof(function), &function, sizeof(function));
    }
    loaded = true;
    return true;
}

void
tls_library_error(struct buf *out)
{
    unsigned long code = ossl.ERR_get_error();
    const char *text;

    ossl.ERR_clear_error();
    if (code == 0) {
        buf_printf(out, "no reason known");
        return;
    }
    if (ERR_SYSTEM_ERROR(code)) {
        buf_printf(out, "%s", strerror(ERR_GET_REASON(code)));
        return;
    }
    text = ossl.ERR_reason_error_string(code);
    buf_printf(out, "%s (OpenSSL error %08lX)",
        text != NULL ? text : "no reason known", code);
}
