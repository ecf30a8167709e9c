use crate::section::section;
use crate::value::Value;

section! {
    /// The log, which goes to the standard error stream.
    Log, "Log";

    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or one for each part of the program, such
    /// as `info,sqlx=warn`.
    "METACHAT_LOG" = "info,sqlx=warn,apalis_core=warn,poem=warn" => filter: String;

    /// `text` for people, `json` for machines: one object a line.
    "METACHAT_LOG_FORMAT" = "text" => format: LogFormat;
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Value for LogFormat {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("must be text or json".to_owned()),
        }
    }
}
