"""What the documents show: each example is a configuration that is taken, and each generated page says what the program says.

An example is a block ```yaml of README.md or docs/. One that is a part of a configuration (a stream, an input, a section) is
completed: what is left out cannot be wrong. What an example names and does not show (a script, a certificate) is made."""

import os
import re
import subprocess
import sys
import textwrap

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BLOCK = re.compile(r"^( *)```yaml\n(.*?)^\1```$", re.M | re.S)
SECTIONS = ("data_dir", "api", "admin", "limits", "log", "shutdown", "streams")
DESTINATION = "    destination: { file: { path: ./out } }\n"


def documents():
    yield "README.md"
    for name in sorted(os.listdir(os.path.join(TOP, "docs"))):
        if name.endswith(".md"):
            yield "docs/" + name


def indented(text, by):
    return "".join(" " * by + line if line.strip() else line for line in text.splitlines(True))


def completed(block):
    """The block as a whole configuration."""
    block = textwrap.dedent(block)
    keys = re.findall(r"^(\w+):", block, re.M)
    if "streams" in keys:
        return block
    if keys and all(k in SECTIONS for k in keys):
        return block + "streams:\n  app:\n" + DESTINATION
    if re.match(r"- ", block):  # inputs
        return "streams:\n  app:\n    inputs:\n" + indented(block, 6) + DESTINATION
    own = "" if "destination" in keys or "destinations" in keys else DESTINATION
    return "streams:\n  app:\n" + indented(block, 4) + own


def examples():
    """(document:line, configuration)"""
    for document in documents():
        with open(os.path.join(TOP, document), encoding="utf-8") as f:
            text = f.read()
        for block in BLOCK.finditer(text):
            inside = "".join(line[len(block[1]):] if line.strip() else line for line in block[2].splitlines(True))
            yield f"{document}:{text.count(chr(10), 0, block.start()) + 1}", completed(inside)


def make_what_it_names(folder, config):
    for script in re.findall(r"[\w./-]+\.lua", config):
        path = os.path.join(folder, script)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write("function transform(r) return r end\n")


def mistakes(t, place, config):
    folder = t.path(re.sub(r"\W", "-", place))
    os.makedirs(folder)
    make_what_it_names(folder, config)
    path = os.path.join(folder, "sluice.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(config)
    env = {**os.environ, "AWS_ACCESS_KEY_ID": "AKEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x", **{name: "x" * 20 for name in re.findall(r"\$\{env:(\w+)\}", config)}}
    got = subprocess.run([t.binary, "validate", "--offline", "-c", path], capture_output=True, text=True, timeout=60 * t.slow, env=env)
    # What is not there on this machine (keys, profiles) is no mistake of the example.
    return "" if got.returncode == 0 or ": no mistakes, but " in got.stdout + got.stderr else f"{place}:\n{config}\n{got.stdout}{got.stderr}"


def skip_without_all_inputs(t):
    if "built without" in subprocess.run([t.binary, "--version"], capture_output=True, text=True, check=True).stdout:
        t.skip("the documents are of a program with all inputs")


def test_every_example_is_a_configuration_that_is_taken(t):
    skip_without_all_inputs(t)
    all_of_them = list(examples())
    assert len(all_of_them) > 20, all_of_them
    wrong = [m for m in (mistakes(t, *e) for e in all_of_them) if m]
    assert not wrong, "\n".join(wrong)


test_every_example_is_a_configuration_that_is_taken.one_thread = True


def test_generated_pages_say_what_the_program_says(t):
    if t.sanitized:
        t.skip("the pages are the same under every sanitizer")
    skip_without_all_inputs(t)
    got = subprocess.run([sys.executable, os.path.join(TOP, "docs", "generate.py"), "--build", t.build, "--check"],
                         capture_output=True, text=True)
    assert got.returncode == 0, got.stdout + got.stderr


def anchors(text):
    """As GitHub makes them of headings."""
    return {re.sub(r"[^\w\- ]", "", h.strip().lower().replace("`", "")).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.M)}


def test_links_lead_to_headings_that_are_there(t):
    del t
    texts = {}
    for document in documents():
        with open(os.path.join(TOP, document), encoding="utf-8") as f:
            texts[os.path.normpath(document)] = f.read()
    wrong = []
    for document, text in texts.items():
        for path, anchor in re.findall(r"\]\(([^)#:\s]*)#([^)\s]+)\)", text):
            target = os.path.normpath(os.path.join(os.path.dirname(document), path)) if path else document
            if target not in texts or anchor not in anchors(texts[target]):
                wrong.append(f"{document}: {path}#{anchor}")
    assert not wrong, "\n".join(wrong)


test_links_lead_to_headings_that_are_there.one_thread = True


# A page about something that can go wrong says what to do then. Lists, and pages about how it is, are none; refusals.md is nothing else.
OF_NO_TROUBLE = {"README", "reference", "metrics", "log-lines", "glossary", "inside", "coming-from", "getting-started", "tasks", "limits", "security", "refusals"}


def test_pages_say_what_to_do_when_something_is_wrong(t):
    del t
    silent = []
    for document in documents():
        name = os.path.basename(document)[:-len(".md")]
        with open(os.path.join(TOP, document), encoding="utf-8") as f:
            if name not in OF_NO_TROUBLE and not re.search("what to do|What its errors mean|When something is wrong", f.read(), re.I):
                silent.append(document)
    assert not silent, silent


test_pages_say_what_to_do_when_something_is_wrong.one_thread = True
