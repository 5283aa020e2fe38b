#include "pipeline/base/digest.h"
#include "pipeline/cli/commands/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* A closed standard descriptor would be given to the first file that is opened, and what is printed would land in it. It is
 * open to the wrong side, so that reading and writing fail as they did; but for standard error, which has nobody to tell. */
static int hold_standard_descriptors(void)
{
    static const int HOW[] = {O_WRONLY, O_RDONLY, O_WRONLY};

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", HOW[fd]) != fd)
            return -1;
    return 0;
}

/* A reader that is gone and a file that may not grow are errors of the write, which says what was written where. And whoever starts us
 * may have ignored the ends of children; then nobody could say how a program ended that we start. */
static void set_signals(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
}

int main(int argc, char **argv)
{
    if (hold_standard_descriptors() < 0)
        return CLI_FAILED;
    set_signals();
    digest_init();
    return cli_main(argc, argv);
}
