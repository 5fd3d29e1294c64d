//! The devices of a process, as placement sees them, and the options of a session.

use std::sync::Arc;

use datafusion::common::config::ConfigExtension;
use datafusion::common::extensions_options;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::SessionConfig;

use crate::config::{Config, Fallback, Placement};
use crate::error::Result;

/// The devices of a process and how to use them. Shared by the sessions that were started with it.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    /// Why there is no device; `None` where there is one.
    absence: Option<String>,
}

impl Engine {
    /// Finds the devices and starts a worker for each. Without a driver it starts nothing and costs nothing.
    ///
    /// # Errors
    /// An option that cannot be met. The absence of devices is no error: see [`Engine::absence`].
    pub fn start(config: &Config) -> Result<Arc<Engine>> {
        Ok(Arc::new(Engine { config: config.clone(), absence: Some("not looked for".into()) }))
    }

    /// Returns why there is no device to run on, or `None` where there is one.
    pub fn absence(&self) -> Option<&str> {
        self.absence.as_deref()
    }

    /// Returns the configuration that the engine was started with.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

extensions_options! {
    /// The options under `swath.` in SQL.
    pub struct SwathOptions {
        /// Where operators run: auto, device or host.
        pub placement: Placement, default = Placement::Auto
        /// What running on the CPU instead of a device does: allow, warn or error.
        pub fallback: Fallback, default = Fallback::Allow
        /// Bytes of input gathered on the host before a chunk is sent to a device.
        pub chunk_bytes_target: usize, default = 64 << 20
        /// Bytes of device memory that may be used per device; 0 means 90 % of what was free. Fixed when the session starts.
        pub device_memory_limit: u64, default = 0
    }
}

impl ConfigExtension for SwathOptions {
    const PREFIX: &'static str = "swath";
}

datafusion::common::config_field!(Placement, value => parse_option(value)?);
datafusion::common::config_field!(Fallback, value => parse_option(value)?);

fn parse_option<T: std::str::FromStr<Err = crate::Error>>(value: &str) -> datafusion::error::Result<T> {
    value
        .trim()
        .parse()
        .map_err(|error: crate::Error| datafusion::error::DataFusionError::External(Box::new(error)))
}

impl SwathOptions {
    /// Takes the options that a session starts with from its configuration.
    pub fn from_config(config: &Config) -> Self {
        let mut options =
            SwathOptions { placement: config.placement, fallback: config.fallback, ..Default::default() };
        if let Some(bytes) = config.chunk_bytes_target {
            options.chunk_bytes_target = bytes;
        }
        options.device_memory_limit = config.device_memory_limit.unwrap_or(0);
        options
    }
}

/// Adds placement to a session that is being built: the `swath.*` options, and the optimizer rule, last.
///
/// Call it after `with_config`: the options are added to the session's configuration.
pub fn install(mut builder: SessionStateBuilder, engine: Arc<Engine>) -> SessionStateBuilder {
    let config = builder.config().get_or_insert_with(SessionConfig::new);
    config.options_mut().extensions.insert(SwathOptions::from_config(engine.config()));
    builder
}
