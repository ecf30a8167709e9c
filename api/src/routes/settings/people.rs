//! What a tenant sets about hand-off, business hours and opting out, as it is shown and as it is
//! changed.

use std::collections::HashMap;

use chrono::NaiveDate;
use domain::{
    BusinessHours, DayOfWeek, HandoffSettings, OptOutSettings, PhrasesByLanguage, TenantSettings,
};
use poem_openapi::{Enum, Object};
use serde::Deserialize;

use crate::payload::Checks;

/// When a conversation goes to a person, and when it comes back.
#[derive(Debug, Object)]
#[oai(rename = "HandoffSettings")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct HandoffView {
    /// Whether a contact gets a person by asking for one.
    on_words: bool,
    /// The tenant's own phrases that ask for one, by language; a language that is named here takes
    /// the place of the product's phrases of it.
    words: HashMap<String, Vec<String>>,
    /// Whether the model may give a conversation to a person.
    tool: bool,
    /// Whether a question that could not be answered in time goes to a person.
    when_unanswered: bool,
    /// Whether a question for which nothing fits in the documents goes to a person.
    when_unknown: bool,
    /// What the contact reads then; `null`: the product's own words, in the contact's language.
    text: Option<String>,
    /// What the contact reads outside business hours; `null`: the product's own words.
    closed_text: Option<String>,
    /// What happens outside business hours.
    when_closed: WhenClosed,
    /// After how many minutes without a word from a person the machine answers again; 0: never.
    release_after_minutes: u32,
}

/// What happens outside business hours when a conversation is to go to a person.
#[derive(Clone, Copy, Debug, Enum, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum WhenClosed {
    /// It goes to a person all the same, who finds it later; the contact reads `closed_text`.
    HandOff,
    /// It stays with the machine; the contact reads `closed_text`.
    Stay,
}

/// When people are there.
#[derive(Debug, Object)]
#[oai(rename = "BusinessHours")]
pub(crate) struct HoursView {
    /// The time zone that all of it is in, by its IANA name.
    time_zone: String,
    /// When people are there, week by week; empty: always.
    weekly: Vec<OpenHours>,
    /// Days without people, by the calendar of the time zone.
    holidays: Vec<NaiveDate>,
}

/// A stretch of one day of the week.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenHours {
    /// The day.
    day: Day,
    /// From then on, for example `09:00`.
    from: String,
    /// Until before then; `24:00` is the end of the day.
    to: String,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, Enum, Deserialize)]
#[oai(rename_all = "snake_case", rename = "DayOfWeek")]
#[serde(rename_all = "snake_case")]
enum Day {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

/// How contacts say that they want no more messages.
#[derive(Debug, Object)]
#[oai(rename = "OptOutSettings")]
pub(crate) struct OptOutView {
    /// Whether stop words are heeded.
    enabled: bool,
    /// The tenant's own stop words, by language; a language that is named here takes the place of
    /// the product's.
    stop_words: HashMap<String, Vec<String>>,
    /// The tenant's own words that end the silence; likewise.
    start_words: HashMap<String, Vec<String>>,
    /// What confirms a stop, once; `null`: the product's own words; empty: nothing.
    stop_text: Option<String>,
    /// What confirms the end of the silence; likewise.
    start_text: Option<String>,
}

fn by_language(phrases: PhrasesByLanguage) -> HashMap<String, Vec<String>> {
    phrases.into_iter().collect()
}

impl HandoffView {
    pub(crate) fn new(handoff: HandoffSettings) -> Self {
        Self {
            on_words: handoff.on_words,
            words: by_language(handoff.words),
            tool: handoff.tool,
            when_unanswered: handoff.when_unanswered,
            when_unknown: handoff.when_unknown,
            text: handoff.text,
            closed_text: handoff.closed_text,
            when_closed: match handoff.when_closed {
                domain::WhenClosed::HandOff => WhenClosed::HandOff,
                domain::WhenClosed::Stay => WhenClosed::Stay,
            },
            release_after_minutes: handoff.release_after_minutes,
        }
    }
}

impl HoursView {
    pub(crate) fn new(hours: BusinessHours) -> Self {
        let weekly = hours.weekly.into_iter().map(|open| OpenHours {
            day: open.day.into(),
            from: open.from.into(),
            to: open.to.into(),
        });
        Self {
            time_zone: hours.time_zone.name().to_owned(),
            weekly: weekly.collect(),
            holidays: hours.holidays,
        }
    }
}

impl From<DayOfWeek> for Day {
    fn from(day: DayOfWeek) -> Self {
        match day {
            DayOfWeek::Monday => Self::Monday,
            DayOfWeek::Tuesday => Self::Tuesday,
            DayOfWeek::Wednesday => Self::Wednesday,
            DayOfWeek::Thursday => Self::Thursday,
            DayOfWeek::Friday => Self::Friday,
            DayOfWeek::Saturday => Self::Saturday,
            DayOfWeek::Sunday => Self::Sunday,
        }
    }
}

impl OptOutView {
    pub(crate) fn new(opt_out: OptOutSettings) -> Self {
        Self {
            enabled: opt_out.enabled,
            stop_words: by_language(opt_out.stop_words),
            start_words: by_language(opt_out.start_words),
            stop_text: opt_out.stop_text,
            start_text: opt_out.start_text,
        }
    }
}

/// A change to when a conversation goes to a person.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HandoffChange {
    /// Whether a contact gets a person by asking for one. Default `true`.
    on_words: Option<bool>,
    /// The tenant's own phrases that ask for one, by language; `null` for a language goes back to
    /// the product's. At most 100 of at most 100 characters for each.
    words: Option<HashMap<String, Option<Vec<String>>>>,
    /// Whether the model may give a conversation to a person; it takes one that takes tools. Default
    /// `false`.
    tool: Option<bool>,
    /// Whether a question that could not be answered in time goes to a person. Default `false`: the
    /// fallback text is sent.
    when_unanswered: Option<bool>,
    /// Whether a question for which nothing fits in the documents goes to a person. Default `false`:
    /// the model says that it does not know.
    when_unknown: Option<bool>,
    /// What the contact reads then, up to 2000 characters; empty: nothing. Default: the product's own
    /// words, in the contact's language.
    text: Option<String>,
    /// What the contact reads outside business hours, likewise.
    closed_text: Option<String>,
    /// What happens outside business hours. Default `hand_off`.
    when_closed: Option<WhenClosed>,
    /// After how many minutes without a word from a person the machine answers again, at most 43200;
    /// 0: never. Default 0.
    release_after_minutes: Option<u32>,
}

