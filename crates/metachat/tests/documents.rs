//! The documentation names only what is there.

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    /// What a path of this repository begins with.
    const ROOTS: [&str; 13] = [
        "api/",
        "crates/",
        "docker/",
        "docs/",
        "fuzz/",
        "jobs/",
        "migrations/",
        "openapi/",
        "ops/",
        "workers/",
        ".ci/",
        ".config/",
        "dashboard/",
    ];

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    fn pages() -> Vec<PathBuf> {
        let mut folders = vec![root(), root().join("docs"), root().join("docs/adr")];
        folders.extend(["migrations", "openapi", "ops"].map(|name| root().join(name)));
        folders
            .into_iter()
            .flat_map(|folder| fs::read_dir(folder).unwrap())
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
            .collect()
    }

    /// What stands between back-ticks, or between the brackets of a link.
    fn named(text: &str) -> impl Iterator<Item = &str> {
        let quoted = text.split('`').skip(1).step_by(2);
        let linked = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
            .filter(|target| !target.contains("://") && !target.starts_with('#'));
        quoted.chain(linked)
    }

    /// Every source file of a folder and those below.
    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }

    /// All code of these folders.
    fn code_of(folders: &[&str]) -> String {
        let mut files = Vec::new();
        for folder in folders {
            sources(&root().join(folder), &mut files);
        }
        let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
        texts.collect()
    }

    #[test]
    fn every_outcome_in_the_table_of_conversations_names_a_test_that_is_there() {
        let code = code_of(&["api", "crates", "jobs", "workers"]);
        let guide = fs::read_to_string(root().join("docs/conversations.md")).unwrap();
        let (_, table) = guide.split_once("## What happens when").unwrap();
        let rows: Vec<&str> = table
            .lines()
            .filter(|line| line.starts_with("| ") && !line.starts_with("| Stage"))
            .collect();
        assert!(rows.len() > 30, "{}", rows.len());
        for row in rows {
            let name = row.rsplit('`').nth(1).unwrap();
            assert!(code.contains(&format!("fn {name}(")), "no test {name}");
        }
    }

    /// Whether a test has this name: a function, or a line of the macro that makes one for each format.
    fn is_test(code: &str, name: &str) -> bool {
        code.contains(&format!("fn {name}(")) || code.contains(&format!("\n    {name}: "))
    }

    #[test]
    fn every_cell_in_the_table_of_providers_names_tests_that_are_there() {
        let ours = code_of(&["crates/llm/tests/it"]);
        let built_in = code_of(&["crates/llm/src"]);
        let guide = fs::read_to_string(root().join("docs/providers.md")).unwrap();
        let (_, rest) = guide.split_once("## What each can do").unwrap();
        let (section, _) = rest.split_once("\n## ").unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| "));
        let mut checked = 0;
        // The first row names the providers.
        for row in rows.skip(1) {
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            let [what, cells @ .., last] = &cells[..] else {
                panic!("{row}");
            };
            assert_eq!(cells.len(), 4, "{row}");
            let cells = cells.iter().map(|cell| (cell, &ours));
            for (cell, code) in cells.chain([(last, &built_in)]) {
                let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
                let says_why = *cell == "-" || cell.starts_with("the same");
                assert!(says_why || !names.is_empty(), "{what}: {cell}");
                for name in names {
                    checked += 1;
                    assert!(is_test(code, name), "{what}: no test {name}");
                }
            }
        }
        assert!(checked > 35, "only {checked} names were found to check");
    }

    #[test]
    fn every_path_that_a_page_names_is_there() {
        let mut missing = Vec::new();
        let mut checked = 0;
        for page in pages() {
            let text = fs::read_to_string(&page).unwrap();
            for name in named(&text) {
                let plain = name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
                let is_ours = ROOTS.iter().any(|root| name.starts_with(root));
                if !plain || !is_ours {
                    continue;
                }
                checked += 1;
                let beside = page.parent().unwrap().join(name);
                if !root().join(name).exists() && !beside.exists() {
                    missing.push(format!("{}: {name}", page.display()));
                }
            }
        }
        assert!(checked > 20, "only {checked} paths were found to check");
        assert!(missing.is_empty(), "{}", missing.join("\n"));
    }
}
