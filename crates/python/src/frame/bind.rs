//! Expressions in the terms of one frame: SQL text is parsed, names are looked up, Python's arithmetic is chosen by type, and
//! aggregates become what their place asks for.

use std::ops::ControlFlow;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::utils::{find_aggregate_exprs, find_window_exprs};
use datafusion::logical_expr::{
    Case, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, WindowFunctionDefinition,
    binary_expr, cast,
};
use datafusion::prelude::{Column, SessionContext, ident, lit};
use datafusion::scalar::ScalarValue;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::expression::{Arithmetic, PyExpression, Unbound};

/// What stands for a column or a value in a call: a name, SQL text, or an expression.
pub enum Item {
    Text(String),
    Expression(Expr),
}

impl<'py> FromPyObject<'_, 'py> for Item {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = value.extract::<String>() {
            return Ok(Item::Text(text));
        }
        match value.cast::<PyExpression>() {
            Ok(expression) => Ok(Item::Expression(expression.get().0.clone())),
            Err(_) => Err(PyTypeError::new_err(format!(
                "expected a column's name, SQL text or an expression, not {}",
                value.get_type().name()?
            ))),
        }
    }
}

/// The frame that expressions are bound to.
pub struct Scope<'a> {
    pub context: &'a SessionContext,
    pub plan: &'a LogicalPlan,
}

impl Scope<'_> {
    /// The expression of an item. Text that is the name of a column is that column, whatever letters are in it.
    pub fn expression(&self, item: Item) -> PlanResult<Expr> {
        let expr = match item {
            Item::Expression(expr) => expr,
            Item::Text(text) if self.has_column(&text) => return Ok(ident(text)),
            // A name of plain letters that is no column: the error should speak of that name as it was written.
            Item::Text(text) if is_plain_name(&text) && !self.has_column(&text.to_lowercase()) => ident(text),
            Item::Text(text) => self.context.state().create_logical_expr(&text, self.plan.schema())?,
        };
        self.bind(expr)
    }

    /// The expressions of items, each with the name that its column has; `*` stands for every column.
    pub fn columns(&self, items: Vec<Item>) -> PlanResult<Vec<Expr>> {
        let mut columns = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::Text(text) if text == "*" => columns.extend(self.all()),
                Item::Text(_) => columns.push(self.expression(item)?),
                Item::Expression(expr) => {
                    let name = output_name(&expr);
                    columns.push(named(self.bind(expr)?, name));
                }
            }
        }
        Ok(columns)
    }

    /// Every column of the frame.
    pub fn all(&self) -> impl Iterator<Item = Expr> {
        self.plan.schema().columns().into_iter().map(Expr::Column)
    }

    fn has_column(&self, name: &str) -> bool {
        self.plan.schema().has_column_with_unqualified_name(name)
    }

    fn bind(&self, expr: Expr) -> PlanResult<Expr> {
        for column in expr.column_refs() {
            self.plan.schema().qualified_field_from_column(column)?;
        }
        expr.transform_up(|part| self.bind_part(part)).map(|bound| bound.data)
    }

    fn bind_part(&self, part: Expr) -> PlanResult<Transformed<Expr>> {
        let schema = self.plan.schema();
        match part {
            Expr::BinaryExpr(binary) if is_arithmetic(binary.op) => {
                let is_text = |side: &Expr| side.get_type(schema).is_ok_and(|found| found.is_string());
                let operator = match binary.op {
                    Operator::Plus if is_text(&binary.left) && is_text(&binary.right) => {
                        Operator::StringConcat
                    }
                    operator => operator,
                };
                let (left, right) = self.fitted(*binary.left, *binary.right);
                Ok(Transformed::yes(binary_expr(left, operator, right)))
            }
            Expr::ScalarFunction(call) => {
                let Some(unbound) = call.func.inner().downcast_ref::<Unbound>() else {
                    return Ok(Transformed::no(Expr::ScalarFunction(call)));
                };
                let arithmetic = unbound.arithmetic;
                let [left, right] = <[Expr; 2]>::try_from(call.args)
                    .map_err(|_| DataFusionError::Internal("arithmetic takes two operands".into()))?;
                let (left, right) = self.fitted(left, right);
                let types = (left.get_type(schema)?, right.get_type(schema)?);
                Ok(Transformed::yes(arithmetic_of(arithmetic, left, right, &types)))
            }
            other => Ok(Transformed::no(other)),
        }
    }

    /// The operands with a whole number beside uint64 as one, of which SQL would make decimals, and with a timedelta beside
    /// dates as its whole days, as Python adds them.
    fn fitted(&self, left: Expr, right: Expr) -> (Expr, Expr) {
        let is_of = |side: &Expr, wanted: DataType| {
            side.get_type(self.plan.schema()).is_ok_and(|found| found == wanted)
                && !matches!(side, Expr::Literal(..))
        };
        let unsigned = |side: Expr| match side {
            Expr::Literal(ScalarValue::Int64(Some(value)), _) if value >= 0 => lit(value.cast_unsigned()),
            other => other,
        };
        if is_of(&left, DataType::Date32) || is_of(&right, DataType::Date32) {
            return (in_days(left), in_days(right));
        }
        match (is_of(&left, DataType::UInt64), is_of(&right, DataType::UInt64)) {
            (true, false) => (left, unsigned(right)),
            (false, true) => (unsigned(left), right),
            _ => (left, right),
        }
    }

    /// The plan with these columns and no others. Aggregates alone make one row; beside columns of rows, they stand in
    /// every row.
    pub fn select(&self, columns: Vec<Expr>) -> PlanResult<LogicalPlan> {
        let aggregates = find_aggregate_exprs(&columns);
        if !aggregates.is_empty() && columns.iter().all(|column| free_column(column).is_none()) {
            return self.aggregate(vec![], columns);
        }
        self.project(columns)
    }

    /// The plan with these columns and no others, and as many rows.
    pub fn project(&self, columns: Vec<Expr>) -> PlanResult<LogicalPlan> {
        let columns = columns.into_iter().map(spread).collect::<PlanResult<Vec<_>>>()?;
        let windows = find_window_exprs(&columns);
        let plan = match windows.is_empty() {
            true => self.plan.clone(),
            false => LogicalPlanBuilder::window_plan(self.plan.clone(), windows)?,
        };
        LogicalPlanBuilder::from(plan).project(columns)?.build()
    }

    /// The plan with the rows where `predicate` holds.
    pub fn filter(&self, predicate: Expr) -> PlanResult<LogicalPlan> {
        const HELD: &str = "__predicate";
        let plain =
            find_aggregate_exprs([&predicate]).is_empty() && find_window_exprs([&predicate]).is_empty();
        if plain {
            return LogicalPlanBuilder::from(self.plan.clone()).filter(predicate)?.build();
        }
        let columns: Vec<Expr> = self.all().collect();
        let with_predicate = self.project([columns.clone(), vec![predicate.alias(HELD)]].concat())?;
        LogicalPlanBuilder::from(with_predicate).filter(ident(HELD))?.project(columns)?.build()
    }

    /// The plan with a row for each group: its keys, and `columns` of aggregates.
    pub fn aggregate(&self, keys: Vec<Expr>, columns: Vec<Expr>) -> PlanResult<LogicalPlan> {
        let key_names: Vec<String> = keys.iter().map(output_name).collect();
        for column in &columns {
            if let Some(free) = free_column(column)
                && !key_names.contains(&free.name)
            {
                return Err(DataFusionError::Plan(format!(
                    "column '{}' is neither a key of the group nor within an aggregate such as first or max: {}",
                    free.name,
                    column.clone().unalias().human_display()
                )));
            }
        }
        let aggregates = find_aggregate_exprs(&columns);
        let plan = LogicalPlanBuilder::from(self.plan.clone()).aggregate(keys, aggregates)?;
        plan.project(key_names.into_iter().map(ident).chain(columns))?.build()
    }
}

