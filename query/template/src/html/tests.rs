use crate::exec::{Functions, Options};
use crate::parse::Set;
use crate::value::{Kind, Map, Safe, Signature, Value};

struct Marks;

impl Functions for Marks {
    fn signature(&self, name: &str) -> Option<Signature> {
        let takes_text = Signature { params: &[Kind::Text], variadic: None };
        matches!(name, "safeHtml" | "safeUrl").then_some(takes_text)
    }

    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        let text = arguments.first().and_then(Value::as_text).unwrap_or_default();
        let safe = if name == "safeUrl" { Safe::Url } else { Safe::Html };
        Ok(Value::Safe(safe, text.into()))
    }
}

fn run(template: &str) -> String {
    let mut set = Set::new();
    set.parse("", template, &|name| Marks.signature(name).is_some()).expect("it is a template");
    let pairs = [
        ("html", "<b>\"O'Reilly\" & co</b>"),
        ("url", "https://example.org/a b?x=1&y=\"2\""),
        ("script", "javascript:alert(1)"),
        ("js", "</script><script>alert('x')\n\u{2028}"),
        ("css", "red; background: url(javascript:alert(1))"),
        ("color", "#c6352b"),
        ("word", "a b"),
        ("empty", ""),
    ];
    let data = Value::Map(Map::of_texts(pairs));
    let options = Options { html: true, ..Options::default() };
    set.execute("", &data, &mut Marks, options).expect("it can be executed")
}

