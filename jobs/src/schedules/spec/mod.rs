use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// The longest distance between two ticks of `every <n>s`: a year.
const MAX_EVERY: i64 = 366 * 24 * 3600;
/// The longest text that is read.
const MAX_LENGTH: usize = 200;

/// When a schedule's ticks are, in UTC: a cron expression of five fields, or `every <n>s`.
///
/// A field of cron is `*` or a list of values, names (`MON`, `JAN`) and ranges, with steps. Where both
/// the day of the month and the day of the week are narrowed, one of them is enough, as in cron.
///
/// Ticks of `every <n>s` are at whole multiples of n seconds since 1970, so they do not depend on when
/// the schedule was set or who looks.
#[derive(Clone, Debug)]
pub struct Spec {
    text: String,
    ticks: Ticks,
}

#[derive(Clone, Debug)]
enum Ticks {
    Cron(Box<Cron>),
    Every(i64),
}

/// The text says no times; the text of the error says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSpec(String);

impl FromStr for Spec {
    type Err = InvalidSpec;

    fn from_str(text: &str) -> Result<Self, InvalidSpec> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let ticks = match fields.as_slice() {
            _ if text.len() > MAX_LENGTH || !text.is_ascii() => return Err(not_a_spec()),
            ["every", period] => Ticks::Every(period_of(period)?),
            [_, _, _, _, _] if fields.iter().all(|field| is_plain(field)) => {
                Ticks::Cron(Box::new(cron(text)?))
            }
            _ => return Err(not_a_spec()),
        };
        let spec = Self {
            text: fields.join(" "),
            ticks,
        };
        // Thirtieths of February and the like.
        match spec.next_after(DateTime::UNIX_EPOCH) {
            Some(_) => Ok(spec),
            None => Err(InvalidSpec("names times that never come".to_owned())),
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Spec {
    /// The first tick after `time`; `None` only beyond the calendar's end.
    pub fn next_after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let second = DateTime::from_timestamp(time.timestamp(), 0)?;
        match &self.ticks {
            Ticks::Cron(cron) => cron.find_next_occurrence(&second, false).ok(),
            Ticks::Every(period) => {
                let last = second.timestamp().div_euclid(*period) * period;
                DateTime::from_timestamp(last.checked_add(*period)?, 0)
            }
        }
    }

    /// The last tick not after `time`; `None` only before the calendar's beginning.
    pub fn last_until(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let second = DateTime::from_timestamp(time.timestamp(), 0)?;
        match &self.ticks {
            Ticks::Cron(cron) => cron.find_previous_occurrence(&second, true).ok(),
            Ticks::Every(period) => {
                let last = second.timestamp().div_euclid(*period) * period;
                DateTime::from_timestamp(last, 0)
            }
        }
    }

    /// The first tick after `time`, or in a day if there is none.
    pub(super) fn next_or_later(&self, time: DateTime<Utc>) -> DateTime<Utc> {
        self.next_after(time).unwrap_or(time + TimeDelta::days(1))
    }
}

fn period_of(text: &str) -> Result<i64, InvalidSpec> {
    text.strip_suffix('s')
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .filter(|period| (1..=MAX_EVERY).contains(period))
        .ok_or_else(|| {
            InvalidSpec(format!(
                "must name whole seconds from 1 to {MAX_EVERY}, such as `every 90s`"
            ))
        })
}

/// Whether a field of cron is a list of stars, values and ranges, each with a step or without. What
/// the library reads beyond that (last days, nearest weekdays, fields that name nothing) can take it
/// minutes to find that no time is meant.
fn is_plain(field: &str) -> bool {
    let is_value = |text: &str| {
        let all = |is: fn(&u8) -> bool| text.bytes().all(|byte| is(&byte));
        (!text.is_empty() && all(u8::is_ascii_digit))
            || (text.len() == 3 && all(u8::is_ascii_alphabetic))
    };
    field.split(',').all(|item| {
        let (base, step) = item.split_once('/').unwrap_or((item, "1"));
        let (from, to) = base.split_once('-').unwrap_or((base, "0"));
        let is_step = !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
        is_step && (base == "*" || (is_value(from) && is_value(to)))
    })
}

fn cron(text: &str) -> Result<Cron, InvalidSpec> {
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build()
        .parse(text)
        .map_err(|error| InvalidSpec(format!("is no cron expression: {error}")))
}

fn not_a_spec() -> InvalidSpec {
    InvalidSpec(
        "must be a cron expression of five fields, such as `7 * * * *`, or `every <n>s`".to_owned(),
    )
}

#[cfg(test)]
mod tests;
