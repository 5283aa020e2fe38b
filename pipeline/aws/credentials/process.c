/* The program of `credential_process` is started without a shell: its words are its words. It gets our environment, nothing on standard
 * input, and no descriptor of ours; what it writes to standard error is dropped, since nobody knows what is in it. It runs in a process
 * group of its own, so that what it starts ends with it when it takes too long. When we are killed the kernel ends it (but not what
 * it has started): for that it is forked, since posix_spawn cannot ask for it. Between fork() and exec only what is safe there is called. */
#include "pipeline/aws/credentials/provider.h"

#include "pipeline/aws/credentials/answer.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- its command line ---------------------------------------------------------------------------------------------- */

void aws_process_free(char **argv)
{
    for (size_t i = 0; argv && argv[i]; i++)
        mem_free(argv[i]);
    mem_free(argv);
}

/* One word from *p on; *p is behind it then. False: a quote is not closed. */
static bool take_word(const char **p, struct buf *word)
{
    char quote = '\0';

    for (; **p && (quote || (**p != ' ' && **p != '\t')); (*p)++) {
        if (quote ? **p == quote : (**p == '"' || **p == '\'')) {
            quote = quote ? '\0' : **p;
            continue;
        }
        if (**p == '\\' && quote != '\'' && (*p)[1])
            (*p)++;
        (void)!buf_add_char(word, **p); /* as long as the line at most */
    }
    return quote == '\0';
}

char **aws_process_split(const char *line, struct err *e)
{
    const char *p = line + strspn(line, " \t");
    char **argv = mem_alloc(sizeof(*argv));
    size_t n = 0;
    bool ok = true;

    while (*p && ok) {
        struct buf word;

        buf_init(&word, strlen(line) + 1);
        ok = take_word(&p, &word);
        p += strspn(p, " \t");
        argv = mem_grow(argv, n + 2, sizeof(*argv));
        argv[n++] = mem_strdup(buf_cstr(&word));
        argv[n] = NULL;
        buf_release(&word);
    }
    if (ok && n > 0 && *argv[0])
        return argv;
    aws_process_free(argv);
    err_set(e, ERR_CONFIG, ok ? "the command line names no program" : "a quote in the command line is not closed");
    return NULL;
}

/* --- a run ----------------------------------------------------------------------------------------------------------- */

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

/* In the child. Descriptors behind `failed` are closed; that one goes when the program begins. */
static int arrange_descriptors(int out, int *failed)
{
    int in = open("/dev/null", O_RDWR);

    if (in < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(in, STDERR_FILENO) < 0)
        return -1;
    if (*failed != STDERR_FILENO + 1 && dup3(*failed, STDERR_FILENO + 1, O_CLOEXEC) < 0)
        return -1;
    *failed = STDERR_FILENO + 1;
    return close_range((unsigned)*failed + 1, ~0U, 0);
}

/* In the child: until it is the program. The signal goes with the thread that forked, and that one waits for it. */
static void become(char *const *argv, pid_t parent, int out, int failed)
{
    int error;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setpgid(0, 0) < 0 || arrange_descriptors(out, &failed) < 0)
        goto fail;
    behave_as_usual();
    if (getppid() != parent) /* it has died before this one could hear of it */
        _exit(EXIT_FAILURE);
    execvp(argv[0], argv);
fail:
    error = errno;
    (void)!write(failed, &error, sizeof(error));
    _exit(EXIT_FAILURE);
}

/* 0, or the error. */
static int start(char *const *argv, int out, pid_t *pid)
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
        become(argv, parent, out, failed[1]);
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

struct run {
    struct aws_ask *ask;
    const char *name;
    pid_t pid;
    int out; /* what it prints; does not block */
    nsec timeout, end;
    struct buf text;
    bool closed, exited;
    int status;
};

/* What is there. */
static int read_some(struct run *r, struct err *e)
{
    while (!r->closed) {
        ssize_t n;

        if (buf_reserve(&r->text, 1) < 0)
            return err_set(e, ERR_LIMIT, "it printed more than %d bytes", (int)AWS_ANSWER_MAX);
        n = read(r->out, r->text.p + r->text.n, r->text.cap - r->text.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : err_errno(e, "reading what it prints");
        r->closed = n == 0;
        r->text.n += (size_t)n;
    }
    return 0;
}

/* It is not waited for here: its number stays its own. Where nobody hears of children (SIGCHLD is ignored) one that is gone has ended. */
static bool has_ended(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};

    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
        return errno == ECHILD;
    return info.si_pid == pid;
}

/* Until it has ended. What it has started may keep the pipe open; that is not waited for. */
static int watch(struct run *r, struct err *e)
{
    while (!r->exited) {
        struct pollfd fd = {.fd = r->closed ? -1 : r->out, .events = POLLIN};

        (void)poll(&fd, 1, AWS_PROCESS_TICK_MS);
        r->exited = has_ended(r->pid); /* before the last bytes are read */
        if (read_some(r, e) < 0)
            return -1;
        if (aws_ask_is_cancelled(r->ask)) /* which also ended it */
            return err_set(e, ERR_CANCELLED, "it was not waited for");
        if (!r->exited && clock_mono() >= r->end)
            return err_set(e, ERR_IO, "it did not end within %.3g s", (double)r->timeout / (double)NSEC_PER_SEC);
    }
    return 0;
}

static int judge(const struct run *r, struct aws_keys *out, struct err *e)
{
    if (WIFSIGNALED(r->status))
        return err_set(e, ERR_REMOTE, "signal %d ended it", WTERMSIG(r->status));
    if (WEXITSTATUS(r->status) != 0)
        return err_set(e, ERR_REMOTE, "it ended with exit code %d; run it by hand to see what it says",
                       WEXITSTATUS(r->status));
    if (r->text.n == 0)
        return err_set(e, ERR_FORMAT, "it printed nothing");
    return aws_answer_json(buf_slice(&r->text), KEYS_OF_PROCESS, out, e) < 0 ? err_wrap(e, "what it printed") : 0;
}

int aws_process_keys(struct aws_ask *a, char *const *argv, nsec timeout, struct aws_keys *out, struct err *e)
{
    struct run r = {.ask = a, .timeout = timeout, .end = clock_mono() + timeout};
    int fds[2], rc;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_errno(e, "program `%.64s`: a pipe cannot be made", argv[0]);
    (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
    r.out = fds[0];
    buf_init(&r.text, AWS_ANSWER_MAX);
    rc = start(argv, fds[1], &r.pid);
    close(fds[1]);
    if (rc != 0) {
        errno = rc;
        rc = err_errno(e, "it cannot be started");
    } else {
        aws_ask_runs(a, r.pid);
        rc = watch(&r, e);
        aws_ask_runs(a, 0);
        (void)kill(-r.pid, SIGKILL); /* what it left running, too */
        while (waitpid(r.pid, &r.status, 0) < 0 && errno == EINTR)
            ;
        if (rc == 0)
            rc = judge(&r, out, e);
    }
    close(fds[0]);
    if (r.text.n > 0)
        explicit_bzero(r.text.p, r.text.n);
    buf_release(&r.text);
    return rc < 0 ? err_wrap(e, "program `%.64s`", argv[0]) : 0;
}
