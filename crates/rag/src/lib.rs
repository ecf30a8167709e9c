//! From a file to the passages an answer rests on: read, cut, index, find and fuse.
//!
//! [`extract`] turns a file into text with pages and headings, in a child process because files
//! are hostile. [`chunk`] cuts the text into passages that know their place. [`language`] and
//! [`terms`] say how a text is indexed by words, [`keyword`] is that index. [`fuse`] ranks what the
//! keyword and the vector search found, as far as the model has [`reach`], [`rerank`] ranks the best
//! again, and [`retrieve`] does all of it for a question.

pub mod chunk;
pub mod extract;
pub mod fuse;
pub mod keyword;
pub mod language;
pub mod reach;
pub mod rerank;
pub mod retrieve;
pub mod terms;
