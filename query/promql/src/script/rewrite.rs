//! Fixes the evaluation time of an expression in its selectors.

use crate::ast::{At, Expr};
use crate::plan::depends_on_step;

/// Gives every selector without `@` the time `at_ms`; a subquery gets it instead of what is inside.
/// Returns `false`, and leaves the expression incomplete, where a function looks at the time of the
/// step, so that fixing selectors does not fix the value.
pub(super) fn fix_time(expr: &mut Expr, at_ms: i64) -> bool {
    let shift = match expr {
        Expr::Call(call) if depends_on_step(call.function.function) => return false,
        Expr::Vector(selector) => Some(&mut selector.shift),
        Expr::Matrix(matrix) => Some(&mut matrix.selector.shift),
        Expr::Subquery(subquery) => {
            let mut unsafe_call = false;
            subquery.expr.walk(&mut |inner| {
                let Expr::Call(call) = inner else { return };
                unsafe_call |= depends_on_step(call.function.function);
            });
            if unsafe_call {
                return false;
            }
            Some(&mut subquery.shift)
        }
        _ => None,
    };
    if let Some(shift) = shift {
        shift.at.get_or_insert(At::Timestamp(at_ms));
        return true;
    }
    expr.children_mut().into_iter().all(|child| fix_time(child, at_ms))
}
