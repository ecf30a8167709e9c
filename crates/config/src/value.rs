use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::AllowRule;

/// A type that a variable's text can be read as.
pub(crate) trait Value: Sized {
    /// Reads the text, which is not empty; the error says what the text should be, without quoting it.
    fn parse(text: &str) -> Result<Self, String>;

    /// What a variable that is neither set nor has a default stands for, if that is allowed.
    fn absent() -> Option<Self> {
        None
    }
}

impl<T: Value> Value for Option<T> {
    fn parse(text: &str) -> Result<Self, String> {
        T::parse(text).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl Value for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Value for SecretString {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }
}

impl Value for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }
}

impl Value for SocketAddr {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| "must be an address and a port, such as 127.0.0.1:3000".to_owned())
    }
}

impl Value for bool {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err("must be true or false".to_owned()),
        }
    }
}

impl Value for Url {
    fn parse(text: &str) -> Result<Self, String> {
        let expected =
            || "must be an http:// or https:// URL without user name or query".to_owned();
        let url: Self = text.parse().map_err(|_| expected())?;
        let is_plain = matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if is_plain { Ok(url) } else { Err(expected()) }
    }
}

impl Value for Duration {
    fn parse(text: &str) -> Result<Self, String> {
        let seconds = NonZeroU32::parse(text)?;
        Ok(Self::from_secs(seconds.get().into()))
    }
}

impl Value for u32 {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("must be a whole number from 0 to {}", Self::MAX))
    }
}

impl Value for NonZeroU32 {
    fn parse(text: &str) -> Result<Self, String> {
        whole_number(text, Self::MAX)
    }
}

impl Value for NonZeroU64 {
    fn parse(text: &str) -> Result<Self, String> {
        whole_number(text, Self::MAX)
    }
}

impl Value for NonZeroUsize {
    fn parse(text: &str) -> Result<Self, String> {
        whole_number(text, Self::MAX)
    }
}

impl Value for Vec<AllowRule> {
    fn parse(text: &str) -> Result<Self, String> {
        let entries = text.split(',').map(str::trim);
        entries
            .filter(|entry| !entry.is_empty())
            .map(|entry| {
                let quoted = entry.escape_debug();
                entry.parse().map_err(|error| format!("`{quoted}` {error}"))
            })
            .collect()
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

fn whole_number<T: std::str::FromStr>(
    text: &str,
    max: impl std::fmt::Display,
) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("must be a whole number from 1 to {max}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_takes_one_line_whatever_stands_in_the_variable() {
        let wrong = Vec::<AllowRule>::parse("10.0.0.0/8, a\nb\u{1b}[2J").unwrap_err();
        assert!(
            wrong.starts_with(r"`a\nb\u{1b}[2J` is no host name"),
            "{wrong}"
        );
        let wrong = Vec::<AllowRule>::parse("größe/x").unwrap_err();
        assert!(wrong.starts_with("`größe/x` is no host name"), "{wrong}");
    }
}
