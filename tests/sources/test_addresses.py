from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasift.sources.addresses import hidden, is_public


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://a.test/b.jpg", "https://a.test/b.jpg"),
        ("https://a.test/b?id=7&w=100", "https://a.test/b?id=7&w=100"),
        ("https://me:secret@a.test/b", "https://me:***@a.test/b"),
        ("https://ghp_token@a.test/b", "https://***@a.test/b"),
        (
            "https://b.s3.amazonaws.com/k.jpg?versionId=3&X-Amz-Credential=AKIA%2F1&X-Amz-Signature=abc&X-Amz-Date=2026",
            "https://b.s3.amazonaws.com/k.jpg?versionId=3&X-Amz-Credential=***&X-Amz-Signature=***&X-Amz-Date=***",
        ),
        (
            "https://x.blob.core.windows.net/c/a.png?sv=2024&se=2026&sp=r&sig=abc%3D",
            "https://x.blob.core.windows.net/c/a.png?sv=***&se=***&sp=***&sig=***",
        ),
        ("https://a.test/?st=Ohio", "https://a.test/?st=Ohio"),  # Azure's start of a signature, where there is none
        ("https://a.test/?key=17", "https://a.test/?key=17"),
    ],
)
def test_what_opens_an_address_is_not_shown(address: str, shown: str):
    assert hidden(address) == shown
    assert hidden(shown) == shown


def test_addresses_that_differ_in_a_secret_alone_stay_two():
    one, other = (hidden(f"https://a.test/get?token={letter * 32}") for letter in "ab")
    assert one != other
    assert "aaaa" not in one


@given(st.text())
def test_any_text_can_be_shown(text: str):
    hidden(text)
    assert "hunter2hunter2hunter2" not in hidden(f"https://a.test/?password=hunter2hunter2hunter2&x={text}")


@pytest.mark.parametrize("numbers", ["8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_public_addresses(numbers: str):
    assert is_public(numbers)


@pytest.mark.parametrize(
    "numbers",
    [  # https://www.iana.org/assignments/iana-ipv4-special-registry and -ipv6-
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.9.9.9", "169.254.169.254", "172.16.0.1", "192.168.1.1",
        "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fd00:ec2::254",
    ],
)  # fmt: skip
def test_addresses_of_our_own_network(numbers: str):
    assert not is_public(numbers)
