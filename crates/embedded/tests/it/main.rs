//! The embedded server on this machine, as whoever runs the tests.

#[cfg(test)]
mod server;
