//! Which expressions have the same value at every step.

use crate::ast::Expr;
use crate::functions::signature::Function;

/// Returns whether the expression does not depend on the step: all its selectors are fixed by `@`,
/// and no function in it looks at the time of the step.
pub(crate) fn is_invariant(expr: &Expr) -> bool {
    match expr {
        Expr::Number(_) | Expr::String(_) => true,
        Expr::Vector(e) => e.shift.at.is_some(),
        Expr::Matrix(e) => e.selector.shift.at.is_some(),
        Expr::Subquery(e) => e.shift.at.is_some(),
        Expr::Call(e) => !depends_on_step(e.function.function) && e.args.iter().all(is_invariant),
        Expr::Unary(_) | Expr::Binary(_) | Expr::Aggregate(_) | Expr::Paren(_) => {
            expr.children().into_iter().all(is_invariant)
        }
    }
}

/// Returns whether the function's value depends on the time of the step or on the range of the
/// query.
pub(crate) fn depends_on_step(function: Function) -> bool {
    matches!(
        function,
        Function::DaysInMonth
            | Function::DayOfMonth
            | Function::DayOfWeek
            | Function::DayOfYear
            | Function::Hour
            | Function::Minute
            | Function::Month
            | Function::Year
            | Function::PredictLinear
            | Function::Time
            | Function::Timestamp
            | Function::Start
            | Function::End
            | Function::Step
            | Function::Range
    )
}
