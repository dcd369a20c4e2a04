//! Conditions as text, in both syntaxes that `alertmanager.yml` and its API take.
//!
//! The newer one, in which names and values may be any UTF-8 and strings are quoted as in Go, is
//! tried first. What it cannot read, the classic one may; that, and text which the two read
//! differently, is told as a warning, and the classic reading counts.

use tarn_model::labels::is_legacy_label_name;
use tarn_model::matcher::{MatchOp, Matcher};

/// What a text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// All of these must hold.
    pub matchers: Vec<Matcher>,
    /// Why the text should be written differently.
    pub warning: Option<String>,
}

/// Reads matchers with commas between, with or without braces around.
///
/// # Errors
/// The mistake, for people.
pub fn parse(text: &str) -> Result<Parsed, String> {
    let classic = classic(text);
    match (utf8(text), classic) {
        (Ok(matchers), Ok(classic)) if matchers != classic => Ok(Parsed {
            matchers: classic,
            warning: Some(format!(
                "matchers {text:?} mean something else to newer versions; double quotes around the \
                 value, and backslashes doubled, make them mean the same to all"
            )),
        }),
        (Ok(matchers), _) => Ok(Parsed { matchers, warning: None }),
        (Err(mistake), Ok(matchers)) => {
            let better: Vec<String> = matchers.iter().map(ToString::to_string).collect();
            let better = better.join(",");
            let warning = format!(
                "matchers {text:?} can be read in the classic syntax only ({mistake}); write \
                 {better}"
            );
            Ok(Parsed { matchers, warning: Some(warning) })
        }
        (Err(mistake), Err(_)) => Err(mistake),
    }
}

/// Reads the newer syntax.
fn utf8(text: &str) -> Result<Vec<Matcher>, String> {
    let mut cursor = Cursor { rest: text.trim() };
    let open = cursor.take("{");
    let mut matchers = Vec::new();
    loop {
        cursor.skip_space();
        if cursor.rest.is_empty() || cursor.rest.starts_with('}') {
            break;
        }
        matchers.push(cursor.matcher()?);
        cursor.skip_space();
        if !cursor.take(",") {
            break;
        }
    }
    cursor.skip_space();
    match (open, cursor.take("}")) {
        (true, false) => Err(format!("{text:?}: expected close brace")),
        (false, true) => Err(format!("{text:?}: close brace without an open one")),
        _ if !cursor.rest.trim().is_empty() => {
            Err(format!("{text:?}: unexpected {:?}", cursor.rest))
        }
        (false, false) if matchers.is_empty() => Err(format!("{text:?}: no matcher")),
        _ => Ok(matchers),
    }
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn matcher(&mut self) -> Result<Matcher, String> {
        let name = self.word("a label name")?;
        self.skip_space();
        let op = self.operator()?;
        self.skip_space();
        let value = self.word("a label value")?;
        if name.is_empty() {
            return Err("the name of a label is empty".to_owned());
        }
        Matcher::new(&name, op, &value).map_err(|error| error.message())
    }

    fn operator(&mut self) -> Result<MatchOp, String> {
        operator(self.rest)
            .map(|(op, rest)| {
                self.rest = rest;
                op
            })
            .ok_or_else(|| format!("expected one of =, !=, =~, !~ before {:?}", self.rest))
    }

    fn word(&mut self, what: &str) -> Result<String, String> {
        if self.rest.starts_with('"') {
            return self.quoted();
        }
        let reserved = |c: char| c.is_whitespace() || "{}!=~,\\\"'`".contains(c);
        let end = self.rest.find(reserved).unwrap_or(self.rest.len());
        let (word, rest): (&'a str, &'a str) = self.rest.split_at(end);
        if word.is_empty() {
            return Err(match rest.chars().next() {
                None => format!("end of input: expected {what}"),
                Some(c) => format!("unexpected {c:?}: expected {what}"),
            });
        }
        self.rest = rest;
        Ok(word.to_owned())
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut escaped = false;
        let inside = self.rest.char_indices().skip(1);
        let mut end = None;
        for (at, c) in inside {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        let end = end.ok_or_else(|| format!("{}: missing end \"", self.rest))?;
        let (quoted, rest) = self.rest.split_at(end + 1);
        let inner = quoted.get(1..end).unwrap_or_default();
        self.rest = rest;
        unquote(inner).ok_or_else(|| format!("{quoted}: invalid quoted string"))
    }
}

fn operator(text: &str) -> Option<(MatchOp, &str)> {
    let all = [
        ("=~", MatchOp::Regex),
        ("!~", MatchOp::NotRegex),
        ("!=", MatchOp::NotEqual),
        ("=", MatchOp::Equal),
    ];
    all.iter().find_map(|(token, op)| text.strip_prefix(token).map(|rest| (*op, rest)))
}

/// Undoes the escapes of a Go string.
fn unquote(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\n' {
            return None;
        }
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let escape = chars.next()?;
        let mut digits = |count: usize, radix: u32| {
            let digits: String = chars.by_ref().take(count).collect();
            (digits.len() == count).then(|| u32::from_str_radix(&digits, radix).ok()).flatten()
        };
        let byte = match escape {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' | '"' => escape as u8,
            'x' => u8::try_from(digits(2, 16)?).ok()?,
            '0'..='7' => {
                let rest = digits(2, 8)?;
                u8::try_from(escape.to_digit(8)? * 64 + rest).ok()?
            }
            'u' | 'U' => {
                let c = char::from_u32(digits(if escape == 'u' { 4 } else { 8 }, 16)?)?;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return None,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

/// Reads the classic syntax.
fn classic(text: &str) -> Result<Vec<Matcher>, String> {
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    let (mut quoted, mut escaped) = (false, false);
    let mut parts = vec![String::new()];
    for c in text.chars() {
        if c == ',' && !quoted {
            parts.push(String::new());
            continue;
        }
        parts.last_mut().unwrap_or(&mut String::new()).push(c);
        match c {
            _ if escaped => escaped = false,
            '"' => quoted = !quoted,
            '\\' => escaped = true,
            _ => {}
        }
    }
    if parts.last().is_some_and(|last| last.trim().is_empty()) {
        parts.pop();
    }
    parts.iter().map(|part| classic_one(part)).collect()
}

fn classic_one(text: &str) -> Result<Matcher, String> {
    let bad = || format!("bad matcher format: {text}");
    let trimmed = text.trim();
    let end = trimmed.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let (name, rest) = trimmed.split_at(end.ok_or_else(bad)?);
    if !is_legacy_label_name(name) {
        return Err(bad());
    }
    let (op, value) = operator(rest.trim_start()).ok_or_else(bad)?;
    let value = classic_value(value.trim())?;
    Matcher::new(name, op, &value).map_err(|error| error.message())
}

fn classic_value(text: &str) -> Result<String, String> {
    let stray = || format!("matcher value contains unescaped double quote: {text}");
    let (inner, mut closing) = match text.strip_prefix('"') {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('\\', Some('n')) => {
                value.push('\n');
                chars.next();
            }
            ('\\', Some(next @ ('"' | '\\'))) => {
                value.push(next);
                chars.next();
            }
            ('"', None) if closing => closing = false,
            ('"', _) => return Err(stray()),
            (c, _) => value.push(c),
        }
    }
    if closing { Err(stray()) } else { Ok(value) }
}

#[cfg(test)]
mod tests;
