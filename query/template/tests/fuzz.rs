//! Random templates: what the fuzzer runs, over texts that look like templates.

use proptest::prelude::*;

/// Pieces from which templates are put together: most of them fit somewhere.
const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    " ",
    "\n",
    "if",
    "else",
    "else if",
    "end",
    "range",
    "with",
    "define",
    "template",
    "block",
    "break",
    "continue",
    "$",
    "$x",
    ":=",
    "=",
    ",",
    "|",
    "(",
    ")",
    ".",
    ".a",
    ".b.c",
    "\"a\"",
    "`r`",
    "'c'",
    "1",
    "-2.5e3",
    "0x1p-2",
    "3i",
    "nil",
    "true",
    "print",
    "printf",
    "\"%v %d %q %08.3f %x %[2]*d\"",
    "len",
    "index",
    "slice",
    "eq",
    "lt",
    "and",
    "or",
    "not",
    "html",
    "js",
    "urlquery",
    "call",
    "<a href=\"",
    "'",
    "\">",
    "<script>",
    "</script>",
    "<p style=",
    "/*",
    "*/",
    "<!--",
    "-->",
    "url(",
    "//",
    "é",
    "\u{2028}",
    "\0",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn pieces(chosen in proptest::collection::vec(proptest::sample::select(PIECES), 0..40)) {
        tarn_template::fuzz::template(chosen.concat().as_bytes());
    }

    #[test]
    fn actions(chosen in proptest::collection::vec(proptest::sample::select(PIECES), 0..12)) {
        let text = format!("{{{{ range . }}}}{{{{ {} }}}}{{{{ end }}}}", chosen.join(" "));
        tarn_template::fuzz::template(text.as_bytes());
    }

    #[test]
    fn bytes(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        tarn_template::fuzz::template(&bytes);
    }

    /// A value never leaves its place: whatever it says, it adds no tag, quote or script.
    #[test]
    fn values_stay_in_their_place(value in "[a-z<>\"'`&;:/() =\\\\\n]{0,20}") {
        let mut set = tarn_template::Set::new();
        let text = "<a title=\"{{ . }}\" href='{{ . }}' class={{ . }}>{{ . }}</a><script>var x = {{ . }}, y = '{{ . }}';</script>";
        prop_assert!(set.parse("", text, &|_| false).is_ok());
        let options = tarn_template::Options { html: true, ..Default::default() };
        let out = set.execute("", &value.as_str().into(), &mut (), options);
        let out = out.map_err(|e| TestCaseError::fail(e.message))?;
        let count = |what: &str| out.matches(what).count();
        prop_assert_eq!((count("<"), count(">")), (4, 4), "{}", out);
        prop_assert_eq!(count("\""), 4, "{}", out);
        prop_assert_eq!(count("'"), 4, "{}", out);
    }
}
