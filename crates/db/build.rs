//! Compiles the crate anew when a migration is added or changed.

#![expect(
    clippy::print_stdout,
    reason = "this is how a build script talks to cargo"
)]

fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}
