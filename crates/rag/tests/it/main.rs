//! Tests of the reader as a process, of cutting whole texts, and of searches on a real database.

#[cfg(test)]
mod chunks;
#[cfg(test)]
mod formats;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod hostile_office;
#[cfg(test)]
mod index;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod office_writer;
#[cfg(test)]
mod pdf_writer;
#[cfg(test)]
mod ranking;
#[cfg(test)]
mod reader;
#[cfg(test)]
mod retrieval;
#[cfg(test)]
mod second_opinion;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod word;
#[cfg(test)]
mod world;
