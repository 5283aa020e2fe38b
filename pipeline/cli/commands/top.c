/* top.c -- `sluice top`: how the running sluice is, again and again, until a key is pressed.
 *
 * The terminal is put into a mode without echo, and its other screen; whatever ends or pauses the command puts it back, also while a sluice
 * that hangs is waited for. Lines are cut to its width and height, which are asked for with each picture, so that a resize needs no more than
 * the next one, which it brings at once. */
#include "pipeline/base/limits.h"
#include "pipeline/base/clock.h"
#include "pipeline/cli/commands/ask.h"
#include "pipeline/cli/commands/commands.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

static const char top_help[] = "usage: sluice top [-c FILE] [--url URL]\n"
                               "\n"
                               "Shows what `sluice status` does, again every two seconds. `q` ends it.\n";

static const char top_help_end[] =
    "exit status: 0 ended by a key, 1 not reached, or no terminal, 2 usage or configuration\n";

/* --- the terminal --------------------------------------------------------------------------------------------------- */

struct screen {
    struct termios before;
    int ends, changes; /* signalfds: of the signals that end it, and of those for a resize and a pause */
};

/* They interrupt nobody any more. */
static int take_signals(const int *signals, size_t n)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < n; i++)
        sigaddset(&set, signals[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void show_screen(const struct screen *sc)
{
    struct termios raw = sc->before;

    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    fputs("\033[?1049h\033[?25l", stdout);
}

static void hide_screen(const struct screen *sc)
{
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &sc->before);
}

static void leave_signals(const struct screen *sc)
{
    if (sc->ends >= 0)
        close(sc->ends);
    if (sc->changes >= 0)
        close(sc->changes);
}

static int open_screen(struct screen *sc)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT}, changes[] = {SIGWINCH, SIGTSTP};

    if (tcgetattr(STDIN_FILENO, &sc->before) < 0)
        return -1;
    sc->ends = take_signals(ends, ARRAY_LEN(ends));
    sc->changes = take_signals(changes, ARRAY_LEN(changes));
    if (sc->ends < 0 || sc->changes < 0) {
        leave_signals(sc);
        return -1;
    }
    show_screen(sc);
    return 0;
}

static void close_screen(const struct screen *sc)
{
    hide_screen(sc);
    leave_signals(sc);
}

/* What fits, from the top left corner on; the rest of the screen is blank. */
static void draw(struct slice text)
{
    struct winsize w = {.ws_row = 24, .ws_col = 80};
    struct slice line;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_row == 0 || w.ws_col == 0)
        w = (struct winsize){.ws_row = 24, .ws_col = 80};
    fputs("\033[H", stdout);
    for (unsigned i = 0; i < w.ws_row && slice_take_line(&text, &line); i++)
        printf("%s%.*s\033[K", i ? "\n" : "", (int)(line.n < w.ws_col ? line.n : w.ws_col), line.p);
    fputs("\033[J", stdout);
    fflush(stdout);
}

/* A resize needs no more than the next picture. */
static void on_change(const struct screen *sc)
{
    struct signalfd_siginfo info;

    if (read(sc->changes, &info, sizeof(info)) != (ssize_t)sizeof(info) || info.ssi_signo != SIGTSTP)
        return;
    hide_screen(sc);
    raise(SIGSTOP);
    show_screen(sc);
}

/* True: it is over. */
static bool wait_for_key(const struct screen *sc)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = sc->ends, .events = POLLIN},
                           {.fd = sc->changes, .events = POLLIN}};
    char c;

    if (poll(fds, ARRAY_LEN(fds), TOP_EVERY_MS) <= 0)
        return false;
    if (fds[1].revents)
        return true;
    if (fds[2].revents)
        on_change(sc);
    if (!fds[0].revents)
        return false;
    return read(STDIN_FILENO, &c, 1) <= 0 || c == 'q' || c == 'Q' || c == 4;
}

/* --- the command ---------------------------------------------------------------------------------------------------- */

static int watch(const struct ask_whom *w)
{
    struct screen sc = {.ends = -1, .changes = -1};
    struct buf page, text;
    long status = 0;
    struct err e;
    int rc = CLI_DONE;

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        fprintf(stderr, "sluice top: this needs a terminal; `sluice status` shows the same once\n");
        return CLI_FAILED;
    }
    buf_init(&page, ADMIN_PAGE_MAX_BYTES);
    buf_init(&text, ADMIN_ANSWER_MAX);
    if (cli_ask_page(w, CLI_STATUS_PATH, 0, &status, &page, &e) < 0) { /* before the terminal is changed */
        fprintf(stderr, "sluice top: %s\n", e.msg);
        rc = CLI_FAILED;
    } else if (open_screen(&sc) < 0) {
        fprintf(stderr, "sluice top: the terminal cannot be used\n");
        rc = CLI_FAILED;
    } else {
        do {
            if (cli_ask_page(w, CLI_STATUS_PATH, sc.ends, &status, &page, &e) < 0) {
                buf_clear(&text);
                (void)!buf_printf(&text, "%s\nIt is tried again; q ends it.\n", e.msg);
                draw(buf_slice(&text));
            } else {
                draw(buf_slice(&page));
            }
        } while (!wait_for_key(&sc));
        close_screen(&sc);
    }
    buf_release(&page);
    buf_release(&text);
    return rc;
}

static int top_main(int argc, char **argv)
{
    return cli_ask_run(&cli_top, argc, argv, watch);
}

const struct cli_command cli_top = {
    .name = "top",
    .summary = "the same, live",
    .help = top_help,
    .help_end = top_help_end,
    .options = cli_ask_options,
    .column = 22,
    .run = top_main,
};
