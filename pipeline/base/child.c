/* It is forked, since posix_spawn cannot ask the kernel to end it with us. Between fork() and exec only what is safe there is called. */
#include "pipeline/base/child.h"

#include "pipeline/base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static rlim_t files; /* 0: as ours */

void child_files(rlim_t soft)
{
    files = soft;
}

/* In the child. */
static void limit_files(void)
{
    struct rlimit now;

    if (files == 0 || getrlimit(RLIMIT_NOFILE, &now) < 0 || now.rlim_cur <= files)
        return;
    now.rlim_cur = files;
    (void)setrlimit(RLIMIT_NOFILE, &now);
}

/* In the child. What we ignore and block is as usual for it, and so is SIGCHLD, which who started us may ignore. */
static void behave_as_usual(void)
{
    static const int IGNORED[] = {SIGPIPE, SIGXFSZ, SIGCHLD};
    const struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (size_t i = 0; i < ARRAY_LEN(IGNORED); i++)
        (void)sigaction(IGNORED[i], &usual, NULL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Without the libraries' directories: they take memory, which another thread may have held locked at the fork. -1: there is no /proc. */
static int close_listed(int first)
{
    char list[4096];
    int dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long n;

    if (dir < 0)
        return -1;
    while ((n = syscall(SYS_getdents64, dir, list, sizeof(list))) > 0) {
        const struct dirent64 *d;

        for (long at = 0; at < n; at += d->d_reclen) {
            int fd = 0;

            d = (const void *)(list + at);
            for (const char *p = d->d_name; *p >= '0' && *p <= '9'; p++)
                fd = 10 * fd + (*p - '0');
            if (fd >= first && fd != dir)
                close(fd);
        }
    }
    close(dir);
    return (int)n;
}

/* Ours are closed by exec(); there may be others, of who started us and of libraries. Linux before 5.9 does not know how to close them all, and containers may refuse
 * it. */
static int close_from(int first)
{
    struct rlimit most;

#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0U, 0) == 0)
        return 0;
#endif
    if (close_listed(first) == 0)
        return 0;
    if (getrlimit(RLIMIT_NOFILE, &most) < 0)
        return -1;
    for (rlim_t fd = (rlim_t)first; fd < most.rlim_cur && fd < CHILD_FILES_MAX; fd++)
        close((int)fd);
    return 0;
}

/* In the child. Descriptors behind `failed` are closed; that one goes when the program begins. */
static int arrange_descriptors(int out, int err, int *failed)
{
    int none = open("/dev/null", O_RDWR);

    if (none < 0 || dup2(none, STDIN_FILENO) < 0 || dup2(out < 0 ? none : out, STDOUT_FILENO) < 0 ||
        dup2(err < 0 ? none : err, STDERR_FILENO) < 0)
        return -1;
    if (*failed != STDERR_FILENO + 1 && dup3(*failed, STDERR_FILENO + 1, O_CLOEXEC) < 0)
        return -1;
    *failed = STDERR_FILENO + 1;
    return close_from(*failed + 1);
}

/* In the child: until it is the program. */
static void become(const struct child_conf *c, pid_t parent, int failed)
{
    int error;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setpgid(0, 0) < 0 || arrange_descriptors(c->out, c->err, &failed) < 0)
        goto fail;
    behave_as_usual();
    limit_files();
    if (getppid() != parent) /* it has died before this one could hear of it */
        _exit(EXIT_FAILURE);
    if (c->environment)
        execvpe(c->argv[0], c->argv, c->environment);
    else
        execvp(c->argv[0], c->argv);
fail:
    error = errno;
    (void)!write(failed, &error, sizeof(error));
    _exit(EXIT_FAILURE);
}

int child_start(const struct child_conf *c, pid_t *pid)
{
    pid_t parent = getpid();
    int failed[2], error = 0;
    sigset_t all, before;
    ssize_t n;

    if (pipe2(failed, O_CLOEXEC) < 0)
        return errno;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* no handler of ours runs in the child */
    *pid = fork();
    if (*pid == 0)
        become(c, parent, failed[1]);
    error = *pid < 0 ? errno : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(failed[1]);
    if (!error) {
        while ((n = read(failed[0], &error, sizeof(error))) < 0 && errno == EINTR)
            ;
        if (n != sizeof(error))
            error = 0;
    }
    close(failed[0]);
    if (error && *pid > 0)
        while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
            ;
    return error;
}

/* Where nobody hears of children (SIGCHLD is ignored) one that is gone has ended. */
bool child_has_ended(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};

    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
        return errno == ECHILD;
    return info.si_pid == pid;
}

void child_signal(pid_t pid, int signal)
{
    (void)kill(-pid, signal);
}

int child_reap(pid_t pid)
{
    int status = 0;

    child_signal(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}
