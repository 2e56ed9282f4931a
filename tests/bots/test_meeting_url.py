"""Which URLs are those of meetings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.bots.meeting_url import (
    EXPECTED,
    LONGEST,
    LONGEST_TEXT,
    MEET,
    NOT_SUPPORTED,
    MeetingUrl,
    MeetingUrlError,
    find_meeting,
    read_meeting_url,
)

URL = "https://meet.google.com/abc-defg-hij"
MEETING = MeetingUrl(MEET, URL)
ORIGINS = {"http://127.0.0.1:4000": "meet", "http://LOCALHOST:4001/": "second"}


@pytest.mark.parametrize(
    "text",
    [
        URL,
        f"  {URL}\n",
        f"<{URL}>",
        f"{URL}/",
        f"{URL}?authuser=1&hs=122",
        f"{URL}?pli=1#x",
        "meet.google.com/abc-defg-hij",
        "//meet.google.com/abc-defg-hij",
        "http://meet.google.com/abc-defg-hij",
        "HTTPS://Meet.Google.COM/ABC-DEFG-HIJ",
        "https://meet.google.com:443/abc-defg-hij",
        "meet.google.com:443/abc-defg-hij",
        "https://meet.google.com./abc-defg-hij",
        "https://meet.google.com/abcdefghij",
        "https://meet.google.com/abc%2Ddefg%2Dhij",
        "https://meet.google.com/_meet/abc-defg-hij?ijlm=1",
        "https://g.co/meet/abc-defg-hij",
        "https://www.google.com/url?q=https://meet.google.com/abc-defg-hij&sa=D&ust=1",
        "https://www.google.com/url?sa=j&q=https%3A%2F%2Fmeet.google.com%2Fabc-defg-hij%3Fhs%3D1",
        "https://eur03.safelinks.protection.outlook.com/?url=https%3A%2F%2Fmeet.google.com%2Fabc-defg-hij&data=05",
        "https://www.google.com/url?q=https%3A%2F%2Fgoogle.com%2Furl%3Fq%3Dhttps%253A%252F%252Fg.co%252Fmeet%252Fabc-defg-hij",
    ],
)
def test_a_meeting_has_one_url(text: str) -> None:
    """However it was pasted: so that a second bot for the same meeting is recognised."""
    assert read_meeting_url(text) == MEETING


def test_a_nickname_is_looked_up_by_meet_and_its_case_stays() -> None:
    """Rooms of organisations; the code is known only when it is opened."""
    url = "https://meet.google.com/lookup/Team_Daily-7"
    assert read_meeting_url(url + "?authuser=0") == MeetingUrl(MEET, url)


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("", "got nothing"),
        ("  ", "got nothing"),
        ("the room next door", "spaces"),
        ("https://meet.google.com/abc-defg-hij\nx", "control characters"),
        ("https:\\\\meet.google.com\\abc-defg-hij", "backslashes"),
        ("https://meet.google.com", "the start page"),
        ("https://meet.google.com/landing?authuser=0", "the start page"),
        ("https://meet.google.com/new", "starts a new meeting"),
        ("https://meet.google.com/abc-defg-hi", "without the ten letters"),
        ("https://meet.google.com/abc-defg-hij/more", "without the ten letters"),
        ("https://meet.google.com/abc-d3fg-hij", "without the ten letters"),
        ("https://meet.google.com/äbc-defg-hij", "without the ten letters"),
        ("https://meet.google.com/lookup/", "without the ten letters"),
        ("https://meet.google.com/lookup/../abc", "without the ten letters"),
        ("https://meet.google.com/tel/abc-defg-hij", "telephone numbers"),
        ("https://meet.google.com.evil.example/abc-defg-hij", "another host"),
        ("https://evil.example/meet.google.com/abc-defg-hij", "another host"),
        ("https://xmeet.google.com/abc-defg-hij", "another host"),
        ("https://meet.google.com@evil.example/abc-defg-hij", "a user name"),
        ("https://user:pass@meet.google.com/abc-defg-hij", "a user name"),
        ("https://meet.google.com:8443x/abc-defg-hij", "no URL"),
        ("https://[::1/abc", "no URL"),
        ("https:///abc-defg-hij", "without a host"),
        ("javascript:alert(1)", "begins with javascript:"),
        ("file:///etc/passwd", "begins with file:"),
        ("tel:+49301234567", "begins with tel:"),
        ("https://us02web.zoom.us/j/123?pwd=x", "one of Zoom, which is not supported"),
        ("https://teams.microsoft.com/l/meetup-join/x", "one of Microsoft Teams"),
        ("https://notzoom.us/j/1", "another host"),
        ("http://127.0.0.1:4000/m/1", "another host"),
        ("x" * (LONGEST + 1), f"got {LONGEST + 1} characters"),
        ("https://www.google.com/url?q=", "another host"),
        ("https://www.google.com/url?q=https://evil.example/", "another host"),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(text: str, got: str) -> None:
    """And what was given instead."""
    with pytest.raises(MeetingUrlError) as caught:
        read_meeting_url(text)
    assert str(caught.value).startswith(EXPECTED)
    assert got in str(caught.value)


@pytest.mark.parametrize("host", NOT_SUPPORTED)
def test_services_that_people_try_are_named(host: str) -> None:
    """Rather than called another host."""
    with pytest.raises(MeetingUrlError, match=f"one of {NOT_SUPPORTED[host]}, which is not supported"):
        read_meeting_url(f"https://sub.{host}/1")


def test_origins_of_the_settings_have_adapters_of_their_own() -> None:
    """Each page there is a meeting, with its query; a fragment is nothing that a server sees."""
    assert read_meeting_url("http://127.0.0.1:4000/m/daily?drift=1#x", ORIGINS) == MeetingUrl(
        "meet", "http://127.0.0.1:4000/m/daily?drift=1"
    )
    assert read_meeting_url("HTTP://localhost:4001/r/1", ORIGINS) == MeetingUrl(
        "second", "http://localhost:4001/r/1"
    )
    assert read_meeting_url(URL, ORIGINS) == MEETING


@pytest.mark.parametrize(
    "text", ["https://127.0.0.1:4000/m/1", "http://127.0.0.1:4002/m/1", "http://127.0.0.1/m/1"]
)
def test_another_scheme_or_port_is_another_origin(text: str) -> None:
    """As browsers have it."""
    with pytest.raises(MeetingUrlError, match="another host"):
        read_meeting_url(text, ORIGINS)


def test_the_start_page_of_an_origin_is_no_meeting() -> None:
    """It says what was expected there."""
    with pytest.raises(
        MeetingUrlError, match=r"a meeting below http://127\.0\.0\.1:4000, got its start page"
    ):
        read_meeting_url("http://127.0.0.1:4000/", ORIGINS)


@pytest.mark.parametrize(
    "text",
    [
        f"Join with Google Meet: {URL}\\nMore phone numbers: https://tel.meet/abc-defg-hij?pin=1",
        f"Room 7 ({URL}).",
        f'<p>Join <a href="{URL}?hs=122&amp;authuser=0">here</a></p>',
        f"<br>{URL}<br>",
        "Video: meet.google.com/abc-defg-hij; bring coffee",
        f"https://example.org/agenda and https://us02web.zoom.us/j/1 or {URL}!",
        '<a href="https://www.google.com/url?q=https://meet.google.com/abc-defg-hij&amp;sa=D">x</a>',
        f"[{URL}]",
        f"*{URL}*",
        f"Link:{URL}|",
    ],
)
def test_a_meeting_is_found_in_the_text_of_an_invitation(text: str) -> None:
    """Plain or HTML, within brackets, before punctuation, behind other links."""
    assert find_meeting(["Room 7", text]) == MEETING


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Room 7",
        "https://example.org/",
        "mail@meet.google.com/abc-defg-hij",
        "x.meet.google.com/abc-defg-hij",
    ],
)
def test_no_meeting_is_found_where_there_is_none(text: str) -> None:
    """An address of e-mail is none."""
    assert find_meeting([text]) is None


def test_the_first_text_with_a_meeting_counts() -> None:
    """The caller gives them in the order of their weight."""
    other = "https://meet.google.com/zzz-zzzz-zzz"
    assert find_meeting([f"x {URL}", other]) == MEETING
    assert find_meeting(["", other, URL]) == MeetingUrl(MEET, other)


def test_a_huge_text_is_read_in_part() -> None:
    """Also one that consists of what looks like a URL."""
    assert find_meeting(["x" * LONGEST_TEXT + URL]) is None
    assert find_meeting(["http://" * 200_000]) is None
    assert find_meeting(["https://www.google.com/url?q=" * 200_000]) is None


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading(text: str) -> None:
    """It is a meeting or refused; and a meeting's URL is read to itself."""
    for each in (text, f"https://meet.google.com/{text}", f"http://127.0.0.1:4000/{text}", f"https://{text}"):
        find_meeting([each], ORIGINS)
        try:
            meeting = read_meeting_url(each, ORIGINS)
        except MeetingUrlError:
            continue
        assert read_meeting_url(meeting.url, ORIGINS) == meeting
