//! The reader of one file as a program of its own, for the tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    let header = std::env::args().nth(2).unwrap_or_default();
    rag::extract::child::main(&header)
}
