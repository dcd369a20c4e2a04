//! The extent of numbers and durations. What lies inside is judged when its value is computed.

use super::cursor::{Cursor, is_alphanumeric};

/// Takes a number: decimal with fraction and exponent, or hexadecimal, `_` between digits. On
/// `false` the cursor stands where the text stopped being a number, which the error message shows.
pub(super) fn scan_number(cursor: &mut Cursor<'_>) -> bool {
    let mut is_hex = false;
    if cursor.accept('0') && cursor.accept_if(|c| matches!(c, 'x' | 'X')) {
        cursor.accept('_');
        is_hex = true;
    }
    let is_digit = |c: char| c.is_ascii_digit() || (is_hex && c.is_ascii_hexdigit());
    let is_exponent = |c: char| matches!(c, 'e' | 'E');
    cursor.accept('.');
    cursor.accept_if(is_digit);
    let (mut had_dot, mut had_exponent) = (false, false);
    while let Some(c) = cursor.peek() {
        if c == '.' {
            cursor.next();
            if had_dot || is_hex || cursor.accept_if(|c| matches!(c, '_' | '.')) {
                return false;
            }
            had_dot = true;
        } else if is_exponent(c) {
            // Also inside hexadecimal numbers: there it is a digit that may come only once, as
            // upstream has it.
            cursor.next();
            if had_exponent {
                return false;
            }
            had_exponent = true;
            cursor.accept_if(|c| matches!(c, '+' | '-'));
            if cursor.accept_if(|c| matches!(c, '.' | '_' | 'e' | 'E')) || cursor.peek().is_none() {
                return false;
            }
        } else if c == '_' {
            cursor.next();
            if cursor.accept_if(|c| matches!(c, '.' | '_' | 'e' | 'E')) || cursor.peek().is_none() {
                return false;
            }
        } else if is_digit(c) {
            cursor.skip_while(is_digit);
        } else {
            break;
        }
    }
    !cursor.text().is_empty() && !cursor.peek().is_some_and(is_alphanumeric)
}

/// Takes the units that make the number before the cursor a duration, as in `5m30s`. Units that do
/// not exist or stand in the wrong order are found when the value is computed.
pub(super) fn scan_duration(cursor: &mut Cursor<'_>) -> bool {
    if !cursor.accept_if(|c| matches!(c, 's' | 'm' | 'h' | 'd' | 'w' | 'y')) {
        return false;
    }
    cursor.accept('s');
    while cursor.accept_if(|c| c.is_ascii_digit()) {
        cursor.skip_while(|c| c.is_ascii_digit());
        if !cursor.accept_if(|c| matches!(c, 's' | 'm' | 'h' | 'd' | 'w')) {
            return false;
        }
        cursor.accept('s');
    }
    // The offending character belongs to the message.
    !cursor.accept_if(is_alphanumeric)
}
