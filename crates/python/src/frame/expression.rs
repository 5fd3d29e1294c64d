//! Expressions as Python writes them: names are not looked up, and types not known, before a frame binds them.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::SessionStateDefaults;
use datafusion::functions_aggregate::count::count_all;
use datafusion::logical_expr::expr::{AggregateFunction, InList, Sort, WindowFunction};
use datafusion::logical_expr::{
    AggregateUDF, Case, Cast, ColumnarValue, Expr, ExprFunctionExt, Operator, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, TryCast, Volatility, WindowFunctionDefinition, WindowUDF, binary_expr, not,
};
use datafusion::prelude::{ident, lit};
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;

use super::{bind, data_type, ingest};

/// Arithmetic whose rule depends on the types of its operands: a frame replaces it, see [`bind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// `/`: a float for integers.
    TrueDivide,
    /// `//`: rounded down.
    FloorDivide,
    /// `%`: with the sign of the divisor.
    Remainder,
}

/// The place that arithmetic of Python takes in an expression until it is bound.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Unbound {
    pub arithmetic: Arithmetic,
    signature: Signature,
}

impl Unbound {
    fn call(arithmetic: Arithmetic, left: Expr, right: Expr) -> Expr {
        let signature = Signature::any(2, Volatility::Immutable);
        ScalarUDF::new_from_impl(Unbound { arithmetic, signature }).call(vec![left, right])
    }
}

impl ScalarUDFImpl for Unbound {
    fn name(&self) -> &str {
        match self.arithmetic {
            Arithmetic::TrueDivide => "true_divide",
            Arithmetic::FloorDivide => "floor_divide",
            Arithmetic::Remainder => "remainder",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Err(DataFusionError::Internal(format!("{} is not bound to a frame", self.name())))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        Err(DataFusionError::Internal(format!("{} is not bound to a frame", self.name())))
    }
}

/// A function that an expression may call.
#[derive(Clone)]
enum Function {
    Scalar(Arc<ScalarUDF>),
    Aggregate(Arc<AggregateUDF>),
    Window(Arc<WindowUDF>),
}

/// The functions of SQL, by their names and aliases.
static FUNCTIONS: LazyLock<BTreeMap<String, Function>> = LazyLock::new(|| {
    let mut functions = BTreeMap::new();
    let mut add = |name: &str, aliases: &[String], function: Function| {
        for name in std::iter::once(name).chain(aliases.iter().map(String::as_str)) {
            functions.entry(name.to_string()).or_insert_with(|| function.clone());
        }
    };
    for function in SessionStateDefaults::default_aggregate_functions() {
        add(function.name(), function.aliases(), Function::Aggregate(Arc::clone(&function)));
    }
    for function in SessionStateDefaults::default_scalar_functions() {
        add(function.name(), function.aliases(), Function::Scalar(Arc::clone(&function)));
    }
    for function in SessionStateDefaults::default_window_functions() {
        add(function.name(), function.aliases(), Function::Window(Arc::clone(&function)));
    }
    functions
});

/// The names of the functions that [`PyExpression::call`] takes, sorted.
#[pyfunction]
pub fn function_names() -> Vec<&'static str> {
    FUNCTIONS.keys().map(String::as_str).collect()
}

/// What a column is ordered by: the expression, descending, nulls last.
pub type Ordering<'py> = (PyRef<'py, PyExpression>, bool, bool);

/// An expression over the columns of a frame.
#[pyclass(frozen, name = "Expression", module = "swath._swath")]
pub struct PyExpression(pub Expr);

impl PyExpression {
    fn inner(&self) -> Expr {
        self.0.clone()
    }
}

#[pymethods]
impl PyExpression {
    #[staticmethod]
    fn column(name: &str) -> Self {
        PyExpression(ident(name))
    }

    #[staticmethod]
    fn literal(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(PyExpression(lit(ingest::scalar(value)?)))
    }

    /// The number of rows.
    #[staticmethod]
    fn row_count() -> Self {
        PyExpression(count_all())
    }

    /// A call of a function of SQL by its name.
    #[staticmethod]
    #[pyo3(signature = (name, args, distinct = false))]
    fn call(name: &str, args: Vec<PyRef<'_, PyExpression>>, distinct: bool) -> PyResult<Self> {
        let args: Vec<Expr> = args.iter().map(|arg| arg.inner()).collect();
        let expr = match FUNCTIONS.get(name) {
            Some(Function::Scalar(function)) => function.call(args),
            Some(Function::Aggregate(function)) => Expr::AggregateFunction(AggregateFunction::new_udf(
                Arc::clone(function),
                args,
                distinct,
                None,
                vec![],
                None,
            )),
            Some(Function::Window(function)) => Expr::from(WindowFunction::new(
                WindowFunctionDefinition::WindowUDF(Arc::clone(function)),
                args,
            )),
            None => return Err(PyKeyError::new_err(format!("there is no function '{name}'"))),
        };
        Ok(PyExpression(expr))
    }

