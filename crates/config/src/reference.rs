use crate::section::Section as _;
use crate::sections::{
    Database, Embedding, Jobs, Keys, Live, Log, Meta, Models, Outbound, Retention, Server,
    Spending, Testing, Webchat,
};

/// What one variable means, in the words of its field.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// The variable's name.
    pub name: &'static str,
    /// Its meaning, unit and special values, line by line as the doc comment has them.
    pub meaning: &'static [&'static str],
    /// What holds when it is not set; `None` if nothing does.
    pub default: Option<&'static str>,
    /// What a production installation must do about it.
    pub production: Option<&'static str>,
}

/// A group of variables.
#[derive(Clone, Copy, Debug)]
pub struct SectionReference {
    /// The heading.
    pub title: &'static str,
    /// One sentence about the group, line by line.
    pub about: &'static [&'static str],
    /// The variables, in the order of the struct.
    pub variables: &'static [Variable],
}

/// Every variable there is, by section.
pub fn reference() -> &'static [SectionReference] {
    &[
        Server::REFERENCE,
        Database::REFERENCE,
        Keys::REFERENCE,
        Meta::REFERENCE,
        Models::REFERENCE,
        Embedding::REFERENCE,
        Spending::REFERENCE,
        Outbound::REFERENCE,
        Jobs::REFERENCE,
        Retention::REFERENCE,
        Webchat::REFERENCE,
        Live::REFERENCE,
        Log::REFERENCE,
        Testing::REFERENCE,
    ]
}

/// The text of `docs/configuration.md`.
pub fn markdown() -> String {
    let mut lines = vec![
        "# Configuration".to_owned(),
        String::new(),
        "Settings come from the environment first, then from `.env` in the working directory. A variable".to_owned(),
        "set to nothing counts as not set. A start with a bad setting fails and lists every problem.".to_owned(),
        String::new(),
        "**Production** marks what an installation that others rely on must set.".to_owned(),
    ];
    for section in reference() {
        lines.extend([
            String::new(),
            format!("## {}", section.title),
            String::new(),
            joined(section.about),
        ]);
        for variable in section.variables {
            lines.extend([
                String::new(),
                format!("### `{}`", variable.name),
                String::new(),
            ]);
            lines.push(joined(variable.meaning));
            lines.push(String::new());
            lines.push(match variable.default {
                Some(default) => format!("Default: `{default}`."),
                None => "Default: not set.".to_owned(),
            });
            if let Some(production) = variable.production {
                lines.extend([String::new(), format!("**Production:** {production}")]);
            }
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// The text of `.env.example`.
pub fn env_example() -> String {
    let mut lines = vec![
        "# Copy to `.env` and uncomment what you set; the environment goes before this file."
            .to_owned(),
        "# PRODUCTION marks what an installation that others rely on must set.".to_owned(),
        "# Put a value that holds a $, a # or a space in 'single quotes'.".to_owned(),
    ];
    for section in reference() {
        lines.extend([String::new(), format!("# ---- {} ----", section.title)]);
        for variable in section.variables {
            lines.push(String::new());
            let meaning = variable.meaning.iter().map(|line| line.trim());
            lines.extend(meaning.map(|line| format!("# {line}").trim_end().to_owned()));
            if let Some(production) = variable.production {
                lines.push(format!("# PRODUCTION: {production}"));
            }
            let default = variable.default.unwrap_or_default();
            lines.push(format!("#{}={default}", variable.name));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

fn joined(lines: &[&str]) -> String {
    let trimmed: Vec<_> = lines.iter().map(|line| line.trim()).collect();
    trimmed.join("\n")
}
