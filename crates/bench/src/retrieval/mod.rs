//! The suite `rag`: what is found and how fast, beside exact search and another implementation of
//! BM25; what documents cost; what a model's stream costs on top of the model's own time.

mod collection;
mod corpus;
mod documents;
mod embedding;
mod pdf;
mod quality;
mod ranking;
mod scale;
mod shelf;
mod streaming;

use clap::ValueEnum;

use crate::RagArguments;
use crate::report::{Report, say};
use crate::server::Server;

/// What the suite measures, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// nDCG@10 of the keyword search, beside `bm25s`.
    Keyword,
    /// nDCG@10 of both searches together, by the local model.
    Hybrid,
    /// Recall, latency and size with 200,000 chunks.
    Scale,
    /// Pages a second.
    Ingest,
    /// Pages a second, and memory.
    Documents,
    /// What the client of a model adds to the model's own time.
    Streaming,
}

/// Measures all of it, or what is asked for.
///
/// # Errors
/// Those of the database and of the product; what is missing on this machine is left out instead.
pub(crate) async fn measure(
    server: &Server,
    arguments: &RagArguments,
    report: &mut Report,
) -> anyhow::Result<()> {
    let wanted = |measure| arguments.only.is_empty() || arguments.only.contains(&measure);
    if wanted(Measure::Streaming) {
        say("streaming …");
        streaming::measure(arguments.answers, report).await?;
    }
    if wanted(Measure::Keyword) || wanted(Measure::Hybrid) {
        let hybrid = wanted(Measure::Hybrid);
        quality::measure(server, wanted(Measure::Keyword), hybrid, report).await?;
    }
    if wanted(Measure::Documents) || wanted(Measure::Ingest) {
        let memory = wanted(Measure::Documents);
        documents::measure(server, arguments, memory, report).await?;
    }
    if wanted(Measure::Scale) {
        scale::measure(server, arguments, report).await?;
    }
    Ok(())
}
