/* resolver.c -- loaded into the daemon in front of the C library (LD_PRELOAD): names that end in `.test` have the address that
 * stands in the file $TEST_RESOLVER_FILE at the moment, so that a test can move them; those that end in `.dead.test` are asked in
 * vain: the question is swallowed. */
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int resolve_fn(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found);

static int read_address(char address[64])
{
    const char *path = getenv("TEST_RESOLVER_FILE");
    FILE *f = path ? fopen(path, "r") : NULL;
    int rc = f && fgets(address, 64, f) ? 0 : EAI_AGAIN;

    if (f)
        fclose(f);
    address[rc == 0 ? strcspn(address, "\n") : 0] = '\0';
    return rc;
}

static int ends_in(const char *node, const char *end)
{
    size_t n = node ? strlen(node) : 0, m = strlen(end);

    return n > m && strcmp(node + n - m, end) == 0;
}

int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict found)
{
    resolve_fn *real;
    char address[64];
    int rc;

    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    while (ends_in(node, ".dead.test"))
        pause();
    if (!ends_in(node, ".test"))
        return real(node, service, hints, found);
    rc = read_address(address);
    return rc ? rc : real(address, service, hints, found);
}
