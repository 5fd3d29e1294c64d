//! Keeping computations out of file readers where a device may do them.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;

use super::engine::{Engine, SwathOptions};
use crate::config::Placement;

/// DataFusion's rule that moves projections towards the scans, held back where it would move a computation into a file
/// reader: what a reader computes, it computes on the CPU, where no placement sees it.
#[derive(Debug)]
pub struct ScanProjection {
    rule: Arc<dyn PhysicalOptimizerRule + Send + Sync>,
    engine: Arc<Engine>,
}

impl ScanProjection {
    /// The name of the rule that this one holds back.
    pub const RULE: &str = "ProjectionPushdown";

    pub fn new(rule: Arc<dyn PhysicalOptimizerRule + Send + Sync>, engine: Arc<Engine>) -> Self {
        ScanProjection { rule, engine }
    }
}

impl PhysicalOptimizerRule for ScanProjection {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let pushed = self.rule.optimize(plan.clone(), config)?;
        let on_host = self.engine.worker().is_none() || SwathOptions::of(config).placement == Placement::Host;
        Ok(if on_host || !a_scan_computes(&pushed)? { pushed } else { plan })
    }

    fn name(&self) -> &str {
        self.rule.name()
    }

    fn schema_check(&self) -> bool {
        self.rule.schema_check()
    }
}

fn a_scan_computes(plan: &Arc<dyn ExecutionPlan>) -> datafusion::error::Result<bool> {
    let mut found = false;
    plan.apply(|node| {
        found |= computes(node);
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// Whether `node` is a scan of files that does more than choose columns.
pub fn computes(node: &Arc<dyn ExecutionPlan>) -> bool {
    let Some(scan) = node.downcast_ref::<DataSourceExec>() else { return false };
    let Some(files) = scan.data_source().downcast_ref::<FileScanConfig>() else { return false };
    files
        .file_source()
        .projection()
        .is_some_and(|projection| projection.expr_iter().any(|expr| expr.downcast_ref::<Column>().is_none()))
}
