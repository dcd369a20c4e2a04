use super::{Keyword, Lexer, Preprocessor, TokenKind};
use crate::ast::BinaryOp;

fn tokens(text: &str) -> Result<Vec<(TokenKind, &str)>, String> {
    let mut lexer = Lexer::new(text);
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next().map_err(|error| error.to_string())?;
        if token.kind == TokenKind::Eof {
            return Ok(tokens);
        }
        tokens.push((token.kind, token.text));
    }
}

#[test]
fn keywords_count_outside_braces_only() {
    use TokenKind::{Assign, Identifier, LeftBrace, RightBrace, String};
    let by = TokenKind::Keyword(Keyword::By);
    assert_eq!(
        tokens("BY by{by='x'} by:x"),
        Ok(vec![
            (by, "BY"),
            (by, "by"),
            (LeftBrace, "{"),
            (Identifier, "by"),
            (Assign, "="),
            (String, "'x'"),
            (RightBrace, "}"),
            (TokenKind::MetricIdentifier, "by:x"),
        ])
    );
}

#[test]
fn numbers_end_where_they_must() {
    use TokenKind::{Duration, Number};
    for (text, expected) in [
        ("1_000.5e-3", Ok(vec![(Number, "1_000.5e-3")])),
        ("0x_1f", Ok(vec![(Number, "0x_1f")])),
        ("1h30m", Ok(vec![(Duration, "1h30m")])),
        ("5ms", Ok(vec![(Duration, "5ms")])),
        ("NaN iNF", Ok(vec![(Number, "NaN"), (Number, "iNF")])),
        (".5 5.", Ok(vec![(Number, ".5"), (Number, "5.")])),
        ("1__0", Err("1:1: parse error: bad number or duration syntax: \"1__\"")),
        ("7.7.7", Err("1:1: parse error: bad number or duration syntax: \"7.7.\"")),
        ("0x1.8", Err("1:1: parse error: bad number or duration syntax: \"0x1.\"")),
        ("3e5e", Err("1:1: parse error: bad number or duration syntax: \"3e5e\"")),
        ("12q", Err("1:1: parse error: bad number or duration syntax: \"12\"")),
        ("3h2x", Err("1:1: parse error: bad number or duration syntax: \"3h2\"")),
        ("3hx", Err("1:1: parse error: bad number or duration syntax: \"3hx\"")),
    ] {
        assert_eq!(tokens(text), expected.map_err(str::to_owned), "{text}");
    }
}

#[test]
fn brackets_hold_duration_arithmetic() {
    use TokenKind::{Binary, Colon, Duration, LeftBracket, LeftParen, RightBracket, RightParen};
    assert_eq!(
        tokens("[ STEP ( ) + 5m : 1s]"),
        Ok(vec![
            (LeftBracket, "["),
            (TokenKind::Preprocessor(Preprocessor::Step), "STEP"),
            (LeftParen, "("),
            (RightParen, ")"),
            (Binary(BinaryOp::Add), "+"),
            (Duration, "5m"),
            (Colon, ":"),
            (Duration, "1s"),
            (RightBracket, "]"),
        ])
    );
    for (text, error) in [
        ("[", "1:2: parse error: unexpected end of input in duration expression"),
        ("[up]", "1:2: parse error: unexpected character in duration expression: 'u'"),
        ("[start()]", "1:2: parse error: unexpected character in duration expression: 's'"),
        ("[:1m]", "1:3: parse error: unexpected colon before duration in duration expression"),
        ("[step()::1m]", "1:10: parse error: unexpected repeated colon in duration expression"),
        ("[1m:2m:3m]", "1:7: parse error: unexpected colon ':'"),
        ("[1m up", "1:5: parse error: unexpected character: 'u', expected ':'"),
        ("[1m", "1:4: parse error: unclosed left bracket"),
        ("[1m[", "1:4: parse error: unexpected left bracket '['"),
        ("]", "1:1: parse error: unexpected right bracket ']'"),
    ] {
        assert_eq!(tokens(text), Err(error.to_owned()), "{text}");
    }
}

#[test]
fn strings_are_checked_while_reading() {
    for text in
        [r#""\a\x41\101\u00e4\U0001f600\"""#, r"'\'\\'", "`\\ and\nnew lines`", "\"\u{fffd}\""]
    {
        assert_eq!(tokens(text), Ok(vec![(TokenKind::String, text)]));
    }
    for (text, problem) in [
        ("'never closed", "unterminated quoted string"),
        ("'across\nlines'", "unterminated quoted string"),
        ("`never closed", "unterminated raw string"),
        (r"'\q'", "unknown escape sequence U+0071 'q'"),
        (r#"'\"'"#, "unknown escape sequence U+0022 '\"'"),
        (r"'\xg0'", "illegal character U+0067 'g' in escape sequence"),
        (r"'\x4", "escape sequence not terminated"),
        (r"'\400'", "escape sequence is an invalid Unicode code point"),
        (r"'\ud800'", "escape sequence is an invalid Unicode code point"),
        (r"'\U00110000'", "escape sequence is an invalid Unicode code point"),
    ] {
        assert_eq!(tokens(text), Err(format!("1:1: parse error: {problem}")), "{text}");
    }
}

#[test]
fn errors_count_lines_and_columns() {
    for (text, error) in [
        ("up\n  &", "2:3: parse error: unexpected character: '&'"),
        ("# only this &\n\r\n\u{a7}", "3:1: parse error: unexpected character: '§'"),
        ("(\n", "2:1: parse error: unclosed left parenthesis"),
        ("{a", "1:3: parse error: unexpected end of input inside braces"),
        ("{{", "1:2: parse error: unexpected left brace '{'"),
        ("{a!b}", "1:3: parse error: unexpected character after '!' inside braces: 'b'"),
        ("a ! b", "1:3: parse error: unexpected character after '!': ' '"),
        ("a !", "1:3: parse error: unexpected character after '!': '\u{fffd}'"),
    ] {
        assert_eq!(tokens(text), Err(error.to_owned()), "{text}");
    }
}
