/* completion.c -- `sluice completion`: what a shell completes, from the tables of the commands and their options. */
#include "pipeline/cli/commands/commands.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char completion_help[] =
    "usage: sluice completion bash|zsh|fish\n"
    "\n"
    "Prints a script that makes the shell complete commands, options and files. The package installs them; without\n"
    "it:\n"
    "\n"
    "    sluice completion bash > ~/.local/share/bash-completion/completions/sluice\n"
    "    sluice completion zsh > \"${fpath[1]}/_sluice\"\n"
    "    sluice completion fish > ~/.config/fish/completions/sluice.fish\n";

static const char *const SHELLS[] = {"bash", "zsh", "fish"};

/* For help texts inside single quotes, on one line; `special`, if any, stands behind a backslash. */
static void print_quoted(const char *text, const char *special)
{
    for (; *text && *text != '\n'; text++) {
        if (*text == '\'')
            fputs("'\\'", stdout);
        else if (strchr(special, *text))
            putchar('\\');
        putchar(*text);
    }
}

/* Words that come behind a command's name besides options and files. */
static void print_words(const struct cli_command *const *all, const struct cli_command *c)
{
    if (c == &cli_completion)
        for (size_t i = 0; i < ARRAY_LEN(SHELLS); i++)
            printf(" %s", SHELLS[i]);
    if (c == &cli_man)
        fputs(" sluice.yaml", stdout);
    for (size_t i = 0; c == &cli_man && all[i]; i++)
        printf(" %s", all[i]->name);
}

/* --- bash ---------------------------------------------------------------------------------------------------------- */

/* Where nothing fits, bash's own completion of files takes over: `-o default`. */
static void print_bash(const struct cli_command *const *all)
{
    const struct cli_command *c;

    fputs("_sluice() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words=\n"
          "    COMPREPLY=()\n"
          "    if [[ $COMP_CWORD -eq 1 || ($COMP_CWORD -eq 2 && $command == help) ]]; then\n"
          "        words='help",
          stdout);
    for (size_t i = 0; (c = all[i]); i++)
        printf(" %s", c->name);
    fputs(" --help --version'\n"
          "    else\n"
          "        case $command in\n",
          stdout);
    for (size_t i = 0; (c = all[i]); i++) {
        printf("            %s) words='--help", c->name);
        for (const struct cli_option *o = c->options; o && o->name; o++) {
            if (o->letter)
                printf(" -%c", o->letter);
            printf(" --%s", o->name);
        }
        print_words(all, c);
        puts("' ;;");
    }
    fputs("        esac\n"
          "        [[ $word == -* || $command == completion || $command == man ]] || return 0\n"
          "    fi\n"
          "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
          "}\n"
          "complete -o default -F _sluice sluice\n",
          stdout);
}

/* --- zsh ----------------------------------------------------------------------------------------------------------- */

static void print_zsh_option(const struct cli_option *o)
{
    if (o->letter)
        printf("      '(-%c --%s)'{-%c,--%s}'[", o->letter, o->name, o->letter, o->name);
    else
        printf("      '--%s[", o->name);
    print_quoted(o->help, "[]:\\");
    fputs("]", stdout);
    if (o->value)
        printf(":%s:_files", o->value);
    puts("' \\");
}

static void print_zsh(const struct cli_command *const *all)
{
    const struct cli_command *c;

    puts("#compdef sluice\n"
         "local -a commands\n"
         "commands=(\n"
         "  'help:how to use a command'");
    for (size_t i = 0; (c = all[i]); i++) {
        printf("  '%s:", c->name);
        print_quoted(c->summary, "");
        puts("'");
    }
    puts(")\n"
         "if (( CURRENT == 2 )); then\n"
         "  _describe command commands\n"
         "  _values option --help --version\n"
         "  return\n"
         "fi\n"
         "shift words\n"
         "(( CURRENT-- ))\n"
         "case $words[1] in\n"
         "  help) _describe command commands ;;");
    for (size_t i = 0; (c = all[i]); i++) {
        printf("  %s)\n    _arguments -s \\\n      '--help[how to use it]' \\\n", c->name);
        for (const struct cli_option *o = c->options; o && o->name; o++)
            print_zsh_option(o);
        if (c == &cli_completion || c == &cli_man) {
            fputs("      '1:word:(", stdout);
            print_words(all, c);
            puts(")' ;;");
        } else {
            puts("      '*:file:_files' ;;");
        }
    }
    puts("esac");
}

/* --- fish ---------------------------------------------------------------------------------------------------------- */

static void print_fish(const struct cli_command *const *all)
{
    const struct cli_command *c;

    puts("complete -c sluice -n __fish_use_subcommand -f -l help -d 'how to use it'\n"
         "complete -c sluice -n __fish_use_subcommand -f -l version -d 'version and inputs'\n"
         "complete -c sluice -n __fish_use_subcommand -f -a help -d 'how to use a command'");
    for (size_t i = 0; (c = all[i]); i++) {
        printf("complete -c sluice -n __fish_use_subcommand -f -a %s -d '", c->name);
        print_quoted(c->summary, "");
        puts("'");
    }
    for (size_t i = 0; (c = all[i]); i++) {
        printf("complete -c sluice -n '__fish_seen_subcommand_from help' -f -a %s\n", c->name);
        for (const struct cli_option *o = c->options; o && o->name; o++) {
            printf("complete -c sluice -n '__fish_seen_subcommand_from %s' -l %s", c->name, o->name);
            if (o->letter)
                printf(" -s %c", o->letter);
            fputs(o->value ? " -r -F -d '" : " -d '", stdout);
            print_quoted(o->help, "");
            puts("'");
        }
        if (c == &cli_completion || c == &cli_man) {
            printf("complete -c sluice -n '__fish_seen_subcommand_from %s' -f -a '", c->name);
            print_words(all, c);
            puts("'");
        }
    }
}

static int completion_main(const struct cli_command *const *all, int argc, char **argv)
{
    static void (*const PRINT[])(const struct cli_command *const *all) = {print_bash, print_zsh, print_fish};

    if (argc == 2)
        for (size_t i = 0; i < ARRAY_LEN(SHELLS); i++)
            if (strcmp(argv[1], SHELLS[i]) == 0) {
                PRINT[i](all);
                return CLI_DONE;
            }
    return cli_usage_error(&cli_completion, "it takes the name of a shell: bash, zsh or fish");
}

const struct cli_command cli_completion = {
    .name = "completion",
    .summary = "print what bash, zsh or fish needs to complete commands",
    .help = completion_help,
    .run_of_all = completion_main,
};
