"""Secrets are blanked for whoever registered them, and a thread's own do not end with another's run."""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe import redact
from libprobe.probe import output


def test_a_registered_secret_is_blanked_until_it_is_forgotten():
    redact.register("s3cr3t-token")
    assert redact.blank("a s3cr3t-token b") == "a [secret] b"
    redact.forget_secrets()
    assert redact.blank("a s3cr3t-token b") == "a s3cr3t-token b"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/p?a=b&access_token=correct-horse&c=d", "https://h/p?a=b&access_token=[secret]&c=d"),
        ("h/p?X-Amz-Signature=horse%2Fbattery#x", "h/p?X-Amz-Signature=[secret]#x"),
        ("https://h/?key=abc&x=abc", "https://h/?[secret]&x=abc"),  # too short to be blanked wherever it stands
        ("https://h/#id_token=correct-horse", "https://h/#id_token=[secret]"),
        ("https://h/?image=monkey&resource=keys", "https://h/?image=monkey&resource=keys"),
    ],
)
def test_a_parameter_of_a_url_is_a_secret_by_its_name(url, shown):
    assert redact.register_if_secret(url) == (url != shown)
    try:
        assert redact.blank(url) == shown
        assert redact.blank("and in clear: horse/battery") == "and in clear: horse/battery" or "Amz" in url
    finally:
        redact.forget_secrets()


@pytest.mark.parametrize(
    "secret",
    [
        "dG9rZW4tb2YtYS1yb2JvdC0x",
        "x7Kq2LmP9vRt4Wz8",
        "pLaNtEdccfecbebdc120939636b8838bf2a1b08",  # its first digit stands beyond the letters that alternate
        "StUvWxYabcdefabcdefab0123456789",
    ],
)
def test_letters_of_both_cases_and_digits_that_alternate_are_a_secret(secret):
    assert redact.looks_secret(secret)


@pytest.mark.parametrize(
    "name",
    [
        "AUTH_8181077e9b0741daa81c3411bca0e6ba",
        "CentOS-7-x86_64-GenericCloud-1708",
        "OpenStackNovaCeilometer2015",
        "uuid_egi_ubuntu_server_14_04_lts_fedcloud_warg_162",
        "pLaNtEd",
    ],
)
def test_a_name_is_no_secret(name):
    assert not redact.looks_secret(name)


SECRET = "Zg+sw/e&t<o>k\"e'n\\0123456789"


@pytest.mark.parametrize(
    "written",
    [
        quote(SECRET),
        quote(SECRET, safe=""),
        re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quote(SECRET, safe="")),
        html.escape(SECRET),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET)[1:-1].replace("/", "\\/"),
    ],
)
def test_it_is_blanked_however_it_is_written(written):
    redact.register(SECRET)
    blanked = redact.blank(f"before {written} after")
    redact.forget_secrets()
    assert "0123456789" not in blanked
    assert blanked.startswith("before [secret]")
    assert blanked.endswith(" after")


@given(before=st.binary(max_size=7), after=st.binary(max_size=7))
def test_in_base64_nothing_of_it_is_left_to_decode(before, after):
    secret = b"a-secret-of-twenty-seven-by"
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        redact.register(secret.decode())
        blanked = redact.blank(encode(before + secret + after).decode())
        redact.forget_secrets()
        assert "[secret]" in blanked
        for part in blanked.split("[secret]"):
            assert len(part) <= len(base64.b64encode(before)) + 4 or len(part) <= len(base64.b64encode(after)) + 4


@pytest.mark.parametrize("length", range(10, 30))
def test_the_beginning_of_one_that_was_cut_is_blanked_too(length):
    secret = "gAAAAABn0123456789abcdefghijklmnop"
    redact.register(secret)
    blanked = redact.blank(f"it said: {secret[:length]}")
    redact.forget_secrets()
    assert blanked == "it said: [secret]"


def test_two_secrets_that_begin_alike_are_both_blanked():
    redact.register("same-beginning-first")
    redact.register("same-beginning-second")
    blanked = redact.blank("a same-beginning-first b same-beginning-second c same-beginning-")
    redact.forget_secrets()
    assert "first" not in blanked
    assert "second" not in blanked


def test_all_threads_share_secrets_unless_one_is_kept_apart():
    redact.register("of-the-process")
    seen = []
    thread = threading.Thread(target=lambda: seen.append(redact.blank("of-the-process")))
    thread.start()
    thread.join()
    redact.forget_secrets()
    assert seen == ["[secret]"]


def test_a_thread_that_is_kept_apart_neither_loses_nor_ends_others_secrets():
    registered, forgotten = threading.Event(), threading.Event()
    seen = []

    def first():
        redact.use_thread_secrets()
        redact.register("first-secret")
        registered.set()
        forgotten.wait(10)
        seen.append(redact.blank("first-secret second-secret"))

    def second():
        redact.use_thread_secrets()
        redact.register("second-secret")
        registered.wait(10)
        seen.append(redact.blank("first-secret second-secret"))
        redact.forget_secrets()
        forgotten.set()

    threads = [threading.Thread(target=each) for each in (first, second)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert seen == ["first-secret [secret]", "[secret] second-secret"]


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("correct-horse-9", "correct-\u200bhorse-9"),  # made safe, it would come out whole: blanked after
        ("correct-horse-9", "corr\x1b[0mect-horse-9"),
        ("correct|horse<9", "correct|horse<9"),  # made safe, it would no longer be known: blanked before
    ],
)
def test_a_secret_is_blanked_before_and_after_text_is_made_safe(secret, said):
    redact.register(secret)
    try:
        report = output.render("DEMO", 2, f"the site says {said}!", [], [f"and again {said}!"])
    finally:
        redact.forget_secrets()
    assert "[secret]" in report.splitlines()[0]
    assert "[secret]" in report.splitlines()[1]
    assert not re.search(r"horse|9!", report)
