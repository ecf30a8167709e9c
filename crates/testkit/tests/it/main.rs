//! The test kit itself.

#[cfg(test)]
mod standin;
#[cfg(test)]
mod test_db;
