//! Exact float sums on the CPU: the functions, and the rule that puts them in where `swath.float_sums` is `exact`.
//!
//! `exact_sum` and `exact_avg` take the places of `sum` and `avg` of floats, under the same column names. What they keep
//! is a number so wide that nothing is rounded before the end, so that neither the order of the rows nor the cut into
//! batches, partitions and partial states can show. [`super::aggregate`] gives them their device form.

mod accumulator;
mod groups;
mod sums;

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::functions_aggregate::{average::avg_udaf, sum::sum_udaf};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams, WindowFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, ExprSchemable, GroupsAccumulator, LogicalPlan,
    ReversedUDAF, Signature, Volatility, WindowFunctionDefinition,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;

use super::engine::SwathOptions;
use crate::config::FloatSums;

/// The functions that have an exact form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Function {
    Sum,
    Avg,
}

impl Function {
    fn result(self, sum: f64, count: u64) -> f64 {
        match self {
            Function::Sum => sum,
            Function::Avg => sums::average(sum, count),
        }
    }
}

static EXACT_SUM: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| ExactFunction::udaf(Function::Sum));
static EXACT_AVG: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| ExactFunction::udaf(Function::Avg));

/// A sum or an average of doubles, exact but for the last rounding. It goes by the names of the function whose place it
/// takes where columns are named, and by its own in logical plans.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ExactFunction {
    function: Function,
    replaced: Arc<AggregateUDF>,
    signature: Signature,
}

impl ExactFunction {
    fn udaf(function: Function) -> Arc<AggregateUDF> {
        let replaced = match function {
            Function::Sum => sum_udaf(),
            Function::Avg => avg_udaf(),
        };
        let signature = Signature::exact(vec![DataType::Float64], Volatility::Immutable);
        Arc::new(AggregateUDF::from(ExactFunction { function, replaced, signature }))
    }
}

impl AggregateUDFImpl for ExactFunction {
    fn name(&self) -> &str {
        match self.function {
            Function::Sum => "exact_sum",
            Function::Avg => "exact_avg",
        }
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> Result<String> {
        self.replaced.schema_name(params)
    }

    fn window_function_schema_name(&self, params: &WindowFunctionParams) -> Result<String> {
        self.replaced.window_function_schema_name(params)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(match args.is_distinct {
            true => Box::new(accumulator::DistinctAccumulator::new(self.function)),
            false => Box::new(accumulator::ExactAccumulator::new(self.function)),
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = |of: &str| format_state_name(args.name, of);
        if args.is_distinct {
            let item = Field::new_list_field(DataType::Float64, true);
            return Ok(vec![Arc::new(Field::new_list(name("distinct"), item, true))]);
        }
        let count = matches!(self.function, Function::Avg)
            .then(|| Arc::new(Field::new(name("count"), DataType::UInt64, true)));
        let sum = Arc::new(Field::new(name("exact sum"), DataType::Binary, true));
        Ok(count.into_iter().chain([sum]).collect())
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(groups::ExactGroups::new(self.function)))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

/// The name of an aggregate for `EXPLAIN`, which says so where it is exact.
pub(super) fn shown_name(aggregate: &AggregateFunctionExpr) -> String {
    match aggregate.fun().name() {
        "exact_sum" | "exact_avg" => format!("exact {}", aggregate.name()),
        _ => aggregate.name().to_string(),
    }
}

/// Puts exact sums and averages of floats in, where the session asks for them.
///
/// It has to run after types were made to agree: then the argument of what sums floats is a double.
#[derive(Debug)]
pub(super) struct ExactSumsRule;

impl AnalyzerRule for ExactSumsRule {
    fn name(&self) -> &str {
        "swath_exact_float_sums"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        if SwathOptions::of(config).float_sums == FloatSums::Fast {
            return Ok(plan);
        }
        plan.transform_up_with_subqueries(|plan| {
            let schemas: Vec<_> = plan.inputs().iter().map(|input| input.schema().clone()).collect();
            let [schema] = schemas.as_slice() else { return Ok(Transformed::no(plan)) };
            plan.map_expressions(|expr| {
                expr.transform_up(|expr| {
                    Ok(match exact_form(&expr, schema)? {
                        Some(exact) => Transformed::yes(exact),
                        None => Transformed::no(expr),
                    })
                })
            })
        })
        .map(|transformed| transformed.data)
    }
}

/// Answers the exact form of a sum or an average of floats.
fn exact_form(expr: &Expr, schema: &datafusion::common::DFSchema) -> Result<Option<Expr>> {
    let exact = |function: &AggregateUDF, args: &[Expr]| -> Result<Option<Arc<AggregateUDF>>> {
        let exact = match function.name() {
            "sum" if *function == *sum_udaf() => &EXACT_SUM,
            "avg" if *function == *avg_udaf() => &EXACT_AVG,
            _ => return Ok(None),
        };
        let [arg] = args else { return Ok(None) };
        Ok((arg.get_type(schema)? == DataType::Float64).then(|| Arc::clone(exact)))
    };
    Ok(match expr {
        Expr::AggregateFunction(AggregateFunction { func, params }) => exact(func, &params.args)?
            .map(|func| Expr::AggregateFunction(AggregateFunction { func, params: params.clone() })),
        Expr::WindowFunction(window) => match &window.fun {
            WindowFunctionDefinition::AggregateUDF(func) => exact(func, &window.params.args)?.map(|func| {
                let mut window = window.clone();
                window.fun = WindowFunctionDefinition::AggregateUDF(func);
                Expr::WindowFunction(window)
            }),
            WindowFunctionDefinition::WindowUDF(_) => None,
        },
        _ => None,
    })
}
