//! Go's `fmt`: verbs, flags, width and precision, and what is printed where a verb does not fit.
//!
//! Everything goes through a buffer with a limit: `%999999d` or a value that refers to another one a
//! thousand times must not take memory. What does not fit is an error of the whole call.

use crate::value::{Underlying, Value};

pub mod number;
mod text;

pub use text::quote;

/// What fits into the result of one call.
pub const MAX_BYTES: usize = 1 << 20;
/// Go's limit on widths and precisions.
const MAX_WIDTH: usize = 1_000_000;

/// Returns what `print` prints: spaces stand between operands of which none is a string.
///
/// # Errors
/// The result would be longer than [`MAX_BYTES`].
pub fn print(args: &[Value]) -> Result<String, String> {
    let mut printer = Printer::default();
    let is_text = |value: &Value| matches!(value, Value::Text(_) | Value::Safe(..));
    for (i, arg) in args.iter().enumerate() {
        if i > 0 && !is_text(arg) && !is_text(&args[i - 1]) {
            printer.put(" ");
        }
        printer.arg(arg, 'v');
    }
    printer.finish()
}

/// Returns what `println` prints: a space between all operands, a line feed at the end.
///
/// # Errors
/// The result would be longer than [`MAX_BYTES`].
pub fn println(args: &[Value]) -> Result<String, String> {
    let mut printer = Printer::default();
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            printer.put(" ");
        }
        printer.arg(arg, 'v');
    }
    printer.put("\n");
    printer.finish()
}

/// Returns what `printf` prints.
///
/// # Errors
/// The result would be longer than [`MAX_BYTES`].
pub fn printf(format: &str, args: &[Value]) -> Result<String, String> {
    let mut printer = Printer::default();
    let mut call = Call { args, next: 0, reordered: false };
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        let (text, verb) = rest.split_at(at);
        printer.put(text);
        rest = printer.directive(verb.strip_prefix('%').unwrap_or(verb), &mut call);
    }
    printer.put(rest);
    if !call.reordered && call.next < args.len() {
        printer.extra(&args[call.next..]);
    }
    printer.finish()
}

/// The arguments of a call, and which one is next.
struct Call<'a> {
    args: &'a [Value],
    next: usize,
    /// Some directive named its argument: left over ones are no mistake then.
    reordered: bool,
}

/// What stands between `%` and the verb.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v`: names of fields.
    plus_v: bool,
    /// `%#v`: Go syntax.
    sharp_v: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

#[derive(Default)]
struct Printer {
    out: String,
    over: bool,
    flags: Flags,
}

impl Printer {
    fn put(&mut self, text: &str) {
        match self.out.len() + text.len() <= MAX_BYTES {
            true => self.out.push_str(text),
            false => self.over = true,
        }
    }

    fn finish(self) -> Result<String, String> {
        match self.over {
            true => Err(format!("text longer than {MAX_BYTES} bytes")),
            false => Ok(self.out),
        }
    }

    /// Writes a text, filled up to the width.
    fn pad(&mut self, text: &str) {
        let missing = self.flags.width.unwrap_or(0).saturating_sub(text.chars().count());
        if missing == 0 {
            return self.put(text);
        }
        if self.out.len() + missing > MAX_BYTES {
            self.over = true;
            return;
        }
        let fill = if self.flags.zero && !self.flags.minus { "0" } else { " " };
        if self.flags.minus {
            self.put(text);
            self.put(&fill.repeat(missing));
        } else {
            self.put(&fill.repeat(missing));
            self.put(text);
        }
    }

