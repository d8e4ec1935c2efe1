from decimal import Decimal
from ipaddress import ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spotbox.core.errors import UsageError
from spotbox.core.units import (
    Bid,
    parse_bid,
    parse_cidr,
    parse_duration,
    parse_memory,
    parse_size,
    parse_usd,
    show_duration,
    show_usd,
)

YEAR = 366 * 86400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("0s", 0), ("90s", 90), ("45m", 2700), ("8h", 28800), ("2d", 172800), ("1h30m", 5400), (" 5m ", 300)],
)
def test_durations(text, seconds):
    """A number with its unit; only 0 may stand bare."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "5", "s", "-5s", "1.5h", "5 m", "5M", "5w", "00", "1h 30m", "1e3s", "5s\n5s", "367d", "9" * 5000 + "s",
     "0x5s"],
)  # fmt: skip
def test_what_is_no_duration(text):
    """A bare number, an unknown unit, more than a year: a usage error, however long the text."""
    with pytest.raises(UsageError):
        parse_duration(text)


@given(st.integers(0, YEAR))
@example(0)
@example(59)
@example(3600)
@example(86400 + 60)
def test_a_shown_duration_is_at_most_its_two_largest_units_off(seconds):
    """What is shown, typed back, is the same but for what the two largest units leave out."""
    back = parse_duration(show_duration(seconds).replace(" ", ""))
    size = 86400 if seconds >= 86400 else 3600 if seconds >= 3600 else 60 if seconds >= 60 else 1
    finer = {86400: 3600, 3600: 60, 60: 1, 1: 1}[size]
    assert 0 <= seconds - back < max(finer, 1) or back == seconds


@given(st.integers(0, 10**6), st.sampled_from("smhd"))
def test_every_whole_number_with_a_unit_is_read(count, unit):
    """count x unit in seconds, or refused for being more than a year."""
    seconds = count * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
    if seconds > YEAR:
        with pytest.raises(UsageError):
            parse_duration(f"{count}{unit}")
    else:
        assert parse_duration(f"{count}{unit}") == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-3, "0s"), (45.9, "45s"), (200, "3m 20s"), (18720, "5h 12m"), (183600, "2d 3h"), (3605, "1h")],
)
def test_shown_durations(seconds, text):
    """The two largest units."""
    assert show_duration(seconds) == text


@pytest.mark.parametrize(("text", "gib"), [("1", 1), ("200", 200), ("200G", 200), ("200 GiB", 200), ("65536gb", 65536)])
def test_sizes(text, gib):
    """Whole GiB within gp3's bounds."""
    assert parse_size(text) == gib


@pytest.mark.parametrize("text", ["", "0", "65537", "-1", "1.5", "1T", "200MiB", "9" * 5000, "ten", "1\n2"])
def test_what_is_no_size(text):
    """The rest is a usage error."""
    with pytest.raises(UsageError):
        parse_size(text)


@pytest.mark.parametrize(("text", "usd"), [("0.50", "0.50"), ("$0.5", "0.5"), ("0.0011", "0.0011"), ("1000", "1000")])
def test_prices(text, usd):
    """USD per hour, kept to the last digit."""
    assert parse_usd(text) == Decimal(usd)


@pytest.mark.parametrize(
    "text", ["", "$", "0", "0.001", "-1", "NaN", "sNaN", "Infinity", "1001", "1e9", "0,50", "cheap", "1 2", "0.5/h"]
)
def test_what_is_no_price(text):
    """AWS wants more than 0.001 (EC2 API, SpotMarketOptions); nonsense and infinity are usage errors too."""
    with pytest.raises(UsageError):
        parse_usd(text)


@pytest.mark.parametrize(
    ("text", "bid"),
    [
        ("on-demand", Bid()),
        ("On-Demand", Bid()),
        ("100%", Bid()),
        ("60%", Bid(percent=Decimal(60))),
        ("60 %", Bid(percent=Decimal(60))),
        ("1%", Bid(percent=Decimal(1))),
        ("0.50", Bid(usd=Decimal("0.50"))),
    ],
)
def test_bids(text, bid):
    """on-demand, a share of it, or USD per hour; all of it is on-demand."""
    assert parse_bid(text) == bid


@pytest.mark.parametrize("text", ["0%", "101%", "%", "NaN%", "-5%", "x%", "0.9%", "spot", ""])
def test_what_is_no_bid(text):
    """The rest is a usage error."""
    with pytest.raises(UsageError):
        parse_bid(text)


@given(st.one_of(
    st.just(Bid()),
    st.decimals("0.0011", "1000", places=4).map(lambda usd: Bid(usd=usd)),
    st.integers(1, 99).map(lambda n: Bid(percent=Decimal(n))),
))  # fmt: skip
def test_a_bid_reads_back_what_it_shows(bid):
    """The one-line command that `up` prints means the same bid."""
    assert parse_bid(str(bid)) == bid


def test_what_a_bid_sends():
    """No cap for on-demand, the USD as given, a share worked out half-up to four places."""
    assert Bid().against(Decimal("1.006")) is None
    assert Bid().against(None) is None
    assert Bid(usd=Decimal("0.5")).against(None) == Decimal("0.5")
    assert Bid(percent=Decimal(60)).against(Decimal("1.006")) == Decimal("0.6036")
    assert Bid(percent=Decimal(50)).against(Decimal("0.5261")) == Decimal("0.2631")


def test_a_share_of_an_unknown_price_is_refused():
    """60 % of what AWS does not tell cannot be sent."""
    with pytest.raises(UsageError):
        Bid(percent=Decimal(60)).against(None)


def test_a_share_that_aws_would_refuse_is_refused_first():
    """A cap of 0.001 USD or less is a parameter error at the launch; it is named before anything is made."""
    with pytest.raises(UsageError):
        Bid(percent=Decimal(1)).against(Decimal("0.05"))


def test_shown_money():
    """Half-up, never in powers of ten, and unknown where it is."""
    assert show_usd(None) == "unknown"
    assert show_usd(Decimal("0.52605")) == "$0.5261"
    assert show_usd(Decimal("0.005"), 2) == "$0.01"
    assert show_usd(Decimal("1E+3"), 2) == "$1000.00"


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        ("203.0.113.7/24", "203.0.113.0/24"),
        ("2001:db8::1/64", "2001:db8::/64"),
        (" 192.0.2.0/24 ", "192.0.2.0/24"),
    ],
)
def test_cidrs(text, network):
    """Canonical: host bits are dropped, as EC2 does."""
    assert parse_cidr(text) == ip_network(network)


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0/0", "::/0", "1.2.3.4/0", "2001:db8::/0", "", "x", "300.1.1.1", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3"],
)
def test_what_is_no_cidr(text):
    """The whole internet, however it is written, and nonsense are usage errors."""
    with pytest.raises(UsageError):
        parse_cidr(text)


@pytest.mark.parametrize(("text", "gib"), [("24", 24), ("640G", 640), (" 22 GiB ", 22), ("100000", 100000)])
def test_gpu_memory(text, gib):
    """Whole GiB, with or without the unit."""
    assert parse_memory(text) == gib


@pytest.mark.parametrize("text", ["", "0", "-1", "22.35", "24 TB", "1e3", "x", "9" * 4000])
def test_what_is_no_gpu_memory(text):
    """Anything else is a usage error."""
    with pytest.raises(UsageError):
        parse_memory(text)