/// A timedelta as an interval of its whole days, rounded down; anything else as it is.
fn in_days(side: Expr) -> Expr {
    const DAY_MICROSECONDS: i64 = 24 * 60 * 60 * 1_000_000;
    let Expr::Literal(ScalarValue::DurationMicrosecond(Some(length)), _) = side else { return side };
    match i32::try_from(length.div_euclid(DAY_MICROSECONDS)) {
        Ok(days) => lit(ScalarValue::new_interval_mdn(0, days, 0)),
        Err(_) => side,
    }
}

fn is_arithmetic(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo
    )
}

/// A column outside every aggregate.
fn free_column(expr: &Expr) -> Option<Column> {
    fn search(expr: &Expr) -> ControlFlow<Column> {
        let mut found = ControlFlow::Continue(());
        let walked = expr.apply(|part| match part {
            Expr::AggregateFunction(_) => Ok(TreeNodeRecursion::Jump),
            Expr::Column(column) => {
                found = ControlFlow::Break(column.clone());
                Ok(TreeNodeRecursion::Stop)
            }
            _ => Ok(TreeNodeRecursion::Continue),
        });
        debug_assert!(walked.is_ok(), "the visitor returns no error");
        found
    }
    match search(expr) {
        ControlFlow::Break(column) => Some(column),
        ControlFlow::Continue(()) => None,
    }
}

