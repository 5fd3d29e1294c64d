//! DataFusion's joins as joins of a device program.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::{JoinSide, JoinType, NullEquality};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};

use super::expression::translate;
use crate::error::{Error, Result};
use crate::program::Expr;

/// A join in the terms of a device program: the left side is built, the right one looks up.
#[derive(Clone, Debug)]
pub struct Join {
    pub join_type: JoinType,
    /// Expressions over the columns of either side; none where every pair is looked at.
    pub left_keys: Vec<Expr>,
    pub right_keys: Vec<Expr>,
    pub null_equals_null: bool,
    /// Whether it is `NOT IN`, an anti join of one key: no row stays where a key on the right is null, nor one whose
    /// own key is null; but all stay where there is no row on the right.
    pub null_aware: bool,
    /// What else must be true of a pair, over the left side's columns and then the right side's.
    pub residual: Option<Expr>,
    /// The columns of the join that are its output, or all.
    pub projection: Option<Vec<usize>>,
}

/// Answers `node` as a join and whether that waits for a subquery, the reason why it has no device form, or `None`
/// where it is no join.
pub fn translate_join(node: &Arc<dyn ExecutionPlan>) -> Option<Result<(Join, bool)>> {
    if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        let joined = Sides::of(node).join(
            *join.join_type(),
            join.on(),
            join.null_equality(),
            join.filter(),
            join.projection.as_ref().map(|projection| projection.to_vec()),
        );
        return Some(joined.map(|(translated, pending)| {
            let null_aware = join.null_aware;
            (Join { null_aware, ..translated }, pending)
        }));
    }
    if let Some(join) = node.downcast_ref::<SortMergeJoinExec>() {
        return Some(Sides::of(node).join(
            join.join_type(),
            join.on(),
            join.null_equality(),
            join.filter().as_ref(),
            None,
        ));
    }
    if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
        let projection = join.projection().as_ref().map(|projection| projection.to_vec());
        let null_equality = NullEquality::NullEqualsNothing;
        return Some(Sides::of(node).join(*join.join_type(), &[], null_equality, join.filter(), projection));
    }
    if node.is::<CrossJoinExec>() {
        let null_equality = NullEquality::NullEqualsNothing;
        return Some(Sides::of(node).join(JoinType::Inner, &[], null_equality, None, None));
    }
    node.name()
        .ends_with("JoinExec")
        .then(|| Err(Error::unsupported(format!("no device form of {}", node.name()))))
}

type Key = (Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>);

struct Sides {
    left: Arc<Schema>,
    right: Arc<Schema>,
    fetch: bool,
    pending: bool,
}

impl Sides {
    fn of(node: &Arc<dyn ExecutionPlan>) -> Self {
        let children = node.children();
        let schema = |index: usize| {
            children.get(index).map_or_else(|| Arc::new(Schema::empty()), |child| child.schema())
        };
        Sides { left: schema(0), right: schema(1), fetch: node.fetch().is_some(), pending: false }
    }

    fn join(
        mut self,
        join_type: JoinType,
        on: &[Key],
        null_equality: NullEquality,
        filter: Option<&JoinFilter>,
        projection: Option<Vec<usize>>,
    ) -> Result<(Join, bool)> {
        if self.fetch {
            return Err(Error::unsupported("no device form of a limit inside a join"));
        }
        let (mut left_keys, mut right_keys) = (vec![], vec![]);
        for (left, right) in on {
            let (left, right) = (self.translate(left, true)?, self.translate(right, false)?);
            if comparable(&left.data_type) != comparable(&right.data_type) {
                return Err(Error::unsupported(format!(
                    "no device form of a join of {} with {}",
                    left.data_type, right.data_type
                )));
            }
            left_keys.push(left);
            right_keys.push(right);
        }
        let residual = filter.map(|filter| self.residual(filter)).transpose()?;
        let join = Join {
            join_type,
            left_keys,
            right_keys,
            null_equals_null: null_equality == NullEquality::NullEqualsNull,
            null_aware: false,
            residual,
            projection,
        };
        Ok((join, self.pending))
    }

    fn translate(&mut self, expr: &Arc<dyn PhysicalExpr>, left: bool) -> Result<Expr> {
        let translated = translate(expr, if left { &self.left } else { &self.right })?;
        self.pending |= translated.pending;
        Ok(translated.expr)
    }

    fn residual(&mut self, filter: &JoinFilter) -> Result<Expr> {
        let translated = translate(filter.expression(), filter.schema())?;
        self.pending |= translated.pending;
        let columns: Vec<Expr> = filter
            .column_indices()
            .iter()
            .map(|column| {
                let (schema, first) = match column.side {
                    JoinSide::Left => (&self.left, 0),
                    JoinSide::Right => (&self.right, self.left.fields().len()),
                    JoinSide::None => {
                        return Err(Error::unsupported("no device form of marks in a join's filter"));
                    }
                };
                let field = schema.field(column.index);
                Ok(Expr::column(first + column.index, field.data_type().clone(), field.is_nullable()))
            })
            .collect::<Result<_>>()?;
        Ok(translated.expr.substitute(&columns))
    }
}

/// The type of which keys have to be the same: strings of every flavour compare alike.
fn comparable(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, value) => comparable(value),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}
