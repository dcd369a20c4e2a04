//! Go's quoted strings and characters.

/// Returns the text of a string in double quotes or backquotes, with its quotes.
pub(crate) fn string(quoted: &str) -> Option<String> {
    if let Some(raw) = quoted.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        return Some(raw.replace('\r', ""));
    }
    let body = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::with_capacity(body.len());
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match escape(&mut chars, '"')? {
                Escape::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                Escape::Byte(b) => bytes.push(b),
            },
            '\n' | '"' => return None,
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    // Strings of ours are UTF-8; Go would carry the bytes along and print them as they are.
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the code of a character in single quotes.
pub(crate) fn character(quoted: &str) -> Option<u32> {
    let mut chars = quoted.strip_prefix('\'')?.strip_suffix('\'')?.chars();
    let code = match chars.next()? {
        '\\' => match escape(&mut chars, '\'')? {
            Escape::Char(c) => u32::from(c),
            Escape::Byte(b) => u32::from(b),
        },
        '\'' => return None,
        c => u32::from(c),
    };
    chars.next().is_none().then_some(code)
}

enum Escape {
    Char(char),
    Byte(u8),
}

fn escape(chars: &mut std::str::Chars<'_>, quote: char) -> Option<Escape> {
    Some(match chars.next()? {
        'a' => Escape::Char('\u{7}'),
        'b' => Escape::Char('\u{8}'),
        'f' => Escape::Char('\u{c}'),
        'n' => Escape::Char('\n'),
        'r' => Escape::Char('\r'),
        't' => Escape::Char('\t'),
        'v' => Escape::Char('\u{b}'),
        '\\' => Escape::Char('\\'),
        'x' => Escape::Byte(u8::try_from(digits(chars, 2, 16, 0)?).ok()?),
        'u' => Escape::Char(char::from_u32(digits(chars, 4, 16, 0)?)?),
        'U' => Escape::Char(char::from_u32(digits(chars, 8, 16, 0)?)?),
        c @ '0'..='7' => Escape::Byte(u8::try_from(digits(chars, 2, 8, c.to_digit(8)?)?).ok()?),
        c if c == quote => Escape::Char(c),
        _ => return None,
    })
}

fn digits(chars: &mut std::str::Chars<'_>, count: u32, base: u32, first: u32) -> Option<u32> {
    (0..count).try_fold(first, |value, _| {
        value.checked_mul(base)?.checked_add(chars.next()?.to_digit(base)?)
    })
}
