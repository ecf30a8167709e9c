//! Reads Prometheus' text format strictly: what a scraper might take amiss is refused.

use std::collections::{BTreeMap, BTreeSet};

/// The samples of one name, as a scraper would see them.
#[derive(Clone, Debug)]
pub struct MetricFamily {
    /// The name of the metric; those of a histogram's samples are longer.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// What it means.
    pub help: String,
    /// The samples, in their order.
    pub samples: Vec<Sample>,
}

/// One line of a scrape.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The metric's name, with `_bucket`, `_sum` or `_count` for a histogram's.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// Reads a scrape.
///
/// # Errors
/// A sentence that says what is wrong with which line.
pub fn parse(text: &str) -> Result<Vec<MetricFamily>, String> {
    if !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut families: Vec<MetricFamily> = Vec::new();
    let mut names = BTreeSet::new();
    let mut series = BTreeSet::new();
    for line in text.lines() {
        let wrong = |what: &str| format!("{what}: {line}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or_else(|| wrong("no help"))?;
            if !names.insert(name.to_owned()) {
                return Err(wrong("a name twice"));
            }
            families.push(MetricFamily {
                name: name.to_owned(),
                kind: String::new(),
                help: help.to_owned(),
                samples: Vec::new(),
            });
            continue;
        }
        let family = families.last_mut().ok_or_else(|| wrong("no help before"))?;
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            match rest.split_once(' ') {
                Some((name, kind)) if name == family.name => kind.clone_into(&mut family.kind),
                _ => return Err(wrong("the type of another name")),
            }
            continue;
        }
        let sample = sample(line).ok_or_else(|| wrong("no sample"))?;
        if !belongs(&sample.name, family) {
            return Err(wrong("a sample of another name"));
        }
        if !series.insert((sample.name.clone(), sample.labels.clone())) {
            return Err(wrong("a series twice"));
        }
        family.samples.push(sample);
    }
    Ok(families)
}

fn belongs(name: &str, family: &MetricFamily) -> bool {
    match (family.kind.as_str(), name.strip_prefix(&family.name)) {
        ("histogram", Some(suffix)) => matches!(suffix, "_bucket" | "_sum" | "_count"),
        ("counter", Some("")) => name.ends_with("_total"),
        ("gauge", Some("")) => true,
        _ => false,
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        number => number.parse().ok()?,
    };
    let (name, labels) = match series.split_once('{') {
        None => (series, BTreeMap::new()),
        Some((name, rest)) => (name, labels(rest.strip_suffix('}')?)?),
    };
    is_name(name).then(|| Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// Reads `name="value",…`; a label twice is refused.
fn labels(text: &str) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        if !is_name(name) || labels.insert(name.to_owned(), value).is_some() {
            return None;
        }
        rest = match after.strip_prefix(',') {
            Some(next) if !next.is_empty() => next,
            None if after.is_empty() => "",
            _ => return None,
        };
    }
    Some(labels)
}

/// Reads up to the closing quote, and says what comes after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other @ ('"' | '\\') => other,
                _ => return None,
            }),
            other => value.push(other),
        }
    }
    None
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_is_read_with_its_labels_unescaped() {
        let text = "# HELP a_total Things.\n# TYPE a_total counter\n\
                    a_total{x=\"q\\\"b\\\\n\\n}, \",y=\"\"} 3\n";
        let families = parse(text).unwrap();
        assert_eq!(families[0].help, "Things.");
        let sample = &families[0].samples[0];
        assert_eq!(sample.labels["x"], "q\"b\\n\n}, ");
        assert_eq!(sample.labels["y"], "");
        assert!((sample.value - 3.0).abs() < f64::EPSILON);
    }

    #[test]
    fn what_a_scraper_might_take_amiss_is_refused() {
        let head = "# HELP a A.\n# TYPE a gauge\n";
        for (text, complaint) in [
            ("a 1\n".to_owned(), "no help before"),
            (format!("{head}a 1"), "no end"),
            (format!("{head}b 1\n"), "another name"),
            (format!("{head}a 1\na 2\n"), "a series twice"),
            (format!("{head}a 1\n{head}"), "a name twice"),
            (format!("{head}a{{x=\"1\",x=\"2\"}} 1\n"), "no sample"),
            (format!("{head}a{{x=\"1\",}} 1\n"), "no sample"),
            (format!("{head}a{{x=\"1}} 1\n"), "no sample"),
            (format!("{head}a one\n"), "no sample"),
            (
                "# HELP a A.\n# TYPE a counter\na 1\n".to_owned(),
                "another name",
            ),
        ] {
            let refused = parse(&text).unwrap_err();
            assert!(refused.contains(complaint), "{text}: {refused}");
        }
    }
}