    /// Follows one directive, whose `%` has been read; returns what comes behind it.
    fn directive<'f>(&mut self, text: &'f str, call: &mut Call<'_>) -> &'f str {
        self.flags = Flags::default();
        let mut scan = Scan { rest: text, good: true, after_index: false };
        while let Some(c) = scan.rest.chars().next() {
            match c {
                '#' => self.flags.sharp = true,
                '0' => self.flags.zero = true,
                '+' => self.flags.plus = true,
                '-' => self.flags.minus = true,
                ' ' => self.flags.space = true,
                _ => break,
            }
            scan.skip(1);
        }
        scan.index(call);
        self.width(&mut scan, call);
        self.precision(&mut scan, call);
        if !scan.after_index {
            scan.index(call);
        }
        let Some(verb) = scan.rest.chars().next() else {
            self.put("%!(NOVERB)");
            return "";
        };
        scan.skip(verb.len_utf8());
        match call.args.get(call.next) {
            _ if verb == '%' => self.put("%"),
            _ if !scan.good => self.put(&format!("%!{verb}(BADINDEX)")),
            None => self.put(&format!("%!{verb}(MISSING)")),
            Some(arg) => {
                if verb == 'v' {
                    self.flags.sharp_v = std::mem::take(&mut self.flags.sharp);
                    self.flags.plus_v = std::mem::take(&mut self.flags.plus);
                }
                call.next += 1;
                self.arg(arg, verb);
            }
        }
        scan.rest
    }

    fn width(&mut self, scan: &mut Scan<'_>, call: &mut Call<'_>) {
        if !scan.rest.starts_with('*') {
            self.flags.width = scan.number();
            if scan.after_index && self.flags.width.is_some() {
                scan.good = false;
            }
            return;
        }
        scan.skip(1);
        scan.after_index = false;
        match call.integer() {
            Some(width) => {
                self.flags.minus |= width < 0;
                self.flags.zero &= width >= 0;
                self.flags.width = usize::try_from(width.unsigned_abs()).ok();
            }
            None => self.put("%!(BADWIDTH)"),
        }
    }

    fn precision(&mut self, scan: &mut Scan<'_>, call: &mut Call<'_>) {
        if !scan.rest.starts_with('.') {
            return;
        }
        scan.skip(1);
        if scan.after_index {
            scan.good = false;
        }
        scan.index(call);
        if !scan.rest.starts_with('*') {
            self.flags.precision = Some(scan.number().unwrap_or(0));
            return;
        }
        scan.skip(1);
        scan.after_index = false;
        self.flags.precision = call.integer().and_then(|n| usize::try_from(n).ok());
        if self.flags.precision.is_none() {
            self.put("%!(BADPREC)");
        }
    }

