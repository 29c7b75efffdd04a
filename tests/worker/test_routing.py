"""Route templates, constraints and request targets."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable.worker.routing import BadTarget, Route, Router, path_segments
from durable.worker.templates import Template

MATCHES = [
    ("orders", "/orders", {}),
    ("orders", "/ORDERS", {}),
    ("orders", "/orders/", {}),
    ("orders", "/orders//", None),
    ("orders", "/orders/1", None),
    ("", "/", {}),
    ("", "/x", None),
    ("/orders/", "/orders", {}),
    ("orders/{id}", "/orders/a%20b", {"id": "a b"}),
    ("orders/{id}", "/orders/a%2Fb", {"id": "a%2Fb"}),
    ("orders/{id}", "/orders/a%2fb", {"id": "a%2fb"}),
    ("orders/{id}", "/orders/%C3%A9", {"id": "é"}),
    ("orders/{id}", "/orders/%FF", {"id": "%FF"}),
    ("orders/{id}", "/orders/%zz", {"id": "%zz"}),
    ("orders/{id}", "/orders/a+b", {"id": "a+b"}),
    ("orders/{id}", "/orders/a?x=1", {"id": "a"}),
    ("orders/{id}", "/orders/", None),
    ("orders/{id}", "/orders//a", None),
    ("orders/{id?}", "/orders", {}),
    ("orders/{id?}/x", "/orders/x", None),
    ("orders/{id=7}", "/orders", {"id": "7"}),
    ("orders/{id=7}", "/orders/8", {"id": "8"}),
    ("orders/{id:int=7}/{part?}", "/orders", {"id": "7"}),
    ("orders/{id:int?}", "/orders", {}),
    ("orders/{id:int?}", "/orders/x", None),
    ("files/{*path}", "/files", {}),
    ("files/{*path}", "/files/", {}),
    ("files/{*path}", "/files/a/b%2Fc", {"path": "a/b%2Fc"}),
    ("files/{*path}", "/files/a//b", {"path": "a//b"}),
    ("files/{*path}", "/files//b", None),
    ("files/{**path}", "/files/a/b", {"path": "a/b"}),
    ("files/{*path=index}", "/files", {"path": "index"}),
    ("{*path}", "/../../etc/passwd", {"path": "etc/passwd"}),
    ("v{n}-{name}", "/v1-a-b", {"n": "1-a", "name": "b"}),
    ("v{n}", "/v", None),
    ("{name}.{ext?}", "/a.b.c", {"name": "a.b", "ext": "c"}),
    ("{name}.json", "/A.JSON", {"name": "A"}),
    ("a{{b}}", "/a{b}", {}),
    (r"x/{ssn:regex(^\d{{3}}-\d{{2}}$)}", "/x/123-45", {"ssn": "123-45"}),
    (r"x/{ssn:regex(^\d{{3}}-\d{{2}}$)}", "/x/123-456", None),
    ("x/{y:regex(^(a|b)$)}", "/x/B", {"y": "B"}),
    ("a/./b", "/a/b", None),
    ("a/b", "/a/./b", {}),
    ("a/b", "/a/c/../b", {}),
    ("a/b", "/a/c/%2e%2E/b", {}),
    ("a", "/a/b/..", {}),
    ("a", "/../a", {}),
]


@pytest.mark.parametrize(("template", "target", "values"), MATCHES)
def test_match(template: str, target: str, values: dict[str, str] | None) -> None:
    assert Template(template).match(path_segments(target)) == values


CONSTRAINTS = [
    ("int", ["0", "-7", "+7", "2147483647"], ["", "x", "1.5", "2147483648", "٣", "1" * 50]),
    ("long", ["9223372036854775807"], ["9223372036854775808"]),
    ("bool", ["true", "FALSE"], ["1", "yes"]),
    ("decimal", ["1.5", "-1,000.25", ".5"], ["1e5", "x", "."]),
    ("float", ["1.5", "1e5", "-2.E-3"], ["e5", "nan2"]),
    (
        "guid",
        ["12345678-1234-1234-1234-123456789abc", "{12345678-1234-1234-1234-123456789ABC}"],
        ["12345678", "12345678-1234-1234-1234-123456789abg"],
    ),
    ("datetime", ["2026-01-31", "01/31/2026", "2026-01-31T10:00:00Z"], ["2026-02-31", "soon"]),
    ("alpha", ["abcXYZ"], ["ab1", "é"]),
    ("length(3)", ["abc"], ["ab", "abcd"]),
    ("length(2,3)", ["ab", "abc"], ["a", "abcd"]),
    ("minlength(2)", ["ab"], ["a"]),
    ("maxlength(2)", ["ab"], ["abc"]),
    ("min(3)", ["3", "99"], ["2", "x"]),
    ("max(3)", ["3", "-9"], ["4", "x"]),
    ("range(2,4)", ["2", "4"], ["1", "5"]),
    ("int:min(3)", ["3"], ["2", "x"]),
]


@pytest.mark.parametrize(("constraint", "fit", "unfit"), CONSTRAINTS)
def test_constraints(constraint: str, fit: list[str], unfit: list[str]) -> None:
    template = Template(f"x/{{v:{constraint}}}")
    for value in fit:
        assert template.match(["x", value]) == {"v": value}
    for value in unfit:
        assert template.match(["x", value]) is None, value


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("a//b", "empty segment"),
        ("{a}{b}", "text between"),
        ("{*a}/b", "last segment"),
        ("x{*a}", "segment of its own"),
        ("{a}/{A}", "twice"),
        ("{a", "no partner"),
        ("a}", "no partner"),
        ("{}", "no name"),
        ("{a:nope}", "there is no constraint :nope"),
        ("{a:int(3)}", "no arguments"),
        ("{a:length}", "arguments in parentheses"),
        ("{a:length(x)}", "whole numbers"),
        ("{a:range(1)}", "2 whole numbers"),
        ("{a:regex([)}", "no regular expression"),
        ("{a=1?}", "default"),
        ("{a!?x}", "cannot be understood"),
    ],
)
def test_bad_templates(template: str, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("(", r"\(")):
        Template(template)


@pytest.mark.parametrize("target", ["*", "http://evil.example/a", "a", "/a%00b", ""])
def test_bad_targets(target: str) -> None:
    with pytest.raises(BadTarget):
        path_segments(target)


@given(st.text(max_size=60))
def test_no_target_leads_outside_or_breaks(text: str) -> None:
    try:
        segments = path_segments(f"/{text}")
    except BadTarget:
        return
    assert "." not in segments
    assert ".." not in segments
    assert not any("/" in segment for segment in segments)


@given(st.text(alphabet="ab{}:*?=/().", max_size=20))
def test_every_template_is_parsed_or_refused_with_value_error(text: str) -> None:
    with suppress(ValueError):
        assert Template(text).match(["a"] * 30) is None or "*" in text


def test_the_first_that_fits_path_and_method_wins() -> None:
    router = Router(
        [
            Route(Template("a/{x:int}"), frozenset({"GET"}), "number"),
            Route(Template("a/{x}"), frozenset({"GET", "POST"}), "any"),
            Route(Template("{*rest}"), None, "rest"),
        ]
    )
    assert router.find("GET", ["a", "1"]) == ("number", {"x": "1"})
    assert router.find("POST", ["a", "1"]) == ("any", {"x": "1"})
    assert router.find("get", ["a", "b"]) == ("any", {"x": "b"})
    assert router.find("DELETE", ["a", "b"]) == ("rest", {"rest": "a/b"})
    assert Router([Route(Template("a"), frozenset({"GET"}), "a")]).find("PUT", ["a"]) is None
