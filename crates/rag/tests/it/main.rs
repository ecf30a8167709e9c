//! Tests of the reader as a process, and of cutting whole texts.

#[cfg(test)]
mod chunks;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod pdf_writer;
#[cfg(test)]
mod reader;
