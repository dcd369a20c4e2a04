//! Selectors as people write them outside PromQL: in settings, in requests to erase, in the catalog.
//!
//! `up{job="api",path=~"/a.*"}`, or the list between the braces alone. Values stand in double,
//! single or back quotes, as in PromQL; names may also be quoted, and need not be where they consist
//! of letters, digits and `_ : . / -`. What [`Matcher`] prints is read back as the same matcher.

use super::{MatchOp, Matcher};
use crate::error::{Error, Result};
use crate::labels::METRIC_NAME;

/// Reads a selector; all its matchers must match.
///
/// # Errors
/// `Invalid` with what is wrong and where, in characters from 1.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>> {
    let mut reader = Reader { text, at: 0 };
    let matchers = reader.selector()?;
    reader.skip_spaces();
    if reader.at < text.len() {
        return Err(reader.wrong("unexpected text behind the selector"));
    }
    Ok(matchers)
}

struct Reader<'a> {
    text: &'a str,
    /// Always at the border of a character.
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, wanted: &str) -> bool {
        self.skip_spaces();
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    fn wrong(&self, what: &str) -> Error {
        let at = self.text.get(..self.at).unwrap_or_default().chars().count() + 1;
        Error::invalid(format!("selector {:?}, character {at}: {what}", self.text))
    }

    fn selector(&mut self) -> Result<Vec<Matcher>> {
        if self.take("{") {
            return self.list(Vec::new(), true);
        }
        self.skip_spaces();
        let before = self.at;
        let name = self.name()?;
        if self.operator().is_some() {
            // A list without braces.
            self.at = before;
            return self.list(Vec::new(), false);
        }
        let metric = vec![Matcher::equal(METRIC_NAME, &name)];
        if self.take("{") { self.list(metric, true) } else { Ok(metric) }
    }

    /// Reads matchers up to the closing brace, or to the end.
    fn list(&mut self, mut matchers: Vec<Matcher>, braces: bool) -> Result<Vec<Matcher>> {
        loop {
            self.skip_spaces();
            if braces && self.take("}") || !braces && self.rest().is_empty() {
                return Ok(matchers);
            }
            let quoted = matches!(self.peek(), Some('"' | '\'' | '`'));
            let name = self.name()?;
            match self.operator() {
                Some(op) => {
                    self.skip_spaces();
                    let value = self.quoted()?;
                    matchers.push(Matcher::new(&name, op, &value)?);
                }
                None if quoted => matchers.push(Matcher::equal(METRIC_NAME, &name)),
                None => return Err(self.wrong("one of = != =~ !~ is missing")),
            }
            self.skip_spaces();
            let ends = if braces { self.peek() == Some('}') } else { self.rest().is_empty() };
            if !ends && !self.take(",") {
                return Err(self.wrong("a comma or the end is missing"));
            }
        }
    }

    fn operator(&mut self) -> Option<MatchOp> {
        // The longer ones first: `=` begins `=~`, too.
        let operators = [
            ("=~", MatchOp::Regex),
            ("!~", MatchOp::NotRegex),
            ("!=", MatchOp::NotEqual),
            ("=", MatchOp::Equal),
        ];
        operators.into_iter().find(|(text, _)| self.take(text)).map(|(_, op)| op)
    }

    fn name(&mut self) -> Result<String> {
        if matches!(self.peek(), Some('"' | '\'' | '`')) {
            return self.quoted();
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "_:./-".contains(c);
        let rest = self.rest();
        let end = rest.find(|c| !plain(c)).unwrap_or(rest.len());
        let (name, _) = rest.split_at(end);
        if name.is_empty() {
            return Err(self.wrong("a name is missing"));
        }
        self.at += end;
        Ok(name.to_owned())
    }

    fn quoted(&mut self) -> Result<String> {
        let Some(quote @ ('"' | '\'' | '`')) = self.peek() else {
            return Err(self.wrong("a value in quotes is missing"));
        };
        let open = self.at;
        self.at += 1;
        let mut value = String::new();
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            match c {
                c if c == quote => return Ok(value),
                '\\' if quote != '`' => value.push(self.escaped()?),
                c => value.push(c),
            }
        }
        self.at = open;
        Err(self.wrong("the quote is not closed"))
    }

    /// Reads what stands behind a backslash.
    fn escaped(&mut self) -> Result<char> {
        let c = self.peek().ok_or_else(|| self.wrong("nothing is behind the backslash"))?;
        self.at += c.len_utf8();
        let digits = match c {
            '"' | '\'' | '\\' => return Ok(c),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'a' => return Ok('\u{7}'),
            'b' => return Ok('\u{8}'),
            'v' => return Ok('\u{b}'),
            'f' => return Ok('\u{c}'),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => return Err(self.wrong("unknown escape")),
        };
        let hex = self.rest().get(..digits).ok_or_else(|| self.wrong("digits are missing"))?;
        let number = u32::from_str_radix(hex, 16).map_err(|_| self.wrong("digits are missing"))?;
        // Two digits are a byte, and bytes beyond ASCII are no characters.
        let known = char::from_u32(number).filter(|c| digits > 2 || c.is_ascii());
        let known = known.ok_or_else(|| self.wrong("this is no character"))?;
        self.at += digits;
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read() {
        for (text, expected) in [
            ("{}", ""),
            ("up", r#"__name__="up""#),
            (r#"up{job="api"}"#, r#"__name__="up" job="api""#),
            (r#" { job = "api" , a!~'x|y', } "#, r#"job="api" a!~"x|y""#),
            (r#"service.name="a b",x!=`\d`"#, r#""service.name"="a b" x!="\\d""#),
            (r#"{"http.requests","a b"=~".+"}"#, r#"__name__="http.requests" "a b"=~".+""#),
            (r#"{a="\"\\\n\x07é"}"#, r#"a="\"\\\n\aé""#),
        ] {
            let read = parse_selector(text).unwrap();
            let printed: Vec<String> = read.iter().map(Matcher::to_string).collect();
            assert_eq!(printed.join(" "), expected, "{text}");
            let again = parse_selector(&format!("{{{}}}", printed.join(","))).unwrap();
            assert_eq!(again, read, "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_told_with_its_place() {
        for (text, place, what) in [
            ("{", 2, "a name is missing"),
            ("{a}", 3, "one of = != =~ !~ is missing"),
            ("{a=b}", 4, "a value in quotes is missing"),
            (r#"{a="b}"#, 4, "the quote is not closed"),
            (r#"{a="b" c="d"}"#, 8, "a comma or the end is missing"),
            (r#"{a="b"} x"#, 9, "unexpected text behind the selector"),
            (r#"{a="\q"}"#, 7, "unknown escape"),
            (r#"{a="\xff"}"#, 7, "this is no character"),
            (r#"{a="\xé"}"#, 7, "digits are missing"),
            ("", 1, "a name is missing"),
        ] {
            let error = parse_selector(text).unwrap_err().message();
            assert!(error.ends_with(&format!("character {place}: {what}")), "{text}: {error}");
        }
        assert!(parse_selector(r#"{a=~"("}"#).is_err());
    }
}
