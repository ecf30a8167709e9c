use chrono::{DateTime, Datelike as _, NaiveDate, Timelike as _, Utc, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// When people are there to take a conversation over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BusinessHours {
    /// The time zone that all of it is in, by its IANA name. Default `UTC`.
    pub time_zone: Tz,
    /// When people are there, week by week; empty: always.
    pub weekly: Vec<OpenHours>,
    /// Days without people, by the calendar of the time zone.
    pub holidays: Vec<NaiveDate>,
}

impl Default for BusinessHours {
    fn default() -> Self {
        Self {
            time_zone: Tz::UTC,
            weekly: Vec::new(),
            holidays: Vec::new(),
        }
    }
}

/// A stretch of one day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenHours {
    /// The day.
    pub day: DayOfWeek,
    /// From then on.
    pub from: TimeOfDay,
    /// Until before then; `24:00` is the end of the day.
    pub to: TimeOfDay,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayOfWeek {
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

impl From<Weekday> for DayOfWeek {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Mon => Self::Monday,
            Weekday::Tue => Self::Tuesday,
            Weekday::Wed => Self::Wednesday,
            Weekday::Thu => Self::Thursday,
            Weekday::Fri => Self::Friday,
            Weekday::Sat => Self::Saturday,
            Weekday::Sun => Self::Sunday,
        }
    }
}

/// A time of the day to the minute, `00:00` to `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    minutes: u32,
}

/// A text that is no time of the day.
#[derive(Debug, thiserror::Error)]
#[error("must be a time such as 09:30")]
pub struct InvalidTimeOfDay;

impl TryFrom<String> for TimeOfDay {
    type Error = InvalidTimeOfDay;

    fn try_from(text: String) -> Result<Self, InvalidTimeOfDay> {
        let two_digits = |part: &str| {
            let is_two = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            is_two.then(|| part.parse::<u32>().ok()).flatten()
        };
        let (hours, minutes) = text.split_once(':').ok_or(InvalidTimeOfDay)?;
        let hours = two_digits(hours).ok_or(InvalidTimeOfDay)?;
        let minutes = two_digits(minutes).ok_or(InvalidTimeOfDay)?;
        let all = hours * 60 + minutes;
        if minutes > 59 || all > 24 * 60 {
            return Err(InvalidTimeOfDay);
        }
        Ok(Self { minutes: all })
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        format!("{:02}:{:02}", time.minutes / 60, time.minutes % 60)
    }
}

impl BusinessHours {
    /// Whether people are there at a moment.
    pub fn is_open(&self, at: DateTime<Utc>) -> bool {
        if self.weekly.is_empty() && self.holidays.is_empty() {
            return true;
        }
        let local = at.with_timezone(&self.time_zone).naive_local();
        if self.holidays.contains(&local.date()) {
            return false;
        }
        let day = DayOfWeek::from(local.weekday());
        let minutes = local.hour() * 60 + local.minute();
        let is_within = |hours: &OpenHours| {
            hours.day == day && hours.from.minutes <= minutes && minutes < hours.to.minutes
        };
        self.weekly.is_empty() || self.weekly.iter().any(is_within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(json: serde_json::Value) -> BusinessHours {
        serde_json::from_value(json).unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn berlin() -> BusinessHours {
        hours(serde_json::json!({
            "time_zone": "Europe/Berlin",
            "weekly": [
                {"day": "monday", "from": "09:00", "to": "12:00"},
                {"day": "monday", "from": "13:00", "to": "17:30"},
                {"day": "sunday", "from": "22:00", "to": "24:00"},
            ],
            "holidays": ["2026-12-28"],
        }))
    }

    #[test]
    fn without_hours_people_are_always_there() {
        assert!(BusinessHours::default().is_open(at("2026-01-01T03:00:00Z")));
        let only_holidays = hours(serde_json::json!({"holidays": ["2026-01-01"]}));
        assert!(!only_holidays.is_open(at("2026-01-01T03:00:00Z")));
        assert!(only_holidays.is_open(at("2026-01-02T00:00:00Z")));
    }

    #[test]
    fn a_stretch_begins_with_its_first_minute_and_ends_before_its_last() {
        // Winter in Berlin: one hour before UTC.
        for (moment, is_open) in [
            ("2026-11-30T07:59:59Z", false),
            ("2026-11-30T08:00:00Z", true),
            ("2026-11-30T10:59:59Z", true),
            ("2026-11-30T11:00:00Z", false),
            ("2026-11-30T16:29:59Z", true),
            ("2026-11-30T16:30:00Z", false),
            ("2026-12-01T09:00:00Z", false),
            ("2026-11-29T22:59:59Z", true),
            ("2026-11-29T23:00:00Z", false),
            ("2026-12-28T09:00:00Z", false),
        ] {
            assert_eq!(berlin().is_open(at(moment)), is_open, "{moment}");
        }
    }

    #[test]
    fn hours_follow_the_clock_on_the_wall_through_summer_time() {
        // The Mondays before and after the clocks of Berlin go forward, and after they go back.
        for (moment, is_open) in [
            ("2026-03-23T07:30:00Z", false),
            ("2026-03-30T07:30:00Z", true),
            ("2026-10-19T07:30:00Z", true),
            ("2026-10-26T07:30:00Z", false),
        ] {
            assert_eq!(berlin().is_open(at(moment)), is_open, "{moment}");
        }
    }

    #[test]
    fn times_of_the_day_read_back_and_others_are_refused() {
        for text in ["00:00", "09:05", "23:59", "24:00"] {
            let time = TimeOfDay::try_from(text.to_owned()).unwrap();
            assert_eq!(String::from(time), text);
        }
        for text in [
            "", "9:00", "09:60", "24:01", "25:00", "+9:00", "09:0a", "0900",
        ] {
            assert!(TimeOfDay::try_from(text.to_owned()).is_err(), "{text}");
        }
        let unknown = serde_json::json!({"time_zone": "Mars/Olympus"});
        assert!(serde_json::from_value::<BusinessHours>(unknown).is_err());
    }
}
