//! The form for people: a node longer than a line is broken, its parts are indented one level more.
//!
//! Each node decides for itself by the length of its one-line form. Measuring stops as soon as the
//! line is full, so that deep trees are not printed over and over.

use std::fmt::{self, Write};

use super::{Head, Operator, Suffix, joins_durations};
use crate::ast::Expr;

/// Longest line in bytes; upstream's number.
const LINE_MAX: usize = 100;

/// Prints an expression over several lines where one is not enough.
pub fn pretty(expr: &Expr) -> String {
    let mut out = String::new();
    write_at(&mut out, expr, 0, false);
    out
}

/// Prints at a level of indentation. `before_arithmetic` selects the alternate one-line form.
fn write_at(out: &mut String, expr: &Expr, level: usize, before_arithmetic: bool) {
    let line = || if before_arithmetic { format!("{expr:#}") } else { expr.to_string() };
    if fits_line(expr) {
        // Upstream forgets to indent a subquery that fits.
        if !matches!(expr, Expr::Subquery(_)) {
            indent(out, level);
        }
        out.push_str(&line());
        return;
    }
    match expr {
        Expr::Aggregate(e) => {
            indent(out, level);
            out.push_str(&format!("{}(\n", Head(e)));
            if let Some(param) = &e.param {
                write_at(out, param, level + 1, false);
                out.push_str(",\n");
            }
            write_at(out, &e.expr, level + 1, false);
            close(out, level);
        }
        Expr::Binary(e) => {
            write_at(out, &e.lhs, level + 1, joins_durations(e.op));
            out.push('\n');
            indent(out, level);
            out.push_str(&format!("{}\n", Operator(e)));
            write_at(out, &e.rhs, level + 1, before_arithmetic);
        }
        Expr::Call(e) => {
            indent(out, level);
            out.push_str(e.function.name);
            out.push_str("(\n");
            for (at, arg) in e.args.iter().enumerate() {
                if at > 0 {
                    out.push_str(",\n");
                }
                write_at(out, arg, level + 1, false);
            }
            close(out, level);
        }
        Expr::Paren(e) => {
            indent(out, level);
            out.push_str("(\n");
            write_at(out, &e.expr, level + 1, false);
            close(out, level);
        }
        Expr::Subquery(e) => {
            write_at(out, &e.expr, level, false);
            let suffix = Suffix(e);
            out.push_str(&if before_arithmetic {
                format!("{suffix:#}")
            } else {
                suffix.to_string()
            });
        }
        Expr::Unary(e) => {
            let mut child = String::new();
            write_at(&mut child, &e.expr, level, before_arithmetic);
            indent(out, level);
            out.push_str(&format!("{}{}", e.sign, child.trim()));
        }
        Expr::Number(_) | Expr::String(_) | Expr::Vector(_) | Expr::Matrix(_) => {
            indent(out, level);
            out.push_str(&line());
        }
    }
}

fn close(out: &mut String, level: usize) {
    out.push('\n');
    indent(out, level);
    out.push(')');
}

fn indent(out: &mut String, level: usize) {
    for _ in 0..level {
        out.push_str("  ");
    }
}

fn fits_line(expr: &Expr) -> bool {
    write!(Line { left: LINE_MAX }, "{expr}").is_ok()
}

/// Counts what is written and fails when the line is full.
struct Line {
    left: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.left = self.left.checked_sub(text.len()).ok_or(fmt::Error)?;
        Ok(())
    }
}