    fn extra(&mut self, args: &[Value]) {
        self.flags = Flags::default();
        self.put("%!(EXTRA ");
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                self.put(", ");
            }
            if !matches!(arg, Value::Nil) {
                self.put(arg.type_name());
                self.put("=");
            }
            self.arg(arg, 'v');
        }
        self.put(")");
    }

    fn bad_verb(&mut self, value: &Value, verb: char) {
        self.put(&format!("%!{verb}("));
        match value {
            Value::Nil => self.put("<nil>"),
            value => {
                self.put(value.type_name());
                self.put("=");
                self.arg(value, 'v');
            }
        }
        self.put(")");
    }

    fn arg(&mut self, value: &Value, verb: char) {
        if verb == 'T' {
            return self.pad(value.type_name());
        }
        // What is over stays over: no need to walk a large value to its end.
        if self.over {
            return;
        }
        match value {
            Value::Nil if verb == 'v' => self.pad("<nil>"),
            Value::Bool(b) if matches!(verb, 't' | 'v') => {
                self.pad(if *b { "true" } else { "false" })
            }
            Value::Int(n) => self.int(*n, value, verb),
            Value::Float(n) => self.float(*n, value, verb),
            Value::Complex(re, im) => self.complex((*re, *im), value, verb),
            Value::Text(text) | Value::Safe(_, text) => self.text(text, value, verb),
            Value::List(list) => self.list(list.items(), value, verb),
            Value::Map(map) => self.map(map, value, verb),
            Value::Object(object) => {
                let textual = matches!(verb, 'v' | 's' | 'q' | 'x' | 'X') && !self.flags.sharp_v;
                let text = object.text().filter(|_| textual);
                match text {
                    Some(text) => self.text(&text, value, verb),
                    None => self.underlying(object.underlying(), value, verb),
                }
            }
            Value::Nil | Value::Bool(_) | Value::Function(_) => self.bad_verb(value, verb),
        }
    }

    fn underlying(&mut self, underlying: Underlying<'_>, value: &Value, verb: char) {
        let fields = match underlying {
            // Go syntax shows the named type of lists and maps.
            Underlying::Plain(Value::List(list)) => return self.list(list.items(), value, verb),
            Underlying::Plain(Value::Map(map)) => return self.map(&map, value, verb),
            Underlying::Plain(plain) => return self.arg(&plain, verb),
            Underlying::Struct(fields) => fields,
        };
        if self.flags.sharp_v {
            self.put(value.type_name());
        }
        self.put("{");
        for (i, (name, field)) in fields.iter().enumerate() {
            if i > 0 {
                self.put(if self.flags.sharp_v { ", " } else { " " });
            }
            if self.flags.plus_v || self.flags.sharp_v {
                self.put(name);
                self.put(":");
            }
            self.arg(field, verb);
        }
        self.put("}");
    }

    fn list(&mut self, items: &[Value], value: &Value, verb: char) {
        let (open, between, close) = match self.flags.sharp_v {
            true => ("{", ", ", "}"),
            false => ("[", " ", "]"),
        };
        if self.flags.sharp_v {
            self.put(value.type_name());
        }
        self.put(open);
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.put(between);
            }
            self.arg(item, verb);
        }
        self.put(close);
    }

    fn map(&mut self, map: &crate::value::Map, value: &Value, verb: char) {
        let sharp = self.flags.sharp_v;
        self.put(if sharp { value.type_name() } else { "map" });
        self.put(if sharp { "{" } else { "[" });
        for (i, (name, entry)) in map.entries().iter().enumerate() {
            if i > 0 {
                self.put(if sharp { ", " } else { " " });
            }
            let name = Value::Text(std::sync::Arc::clone(name));
            self.arg(&name, verb);
            self.put(":");
            self.arg(entry, verb);
        }
        self.put(if sharp { "}" } else { "]" });
    }
}

/// The text of a directive that has not been read yet.
struct Scan<'f> {
    rest: &'f str,
    /// No index of an argument was wrong so far.
    good: bool,
    after_index: bool,
}

impl Scan<'_> {
    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn number(&mut self) -> Option<usize> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = self.rest.get(..digits)?.parse().ok();
        self.skip(digits);
        // Go reads no further behind a number that is too large: no verb is left.
        if digits > 0 && number.is_none_or(|n| n > MAX_WIDTH) {
            self.rest = "";
        }
        number.filter(|n| *n <= MAX_WIDTH)
    }

    /// Reads the index of an argument, as in `%[2]d`.
    fn index(&mut self, call: &mut Call<'_>) {
        self.after_index = false;
        if !self.rest.starts_with('[') {
            return;
        }
        call.reordered = true;
        let Some(end) = self.rest.find(']') else {
            self.good = false;
            return self.skip(1);
        };
        let index = self.rest.get(1..end).and_then(|digits| digits.parse::<usize>().ok());
        self.skip(end + 1);
        self.after_index = index.is_some();
        match index.and_then(|n| n.checked_sub(1)).filter(|n| *n < call.args.len()) {
            Some(index) => call.next = index,
            None => self.good = false,
        }
    }
}

impl Call<'_> {
    /// Takes the next argument as a width or precision.
    fn integer(&mut self) -> Option<i64> {
        let arg = self.args.get(self.next)?;
        self.next += 1;
        match arg {
            Value::Int(n) if n.unsigned_abs() <= MAX_WIDTH as u64 => Some(*n),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
