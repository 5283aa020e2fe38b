"""kill -9 under load; see tests/crash/campaign.py, which also runs longer campaigns."""

import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))

from campaign import Campaign  # noqa: E402


def run(t, kills, store, transform=None, keep_all=False):
    t.seed = t.seed if t.seed != 1 else random.SystemRandom().randrange(1 << 32)
    print(f"seed {t.seed}", flush=True)
    if t.slow > 1:  # a sanitizer looks for other faults, and takes several times as long
        kills = (kills + 1) // 2
    Campaign(t, kills, store, transform, keep_all).run()


def test_twenty_kills_lose_nothing_and_double_nothing_in_s3(t):
    run(t, 20, "s3")


def test_ten_kills_lose_nothing_and_double_nothing_in_a_folder(t):
    run(t, 10, "file")


def test_ten_kills_with_a_script_that_drops_splits_and_fails(t):
    run(t, 10, "s3", transform="mixed")


def test_ten_kills_with_a_script_that_drops_splits_and_fails_whole_batches_and_a_backup_of_all(t):
    run(t, 10, "s3", transform="runs", keep_all=True)


def test_kills_with_a_script_that_drops_everything(t):
    run(t, 5, "file", transform="drop")


def test_kills_with_a_script_that_fails_everything_and_a_backup_of_all(t):
    run(t, 5, "file", transform="fail", keep_all=True)


for case in (test_twenty_kills_lose_nothing_and_double_nothing_in_s3,
             test_ten_kills_lose_nothing_and_double_nothing_in_a_folder,
             test_ten_kills_with_a_script_that_drops_splits_and_fails,
             test_ten_kills_with_a_script_that_drops_splits_and_fails_whole_batches_and_a_backup_of_all,
             test_kills_with_a_script_that_drops_everything,
             test_kills_with_a_script_that_fails_everything_and_a_backup_of_all):
    case.timeout = 240