/// A change to when people are there.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoursChange {
    /// The time zone that all of it is in, by its IANA name, such as `Europe/Berlin`. Default `UTC`.
    time_zone: Option<String>,
    /// When people are there, week by week, at most 50 stretches; empty: always.
    weekly: Option<Vec<OpenHours>>,
    /// Days without people, at most 400.
    holidays: Option<Vec<NaiveDate>>,
}

/// A change to how contacts say that they want no more messages.
#[derive(Debug, Object, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OptOutChange {
    /// Whether stop words are heeded. Default `true`.
    enabled: Option<bool>,
    /// The tenant's own stop words, by language; `null` for a language goes back to the product's.
    stop_words: Option<HashMap<String, Option<Vec<String>>>>,
    /// The tenant's own words that end the silence; likewise.
    start_words: Option<HashMap<String, Option<Vec<String>>>>,
    /// What confirms a stop, once, up to 2000 characters; empty: nothing. Default: the product's own
    /// words.
    stop_text: Option<String>,
    /// What confirms the end of the silence; likewise.
    start_text: Option<String>,
}

/// Notes what is wrong with any of them.
pub(crate) fn check_people(settings: &TenantSettings, checks: &mut Checks) {
    let (handoff, opt_out) = (&settings.handoff, &settings.opt_out);
    for (field, phrases) in [
        ("handoff.words", &handoff.words),
        ("opt_out.stop_words", &opt_out.stop_words),
        ("opt_out.start_words", &opt_out.start_words),
    ] {
        let fits = phrases.len() <= 50
            && phrases.keys().all(|language| is_language(language))
            && phrases.values().all(|phrases| are_phrases(phrases, 100));
        let detail =
            "must be languages such as `de` with up to 100 phrases of up to 100 characters";
        checks.require(fits, &format!("settings.{field}"), detail);
    }
    let texts = [
        ("handoff.text", handoff.text.as_ref()),
        ("handoff.closed_text", handoff.closed_text.as_ref()),
        ("opt_out.stop_text", opt_out.stop_text.as_ref()),
        ("opt_out.start_text", opt_out.start_text.as_ref()),
        ("moderation.text", Some(&settings.moderation.text)),
    ];
    for (field, text) in texts {
        let fits = text.is_none_or(|text| text.chars().count() <= 2000 && !text.contains('\0'));
        let detail = "must have at most 2000 characters";
        checks.require(fits, &format!("settings.{field}"), detail);
    }
    check_hours(&settings.hours, checks);
    let days = settings.retention_days;
    checks.require(
        days.is_none_or(|days| days.get() <= 36_500),
        "settings.retention_days",
        "must be from 1 to 36500",
    );
    for (field, minutes) in [
        (
            "handoff.release_after_minutes",
            handoff.release_after_minutes,
        ),
        ("answer_within_minutes", settings.answer_within_minutes),
    ] {
        let fits = minutes <= 43_200;
        checks.require(
            fits,
            &format!("settings.{field}"),
            "must be from 0 to 43200",
        );
    }
}

fn check_hours(hours: &BusinessHours, checks: &mut Checks) {
    let is_short = hours.weekly.len() <= 50 && hours.holidays.len() <= 400;
    let detail = "must have at most 50 stretches and 400 holidays";
    checks.require(is_short, "settings.hours", detail);
    for (at, open) in hours.weekly.iter().enumerate() {
        let field = format!("settings.hours.weekly[{at}].to");
        checks.require(open.from < open.to, &field, "must be later than `from`");
    }
}

fn is_language(text: &str) -> bool {
    (2..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

pub(super) fn are_phrases(phrases: &[String], most: usize) -> bool {
    let is_phrase = |phrase: &String| {
        let chars = phrase.trim().chars().count();
        (1..=100).contains(&chars) && !phrase.contains('\0')
    };
    phrases.len() <= most && phrases.iter().all(is_phrase)
}