    /// `WHEN … THEN …` for each pair, and what holds where none does.
    #[staticmethod]
    fn case(
        branches: Vec<(PyRef<'_, PyExpression>, PyRef<'_, PyExpression>)>,
        otherwise: Option<PyRef<'_, PyExpression>>,
    ) -> Self {
        let branches =
            branches.iter().map(|(condition, value)| (Box::new(condition.inner()), Box::new(value.inner())));
        let otherwise = otherwise.map(|value| Box::new(value.inner()));
        PyExpression(Expr::Case(Case::new(None, branches.collect(), otherwise)))
    }

    fn binary(&self, operator: &str, right: PyRef<'_, PyExpression>) -> PyResult<Self> {
        let (left, right) = (self.inner(), right.inner());
        let operator = match operator {
            "+" => Operator::Plus,
            "-" => Operator::Minus,
            "*" => Operator::Multiply,
            "/" => return Ok(PyExpression(Unbound::call(Arithmetic::TrueDivide, left, right))),
            "//" => return Ok(PyExpression(Unbound::call(Arithmetic::FloorDivide, left, right))),
            "%" => return Ok(PyExpression(Unbound::call(Arithmetic::Remainder, left, right))),
            "==" => Operator::Eq,
            "!=" => Operator::NotEq,
            "<" => Operator::Lt,
            "<=" => Operator::LtEq,
            ">" => Operator::Gt,
            ">=" => Operator::GtEq,
            "&" => Operator::And,
            "|" => Operator::Or,
            "~=" => Operator::IsNotDistinctFrom,
            other => return Err(PyValueError::new_err(format!("there is no operator '{other}'"))),
        };
        Ok(PyExpression(binary_expr(left, operator, right)))
    }

    fn negate(&self) -> Self {
        PyExpression(Expr::Negative(Box::new(self.inner())))
    }

    fn invert(&self) -> Self {
        PyExpression(not(self.inner()))
    }

    fn is_null(&self) -> Self {
        PyExpression(self.inner().is_null())
    }

    fn is_not_null(&self) -> Self {
        PyExpression(self.inner().is_not_null())
    }

    fn alias(&self, name: &str) -> Self {
        PyExpression(self.inner().unalias().alias(name))
    }

    /// A cast by the name of a type; one that is not strict gives null for what cannot be cast.
    fn cast(&self, type_name: &str, strict: bool) -> PyResult<Self> {
        let (inner, data_type) = (Box::new(self.inner()), data_type::parse(type_name)?);
        Ok(PyExpression(match strict {
            true => Expr::Cast(Cast::new(inner, data_type)),
            false => Expr::TryCast(TryCast::new(inner, data_type)),
        }))
    }

    fn in_list(&self, values: Vec<PyRef<'_, PyExpression>>) -> Self {
        let values = values.iter().map(|value| value.inner()).collect();
        PyExpression(Expr::InList(InList::new(Box::new(self.inner()), values, false)))
    }

    /// Whether text is like a pattern of SQL.
    fn like(&self, pattern: &str) -> Self {
        PyExpression(self.inner().like(lit(pattern)))
    }

    /// The values of an aggregate or a window function over the rows of the same partition.
    fn over(
        &self,
        partition_by: Vec<PyRef<'_, PyExpression>>,
        order_by: Vec<Ordering<'_>>,
    ) -> PyResult<Self> {
        let partition_by: Vec<Expr> = partition_by.iter().map(|key| key.inner()).collect();
        let order_by = sort_keys(&order_by);
        let (inner, name) = match self.inner() {
            Expr::Alias(alias) => (*alias.expr, Some(alias.name)),
            inner => (inner, None),
        };
        let window = match inner {
            Expr::AggregateFunction(aggregate) => bind::as_window(aggregate),
            window @ Expr::WindowFunction(_) => window,
            other => {
                return Err(PyValueError::new_err(format!(
                    "over takes an aggregate or a window function, not {}",
                    other.human_display()
                )));
            }
        };
        let mut builder = window.partition_by(partition_by);
        if !order_by.is_empty() {
            builder = builder.order_by(order_by);
        }
        let window = builder.build().map_err(|error| PyValueError::new_err(error.strip_backtrace()))?;
        Ok(PyExpression(match name {
            Some(name) => window.alias(name),
            None => window,
        }))
    }

    /// An aggregate in the order of these keys, such as the first value.
    fn ordered_by(&self, order_by: Vec<Ordering<'_>>) -> PyResult<Self> {
        let ordered = self.inner().order_by(sort_keys(&order_by)).build();
        ordered.map(PyExpression).map_err(|error| PyValueError::new_err(error.strip_backtrace()))
    }

    /// The name of the column that the expression becomes.
    fn output_name(&self) -> String {
        bind::output_name(&self.0)
    }

    fn __repr__(&self) -> String {
        self.0.human_display().to_string()
    }
}

/// The sort keys of orderings.
pub fn sort_keys(order_by: &[Ordering<'_>]) -> Vec<Sort> {
    let keys = order_by.iter();
    keys.map(|(key, descending, nulls_last)| Sort::new(key.inner(), !descending, !nulls_last)).collect()
}
