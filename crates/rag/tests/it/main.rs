//! Tests of the reader as a process, of cutting whole texts, and of searches on a real database.

#[cfg(test)]
mod chunks;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod index;
#[cfg(test)]
mod pdf_writer;
#[cfg(test)]
mod ranking;
#[cfg(test)]
mod reader;
#[cfg(test)]
mod retrieval;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod world;
