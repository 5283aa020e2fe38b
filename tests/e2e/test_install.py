"""`cmake --install`: what is put where, and that it works from there."""

import os
import re
import subprocess

from common import one_stream, to_file
from firehose import Firehose
from harness import SANITIZER_ENV, free_port

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def install(t, root, prefix="/usr"):
    env = {**os.environ, "DESTDIR": root}
    done = subprocess.run(["cmake", "--install", t.build, "--prefix", prefix], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(*parts):
    with open(os.path.join(*parts), encoding="utf-8") as f:
        return f.read()


def test_the_unit_and_the_configuration_go_with_the_prefix_and_an_edited_one_stays(t):
    for prefix, etc in (("/usr", "/etc"), ("/opt/sluice", "/opt/sluice/etc")):
        root = t.path("root" + prefix.replace("/", "-"))
        install(t, root, prefix)
        unit = read(root + prefix, "lib/systemd/system/sluice.service")
        assert f"ExecStart={prefix}/bin/sluice run -c {etc}/sluice/sluice.yaml" in unit, unit
        assert os.access(f"{root}{prefix}/bin/sluice", os.X_OK)
        for example in ("prometheus/alerts.yaml", "grafana/sluice.json"):
            assert read(f"{root}{prefix}/share/doc/sluice/examples", example) == read(SOURCE, "config", example)
        with open(f"{root}{etc}/sluice/sluice.yaml", "a", encoding="utf-8") as f:
            f.write("# edited\n")
        assert "Left as it is" in install(t, root, prefix)
        assert read(root + etc, "sluice/sluice.yaml").endswith("# edited\n")


def test_the_installed_configuration_delivers_what_is_put_into_it(t):
    root = t.path("root")
    install(t, root)
    d = t.daemon({"streams": {"example": {"inputs": ["api"], "destination": {"file": {"path": "out"}}}}})
    api, admin = d.api_port, d.admin_port
    text = read(root, "etc/sluice/sluice.yaml")
    for old, new in (("127.0.0.1:4573", f"127.0.0.1:{api}"), ("127.0.0.1:9273", f"127.0.0.1:{admin}"),
                     ("/var/lib/sluice", t.path("state"))):
        assert old in text, text
        text = text.replace(old, new)
    os.mkdir(t.path("state"))
    d.configure(text)
    d.api_port, d.admin_port, d.binary = api, admin, os.path.join(root, "usr/bin/sluice")
    d.start()
    put = subprocess.run([d.binary, "put", "--stream", "example", "-c", d.config_path], input=b"hello\n", capture_output=True)
    assert put.returncode == 0, put.stderr
    d.stop()
    assert [f for _, _, files in os.walk(t.path("state/out")) for f in files]


def completed(script, *words):
    """What bash offers for the last of `words`."""
    line = " ".join(f"'{w}'" for w in words)
    code = f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _sluice; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(["bash", "-euc", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout.split()


def test_bash_completes_commands_and_options(t):
    script = t.path("sluice.bash")
    with open(script, "wb") as f:
        subprocess.run([t.binary, "completion", "bash"], stdout=f, check=True)
    assert completed(script, "sluice", "va") == ["validate"]
    assert "run" in completed(script, "sluice", "help", "")
    assert completed(script, "sluice", "run", "--on") == ["--once"]
    assert completed(script, "sluice", "run", "--timeout", "") == []
    assert completed(script, "sluice", "completion", "") == ["--help", "bash", "zsh", "fish"]
    assert completed(script, "sluice", "nothing", "--") == []


def purge(t, state, config):
    """What the package's scripts do when it is removed and purged, with folders of this case. What they say."""
    etc, said = t.path(state + "-etc"), ""
    os.mkdir(etc)
    with open(os.path.join(etc, "sluice.yaml"), "w", encoding="utf-8") as f:
        f.write(config)
    for script, why in (("prerm", "remove"), ("postrm", "purge")):
        code = read(SOURCE, "config/packaging/debian/sluice." + script).replace("/etc/sluice", etc).replace("/var/lib/sluice", t.path(state))
        done = subprocess.run(["sh", "-c", code, script, why], capture_output=True, text=True,
                              env={**os.environ, **SANITIZER_ENV, "PATH": t.build + ":" + os.environ["PATH"]})
        assert done.returncode == 0, done.stderr
        said += done.stderr
    return said


def test_a_purge_keeps_a_spool_unless_it_is_known_that_nothing_waits_in_it(t):
    nowhere = {"http": {"url": "http://127.0.0.1:9/", "format": "lines"}}
    for name, destination, grace in (("delivered", to_file(t), "20s"), ("waits", nowhere, "0s"), ("elsewhere", nowhere, "0s")):
        data = t.path(name, "data")
        os.mkdir(t.path(name))
        d = t.daemon({"data_dir": data, "shutdown": {"grace": grace}, **one_stream("app", destination, interval="0s")}, name)
        d.start()
        Firehose(d.api_port).put("app", b"one")
        d.expect_exit = int(grace == "0s")
        d.stop()
        config = read(d.config_path)
        said = purge(t, name, config if name != "elsewhere" else config.replace(data, t.path("other")))
        assert os.path.exists(data) == (name != "delivered"), said
        assert ("records may wait" in said) == (name != "delivered"), said


def config_map(manifest):
    """The files of the first ConfigMap of a manifest: name to text. They are block scalars, four columns in."""
    text = read(SOURCE, "config/kubernetes", manifest).split("\ndata:\n", 1)[1].split("\n---\n", 1)[0] + "\n"
    blocks = re.split(r"(?m)^  (\S+): \|\n", text)[1:]
    return {name: re.sub(r"(?m)^    ", "", block) for name, block in zip(blocks[::2], blocks[1::2])}


def test_the_configurations_in_the_manifests_are_valid(t):
    for manifest in ("daemonset.yaml", "statefulset.yaml"):
        files = config_map(manifest)
        folder = t.path(manifest)
        os.mkdir(folder)
        for name, text in files.items():
            text = text.replace("/var/lib/sluice", folder)
            for port in (4573, 9273):  # `validate` tries whether it can listen there, and so do other cases
                text = text.replace(f'"0.0.0.0:{port}"', f'"0.0.0.0:{free_port()}"')
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                f.write(text)
        names = set(re.findall(r"\$\{env:(\w+)", files["sluice.yaml"]))
        env = {**os.environ, **{name: "us-east-1" for name in names}}
        done = subprocess.run([t.binary, "validate", "--offline", "-c", os.path.join(folder, "sluice.yaml")],
                              env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert config_map("daemonset.yaml")["container_logs.lua"].rstrip() == read(
        SOURCE, "config/examples/scripts/container_logs.lua").rstrip()


def test_the_image_is_built_from_what_a_build_needs(t):
    wanted = set(re.findall(r"[\w.-]+:([\w.-]+-dev)\b", read(SOURCE, "run"))) - {"libcmocka-dev"}
    docker = set(re.findall(r"\S+-dev\b", read(SOURCE, "config/docker/Dockerfile")))
    control = set(re.findall(r"(?m)^ (\S+-dev)\b", read(SOURCE, "config/packaging/debian/control")))
    assert wanted and wanted <= docker, wanted - docker
    assert wanted <= control, wanted - control
