"""Secrets are blanked for whoever registered them, and a thread's own do not end with another's run."""

from __future__ import annotations

import threading

from libprobe import redact


def test_a_registered_secret_is_blanked_until_it_is_forgotten():
    redact.register("s3cr3t-token")
    assert redact.blank("a s3cr3t-token b") == "a [secret] b"
    redact.forget()
    assert redact.blank("a s3cr3t-token b") == "a s3cr3t-token b"


def test_all_threads_share_secrets_unless_one_is_kept_apart():
    redact.register("of-the-process")
    seen = []
    thread = threading.Thread(target=lambda: seen.append(redact.blank("of-the-process")))
    thread.start()
    thread.join()
    redact.forget()
    assert seen == ["[secret]"]


def test_a_thread_that_is_kept_apart_neither_loses_nor_ends_others_secrets():
    registered, forgotten = threading.Event(), threading.Event()
    seen = []

    def first():
        redact.keep_apart()
        redact.register("first-secret")
        registered.set()
        forgotten.wait(10)
        seen.append(redact.blank("first-secret second-secret"))

    def second():
        redact.keep_apart()
        redact.register("second-secret")
        registered.wait(10)
        seen.append(redact.blank("first-secret second-secret"))
        redact.forget()
        forgotten.set()

    threads = [threading.Thread(target=each) for each in (first, second)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert seen == ["first-secret [secret]", "[secret] second-secret"]
