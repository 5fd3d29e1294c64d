//! The simulated driver. `api` holds the exported `cu*` functions, which are thin; what they do is in
//! the other modules.

mod api;
mod control;
mod launch;
mod memory;
mod module;
mod state;
mod status;
mod stream;
