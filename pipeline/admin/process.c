#include "pipeline/admin/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static double cpu_seconds(void)
{
    struct rusage u;

    if (getrusage(RUSAGE_SELF, &u) < 0)
        return 0;
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static uint64_t resident_bytes(void)
{
    uint64_t total, pages = 0;
    long page_size = sysconf(_SC_PAGESIZE);
    FILE *f = fopen("/proc/self/statm", "re");

    if (!f)
        return 0;
    if (fscanf(f, "%" SCNu64 " %" SCNu64, &total, &pages) != 2)
        pages = 0;
    fclose(f);
    return page_size > 0 ? pages * (uint64_t)page_size : 0;
}

static uint64_t open_fds(void)
{
    uint64_t entries = 0;
    DIR *d = opendir("/proc/self/fd");

    if (!d)
        return 0;
    while (readdir(d))
        entries++;
    closedir(d);
    return entries > 3 ? entries - 3 : 0; /* ".", ".." and the one that reads them */
}

static uint64_t max_fds(void)
{
    struct rlimit r;

    return getrlimit(RLIMIT_NOFILE, &r) == 0 ? (uint64_t)r.rlim_cur : 0;
}

void process_facts(struct process_facts *f)
{
    f->cpu_seconds = cpu_seconds();
    f->resident_bytes = resident_bytes();
    f->open_fds = open_fds();
    f->max_fds = max_fds();
}
