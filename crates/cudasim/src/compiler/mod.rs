//! The simulated NVRTC: compiles kernel source with the host's C++ compiler into a shared object, which
//! stands for the CUBIN. What stands for PTX is the same in base64.

mod api;
pub mod base64;
mod build;
mod translate;

/// The first bytes of a text image.
pub const TEXT_IMAGE_MARK: &[u8] = b"//CUDASIM";
