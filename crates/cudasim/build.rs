//! Gives the shared library a SONAME of its own, which no program asks for. The loader writes the
//! names that programs do ask for into private copies, so that the built file can never be taken for
//! a real driver.

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libcudasim-before-naming.so");
    println!("cargo:rerun-if-changed=build.rs");
}
