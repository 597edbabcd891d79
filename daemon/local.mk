# SPDX-License-Identifier: BSD-3-Clause
sbin_PROGRAMS += ashlard
ashlard_SOURCES = \
    daemon/batch.h \
    daemon/compat.h \
    daemon/internal.h \
    daemon/monitor.h \
    daemon/activation.c \
    daemon/address.c \
    daemon/batch.c \
    daemon/batch_parse.c \
    daemon/batch_receive.c \
    daemon/bind.c \
    daemon/busy.c \
    daemon/clients.c \
    daemon/config.c \
    daemon/conn.c \
    daemon/core_dumps.c \
    daemon/history.c \
    daemon/hold.c \
    daemon/info.c \
    daemon/io.h \
    daemon/io_epoll.c \
    daemon/large.c \
    daemon/listener.c \
    daemon/main.c \
    daemon/maint.c \
    daemon/metrics.c \
    daemon/notify.c \
    daemon/output.c \
    daemon/printable.c \
    daemon/reload.c \
    daemon/rlimit.c \
    daemon/run_as.c \
    daemon/signals.c \
    daemon/snapshot.c \
    daemon/status.c \
    daemon/status_json.c \
    daemon/thread.c \
    daemon/tls.h \
    daemon/watchdog.c \
    daemon/web.c \
    daemon/worker.c
if TLS
ashlard_SOURCES += \
    daemon/tls_conn.c \
    daemon/tls_context.c \
    daemon/tls_context.h \
    daemon/tls_library.c \
    daemon/tls_library.h
else
ashlard_SOURCES += daemon/tls_absent.c
endif
if LIBURING
ashlard_SOURCES += \
    daemon/io_uring.c \
    daemon/io_uring.h \
    daemon/io_uring_receive.c \
    daemon/io_uring_send.c \
    daemon/io_uring_setup.c
endif
nodist_ashlard_SOURCES = daemon/status_page.h
ashlard_CFLAGS = $(AM_CFLAGS) $(STRICT_CFLAGS) $(LIBURING_CFLAGS)
ashlard_LDADD = libcommands.a libkeyspace.a libprotocol.a libslab.a \
    libbase.a $(LIBEVENT_LIBS) $(LIBURING_LIBS) $(LUA_LIBS) -lm

# The status page as an array of bytes, and the hashes of its style and script.
EXTRA_DIST += daemon/status.html daemon/embed.sh
BUILT_SOURCES += daemon/status_page.h
daemon/ashlard-web.$(OBJEXT): daemon/status_page.h
CLEANFILES += daemon/status_page.h
daemon/status_page.h: daemon/status.html daemon/embed.sh
	$(AM_V_GEN)$(MKDIR_P) daemon && \
	    $(BASH_PATH) '$(srcdir)/daemon/embed.sh' '$(srcdir)/daemon/status.html' \
	    > $@.tmp && mv $@.tmp $@

check_PROGRAMS += daemon/output_test daemon/config_test daemon/monitor_test
daemon_output_test_SOURCES = daemon/output_test.c daemon/output.c
daemon_output_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
daemon_output_test_LDADD = libslab.a libbase.a $(CHECK_LIBS)
daemon_config_test_SOURCES = daemon/config_test.c daemon/config.c
daemon_config_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
daemon_config_test_LDADD = libcommands.a libkeyspace.a libprotocol.a \
    libslab.a libbase.a $(LUA_LIBS) $(CHECK_LIBS) -lm

daemon_monitor_test_SOURCES = daemon/monitor_test.c daemon/history.c \
    daemon/printable.c
daemon_monitor_test_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
daemon_monitor_test_LDADD = libbase.a $(CHECK_LIBS)

dist_check_SCRIPTS += daemon/cli_test.sh
