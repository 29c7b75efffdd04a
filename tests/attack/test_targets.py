"""IPv6 has many ways to write an IPv4 address: none of them leads to a private one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable.outbound.targets import Targets, is_private

PRIVATE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "168.63.129.16",
    "169.254.169.254",
    "172.31.255.255",
    "192.168.0.1",
    "224.0.0.1",
    "255.255.255.255",
]
PUBLIC = ["1.1.1.1", "20.50.2.1"]


def forms(address: IPv4Address) -> dict[str, IPv6Address]:
    """The address in the ways that IPv6 has for it."""
    number = int(address)
    return {
        "mapped": IPv6Address((0xFFFF << 32) | number),
        "compatible": IPv6Address(number),
        "translated": IPv6Address((0xFFFF << 48) | number),
        "NAT64": IPv6Address((0x64FF9B << 96) | number),
        "local NAT64": IPv6Address((0x64FF9B0001 << 80) | number),
        "6to4": IPv6Address((0x2002 << 112) | (number << 80)),
        "Teredo": IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF)),
        "ISATAP": IPv6Address((0xFE80 << 112) | (0x5EFE << 32) | number),
    }


@pytest.mark.parametrize("address", PRIVATE)
def test_no_form_of_a_private_address_is_let_through(address: str) -> None:
    for name, form in forms(IPv4Address(address)).items():
        assert is_private(form), name
        for text in (str(form), form.exploded, str(form).upper(), f"{form}%lo"):
            assert not Targets().allows("public.example", text), (name, text)


@pytest.mark.parametrize("address", PUBLIC)
def test_forms_of_a_public_address_that_lead_there(address: str) -> None:
    found = forms(IPv4Address(address))
    assert not any(is_private(found[name]) for name in ("mapped", "NAT64", "6to4"))


@given(st.integers(0, 2**32 - 1))
def test_a_mapped_address_is_what_it_stands_for(number: int) -> None:
    plain = ip_address(number)
    assert isinstance(plain, IPv4Address)
    found = forms(plain)
    assert is_private(plain) == is_private(found["mapped"]) == is_private(found["NAT64"])
    assert is_private(found["6to4"]) >= is_private(plain)


@pytest.mark.parametrize(
    "text",
    ["", "127.1", "0x7f000001", "017700000001", "2130706433", "127.0.0.1 ", "١٢٧.0.0.1", "[::1]"],
)
def test_what_is_no_plain_address_is_let_through_by_nothing(text: str) -> None:
    assert not Targets().allows("public.example", text)
    assert not Targets(["127.0.0.0/8"]).allows("public.example", text)
