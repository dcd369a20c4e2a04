use std::collections::BTreeMap;

use super::*;
use crate::value::{Kind, List, Map};

/// The one function that the cases of the table use beside those of the language.
struct Slices;

impl Functions for Slices {
    fn signature(&self, name: &str) -> Option<Signature> {
        let variadic = Signature { params: &[], variadic: Some(Kind::Text) };
        match name {
            "stringSlice" => Some(variadic),
            "list" => Some(Signature { variadic: Some(Kind::Any), ..variadic }),
            _ => None,
        }
    }

    fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        let type_name = if name == "list" { "[]interface {}" } else { "[]string" };
        Ok(Value::list(type_name, arguments.to_vec()))
    }
}

fn run_with(text: &str, data: &Value, options: Options) -> Result<String, Error> {
    let mut set = Set::new();
    set.parse("", text, &|name| Slices.signature(name).is_some())?;
    set.execute("", data, &mut Slices, options)
}

fn run(text: &str) -> Result<String, Error> {
    run_with(text, &Value::Nil, Options::default())
}

/// What Go 1.19 prints.
const PRINTS: &[(&str, &str)] = &[
    (
        r#"{{ printf "%5d|%-5d|%05d|%+d|% d|%x|%X|%o|%O|%b|%c|%q|%U|%#x|%#o|%.3d" 42 42 42 42 42 255 255 8 8 5 65 65 65 255 8 7 }}"#,
        "   42|42   |00042|+42| 42|ff|FF|10|0o10|101|A|'A'|U+0041|0xff|010|007",
    ),
    (
        r#"{{ printf "%8.3f|%-8.2f|%08.2f|%+.1f|%e|%E|%g|%G|%.3g|%x|%b" 3.14159 2.5 -2.5 1.25 123456.789 0.00012 1e100 1e-7 1234.5678 1.5 1.0 }}"#,
        "   3.142|2.50    |-0002.50|+1.2|1.234568e+05|1.200000E-04|1e+100|1E-07|1.23e+03|0x1.8p+00|4503599627370496p-52",
    ),
    (
        r#"{{ printf "%.0f %.0f %.0f %.0f %.1f %.2f" 0.5 1.5 2.5 3.5 0.25 1.005 }}"#,
        "0 2 2 4 0.2 1.00",
    ),
    (
        r#"{{ printf "%.4g %.4g %.4g %.4g %.10g" 100000.0 1000.0 12345.0 0.00001234 1e6 }}"#,
        "1e+05 1000 1.234e+04 1.234e-05 1000000",
    ),
    (
        r#"{{ printf "%v %v %v %v %v" 1e5 1e6 123456.0 1234567.0 0.0001 }}"#,
        "100000 1e+06 123456 1.234567e+06 0.0001",
    ),
    (r#"{{ printf "%v %v %v" 0.00001 1e-10 -0.0 }}"#, "1e-05 1e-10 -0"),
    (r#"{{ printf "%s %v %d" "x" true false }}"#, "x true %!d(bool=false)"),
    (r#"{{ printf "%t %t" true 1 }}"#, "true %!t(int=1)"),
    (
        r#"{{ printf "%6s|%-6s|%.2s|%06s|%q|%x|%X|% x|%#x" "ab" "ab" "abcdef" "ab" "a\n\"é" "hi" "hi" "hi" "hi" }}"#,
        r#"    ab|ab    |ab|0000ab|"a\n\"é"|6869|6869|68 69|0x6869"#,
    ),
    (r#"{{ printf "%#q %#q %+q" "a" "a`" "é" }}"#, r#"`a` "a`" "\u00e9""#),
    (r#"{{ printf "%#v %#v %#v %#v" "a" 1 1.5 true }}"#, r#""a" 1 1.5 true"#),
    (r#"{{ printf "%T %T %T %T %T" 1 1.5 "a" true 'a' }}"#, "int float64 string bool int"),
    (r#"{{ printf "%[3]v %[1]v %v" 1 2 3 }}"#, "3 1 2"),
    (r#"{{ printf "%[5]d" 1 }}"#, "%!d(BADINDEX)"),
    (r#"{{ printf "%[x]d" 1 }}"#, "%!d(BADINDEX)"),
    (r#"{{ printf "%*d|%-*d|%.*f" 5 1 5 2 2 3.14159 }}"#, "    1|2    |3.14"),
    (r#"{{ printf "%*d" "a" 1 }}"#, "%!(BADWIDTH)1"),
    (r#"{{ printf "%%|%" }}"#, "%|%!(NOVERB)"),
    (r#"{{ printf "%3%|%c" 128512 }}"#, "%|😀"),
    (r#"{{ printf "%d" "a" }}"#, "%!d(string=a)"),
    (r#"{{ printf "%s" 1.5 }}"#, "%!s(float64=1.5)"),
    (r#"{{ printf "%d %s" nil nil }}"#, "%!d(<nil>) %!s(<nil>)"),
    (r#"{{ printf "%v" 1i }}"#, "(0+1i)"),
    (r#"{{ print 1.0 2.5 "x" 3 }}"#, "1 2.5x3"),
    ("{{ print nil }}", "<nil>"),
    (r#"{{ print "a" nil 1 }}"#, "a<nil> 1"),
    (r#"{{ println "a" "b" 1 }}"#, "a b 1\n"),
    (
        r#"{{ 1.0 }} {{ 100000.0 }} {{ 1000000.0 }} {{ 1e21 }} {{ 0x1p4 }} {{ 0x10 }} {{ 017 }} {{ 0b101 }} {{ 1_000 }} {{ 'a' }} {{ '\n' }} {{ '\x41' }} {{ '\u00e9' }}"#,
        "1 100000 1e+06 1e+21 16 16 15 5 1000 97 10 65 233",
    ),
    (r#"{{ 1e3 | printf "%T" }}"#, "float64"),
    (r#"{{ "a\tb\x41\u00e9\101" }} {{ `raw\n` }}"#, "a\tbAéA raw\\n"),
    ("{{ true }}{{ false }}", "truefalse"),
    ("{{ if 0 }}a{{ else if 1 }}b{{ else }}c{{ end }}", "b"),
    (
        r#"{{ if and 1 "" }}a{{ else }}b{{ end }} {{ and 1 2 3 }} {{ or 0 "" 3 }} {{ not "" }}"#,
        "b 3 3 true",
    ),
    (r#"{{ with $x := "abc" }}{{ $x }}{{ len . }}{{ end }}"#, "abc3"),
    ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $x := 3 }}{{ $x }}{{ end }}{{ $x }}", "32"),
    (
        r#"{{ range $i, $c := stringSlice "a" "b" "c" }}{{ if eq $c "b" }}{{ continue }}{{ end }}{{ $i }}{{ $c }}{{ end }}"#,
        "0a2c",
    ),
    (
        r#"{{ range stringSlice "a" "b" "c" }}{{ if eq . "b" }}{{ break }}{{ end }}{{ . }}{{ end }}"#,
        "a",
    ),
    ("{{ range stringSlice }}x{{ else }}none{{ end }}", "none"),
    (r#"{{ range $x := stringSlice "a" "b" }}{{ $x }},{{ end }}"#, "a,b,"),
    (r#"{{ index (stringSlice "a" "b") 1 }}"#, "b"),
    (
        r#"{{ index "abc" 1 }} {{ slice "abcdef" 2 }} {{ slice (stringSlice "a" "b" "c") 1 2 }}"#,
        "98 cdef [b]",
    ),
    (r#"{{ len "héllo" }} {{ len (stringSlice "a" "b") }}"#, "6 2"),
    (
        r#"{{ eq 1 1 }} {{ eq 1 2 1 }} {{ ne 1 2 }} {{ lt 1 2 }} {{ le 2 2 }} {{ gt 1.5 1.0 }} {{ ge "b" "a" }}"#,
        "true true true true true true true",
    ),
    ("{{ eq true true }} {{ eq nil nil }} {{ eq 1 nil }}", "true true false"),
    (
        r#"{{ html "<a href='x'>&\"" }} {{ js "it's <b> & \"q\"\n=" }} {{ urlquery "a b/c?d=e&f~" }}"#,
        r#"&lt;a href=&#39;x&#39;&gt;&amp;&#34; it\'s \u003Cb\u003E \u0026 \"q\"\u000A\u003D a+b%2Fc%3Fd%3De%26f~"#,
    ),
    (r#"{{ html 1 "a" 2 }} {{ "<" | html }}"#, "1a2 &lt;"),
    (r#"{{ template "t" 3 }}{{ define "t" }}[{{ . }}]{{ end }}"#, "[3]"),
    (r#"{{ template "t" }}{{ define "t" }}[{{ . }}]{{ end }}"#, "[<no value>]"),
    (r#"{{ block "b" "x" }}<{{ . }}>{{ end }}"#, "<x>"),
    (r#"  {{- " x " -}}  y  {{- /* c */ -}}  z"#, " x yz"),
    ("a {{- 1 }} b {{ 2 -}} c", "a1 b 2c"),
    (r#"{{ (print "a" "b") | len }}"#, "2"),
    (r#"{{ (stringSlice "a" "b") | len | printf "%03d" }}"#, "002"),
    (r#"{{ "x" | printf "%s-%s" "y" }}"#, "y-x"),
    (r#"{{ printf "%d" }}"#, "%!d(MISSING)"),
    ("{{ print | }}", ""),
    ("{{ 9223372036854775807 }}", "9223372036854775807"),
    ("{{ -9223372036854775808 }}", "-9223372036854775808"),
    ("{{- /* a */ -}}ok", "ok"),
];

/// What Go 1.19 says is wrong.
const FAILS: &[(&str, &str)] = &[
    (
        r#"{{ range $i, $x := stringSlice "a" "b" }}{{ $i }}{{ $x }},{{ end }}{{ $i }}"#,
        r#"template: :1: undefined variable "$i""#,
    ),
    (
        r#"{{ index (stringSlice "a" "b") 2 }}"#,
        r#"template: :1:3: executing "" at <index (stringSlice "a" "b") 2>: error calling index: reflect: slice index out of range"#,
    ),
    (
        r#"{{ slice "abc" 2 1 }}"#,
        r#"template: :1:3: executing "" at <slice "abc" 2 1>: error calling slice: invalid slice index: 2 > 1"#,
    ),
    (
        r#"{{ slice "abc" 0 1 2 }}"#,
        r#"template: :1:3: executing "" at <slice "abc" 0 1 2>: error calling slice: cannot 3-index slice a string"#,
    ),
    (
        "{{ slice 3 1 }}",
        r#"template: :1:3: executing "" at <slice 3 1>: error calling slice: can't slice item of type int"#,
    ),
    (
        "{{ index 3 1 }}",
        r#"template: :1:3: executing "" at <index 3 1>: error calling index: can't index item of type int"#,
    ),
    (
        "{{ index nil 1 }}",
        r#"template: :1:3: executing "" at <index nil 1>: error calling index: index of untyped nil"#,
    ),
    (
        r#"{{ index "abc" "a" }}"#,
        r#"template: :1:3: executing "" at <index "abc" "a">: error calling index: cannot index slice/array with type string"#,
    ),
    (
        "{{ eq 1.0 1 }}",
        r#"template: :1:3: executing "" at <eq 1.0 1>: error calling eq: incompatible types for comparison"#,
    ),
    (
        r#"{{ eq "a" 1 }}"#,
        r#"template: :1:3: executing "" at <eq "a" 1>: error calling eq: incompatible types for comparison"#,
    ),
    (
        r#"{{ lt "a" 1 }}"#,
        r#"template: :1:3: executing "" at <lt "a" 1>: error calling lt: incompatible types for comparison"#,
    ),
    (
        "{{ lt true false }}",
        r#"template: :1:3: executing "" at <lt true false>: error calling lt: invalid type for comparison"#,
    ),
    (
        r#"{{ eq (stringSlice "a") (stringSlice "a") }}"#,
        r#"template: :1:3: executing "" at <eq (stringSlice "a") (stringSlice "a")>: error calling eq: non-comparable type [a]: []string"#,
    ),
    (
        r#"{{ define "a" }}1{{ end }}{{ define "a" }}2{{ end }}"#,
        r#"template: :1: template: multiple definition of template "a""#,
    ),
    (
        r#"{{ (print "x").Foo }}"#,
        r#"template: :1:10: executing "" at <"x">: can't evaluate field Foo in type string"#,
    ),
    (
        "{{ print.Foo }}",
        r#"template: :1:3: executing "" at <print>: can't evaluate field Foo in type string"#,
    ),
    (r#"{{ "a".Foo }}"#, r#"template: :1: unexpected . after term "\"a\"""#),
    ("{{ nil.Foo }}", r#"template: :1: unexpected . after term "nil""#),
    (
        "{{ call nil }}",
        r#"template: :1:3: executing "" at <call nil>: error calling call: call of nil"#,
    ),
    (
        r#"{{ call "a" }}"#,
        r#"template: :1:3: executing "" at <call "a">: error calling call: non-function of type string"#,
    ),
    ("{{ 1 2 }}", r#"template: :1:3: executing "" at <1>: can't give argument to non-function 1"#),
    (
        r#"{{ "a" "b" }}"#,
        r#"template: :1:3: executing "" at <"a">: can't give argument to non-function "a""#,
    ),
    (
        "{{ (print 1) 2 }}",
        r#"template: :1:3: executing "" at <(print 1) 2>: can't give argument to non-function print 1"#,
    ),
    (
        "{{ $x := 1 }}{{ $x 2 }}",
        r#"template: :1:16: executing "" at <$x>: can't give argument to non-function $x"#,
    ),
    ("{{ 3 | 4 }}", "template: :1: non executable command in pipeline stage 2"),
    ("{{ | print }}", r#"template: :1: unexpected "|" in command"#),
    ("{{ () }}", "template: :1: missing value for parenthesized pipeline"),
    ("{{ if }}x{{ end }}", "template: :1: missing value for if"),
    ("{{ range }}x{{ end }}", "template: :1: missing value for range"),
    ("{{ with }}x{{ end }}", "template: :1: missing value for with"),
    ("{{ end }}", "template: :1: unexpected {{end}}"),
    ("{{ else }}", "template: :1: unexpected {{else}}"),
    ("{{ if 1 }}x", "template: :1: unexpected EOF"),
    ("{{ if 1 }}x{{ else }}y{{ else }}z{{ end }}", "template: :1: expected end; found {{else}}"),
    ("{{ define }}x{{ end }}", r#"template: :1: unexpected "}}" in define clause"#),
    (r#"{{ define "x" }}"#, "template: :1: unexpected EOF"),
    (
        r#"{{ if 1 }}{{ define "x" }}y{{ end }}{{ end }}"#,
        "template: :1: unexpected <define> in command",
    ),
    ("{{ template x }}", r#"template: :1: unexpected "x" in template clause"#),
    (
        r#"{{ template "nope" }}"#,
        r#"template: :1:12: executing "" at <{{template "nope"}}>: template "nope" not defined"#,
    ),
    ("{{ break }}", "template: :1: {{break}} outside {{range}}"),
    (r#"{{ "unterminated }}"#, "template: :1: unterminated quoted string"),
    ("{{ `unterminated }}", "template: :1: unterminated raw quoted string"),
    ("{{ 'a }}", "template: :1: unterminated character constant"),
    ("{{ 'ab' }}", "template: :1: malformed character constant: 'ab'"),
    (r#"{{ "a\zb" }}"#, "template: :1: invalid syntax"),
    ("{{ 1a }}", r#"template: :1: bad number syntax: "1a""#),
    ("{{ 08 }}", r#"template: :1: integer overflow: "08""#),
    ("{{ 0x }}", r#"template: :1: illegal number syntax: "0x""#),
    ("{{ 1__0 }}", r#"template: :1: illegal number syntax: "1__0""#),
    (
        "{{ 9223372036854775808 }}",
        r#"template: :1:3: executing "" at <9223372036854775808>: 9223372036854775808 overflows int"#,
    ),
    ("{{ 18446744073709551616 }}", r#"template: :1: integer overflow: "18446744073709551616""#),
    ("{{ 1e400 }}", r#"template: :1: illegal number syntax: "1e400""#),
    ("{{ . }", r#"template: :1: unexpected "}" in operand"#),
    ("{{ .A", "template: :1: unclosed action"),
    ("{{ (1 }}", "template: :1: unclosed left paren"),
    ("{{ @ }}", r#"template: :1: unexpected "@" in command"#),
    ("{{ € }}", "template: :1: unrecognized character in action: U+20AC '€'"),
    ("{{ a.b }}", r#"template: :1: function "a" not defined"#),
    ("{{ nofunc 1 }}", r#"template: :1: function "nofunc" not defined"#),
    ("{{ $ }}{{ $nope }}", r#"template: :1: undefined variable "$nope""#),
    ("{{ $x, $y := 1 }}", "template: :1: too many declarations in command"),
    ("{{ range $x, $y, $z := . }}{{ end }}", "template: :1: too many declarations in range"),
    ("{{ range $x, 1 }}{{ end }}", "template: :1: range can only initialize variables"),
    ("{{ $x := }}", "template: :1: missing value for command"),
    ("{{ := 1 }}", r#"template: :1: unexpected ":=" in command"#),
    ("{{/* unclosed", "template: :1: unclosed comment"),
    ("{{/* a */ }}", "template: :1: comment ends before closing delimiter"),
    (
        r#"{{ range "abc" }}x{{ end }}"#,
        r#"template: :1:9: executing "" at <"abc">: range can't iterate over abc"#,
    ),
    (
        "{{ range 1.5 }}x{{ end }}",
        r#"template: :1:9: executing "" at <1.5>: range can't iterate over 1.5"#,
    ),
    ("{{ range nil }}x{{ end }}", r#"template: :1:9: executing "" at <nil>: nil is not a command"#),
    (
        "{{ len 1 }}",
        r#"template: :1:3: executing "" at <len 1>: error calling len: len of type int"#,
    ),
    (
        "{{ len nil }}",
        r#"template: :1:3: executing "" at <len nil>: error calling len: reflect: call of reflect.Value.Type on zero Value"#,
    ),
    (
        "{{ not }}",
        r#"template: :1:3: executing "" at <not>: wrong number of args for not: want 1 got 0"#,
    ),
    (
        "{{ and }}",
        r#"template: :1:3: executing "" at <and>: wrong number of args for and: want at least 1 got 0"#,
    ),
    (
        "{{ eq 1 }}",
        r#"template: :1:3: executing "" at <eq 1>: error calling eq: missing argument for comparison"#,
    ),
    (
        "{{ ne 1 }}",
        r#"template: :1:3: executing "" at <ne>: wrong number of args for ne: want 2 got 1"#,
    ),
    ("{{ printf 1 }}", r#"template: :1:10: executing "" at <1>: expected string; found 1"#),
    (
        "{{ printf }}",
        r#"template: :1:3: executing "" at <printf>: wrong number of args for printf: want at least 1 got 0"#,
    ),
];

#[test]
fn templates_print_what_go_prints() {
    let wrong: Vec<_> =
        PRINTS.iter().filter(|(text, want)| run(text).as_deref() != Ok(want)).collect();
    for (text, want) in &wrong {
        eprintln!("{text}\n  want {want:?}\n   got {:?}", run(text));
    }
    assert!(wrong.is_empty(), "{} of {} differ", wrong.len(), PRINTS.len());
}

#[test]
fn mistakes_are_told_in_the_words_of_go() {
    let message =
        |text: &str| run(text).map_or_else(|e| e.message, |text| format!("printed {text}"));
    let wrong: Vec<_> = FAILS.iter().filter(|(text, want)| message(text) != *want).collect();
    for (text, want) in &wrong {
        eprintln!("{text}\n  want {want}\n   got {}", message(text));
    }
    assert!(wrong.is_empty(), "{} of {} differ", wrong.len(), FAILS.len());
}

#[test]
fn newer_releases_of_go_allow_more() {
    let cases = [
        ("{{ range 3 }}{{ . }},{{ end }}", "0,1,2,"),
        ("{{ range $i := 2 }}{{ $i }},{{ end }}", "0,1,"),
        ("{{ range 0 }}x{{ else }}none{{ end }}", "none"),
        ("{{ with 0 }}a{{ else with 2 }}{{ . }}{{ else }}c{{ end }}", "2"),
        ("{{ $i := 0 }}{{ range $i = 3 }}{{ end }}{{ $i }}", "2"),
    ];
    for (text, want) in cases {
        assert_eq!(run(text).as_deref(), Ok(want), "{text}");
    }
}

fn labels() -> Value {
    Value::Map(Map::of_texts([("job", "api"), ("zone", "a")]))
}

#[test]
fn missing_keys_are_nothing_or_empty_or_errors() {
    let text = "{{ .job }}|{{ .nope }}|{{ . }}";
    let with =
        |missing_key| run_with(text, &labels(), Options { missing_key, ..Options::default() });
    assert_eq!(with(MissingKey::Default).as_deref(), Ok("api|<no value>|map[job:api zone:a]"));
    assert_eq!(with(MissingKey::Zero).as_deref(), Ok("api||map[job:api zone:a]"));
    let error = with(MissingKey::Error).expect_err("the key is missing").message;
    let want = "template: :1:14: executing \"\" at <.nope>: map has no entry for key \"nope\"";
    assert_eq!(error, want);
}

#[test]
fn errors_have_line_and_column() {
    let error = run("a\nbc {{ eq 1.0 1 }}").expect_err("the types differ");
    assert_eq!((error.line, error.column, error.limit), (2, 7, false));
    assert!(error.message.starts_with("template: :2:6: executing"), "{error}");
    let error = run("a\n\n{{ nope }}").expect_err("there is no such function");
    assert_eq!((error.line, error.column), (3, 4));
}

#[test]
fn maps_and_variables_keep_to_their_scopes() {
    let text = "{{ range $k, $v := . }}{{ $k }}={{ $v }};{{ end }}{{ $.job }}";
    assert_eq!(run_with(text, &labels(), Options::default()).as_deref(), Ok("job=api;zone=a;api"));
    let nested = BTreeMap::from([("inner".into(), labels())]);
    let data = Value::Map(Map::new("map[string]interface {}", nested));
    let text = "{{ .inner.job }}{{ with .inner }}{{ .zone }}{{ $.inner.job }}{{ end }}";
    assert_eq!(run_with(text, &data, Options::default()).as_deref(), Ok("apiaapi"));
}

#[test]
fn bombs_end_with_an_error_soon() {
    let doubles = "{{ $x := \"aaaaaaaa\" }}{{ range 64 }}{{ $x = print $x $x }}{{ end }}";
    let nests = "{{ $x := list }}{{ range 99999 }}{{ $x = list $x $x }}{{ end }}{{ $x }}";
    let dag = "{{ $x := list 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ $x }}";
    let grows = "{{ $x := list }}{{ range 99999 }}{{ $x = list $x 1 2 3 }}{{ end }}";
    let cases = [
        "{{ range 9223372036854775807 }}{{ end }}",
        "{{ range 9223372036854775807 }}x{{ end }}",
        "{{ range 99999999 }}{{ range 99999999 }}{{ end }}{{ end }}",
        "{{ template \"a\" }}{{ define \"a\" }}{{ template \"a\" }}{{ template \"a\" }}{{ end }}",
        "{{ define \"a\" }}{{ range 9 }}{{ template \"b\" }}{{ end }}{{ end }}{{ define \"b\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}",
        doubles,
        nests,
        dag,
        grows,
        "{{ range 9999 }}{{ printf \"%999999d\" 1 }}{{ end }}",
        "{{ printf \"%999999d%999999d\" 1 2 }}",
    ];
    for text in cases {
        let began = std::time::Instant::now();
        let error = run(text).expect_err(text);
        assert!(began.elapsed().as_secs() < 5, "{text} took {:?}", began.elapsed());
        let words = ["steps", "bytes", "depth", "deeper"];
        assert!(words.iter().any(|word| error.message.contains(word)), "{text}: {error}");
    }
    let deep = format!("{}{}", "{{ if 1 }}".repeat(5_000), "{{ end }}".repeat(5_000));
    assert!(run(&deep).expect_err("too deep").limit);
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(run(&deep).expect_err("too deep").limit);
}

#[test]
fn the_deepest_template_fits_a_small_stack() {
    let body = "{{ if 1 }}".repeat(45) + "{{ template \"a\" }}" + &"{{ end }}".repeat(45);
    let text = format!("{{{{ define \"a\" }}}}{body}{{{{ end }}}}{{{{ template \"a\" }}}}");
    let parens = format!("{{{{ {}1{} }}}}", "(".repeat(99), ")".repeat(99));
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
        let limit = run(&text).is_err_and(|e| e.limit);
        (limit, run(&parens).map_err(|e| e.message))
    });
    let (limit, parens) = thread.expect("a thread").join().expect("no overflow");
    assert!(limit);
    assert_eq!(parens.as_deref(), Ok("1"));
}

#[test]
fn lists_know_how_deep_they_are() {
    let deep =
        (0..10).fold(Value::Nil, |value, _| Value::List(List::new("[]interface {}", vec![value])));
    assert_eq!(deep.depth(), 10);
}
