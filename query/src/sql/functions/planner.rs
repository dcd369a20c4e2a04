//! Puts capped functions where operators and literals would use uncapped ones.

use std::sync::Arc;

use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawBinaryExpr, RawDictionaryExpr,
};
use datafusion::logical_expr::{Expr, ExprSchemable, ScalarUDF};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::capped::{Cap, Capped};
use super::concat;

/// Stands in front of DataFusion's planners.
#[derive(Debug)]
pub(crate) struct CappedPlanner {
    make_array: Option<Arc<ScalarUDF>>,
    overlay: Option<Arc<ScalarUDF>>,
}

impl CappedPlanner {
    pub(crate) fn new() -> Self {
        let all = SessionStateDefaults::default_scalar_functions();
        let capped = |name: &str| {
            let inner = all.iter().find(|f| f.name() == name)?;
            let cap = Cap::of(name)?;
            Some(Arc::new(ScalarUDF::from(Capped::new(Arc::clone(inner), cap))))
        };
        Self { make_array: capped("make_array"), overlay: capped("overlay") }
    }
}

impl ExprPlanner for CappedPlanner {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        if expr.op != BinaryOperator::StringConcat {
            return Ok(PlannerResult::Original(expr));
        }
        if expr.left.get_type(schema)?.is_nested() || expr.right.get_type(schema)?.is_nested() {
            return plan_err!("|| joins texts here, not lists");
        }
        Ok(PlannerResult::Planned(concat::udf().call(vec![expr.left, expr.right])))
    }

    fn plan_array_literal(
        &self,
        exprs: Vec<Expr>,
        _: &DFSchema,
    ) -> Result<PlannerResult<Vec<Expr>>> {
        match &self.make_array {
            Some(function) => Ok(PlannerResult::Planned(function.call(exprs))),
            None => plan_err!("lists cannot be written here"),
        }
    }

    fn plan_overlay(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        match &self.overlay {
            Some(function) => Ok(PlannerResult::Planned(function.call(args))),
            None => plan_err!("overlay is not available"),
        }
    }

    fn plan_struct_literal(&self, _: Vec<Expr>, _: bool) -> Result<PlannerResult<Vec<Expr>>> {
        plan_err!("structs cannot be made here")
    }

    fn plan_dictionary_literal(
        &self,
        _: RawDictionaryExpr,
        _: &DFSchema,
    ) -> Result<PlannerResult<RawDictionaryExpr>> {
        plan_err!("structs cannot be made here")
    }

    fn plan_make_map(&self, _: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        plan_err!("maps cannot be made here")
    }
}
