#!/usr/bin/env python3
"""Writes the pages that say what the program says of itself, or with --check says which of them are not as they would be.

    docs/generate.py --build build/release [--check]

    reference.md    every option: what `sluice reference` prints
    metrics.md      every metric of a running daemon, and of the code those that it has no reason to show yet
    errors.md       every code: exit codes, the API's, those of records in the backup, what destinations answer
    log-lines.md    every line of the log, out of the code: level, message, fields, hint
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import urllib.request

import error_codes

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
CODE = ("config", "pipeline", "sinks", "transforms")

STRING = r'"(?:[^"\\]|\\.)*"'
STRINGS = rf"{STRING}(?:\s*{STRING})*"
LEVELS = {"error": "error", "warn": "warn", "info": "info"}


def sources():
    for top in CODE:
        for folder, folders, names in os.walk(os.path.join(TOP, top)):
            folders.sort()
            for name in sorted(names):
                if name.endswith((".c", ".h", ".def")):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as f:
                        yield os.path.relpath(path, TOP), f.read()


def text_of(literals):
    """What adjacent string literals of C say."""
    return "".join(re.sub(r"\\(.)", r"\1", s[1:-1]) for s in re.findall(STRING, literals))


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def generated(title, intro, rows):
    return "\n".join([f"# {title}", "", "*Written by `./run docs`; a test compares it with the program.*", "", intro, "", *rows, ""])


# --- reference.md ----------------------------------------------------------------------------------------------------


def reference(build):
    out = subprocess.run([os.path.join(build, "sluice"), "reference"], check=True, capture_output=True, encoding="utf-8").stdout
    head, rest = out.split("\n", 1)
    return f"{head}\n\n*Written by `./run docs`; a test compares it with the program.*\n{rest}"


# --- metrics.md ------------------------------------------------------------------------------------------------------

# One stream that shows as much as one can: a file, a transform that counts, a backup.
CONFIG = """
data_dir: data
api: {{ listen: "127.0.0.1:0" }}
admin: {{ listen: "127.0.0.1:0" }}
streams:
  app:
    inputs: [api, {{ tail: {{ paths: ["{folder}/*.log"] }} }}]
    destination: {{ file: {{ path: out }} }}
    backup: {{ file: {{ path: kept }} }}
