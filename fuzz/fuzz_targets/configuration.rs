//! Settings as an operator writes them: they are read or every problem is named, the same from the
//! environment as from a file, and no secret is repeated.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use config::{Config, ConfigError, reference};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    variables: Vec<(u8, Written<'a>)>,
    file: &'a [u8],
}

#[derive(Arbitrary, Debug)]
enum Written<'a> {
    Text(&'a str),
    Number(u64),
    Sample(u8),
    /// A sample, and behind it what must never be shown; only for a variable that is a secret.
    Secret(u8),
}

const SECRET: &str = "hunter-2-of-the-fuzzer";

/// Texts that some variable takes, or nearly.
const SAMPLES: [&str; 28] = [
    "",
    " ",
    "true",
    "0",
    "no",
    "127.0.0.1:3000",
    "[::1]:0",
    ":3000",
    "http://127.0.0.1:11434/",
    "https://user:pass@host.example/?q",
    "postgres://metachat@localhost/metachat?sslmode=",
    "postgresql://",
    "redis://localhost/",
    "10.0.0.0/8, hooks.internal,",
    "fd00::/8",
    "10.0.0.0/33",
    "json",
    "info,sqlx=warn",
    "openai",
    "ollama",
    "builtin",
    "{\"openai\": {\"gpt-4o-mini\": {\"input\": 0.15, \"output\": 0.6}}}",
    "{",
    "v25.0",
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "/var/lib/metachat",
    "4294967296",
    "-1",
];

/// The names of all variables, and one that is none.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let sections = reference().iter();
    let names = sections
        .flat_map(|section| section.variables)
        .map(|it| it.name);
    names.chain(["METACHAT_OF_NOTHING"]).collect()
});

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    std::env::temp_dir().join(format!("metachat-fuzz-{}.env", std::process::id()))
});

fuzz_target!(|input: Input<'_>| {
    let variables: Vec<(&str, String)> = input.variables.iter().take(20).map(variable).collect();
    let pairs = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()));
    let read = Config::from_variables(pairs.clone());
    check(&read);
    let shown = format!("{read:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    // Quotes, backslashes and ends of lines say something to a file.
    let is_plain = |value: &str| !value.contains(['\'', '\\', '\n', '\r', '\0']);
    if variables.iter().all(|(_, value)| is_plain(value)) {
        let lines: String = pairs
            .map(|(name, value)| format!("{name}='{value}'\n"))
            .collect();
        assert_eq!(format!("{:?}", from_file(lines.as_bytes())), shown);
    }
    check(&from_file(input.file));
});

fn variable((at, written): &(u8, Written<'_>)) -> (&'static str, String) {
    let name = NAMES[usize::from(*at) % NAMES.len()];
    let sample = |at: &u8| SAMPLES[usize::from(*at) % SAMPLES.len()];
    let is_secret = ["_KEY", "_SECRET", "_TOKEN", "DATABASE_URL", "REDIS_URL"]
        .iter()
        .any(|ending| name.ends_with(ending));
    let value = match written {
        Written::Text(text) => text.replace(SECRET, ""),
        Written::Number(number) => number.to_string(),
        Written::Secret(at) if is_secret => format!("{}{SECRET}", sample(at)),
        Written::Sample(at) | Written::Secret(at) => sample(at).to_owned(),
    };
    (name, value)
}

fn from_file(content: &[u8]) -> Result<Config, ConfigError> {
    fs::write(&*FILE, content).expect("the folder for temporary files takes one");
    Config::from_sources([], &FILE)
}

fn check(read: &Result<Config, ConfigError>) {
    let Err(error) = read else {
        return;
    };
    let written = error.to_string();
    assert_eq!(
        written.lines().count(),
        error.problems.len() + 1,
        "{written}"
    );
    assert!(!error.problems.is_empty());
    for problem in &error.problems {
        let name = problem.variable.as_str();
        assert!(name == ".env" || NAMES.contains(&name), "{problem:?}");
    }
}
