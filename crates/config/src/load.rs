use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use crate::reference::reference;
use crate::section::Section;
use crate::sections::{
    Database, Embedding, Jobs, Keys, Live, Log, Meta, Models, Outbound, Retention, Server,
    Spending, Testing, Webchat,
};
use crate::value::Value;

/// All settings of a process; `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the process listens and keeps its data.
    pub server: Server,
    /// The database.
    pub database: Database,
    /// The operator's keys.
    pub keys: Keys,
    /// The platform's own app at Meta.
    pub meta: Meta,
    /// The model providers.
    pub models: Models,
    /// What turns texts into vectors.
    pub embedding: Embedding,
    /// What models cost, and when another one is asked.
    pub spending: Spending,
    /// What tenants' addresses may lead to.
    pub outbound: Outbound,
    /// The job engine.
    pub jobs: Jobs,
    /// For how long what only grows is kept.
    pub retention: Retention,
    /// The caps of the web chat.
    pub webchat: Webchat,
    /// How processes tell each other what is to be seen at once.
    pub live: Live,
    /// The log.
    pub log: Log,
    /// What only tests set.
    pub testing: Testing,
    /// Variables that begin with `METACHAT_` but mean nothing, likely mistyped; to be warned of.
    pub unknown: Vec<String>,
}

/// One thing wrong with one variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The variable, or `.env` where the file itself is at fault.
    pub variable: String,
    /// What is wrong with it, as the end of a sentence that begins with its name.
    pub text: String,
}

/// Everything that is wrong with the settings; the text has a line for each problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The problems, at least one.
    pub problems: Vec<Problem>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not valid:")?;
        for Problem { variable, text } in &self.problems {
            write!(f, "\n  {variable} {text}")?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads the process's environment and, for what is not set there, `.env` in the working directory.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found.
    pub fn load() -> Result<Self, ConfigError> {
        Self::from_sources(std::env::vars_os(), Path::new(".env"))
    }

    /// Reads variables given as an environment would give them, and a file such as `.env`.
    ///
    /// A variable that is set to nothing counts as not set, and hides the file's. The file may be missing.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found.
    pub fn from_sources(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        file: &Path,
    ) -> Result<Self, ConfigError> {
        let mut reader = Reader::default();
        reader.add_file(file);
        reader.add_environment(environment);
        reader.into_config()
    }

    /// Reads the given variables alone, as tests do.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found.
    pub fn from_variables<'a>(
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ConfigError> {
        let mut reader = Reader::default();
        reader.add_environment(variables.into_iter().map(|(k, v)| (k.into(), v.into())));
        reader.into_config()
    }
}

/// The variables as found, and the problems noted while they are read.
#[derive(Default)]
pub(crate) struct Reader {
    found: BTreeMap<String, String>,
    problems: Vec<Problem>,
}

impl Reader {
    pub(crate) fn read<T: Value>(&mut self, name: &str, default: Option<&str>) -> Option<T> {
        let text = self.found.get(name).map(|text| text.trim());
        let text = text.filter(|text| !text.is_empty()).or(default);
        match text.map(T::parse) {
            Some(Ok(value)) => Some(value),
            Some(Err(text)) => self.note(name, text),
            None => T::absent().or_else(|| self.note(name, "is not set".to_owned())),
        }
    }

    pub(crate) fn check<T>(
        &mut self,
        name: &str,
        value: Option<T>,
        check: fn(&T) -> Result<(), &'static str>,
    ) -> Option<T> {
        match check(value.as_ref()?) {
            Ok(()) => value,
            Err(text) => self.note(name, text.to_owned()),
        }
    }

    fn note<T>(&mut self, variable: &str, text: String) -> Option<T> {
        self.problems.push(Problem {
            variable: variable.to_owned(),
            text,
        });
        None
    }

    fn add_file(&mut self, path: &Path) {
        let lines = match dotenvy::from_path_iter(path) {
            Ok(lines) => lines,
            Err(error) if error.not_found() => return,
            Err(_) => {
                self.note::<()>(".env", "cannot be read".to_owned());
                return;
            }
        };
        for line in lines {
            let Ok((name, value)) = line else {
                // The line itself may hold a secret.
                let text = "has a line that is not NAME=value (quote values with spaces)";
                self.note::<()>(".env", text.to_owned());
                return;
            };
            self.found.insert(name, value);
        }
    }

    fn add_environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        for (name, value) in variables {
            // What has no Unicode name is none of ours.
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(value) => {
                    self.found.insert(name, value);
                }
                Err(_) if is_ours(&name) => {
                    self.note::<()>(&name, "is not valid Unicode".to_owned());
                }
                Err(_) => {}
            }
        }
    }

    fn into_config(mut self) -> Result<Config, ConfigError> {
        let config = self.read_sections();
        match config {
            Some(config) if self.problems.is_empty() => Ok(config),
            _ => Err(ConfigError {
                problems: self.problems,
            }),
        }
    }

    // Every section is read before any is found missing, so that no problem hides another.
    fn read_sections(&mut self) -> Option<Config> {
        let server = Server::read(self);
        let database = Database::read(self);
        let keys = Keys::read(self);
        let meta = Meta::read(self);
        let models = Models::read(self);
        let embedding = Embedding::read(self);
        let spending = Spending::read(self);
        let outbound = Outbound::read(self);
        let jobs = Jobs::read(self);
        let retention = Retention::read(self);
        let webchat = Webchat::read(self);
        let live = Live::read(self);
        let log = Log::read(self);
        let testing = Testing::read(self);
        Some(Config {
            server: server?,
            database: database?,
            keys: keys?,
            meta: meta?,
            models: models?,
            embedding: embedding?,
            spending: spending?,
            outbound: outbound?,
            jobs: jobs?,
            retention: retention?,
            webchat: webchat?,
            live: live?,
            log: log?,
            testing: testing?,
            unknown: self.unknown(),
        })
    }

    fn unknown(&self) -> Vec<String> {
        let known = known();
        let ours = self.found.keys().filter(|name| is_ours(name));
        ours.filter(|name| !known.contains(name.as_str()))
            .cloned()
            .collect()
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with("METACHAT_") || known().contains(name)
}

fn known() -> BTreeSet<&'static str> {
    reference()
        .iter()
        .flat_map(|section| section.variables)
        .map(|variable| variable.name)
        .collect()
}