"""


def exposition(build):
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "sluice.yaml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(CONFIG.format(folder=folder))
        daemon = subprocess.Popen([os.path.join(build, "sluice"), "run", "-c", config], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        said = b""
        try:
            for line in daemon.stderr:
                said += line
                running = re.search(rb" msg=running .*admin=(\S+)", line)
                if running:
                    # Not through a proxy that the environment names.
                    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                    with opener.open(f"http://{running[1].decode()}/metrics", timeout=60) as r:
                        return r.read().decode()
            raise SystemExit("the daemon that was to show its metrics did not start:\n" + said.decode("utf-8", "replace"))
        finally:
            daemon.terminate()
            daemon.communicate()


# Labels of what this daemon has nothing to show of. All that is known of an input has the same two.
UNSEEN = {
    "sluice_delivery_duration_seconds": ["stream", "destination"],
    "sluice_delivery_object_bytes": ["stream", "destination"],
    "sluice_delivery_results_total": ["stream", "destination", "code"],
    "sluice_dropped_records_by_reason_total": ["stream", "reason"],
    "sluice_orphaned_spool_records": ["stream"],
    "sluice_transform_counter_total": ["stream", "name"],
}
OF_INPUTS = ["stream", "input"]


def labels_shown(text, types):
    """{family: labels of its series}; one without series has none here."""
    labels = {}
    for name, inside in re.findall(r"^(\w+)\{([^}]*)\}", text, re.M):
        name = re.sub(r"_(bucket|sum|count)$", "", name) if re.sub(r"_(bucket|sum|count)$", "", name) in types else name
        labels.setdefault(name, [])
        labels[name] += [k for k in re.findall(r'(\w+)="', inside) if k not in labels[name] + ["le"]]
    return labels


def metrics(build):
    text = exposition(build)
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.M))
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    labels = labels_shown(text, types)
    alone = set(re.findall(r"^(\w+) ", text, re.M))
    for name in set(types) - set(labels) - alone:
        labels[name] = UNSEEN.get(name) or OF_INPUTS * name.startswith("sluice_input_")
        if not labels[name]:
            raise SystemExit(f"{name} is not shown by the daemon, and docs/generate.py does not know its labels")
    rows = ["| metric | kind | labels | what it says |", "|---|---|---|---|"]
    rows += [f"| `{n}` | {types[n]} | {', '.join(labels.get(n, []))} | {cell(helps[n])} |" for n in sorted(helps)]
    return generated("Metrics", "What `/metrics` of the admin listener shows, in Prometheus's text format. A dashboard and alerts: [monitoring.md](monitoring.md).",
                     rows)


def metrics_in_the_code():
    """Names that some code can show; what is asked for at the far end is none of ours."""
    found = set()
    for path, text in sources():
        if path.startswith("pipeline/admin/"):
            found.update(re.findall(r'"(sluice_[a-z_]+)"', text))
        if path.endswith("metrics.def"):
            found.update("sluice_" + n for n in re.findall(r'M\(\w+, "(\w+)"', text))
    return found


# --- errors.md -------------------------------------------------------------------------------------------------------


def errors(build):
    return generated("Error codes", "What each code means and what to do. Lines of the log: [log-lines.md](log-lines.md).", error_codes.lines(build, sources()))


# --- log-lines.md ----------------------------------------------------------------------------------------------------


def call_at(text, start):
    """The arguments of a call whose '(' is before `start`."""
    depth, i, quoted = 1, start, False
    while depth:
        c = text[i]
        if quoted:
            i += c == "\\"
            quoted = c != '"'
        elif c == '"':
            quoted = True
        else:
            depth += (c == "(") - (c == ")")
        i += 1
    return text[start:i - 1]


def log_lines():
    for path, text in sources():
        for call in re.finditer(r"\blog_(error|warn|info)\(", text):
            inside = call_at(text, call.end())
            said = re.match(rf"\s*({STRINGS})", inside)
            if not said or path == "pipeline/base/log.h":
                continue
            fields = re.findall(r'\bK[SBIUE]\(\s*"(\w+)"', inside)
            hint = re.search(rf'KS\(\s*"hint",\s*({STRINGS})\)', inside)
            yield path, LEVELS[call[1]], text_of(said[1]), fields, text_of(hint[1]) if hint else ""


def log_page():
    rows = ["| level | message | fields | hint | code |", "|---|---|---|---|---|"]
    for path, level, message, fields, hint in sorted(set((p, l, m, " ".join(f), h) for p, l, m, f, h in log_lines()),
                                                     key=lambda r: (r[2], r[0], r[3], r[4])):
        rows.append(f"| {level} | {cell(message)} | {fields} | {cell(hint)} | `{path}` |")
    return generated("Lines of the log",
                     "Each line is `time level message key=value ...` on standard error. Lines with a `hint` say there what to do; where the table has a field "
                     "`hint` and no text, it depends on what is wrong. Texts that are put together at run time (what a far end said, what is wrong with a "
                     "file) stand in `cause` and are not listed.", rows)


# ---------------------------------------------------------------------------------------------------------------------


def pages(build):
    return {"reference.md": reference(build), "metrics.md": metrics(build), "log-lines.md": log_page(), "errors.md": errors(build)}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", required=True)
    p.add_argument("--check", action="store_true")
    args = p.parse_args()
    wrong = []
    made = pages(args.build)
    wrong += [f"docs/metrics.md: {n} is in the code, and was not shown" for n in sorted(metrics_in_the_code()) if n not in made["metrics.md"]]
    for name, text in made.items():
        path = os.path.join(HERE, name)
        if args.check:
            if not os.path.exists(path) or open(path, encoding="utf-8").read() != text:
                wrong.append(f"docs/{name}: not what the program says; `./run docs` writes it anew")
        else:
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
