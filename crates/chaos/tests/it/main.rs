//! Proves the checker: deliberately broken runs, and what it says of them.

#[cfg(test)]
mod sabotage;
