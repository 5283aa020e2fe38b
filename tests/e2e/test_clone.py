"""Copies of a data_dir: a cloned machine, a snapshot put back. Ids and names of new batches are each run's own, so that neither
replaces, nor loses, what the other delivered; batches that were fixed before keep theirs."""

import os
import shutil
import socket
import subprocess

import objects
from common import MIB, numbered_lines, one_stream, to_file
from es_peer import EsPeer
from firehose import Firehose
from harness import wait_until
from s3_peer import S3Peer


def clone_of(t, d, config, name):
    """A second daemon on a copy of the first one's data_dir."""
    copy = t.path(name + "-data")
    shutil.copytree(d.data_dir, copy)
    return t.daemon({**config, "data_dir": copy}, name=name)


def put(d, records):
    Firehose(d.api_port).put_all("app", records)


def run_used(t, config):
    """A daemon that has delivered something and was stopped."""
    d = t.daemon(config, name="first").start()
    put(d, [b'{"n":"used"}'])
    d.wait_delivered("app", 1)
    d.stop()
    return d


def both_go_on(t, d, config, stop=True):
    clone = clone_of(t, d, config, "second")
    sent = []
    for daemon, who in ((d, b"first"), (clone, b"second")):
        daemon.start()
        mine = [b'{"n":"%s %d"}' % (who, i) for i in range(50)]
        put(daemon, mine)
        daemon.wait_delivered("app", 51)
        sent += mine
    for daemon in (d, clone):
        daemon.stop()
    return clone, [b'{"n":"used"}'] + sent


def check_elasticsearch(t, **options):
    es = EsPeer()
    t.on_end(es.stop)
    config = one_stream("app", es.destination(**options))
    d = run_used(t, config)
    _, sent = both_go_on(t, d, config)
    es.assert_clean()
    objects.assert_exactly_once(list(es.stored()), sent)


def test_documents_of_a_clone_do_not_replace_each_other(t):
    check_elasticsearch(t)


def test_documents_of_a_clone_are_not_lost_as_delivered_before(t):
    check_elasticsearch(t, op="create")


def test_objects_of_a_clone_have_names_of_their_own(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    config = one_stream("app", s3.destination(), compression="none")
    d = run_used(t, config)
    _, sent = both_go_on(t, d, config)
    s3.assert_clean()
    objects.assert_exactly_once(objects.lines(s3.snapshot()), sent)


def test_files_of_a_clone_have_names_of_their_own(t):
    config = one_stream("app", to_file(t), compression="none")
    d = run_used(t, config)
    clone, sent = both_go_on(t, d, config)
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("out"))), sent)
    assert not d.logged("was last used in another place")
    assert clone.wait_logged("was last used in another place", level="warn")


def test_a_batch_that_was_fixed_keeps_its_name_over_restarts_and_in_a_clone(t):
    s3 = S3Peer()
    t.on_end(s3.stop)
    s3.stop()
    config = one_stream("app", s3.destination(), compression="none")
    d = t.daemon(config, name="first").start()
    put(d, [b"fixed"])
    d.wait_logged("delivery failed|cannot be reached|will retry")
    d.kill9()
    clone = clone_of(t, d, config, "second")
    s3.start()
    for daemon in (d, clone):
        daemon.start()
        daemon.wait_delivered("app", 1)
        daemon.stop()
    s3.assert_clean()
    assert len(s3.snapshot()) == 1, "the same records under the same name"


def test_a_data_dir_put_back_from_a_snapshot_reuses_nothing(t):
    es = EsPeer()
    t.on_end(es.stop)
    config = one_stream("app", es.destination())
    d = run_used(t, config)
    snapshot = t.path("snapshot")
    shutil.copytree(d.data_dir, snapshot)
    d.start()
    put(d, [b'{"n":"after the snapshot"}'])
    d.wait_delivered("app", 2)
    d.stop()
    shutil.rmtree(d.data_dir)
    shutil.copytree(snapshot, d.data_dir)
    d.start()
    put(d, [b'{"n":"after it was put back"}'])
    d.wait_delivered("app", 2)
    d.stop()
    es.assert_clean()
    objects.assert_exactly_once(list(es.stored()), [b'{"n":"used"}', b'{"n":"after the snapshot"}',
                                                    b'{"n":"after it was put back"}'])


# --- what else may lie in a data_dir ---------------------------------------------------------------------------------


def refused(d, *words):
    d.expect_exit = 1
    d.spawn()
    d.wait_exit()
    said = d.log_text(this_run=True)
    assert all(w in said for w in words), said


def test_a_lock_that_is_not_our_file_is_neither_written_to_nor_waited_for(t):
    d = t.daemon(one_stream("app", to_file(t))).start()
    d.stop()
    lock, victim = os.path.join(d.data_dir, "lock"), t.path("victim")
    with open(victim, "w") as f:
        f.write("somebody's")
    plants = [lambda: os.symlink(victim, lock), lambda: os.link(victim, lock), lambda: os.mkfifo(lock),
              lambda: os.mkdir(lock), lambda: socket.socket(socket.AF_UNIX).bind(lock)]
    for plant in plants:
        os.rmdir(lock) if os.path.isdir(lock) and not os.path.islink(lock) else os.unlink(lock)
        plant()
        refused(d, lock)
        for command in ("fsck", "validate"):
            done = subprocess.run([t.binary, command, "-c", d.config_path], capture_output=True, text=True, timeout=60)
            assert done.returncode in (1, 2) and lock in done.stdout + done.stderr, (command, done)
        with open(victim) as f:
            assert f.read() == "somebody's"
    os.unlink(lock)
    d.expect_exit = 0
    d.start()
    d.stop()


def test_a_data_dir_that_others_can_write_to_is_warned_of(t):
    d = t.daemon(one_stream("app", to_file(t))).start()
    assert os.stat(d.data_dir).st_mode & 0o777 == 0o700
    d.stop()
    assert not d.logged("can be written to by other users")
    os.chmod(d.data_dir, 0o777)
    d.start()
    d.stop()
    assert d.wait_logged("data_dir can be written to by other users", level="warn")


def test_a_file_that_may_not_grow_is_no_full_disk(t):
    """ulimit -f: segments stay below it, and nothing is killed."""
    d = t.daemon(one_stream("app", to_file(t), compression="none", size="256KiB")).start()
    d.stop()
    wrapper = t.path("limited")
    with open(wrapper, "w") as f:
        f.write(f'#!/bin/sh\nulimit -f 4096\nexec "{d.binary}" "$@"\n')
    os.chmod(wrapper, 0o755)
    d.binary = wrapper
    d.start()
    records = [r + b" " + b"x" * 2000 for r in numbered_lines(t.random, 8 * MIB // 2000)]
    put(d, records)
    d.wait_delivered("app", len(records))
    wait_until("nothing is left", lambda: d.books("app").spooled == 0, 20 * t.slow)
    d.stop()
    assert not d.logged("File too large")
    objects.assert_exactly_once(objects.lines(objects.read_dir(t.path("out"))), records)
