"""A configuration that changes while the daemon runs, and how it is asked to take it."""

import os
import signal
import urllib.error
import urllib.request

from harness import to_yaml, wait_until


def rewrite(d, config):
    """Replaces the file at once, as an editor does, with the ports and the data_dir of the start. YAML text is taken as it is."""
    if isinstance(config, dict):
        config = {"data_dir": d.data_dir, "admin": {"listen": f"127.0.0.1:{d.admin_port}"}, **config}
        if d.api_port:
            config["api"] = {"listen": f"127.0.0.1:{d.api_port}", **config.get("api", {})}
        config = to_yaml(config)
    with open(d.config_path + ".new", "w", encoding="utf-8") as f:
        f.write(config)
    os.replace(d.config_path + ".new", d.config_path)


def token(d):
    with open(os.path.join(d.data_dir, "admin.token"), encoding="ascii") as f:
        return f.read().strip()


def post(d, path="/reload", timeout=120):
    """(status, text)"""
    request = urllib.request.Request(f"http://127.0.0.1:{d.admin_port}{path}", data=b"", method="POST",
                                     headers={"Authorization": "Bearer " + token(d), "Content-Type": "text/plain"})
    try:
        with urllib.request.urlopen(request, timeout=timeout * d.slow) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode()


def reload(d, config=None, status=200):
    """Asks for it, and returns what it says."""
    if config is not None:
        rewrite(d, config)
    got, text = post(d)
    assert got == status, f"{got} instead of {status}:\n{text}"
    return text


def hang_up(d, pattern, level):
    """Sends the signal and waits for the one line that answers it."""
    def answers():
        return d.logged(r"asked_by=SIGHUP")

    before = len(answers())
    d.process.send_signal(signal.SIGHUP)
    wait_until("a line that answers SIGHUP", lambda: len(answers()) > before, 20 * d.slow)
    lines = answers()[before:]
    assert len(lines) == 1 and f"level={level}" in lines[0], lines
    assert pattern in lines[0], f"{pattern!r} is not in: {lines[0]}"
    return lines[0]
