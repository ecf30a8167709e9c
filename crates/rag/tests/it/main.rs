//! Tests of the reader as a process, of cutting whole texts, and of searches on a real database.

#[cfg(test)]
mod chunks;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod pdf_writer;
#[cfg(test)]
mod reader;
#[cfg(test)]
mod retrieval;