/// The expression with each aggregate as its value over all rows.
fn spread(expr: Expr) -> PlanResult<Expr> {
    let name = expr.schema_name().to_string();
    let spread = expr.transform_down(|part| match part {
        Expr::AggregateFunction(aggregate) => {
            Ok(Transformed::new(as_window(aggregate), true, TreeNodeRecursion::Jump))
        }
        // Aggregates within a window are the window's own.
        window @ Expr::WindowFunction(_) => Ok(Transformed::new(window, false, TreeNodeRecursion::Jump)),
        other => Ok(Transformed::no(other)),
    })?;
    Ok(match spread.transformed {
        true => named(spread.data, name),
        false => spread.data,
    })
}

/// An aggregate over all rows as a window function.
pub fn as_window(aggregate: AggregateFunction) -> Expr {
    let function = WindowFunctionDefinition::AggregateUDF(aggregate.func);
    let mut window = WindowFunction::new(function, aggregate.params.args);
    window.params.distinct = aggregate.params.distinct;
    window.params.filter = aggregate.params.filter;
    window.params.null_treatment = aggregate.params.null_treatment;
    window.params.order_by = aggregate.params.order_by;
    Expr::from(window)
}

/// The expression under this name.
fn named(expr: Expr, name: String) -> Expr {
    match &expr {
        Expr::Alias(alias) if alias.name == name => expr,
        Expr::Column(column) if column.name == name => expr,
        _ => expr.unalias().alias(name),
    }
}

/// The name of the column that an expression of Python becomes: its alias, else that of the first column in it, else what
/// it is.
pub fn output_name(expr: &Expr) -> String {
    let own = |expr: &Expr| match expr {
        Expr::Alias(alias) => Some(alias.name.clone()),
        Expr::Column(column) => Some(column.name.clone()),
        _ => None,
    };
    // The name of a choice is that of what is chosen, not of the condition.
    let expr = match expr {
        Expr::Case(Case { when_then_expr, .. }) => {
            when_then_expr.first().map_or(expr, |(_, then)| then.as_ref())
        }
        _ => expr,
    };
    let mut name = None;
    let walked = expr.apply(|part| {
        name = own(part);
        Ok(if name.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    debug_assert!(walked.is_ok(), "the visitor returns no error");
    name.unwrap_or_else(|| match expr {
        Expr::Literal(..) => "literal".into(),
        Expr::AggregateFunction(aggregate) => aggregate.func.name().into(),
        Expr::WindowFunction(window) => window.fun.name().into(),
        Expr::ScalarFunction(call) => call.func.name().into(),
        other => other.human_display().to_string(),
    })
}

/// Python's arithmetic for operands of these types.
fn arithmetic_of(arithmetic: Arithmetic, left: Expr, right: Expr, types: &(DataType, DataType)) -> Expr {
    let is_whole =
        |found: &DataType| found.is_integer() || matches!(found, DataType::Boolean | DataType::Null);
    let is_signed = types.0.is_signed_integer() || types.1.is_signed_integer() || !is_whole(&types.0);
    let whole = is_whole(&types.0) && is_whole(&types.1);
    let binary = |left: &Expr, operator, right: &Expr| binary_expr(left.clone(), operator, right.clone());
    // The remainder of SQL has the sign of the dividend: it is to be mended where the divisor has the other.
    let off = |remainder: &Expr, right: &Expr| {
        let differs = remainder.clone().lt(lit(0)).not_eq(right.clone().lt(lit(0)));
        remainder.clone().not_eq(lit(0)).and(differs)
    };
    let choose = |condition: Expr, then: Expr, otherwise: Expr| {
        let branches = vec![(Box::new(condition), Box::new(then))];
        Expr::Case(Case::new(None, branches, Some(Box::new(otherwise))))
    };
    match arithmetic {
        Arithmetic::TrueDivide if whole => {
            binary_expr(cast(left, DataType::Float64), Operator::Divide, cast(right, DataType::Float64))
        }
        Arithmetic::TrueDivide => binary_expr(left, Operator::Divide, right),
        Arithmetic::FloorDivide if whole && is_signed => {
            let quotient = binary(&left, Operator::Divide, &right);
            let remainder = binary(&left, Operator::Modulo, &right);
            choose(off(&remainder, &right), quotient.clone() - lit(1), quotient)
        }
        Arithmetic::FloorDivide if whole => binary_expr(left, Operator::Divide, right),
        Arithmetic::FloorDivide => {
            datafusion::functions::math::expr_fn::floor(binary_expr(left, Operator::Divide, right))
        }
        Arithmetic::Remainder if whole && !is_signed => binary_expr(left, Operator::Modulo, right),
        Arithmetic::Remainder => {
            let remainder = binary(&left, Operator::Modulo, &right);
            choose(off(&remainder, &right), remainder.clone() + right, remainder)
        }
    }
}

fn is_plain_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
        && !matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "null")
}
