use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::peers;
use crate::report::{ROOT, say};

/// A public collection: texts, questions, and which text answers which question.
#[derive(Debug)]
pub(super) struct Collection {
    pub(super) texts: Vec<Entry>,
    /// Those with an answer in the collection.
    pub(super) questions: Vec<Question>,
    /// Where it was read from.
    pub(super) folder: PathBuf,
}

/// A text of a collection; becomes a document of one chunk.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    #[serde(rename = "_id")]
    pub(super) id: String,
    #[serde(default)]
    pub(super) title: String,
    pub(super) text: String,
}

/// A question, and what each text is worth as its answer.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) grades: HashMap<String, u32>,
}

#[derive(Deserialize)]
struct Query {
    #[serde(rename = "_id")]
    id: String,
    text: String,
}

/// A collection and what is aimed at with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The name in measures.
    pub(super) name: &'static str,
    /// The folder below that of all collections.
    folder: &'static str,
    /// The language in the words of Snowball; `None`: it has no spaces, and is cut into pairs of
    /// chars.
    pub(super) stemmer: Option<&'static str>,
    /// What both searches together shall reach, if more than the better one alone.
    pub(super) hybrid_aim: Option<f64>,
    /// Whether the local model knows the language.
    pub(super) is_covered: bool,
}

/// The collections that are measured.
pub(super) const KNOWN: [Known; 4] = [
    Known {
        name: "cranfield",
        folder: "cranfield",
        stemmer: Some("english"),
        hybrid_aim: Some(0.43),
        is_covered: true,
    },
    Known {
        name: "xquad_en",
        folder: "xquad/en",
        stemmer: Some("english"),
        hybrid_aim: None,
        is_covered: true,
    },
    Known {
        name: "xquad_de",
        folder: "xquad/de",
        stemmer: Some("german"),
        hybrid_aim: None,
        is_covered: false,
    },
    Known {
        name: "xquad_zh",
        folder: "xquad/zh",
        stemmer: None,
        hybrid_aim: None,
        is_covered: false,
    },
];

impl Known {
    /// Reads the collection from the folder of all.
    ///
    /// # Errors
    /// When its files are not there or are no such files.
    pub(super) fn read(&self, all: &Path) -> anyhow::Result<Collection> {
        let folder = all.join(self.folder);
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path)
                .with_context(|| format!("{} cannot be read", path.display()))
        };
        let texts: Vec<Entry> = lines(&read("corpus.jsonl")?)?;
        let queries: Vec<Query> = lines(&read("queries.jsonl")?)?;
        let grades = grades(&read("qrels.tsv")?)?;
        let questions = with_grades(queries, grades);
        ensure!(!questions.is_empty(), "no question has an answer");
        Ok(Collection {
            texts,
            questions,
            folder,
        })
    }
}

/// The folder of all collections: `BENCH_IR_DIR`, or `.data/bench-ir` in the checkout, which is
/// fetched the first time.
///
/// # Errors
/// When they can be neither found nor fetched.
#[expect(
    clippy::disallowed_methods,
    reason = "a measurement has no configuration but this"
)]
pub(super) async fn find() -> anyhow::Result<PathBuf> {
    let set = std::env::var("BENCH_IR_DIR").ok();
    if let Some(set) = set.filter(|set| !set.is_empty()) {
        let folder = PathBuf::from(set);
        ensure!(folder.is_dir(), "BENCH_IR_DIR is no folder");
        return Ok(folder);
    }
    let folder = Path::new(ROOT).join(".data/bench-ir");
    if !folder.is_dir() {
        say("fetching the collections …");
        peers::fetch_collections(&folder).await?;
    }
    Ok(folder)
}

fn lines<T: serde::de::DeserializeOwned>(text: &str) -> anyhow::Result<Vec<T>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Reads `query-id`, `corpus-id` and `score` of each line after the first.
fn grades(text: &str) -> anyhow::Result<HashMap<String, HashMap<String, u32>>> {
    let mut grades: HashMap<String, HashMap<String, u32>> = HashMap::new();
    for line in text.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        let mut cells = line.split('\t');
        let (Some(query), Some(text), Some(grade)) = (cells.next(), cells.next(), cells.next())
        else {
            anyhow::bail!("{line:?} has no three columns");
        };
        let grade: i64 = grade.trim().parse().context("a grade is no number")?;
        if let Some(grade) = u32::try_from(grade).ok().filter(|grade| *grade > 0) {
            let of_query = grades.entry(query.to_owned()).or_default();
            of_query.insert(text.to_owned(), grade);
        }
    }
    Ok(grades)
}

fn with_grades(
    queries: Vec<Query>,
    mut grades: HashMap<String, HashMap<String, u32>>,
) -> Vec<Question> {
    queries
        .into_iter()
        .filter_map(|query| {
            let grades = grades.remove(&query.id)?;
            Some(Question {
                id: query.id,
                text: query.text,
                grades,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_questions_with_an_answer_count() {
        let queries = r#"{"_id": "1", "text": "one"}
            {"_id": "2", "text": "two", "metadata": {}}
            {"_id": "3", "text": "three"}"#;
        let grades = grades("query-id\tcorpus-id\tscore\n1\ta\t2\n1\tb\t0\n2\ta\t-1\n").unwrap();
        let questions = with_grades(lines(queries).unwrap(), grades);
        assert_eq!(questions.len(), 1);
        assert_eq!(questions[0].grades, HashMap::from([("a".to_owned(), 2)]));
        assert!(super::grades("head\n1 a 2\n").is_err());
    }
}
