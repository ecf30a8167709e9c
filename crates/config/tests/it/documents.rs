use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use config::{Config, env_example, markdown, reference};

// With UPDATE_EXPECT=1 the files are renewed instead.
fn compare(path: &str, expected: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join(path);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == expected,
        "{} is not what the code says: run UPDATE_EXPECT=1 cargo nextest run -p config",
        path.display()
    );
}

#[test]
fn the_configuration_guide_says_what_the_code_does() {
    compare("docs/configuration.md", &markdown());
}

#[test]
fn the_example_file_says_what_the_code_does() {
    compare(".env.example", &env_example());
}

#[test]
fn the_example_file_with_everything_uncommented_is_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    let all: String = env_example()
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_eq!(all.lines().count(), names().len());
    fs::write(&path, all).unwrap();
    let from_example = Config::from_sources([], &path).unwrap();
    let from_nothing = Config::from_variables([]).unwrap();
    assert_eq!(format!("{from_example:?}"), format!("{from_nothing:?}"));
}

#[test]
fn no_variable_is_described_twice() {
    let names = names();
    let distinct: BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}

fn names() -> Vec<&'static str> {
    let variables = reference().iter().flat_map(|section| section.variables);
    variables.map(|variable| variable.name).collect()
}