const CASES: &[(&str, &str)] = &[
    ("<p>{{ .html }}</p>", "<p>&lt;b&gt;&#34;O&#39;Reilly&#34; &amp; co&lt;/b&gt;</p>"),
    ("<p>{{ .html | safeHtml }}</p>", "<p><b>\"O'Reilly\" & co</b></p>"),
    ("<p>{{ .html | html }}</p>", "<p>&lt;b&gt;&#34;O&#39;Reilly&#34; &amp; co&lt;/b&gt;</p>"),
    ("{{ .nope }}|{{ 3 }}|{{ true }}", "|3|true"),
    (
        "<a title=\"{{ .html }}\">",
        "<a title=\"&lt;b&gt;&#34;O&#39;Reilly&#34; &amp; co&lt;/b&gt;\">",
    ),
    ("<a title='{{ .html }}'>", "<a title='&lt;b&gt;&#34;O&#39;Reilly&#34; &amp; co&lt;/b&gt;'>"),
    ("<a title={{ .word }}>", "<a title=a&#32;b>"),
    ("<a title={{ .empty }}>", "<a title=ZgotmplZ>"),
    ("<a title = {{ .word }} x>", "<a title = a&#32;b x>"),
    ("<a title=\"{{ safeHtml \"<i>x</i> & y\" }}\">", "<a title=\"x & y\">"),
    ("<a href=\"{{ .url }}\">", "<a href=\"https://example.org/a%20b?x=1&amp;y=%222%22\">"),
    ("<a href=\"{{ .script }}\">", "<a href=\"#ZgotmplZ\">"),
    ("<a href='{{ .script | safeUrl }}'>", "<a href='javascript:alert%281%29'>"),
    ("<a href=\"/x/{{ .script }}\">", "<a href=\"/x/javascript:alert%281%29\">"),
    (
        "<a href=\"/?q={{ .url }}\">",
        "<a href=\"/?q=https%3a%2f%2fexample.org%2fa%20b%3fx%3d1%26y%3d%222%22\">",
    ),
    ("<img src={{ .url }}>", "<img src=https://example.org/a%20b?x&#61;1&amp;y&#61;%222%22>"),
    (
        "<a data-url=\"{{ .script }}\" xlink:href=\"{{ .script }}\">",
        "<a data-url=\"#ZgotmplZ\" xlink:href=\"#ZgotmplZ\">",
    ),
    ("<img srcset=\"{{ .script }}, /a 2x\">", "<img srcset=\"#ZgotmplZ, /a 2x\">"),
    ("<p style=\"color: {{ .color }}\">", "<p style=\"color: #c6352b\">"),
    ("<p style=\"color: {{ .css }}\">", "<p style=\"color: ZgotmplZ\">"),
    ("<p style=\"background: url({{ .script }})\">", "<p style=\"background: url(#ZgotmplZ)\">"),
    (
        "<p style=\"background: url('/x?{{ .script }}')\">",
        "<p style=\"background: url('/x?javascript%3aalert%281%29')\">",
    ),
    (
        "<p style='font: \"{{ .html }}\"'>",
        "<p style='font: \"\\3c b\\3e \\22 O\\27 Reilly\\22  \\26  co\\3c \\2f b\\3e \"'>",
    ),
    (
        "<style>p { color: {{ .color }}; x: {{ .css }} }</style>{{ .html }}",
        "<style>p { color: #c6352b; x: ZgotmplZ }</style>&lt;b&gt;&#34;O&#39;Reilly&#34; &amp; co&lt;/b&gt;",
    ),
    (
        "<script>var x = {{ .js }};</script>{{ .word }}",
        "<script>var x = \"\\u003C\\u002Fscript\\u003E\\u003Cscript\\u003Ealert(\\u0027x\\u0027)\\u000A\\u2028\";</script>a b",
    ),
    (
        "<script>var x = '{{ .js }}';</script>",
        "<script>var x = '\\u003C\\/script\\u003E\\u003Cscript\\u003Ealert(\\u0027x\\u0027)\\n\\u2028';</script>",
    ),
    (
        "<script>f({{ 1 }}, {{ .nope }}, {{ true }})</script>",
        "<script>f( 1 ,  null ,  true )</script>",
    ),
    ("<script>// {{ .js }}\nx = /{{ .word }}/</script>", "<script>// \nx = /a\\u0020b/</script>"),
    (
        "<script>x = 4 / 2; y = '{{ .word }}' / 3; z = \"{{ .js }}\"</script>",
        "<script>x = 4 / 2; y = 'a b' / 3; z = \"\\u003C\\/script\\u003E\\u003Cscript\\u003Ealert(\\u0027x\\u0027)\\n\\u2028\"</script>",
    ),
    (
        "<a onclick=\"f('{{ .js }}', {{ .word }})\">",
        "<a onclick=\"f('\\u003C\\/script\\u003E\\u003Cscript\\u003Ealert(\\u0027x\\u0027)\\n\\u2028', &#34;a b&#34;)\">",
    ),
    (
        "<title>{{ .html }}</title><textarea>{{ .html }}</textarea>{{ .word }}",
        "<title>&lt;b&gt;&#34;O&#39;Reilly&#34; &amp; co&lt;/b&gt;</title><textarea>&lt;b&gt;&#34;O&#39;Reilly&#34; &amp; co&lt;/b&gt;</textarea>a b",
    ),
    ("a<!-- {{ .html }} -->b{{ .word }}", "aba b"),
    ("<input {{ .word }}>", "<input ZgotmplZ>"),
    ("<input {{ \"checked\" }} {{ \"onclick\" }}=\"x\">", "<input checked ZgotmplZ=\"x\">"),
    (
        "<a {{ if .nope }}href=\"{{ .url }}\"{{ else }}title='{{ .html }}'{{ end }}>{{ .word }}",
        "<a title='&lt;b&gt;&#34;O&#39;Reilly&#34; &amp; co&lt;/b&gt;'>a b",
    ),
    ("1 < 2 {{ .html }} <3", "1 < 2 &lt;b&gt;&#34;O&#39;Reilly&#34; &amp; co&lt;/b&gt; <3"),
    (
        "{{ define \"t\" }}{{ .url }}{{ end }}<a href=\"{{ template \"t\" . }}\">",
        "<a href=\"https://example.org/a%20b?x=1&amp;y=%222%22\">",
    ),
    ("<br/><p\n class=\"{{ .word }}\"\n>{{ .word }}", "<br/><p\n class=\"a b\"\n>a b"),
];

#[test]
fn values_are_escaped_for_their_place() {
    let wrong: Vec<_> = CASES.iter().filter(|(template, want)| run(template) != *want).collect();
    for (template, want) in &wrong {
        eprintln!("{template}\n  want {want}\n   got {}", run(template));
    }
    assert!(wrong.is_empty(), "{} of {} differ", wrong.len(), CASES.len());
}
