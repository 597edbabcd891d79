/* SPDX-License-Identifier: BSD-3-Clause */
/* address.c - the addresses of a socket: who comes from this machine, and how
 * an address is shown.
 *
 * A socket that a service manager passes may listen on IPv6 and IPv4 at once,
 * and has its IPv4 clients come from ::ffff:a.b.c.d. They are taken for what
 * they are. Any thread.
 */
#include "daemon/internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

/* An IPv4 address in the form of IPv6 becomes a plain one. */
static void
unmap(struct sockaddr_storage *sa)
{
    struct sockaddr_in6 v6;
    struct sockaddr_in v4 = {.sin_family = AF_INET};

    if (sa->ss_family != AF_INET6)
        return;
    memcpy(&v6, sa, sizeof(v6));
    if (!IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
        return;
    memcpy(&v4.sin_addr, &v6.sin6_addr.s6_addr[12], sizeof(v4.sin_addr));
    v4.sin_port = v6.sin6_port;
    memcpy(sa, &v4, sizeof(v4));
}

bool
address_is_loopback(const struct sockaddr_storage *address)
{
    struct sockaddr_storage sa = *address;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&sa;

    unmap(&sa);
    switch (sa.ss_family) {
    case AF_INET:
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    case AF_INET6:
        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    default:
        return false;
    }
}

/* What the socket is bound to; clients of a unix socket have no name. */
static void
write_unix(int fd, char *out, size_t cap)
{
    struct sockaddr_un sa;
    socklen_t len = sizeof(sa);

    memset(&sa, 0, sizeof(sa));
    if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
        sa.sun_path[0] = '\0';
    snprintf(out, cap, "%.*s:0", (int)MIN(sizeof(sa.sun_path), cap - 3),
        sa.sun_path);
}

void
conn_address(const struct conn *c, bool peer, char *out, size_t cap)
{
    struct sockaddr_storage sa = {.ss_family = AF_UNSPEC};
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&sa;
    socklen_t len = sizeof(sa);
    char ip[INET6_ADDRSTRLEN];
    int err;

    if (c->is_unix) {
        write_unix(c->fd, out, cap);
        return;
    }
    err = peer ? getpeername(c->fd, (struct sockaddr *)&sa, &len)
               : getsockname(c->fd, (struct sockaddr *)&sa, &len);
    unmap(&sa);
    if (err == 0 && sa.ss_family == AF_INET &&
        inet_ntop(AF_INET, &v4->sin_addr, ip, sizeof(ip)) != NULL)
        snprintf(out, cap, "%s:%u", ip, ntohs(v4->sin_port));
    else if (err == 0 && sa.ss_family == AF_INET6 &&
        inet_ntop(AF_INET6, &v6->sin6_addr, ip, sizeof(ip)) != NULL)
        snprintf(out, cap, "[%s]:%u", ip, ntohs(v6->sin6_port));
    else
        snprintf(out, cap, "?:0"); /* the peer is gone */
}
